/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The streaming thread: chosen frames join their clips, and complete clips
 * queue up to be asked about. See llm.h. */
#include "config.h"
#include "common/gstnevacaptionmeta.h"
#include "common/gstnevaerror.h"
#include "llm.h"

GST_DEBUG_CATEGORY_EXTERN (gst_neva_llm_debug);
#define GST_CAT_DEFAULT gst_neva_llm_debug

/* ---- Clips ---- */

/* Their end got lost, as a leaky queue may do. */
void
gst_neva_llm_remove_unfinished (GstNevaLlm *self, guint64 before)
{
  GstNevaLlmClip *clip;

  while ((clip = gst_neva_llm_clips_first (
              &self->clips, GST_NEVA_LLM_CLIP_COLLECTING)) &&
         clip->number < before &&
         (before == G_MAXUINT64 || !GST_CLOCK_TIME_IS_VALID (clip->end) ||
             clip->end <= self->newest)) {
    GST_WARNING_OBJECT (
        self, "clip %" G_GUINT64_FORMAT " has no end", clip->number);
    self->counts.skipped++;
    gst_neva_llm_decide (self, clip, NULL);
    gst_neva_llm_clip_unref (gst_neva_llm_clips_remove (&self->clips, clip));
  }
}

static gboolean
add_frame (GstNevaLlm *self, GstNevaLlmClip *clip, GstBuffer *buffer,
    const GstNevaSampleMeta *meta, NevaModel *model)
{
  GstNevaLlmFrame frame = {0};

  /* A frame that something like videorate has doubled is one frame. */
  if (meta->index < clip->next_index)
    return FALSE;
  clip->next_index = meta->index + 1;
  clip->undecided = meta->undecided;

  gst_neva_llm_take_handle (self, &frame, buffer, model);
  g_array_append_val (clip->frames, frame);

  if (meta->times->len > clip->times->len) {
    g_array_unref (clip->times);
    clip->times = g_array_ref (meta->times);
  }
  if (meta->count > 0)
    clip->count = meta->count;
  if (GST_CLOCK_TIME_IS_VALID (meta->end))
    clip->end = meta->end;
  return TRUE;
}

