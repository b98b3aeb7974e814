/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "runtime/leave.h"
#include <stdlib.h>
#include "runtime/worker.h"

/* A turn ends within about TURN_US of worker.c; one that takes longer is left
 * as it is. */
#define LEAVE_US 2000000
#define LOOK_US 1000

static GMutex lock;
static GPtrArray *workers; /* NevaWorker, alive; lock; never freed: exit () may
                              come while others still start */

/* Under the lock. The calling thread's own worker cannot be waited for. */
static gboolean
in_a_turn (void)
{
  for (guint i = 0; i < workers->len; i++) {
    NevaWorker *worker = workers->pdata[i];
    gboolean asleep;

    g_mutex_lock (&worker->lock);
    asleep = worker->asleep || worker->thread == g_thread_self ();
    g_mutex_unlock (&worker->lock);
    if (!asleep)
      return TRUE;
  }
  return FALSE;
}

static void
at_exit (void)
{
  const gint64 until = g_get_monotonic_time () + LEAVE_US;
  gboolean wait = TRUE;

  while (wait && g_get_monotonic_time () < until) {
    g_mutex_lock (&lock);
    wait = in_a_turn ();
    g_mutex_unlock (&lock);
    if (wait)
      g_usleep (LOOK_US);
  }
}

void
neva_leave_add (NevaWorker *worker)
{
  g_mutex_lock (&lock);
  if (!workers) {
    workers = g_ptr_array_new ();
    atexit (at_exit);
  }
  g_ptr_array_add (workers, worker);
  g_mutex_unlock (&lock);
}

void
neva_leave_remove (NevaWorker *worker)
{
  g_mutex_lock (&lock);
  g_ptr_array_remove_fast (workers, worker);
  g_mutex_unlock (&lock);
}

guint
neva_leave_count (void)
{
  guint n;

  g_mutex_lock (&lock);
  n = workers ? workers->len : 0;
  g_mutex_unlock (&lock);
  return n;
}
