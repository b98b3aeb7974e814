/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element's own thread. It does whatever may take a while: waits for the
 * model, hands in frames that nevaencoder did not, asks (ask.c), and delivers
 * answers in the order of their clips and prompts. See llm.h.
 *
 * One round does one thing, chosen with the lock held and done without it. */
#include "config.h"
#include "common/gstnevacuda.h"
#include "llm.h"

GST_DEBUG_CATEGORY_EXTERN (gst_neva_llm_debug);
#define GST_CAT_DEFAULT gst_neva_llm_debug

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

NevaModel *
gst_neva_llm_wait_for_model (GstNevaLlm *self, GstNevaLlmClip *clip)
{
  NevaModel *model = NULL;
  NevaEmbedding *shown;
  const GstFlowReturn flow = gst_neva_model_loader_wait (&self->loader, &model);

  if (flow == GST_FLOW_ERROR)
    gst_neva_llm_fail (self, NULL, NULL);
  if (flow != GST_FLOW_OK || model)
    return model;

  g_mutex_lock (&self->lock);
  shown = gst_neva_llm_clip_peek_embedding (clip);
  if (shown)
    model = neva_model_ref (neva_embedding_get_model (shown));
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
encode (GstNevaLlm *self, NevaModel *model, GstBuffer *buffer,
    const GstVideoInfo *info, GCancellable *cancel, GError **error)
{
  NevaEmbedding *embedding;
  GstNevaMapped mapped;

  if (GST_VIDEO_INFO_FORMAT (info) == GST_VIDEO_FORMAT_UNKNOWN) {
    g_set_error_literal (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "frames that are not in system memory in a known format cannot be "
        "read: put nevaencoder or a converter before nevallm");
    return NULL;
  }
  if (!gst_neva_map (&mapped, info, buffer, model, error))
    return NULL;
  mapped.frame.stream = self->share.stream;
  mapped.frame.priority = g_atomic_int_get (&self->share.priority);
  embedding = neva_model_encode (model, &mapped.frame, cancel, error);
  gst_neva_unmap (&mapped);
  return embedding;
}

/* Lock held. Every clip that holds the frame has its embedding: a reference. */
static void
share (GstNevaLlm *self, GstBuffer *buffer, NevaEmbedding *embedding)
{
  for (GList *l = self->clips.queue.head; l; l = l->next) {
    const GstNevaLlmClip *clip = l->data;

    for (guint i = 0; i < clip->frames->len; i++) {
      GstNevaLlmFrame *frame =
          &g_array_index (clip->frames, GstNevaLlmFrame, i);

      if (frame->buffer != buffer || frame->embedding)
        continue;
      frame->embedding = neva_embedding_ref (embedding);
      gst_clear_buffer (&frame->buffer);
    }
  }
  neva_embedding_unref (embedding);
}

static void
encode_frame (GstNevaLlm *self, GstNevaLlmClip *clip, GstBuffer *buffer,
    const GstVideoInfo *info, GCancellable *cancel)
{
  g_autoptr (NevaModel) model = gst_neva_llm_wait_for_model (self, clip);
  NevaEmbedding *embedding = NULL;
  GError *error = NULL;

  if (!model || !gst_neva_llm_settle_handles (self, clip, model))
    return;
  embedding = encode (self, model, buffer, info, cancel, &error);
  g_mutex_lock (&self->lock);
  if (!embedding) {
    set_failed (self, clip, error);
  } else {
    share (self, buffer, embedding);
  }
  g_mutex_unlock (&self->lock);
}

/* Lock held. [count] embeddings, the last one repeated as often as the clip's
 * frame count asks for. (transfer full) */
static GPtrArray *
clip_embeddings (const GstNevaLlmClip *clip)
{
  const guint n = MIN (MAX (clip->count, clip->frames->len), G_MAXUINT16);
  GPtrArray *all =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_embedding_unref);

  /* Each question has a picture of its own. */
  if (gst_neva_llm_clip_has_regions (clip))
    return all;
  for (guint i = 0; i < n; i++) {
    const guint k = MIN (i, clip->frames->len - 1);

    g_ptr_array_add (
        all, neva_embedding_ref (
                 g_array_index (clip->frames, GstNevaLlmFrame, k).embedding));
  }
  return all;
}

