/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does a real model that never rests disturb video? A 1080p30 video is
 * captioned beside 1, 4 and 15 small streams by one model: frames lost, frames
 * late, and a control without captions.
 *
 *   NEVA_BENCH_LIVE_MODEL   a model folder (the demo model)
 *   NEVA_BENCH_LIVE_WEIGHTS as the property (auto) */
#include "config.h"
#include <stdio.h>
#include "punctual.h"

#define FRAMES 300

/* The load that keeps a model in memory between the runs. */
static GstElement *
hold (const char *caption)
{
  g_autofree char *description = g_strdup_printf (
      "videotestsrc num-buffers=4 ! "
      "video/x-raw,format=RGB,width=64,height=48,framerate=10/1 ! %s ! "
      "fakesink sync=false",
      caption);
  GstElement *pipeline = gst_parse_launch (description, NULL);
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  g_autoptr (GstMessage) end = NULL;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  end = gst_bus_timed_pop_filtered (
      bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);
  if (GST_MESSAGE_TYPE (end) == GST_MESSAGE_EOS)
    return pipeline;
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return NULL;
}

int
main (int argc, char **argv)
{
  static const guint streams[] = {1, 4, 15};
  const char *given = g_getenv ("NEVA_BENCH_LIVE_MODEL");
  const char *weights = g_getenv ("NEVA_BENCH_LIVE_WEIGHTS");
  const char *source = g_getenv ("NEVA_SOURCE");
  g_autofree char *demo =
      g_build_filename (source ? source : ".", "models", "demo", NULL);
  g_autofree char *caption = NULL;
  GstElement *holder;

  gst_init (&argc, &argv);
  caption = g_strdup_printf (
      "nevacaption model=%s weights=%s window=500000000 num-frames=4 "
      "max-tokens=64 partial=true overflow=drop-oldest",
      given ? given : demo, weights ? weights : "auto");
  if (!(holder = hold (caption))) {
    g_printerr ("the model cannot be used\n");
    return 1;
  }
  for (guint i = 0; i < G_N_ELEMENTS (streams); i++) {
    Punctual video, control;

    if (!punctual_run (caption, streams[i], FRAMES, &video, &control))
      return 1;
    printf ("%u streams beside the video\n", streams[i]);
    punctual_print ("  video", &video);
    punctual_print ("  control", &control);
  }
  gst_element_set_state (holder, GST_STATE_NULL);
  gst_object_unref (holder);
  return 0;
}
