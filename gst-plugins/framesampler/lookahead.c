/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "lookahead.h"

#include "samplerdebug.h"

/* What a flushing seek costs, in frames decoded: the decoder's pipeline of
 * threads drains and fills again. */
#define SEEK_COST 8

/* Of a frame that an edit list cuts off, ticks of the container may leave this
 * much in the segment, which the decoder's own rounding does not. */
#define ROUNDING GST_MSECOND

void
neva_lookahead_init (NevaLookahead *l, GstElement *element, GstPad *sinkpad)
{
  *l = (NevaLookahead){.path = NULL};
  neva_seeker_init (&l->seeker, element, sinkpad);
  neva_index_cancel_init (&l->cancel);
  gst_segment_init (&l->segment, GST_FORMAT_UNDEFINED);
}

void
neva_lookahead_reset (NevaLookahead *l, gboolean all)
{
  neva_seeker_deactivate (&l->seeker);
  l->usable = l->retried = FALSE;
  g_clear_pointer (&l->times, g_array_unref);
  if (all) {
    g_clear_pointer (&l->index, neva_index_free);
    g_clear_pointer (&l->path, g_free);
  }
}

void
neva_lookahead_clear (NevaLookahead *l)
{
  neva_lookahead_reset (l, TRUE);
  neva_seeker_clear (&l->seeker);
  neva_index_cancel_clear (&l->cancel);
}

static const NevaPacket *
packet (NevaLookahead *l, guint i)
{
  return &g_array_index (l->index->packets, NevaPacket, i);
}

/* The packets whose frames lie in the segment, as decoders clip. */
static void
collect_times (NevaLookahead *l)
{
  const GstSegment *s = &l->segment;
  GstClockTime shown = GST_CLOCK_TIME_NONE;

  g_clear_pointer (&l->times, g_array_unref);
  l->times = g_array_new (FALSE, FALSE, sizeof (GstNevaSampleTime));
  for (guint i = 0; i < l->index->packets->len; i++) {
    const NevaPacket *p = packet (l, i);
    const guint64 end = GST_CLOCK_TIME_IS_VALID (p->duration) && p->duration > 0
                            ? p->pts + p->duration
                            : p->pts + 1;
    guint64 start, stop;
    GstNevaSampleTime t = {0, p->pts};

    if (!gst_segment_clip (s, GST_FORMAT_TIME, p->pts, end, &start, &stop) ||
        stop - start < MIN (ROUNDING, (end - p->pts) / 2))
      continue;
    t.running_time = gst_segment_to_running_time (s, GST_FORMAT_TIME, start);
    if (!GST_CLOCK_TIME_IS_VALID (t.running_time))
      continue;
    /* as frames are placed: stamps.h */
    if (t.running_time <= shown && GST_CLOCK_TIME_IS_VALID (shown))
      t.running_time = shown + 1;
    if (!p->hidden)
      shown = t.running_time;
    g_array_append_val (l->times, t);
  }
}

static gboolean
can_seek (NevaLookahead *l)
{
  g_autoptr (GstQuery) query = gst_query_new_seeking (GST_FORMAT_TIME);
  gboolean seekable = FALSE;

  if (gst_pad_peer_query (l->seeker.sinkpad, query))
    gst_query_parse_seeking (query, NULL, &seekable, NULL, NULL);
  return seekable;
}

static gboolean
read_index (NevaLookahead *l, const NevaUpstream *up, const gchar **why)
{
  g_autoptr (GError) error = NULL;

  if (l->index && g_strcmp0 (l->path, up->path) == 0)
    return TRUE;
  g_clear_pointer (&l->index, neva_index_free);
  g_free (l->path);
  l->path = g_strdup (up->path);
  l->index = neva_index_new (up, &l->cancel, &error);
  l->endless = g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_LOOP);
  if (l->index)
    return TRUE;
  if (error) {
    GST_INFO_OBJECT (l->seeker.element, "no index: %s", error->message);
    *why = "the file cannot be read a second time";
  }
  return FALSE;
}

gboolean
neva_lookahead_learn (NevaLookahead *l, const GstSegment *segment,
    gboolean seek, NevaStreamFacts *facts, const gchar **why)
{
  NevaUpstream up;

  *why = NULL;
  if (segment->rate != 1.0) {
    *why = "the stream does not play forward at normal speed";
    return FALSE;
  }
  if (!neva_upstream_inspect (l->seeker.sinkpad, &up, why))
    return FALSE;
  if (!read_index (l, &up, why)) {
    neva_upstream_clear (&up);
    return FALSE;
  }

  gst_segment_copy_into (segment, &l->segment);
  if (l->index->timed) {
    collect_times (l);
    l->usable = l->times->len > 0;
    facts->index = l->usable ? l->times : NULL;
    if (l->usable && seek && up.exclusive && can_seek (l))
      neva_seeker_activate (&l->seeker, up.decoder_pad);
  } else if (segment->start == 0 ||
             (GST_CLOCK_TIME_IS_VALID (l->index->first) &&
                 segment->start <= l->index->first))
    facts->frames = l->index->packets->len;
  GST_DEBUG_OBJECT (l->seeker.element,
      "%u packets, timed %d, %u in the segment, exclusive %d, seeks %d",
      l->index->packets->len, l->index->timed, l->times ? l->times->len : 0,
      up.exclusive, neva_seeker_is_active (&l->seeker));
  neva_upstream_clear (&up);
  return TRUE;
}

