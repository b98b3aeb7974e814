/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element's own thread. It does whatever may take a while: waits for the
 * model, hands in frames that nevaencoder did not, asks, and delivers answers
 * in the order of their clips. See llm.h.
 *
 * One round does one thing, chosen with the lock held and done without it. */
#include "config.h"
#include "common/gstnevaframe.h"
#include "llm.h"
#include "scores.h"
#include "text.h"

GST_DEBUG_CATEGORY_EXTERN (gst_neva_llm_debug);
#define GST_CAT_DEFAULT gst_neva_llm_debug

/* ---- Answers, on the model's thread ---- */

/* Whoever stops the element waits until there is none. */
typedef struct {
  GstNevaLlm *self;
  GstNevaLlmClip *clip;
} Call;

static Call *
call_new (GstNevaLlm *self, GstNevaLlmClip *clip)
{
  Call *call = g_new0 (Call, 1);

  call->self = self;
  call->clip = gst_neva_llm_clip_ref (clip);
  g_mutex_lock (&self->lock);
  self->n_calls++;
  g_mutex_unlock (&self->lock);
  return call;
}

static void
call_free (gpointer user_data)
{
  Call *call = user_data;
  GstNevaLlm *self = call->self;

  gst_neva_llm_clip_unref (call->clip);
  g_free (call);
  g_mutex_lock (&self->lock);
  self->n_calls--;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

static void
on_partial (NevaRequest *request, const char *text, gpointer user_data)
{
  Call *call = user_data;
  GstNevaLlm *self = call->self;

  (void) request;
  g_mutex_lock (&self->lock);
  if (call->clip->state == GST_NEVA_LLM_CLIP_ASKED) {
    g_free (call->clip->partial);
    call->clip->partial = g_strdup (text);
    g_cond_broadcast (&self->cond);
  }
  g_mutex_unlock (&self->lock);
}

static void
on_done (NevaRequest *request, const NevaAnswer *answer, const GError *error,
    gpointer user_data)
{
  Call *call = user_data;
  GstNevaLlm *self = call->self;
  GstNevaLlmClip *clip = call->clip;

  (void) request;
  g_mutex_lock (&self->lock);
  if (clip->state == GST_NEVA_LLM_CLIP_ASKED) {
    self->n_asked--;
    if (answer) {
      clip->answer = *answer;
      clip->answer.text = g_strdup (answer->text);
      if (clip->scored)
        clip->scores = gst_neva_llm_scores_new (answer);
      clip->state = GST_NEVA_LLM_CLIP_ANSWERED;
    } else {
      clip->error = g_error_copy (error);
      clip->state = GST_NEVA_LLM_CLIP_FAILED;
    }
    g_clear_pointer (&clip->partial, g_free);
    g_cond_broadcast (&self->cond);
  }
  g_mutex_unlock (&self->lock);
}

/* ---- What a round works on ---- */

/* Lock held. */
static gboolean
is_pending (const GstNevaLlmClip *clip)
{
  return clip->state == GST_NEVA_LLM_CLIP_COLLECTING ||
         clip->state == GST_NEVA_LLM_CLIP_WAITING;
}

/* Lock held. The clip failed, unless it is gone. */
static void
set_failed (GstNevaLlm *self, GstNevaLlmClip *clip, GError *error)
{
  if (clip->state == GST_NEVA_LLM_CLIP_REMOVED ||
      g_error_matches (error, NEVA_ERROR, NEVA_ERROR_CANCELLED)) {
    g_error_free (error);
    return;
  }
  clip->error = error;
  clip->state = GST_NEVA_LLM_CLIP_FAILED;
}

/* No lock held. The model that answers: the one that is named, else the one
 * that looked at the frames. NULL: interrupted, or the stream has failed. */
static NevaModel *
wait_for_model (GstNevaLlm *self, GstNevaLlmClip *clip)
{
  NevaModel *model = NULL;
  const GstFlowReturn flow = gst_neva_model_loader_wait (&self->loader, &model);

  if (flow == GST_FLOW_ERROR)
    gst_neva_llm_fail (self, NULL, NULL);
  if (flow != GST_FLOW_OK || model)
    return model;

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < clip->frames->len && !model; i++) {
    const GstNevaLlmFrame *frame =
        &g_array_index (clip->frames, GstNevaLlmFrame, i);

    if (frame->embedding)
      model = neva_model_ref (neva_embedding_get_model (frame->embedding));
  }
  g_mutex_unlock (&self->lock);
  if (!model) {
    const GError error = {NEVA_ERROR, NEVA_ERROR_NOT_FOUND,
        (char *) "no model: set the property 'model', or put nevaencoder "
                 "before nevallm"};

    gst_neva_llm_fail (self, NULL, &error);
  }
  return model;
}

