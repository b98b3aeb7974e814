/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A job is published by one 64-bit word: generation above, next task below.
 * Claiming a task is a compare-and-swap of that word. If it succeeds, the job
 * was still open, so what was read of it before belongs to it: the word is
 * closed before anything of the job changes. A worker that comes late fails the
 * swap and touches nothing. The caller therefore waits for tasks only, never
 * for a sleeper to wake up. */
#include "config.h"
#include "pool.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#define MAX_THREADS 256
#define CLOSED G_MAXUINT32 /* as next task: no job has that many */
/* Between the jobs of one forward pass lie some microseconds; waking a sleeper
 * costs more. Counted in time: a pause is 10 to 140 cycles, by processor. */
#define SPIN_US 100
#define SPINS 64 /* between looks at the clock */

#if defined(__x86_64__) || defined(__i386__)
#define RELAX() __builtin_ia32_pause ()
#else
#define RELAX() atomic_signal_fence (memory_order_seq_cst)
#endif

typedef struct {
  NevaPool *pool;
  guint index;
  GThread *thread;
} Worker;

struct _NevaPool {
  guint refs, threads; /* refs: pool_lock */
  guint part, parts;   /* what it is in the table */
  Worker *workers;     /* [threads - 1] */

  GMutex run_lock; /* held during a job */
  void **work;     /* [threads], run_lock; read by workers inside a job */
  gsize work_bytes;

  _Atomic (NevaPoolFunc) func;
  _Atomic (void *) data;
  atomic_uint n_tasks;
  _Alignas(64) atomic_ullong ticket; /* generation << 32 | next task */
  _Alignas(64) atomic_uint done;

  GMutex lock;
  GCond wake, finished;
  atomic_uint sleepers;
  atomic_bool caller_sleeps, quit;
};

static GMutex pool_lock;
static GPtrArray *pools; /* NevaPool, alive; pool_lock */

/* Runs tasks of the job that is open, until none is left. */
static void
take_tasks (NevaPool *p, guint index)
{
  unsigned long long ticket = atomic_load (&p->ticket);

  for (;;) {
    const NevaPoolFunc func =
        atomic_load_explicit (&p->func, memory_order_acquire);
    void *data = atomic_load_explicit (&p->data, memory_order_acquire);
    const guint n = atomic_load_explicit (&p->n_tasks, memory_order_acquire);
    const guint task = (guint) ticket;

    if (task >= n)
      return;
    if (!atomic_compare_exchange_weak (&p->ticket, &ticket, ticket + 1))
      continue;
    func (data, task, p->work[index]);
    if (atomic_fetch_add (&p->done, 1) + 1 == n &&
        atomic_load (&p->caller_sleeps)) {
      g_mutex_lock (&p->lock);
      g_cond_signal (&p->finished);
      g_mutex_unlock (&p->lock);
    }
    ticket = atomic_load (&p->ticket);
  }
}

static guint
generation (NevaPool *p)
{
  return (guint) (atomic_load (&p->ticket) >> 32);
}

/* Returns: FALSE when a waiting thread should go to sleep. `until`: 0 at first.
 */
static gboolean
keep_spinning (gint64 *until)
{
  const gint64 now = g_get_monotonic_time ();

  if (!*until)
    *until = now + SPIN_US;
  return now < *until;
}

/* Until the generation is no longer `seen`. */
static guint
wait_for_job (NevaPool *p, guint seen)
{
  gint64 until = 0;

  while (keep_spinning (&until))
    for (guint i = 0; i < SPINS; i++) {
      if (generation (p) != seen)
        return generation (p);
      RELAX ();
    }
  g_mutex_lock (&p->lock);
  atomic_fetch_add (&p->sleepers, 1);
  while (generation (p) == seen)
    g_cond_wait (&p->wake, &p->lock);
  atomic_fetch_sub (&p->sleepers, 1);
  g_mutex_unlock (&p->lock);
  return generation (p);
}

static gpointer
worker_main (gpointer data)
{
  const Worker *w = data;
  guint seen = 0;

  for (;;) {
    seen = wait_for_job (w->pool, seen);
    if (atomic_load (&w->pool->quit))
      return NULL;
    take_tasks (w->pool, w->index);
  }
}

static NevaPool *
pool_new (guint threads)
{
  NevaPool *p = aligned_alloc (64, (sizeof *p + 63) / 64 * 64);

  g_assert (p);
  memset (p, 0, sizeof *p);
  p->threads = threads;
  p->work = g_new0 (void *, threads);
  p->workers = g_new0 (Worker, threads);
  g_mutex_init (&p->run_lock);
  g_mutex_init (&p->lock);
  g_cond_init (&p->wake);
  g_cond_init (&p->finished);
  for (guint i = 0; i + 1 < threads; i++) {
    Worker *w = &p->workers[i];

    w->pool = p;
    w->index = i + 1;
    /* Fewer threads are slower, not wrong. */
    w->thread = g_thread_try_new ("neva-cpu", worker_main, w, NULL);
  }
  return p;
}

static void
free_work (NevaPool *p)
{
  for (guint i = 0; i < p->threads; i++) {
    if (p->work[i])
      munmap (p->work[i], p->work_bytes);
    p->work[i] = NULL;
  }
}

