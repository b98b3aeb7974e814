/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* timing=aligned: frames and events wait in a queue until every caption that
 * speaks of the frame is decided, then leave from the src pad's task with those
 * captions on them.
 *
 *   head                                                newest
 *    | frame frame frame | frame frame frame | frame frame |
 *      clip 3: answered    clip 4: asked       clip 5: collecting
 *      leave with it       wait for it         wait, it has begun
 *
 * A frame leaves without its caption when it has been held for max-delay, by
 * the time that the video itself has gone on: on a live source, whatever the
 * cause; else only if its clip is still being collected, since waiting would
 * then wait for frames that cannot come in. Where the caption is merely being
 * computed and nothing is live, upstream waits instead. See llm.h. */
#include "config.h"
#include "common/gstnevacaptionmeta.h"
#include "llm.h"

GST_DEBUG_CATEGORY_EXTERN (gst_neva_llm_debug);
#define GST_CAT_DEFAULT gst_neva_llm_debug

typedef struct {
  GstMiniObject *object;  /* buffer or event; owned */
  GstClockTime time, end; /* running time, or GST_CLOCK_TIME_NONE */
} Held;

static void
held_free (Held *held)
{
  gst_mini_object_unref (held->object);
  g_free (held);
}

/* Frees it, but for the object. */
static gpointer
held_steal (Held *held)
{
  gpointer object = held->object;

  g_free (held);
  return object;
}

static void
decision_free (GstNevaLlmDecision *decision)
{
  if (decision->caption)
    gst_structure_free (decision->caption);
  g_free (decision);
}

static gboolean
covers (GstClockTime start, GstClockTime end, GstClockTime time)
{
  return start <= time && (!GST_CLOCK_TIME_IS_VALID (end) || time < end);
}

void
gst_neva_llm_decide (
    GstNevaLlm *self, const GstNevaLlmClip *clip, GstStructure *caption)
{
  GstNevaLlmDecision *decision;

  if (self->mode != GST_NEVA_LLM_MODE_DELAYED) {
    if (caption)
      gst_structure_free (caption);
    return;
  }
  if (caption && clip->start < self->delay_left)
    self->counts.late++;
  decision = g_new0 (GstNevaLlmDecision, 1);
  decision->start = clip->start;
  decision->end = clip->end;
  decision->caption = caption;
  g_queue_push_tail (&self->decisions, decision);
  g_cond_broadcast (&self->cond);
}

GstClockTime
gst_neva_llm_horizon (GstNevaLlm *self, GstClockTime position)
{
  for (GList *l = self->clips.queue.head; l; l = l->next)
    position = MIN (position, ((GstNevaLlmClip *) l->data)->start);
  return position;
}

/* ---- When a frame may leave; lock held ---- */

static gboolean
is_aged (GstNevaLlm *self, const Held *held)
{
  return self->newest >= held->time &&
         self->newest - held->time >= self->max_delay;
}

/* The frame that has been held longest has been held for max-delay. */
static gboolean
is_full (GstNevaLlm *self)
{
  for (GList *l = self->delayed.head; l; l = l->next) {
    const Held *held = l->data;

    if (GST_IS_BUFFER (held->object) && GST_CLOCK_TIME_IS_VALID (held->time))
      return is_aged (self, held);
  }
  return FALSE;
}

static void
warn_once (GstNevaLlm *self, const GstNevaLlmClip *clip)
{
  if (self->delay_warned)
    return;
  self->delay_warned = TRUE;
  GST_WARNING_OBJECT (self,
      "clip %" G_GUINT64_FORMAT " has no caption yet, and video has waited for "
      "max-delay: it leaves without",
      clip->number);
}

