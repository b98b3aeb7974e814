/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "seeker.h"

#include "samplerdebug.h"

/* A seek that upstream accepted and after which nothing arrives is sent again
 * after this time, us, doubled each time. Seen once in some fifty runs on a
 * machine under heavy load: demuxer and queues were all left waiting. */
#define STALL (2 * G_USEC_PER_SEC)
#define MAX_TRIES 4

void
neva_seeker_init (NevaSeeker *s, GstElement *element, GstPad *sinkpad)
{
  *s = (NevaSeeker){.element = element, .sinkpad = sinkpad, .stopped = TRUE};
  g_mutex_init (&s->lock);
  g_cond_init (&s->cond);
}

void
neva_seeker_clear (NevaSeeker *s)
{
  neva_seeker_deactivate (s);
  g_mutex_clear (&s->lock);
  g_cond_clear (&s->cond);
}

void
neva_seeker_start (NevaSeeker *s)
{
  g_mutex_lock (&s->lock);
  s->stopped = FALSE;
  g_mutex_unlock (&s->lock);
}

void
neva_seeker_interrupt (NevaSeeker *s)
{
  g_mutex_lock (&s->lock);
  s->stopped = TRUE;
  s->pending = FALSE;
  g_cond_broadcast (&s->cond);
  g_mutex_unlock (&s->lock);
}

void
neva_seeker_join (NevaSeeker *s)
{
  neva_seeker_deactivate (s);
  g_mutex_lock (&s->lock);
  while (s->thread)
    g_cond_wait (&s->cond, &s->lock);
  g_mutex_unlock (&s->lock);
}

static GstPadProbeReturn
on_packet (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  NevaSeeker *s = data;
  NevaPacketFormat format;
  GstBuffer *buffer;
  GstClockTime before;
  GstMapInfo map;
  gboolean drop;

  if (GST_PAD_PROBE_INFO_TYPE (info) & GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM) {
    GstEvent *event = GST_PAD_PROBE_INFO_EVENT (info);
    GstCaps *caps;

    if (GST_EVENT_TYPE (event) == GST_EVENT_CAPS) {
      gst_event_parse_caps (event, &caps);
      g_mutex_lock (&s->lock);
      neva_packet_format_init (&s->format, caps);
      g_mutex_unlock (&s->lock);
    }
    return GST_PAD_PROBE_OK;
  }

  g_mutex_lock (&s->lock);
  before = s->skip_before;
  format = s->format;
  g_mutex_unlock (&s->lock);
  buffer = GST_PAD_PROBE_INFO_BUFFER (info);
  if (!GST_BUFFER_PTS_IS_VALID (buffer) || GST_BUFFER_PTS (buffer) >= before ||
      format.codec == NEVA_CODEC_OTHER ||
      !gst_buffer_map (buffer, &map, GST_MAP_READ))
    return GST_PAD_PROBE_OK;
  drop =
      neva_packet_kind (&format, map.data, map.size) == NEVA_PACKET_DISPOSABLE;
  gst_buffer_unmap (buffer, &map);
  return drop ? GST_PAD_PROBE_DROP : GST_PAD_PROBE_OK;
}

void
neva_seeker_activate (NevaSeeker *s, GstPad *decoder_pad)
{
  neva_seeker_deactivate (s);
  if (decoder_pad) {
    g_autoptr (GstCaps) caps = gst_pad_get_current_caps (decoder_pad);

    g_mutex_lock (&s->lock);
    neva_packet_format_init (&s->format, caps);
    g_mutex_unlock (&s->lock);
    s->decoder_pad = gst_object_ref (decoder_pad);
    s->probe = gst_pad_add_probe (decoder_pad,
        GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM,
        on_packet, s, NULL);
  }
  g_mutex_lock (&s->lock);
  s->active = TRUE;
  s->sought = FALSE;
  g_mutex_unlock (&s->lock);
}

void
neva_seeker_deactivate (NevaSeeker *s)
{
  GstPad *pad;
  gulong probe;

  g_mutex_lock (&s->lock);
  s->active = FALSE;
  s->pending = FALSE;
  s->skip_before = 0;
  pad = g_steal_pointer (&s->decoder_pad);
  probe = s->probe;
  s->probe = 0;
  g_cond_broadcast (&s->cond);
  g_mutex_unlock (&s->lock);

  if (pad) {
    gst_pad_remove_probe (pad, probe);
    gst_object_unref (pad);
  }
}

gboolean
neva_seeker_is_active (NevaSeeker *s)
{
  gboolean active;

  g_mutex_lock (&s->lock);
  active = s->active && !s->stopped;
  g_mutex_unlock (&s->lock);
  return active;
}

