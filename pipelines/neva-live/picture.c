/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <gst/app/gstappsink.h>
#include "picture.h"

#define UNWATCHED_US G_USEC_PER_SEC
#define QUALITY 80

/* Before anything was paid for a frame. */
static GstPadProbeReturn
on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Pipeline *self = data;
  const gint64 now = g_get_monotonic_time ();
  const gint64 interval =
      hub_is_watched (self->hub, self->index)
          ? (gint64) (1e6 / hub_options (self->hub)->picture_rate)
          : UNWATCHED_US;

  /* a viewer does not wait for what was due while nobody watched */
  self->picture_due = MIN (self->picture_due, self->picture_last + interval);
  if (now < self->picture_due)
    return GST_PAD_PROBE_DROP;
  self->picture_due = MAX (self->picture_due + interval, now);
  self->picture_last = now;
  return GST_PAD_PROBE_OK;
}

static GstFlowReturn
on_jpeg (GstAppSink *sink, gpointer data)
{
  Pipeline *self = data;
  g_autoptr (GstSample) sample = gst_app_sink_pull_sample (sink);
  GstBuffer *buffer = sample ? gst_sample_get_buffer (sample) : NULL;
  gpointer bytes;
  gsize size;

  if (!buffer)
    return GST_FLOW_OK;
  gst_buffer_extract_dup (buffer, 0, -1, &bytes, &size);
  hub_set_picture (self->hub, self->index, g_bytes_new_take (bytes, size));
  return GST_FLOW_OK;
}

gboolean
picture_attach (Pipeline *self, GstElement *tee, GError **error)
{
  g_autofree char *description = g_strdup_printf (
      "queue name=in leaky=downstream max-size-buffers=2 max-size-bytes=0 "
      "max-size-time=0 ! videoscale ! videoconvert ! video/x-raw,"
      "format={I420,Y42B,Y444,GRAY8},width=[2,%d],height=[2,%d],"
      "pixel-aspect-ratio=1/1 ! jpegenc quality=%d ! appsink name=out "
      "sync=false async=false max-buffers=1 drop=true",
      hub_options (self->hub)->picture_width,
      hub_options (self->hub)->picture_width, QUALITY);
  GstAppSinkCallbacks callbacks = {.new_sample = on_jpeg};
  GstElement *bin = gst_parse_bin_from_description_full (
      description, TRUE, NULL, GST_PARSE_FLAG_FATAL_ERRORS, error);
  g_autoptr (GstElement) in = NULL, out = NULL;
  g_autoptr (GstPad) pad = NULL;

  if (!bin)
    return FALSE;
  gst_bin_add (GST_BIN (self->pipeline), bin);
  in = gst_bin_get_by_name (GST_BIN (bin), "in");
  out = gst_bin_get_by_name (GST_BIN (bin), "out");
  pad = gst_element_get_static_pad (in, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, self, NULL);
  gst_app_sink_set_callbacks (GST_APP_SINK (out), &callbacks, self, NULL);
  return gst_element_link (tee, bin);
}
