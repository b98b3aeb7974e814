/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this folder know of each other.
 *
 *   registry.c   model by path and options, shared, weak
 *   embedding.c  neva_model_encode: a frame enters the encode queue
 *   request.c    neva_model_ask: a question enters the question queue
 *   worker.c     the model's one thread: encodes frames, admits questions,
 *                steps all running generations together
 *   queues.c     what waits for it; next.c, turns.c: what it takes first
 *   admission.c  which of the questions taken have a KV cache
 *   generation.c one admitted question; prefix.c: KV caches of past ones
 *   fake.c, llava.c, remote.c  drivers: what the worker runs
 *
 * References: embedding -> model, request -> model and embeddings. The encode
 * queue holds none, so that a frame nobody wants is not encoded; the question
 * queue holds the request. When a model's last reference goes, its worker has
 * nothing left to do. Locks: the worker's and each request's are never held
 * together, nor while a callback or a driver runs. */
#ifndef NEVA_RUNTIME_H
#define NEVA_RUNTIME_H

#include "runtime/driver.h"

typedef struct _NevaWorker NevaWorker;

struct _NevaModel {
  gint refs; /* atomic */
  char *key; /* in the registry */
  gint64 load_ns;
  NevaDriver *driver; /* belongs to the worker; alive while the model is */
  NevaWorker *worker;
};

typedef enum {
  NEVA_EMBEDDING_QUEUED,
  NEVA_EMBEDDING_ENCODING,
  NEVA_EMBEDDING_READY,
  NEVA_EMBEDDING_FAILED
} NevaEmbeddingState;

struct _NevaEmbedding {
  gint refs; /* atomic; a queued one is revived only if it is not 0 */
  NevaModel *model;
  guint64 id; /* unique in the process, for the prefix cache */
  gint64 pts_ns;
  guint64 stream;
  gint priority;
  gint state;      /* NevaEmbeddingState; atomic, written under worker lock */
  GList link;      /* in the encode queue; worker lock */
  guint8 *rgb;     /* until encoded; worker thread */
  float *features; /* [tokens_per_frame][row_floats]; when READY */
  GError *error;   /* when FAILED */
  GSList *watches; /* who waits for that; see embedding.c */
};

struct _NevaRequest {
  gint refs; /* atomic */
  NevaModel *model;

  /* Immutable once queued. question.frames is owned. */
  NevaQuestion question;
  NevaPrompt prompt;
  NevaPartialFunc partial;
  NevaDoneFunc done;
  gpointer user_data;
  GDestroyNotify destroy;
  gint64 asked_us;

  GList link;        /* in the question queue; worker lock */
  gboolean queued;   /* worker lock */
  gint64 encoded_us; /* when all frames were ready; worker thread */

  GMutex lock;
  GCond cond;
  GThread *calling;    /* lock: the thread inside a callback */
  gboolean in_partial; /* lock */
  gint settled;        /* atomic, written under lock: the outcome is decided */
  gboolean finished;   /* lock: `done` has returned */
  NevaAnswer answer;   /* after settled */
  char *text, *full_text;
  NevaToken *prompt_scores, *tokens;
  float *full_logprob;
  GError *error;
};

/* ---- Worker ---- */

/* Takes the driver. */
NevaWorker *neva_worker_new (NevaDriver *driver);
/* Ends the thread and frees all. Does not wait for arithmetic: a worker in the
 * middle of it frees itself afterwards. */
void neva_worker_free (NevaWorker *worker);

/* A place in the encode queue, kept until it is used or given back. */
gboolean neva_worker_reserve_frame (
    NevaWorker *worker, guint64 stream, GCancellable *wait, GError **error);
void neva_worker_unreserve_frame (NevaWorker *worker, guint64 stream);
void neva_worker_queue_frame (
    NevaWorker *worker, NevaEmbedding *embedding, gint64 preprocess_ns);
/* The last reference is gone. */
void neva_worker_forget_frame (NevaWorker *worker, NevaEmbedding *embedding);

gboolean neva_worker_queue_question (NevaWorker *worker, NevaRequest *request,
    GCancellable *wait, GError **error);
/* The request was settled by another thread: drop it, now if it is queued,
 * within one step if it runs. */
void neva_worker_drop_question (NevaWorker *worker, NevaRequest *request);

typedef enum {
  NEVA_OUTCOME_ANSWER,
  NEVA_OUTCOME_CANCELLED,
  NEVA_OUTCOME_FAILED
} NevaOutcome;
void neva_worker_count (
    NevaWorker *worker, NevaOutcome outcome, const NevaAnswer *answer);
void neva_worker_get_stats (NevaWorker *worker, NevaStats *stats);

/* ---- Embeddings and requests, as the worker sees them ---- */

/* Returns: FALSE when the last reference is already gone. */
gboolean neva_embedding_revive (NevaEmbedding *embedding);
NevaEmbeddingState neva_embedding_state (NevaEmbedding *embedding);
/* Its state has become READY or FAILED. No lock held. */
void neva_embedding_tell (NevaEmbedding *embedding);

gboolean neva_request_is_settled (NevaRequest *request);
/* Calls `partial` unless the request is settled. */
void neva_request_call_partial (NevaRequest *request, const char *text);
/* Settles the request and calls `done`; nothing when it is settled already. The
 * answer's pointers are (transfer full). */
void neva_request_answer (NevaRequest *request, const NevaAnswer *answer);
/* error: (transfer full). */
void neva_request_fail (NevaRequest *request, GError *error);

#endif /* NEVA_RUNTIME_H */
