/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events on the sink pads: streams and segments, gaps, ends, flushing. See
 * judge.h. */
#include "config.h"
#include "common/gstnevaerror.h"
#include "judge.h"

GST_DEBUG_CATEGORY_EXTERN (gst_neva_judge_debug);
#define GST_CAT_DEFAULT gst_neva_judge_debug

/* ---- Interruption ---- */

void
gst_neva_judge_interrupt (GstNevaJudge *self)
{
  g_autoptr (GCancellable) cancel = NULL;

  g_mutex_lock (&self->lock);
  self->flushing = TRUE;
  self->serial++;
  g_queue_clear_full (&self->clips, (GDestroyNotify) gst_neva_judge_clip_unref);
  g_queue_clear_full (
      &self->closed, (GDestroyNotify) gst_neva_judge_clip_unref);
  g_clear_pointer (&self->context, g_free);
  cancel = g_object_ref (self->cancel);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  g_cancellable_cancel (cancel);
}

void
gst_neva_judge_resume (GstNevaJudge *self)
{
  g_mutex_lock (&self->lock);
  self->flushing = self->finished = FALSE;
  self->flow = GST_FLOW_OK;
  g_clear_pointer (&self->eos, gst_event_unref);
  g_object_unref (self->cancel);
  self->cancel = g_cancellable_new ();
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

gboolean
gst_neva_judge_is_over (GstNevaJudge *self)
{
  guint linked = 0;

  for (guint i = 0; i < self->inputs->len; i++) {
    const GstNevaJudgeInput *in = self->inputs->pdata[i];

    if (in->role != GST_NEVA_JUDGE_CANDIDATE || !gst_pad_is_linked (in->pad))
      continue;
    if (!in->eos)
      return FALSE;
    linked++;
  }
  /* Without a candidate there is an end only if there was one before. */
  return linked > 0 || self->eos;
}

/* ---- Streams and segments ---- */

/* Lock held: the first candidate that has a segment lends the src pad its
 * stream, until it is gone. Returns: TRUE if the pad is the one. */
static gboolean
is_leader (GstNevaJudge *self, GstNevaJudgeInput *in)
{
  if (in->role != GST_NEVA_JUDGE_CANDIDATE || !in->stream_start)
    return FALSE;
  if (!self->leader)
    self->leader = in;
  if (!self->begun)
    gst_neva_text_stream_begin (self->out, in->stream_start);
  self->begun = TRUE;
  return self->leader == in;
}

static gboolean
handle_segment (GstNevaJudge *self, GstNevaJudgeInput *in, GstEvent *event)
{
  const GstSegment *segment;

  gst_event_parse_segment (event, &segment);
  if (segment->format != GST_FORMAT_TIME) {
    g_autoptr (GError) error = g_error_new (NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "text whose timestamps are %s instead of time cannot be judged",
        gst_format_get_name (segment->format));

    gst_neva_judge_fail (self, NULL, error);
    gst_event_unref (event);
    return TRUE; /* chain stops upstream: FALSE would be a second error */
  }
  g_mutex_lock (&self->lock);
  gst_segment_copy_into (segment, &in->segment);
  gst_event_replace (&in->segment_event, event);
  if (is_leader (self, in))
    gst_neva_text_stream_segment (self->out, event);
  g_mutex_unlock (&self->lock);
  gst_event_unref (event);
  return TRUE;
}

static gboolean
handle_caps (GstNevaJudgeInput *in, GstEvent *event)
{
  GstCaps *caps;
  const char *format;

  gst_event_parse_caps (event, &caps);
  format =
      gst_structure_get_string (gst_caps_get_structure (caps, 0), "format");
  in->markup = !g_strcmp0 (format, "pango-markup");
  gst_event_unref (event);
  return TRUE;
}

static gboolean
handle_stream_start (GstNevaJudge *self, GstNevaJudgeInput *in, GstEvent *event)
{
  g_mutex_lock (&self->lock);
  in->eos = self->finished = FALSE;
  gst_event_replace (&in->stream_start, event);
  if (self->leader == in && self->begun)
    gst_neva_text_stream_begin (self->out, event);
  g_mutex_unlock (&self->lock);
  in->asked_live = FALSE;
  gst_event_unref (event);
  return TRUE;
}

static gboolean
handle_gap (GstNevaJudge *self, GstNevaJudgeInput *in, GstEvent *event)
{
  GstClockTime pts, duration, running;

  gst_event_parse_gap (event, &pts, &duration);
  gst_event_unref (event);
  if (!GST_CLOCK_TIME_IS_VALID (pts) || in->segment.format != GST_FORMAT_TIME)
    return TRUE;
  if (GST_CLOCK_TIME_IS_VALID (duration))
    pts += duration;
  if (GST_CLOCK_TIME_IS_VALID (in->segment.stop))
    pts = MIN (pts, in->segment.stop);
  running = gst_segment_to_running_time (&in->segment, GST_FORMAT_TIME, pts);
  if (!GST_CLOCK_TIME_IS_VALID (running))
    return TRUE;
  g_mutex_lock (&self->lock);
  if (!in->stale &&
      (!GST_CLOCK_TIME_IS_VALID (in->position) || running > in->position))
    in->position = running;
  g_mutex_unlock (&self->lock);
  gst_neva_judge_update (self);
  return TRUE;
}

static gboolean
handle_eos (GstNevaJudge *self, GstNevaJudgeInput *in, GstEvent *event)
{
  g_mutex_lock (&self->lock);
  in->eos = TRUE;
  if (in->role == GST_NEVA_JUDGE_CANDIDATE)
    gst_event_replace (&self->eos, event);
  g_mutex_unlock (&self->lock);
  gst_event_unref (event);
  gst_neva_judge_update (self);
  return TRUE;
}

/* ---- Flushing ---- */

/* A pad's own state; lock held. */
static void
reset_input (GstNevaJudgeInput *in)
{
  in->eos = in->stale = FALSE;
  in->position = in->newest = GST_CLOCK_TIME_NONE;
  g_clear_pointer (&in->segment_event, gst_event_unref);
}

/* One flush of the source comes once from each pad. The first takes everything
 * and goes downstream; until the same comes to another pad, what that pad still
 * sends is old. */
static void
flush_start (GstNevaJudge *self, GstNevaJudgeInput *in, GstEvent *event)
{
  const guint seqnum = gst_event_get_seqnum (event);
  gboolean first;

  g_mutex_lock (&self->lock);
  in->flushing = TRUE;
  first = !self->flusher && !(in->stale && seqnum == self->flush_seqnum);
  if (first) {
    self->flusher = in;
    self->flush_seqnum = seqnum;
    for (guint i = 0; i < self->inputs->len; i++) {
      GstNevaJudgeInput *other = self->inputs->pdata[i];

      other->stale =
          seqnum == self->seek_seqnum && gst_pad_is_linked (other->pad);
    }
  }
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  if (first) {
    gst_neva_judge_interrupt (self);
    gst_pad_push_event (self->srcpad, gst_event_ref (event));
    gst_neva_text_stream_stop (self->out);
    gst_pad_pause_task (self->srcpad);
  }
  gst_event_unref (event);
}

static void
flush_stop (GstNevaJudge *self, GstNevaJudgeInput *in, GstEvent *event)
{
  gboolean last;
  guint serial;

  gst_segment_init (&in->segment, GST_FORMAT_UNDEFINED);
  g_mutex_lock (&self->lock);
  in->flushing = FALSE;
  reset_input (in);
  last = self->flusher == in;
  serial = self->serial;
  g_mutex_unlock (&self->lock);
  if (last) {
    gst_pad_push_event (self->srcpad, gst_event_ref (event));
    gst_neva_judge_resume (self);
    gst_neva_text_stream_start (self->out, serial);
    g_mutex_lock (&self->lock);
    self->flusher = NULL;
    /* Who lends us the segment need not be among those that are flushed. */
    if (self->leader && !self->leader->stale && self->leader->segment_event)
      gst_neva_text_stream_segment (self->out, self->leader->segment_event);
    g_mutex_unlock (&self->lock);
  }
  gst_event_unref (event);
}

/* ---- All of them ---- */

static gboolean
handle_event (GstNevaJudge *self, GstNevaJudgeInput *in, GstEvent *event)
{
  GST_LOG_OBJECT (in->pad, "%" GST_PTR_FORMAT, event);
  switch ((int) GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      return handle_stream_start (self, in, event);
    case GST_EVENT_CAPS:
      return handle_caps (in, event);
    case GST_EVENT_SEGMENT:
      return handle_segment (self, in, event);
    case GST_EVENT_GAP:
      return handle_gap (self, in, event);
    case GST_EVENT_EOS:
      return handle_eos (self, in, event);
    case GST_EVENT_FLUSH_START:
      flush_start (self, in, event);
      return TRUE;
    case GST_EVENT_FLUSH_STOP:
      flush_stop (self, in, event);
      return TRUE;
    default:
      /* The output is a stream of its own: tags and the like of the candidates
       * are not about it. */
      gst_event_unref (event);
      return TRUE;
  }
}

gboolean
gst_neva_judge_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstNevaJudge *self = GST_NEVA_JUDGE (parent);
  GstNevaJudgeInput *in = gst_neva_judge_input_of (self, pad);
  gboolean ok;

  if (!in) {
    gst_event_unref (event);
    return FALSE;
  }
  ok = handle_event (self, in, event);
  gst_neva_judge_input_unref (in);
  return ok;
}
