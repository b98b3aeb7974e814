/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of the driver of model folders: llava.c has the model,
 * llava_answer.c the answers in the making. */
#ifndef NEVA_LLAVA_DRIVER_H
#define NEVA_LLAVA_DRIVER_H

#include "model/llava.h"
#include "model/sampler.h"
#include "runtime/driver.h"
#include "text/grammar/constraint.h"
#include "text/times.h"
#include "text/yes_no.h"

typedef struct {
  NevaDriver parent;
  NevaLlava *llava;
  NevaTokenizer *tokenizer;
  /* worker's thread; NULL until needed */
  NevaConstrainer *constrainer;
  NevaYesNo *yes_no;
  char *name, *architecture;
  gsize n_ids; /* ids from here on are never chosen */
} NevaLlavaDriver;

/* The question's own or the model's. */
const char *neva_llava_template (
    const NevaLlavaDriver *self, const NevaQuestion *question);
/* Of the question's frames; seconds 0: the model knows no times, or the
 * question does not say how long they are. */
NevaTimes neva_llava_times (
    const NevaLlavaDriver *self, const NevaQuestion *question);
NevaSampler *neva_llava_sampler (
    const NevaLlavaDriver *self, const NevaQuestion *question, GError **error);

/* ---- llava_answer.c; driver.h says what they do ---- */

NevaDriverAnswer *neva_llava_answer_new (NevaDriver *driver,
    const NevaQuestion *question, const NevaPrompt *prompt, GError **error);
void neva_llava_answer_free (NevaDriverAnswer *answer);
gboolean neva_llava_answer_push (NevaDriverAnswer *answer, gint32 token);
const char *neva_llava_answer_text (NevaDriverAnswer *answer);
char *neva_llava_answer_finish (
    NevaDriverAnswer *answer, const gint32 *ids, gsize n_ids, char **full_text);
const float *neva_llava_answer_logprobs (NevaDriverAnswer *answer, gsize *n);
/* Where a step writes the logits of the next token [vocab]. */
float *neva_llava_answer_logits (NevaDriverAnswer *answer);
/* Has the step choose the next token instead of writing its logits; FALSE: they
 * are needed. */
gboolean neva_llava_answer_prepare (
    NevaDriverAnswer *answer, NevaStepItem *item);
/* What the step chose, or a choice from the logits: token, logprob, yes. */
void neva_llava_answer_choose (NevaDriverAnswer *answer, NevaDriverItem *item);

#endif /* NEVA_LLAVA_DRIVER_H */