static gboolean
may_frame_leave (GstNevaLlm *self, const Held *held)
{
  const gboolean aged = is_aged (self, held);

  for (GList *l = self->clips.queue.head; l; l = l->next) {
    const GstNevaLlmClip *clip = l->data;

    if (!covers (clip->start, clip->end, held->time))
      continue;
    if (!aged || (!self->live && clip->state != GST_NEVA_LLM_CLIP_COLLECTING))
      return FALSE;
    warn_once (self, clip);
    return TRUE;
  }
  /* No pending clip speaks of it. Will one that has not begun yet? Clips begin
   * in order. */
  if (self->delay_eos || aged ||
      (GST_CLOCK_TIME_IS_VALID (self->newest_clip_start) &&
          self->newest_clip_start > held->time))
    return TRUE;
  for (GList *l = self->decisions.head; l; l = l->next) {
    const GstNevaLlmDecision *decision = l->data;

    if (covers (decision->start, decision->end, held->time))
      return TRUE;
  }
  return FALSE;
}

static gboolean
may_leave (GstNevaLlm *self, const Held *held)
{
  if (self->failed)
    return TRUE;
  /* An answer that is being delivered is not decided yet. */
  if (self->delivering)
    return FALSE;
  if (GST_IS_EVENT (held->object))
    return GST_EVENT_TYPE (held->object) != GST_EVENT_EOS ||
           !gst_neva_llm_clips_head (&self->clips);
  return !GST_CLOCK_TIME_IS_VALID (held->time) || may_frame_leave (self, held);
}

/* ---- The src pad's task ---- */

/* Lock held. The captions of a frame, in order; and those that no frame to come
 * can need are let go. */
static GPtrArray *
captions_for (GstNevaLlm *self, GstClockTime time)
{
  GPtrArray *captions =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_structure_free);
  GList *l = self->decisions.head;

  while (l) {
    GList *next = l->next;
    GstNevaLlmDecision *decision = l->data;

    if (decision->caption && covers (decision->start, decision->end, time))
      g_ptr_array_add (captions, gst_structure_copy (decision->caption));
    if (GST_CLOCK_TIME_IS_VALID (decision->end) && decision->end <= time) {
      g_queue_delete_link (&self->decisions, l);
      decision_free (decision);
    }
    l = next;
  }
  return captions;
}

static void
push_frame (GstNevaLlm *self, Held *held, GPtrArray *captions)
{
  GstBuffer *buffer = held_steal (held);
  GstFlowReturn flow;

  if (captions->len > 0)
    buffer = gst_buffer_make_writable (buffer);
  for (guint i = 0; i < captions->len; i++)
    gst_buffer_add_neva_caption_meta (buffer, captions->pdata[i]);

  flow = gst_pad_push (self->srcpad, buffer);
  g_mutex_lock (&self->lock);
  self->delay_flow = flow;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

static void
push_event (GstNevaLlm *self, Held *held)
{
  GstEvent *event = held_steal (held);

  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS) {
    g_autoptr (GPtrArray) texts = gst_neva_llm_ref_texts (self);

    for (guint i = 0; i < texts->len; i++)
      gst_neva_text_stream_finish (texts->pdata[i], event);
  }
  gst_pad_push_event (self->srcpad, event);
}

static void
delay_loop (gpointer user_data)
{
  GstNevaLlm *self = user_data;
  g_autoptr (GPtrArray) captions = NULL;
  Held *held = NULL;

  g_mutex_lock (&self->lock);
  while (self->delay_running && (!(held = g_queue_peek_head (&self->delayed)) ||
                                    !may_leave (self, held)))
    g_cond_wait (&self->cond, &self->lock);
  if (!self->delay_running) {
    g_mutex_unlock (&self->lock);
    gst_pad_pause_task (self->srcpad);
    return;
  }
  g_queue_pop_head (&self->delayed);
  if (GST_IS_BUFFER (held->object))
    captions = captions_for (self, held->time);
  if (GST_CLOCK_TIME_IS_VALID (held->end))
    self->delay_left = MAX (self->delay_left, held->end);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);

  gst_neva_llm_advance (self, held->end);
  if (captions)
    push_frame (self, held, captions);
  else
    push_event (self, held);
}

