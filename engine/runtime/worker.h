/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's state: worker.c (its thread), admission.c and next.c (what it
 * takes up), queues.c (what others call). */
#ifndef NEVA_WORKER_H
#define NEVA_WORKER_H

#include "runtime/generation.h"
#include "runtime/turns.h"

struct _NevaWorker {
  NevaDriver *driver;
  GThread *thread;

  GMutex lock;
  GCond work;       /* something to do */
  GCond room;       /* a queue got shorter */
  GQueue frames;    /* NevaEmbedding, by their links; no references */
  GArray *reserved; /* guint64, streams: places in `frames` about to be used */
  GQueue questions; /* NevaRequest, by their links; owned; best first */
  NevaTurns *frame_turns, *question_turns;
  NevaStats stats;
  gboolean stop, self_destruct;
  gboolean asleep; /* waiting for work: it will end at once when told to */

  /* Worker thread */
  NevaPrefixes *prefixes;
  GPtrArray *running;        /* NevaGeneration, best first (admission.c) */
  gboolean short_of_room;    /* nothing ended since one was paused */
  gint paused_priority;      /* that one's */
  float *features;           /* scratch of encode () */
  double frame_us, token_us; /* measured; 0: not yet */
};

/* The first state of one of the question's frames that is not READY, or READY.
 */
NevaEmbeddingState neva_worker_frames_state (const NevaRequest *request);
/* Under the lock. The queue's reference passes to the caller. */
void neva_worker_unqueue_question (NevaWorker *worker, NevaRequest *request);

/* ---- admission.c: worker thread ---- */

/* Takes questions into `running`. */
void neva_worker_admit (NevaWorker *worker);
/* Gives a KV cache to those that are to have one now. */
void neva_worker_begin (NevaWorker *worker);
/* A step failed for lack of KV memory: make some. Returns: FALSE when the only
 * one that has any has it all already. */
gboolean neva_worker_make_room (NevaWorker *worker);
/* worker.c. error: (transfer full) */
void neva_worker_fail (
    NevaWorker *worker, NevaGeneration *generation, GError *error);

/* ---- next.c ---- */

/* Moves up to `max` frames that somebody still wants to `batch`, referenced. */
guint neva_worker_take_frames (
    NevaWorker *worker, NevaEmbedding **batch, guint max);
/* (transfer full): the next question that need not wait for a frame, of at
 * least this priority; or NULL. */
NevaRequest *neva_worker_take_question (NevaWorker *worker, gint64 least);

#endif /* NEVA_WORKER_H */