static NevaEmbedding *
encode (NevaModel *model, GstBuffer *buffer, const GstVideoInfo *info,
    GCancellable *cancel, GError **error)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  NevaEmbedding *embedding = NULL;
  GstVideoFrame mapped;
  NevaFrame frame;

  if (GST_VIDEO_INFO_FORMAT (info) == GST_VIDEO_FORMAT_UNKNOWN) {
    g_set_error_literal (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "frames that are not in system memory in a known format cannot be "
        "read: put nevaencoder or a converter before nevallm");
    return NULL;
  }
  if (!gst_video_frame_map (&mapped, info, buffer, GST_MAP_READ)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "a frame of format %s and %d×%d pixels cannot be read",
        gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (info)),
        GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info));
    return NULL;
  }
  if (gst_neva_frame_init (
          &frame, &mapped, GST_CLOCK_TIME_IS_VALID (pts) ? (gint64) pts : -1))
    embedding = neva_model_encode (model, &frame, cancel, error);
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "frames of format %s are not understood: put videoconvert before "
        "nevallm",
        gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (info)));
  gst_video_frame_unmap (&mapped);
  return embedding;
}

static void
encode_frame (GstNevaLlm *self, GstNevaLlmClip *clip, guint index,
    GstBuffer *buffer, const GstVideoInfo *info, GCancellable *cancel)
{
  g_autoptr (NevaModel) model = wait_for_model (self, clip);
  NevaEmbedding *embedding = NULL;
  GError *error = NULL;

  if (!model || !gst_neva_llm_settle_handles (self, clip, model))
    return;
  embedding = encode (model, buffer, info, cancel, &error);
  g_mutex_lock (&self->lock);
  if (!embedding) {
    set_failed (self, clip, error);
  } else {
    GstNevaLlmFrame *frame =
        &g_array_index (clip->frames, GstNevaLlmFrame, index);

    frame->embedding = embedding;
    gst_clear_buffer (&frame->buffer);
  }
  g_mutex_unlock (&self->lock);
}

/* ---- Asking ---- */

/* Lock held. [count] embeddings, the last one repeated as often as the clip's
 * frame count asks for. (transfer full) */
static GPtrArray *
clip_embeddings (const GstNevaLlmClip *clip)
{
  const guint n = MIN (MAX (clip->count, clip->frames->len), G_MAXUINT16);
  GPtrArray *all =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_embedding_unref);

  for (guint i = 0; i < n; i++) {
    const guint k = MIN (i, clip->frames->len - 1);

    g_ptr_array_add (
        all, neva_embedding_ref (
                 g_array_index (clip->frames, GstNevaLlmFrame, k).embedding));
  }
  return all;
}

static GstClockTime
stream_time (const GstNevaLlmClip *clip, GstClockTime running_time)
{
  if (!GST_CLOCK_TIME_IS_VALID (running_time))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_stream_time (&clip->segment, GST_FORMAT_TIME,
      gst_segment_position_from_running_time (
          &clip->segment, GST_FORMAT_TIME, running_time));
}

static char *
expand_prompt (const GstNevaLlmClip *clip, const char *prompt)
{
  g_autofree GstClockTime *times = g_new (GstClockTime, clip->times->len);
  const GstNevaTextClip text = {.clip = clip->number,
      .start = stream_time (clip, clip->start),
      .end = stream_time (clip, clip->end),
      .times = times,
      .n_times = clip->times->len};

  for (guint i = 0; i < clip->times->len; i++)
    times[i] = gst_segment_to_stream_time (&clip->segment, GST_FORMAT_TIME,
        g_array_index (clip->times, GstNevaSampleTime, i).pts);
  return gst_neva_text_expand (prompt, &text);
}

