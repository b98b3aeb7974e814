/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The work of an evaluation: groups of questions about one media file.
 *
 *   work_next ()       which group comes next; whoever shares the work among
 *                      processes asks somebody else
 *   work_run_group ()  decodes and encodes the file once, asks all its
 *                      questions, and returns while answers are still coming
 *   work_finish ()     waits for them
 *
 * Rows go to the Output as they come. One thread calls these functions. */
#ifndef NEVA_EVAL_WORK_H
#define NEVA_EVAL_WORK_H

#include "options.h"
#include "output.h"

typedef struct _Work Work;

/* The groups of a prompt file in order of first appearance, spec 4.2.
 * place [length]: out: where each record's row comes. (transfer full): [length]
 * group of each record; n_groups: out. */
gsize *work_group (const NevaPromptFile *file, gboolean grouped, gsize *place,
    gsize *n_groups);

/* All borrowed for the life of the work; done [length]: records that need no
 * answer. one_by_one: no two questions are answered together, and what cannot
 * be answered is not told: a calibration sees the same each time, and the run
 * after it tells. */
Work *work_new (const Options *options, NevaModel *model,
    const NevaPromptFile *file, const NevaMediaStore *store,
    const gboolean *done, gboolean one_by_one, Output *output,
    GCancellable *cancellable);
void work_free (Work *work);

/* FALSE: there is none left. */
gboolean work_next (Work *work, gsize *group);
void work_run_group (Work *work, gsize group);
/* Returns: how many questions have no row, without those that were given up
 * because of a cancel. */
guint work_finish (Work *work);
/* Media files that were decoded so far, each once. */
guint work_decoded (const Work *work);

#endif /* NEVA_EVAL_WORK_H */
