/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A connection that may not do everything: requests are short and come soon,
 * answers are read, or the connection is closed. It stands between the socket
 * and libsoup, which knows no such limits. Used by the server's thread only. */
#ifndef NEVA_LIVE_GUARD_H
#define NEVA_LIVE_GUARD_H

#include <gio/gio.h>

/* Of a request with everything that belongs to it. */
#define GUARD_REQUEST_BYTES (16u << 10)
/* From the connection, or the answer before, to the end of a request. */
#define GUARD_REQUEST_US (15 * G_USEC_PER_SEC)
/* Of an answer that has an end. */
#define GUARD_ANSWER_US (30 * G_USEC_PER_SEC)
/* A piece of an answer without an end must be taken so soon. */
#define GUARD_PIECE_US (20 * G_USEC_PER_SEC)

#define NEVA_TYPE_GUARD (neva_guard_get_type ())
G_DECLARE_FINAL_TYPE (NevaGuard, neva_guard, NEVA, GUARD, GIOStream)

typedef enum {
  GUARD_REQUEST, /* a request is awaited or read */
  GUARD_ANSWER,  /* it is answered */
  GUARD_PIECE,   /* a piece of an endless answer is being written */
  GUARD_IDLE     /* there is nothing to write of an endless answer */
} GuardPhase;

/* connection: a reference is taken. */
NevaGuard *neva_guard_new (GSocketConnection *connection);
/* The phase begins now; with GUARD_REQUEST what was read is forgotten. */
void neva_guard_set_phase (NevaGuard *guard, GuardPhase phase);
GuardPhase neva_guard_get_phase (const NevaGuard *guard);
/* When the phase began. */
gint64 neva_guard_since (const NevaGuard *guard);
gboolean neva_guard_is_late (const NevaGuard *guard, gint64 now);
/* libsoup then finds the connection closed. */
void neva_guard_shut (NevaGuard *guard);

#endif /* NEVA_LIVE_GUARD_H */