static NevaRequest *
ask (GstNevaLlm *self, GstNevaLlmClip *clip, NevaModel *model,
    GPtrArray *frames, GCancellable *cancel, GError **error)
{
  GstNevaLlmSettings settings;
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  NevaRequest *request;
  Call *call = call_new (self, clip);
  const char *prompt;

  gst_neva_llm_get_settings (self, &settings);
  prompt = settings.alert.question ? settings.alert.question : settings.prompt;
  clip->prompt = expand_prompt (
      clip, prompt ? prompt : neva_model_get_info (model)->prompt);
  clip->model = g_strdup (neva_model_get_info (model)->name);

  question.frames = (NevaEmbedding *const *) frames->pdata;
  question.n_frames = frames->len;
  if (GST_CLOCK_TIME_IS_VALID (clip->start) &&
      GST_CLOCK_TIME_IS_VALID (clip->end) && clip->end > clip->start)
    question.duration_ns = (gint64) (clip->end - clip->start);
  question.prompt = clip->prompt;
  question.system_prompt = settings.system_prompt;
  question.conv_template = settings.conv_template;
  question.stop = (const char *const *) settings.end_strings;
  question.grammar = settings.form.compiled;
  question.yes_no = settings.alert.question != NULL;
  question.max_tokens = settings.max_tokens;
  question.clean = settings.clean;
  question.insert_media = settings.insert_media;
  question.add_media_sep = settings.add_media_sep;
  question.sampling = settings.sampling;
  question.all_probs = settings.all_probs;
  clip->scored = settings.all_probs || settings.sampling.compute_logprob;
  request =
      neva_model_ask (model, &question, settings.partial ? on_partial : NULL,
          on_done, call, call_free, cancel, error);
  if (!request)
    call_free (call);
  gst_neva_llm_settings_clear (&settings);
  return request;
}

/* For the statistics, when no model was named here. */
static void
remember_model (GstNevaLlm *self, NevaModel *model)
{
  NevaModel *old;

  g_mutex_lock (&self->lock);
  old = self->model;
  self->model = neva_model_ref (model);
  g_mutex_unlock (&self->lock);
  if (old)
    neva_model_unref (old);
}

/* The clip was marked ASKED and counted. */
static void
ask_about (GstNevaLlm *self, GstNevaLlmClip *clip, GPtrArray *frames,
    GCancellable *cancel)
{
  g_autoptr (NevaModel) model = wait_for_model (self, clip);
  NevaRequest *request = NULL;
  GError *error = NULL;
  gboolean late = FALSE;

  if (!model)
    return;
  if (!gst_neva_llm_settle_handles (self, clip, model)) {
    g_mutex_lock (&self->lock);
    if (clip->state == GST_NEVA_LLM_CLIP_ASKED) {
      clip->state = GST_NEVA_LLM_CLIP_WAITING;
      self->n_asked--;
    }
    g_mutex_unlock (&self->lock);
    return;
  }
  remember_model (self, model);
  request = ask (self, clip, model, frames, cancel, &error);
  g_mutex_lock (&self->lock);
  if (!request) {
    if (clip->state == GST_NEVA_LLM_CLIP_ASKED)
      self->n_asked--;
    set_failed (self, clip, error);
  } else if (clip->state == GST_NEVA_LLM_CLIP_ASKED) {
    clip->request = neva_request_ref (request);
  } else {
    /* A flush came in between, or the answer did. */
    late = clip->state == GST_NEVA_LLM_CLIP_REMOVED;
  }
  gst_neva_llm_clip_forget_frames (clip);
  g_mutex_unlock (&self->lock);
  if (late)
    neva_request_cancel (request);
  g_clear_pointer (&request, neva_request_unref);
}

/* ---- Rounds; called and return with the lock held ---- */

static gboolean
round_deliver (GstNevaLlm *self)
{
  GstNevaLlmClip *clip = gst_neva_llm_clips_head (&self->clips);
  const guint serial = self->serial;

  if (!clip || (clip->state != GST_NEVA_LLM_CLIP_ANSWERED &&
                   clip->state != GST_NEVA_LLM_CLIP_FAILED))
    return FALSE;
  gst_neva_llm_clips_remove (&self->clips, clip);
  self->delivering = TRUE;
  g_mutex_unlock (&self->lock);
  gst_neva_llm_deliver (self, clip, serial);
  gst_neva_llm_clip_unref (clip);
  g_mutex_lock (&self->lock);
  self->delivering = FALSE;
  g_cond_broadcast (&self->cond);
  return TRUE;
}

