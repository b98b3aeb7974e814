/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events on the sink pad: what starts, bounds and ends the streams that leave,
 * and flushing. See llm.h. */
#include "config.h"
#include "llm.h"

/* How long video may wait at its end for text to end. */
#define TEXT_END_US (500 * G_TIME_SPAN_MILLISECOND)

GST_DEBUG_CATEGORY_EXTERN (gst_neva_llm_debug);
#define GST_CAT_DEFAULT gst_neva_llm_debug

/* ---- Interruption ---- */

void
gst_neva_llm_interrupt (GstNevaLlm *self)
{
  g_autoptr (GPtrArray) requests = NULL;
  g_autoptr (GCancellable) cancel = NULL;

  g_mutex_lock (&self->lock);
  self->flushing = TRUE;
  self->serial++;
  requests = gst_neva_llm_clips_requests (&self->clips);
  gst_neva_llm_clips_clear (&self->clips);
  self->n_asked = 0;
  g_ptr_array_set_size (self->current, 0);
  gst_neva_llm_memory_clear (&self->memory);
  self->epoch++;
  cancel = g_object_ref (self->cancel);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);

  g_cancellable_cancel (cancel);
  gst_neva_model_loader_set_flushing (&self->loader, TRUE);
  for (guint i = 0; i < requests->len; i++)
    neva_request_cancel (requests->pdata[i]);
}

void
gst_neva_llm_resume (GstNevaLlm *self)
{
  gst_neva_model_loader_set_flushing (&self->loader, FALSE);
  g_mutex_lock (&self->lock);
  self->flushing = FALSE;
  g_object_unref (self->cancel);
  self->cancel = g_cancellable_new ();
  self->newest = 0;
  self->newest_clip_start = GST_CLOCK_TIME_NONE;
  g_clear_pointer (&self->segment_event, gst_event_unref);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
}

/* Lock held. */
static gboolean
has_due (GstNevaLlm *self)
{
  for (GList *l = self->clips.queue.head; l; l = l->next)
    if (((GstNevaLlmClip *) l->data)->state != GST_NEVA_LLM_CLIP_COLLECTING)
      return TRUE;
  return self->delivering;
}

/* Until every complete clip was answered. Returns: FALSE if interrupted. */
static gboolean
wait_for_answers (GstNevaLlm *self)
{
  gboolean done;

  g_mutex_lock (&self->lock);
  while (self->running && !self->flushing && !self->failed && has_due (self))
    g_cond_wait (&self->cond, &self->lock);
  done = self->running && !self->flushing;
  g_mutex_unlock (&self->lock);
  return done;
}

/* Answers about the old stream or segment leave before the new one begins,
 * except on a live source, which does not wait: their text then stands at the
 * beginning of the new segment. */
static void
drain (GstNevaLlm *self)
{
  gboolean live;

  g_mutex_lock (&self->lock);
  live = self->live;
  g_mutex_unlock (&self->lock);
  if (!live)
    wait_for_answers (self);
}

/* ---- What leaves on the src pad ---- */

static GstNevaLlmMode
get_mode (GstNevaLlm *self)
{
  GstNevaLlmMode mode;

  g_mutex_lock (&self->lock);
  mode = self->mode;
  g_mutex_unlock (&self->lock);
  return mode;
}

/* To the src pad, in its place among the frames. Takes the event. */
static gboolean
forward (GstNevaLlm *self, GstEvent *event)
{
  switch (get_mode (self)) {
    case GST_NEVA_LLM_MODE_VIDEO:
      return gst_pad_push_event (self->srcpad, event);
    case GST_NEVA_LLM_MODE_DELAYED:
      gst_neva_llm_delay_event (self, event);
      return TRUE;
    case GST_NEVA_LLM_MODE_TEXT:
    case GST_NEVA_LLM_MODE_UNDECIDED:
      break;
  }
  gst_event_unref (event);
  return TRUE;
}

/* TRUE if downstream takes text and none of the video. */
static gboolean
wants_text (GstNevaLlm *self, GstCaps *video)
{
  g_autoptr (GstCaps) peer = gst_pad_peer_query_caps (self->srcpad, NULL);
  g_autoptr (GstCaps) text = gst_caps_new_empty_simple ("text/x-raw");

  if (video && gst_caps_can_intersect (peer, video))
    return FALSE;
  return gst_caps_can_intersect (peer, text);
}

