/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "runtime/wait.h"

static void
wake (GCancellable *cancellable, gpointer user_data)
{
  NevaWait *wait = user_data;

  (void) cancellable;
  g_mutex_lock (wait->lock);
  g_cond_broadcast (wait->cond);
  g_mutex_unlock (wait->lock);
}

void
neva_wait_begin (
    NevaWait *wait, GMutex *lock, GCond *cond, GCancellable *cancellable)
{
  wait->lock = lock;
  wait->cond = cond;
  wait->cancellable = cancellable;
  wait->handler = 0;
  if (cancellable)
    wait->handler =
        g_cancellable_connect (cancellable, G_CALLBACK (wake), wait, NULL);
}

void
neva_wait_end (NevaWait *wait)
{
  if (wait->handler)
    g_cancellable_disconnect (wait->cancellable, wait->handler);
}
