/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the worker takes next from its queues: the highest priority first,
 * streams of equal priority in turn, and of one stream what came first. */
#include "config.h"
#include "runtime/worker.h"

static NevaEmbedding *
next_frame (NevaWorker *worker)
{
  NevaEmbedding *best = NULL;

  for (GList *l = worker->frames.head; l; l = l->next) {
    NevaEmbedding *embedding = l->data;

    if (!best || embedding->priority > best->priority ||
        (embedding->priority == best->priority &&
            neva_turns_before (
                worker->frame_turns, embedding->stream, best->stream)))
      best = embedding;
  }
  return best;
}

guint
neva_worker_take_frames (NevaWorker *worker, NevaEmbedding **batch, guint max)
{
  guint n = 0;

  g_mutex_lock (&worker->lock);
  while (n < max && worker->frames.length) {
    NevaEmbedding *embedding = next_frame (worker);

    g_queue_unlink (&worker->frames, &embedding->link);
    g_atomic_int_set (&embedding->state, NEVA_EMBEDDING_ENCODING);
    if (!neva_embedding_revive (embedding))
      continue;
    neva_turns_take (worker->frame_turns, embedding->stream);
    batch[n++] = embedding;
  }
  g_cond_broadcast (&worker->room);
  g_mutex_unlock (&worker->lock);
  return n;
}

/* `a` has its frames; is its turn before that of `b`, which was asked first? */
static gboolean
goes_before (NevaWorker *worker, const NevaRequest *a, const NevaRequest *b)
{
  return a->question.priority == b->question.priority &&
         neva_turns_before (
             worker->question_turns, a->question.stream, b->question.stream);
}

NevaRequest *
neva_worker_take_question (NevaWorker *worker, gint64 least)
{
  const gint64 now = g_get_monotonic_time ();
  NevaRequest *best = NULL;

  g_mutex_lock (&worker->lock);
  for (GList *l = worker->questions.head; l; l = l->next) {
    NevaRequest *request = l->data;
    const NevaEmbeddingState state = neva_worker_frames_state (request);

    if (state != NEVA_EMBEDDING_READY && state != NEVA_EMBEDDING_FAILED)
      continue;
    if (!request->encoded_us)
      request->encoded_us = now;
    if (request->question.priority >= least &&
        (!best || goes_before (worker, request, best)))
      best = request;
  }
  if (best) {
    neva_worker_unqueue_question (worker, best);
    neva_turns_take (worker->question_turns, best->question.stream);
  }
  g_mutex_unlock (&worker->lock);
  return best;
}
