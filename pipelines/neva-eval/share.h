/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Work shared among groups of processes: what each of them writes and says goes
 * to process 0, as it comes. A group that is lost loses what it had not sent.
 */
#ifndef NEVA_EVAL_SHARE_H
#define NEVA_EVAL_SHARE_H

#include <neva/neva.h>
#include "output.h"

typedef struct _Share Share;

/* parallel: borrowed. The others' texts (console.h) come from here on. */
Share *share_new (const NevaParallel *parallel, GCancellable *cancellable);
void share_free (Share *share); /* NULL is allowed */
/* Process 0: rows of the others go to `output`, until share_finish (). */
void share_start (Share *share, Output *output);
/* An OutputFunc of the others. */
void share_send (gsize index, char *row, gpointer share);
/* This process's work is done, `failures` of it without a row. Process 0 waits
 * for all others. Returns: the failures of the others. */
guint share_finish (Share *share, guint failures);

#endif /* NEVA_EVAL_SHARE_H */
