/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stage 1 (spec 7.3): the answers of one model, joined to the questions. */
#ifndef NEVA_JUDGE_NORMALISE_H
#define NEVA_JUDGE_NORMALISE_H

#include "jsonl.h"
#include "options.h"

typedef struct {
  const JsonLine *question; /* borrowed */
  char *text;               /* the answer */
  char *id;                 /* JSON text: 22 letters and digits that follow from
                               model, question and answer */
} Answer;

/* questions: of the chunk. Answers in their order, one per question (join by
 * id: a question without an answer is an error; by position: pairs whose ids
 * differ are dropped, as the original does). Also written to --answers-dir.
 * (transfer full) (element-type Answer *) */
GPtrArray *normalise (const Options *options, const GPtrArray *questions,
    guint model, GError **error);

#endif /* NEVA_JUDGE_NORMALISE_H */