/* Pages straight from the OS: more than there is fails here, not later. */
static gboolean
reserve (NevaPool *p, gsize bytes)
{
  if (bytes <= p->work_bytes)
    return TRUE;
  free_work (p);
  p->work_bytes = bytes;
  for (guint i = 0; i < p->threads; i++) {
    void *work = mmap (NULL, bytes, PROT_READ | PROT_WRITE,
        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (work == MAP_FAILED) {
      free_work (p);
      p->work_bytes = 0;
      return FALSE;
    }
    p->work[i] = work;
  }
  return TRUE;
}

static void
pool_free (NevaPool *p)
{
  atomic_store (&p->quit, TRUE);
  g_mutex_lock (&p->lock);
  atomic_store (&p->n_tasks, 0);
  atomic_fetch_add (&p->ticket, 1ull << 32);
  g_cond_broadcast (&p->wake);
  g_mutex_unlock (&p->lock);
  for (guint i = 0; i + 1 < p->threads; i++) {
    if (p->workers[i].thread)
      g_thread_join (p->workers[i].thread);
  }
  free_work (p);
  g_mutex_clear (&p->run_lock);
  g_mutex_clear (&p->lock);
  g_cond_clear (&p->wake);
  g_cond_clear (&p->finished);
  g_free (p->work);
  g_free (p->workers);
  free (p);
}

/* Under the lock. */
static NevaPool *
find_pool (guint part, guint parts)
{
  for (guint i = 0; pools && i < pools->len; i++) {
    NevaPool *p = pools->pdata[i];

    if (p->part == part && p->parts == parts)
      return p;
  }
  return NULL;
}

NevaPool *
neva_pool_get_part (guint threads, guint part, guint parts)
{
  const guint all =
      CLAMP (threads ? threads : g_get_num_processors (), 1, MAX_THREADS);
  NevaPool *p;

  parts = MIN (parts, all);
  part %= parts;
  g_mutex_lock (&pool_lock);
  p = find_pool (part, parts);
  if (!p) {
    p = pool_new (all / parts + (part < all % parts));
    p->part = part;
    p->parts = parts;
    if (!pools)
      pools = g_ptr_array_new ();
    g_ptr_array_add (pools, p);
  }
  p->refs++;
  g_mutex_unlock (&pool_lock);
  return p;
}

NevaPool *
neva_pool_get (guint threads)
{
  return neva_pool_get_part (threads, 0, 1);
}

void
neva_pool_unref (NevaPool *pool)
{
  gboolean last;

  if (!pool)
    return;
  g_mutex_lock (&pool_lock);
  last = --pool->refs == 0;
  if (last) {
    g_ptr_array_remove_fast (pools, pool);
    if (!pools->len)
      g_clear_pointer (&pools, g_ptr_array_unref);
  }
  g_mutex_unlock (&pool_lock);
  if (last)
    pool_free (pool);
}

guint
neva_pool_threads (const NevaPool *pool)
{
  return pool->threads;
}

static void
publish (NevaPool *p, NevaPoolFunc func, void *data, guint n_tasks)
{
  const unsigned long long old = atomic_load (&p->ticket);
  guint sleepers;

  atomic_store (&p->ticket, old | CLOSED);
  atomic_store (&p->done, 0);
  atomic_store_explicit (&p->func, func, memory_order_release);
  atomic_store_explicit (&p->data, data, memory_order_release);
  atomic_store_explicit (&p->n_tasks, n_tasks, memory_order_release);
  atomic_store (&p->ticket, ((old >> 32) + 1) << 32);

  sleepers = MIN (atomic_load (&p->sleepers), n_tasks - 1);
  if (sleepers) {
    g_mutex_lock (&p->lock);
    for (guint i = 0; i < sleepers; i++)
      g_cond_signal (&p->wake);
    g_mutex_unlock (&p->lock);
  }
}

static void
wait_until_done (NevaPool *p, guint n_tasks)
{
  gint64 until = 0;

  while (keep_spinning (&until))
    for (guint i = 0; i < SPINS; i++) {
      if (atomic_load (&p->done) == n_tasks)
        return;
      RELAX ();
    }
  g_mutex_lock (&p->lock);
  atomic_store (&p->caller_sleeps, TRUE);
  while (atomic_load (&p->done) != n_tasks)
    g_cond_wait (&p->finished, &p->lock);
  atomic_store (&p->caller_sleeps, FALSE);
  g_mutex_unlock (&p->lock);
}

gboolean
neva_pool_run (NevaPool *pool, NevaPoolFunc func, void *data, gsize n_tasks,
    gsize work_bytes)
{
  gboolean ok;

  g_return_val_if_fail (n_tasks < CLOSED, FALSE);
  if (n_tasks == 0)
    return TRUE;
  g_mutex_lock (&pool->run_lock);
  ok = reserve (pool, work_bytes);
  if (ok && (n_tasks == 1 || pool->threads == 1)) {
    for (gsize i = 0; i < n_tasks; i++)
      func (data, i, pool->work[0]);
  } else if (ok) {
    publish (pool, func, data, (guint) n_tasks);
    take_tasks (pool, 0);
    wait_until_done (pool, (guint) n_tasks);
  }
  g_mutex_unlock (&pool->run_lock);
  return ok;
}
