/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The nice value of threads that compute: as asked for, never the caller's. */
#include "config.h"
#include <stdatomic.h>
#include <sys/resource.h>
#include <unistd.h>
#include "backend/pool.h"
#include "backend/priority.h"
#include "check.h"

static int
nice_now (void)
{
  return getpriority (PRIO_PROCESS, (id_t) gettid ());
}

typedef struct {
  pid_t caller;
  atomic_int worker; /* a worker's nice value; -100 before it had a task */
} Seen;

/* The caller leaves its task to wait until a worker has had one. */
static void
task (void *data, gsize index, void *work)
{
  Seen *seen = data;

  if (gettid () != seen->caller)
    atomic_store (&seen->worker, nice_now ());
  while (atomic_load (&seen->worker) == -100)
    g_usleep (100);
}

static int
worker_nice (void)
{
  Seen seen = {.caller = gettid (), .worker = -100};
  NevaPool *pool = neva_pool_get (2);

  CHECK (neva_pool_threads (pool) == 2, "%u threads", neva_pool_threads (pool));
  neva_pool_run (pool, task, &seen, 2, 0);
  neva_pool_unref (pool);
  return atomic_load (&seen.worker);
}

int
main (void)
{
  const int here = nice_now ();
  int seen;

  g_unsetenv ("NEVA_NICE");
  seen = worker_nice ();
  CHECK (seen == here, "%d, unasked; the process has %d", seen, here);
  neva_set_nice (3);
  seen = worker_nice ();
  CHECK (seen == MIN (here + 3, 19), "%d of 3 more than %d", seen, here);
  g_setenv ("NEVA_NICE", "5", TRUE);
  seen = worker_nice ();
  CHECK (seen == MIN (here + 5, 19), "%d of NEVA_NICE=5", seen);
  g_setenv ("NEVA_NICE", "often", TRUE);
  seen = worker_nice ();
  CHECK (seen == MIN (here + 3, 19), "%d when NEVA_NICE is no number", seen);
  CHECK (nice_now () == here, "the caller has %d now", nice_now ());
  return check_finish ();
}
