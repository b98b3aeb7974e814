/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The newest pieces of a text that grows, numbered from 0. Bounded: whoever
 * reads too slowly finds the oldest ones gone. Not locked. */
#ifndef NEVA_LIVE_RING_H
#define NEVA_LIVE_RING_H

#include <glib.h>

typedef struct {
  GQueue pieces; /* GBytes */
  guint64 first; /* number of the oldest piece that is left */
  gsize bytes, most_bytes;
  guint most_pieces;
} Ring;

void ring_init (Ring *ring, guint most_pieces, gsize most_bytes);
void ring_clear (Ring *ring);
/* Takes the piece. */
void ring_add (Ring *ring, GBytes *piece);
/* The number that the next piece gets. */
guint64 ring_next (const Ring *ring);
/* Pieces from *cursor on, together at most about most_bytes but one at least;
 * *cursor moves behind them, first to the oldest one where it is gone.
 * Returns: (transfer full): NULL when there are none. */
GBytes *ring_read (const Ring *ring, guint64 *cursor, gsize most_bytes);

#endif /* NEVA_LIVE_RING_H */
