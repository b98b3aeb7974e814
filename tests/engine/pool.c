/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The thread pool: every task once, from several callers at a time, with work
 * memory of its own, and asleep when there is nothing to do. */
#include "config.h"
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include "backend/pool.h"
#include "check.h"

typedef struct {
  atomic_uint *hits; /* [n] */
  atomic_uint running, most;
  gsize work_bytes;
  atomic_bool bad_work;
} Job;

static void
task (void *data, gsize index, void *work)
{
  Job *j = data;
  const guint now = atomic_fetch_add (&j->running, 1) + 1;
  guint most = atomic_load (&j->most);

  while (now > most && !atomic_compare_exchange_weak (&j->most, &most, now))
    continue;
  if (j->work_bytes) {
    if ((gsize) work % 64)
      atomic_store (&j->bad_work, TRUE);
    memset (work, (int) index, j->work_bytes);
    for (gsize i = 0; i < j->work_bytes; i += 997) {
      if (((guint8 *) work)[i] != (guint8) index)
        atomic_store (&j->bad_work, TRUE);
    }
  }
  atomic_fetch_add (&j->hits[index], 1);
  atomic_fetch_sub (&j->running, 1);
}

static void
run_job (NevaPool *pool, gsize n, gsize work_bytes)
{
  Job j = {.hits = g_new0 (atomic_uint, n + 1), .work_bytes = work_bytes};
  gsize once = 0;

  CHECK (neva_pool_run (pool, task, &j, n, work_bytes), "no memory?");
  for (gsize i = 0; i < n; i++)
    once += atomic_load (&j.hits[i]) == 1;
  CHECK (once == n, "%zu of %zu tasks ran once", once, n);
  CHECK (atomic_load (&j.most) <= neva_pool_threads (pool), "%u at a time",
      atomic_load (&j.most));
  CHECK (!atomic_load (&j.bad_work), "shared or crooked work memory");
  g_free (j.hits);
}

static gpointer
caller (gpointer data)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (GPOINTER_TO_UINT (data));
  NevaPool *pool = neva_pool_get (0);

  for (int i = 0; i < 300; i++) {
    run_job (pool, (gsize) g_rand_int_range (rand, 0, 40),
        (gsize) g_rand_int_range (rand, 0, 2) * 5000);
    if (i % 50 == 0) /* long enough that the workers go to sleep */
      g_usleep (2000);
  }
  neva_pool_unref (pool);
  return NULL;
}

static double
cpu_seconds (void)
{
  struct timespec t;

  clock_gettime (CLOCK_PROCESS_CPUTIME_ID, &t);
  return (double) t.tv_sec + (double) t.tv_nsec * 1e-9;
}

/* 5 threads for 2 ranks; 2 threads for 3 ranks, of which two take turns. */
static void
test_parts (void)
{
  NevaPool *a = neva_pool_get_part (5, 0, 2);
  NevaPool *b = neva_pool_get_part (5, 1, 2);
  NevaPool *c[3];

  CHECK (neva_pool_threads (a) == 3 && neva_pool_threads (b) == 2, "shares");
  run_job (a, 1000, 64);
  run_job (b, 1000, 64);
  neva_pool_unref (a);
  neva_pool_unref (b);
  for (guint i = 0; i < 3; i++)
    c[i] = neva_pool_get_part (2, i, 3);
  CHECK (c[0] == c[2] && c[0] != c[1], "no more than threads");
  CHECK (neva_pool_threads (c[0]) == 1, "one each");
  run_job (c[2], 1000, 64);
  for (guint i = 0; i < 3; i++)
    neva_pool_unref (c[i]);
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc, argv);
  NevaPool *pool = neva_pool_get (4);
  GThread *threads[3];
  double before, used = 1;

  CHECK (neva_pool_threads (pool) == 4, "the first call decides");
  CHECK (neva_pool_get (7) == pool, "one pool a process");
  neva_pool_unref (pool);
  run_job (pool, 0, 0);
  run_job (pool, 1, 64);
  run_job (pool, 100000, 0);
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    threads[i] =
        g_thread_new ("caller", caller, GUINT_TO_POINTER ((guint) seed + i));
  for (guint i = 0; i < G_N_ELEMENTS (threads); i++)
    g_thread_join (threads[i]);

  {
    Job none = {0};

    CHECK (!neva_pool_run (pool, task, &none, 5, G_MAXSSIZE - 4096),
        "memory that cannot be had");
    run_job (pool, 10, 5000);
  }
  test_parts ();
  /* A spin of some 50 us per worker, then nothing: 4 workers that were busy
   * waiting would burn 0.4 s of processor time each time. */
  for (guint i = 0; i < 5 && used > 0.02; i++) {
    before = cpu_seconds ();
    g_usleep (100000);
    used = cpu_seconds () - before;
  }
  CHECK (used <= 0.02, "%g s of CPU while idle", used);
  neva_pool_unref (pool);
  return check_finish ();
}