static void
collect (GstNevaLlm *self, GstBuffer *buffer)
{
  g_autoptr (NevaModel) model = NULL;
  GstNevaSampleMeta *meta;
  gpointer state = NULL;
  guint places = 0;

  self->frames_seen++;
  if (!gst_buffer_get_neva_sample_meta (buffer))
    return;
  self->chosen_seen++;
  model = gst_neva_model_loader_peek (&self->loader);

  g_mutex_lock (&self->lock);
  while ((meta = gst_buffer_iterate_neva_sample_meta (buffer, &state))) {
    GstNevaLlmClip *clip;

    if (self->flushing || self->failed)
      break;
    if (meta->index == 0) {
      gst_neva_llm_remove_unfinished (self, meta->clip);
      self->newest_clip_start = meta->start;
    }
    clip = gst_neva_llm_clips_collect (
        &self->clips, meta, &self->segment, self->segment_seqnum);
    if (clip && meta->index == 0)
      clip->epoch = self->epoch;
    if (clip && add_frame (self, clip, buffer, meta, model))
      places++;
  }
  if (places > 0) {
    self->counts.frames++;
    self->counts.reused += places - 1;
  }
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

static GstNevaLlmOverflow
overflow_policy (GstNevaLlm *self, guint *max_pending, gboolean live)
{
  GstNevaLlmOverflow policy;

  GST_OBJECT_LOCK (self);
  policy = self->settings.overflow;
  *max_pending = self->settings.max_pending;
  GST_OBJECT_UNLOCK (self);
  if (policy == GST_NEVA_LLM_OVERFLOW_AUTO)
    policy =
        live ? GST_NEVA_LLM_OVERFLOW_DROP_OLDEST : GST_NEVA_LLM_OVERFLOW_BLOCK;
  return policy;
}

/* Lock held. Makes room for one more waiting clip, by waiting or by dropping
 * one. A clip that is being answered is never dropped: a model slower than the
 * clips would then never finish one.
 * Returns: the clip that is dropped, a reference, or NULL. */
static GstNevaLlmClip *
make_room (GstNevaLlm *self, GstNevaLlmClip *clip, GstNevaLlmOverflow policy,
    guint max_pending)
{
  GstNevaLlmClip *victim = NULL;

  while (!self->flushing && !self->failed &&
         clip->state == GST_NEVA_LLM_CLIP_COLLECTING &&
         gst_neva_llm_clips_count (&self->clips, GST_NEVA_LLM_CLIP_WAITING) >=
             max_pending) {
    if (policy == GST_NEVA_LLM_OVERFLOW_BLOCK) {
      g_cond_wait (&self->cond, &self->lock);
      continue;
    }
    victim = policy == GST_NEVA_LLM_OVERFLOW_DROP_NEWEST
                 ? clip
                 : gst_neva_llm_clips_first (
                       &self->clips, GST_NEVA_LLM_CLIP_WAITING);
    self->counts.dropped++;
    gst_neva_llm_decide (self, victim, NULL);
    return gst_neva_llm_clips_remove (&self->clips, victim);
  }
  return NULL;
}

static void
on_verdict (GstElement *element)
{
  GstNevaLlm *self = GST_NEVA_LLM (element);

  g_mutex_lock (&self->lock);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

void
gst_neva_llm_finish_clip (GstNevaLlm *self, const GstNevaClip *end)
{
  g_autoptr (GstNevaLlmClip) clip = NULL, dropped = NULL;
  GstNevaLlmOverflow policy;
  GstClockTime newest;
  gboolean live, empty = FALSE;
  guint max_pending;

  g_mutex_lock (&self->lock);
  live = self->live;
  g_mutex_unlock (&self->lock);
  policy = overflow_policy (self, &max_pending, live);

  g_mutex_lock (&self->lock);
  clip = gst_neva_llm_clips_find (&self->clips, end->clip);
  if (clip) {
    gst_neva_llm_clip_ref (clip);
    clip->start = end->start;
    clip->end = end->end;
    clip->count = MAX (end->count, clip->frames->len);
    g_array_unref (clip->times);
    clip->times = g_array_ref (end->times);
    clip->undecided = FALSE;
    if (end->verdict && !clip->verdict)
      clip->verdict = gst_neva_verdict_ref (end->verdict);
    empty = gst_neva_llm_clip_has_regions (clip) &&
            gst_neva_llm_clip_count_objects (clip) == 0;
    if (!end->complete || end->end < end->start || end->gated || empty) {
      self->counts.gated += end->gated;
      self->counts.empty += empty && !end->gated;
      self->counts.skipped += !end->gated && !empty;
      gst_neva_llm_decide (self, clip, NULL);
      gst_neva_llm_clip_unref (gst_neva_llm_clips_remove (&self->clips, clip));
    } else {
      self->counts.clips++;
      dropped = make_room (self, clip, policy, max_pending);
      if (clip->state == GST_NEVA_LLM_CLIP_COLLECTING)
        clip->state = GST_NEVA_LLM_CLIP_WAITING;
    }
    g_cond_broadcast (&self->cond);
  }
  newest = self->newest;
  g_mutex_unlock (&self->lock);
  if (dropped)
    gst_neva_llm_report_drop (self, dropped);
  if (end->verdict)
    gst_neva_verdict_watch (end->verdict, GST_ELEMENT (self), on_verdict);
  /* Nothing will be said of it: text need not wait any longer. */
  if (end->gated || empty)
    gst_neva_llm_passed (self, newest);
}

/* ---- Buffers ---- */

/* Whether upstream is live decides what a full queue does. */
static void
ask_live (GstNevaLlm *self)
{
  GstQuery *query = gst_query_new_latency ();
  gboolean live = FALSE;

  if (gst_pad_peer_query (self->sinkpad, query))
    gst_query_parse_latency (query, &live, NULL, NULL);
  gst_query_unref (query);
  g_mutex_lock (&self->lock);
  self->live = live;
  g_mutex_unlock (&self->lock);
  self->asked_live = TRUE;
}

GstClockTime
gst_neva_llm_buffer_end (GstNevaLlm *self, GstBuffer *buffer)
{
  GstClockTime pts = GST_BUFFER_PTS (buffer), length;

  if (!GST_CLOCK_TIME_IS_VALID (pts) || self->segment.format != GST_FORMAT_TIME)
    return GST_CLOCK_TIME_NONE;
  if (GST_BUFFER_DURATION_IS_VALID (buffer))
    length = GST_BUFFER_DURATION (buffer);
  else if (self->have_info && GST_VIDEO_INFO_FPS_N (&self->info) > 0)
    length = gst_util_uint64_scale (GST_SECOND,
        (guint64) GST_VIDEO_INFO_FPS_D (&self->info),
        (guint64) GST_VIDEO_INFO_FPS_N (&self->info));
  else
    length = 1;
  if (self->segment.rate < 0)
    return gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, pts);
  pts += MAX (length, 1);
  if (GST_CLOCK_TIME_IS_VALID (self->segment.stop))
    pts = MIN (pts, self->segment.stop);
  return gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, pts);
}