/* Only the clip whose turn it is may speak. */
static gboolean
round_partial (GstNevaLlm *self)
{
  GstNevaLlmClip *clip = gst_neva_llm_clips_head (&self->clips);
  const guint serial = self->serial;
  g_autofree char *text = NULL;

  if (!clip || !clip->partial)
    return FALSE;
  text = g_steal_pointer (&clip->partial);
  gst_neva_llm_clip_ref (clip);
  g_mutex_unlock (&self->lock);
  gst_neva_llm_deliver_partial (self, clip, text, serial);
  gst_neva_llm_clip_unref (clip);
  g_mutex_lock (&self->lock);
  return TRUE;
}

static gboolean
round_ask (GstNevaLlm *self, guint max_inflight)
{
  GstNevaLlmClip *clip =
      gst_neva_llm_clips_first (&self->clips, GST_NEVA_LLM_CLIP_WAITING);
  g_autoptr (GCancellable) cancel = NULL;
  g_autoptr (GPtrArray) frames = NULL;

  if (!clip || self->n_asked >= max_inflight ||
      !gst_neva_llm_clip_is_encoded (clip))
    return FALSE;
  gst_neva_llm_clip_ref (clip);
  clip->state = GST_NEVA_LLM_CLIP_ASKED;
  self->n_asked++;
  frames = clip_embeddings (clip);
  cancel = g_object_ref (self->cancel);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  ask_about (self, clip, frames, cancel);
  gst_neva_llm_clip_unref (clip);
  g_mutex_lock (&self->lock);
  return TRUE;
}

static gboolean
round_encode (GstNevaLlm *self)
{
  for (GList *l = self->clips.queue.head; l; l = l->next) {
    GstNevaLlmClip *clip = l->data;
    const gint index = gst_neva_llm_clip_next_to_encode (clip);
    g_autoptr (GCancellable) cancel = NULL;
    const GstNevaLlmFrame *frame;
    GstVideoInfo info;
    GstBuffer *buffer;

    if (!is_pending (clip) || index < 0)
      continue;
    frame = &g_array_index (clip->frames, GstNevaLlmFrame, index);
    buffer = gst_buffer_ref (frame->buffer);
    info = frame->info;
    cancel = g_object_ref (self->cancel);
    gst_neva_llm_clip_ref (clip);
    g_mutex_unlock (&self->lock);
    encode_frame (self, clip, (guint) index, buffer, &info, cancel);
    gst_buffer_unref (buffer);
    gst_neva_llm_clip_unref (clip);
    g_mutex_lock (&self->lock);
    return TRUE;
  }
  return FALSE;
}

static gpointer
worker_main (gpointer user_data)
{
  GstNevaLlm *self = user_data;

  g_mutex_lock (&self->lock);
  while (self->running) {
    guint max_inflight;

    g_mutex_unlock (&self->lock);
    GST_OBJECT_LOCK (self);
    max_inflight = self->settings.max_inflight;
    GST_OBJECT_UNLOCK (self);
    g_mutex_lock (&self->lock);
    if (self->flushing || self->failed ||
        (!round_deliver (self) && !round_partial (self) &&
            !round_ask (self, max_inflight) && !round_encode (self))) {
      if (self->running)
        g_cond_wait (&self->cond, &self->lock);
    }
  }
  g_mutex_unlock (&self->lock);
  return NULL;
}

void
gst_neva_llm_worker_start (GstNevaLlm *self)
{
  self->running = TRUE;
  self->worker = g_thread_new ("nevallm", worker_main, self);
}

void
gst_neva_llm_worker_stop (GstNevaLlm *self)
{
  g_mutex_lock (&self->lock);
  self->running = FALSE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  if (self->worker)
    g_thread_join (self->worker);
  self->worker = NULL;

  /* An answer may be known, and the thread that told it not yet gone. */
  g_mutex_lock (&self->lock);
  while (self->n_calls > 0)
    g_cond_wait (&self->cond, &self->lock);
  g_mutex_unlock (&self->lock);
}
