/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Eight uniform frames of ten minutes of 1080p30 H.264, from a file in the page
 * cache to the end of the stream, as `filesrc ! decodebin ! nevaframesampler`.
 *
 * ffmpeg makes the file: one group of pictures (x264, B-frames, about 5 Mbit/s)
 * is repeated. One run to warm up, then the best of three. */
#include "config.h"

#include <glib/gstdio.h>
#include <gst/gst.h>
#include "report.h"

#define FRAMES (10 * 60 * 30)

static gboolean
ffmpeg (const gchar *arguments)
{
  g_autofree gchar *line = g_strdup_printf ("ffmpeg -v error -y %s", arguments);
  gint status = 1;

  return g_spawn_command_line_sync (line, NULL, NULL, &status, NULL) &&
         g_spawn_check_wait_status (status, NULL);
}

/* Codes one group of `gop` pictures in dir and repeats it to ten minutes. */
static gboolean
write_clip (guint gop, const gchar *dir, const gchar *path)
{
  g_autofree gchar *group = g_build_filename (dir, "group.mp4", NULL);
  g_autofree gchar *encode = g_strdup_printf (
      "-f lavfi -i testsrc2=size=1920x1080:rate=30,noise=alls=12:allf=t "
      "-frames:v %u -pix_fmt yuv420p -c:v libx264 -preset veryfast -bf 3 "
      "-b:v 5M -g %u -keyint_min %u -sc_threshold 0 %s",
      gop, gop, gop, group);
  g_autofree gchar *repeat = g_strdup_printf (
      "-stream_loop %u -i %s -c copy %s", FRAMES / gop - 1, group, path);
  const gboolean ok = ffmpeg (encode) && ffmpeg (repeat);

  g_unlink (group);
  return ok;
}

static gboolean
wait_eos (GstElement *p)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (p);
  g_autoptr (GstMessage) m = gst_bus_timed_pop_filtered (
      bus, 120 * GST_SECOND, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

  return m && GST_MESSAGE_TYPE (m) == GST_MESSAGE_EOS;
}

/* Seconds of one run, or 0 if it failed. */
static double
sample_clip (const gchar *path)
{
  g_autofree gchar *line = g_strdup_printf (
      "filesrc location=\"%s\" ! decodebin ! nevaframesampler ! fakesink",
      path);
  g_autoptr (GstElement) p = gst_parse_launch (line, NULL);
  const double begin = bench_seconds ();
  gboolean ok;
  double end;

  if (!p)
    return 0;
  gst_element_set_state (p, GST_STATE_PLAYING);
  ok = wait_eos (p);
  end = bench_seconds ();
  gst_element_set_state (p, GST_STATE_NULL);
  return ok ? end - begin : 0;
}

static gboolean
measure (const gchar *name, guint gop, const gchar *dir, const gchar *path)
{
  double best = 0;

  if (!write_clip (gop, dir, path)) {
    g_print ("SKIP %s: ffmpeg cannot make the clip\n", name);
    return FALSE;
  }
  for (guint i = 0; i < 4; i++) {
    double s = sample_clip (path);

    if (!(s > 0))
      return FALSE;
    if (i > 0 && (best == 0 || s < best))
      best = s;
  }
  g_print ("%s: %.2f s, groups of %u pictures\n", name, best, gop);
  bench_report (name, 1 / best, "clips/s", 0, 0);
  return TRUE;
}

int
main (int argc, char **argv)
{
  g_autofree gchar *dir = g_dir_make_tmp ("neva-bench-XXXXXX", NULL);
  g_autofree gchar *path = g_build_filename (dir, "clip.mp4", NULL);
  gboolean ok;

  gst_init (&argc, &argv);
  ok = measure ("sample-8-of-10min-1080p", 250, dir, path);
  ok = ok && measure ("sample-8-of-10min-1080p-gop30", 30, dir, path);
  g_unlink (path);
  g_rmdir (dir);
  return ok ? 0 : 77;
}
