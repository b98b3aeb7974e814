/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The one bounded pool of compute threads of a process. A job is a number of
 * tasks; the calling thread and the workers take them in order until none is
 * left. One job runs at a time: callers from several models take turns, so
 * there are never more busy threads than the pool's size. Idle workers sleep.
 * Ranks of one process, which compute at the same time, have parts of it. */
#ifndef NEVA_POOL_H
#define NEVA_POOL_H

#include <glib.h>

typedef struct _NevaPool NevaPool;

/* `work`: scratch of this thread, aligned to 64, of the size asked for. */
typedef void (*NevaPoolFunc) (void *data, gsize task, void *work);

/* (transfer full) threads: including the caller's; 0: the cores. Only the call
 * that creates the pool decides; it lives until the last unref. */
NevaPool *neva_pool_get (guint threads);
/* (transfer full) For one of `parts` ranks of a process: the threads are shared
 * out evenly, and ranks that come after the last thread take turns with the
 * others. part < parts; parts = 1 is neva_pool_get (). */
NevaPool *neva_pool_get_part (guint threads, guint part, guint parts);
void neva_pool_unref (NevaPool *pool);
guint neva_pool_threads (const NevaPool *pool);

/* Calls func for tasks 0 … n_tasks - 1, each once, on any thread of the pool
 * and in no order; returns when all are done. Not from inside a task. FALSE:
 * `work_bytes` per thread could not be had, and nothing was called. */
gboolean neva_pool_run (NevaPool *pool, NevaPoolFunc func, void *data,
    gsize n_tasks, gsize work_bytes);

#endif /* NEVA_POOL_H */
