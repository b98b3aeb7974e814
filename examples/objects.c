/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Captions of objects: objects VIDEO MODEL LABEL:X,Y,WIDTH,HEIGHT…
 *
 * The boxes stand in for what a detector finds. Any element that attaches
 * GstVideoRegionOfInterestMeta, or GstAnalytics detections, takes their place:
 *
 *   decoder ! detector ! nevaframesampler ! nevaencoder region=roi ! nevallm
 */
#include <gst/video/video.h>
#include <stdio.h>
#include <stdlib.h>

static GstPadProbeReturn
add_boxes (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  GstBuffer *buffer =
      gst_buffer_make_writable (GST_PAD_PROBE_INFO_BUFFER (info));

  (void) pad;
  for (char **box = user_data; *box; box++) {
    char label[64];
    unsigned x, y, w, h;

    if (sscanf (*box, "%63[^:]:%u,%u,%u,%u", label, &x, &y, &w, &h) == 5)
      gst_buffer_add_video_region_of_interest_meta (buffer, label, x, y, w, h);
  }
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  return GST_PAD_PROBE_OK;
}

static void
print_caption (const GstStructure *caption)
{
  gint64 x = 0, y = 0;

  gst_structure_get (caption, "region-x", G_TYPE_INT64, &x, "region-y",
      G_TYPE_INT64, &y, NULL);
  printf ("%s at %d,%d: %s\n",
      gst_structure_get_string (caption, "region-type"), (int) x, (int) y,
      gst_structure_get_string (caption, "text"));
}

/* Until the end. Returns: FALSE after an error. */
static gboolean
follow (GstBus *bus)
{
  for (;;) {
    g_autoptr (GstMessage) m = gst_bus_timed_pop (bus, GST_CLOCK_TIME_NONE);
    g_autoptr (GError) error = NULL;

    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_EOS)
      return TRUE;
    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ELEMENT &&
        gst_message_has_name (m, "neva-caption"))
      print_caption (gst_message_get_structure (m));
    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_WARNING)
      gst_message_parse_warning (m, &error, NULL);
    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ERROR)
      gst_message_parse_error (m, &error, NULL);
    if (error)
      fprintf (stderr, "%s\n", error->message);
    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ERROR)
      return FALSE;
  }
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstElement) pipeline = NULL, file = NULL, sampler = NULL,
                         encoder = NULL;
  g_autoptr (GstPad) pad = NULL;
  g_autoptr (GstBus) bus = NULL;
  gboolean ok;

  if (argc < 4) {
    fprintf (
        stderr, "usage: %s VIDEO MODEL LABEL:X,Y,WIDTH,HEIGHT…\n", argv[0]);
    return EXIT_FAILURE;
  }
  gst_init (NULL, NULL);
  pipeline = gst_parse_launch (
      "filesrc name=file ! decodebin ! videoconvert ! nevaframesampler name=s "
      "mode=middle ! nevaencoder name=e region=roi ! nevallm ! fakesink",
      &error);
  if (!pipeline) {
    fprintf (stderr, "%s\n", error->message);
    return EXIT_FAILURE;
  }
  file = gst_bin_get_by_name (GST_BIN (pipeline), "file");
  sampler = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  encoder = gst_bin_get_by_name (GST_BIN (pipeline), "e");
  g_object_set (file, "location", argv[1], NULL);
  g_object_set (encoder, "model", argv[2], NULL);
  pad = gst_element_get_static_pad (sampler, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, add_boxes, argv + 3, NULL);

  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  ok = follow (bus);
  gst_element_set_state (pipeline, GST_STATE_NULL);
  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
