/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "video_pad.h"

static void
on_pad (GstElement *source, GstPad *pad, gpointer data)
{
  VideoPad *self = data;
  g_autoptr (GstPad) sink = gst_element_get_static_pad (self->entry, "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  const char *name =
      caps && gst_caps_get_size (caps) > 0
          ? gst_structure_get_name (gst_caps_get_structure (caps, 0))
          : "";

  if (!gst_pad_is_linked (sink) && g_str_equal (name, "video/x-raw") &&
      gst_pad_link (pad, sink) == GST_PAD_LINK_OK)
    self->linked = TRUE;
}

static void
on_no_more_pads (GstElement *source, gpointer data)
{
  VideoPad *self = data;

  if (!self->linked)
    gst_element_post_message (self->pipeline,
        gst_message_new_application (
            GST_OBJECT (self->pipeline), gst_structure_new_empty ("no-video")));
}

void
video_pad_watch (VideoPad *self, GstElement *source)
{
  g_signal_connect (source, "pad-added", G_CALLBACK (on_pad), self);
  g_signal_connect (source, "no-more-pads", G_CALLBACK (on_no_more_pads), self);
}
