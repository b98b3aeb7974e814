/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the worker needs of a model, so that it does not know which one it runs:
 *
 *   frame --preprocess--> rgb --encode--> feature rows --.
 *   question --prompt--> ids + media run ----------------+--step--> token
 *                                                           |
 *   text <--answer_text-- answer state <--answer_push-------'
 *
 * Unless a function says otherwise it is called on the worker's thread only.
 * Functions report by GError and never write out-parameters on failure. */
#ifndef NEVA_DRIVER_H
#define NEVA_DRIVER_H

#include <neva/model.h>
#include <neva/request.h>
#include "text/prompt.h"

typedef struct _NevaDriver NevaDriver;
/* One KV cache. */
typedef struct _NevaDriverSequence NevaDriverSequence;
/* One answer in the making: sampler, detokenizer and stop rules. */
typedef struct _NevaDriverAnswer NevaDriverAnswer;

/* Instead of a token: nothing yet, step again without feeding anything. */
#define NEVA_TOKEN_NOT_YET (-2)

#define NEVA_IDLE_US (10 * G_USEC_PER_SEC)

/* Part of one step: `n` tokens appended to `sequence`. */
typedef struct {
  NevaDriverSequence *sequence;
  const gint32 *ids;        /* [n]; not used where rows[i] is not NULL */
  const float *const *rows; /* [n] feature rows, or NULL: all from ids */
  gsize n;                  /* 0 only after NEVA_TOKEN_NOT_YET */
  NevaToken *scores; /* out: the logprobs of tokens whose ids are set: [i] after
                        what is fed up to ids[i] */
  gsize n_scores;    /* <= n */
  NevaDriverAnswer *answer; /* chooses the token after the last one fed; NULL:
                               none is wanted */
  gint32 token;             /* out: the token, or NEVA_TOKEN_NOT_YET */
  double logprob;           /* out: natural log of its probability */
  double yes; /* out, of the first token of an answer that wants it */
} NevaDriverItem;

typedef struct {
  void (*free) (NevaDriver *driver);

  /* rgb: out, [driver->rgb_bytes]. Any thread, concurrently. */
  gboolean (*preprocess) (
      NevaDriver *driver, const NevaFrame *frame, guint8 *rgb, GError **error);
  /* Adds what it counts of frames; any thread. NULL: nothing. */
  void (*frame_stats) (NevaDriver *driver, NevaStats *stats);
  /* rgb [n][rgb_bytes] -> features [n * tokens_per_frame][row_floats]. */
  gboolean (*encode) (NevaDriver *driver, const guint8 *const *rgb, gsize n,
      float *features, GError **error);

  /* The rows of a question's media run where they are not its frames' rows one
   * after another: features [n][tokens_per_frame * row_floats] -> (transfer
   * full) [media_len][row_floats]. NULL, or returns NULL: they are. */
  float *(*combine) (NevaDriver *driver, const float *const *features, gsize n);

  /* Checks all of the question but its length. prompt->ids: (transfer full).
   * Any thread, concurrently. */
  gboolean (*prompt) (NevaDriver *driver, const NevaQuestion *question,
      NevaPrompt *prompt, GError **error);

  NevaDriverSequence *(*sequence_new) (NevaDriver *driver, GError **error);
  /* Begins with the first `length` tokens of `sequence`, which has as many, and
   * shares their memory where it can. Never NULL. May be missing: nothing that
   * was fed saves work. */
  NevaDriverSequence *(*sequence_fork) (
      NevaDriver *driver, NevaDriverSequence *sequence, gsize length);
  void (*sequence_free) (NevaDriver *driver, NevaDriverSequence *sequence);
  /* Forgets the tokens from `length` on. */
  void (*sequence_truncate) (
      NevaDriver *driver, NevaDriverSequence *sequence, gsize length);
  guint64 (*kv_bytes) (NevaDriver *driver); /* of all sequences, now */
  /* Tokens that fit beside them; G_MAXSIZE: any number. */
  gsize (*kv_room) (NevaDriver *driver);

  /* Called every NEVA_IDLE_US while there is nothing to do; NULL: need not be.
   */
  void (*idle) (NevaDriver *driver);

  /* One pass over all items together; what comes out of one does not depend on
   * the others. NEVA_ERROR_DEVICE: no room for the KV cache. After an error the
   * worker truncates each sequence to what it was. */
  gboolean (*step) (
      NevaDriver *driver, NevaDriverItem *items, gsize n_items, GError **error);

  /* The prompt and the question are borrowed for the call; the sequence, to
   * which the prompt will be fed, for the answer's life. */
  NevaDriverAnswer *(*answer_new) (NevaDriver *driver,
      const NevaQuestion *question, const NevaPrompt *prompt, GError **error);
  void (*answer_free) (NevaDriverAnswer *answer);
  /* Returns: TRUE when this token ends the answer. */
  gboolean (*answer_push) (NevaDriverAnswer *answer, gint32 token);
  /* What is certain so far: valid UTF-8, cleaned, never taken back. Valid until
   * the next call. */
  const char *(*answer_text) (NevaDriverAnswer *answer);
  /* No token follows; all of the text. ids [n_ids]: prompt and answer.
   * full_text: out, (transfer full), where the question asks for it; else it
   * stays as it is. (transfer full) */
  char *(*answer_finish) (NevaDriverAnswer *answer, const gint32 *ids,
      gsize n_ids, char **full_text);
  /* The log-probabilities of the vocabulary before the last token, where the
   * question asks for them: [*n], valid until the next step. May be NULL. */
  const float *(*answer_logprobs) (NevaDriverAnswer *answer, gsize *n);
} NevaDriverClass;

struct _NevaDriver {
  const NevaDriverClass *klass;
  NevaModelInfo info; /* strings belong to the driver */
  gsize rgb_bytes;    /* of one preprocessed frame */
  gboolean has_gpu;   /* frames may lie in the memory of `gpu` */
  guint gpu;
  guint frame_ranks; /* that encode beside each other; 0 is one */
  gsize row_floats;  /* of one feature row */
  gsize pool_from;   /* those before say nothing of the picture */
  gint broken;       /* atomic: its file is gone, nobody should join it */
};

/* As neva_model_open (): a folder, `openai:…`, or `fake:…`. */
NevaDriver *neva_llava_driver_open (const char *path,
    const NevaModelOptions *options, NevaProgressFunc progress,
    gpointer user_data, GCancellable *cancellable, GError **error);
NevaDriver *neva_remote_driver_open (const char *path,
    const NevaModelOptions *options, NevaProgressFunc progress,
    gpointer user_data, GCancellable *cancellable, GError **error);
NevaDriver *neva_fake_driver_open (const char *path,
    const NevaModelOptions *options, NevaProgressFunc progress,
    gpointer user_data, GCancellable *cancellable, GError **error);

#endif /* NEVA_DRIVER_H */
