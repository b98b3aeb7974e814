/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Waiting on a condition until it holds or a GCancellable is cancelled. */
#ifndef NEVA_WAIT_H
#define NEVA_WAIT_H

#include <gio/gio.h>

typedef struct {
  GMutex *lock;
  GCond *cond;
  GCancellable *cancellable;
  gulong handler;
} NevaWait;

/* Begin and end with the lock not held: cancelling takes it to wake the waiter.
 * cancellable may be NULL. Between them, with the lock held:
 *   while (!condition && !g_cancellable_is_cancelled (cancellable))
 *     g_cond_wait (cond, lock); */
void neva_wait_begin (
    NevaWait *wait, GMutex *lock, GCond *cond, GCancellable *cancellable);
void neva_wait_end (NevaWait *wait);

#endif /* NEVA_WAIT_H */
