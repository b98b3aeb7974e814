/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fair shares for streams that wait in one bounded queue: who comes next, and
 * who may still come in. Stream 0 is everybody who does not say who they are.
 * Not thread-safe. */
#ifndef NEVA_TURNS_H
#define NEVA_TURNS_H

#include <glib.h>

typedef struct _NevaTurns NevaTurns;

NevaTurns *neva_turns_new (void);
void neva_turns_free (NevaTurns *turns);

/* It is the stream's turn now. */
void neva_turns_take (NevaTurns *turns, guint64 stream);
/* TRUE when `a` had its last turn before `b` had. */
gboolean neva_turns_before (NevaTurns *turns, guint64 a, guint64 b);

/* May a stream that has `own` of the `total` things in a queue of `max` add
 * another one? At most twice as many as there is room left: one stream alone
 * gets two thirds, and whoever comes later finds room. */
gboolean neva_turns_may_queue (
    guint64 stream, guint own, guint total, guint max);

#endif /* NEVA_TURNS_H */
