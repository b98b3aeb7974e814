/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The result file: what it has already, and one line more at a time. */
#ifndef NEVA_JUDGE_ROWS_H
#define NEVA_JUDGE_ROWS_H

#include <neva/judge.h>
#include "inputs.h"

typedef struct _Rows Rows;

/* Opens `path` for appending. Half a line at its end (a run was killed) is cut
 * off. Rows that are there must be the first of `items`: same questions, same
 * answers, or it is an error (by_position: only their number counts, as in the
 * original). They are counted in `summary`. */
Rows *rows_open (const char *path, const GPtrArray *items, guint n_models,
    gboolean by_position, NevaJudgeSummary *summary, GError **error);
void rows_close (Rows *rows);
guint rows_present (const Rows *rows);

/* Appends the row of items[index] in one write. */
gboolean rows_append (Rows *rows, const GPtrArray *items, guint index,
    const char *reply, const NevaScore *scores, GError **error);

#endif /* NEVA_JUDGE_ROWS_H */
