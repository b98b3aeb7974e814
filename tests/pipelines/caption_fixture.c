/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include "caption_fixture.h"

char *folder, *clip, *sound;

static gboolean
make_clips (void)
{
  g_autofree char *video = g_strdup_printf (
      "videotestsrc num-buffers=50 pattern=ball ! video/x-raw,width=64,"
      "height=48,framerate=10/1 ! jpegenc ! avimux ! filesink location=%s",
      clip);
  g_autofree char *audio = g_strdup_printf (
      "audiotestsrc num-buffers=20 ! wavenc ! filesink location=%s", sound);

  return make_media (video) && make_media (audio);
}

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *inner = g_build_filename (path, name, NULL);

    remove_tree (inner);
  }
  g_remove (path);
}

gboolean
fixture_begin (int argc, char **argv)
{
  if (argc < 2)
    exit (EXIT_FAILURE);
  program = argv[1];
  gst_init (NULL, NULL);
  folder = g_dir_make_tmp ("neva-caption-XXXXXX", NULL);
  clip = g_build_filename (folder, "clip.avi", NULL);
  sound = g_build_filename (folder, "sound.wav", NULL);
  if (make_clips ())
    return TRUE;
  printf ("SKIP: GStreamer cannot make the clips here\n");
  return FALSE;
}

void
fixture_finish (void)
{
  remove_tree (folder);
  g_free (folder);
  g_free (clip);
  g_free (sound);
}
