/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows in order, written as they finish by a thread of their own.
 *
 * output_file holds the rows whose forerunners are all there; a row that has to
 * wait for one is kept in output_file.partial, and so are all rows of a .json
 * file, which is an array only at its end. Both are flushed row by row, so that
 * whenever the program ends, --resume finds every row that was finished. */
#ifndef NEVA_EVAL_OUTPUT_H
#define NEVA_EVAL_OUTPUT_H

#include <neva/neva.h>

typedef struct _Output Output;

/* place [length]: where each record's row comes; borrowed. cancellable is
 * cancelled when writing fails. resume: takes over the rows of an earlier run,
 * which must belong to the same questions; done [length] then says which. */
Output *output_new (const char *path, const NevaPromptFile *file,
    const char *model_id, const gsize *place, gboolean resume, gboolean *done,
    GCancellable *cancellable, GError **error);
/* Rows go to another process: `send` takes them (row: (transfer full), NULL:
 * none will come), on any thread. */
typedef void (*OutputFunc) (gsize index, char *row, gpointer data);
Output *output_new_elsewhere (OutputFunc send, gpointer data);
/* Queues a row, (transfer full); index: the record's. */
void output_add (Output *output, gsize index, char *row);
/* The record gets no row. */
void output_skip (Output *output, gsize index);
guint output_count (Output *output); /* rows that were added; any thread */
/* Writes what is left, in order, with gaps where rows are missing. */
gboolean output_close (Output *output, GError **error);

#endif /* NEVA_EVAL_OUTPUT_H */