/* Lock held. The seek that is wanted now, with a number of its own. */
static GstEvent *
make_seek (NevaSeeker *s)
{
  const GstSeekType stop = GST_CLOCK_TIME_IS_VALID (s->stop)
                               ? GST_SEEK_TYPE_SET
                               : GST_SEEK_TYPE_NONE;
  GstEvent *event = gst_event_new_seek (1.0, GST_FORMAT_TIME,
      GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, GST_SEEK_TYPE_SET,
      (gint64) s->start, stop, (gint64) s->stop);

  s->seqnum = gst_event_get_seqnum (event);
  s->sought = TRUE;
  s->moved = FALSE;
  return event;
}

/* Lock held. Waits until data moves again; FALSE if it does not. */
static gboolean
wait_for_data (NevaSeeker *s, guint tries)
{
  const gint64 until = g_get_monotonic_time () + ((gint64) STALL << tries);

  while (!s->moved && s->active && !s->stopped)
    if (!g_cond_wait_until (&s->cond, &s->lock, until))
      return FALSE;
  return TRUE;
}

static void
send_seek (GstElement *element, gpointer data)
{
  NevaSeeker *s = data;
  gboolean ok = TRUE;

  g_mutex_lock (&s->lock);
  if (!s->pending || !s->active || s->stopped || s->thread) {
    g_mutex_unlock (&s->lock);
    return;
  }
  s->thread = g_thread_self ();
  for (guint tries = 0; ok && tries < MAX_TRIES; tries++) {
    GstEvent *event = make_seek (s);

    g_mutex_unlock (&s->lock);
    ok = gst_pad_push_event (s->sinkpad, event);
    GST_LOG_OBJECT (element, "seek sent: %d", ok);
    g_mutex_lock (&s->lock);
    s->pending = FALSE;
    g_cond_broadcast (&s->cond);
    if (!ok || wait_for_data (s, tries))
      break;
    GST_WARNING_OBJECT (element, "nothing moves after a seek, again");
  }
  s->thread = NULL;
  g_cond_broadcast (&s->cond);
  g_mutex_unlock (&s->lock);
}

GstFlowReturn
neva_seeker_seek (NevaSeeker *s, GstClockTime start, GstClockTime stop)
{
  GstFlowReturn ret;

  g_mutex_lock (&s->lock);
  /* The thread of the seek before may still be on its way back. */
  while (s->thread && s->active && !s->stopped)
    g_cond_wait (&s->cond, &s->lock);
  if (!s->active || s->stopped) {
    g_mutex_unlock (&s->lock);
    return GST_FLOW_OK;
  }
  s->start = start;
  s->stop = stop;
  s->pending = TRUE;
  s->flushed = FALSE;
  g_mutex_unlock (&s->lock);

  gst_element_call_async (s->element, send_seek, s, NULL);

  g_mutex_lock (&s->lock);
  while (s->pending && !s->flushed)
    g_cond_wait (&s->cond, &s->lock);
  ret = s->flushed || s->stopped ? GST_FLOW_FLUSHING : GST_FLOW_OK;
  if (ret == GST_FLOW_OK)
    s->moved = TRUE; /* upstream refused: there is nothing to wait for */
  g_cond_broadcast (&s->cond);
  g_mutex_unlock (&s->lock);
  return ret;
}

void
neva_seeker_skip_before (NevaSeeker *s, GstClockTime pts)
{
  g_mutex_lock (&s->lock);
  s->skip_before = pts;
  g_mutex_unlock (&s->lock);
}

gboolean
neva_seeker_owns (NevaSeeker *s, GstEvent *event)
{
  const GstEventType type = GST_EVENT_TYPE (event);
  gboolean ours = FALSE, foreign = FALSE;

  g_mutex_lock (&s->lock);
  if (type == GST_EVENT_FLUSH_START) {
    ours = s->active &&
           (s->thread == g_thread_self () ||
               (s->sought && gst_event_get_seqnum (event) == s->seqnum));
    foreign = !ours;
    s->own_flush = ours;
    s->flushed = TRUE;
    g_cond_broadcast (&s->cond);
  } else if (type == GST_EVENT_FLUSH_STOP) {
    /* As its start, even if an application's seek ended our seeking meanwhile:
     * a sink that waits in preroll would not let a lone stop in. */
    ours = s->own_flush;
    s->own_flush = FALSE;
    g_cond_broadcast (&s->cond);
  } else {
    if (type == GST_EVENT_SEGMENT || type == GST_EVENT_STREAM_START)
      ours = s->active && s->sought;
    if (type == GST_EVENT_SEGMENT || type == GST_EVENT_EOS) {
      s->moved = TRUE;
      g_cond_broadcast (&s->cond);
    }
  }
  g_mutex_unlock (&s->lock);

  GST_LOG_OBJECT (s->element, "%s event is %s", GST_EVENT_TYPE_NAME (event),
      ours ? "ours" : "the stream's");
  if (foreign)
    neva_seeker_deactivate (s);
  return ours;
}
