/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's two bounded queues and its counters: the part of it that other
 * threads call. */
#include "config.h"
#include "runtime/wait.h"
#include "runtime/worker.h"

static void
set_busy (GError **error, GCancellable *wait, const char *what, guint max)
{
  if (wait)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_CANCELLED,
        "waiting for room in the queue of %s was cancelled", what);
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BUSY,
        "the queue of %s is full (%u)", what, max);
}

/* ---- Frames ------------------------------------------------------------- */

/* Under the lock. */
static gboolean
frame_fits (NevaWorker *worker, guint64 stream)
{
  guint own = 0;

  for (GList *l = worker->frames.head; l; l = l->next)
    own += ((NevaEmbedding *) l->data)->stream == stream;
  for (guint i = 0; i < worker->reserved->len; i++)
    own += g_array_index (worker->reserved, guint64, i) == stream;
  return neva_turns_may_queue (stream, own,
      worker->frames.length + worker->reserved->len, NEVA_MAX_QUEUED_FRAMES);
}

/* Under the lock. */
static void
drop_reservation (NevaWorker *worker, guint64 stream)
{
  for (guint i = 0; i < worker->reserved->len; i++) {
    if (g_array_index (worker->reserved, guint64, i) != stream)
      continue;
    g_array_remove_index_fast (worker->reserved, i);
    return;
  }
}

gboolean
neva_worker_reserve_frame (NevaWorker *worker, guint64 stream,
    GCancellable *cancellable, GError **error)
{
  gboolean ok;
  NevaWait wait;

  neva_wait_begin (&wait, &worker->lock, &worker->room, cancellable);
  g_mutex_lock (&worker->lock);
  while (!frame_fits (worker, stream) && cancellable &&
         !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&worker->room, &worker->lock);
  ok = frame_fits (worker, stream) && !g_cancellable_is_cancelled (cancellable);
  if (ok)
    g_array_append_val (worker->reserved, stream);
  g_mutex_unlock (&worker->lock);
  neva_wait_end (&wait);

  if (!ok)
    set_busy (error, cancellable, "frames", NEVA_MAX_QUEUED_FRAMES);
  return ok;
}

void
neva_worker_unreserve_frame (NevaWorker *worker, guint64 stream)
{
  g_mutex_lock (&worker->lock);
  drop_reservation (worker, stream);
  g_cond_broadcast (&worker->room);
  g_mutex_unlock (&worker->lock);
}

void
neva_worker_queue_frame (
    NevaWorker *worker, NevaEmbedding *embedding, gint64 preprocess_ns)
{
  g_mutex_lock (&worker->lock);
  drop_reservation (worker, embedding->stream);
  worker->stats.preprocess_ns += preprocess_ns;
  g_queue_push_tail_link (&worker->frames, &embedding->link);
  g_cond_signal (&worker->work);
  g_mutex_unlock (&worker->lock);
}

void
neva_worker_forget_frame (NevaWorker *worker, NevaEmbedding *embedding)
{
  g_mutex_lock (&worker->lock);
  if (neva_embedding_state (embedding) == NEVA_EMBEDDING_QUEUED) {
    g_queue_unlink (&worker->frames, &embedding->link);
    g_cond_broadcast (&worker->room);
  }
  g_mutex_unlock (&worker->lock);
}

NevaEmbeddingState
neva_worker_frames_state (const NevaRequest *request)
{
  const NevaQuestion *question = &request->question;

  for (gsize i = 0; i < question->n_frames; i++) {
    const NevaEmbeddingState state = neva_embedding_state (question->frames[i]);

    if (state != NEVA_EMBEDDING_READY)
      return state;
  }
  return NEVA_EMBEDDING_READY;
}

/* ---- Questions ---------------------------------------------------------- */

/* Behind all others of its priority. */
static void
insert_question (NevaWorker *worker, NevaRequest *request)
{
  GList *before = worker->questions.tail;

  while (before && ((NevaRequest *) before->data)->question.priority <
                       request->question.priority)
    before = before->prev;
  if (before)
    g_queue_insert_after_link (&worker->questions, before, &request->link);
  else
    g_queue_push_head_link (&worker->questions, &request->link);
}

/* Under the lock. */
static gboolean
question_fits (NevaWorker *worker, guint64 stream)
{
  guint own = 0;

  for (GList *l = worker->questions.head; l; l = l->next)
    own += ((NevaRequest *) l->data)->question.stream == stream;
  return neva_turns_may_queue (
      stream, own, worker->questions.length, NEVA_MAX_QUEUED_QUESTIONS);
}

gboolean
neva_worker_queue_question (NevaWorker *worker, NevaRequest *request,
    GCancellable *cancellable, GError **error)
{
  const guint64 stream = request->question.stream;
  gboolean ok;
  NevaWait wait;

  neva_wait_begin (&wait, &worker->lock, &worker->room, cancellable);
  g_mutex_lock (&worker->lock);
  while (!question_fits (worker, stream) && cancellable &&
         !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&worker->room, &worker->lock);
  ok = question_fits (worker, stream) &&
       !g_cancellable_is_cancelled (cancellable);
  if (ok) {
    request->asked_us = g_get_monotonic_time ();
    if (neva_worker_frames_state (request) == NEVA_EMBEDDING_READY)
      request->encoded_us = request->asked_us;
    request->queued = TRUE;
    insert_question (worker, neva_request_ref (request));
    g_cond_signal (&worker->work);
  }
  g_mutex_unlock (&worker->lock);
  neva_wait_end (&wait);

  if (!ok)
    set_busy (error, cancellable, "questions", NEVA_MAX_QUEUED_QUESTIONS);
  return ok;
}

void
neva_worker_unqueue_question (NevaWorker *worker, NevaRequest *request)
{
  g_queue_unlink (&worker->questions, &request->link);
  request->queued = FALSE;
  g_cond_broadcast (&worker->room);
}

void
neva_worker_drop_question (NevaWorker *worker, NevaRequest *request)
{
  gboolean queued;

  g_mutex_lock (&worker->lock);
  queued = request->queued;
  if (queued)
    neva_worker_unqueue_question (worker, request);
  else
    g_cond_signal (&worker->work);
  g_mutex_unlock (&worker->lock);
  if (queued)
    neva_request_unref (request);
}

void
neva_worker_count (
    NevaWorker *worker, NevaOutcome outcome, const NevaAnswer *answer)
{
  NevaStats *stats = &worker->stats;

  g_mutex_lock (&worker->lock);
  switch (outcome) {
    case NEVA_OUTCOME_ANSWER:
      stats->answers++;
      stats->prompt_tokens += answer->prompt_tokens;
      stats->reused_tokens += answer->reused_tokens;
      stats->generated_tokens += answer->generated_tokens;
      stats->queue_ns += answer->queue_ns;
      stats->prefill_ns += answer->prefill_ns;
      stats->first_token_ns += answer->first_token_ns;
      stats->decode_ns += answer->decode_ns;
      break;
    case NEVA_OUTCOME_CANCELLED:
      stats->cancelled++;
      break;
    case NEVA_OUTCOME_FAILED:
      stats->failed++;
      break;
  }
  g_mutex_unlock (&worker->lock);
}

void
neva_worker_get_stats (NevaWorker *worker, NevaStats *stats)
{
  g_mutex_lock (&worker->lock);
  *stats = worker->stats;
  stats->queued_frames = worker->frames.length + worker->reserved->len;
  stats->queued_questions = worker->questions.length;
  g_mutex_unlock (&worker->lock);
}