static void
decide_mode (GstNevaLlm *self, GstCaps *video)
{
  GstNevaLlmOutput output;
  GstNevaLlmTiming timing;
  GstNevaLlmMode mode;
  GstEvent *start;

  if (get_mode (self) != GST_NEVA_LLM_MODE_UNDECIDED)
    return;
  GST_OBJECT_LOCK (self);
  output = self->settings.output;
  timing = self->settings.timing;
  GST_OBJECT_UNLOCK (self);

  if (output == GST_NEVA_LLM_OUTPUT_TEXT ||
      (output == GST_NEVA_LLM_OUTPUT_AUTO && wants_text (self, video)))
    mode = GST_NEVA_LLM_MODE_TEXT;
  else if (timing == GST_NEVA_LLM_TIMING_ALIGNED)
    mode = GST_NEVA_LLM_MODE_DELAYED;
  else
    mode = GST_NEVA_LLM_MODE_VIDEO;

  g_mutex_lock (&self->lock);
  self->mode = mode;
  start = self->stream_start ? gst_event_ref (self->stream_start) : NULL;
  g_mutex_unlock (&self->lock);
  gst_neva_llm_start_src (self);
  if (!start)
    return;
  if (mode == GST_NEVA_LLM_MODE_TEXT)
    gst_neva_text_stream_begin (self->src_text, start);
  forward (self, start);
}

/* ---- Serialized events ---- */

typedef void (*TextFunc) (GstNevaTextStream *text, GstEvent *event);

static void
tell_texts (GstNevaLlm *self, TextFunc func, GstEvent *event)
{
  g_autoptr (GPtrArray) texts = gst_neva_llm_ref_texts (self);

  for (guint i = 0; i < texts->len; i++)
    func (texts->pdata[i], event);
}

static gboolean
handle_stream_start (GstNevaLlm *self, GstEvent *event)
{
  gboolean again;

  g_mutex_lock (&self->lock);
  again = self->stream_start != NULL;
  g_mutex_unlock (&self->lock);
  if (again) {
    drain (self);
    gst_neva_llm_forget (self, FALSE);
  }

  g_mutex_lock (&self->lock);
  gst_event_replace (&self->stream_start, event);
  g_mutex_unlock (&self->lock);
  self->asked_live = FALSE;
  tell_texts (self, gst_neva_text_stream_begin, event);
  /* Until caps decide what the src pad carries, it has no stream. */
  return forward (self, event);
}

static gboolean
handle_caps (GstNevaLlm *self, GstEvent *event)
{
  GstCaps *caps;

  gst_event_parse_caps (event, &caps);
  /* Some memory has formats of its own; such video passes, and only cannot be
   * encoded here. */
  self->have_info = gst_video_info_from_caps (&self->info, caps);
  if (!self->have_info)
    gst_video_info_init (&self->info);
  self->bare_checked = FALSE;
  decide_mode (self, caps);
  return forward (self, event);
}

static gboolean
handle_segment (GstNevaLlm *self, GstEvent *event)
{
  const GstSegment *segment;
  gboolean again;

  gst_event_parse_segment (event, &segment);
  if (segment->format != GST_FORMAT_TIME) {
    g_autoptr (GError) error = g_error_new (NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "video whose timestamps are %s instead of time cannot be captioned",
        gst_format_get_name (segment->format));

    gst_neva_llm_fail (self, NULL, error);
    gst_event_unref (event);
    return TRUE; /* chain stops upstream: FALSE would be a second error */
  }
  decide_mode (self, NULL);

  g_mutex_lock (&self->lock);
  again = self->segment_event != NULL;
  g_mutex_unlock (&self->lock);
  if (again)
    drain (self);

  g_mutex_lock (&self->lock);
  gst_segment_copy_into (segment, &self->segment);
  self->segment_seqnum = gst_event_get_seqnum (event);
  gst_event_replace (&self->segment_event, event);
  g_mutex_unlock (&self->lock);
  tell_texts (self, gst_neva_text_stream_segment, event);
  return forward (self, event);
}

static gboolean
handle_gap (GstNevaLlm *self, GstEvent *event)
{
  GstClockTime pts, duration;

  gst_event_parse_gap (event, &pts, &duration);
  if (GST_CLOCK_TIME_IS_VALID (pts) &&
      self->segment.format == GST_FORMAT_TIME) {
    if (GST_CLOCK_TIME_IS_VALID (duration))
      pts += duration;
    if (GST_CLOCK_TIME_IS_VALID (self->segment.stop))
      pts = MIN (pts, self->segment.stop);
    gst_neva_llm_passed (self,
        gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, pts));
  }
  return forward (self, event);
}

/* matroskamux of GStreamer 1.22 does not wait for subtitles: it closes the file
 * when video has ended, and a last caption that is still in a queue on its way
 * there would be lost. So text ends first. A muxer may hold a caption back
 * until video goes on, therefore the bound. */
