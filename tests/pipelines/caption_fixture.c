/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include "caption_fixture.h"

const char *program;
char *folder, *clip, *sound;

void
result_clear (Result *r)
{
  g_free (r->out);
  g_free (r->err);
}

Result
run (const char *format, ...)
{
  Result r = {.code = -1};
  g_autofree char *text = NULL;
  g_auto (GStrv) arguments = NULL;
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  va_list args;
  int status = -1;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  arguments = g_strsplit (text, "|", -1);
  g_ptr_array_add (argv, (gpointer) program);
  for (guint i = 0; arguments[i]; i++)
    g_ptr_array_add (argv, arguments[i]);
  g_ptr_array_add (argv, NULL);
  if (!g_spawn_sync (NULL, (char **) argv->pdata, NULL, 0, NULL, NULL, &r.out,
          &r.err, &status, &error))
    printf ("%s: %s\n", program, error->message); /* the code stays -1 */
  r.code = WIFEXITED (status) ? WEXITSTATUS (status) : 1000 + status;
  return r;
}

static gboolean
make_clip (const char *description)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = gst_parse_launch (description, &error);
  g_autoptr (GstBus) bus = NULL;
  g_autoptr (GstMessage) message = NULL;

  if (!pipeline || error) {
    printf ("%s\n", error ? error->message : description);
    return FALSE;
  }
  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  message = gst_bus_timed_pop_filtered (
      bus, 30 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS;
}

static gboolean
make_clips (void)
{
  g_autofree char *video = g_strdup_printf (
      "videotestsrc num-buffers=50 pattern=ball ! video/x-raw,width=64,"
      "height=48,framerate=10/1 ! jpegenc ! avimux ! filesink location=%s",
      clip);
  g_autofree char *audio = g_strdup_printf (
      "audiotestsrc num-buffers=20 ! wavenc ! filesink location=%s", sound);

  return make_clip (video) && make_clip (audio);
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