static GstBuffer *
attach_current (GstNevaLlm *self, GstBuffer *buffer)
{
  g_autoptr (GPtrArray) captions =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_structure_free);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->current->len; i++)
    g_ptr_array_add (captions, gst_structure_copy (self->current->pdata[i]));
  g_mutex_unlock (&self->lock);
  if (captions->len > 0)
    buffer = gst_buffer_make_writable (buffer);
  for (guint i = 0; i < captions->len; i++)
    gst_buffer_add_neva_caption_meta (buffer, captions->pdata[i]);
  return buffer;
}

void
gst_neva_llm_passed (GstNevaLlm *self, GstClockTime position)
{
  GstNevaLlmTiming timing;
  GstNevaLlmMode mode;

  if (!GST_CLOCK_TIME_IS_VALID (position))
    return;
  GST_OBJECT_LOCK (self);
  timing = self->settings.timing;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->lock);
  mode = self->mode;
  self->newest = MAX (self->newest, position);
  /* Without video of our own to hold, it is held where the text is waited
   * for. */
  if (timing == GST_NEVA_LLM_TIMING_ALIGNED)
    position = gst_neva_llm_horizon (self, self->newest);
  g_mutex_unlock (&self->lock);
  if (mode != GST_NEVA_LLM_MODE_DELAYED)
    gst_neva_llm_advance (self, position);
}

static GstFlowReturn
push_text_only (GstNevaLlm *self, GstBuffer *buffer)
{
  gst_neva_llm_passed (self, gst_neva_llm_buffer_end (self, buffer));
  gst_buffer_unref (buffer);
  return gst_neva_llm_combine (
      self, self->srcpad, gst_neva_text_stream_get_flow (self->src_text));
}

static GstFlowReturn
push_video (GstNevaLlm *self, GstBuffer *buffer)
{
  const GstClockTime position = gst_neva_llm_buffer_end (self, buffer);

  buffer = attach_current (self, buffer);
  /* Before the frame: a text consumer that waits for it is then let go. */
  gst_neva_llm_passed (self, position);
  return gst_neva_llm_combine (
      self, self->srcpad, gst_pad_push (self->srcpad, buffer));
}

GstFlowReturn
gst_neva_llm_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstNevaLlm *self = GST_NEVA_LLM (parent);
  GstNevaLlmMode mode;
  GstFlowReturn flow = GST_FLOW_OK;

  (void) pad;
  if (!self->asked_live)
    ask_live (self);
  gst_neva_llm_check_bare (self, buffer);
  collect (self, buffer);

  g_mutex_lock (&self->lock);
  mode = self->mode;
  if (self->flushing)
    flow = GST_FLOW_FLUSHING;
  else if (self->failed)
    flow = GST_NEVA_FLOW_STOPPED;
  g_mutex_unlock (&self->lock);
  if (flow != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return flow;
  }

  switch (mode) {
    case GST_NEVA_LLM_MODE_TEXT:
      return push_text_only (self, buffer);
    case GST_NEVA_LLM_MODE_VIDEO:
      return push_video (self, buffer);
    case GST_NEVA_LLM_MODE_DELAYED:
      return gst_neva_llm_delay_buffer (self, buffer);
    case GST_NEVA_LLM_MODE_UNDECIDED:
      break;
  }
  gst_buffer_unref (buffer);
  GST_ELEMENT_ERROR (
      self, CORE, NEGOTIATION, ("Video came without caps."), (NULL));
  gst_neva_llm_fail (self, NULL, NULL);
  return GST_NEVA_FLOW_STOPPED;
}