/* ---- Rounds; called and return with the lock held ---- */

static gboolean
round_deliver (GstNevaLlm *self)
{
  GstNevaLlmClip *clip = gst_neva_llm_clips_head (&self->clips);
  GstNevaLlmQuestion *question = clip ? gst_neva_llm_clip_next (clip) : NULL;
  const guint serial = self->serial;

  if (!clip ||
      (clip->state != GST_NEVA_LLM_CLIP_FAILED &&
          (!question || question->state == GST_NEVA_LLM_QUESTION_ASKED)))
    return FALSE;
  gst_neva_llm_clip_ref (clip);
  clip->n_delivered++;
  if (!gst_neva_llm_clip_next (clip))
    gst_neva_llm_clip_unref (gst_neva_llm_clips_remove (&self->clips, clip));
  self->delivering = TRUE;
  g_mutex_unlock (&self->lock);
  gst_neva_llm_deliver (self, clip, question, serial);
  gst_neva_llm_clip_unref (clip);
  g_mutex_lock (&self->lock);
  self->delivering = FALSE;
  g_cond_broadcast (&self->cond);
  return TRUE;
}

/* Only the question whose turn it is may speak. */
static gboolean
round_partial (GstNevaLlm *self)
{
  GstNevaLlmClip *clip = gst_neva_llm_clips_head (&self->clips);
  GstNevaLlmQuestion *question = clip ? gst_neva_llm_clip_next (clip) : NULL;
  const guint serial = self->serial;
  g_autofree char *text = NULL;

  if (!question || !question->partial)
    return FALSE;
  text = g_steal_pointer (&question->partial);
  gst_neva_llm_clip_ref (clip);
  g_mutex_unlock (&self->lock);
  gst_neva_llm_deliver_partial (self, clip, question, text, serial);
  gst_neva_llm_clip_unref (clip);
  g_mutex_lock (&self->lock);
  return TRUE;
}

/* The first complete clip, as soon as it is known that it is gated. */
static gboolean
round_gate (GstNevaLlm *self)
{
  GstNevaLlmClip *clip =
      gst_neva_llm_clips_first (&self->clips, GST_NEVA_LLM_CLIP_WAITING);
  GstClockTime newest = self->newest;

  if (!clip || !clip->verdict ||
      gst_neva_verdict_get (clip->verdict) != GST_NEVA_VERDICT_GATED)
    return FALSE;
  self->counts.clips--;
  self->counts.gated++;
  gst_neva_llm_decide (self, clip, NULL);
  clip = gst_neva_llm_clips_remove (&self->clips, clip);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  gst_neva_llm_clip_unref (clip);
  gst_neva_llm_passed (self, newest);
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
      (clip->verdict &&
          gst_neva_verdict_get (clip->verdict) != GST_NEVA_VERDICT_PASS) ||
      !gst_neva_llm_clip_is_encoded (clip))
    return FALSE;
  gst_neva_llm_clip_ref (clip);
  clip->state = GST_NEVA_LLM_CLIP_ASKED;
  self->n_asked++;
  frames = clip_embeddings (clip);
  cancel = g_object_ref (self->cancel);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  gst_neva_llm_ask (self, clip, frames, cancel);
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

    if (!is_pending (clip) || clip->undecided || index < 0)
      continue;
    frame = &g_array_index (clip->frames, GstNevaLlmFrame, index);
    buffer = gst_buffer_ref (frame->buffer);
    info = frame->info;
    cancel = g_object_ref (self->cancel);
    gst_neva_llm_clip_ref (clip);
    g_mutex_unlock (&self->lock);
    encode_frame (self, clip, buffer, &info, cancel);
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
    /* A prompt that remembers needs the answer before it. */
    max_inflight =
        self->settings.memory.captions ? 1 : self->settings.max_inflight;
    GST_OBJECT_UNLOCK (self);
    g_mutex_lock (&self->lock);
    if (self->flushing || self->failed ||
        (!round_deliver (self) && !round_partial (self) && !round_gate (self) &&
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
