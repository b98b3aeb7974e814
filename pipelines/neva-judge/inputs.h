/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Questions, answers, contexts and rules, joined to what the judge is asked. */
#ifndef NEVA_JUDGE_INPUTS_H
#define NEVA_JUDGE_INPUTS_H

#include "options.h"

/* One comparison, ready to be asked. */
typedef struct {
  char *question_id;     /* JSON text, as it was written */
  char *category;        /* with the llava_bench_ prefix */
  char *prompt;          /* the judge's user message */
  GPtrArray *answer_ids; /* char *: JSON text, one per model */
} Item;

/* Reads everything, writes the joined answers to --answers-dir, and returns the
 * items in the order of the questions: (transfer full) (element-type Item *).
 * What does not fit is an error that names file and line. */
GPtrArray *inputs_read (const Options *options, GError **error);

#endif /* NEVA_JUDGE_INPUTS_H */
