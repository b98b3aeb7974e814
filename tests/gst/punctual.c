/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <gst/base/gstbasesink.h>
#include <stdio.h>
#include "punctual.h"

typedef struct {
  GstElement *pipeline;
  Punctual *result;
  GstClockTime last; /* PTS of the newest frame, NONE before the first */
  guint entered;
} Stream;

/* ---- Counting ----------------------------------------------------------- */

static GstPadProbeReturn
on_enter (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  ((Stream *) data)->entered++;
  return GST_PAD_PROBE_OK;
}

/* How far the clock is past the moment that the sink waited for. */
static gint64
lateness (GstElement *sink, GstBuffer *buffer, GstPad *pad)
{
  g_autoptr (GstEvent) event =
      gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;
  GstClockTime due;

  gst_event_parse_segment (event, &segment);
  due = gst_segment_to_running_time (
            segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer)) +
        gst_base_sink_get_latency (GST_BASE_SINK (sink));
  return GST_CLOCK_DIFF (due, gst_element_get_current_running_time (sink));
}

static void
on_handoff (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer data)
{
  Stream *self = data;
  Punctual *result = self->result;
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  const gint64 behind = lateness (sink, buffer, pad);

  result->frames++;
  result->worst = MAX (result->worst, behind);
  result->late += behind > (gint64) PUNCTUAL_FRAME_NS;
  if (GST_CLOCK_TIME_IS_VALID (self->last) && pts <= self->last)
    result->lost++;
  self->last = pts;
}

static GstBusSyncReply
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Stream *self = data;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT &&
      gst_message_has_name (message, "neva-caption"))
    g_atomic_int_inc (&self->result->captions);
  if (GST_MESSAGE_TYPE (message) &
      (GST_MESSAGE_ERROR | GST_MESSAGE_EOS | GST_MESSAGE_LATENCY))
    return GST_BUS_PASS;
  gst_message_unref (message);
  return GST_BUS_DROP;
}

/* ---- Pipelines ---------------------------------------------------------- */

static gboolean
open_stream (Stream *self, const char *description, Punctual *result)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GstBus) bus = NULL;

  self->result = result;
  self->last = GST_CLOCK_TIME_NONE;
  self->pipeline = gst_parse_launch (description, &error);
  if (error) {
    g_printerr ("%s\n", error->message);
    return FALSE;
  }
  bus = gst_element_get_bus (self->pipeline);
  gst_bus_set_sync_handler (bus, on_message, self, NULL);
  return TRUE;
}

/* One picture again and again: no time goes into drawing it. */
static gboolean
open_video (Stream *self, const char *between, guint frames, Punctual *result)
{
  g_autofree char *description = g_strdup_printf (
      "videotestsrc num-buffers=1 ! "
      "video/x-raw,format=NV12,width=1920,height=1080,framerate=30/1 ! "
      "imagefreeze name=source is-live=true num-buffers=%u ! "
      "video/x-raw,framerate=30/1 ! identity name=enter silent=true %s%s ! "
      "fakesink name=sink sync=true qos=false signal-handoffs=true",
      frames, *between ? "! " : "", between);
  g_autoptr (GstElement) sink = NULL;
  g_autoptr (GstElement) enter = NULL;
  g_autoptr (GstPad) pad = NULL;

  if (!open_stream (self, description, result))
    return FALSE;
  sink = gst_bin_get_by_name (GST_BIN (self->pipeline), "sink");
  enter = gst_bin_get_by_name (GST_BIN (self->pipeline), "enter");
  pad = gst_element_get_static_pad (enter, "src");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_enter, self, NULL);
  g_signal_connect (sink, "handoff", G_CALLBACK (on_handoff), self);
  return TRUE;
}

static gboolean
open_small (Stream *self, const char *caption, Punctual *result)
{
  g_autofree char *description = g_strdup_printf (
      "videotestsrc is-live=true pattern=ball ! "
      "video/x-raw,format=RGB,width=64,height=48,framerate=10/1 ! %s ! "
      "fakesink sync=true qos=false",
      caption);

  return open_stream (self, description, result);
}

static gboolean
wait_for_end (Stream *self)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);
  g_autoptr (GstMessage) message = NULL;
  g_autoptr (GError) error = NULL;

  for (;;) {
    message = gst_bus_timed_pop_filtered (bus, GST_CLOCK_TIME_NONE,
        GST_MESSAGE_ERROR | GST_MESSAGE_EOS | GST_MESSAGE_LATENCY);
    if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_LATENCY)
      break;
    gst_bin_recalculate_latency (GST_BIN (self->pipeline));
    gst_clear_message (&message);
  }
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS)
    return TRUE;
  gst_message_parse_error (message, &error, NULL);
  g_printerr ("%s\n", error->message);
  return FALSE;
}

/* A frame that the source was too late to send is the machine's. */
static void
count_lost (Stream *self)
{
  if (self->entered > self->result->frames)
    self->result->lost += self->entered - self->result->frames;
}

gboolean
punctual_run (const char *caption, guint streams, guint frames, Punctual *video,
    Punctual *control)
{
  const guint n = streams + 2;
  g_autofree Stream *all = g_new0 (Stream, n);
  gboolean ok;

  *video = *control = (Punctual){.worst = G_MININT64};
  ok = open_video (&all[0], caption, frames, video) &&
       open_video (&all[1], "", frames, control);
  for (guint i = 2; ok && i < n; i++)
    ok = open_small (&all[i], caption, video);
  for (guint i = n; ok && i-- > 0;) /* the videos last */
    ok = gst_element_set_state (all[i].pipeline, GST_STATE_PLAYING) !=
         GST_STATE_CHANGE_FAILURE;
  ok = ok && wait_for_end (&all[0]) && wait_for_end (&all[1]);
  for (guint i = 0; i < n; i++)
    if (all[i].pipeline) {
      gst_element_set_state (all[i].pipeline, GST_STATE_NULL);
      gst_object_unref (all[i].pipeline);
    }
  if (ok) {
    count_lost (&all[0]);
    count_lost (&all[1]);
  }
  return ok;
}

void
punctual_print (const char *name, const Punctual *self)
{
  printf ("%s: %u frames, %u lost, %u late by more than a frame time, worst "
          "%.1f ms, %u captions\n",
      name, self->frames, self->lost, self->late, (double) self->worst / 1e6,
      self->captions);
  fflush (stdout);
}