/* Half way from packet i to the one before: decoding from there gives packet
 * i's frame whole, however timestamps and durations are rounded. */
static GstClockTime
just_before (NevaLookahead *l, guint i)
{
  const GstClockTime pts = packet (l, i)->pts;

  return i == 0 ? pts : pts - (pts - packet (l, i - 1)->pts) / 2;
}

/* Where to seek for packet i, whose decoding must begin at key. */
static GstClockTime
seek_position (NevaLookahead *l, guint key, guint i)
{
  /* The demuxer would stop at a sync point that is not good enough. */
  for (guint j = key + 1; j <= i; j++)
    if (packet (l, j)->sync)
      return packet (l, key)->pts;
  return just_before (l, i);
}

static NevaLook
seek_to (NevaLookahead *l, GstClockTime pts)
{
  GstClockTime start =
      gst_segment_to_stream_time (&l->segment, GST_FORMAT_TIME, pts);
  GstClockTime stop = GST_CLOCK_TIME_NONE;

  if (!GST_CLOCK_TIME_IS_VALID (start))
    return NEVA_LOOK_GO_ON;
  if (GST_CLOCK_TIME_IS_VALID (l->segment.stop))
    stop = gst_segment_to_stream_time (
        &l->segment, GST_FORMAT_TIME, l->segment.stop);
  GST_LOG_OBJECT (
      l->seeker.element, "seek to %" GST_TIME_FORMAT, GST_TIME_ARGS (start));
  return neva_seeker_seek (&l->seeker, start, stop) == GST_FLOW_FLUSHING
             ? NEVA_LOOK_FLUSHING
             : NEVA_LOOK_GO_ON;
}

NevaLook
neva_lookahead_arrived (
    NevaLookahead *l, GstClockTime pts, const GstNevaSampleTime *wanted)
{
  const guint n = l->usable ? l->index->packets->len : 0;
  guint i, key;
  GstClockTime next;

  if (n == 0)
    return NEVA_LOOK_GO_ON;
  i = neva_index_find (l->index, wanted->pts);
  next = i + 1 < n ? packet (l, i + 1)->pts : GST_CLOCK_TIME_NONE;
  if (i >= n || pts <= wanted->pts ||
      pts - wanted->pts <= (next - wanted->pts) / 2) {
    if (i < n && pts > just_before (l, i))
      l->retried = FALSE;
    return NEVA_LOOK_GO_ON;
  }

  /* The frame passed by. A demuxer that looks for key frames in decoding order
   * may have begun one group of pictures too late. */
  key = neva_index_key_before (l->index, i);
  if (!l->retried && neva_seeker_is_active (&l->seeker) && key > 0 &&
      !packet (l, i)->hidden) {
    NevaLook look;

    l->retried = TRUE;
    neva_seeker_skip_before (&l->seeker, 0);
    key = neva_index_key_before (l->index, key - 1);
    look = seek_to (l, packet (l, key)->pts);
    if (look != NEVA_LOOK_GO_ON)
      return look;
  }
  l->retried = FALSE;
  return packet (l, i)->hidden ? NEVA_LOOK_GO_ON : NEVA_LOOK_MISSING;
}

GstClockTime
neva_lookahead_end (NevaLookahead *l)
{
  const NevaPacket *last = packet (l, l->index->packets->len - 1);

  return GST_CLOCK_TIME_IS_VALID (last->duration) ? last->pts + last->duration
                                                  : last->pts;
}

gchar *
neva_lookahead_describe (NevaLookahead *l, const GstNevaSampleTime *wanted)
{
  return g_strdup_printf ("Frame %u of %u of '%s', at %" GST_TIME_FORMAT,
      neva_index_find (l->index, wanted->pts), l->index->packets->len, l->path,
      GST_TIME_ARGS (wanted->pts));
}

NevaLook
neva_lookahead_advance (NevaLookahead *l, GstClockTime pts,
    const GstNevaSampleTime *wanted, gchar **message)
{
  const guint n = l->usable ? l->index->packets->len : 0;
  guint i, now, key, damaged;

  if (n == 0 || (i = neva_index_find (l->index, wanted->pts)) >= n)
    return NEVA_LOOK_GO_ON;
  damaged = neva_index_damage_before (l->index, i);
  if (damaged < n) {
    g_autofree gchar *what = neva_lookahead_describe (l, wanted);

    *message = g_strdup_printf (
        "%s, cannot be decoded: the packet at %" GST_TIME_FORMAT " is damaged.",
        what, GST_TIME_ARGS (packet (l, damaged)->pts));
    return NEVA_LOOK_DAMAGED;
  }
  if (!neva_seeker_is_active (&l->seeker))
    return NEVA_LOOK_GO_ON;

  now = neva_index_find (l->index, pts);
  key = neva_index_key_before (l->index, i);
  if (i <= now)
    return NEVA_LOOK_GO_ON;
  neva_seeker_skip_before (&l->seeker, just_before (l, i));
  if (key <= now || i - key + SEEK_COST >= i - now)
    return NEVA_LOOK_GO_ON;
  return seek_to (l, seek_position (l, key, i));
}
