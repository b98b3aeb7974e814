/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One admitted question on the worker's thread: what it has been fed, what it
 * is to be fed next, and the answer so far.
 *
 *   fed->ids:  prompt … | generated …
 *              ^ n_fed: everything before is in the sequence
 *
 * Prefill and decode are the same thing: feed what is pending, and where that
 * reaches the end, take a token and append it. */
#ifndef NEVA_GENERATION_H
#define NEVA_GENERATION_H

#include "runtime/prefix.h"
#include "runtime/runtime.h"

typedef struct {
  NevaRequest *request; /* owned */
  NevaDriver *driver;
  NevaPrefixes *prefixes;
  NevaDriverSequence *sequence; /* NULL: not begun */
  NevaDriverAnswer *state;
  NevaFed *fed;
  gsize n_fed, n_planned;
  GPtrArray *rows; /* scratch of plan () */
  GArray *ids;     /* likewise, gint32 */
  float *combined; /* the media run's rows; NULL: the frames' */
  gboolean ended;  /* a stop, or no room for more */
  NevaFinish finish;
  NevaAnswer answer;
  double sum_logprob;
  NevaToken *prompt; /* [prompt_tokens]; prompt_logprobs only */
  GArray *tokens;    /* NevaToken */
  GArray *logprobs;  /* float; all_probs only */
  gint64 admitted_us, prefilled_us, first_token_us;
} NevaGeneration;

/* Takes a reference. NULL with error set. */
NevaGeneration *neva_generation_new (NevaDriver *driver, NevaPrefixes *prefixes,
    NevaRequest *request, GError **error);
/* Leaves its sequence to the prefix cache if it has one. */
void neva_generation_free (NevaGeneration *generation);

/* Finds a beginning to start from, if it has none yet: from the prefix cache,
 * or of another of `running` (NevaGeneration), with which it then shares
 * memory. Where another is about to feed what both begin with, nothing is
 * begun, and is to be tried again after the next step. FALSE with error set. */
gboolean neva_generation_begin (
    NevaGeneration *generation, const GPtrArray *running, GError **error);
/* Tokens that it would have to feed if it began now, and all it does not share.
 */
gsize neva_generation_need (
    const NevaGeneration *generation, const GPtrArray *running);
/* Tokens that are waiting to be fed; 0 only while the driver says not yet. */
gsize neva_generation_pending (const NevaGeneration *generation);
/* Fills in an item that feeds at most `max` tokens. */
void neva_generation_plan (
    NevaGeneration *generation, gsize max, NevaDriverItem *item);
/* The step succeeded. Calls `partial`. Returns: FALSE with error set when the
 * model produced nothing usable. */
gboolean neva_generation_advance (
    NevaGeneration *generation, const NevaDriverItem *item, GError **error);
/* The step failed: back to where it was. */
void neva_generation_rewind (NevaGeneration *generation);
/* Gives the KV cache up; all will be fed again. */
void neva_generation_restart (NevaGeneration *generation);

/* Hands the answer or the error (transfer full) to the request, which may have
 * been cancelled meanwhile. */
void neva_generation_settle (NevaGeneration *generation);
void neva_generation_fail (NevaGeneration *generation, GError *error);

#endif /* NEVA_GENERATION_H */