/* A flush takes frames and segments; the other sticky events keep their place,
 * since nobody would send them again. */
static gboolean
survives_flush (const Held *held)
{
  return GST_IS_EVENT (held->object) && GST_EVENT_IS_STICKY (held->object) &&
         GST_EVENT_TYPE (held->object) != GST_EVENT_SEGMENT &&
         GST_EVENT_TYPE (held->object) != GST_EVENT_EOS;
}

/* ---- Interface ---- */

static void
hold (GstNevaLlm *self, gpointer object, GstClockTime time, GstClockTime end)
{
  Held *held = g_new0 (Held, 1);

  held->object = object;
  held->time = time;
  held->end = end;
  g_queue_push_tail (&self->delayed, held);
  g_cond_broadcast (&self->cond);
}

GstFlowReturn
gst_neva_llm_delay_buffer (GstNevaLlm *self, GstBuffer *buffer)
{
  const GstClockTime end = gst_neva_llm_buffer_end (self, buffer);
  GstClockTime time = GST_CLOCK_TIME_NONE;
  GstFlowReturn flow;

  if (self->segment.format == GST_FORMAT_TIME)
    time = gst_segment_to_running_time (
        &self->segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));

  gst_neva_llm_passed (self, end);
  g_mutex_lock (&self->lock);
  if (self->delay_running)
    hold (self, buffer, time, end);
  else
    gst_buffer_unref (buffer);
  /* Full: a frame leaves, or waits for a caption that upstream can wait for
   * too. Live frames leave now, as fast as downstream takes them. */
  while (self->delay_running && self->delay_flow == GST_FLOW_OK &&
         !self->failed && is_full (self))
    g_cond_wait (&self->cond, &self->lock);
  flow = self->delay_running ? self->delay_flow : GST_FLOW_FLUSHING;
  g_mutex_unlock (&self->lock);
  return gst_neva_llm_combine (self, self->srcpad, flow);
}

void
gst_neva_llm_delay_event (GstNevaLlm *self, GstEvent *event)
{
  GstClockTime end = GST_CLOCK_TIME_NONE;

  if (GST_EVENT_TYPE (event) == GST_EVENT_GAP &&
      self->segment.format == GST_FORMAT_TIME) {
    GstClockTime pts, duration;

    gst_event_parse_gap (event, &pts, &duration);
    if (GST_CLOCK_TIME_IS_VALID (duration))
      pts += duration;
    end = gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, pts);
  }
  g_mutex_lock (&self->lock);
  if (GST_EVENT_TYPE (event) == GST_EVENT_EOS)
    self->delay_eos = TRUE;
  if (self->delay_running)
    hold (self, event, GST_CLOCK_TIME_NONE, end);
  else
    gst_event_unref (event);
  g_mutex_unlock (&self->lock);
}

void
gst_neva_llm_delay_start (GstNevaLlm *self)
{
  g_mutex_lock (&self->lock);
  self->delay_running = TRUE;
  self->delay_eos = FALSE;
  self->delay_flow = GST_FLOW_OK;
  self->delay_left = 0;
  g_mutex_unlock (&self->lock);
  gst_pad_start_task (self->srcpad, delay_loop, self, NULL);
}

void
gst_neva_llm_delay_stop (GstNevaLlm *self)
{
  GList *l;

  g_mutex_lock (&self->lock);
  self->delay_running = FALSE;
  l = self->delayed.head;
  while (l) {
    GList *next = l->next;

    if (!survives_flush (l->data)) {
      held_free (l->data);
      g_queue_delete_link (&self->delayed, l);
    }
    l = next;
  }
  g_queue_clear_full (&self->decisions, (GDestroyNotify) decision_free);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

void
gst_neva_llm_delay_clear (GstNevaLlm *self)
{
  g_mutex_lock (&self->lock);
  g_queue_clear_full (&self->delayed, (GDestroyNotify) held_free);
  g_mutex_unlock (&self->lock);
}