static void
let_text_end_first (GstNevaLlm *self)
{
  const gint64 end = g_get_monotonic_time () + TEXT_END_US;
  g_autoptr (GPtrArray) texts = gst_neva_llm_ref_texts (self);

  for (guint i = 0; i < texts->len; i++) {
    if (gst_neva_text_stream_get_pad (texts->pdata[i]) != self->srcpad)
      gst_neva_text_stream_settle (texts->pdata[i], end);
  }
}

static gboolean
handle_eos (GstNevaLlm *self, GstEvent *event)
{
  gboolean failed;

  decide_mode (self, NULL);
  g_mutex_lock (&self->lock);
  failed = self->failed;
  g_mutex_unlock (&self->lock);
  if (!failed && self->frames_seen > 0 && self->chosen_seen == 0)
    GST_ELEMENT_WARNING (self, STREAM, FAILED,
        ("No frame was chosen, so that nothing was captioned: put "
         "nevaframesampler before nevallm."),
        (NULL));

  g_mutex_lock (&self->lock);
  gst_neva_llm_remove_unfinished (self, G_MAXUINT64);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  if (get_mode (self) == GST_NEVA_LLM_MODE_DELAYED)
    return forward (self, event);

  if (!wait_for_answers (self)) {
    gst_event_unref (event);
    return FALSE;
  }
  tell_texts (self, gst_neva_text_stream_finish, event);
  let_text_end_first (self);
  return forward (self, event);
}

/* ---- Flushing ---- */

static void
flush_start (GstNevaLlm *self, GstEvent *event)
{
  g_autoptr (GPtrArray) texts = NULL;
  const GstNevaLlmMode mode = get_mode (self);

  gst_neva_llm_interrupt (self);
  gst_pad_push_event (self->srcpad, gst_event_ref (event));
  if (mode == GST_NEVA_LLM_MODE_DELAYED) {
    gst_neva_llm_delay_stop (self);
    gst_pad_pause_task (self->srcpad);
  }
  texts = gst_neva_llm_ref_texts (self);
  for (guint i = 0; i < texts->len; i++) {
    GstPad *pad = gst_neva_text_stream_get_pad (texts->pdata[i]);

    gst_neva_text_stream_stop (texts->pdata[i]);
    if (pad != self->srcpad)
      gst_pad_push_event (pad, gst_event_ref (event));
    gst_pad_pause_task (pad);
  }
  gst_event_unref (event);
}

static void
flush_stop (GstNevaLlm *self, GstEvent *event)
{
  g_autoptr (GPtrArray) texts = gst_neva_llm_ref_texts (self);

  gst_pad_push_event (self->srcpad, gst_event_ref (event));
  for (guint i = 0; i < texts->len; i++) {
    GstPad *pad = gst_neva_text_stream_get_pad (texts->pdata[i]);

    if (pad != self->srcpad)
      gst_pad_push_event (pad, gst_event_ref (event));
  }
  gst_event_unref (event);
  gst_neva_llm_resume (self);
  gst_neva_llm_start_src (self);
  gst_neva_llm_start_text (self);
}

gboolean
gst_neva_llm_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstNevaLlm *self = GST_NEVA_LLM (parent);
  GstNevaClip clip;

  (void) pad;
  GST_LOG_OBJECT (self, "%" GST_PTR_FORMAT, event);
  switch ((int) GST_EVENT_TYPE (event)) {
    case GST_EVENT_STREAM_START:
      return handle_stream_start (self, event);
    case GST_EVENT_CAPS:
      return handle_caps (self, event);
    case GST_EVENT_SEGMENT:
      return handle_segment (self, event);
    case GST_EVENT_GAP:
      return handle_gap (self, event);
    case GST_EVENT_EOS:
      return handle_eos (self, event);
    case GST_EVENT_FLUSH_START:
      flush_start (self, event);
      return TRUE;
    case GST_EVENT_FLUSH_STOP:
      flush_stop (self, event);
      return TRUE;
    default:
      if (gst_event_has_name (event, GST_NEVA_LLM_FORGET_EVENT))
        gst_neva_llm_forget (self, !GST_EVENT_IS_SERIALIZED (event));
      if (gst_neva_clip_event_parse (event, &clip)) {
        gst_neva_llm_finish_clip (self, &clip);
        gst_neva_clip_clear (&clip);
      }
      if (!GST_EVENT_IS_SERIALIZED (event))
        return gst_pad_push_event (self->srcpad, event);
      return forward (self, event);
  }
}
