/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <gst/app/gstappsink.h>
#include "said.h"

#define CAPTION_META "GstNevaCaptionMeta"
#define CAPTION_MESSAGE "neva-caption"

/* When the window's pictures passed, from its running time and the newest
 * frame's. */
static void
set_times (Pipeline *self, const GstStructure *s, HubCaption *c)
{
  GstClockTime start = 0, end = 0, running = 0;

  gst_structure_get_uint64 (s, "start", &start);
  gst_structure_get_uint64 (s, "end", &end);
  gst_structure_get_uint64 (s, "running-time", &running);
  g_mutex_lock (&self->lock);
  c->start = (gint64) (running / GST_USECOND) + self->offset;
  g_mutex_unlock (&self->lock);
  c->end = c->start;
  if (GST_CLOCK_TIME_IS_VALID (start) && GST_CLOCK_TIME_IS_VALID (end) &&
      end > start)
    c->end += (gint64) ((end - start) / GST_USECOND);
}

static void
take_caption (Pipeline *self, const GstStructure *s)
{
  HubCaption c = {.text = gst_structure_get_string (s, "text"), .final = TRUE};

  c.text = c.text ? c.text : "";
  gst_structure_get_uint64 (s, "clip", &c.clip);
  gst_structure_get_boolean (s, "final", &c.final);
  set_times (self, s, &c);
  hub_caption (self->hub, self->index, &c);
}

/* ---- Partial ones ------------------------------------------------------- */

static GstFlowReturn
on_text (GstAppSink *sink, gpointer data)
{
  Pipeline *self = data;
  g_autoptr (GstSample) sample = gst_app_sink_pull_sample (sink);
  GstBuffer *buffer = sample ? gst_sample_get_buffer (sample) : NULL;
  GstCustomMeta *meta =
      buffer ? gst_buffer_get_custom_meta (buffer, CAPTION_META) : NULL;
  const GstStructure *s = meta ? gst_custom_meta_get_structure (meta) : NULL;
  gboolean final = TRUE;

  /* whole ones come as messages, also where they are empty */
  if (s && gst_structure_get_boolean (s, "final", &final) && !final)
    take_caption (self, s);
  return GST_FLOW_OK;
}

gboolean
said_attach (Pipeline *self, GError **error)
{
  GstAppSinkCallbacks callbacks = {.new_sample = on_text};
  GstElement *sink = gst_element_factory_make ("appsink", NULL);

  if (!sink) {
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
        "no element 'appsink'");
    return FALSE;
  }
  gst_bin_add (GST_BIN (self->pipeline), sink);
  g_object_set (sink, "sync", FALSE, "async", FALSE, "max-buffers", 4, "drop",
      TRUE, NULL);
  gst_app_sink_set_callbacks (GST_APP_SINK (sink), &callbacks, self, NULL);
  return gst_element_link_pads (self->llms[0], "text", sink, "sink");
}

/* ---- Messages ----------------------------------------------------------- */

static void
take_alert (Pipeline *self, guint alert, const GstStructure *s)
{
  HubAlert a = {.alert = alert};

  if (gst_structure_get_double (s, "yes-probability", &a.probability) &&
      gst_structure_get_boolean (s, "alert", &a.active))
    hub_alert (self->hub, self->index, &a);
}

gboolean
said_message (Pipeline *self, GstMessage *message)
{
  const GstStructure *s = gst_message_get_structure (message);

  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ELEMENT ||
      !gst_structure_has_name (s, CAPTION_MESSAGE))
    return FALSE;
  for (guint i = 0; i < self->n_llms; i++) {
    if (GST_MESSAGE_SRC (message) != GST_OBJECT (self->llms[i]))
      continue;
    if (i == 0)
      take_caption (self, s);
    else
      take_alert (self, i - 1, s);
  }
  return TRUE;
}
