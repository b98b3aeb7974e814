/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Work shared among groups of processes: what each of them writes and says goes
 * to process 0, as it comes. A group that is lost loses what it had not sent.
 */
#ifndef NEVA_COMMON_SHARE_H
#define NEVA_COMMON_SHARE_H

#include <neva/neva.h>

typedef struct _Share Share;

/* parallel: borrowed. The others' texts (console.h) come from here on. */
Share *share_new (const NevaParallel *parallel, GCancellable *cancellable);
void share_free (Share *share); /* NULL is allowed */
/* What of a piece of work: `text` (transfer full), or NULL: there is none. */
typedef void (*ShareFunc) (gsize index, char *text, gpointer data);
/* All leaders. Process 0: what the others send goes to `func`, on threads of
 * their own, until share_finish (). */
void share_start (Share *share, ShareFunc func, gpointer data);
/* The others; a ShareFunc. */
void share_send (gsize index, char *text, gpointer share);
/* This process's work is done, `failures` pieces of it badly. Waits for all
 * others. Returns: process 0: the failures of the others. */
guint share_finish (Share *share, guint failures);
/* Instead of share_finish (), when nobody wants what the others have: `func` is
 * not called any more. */
void share_stop (Share *share);
/* Behind share_finish (): a process was lost, of which process 0 has said it.
 * MPI would wait for it at the end: stop with `well` FALSE. */
gboolean share_lost (const Share *share);

#endif /* NEVA_COMMON_SHARE_H */
