/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranks as threads of one process. They reach each other's memory, so a
 * collective is: lay out a pointer, meet, work, meet again. The work of an
 * all-reduce is split: rank i adds slice i of all ranks and writes the sum into
 * all of them; nobody else touches that slice.
 *
 * Memory of a backend is the CPU backend's, whose operations are finished when
 * they return. */
#include "config.h"
#include "comm.h"

#include <stdatomic.h>
#include <string.h>

#define MAX_MAIL 4   /* messages that wait between two ranks */
#define SLICE 16u    /* floats: a slice begins on a cache line */
#define MAX_RANKS 64 /* of one process */

/* What all groups of a family share: one lock, one fate. */
typedef struct {
  gint refs; /* atomic */
  guint spins;
  gint64 timeout_us;
  GMutex lock;
  GCond changed;
  atomic_uint sleepers;
  /* A rank that leaves a collective because something failed may free what it
   * laid out: so `failed` is said only when nobody works on others' memory, and
   * nobody begins to once `failing` is set. */
  atomic_uint working;
  atomic_bool failing, failed;
  GError *error; /* lock; set once */
} Hub;

typedef struct {
  _Alignas(64) void *data;
  const void *src;
  guint color;
  void *child;         /* the group it belongs to after split () */
  atomic_uint meeting; /* how many it has come to, to say who is missing */
} Slot;

typedef struct {
  gint refs; /* atomic */
  Hub *hub;
  guint size;
  _Alignas(64) atomic_uint arrived;
  _Alignas(64) atomic_uint generation;
  Slot *slots;  /* [size] */
  GQueue *mail; /* [size * size] of GBytes, from * size + to; lock */
} Group;

typedef struct {
  NevaComm base;
  Group *group;
  GPtrArray *threads; /* GThread, all others; rank 0 of the whole family */
} ThreadComm;

static const NevaCommClass threads_class;

/* ---- Hub and groups ----------------------------------------------------- */

static void
hub_fail (Hub *hub, const char *why)
{
  g_mutex_lock (&hub->lock);
  if (!hub->error)
    hub->error = g_error_new_literal (NEVA_ERROR, NEVA_ERROR_DEVICE, why);
  atomic_store (&hub->failing, TRUE);
  while (atomic_load (&hub->working))
    g_thread_yield ();
  atomic_store (&hub->failed, TRUE);
  g_cond_broadcast (&hub->changed);
  g_mutex_unlock (&hub->lock);
}

static gboolean
begin_work (Hub *hub)
{
  atomic_fetch_add (&hub->working, 1);
  if (!atomic_load (&hub->failing))
    return TRUE;
  atomic_fetch_sub (&hub->working, 1);
  while (!atomic_load (&hub->failed))
    g_thread_yield ();
  return FALSE;
}

static void
end_work (Hub *hub)
{
  atomic_fetch_sub (&hub->working, 1);
}

static void
hub_unref (Hub *hub)
{
  if (!g_atomic_int_dec_and_test (&hub->refs))
    return;
  g_mutex_clear (&hub->lock);
  g_cond_clear (&hub->changed);
  g_clear_error (&hub->error);
  g_free (hub);
}

static Group *
group_new (Hub *hub, guint size)
{
  Group *g = g_aligned_alloc0 (1, sizeof *g, 64);

  g_atomic_int_inc (&hub->refs);
  g->hub = hub;
  g->size = size;
  g->refs = (gint) size;
  g->slots = g_aligned_alloc0 (size, sizeof *g->slots, 64);
  g->mail = g_new0 (GQueue, size * size);
  return g;
}

static void
group_unref (Group *g)
{
  if (!g_atomic_int_dec_and_test (&g->refs))
    return;
  for (guint i = 0; i < g->size * g->size; i++)
    g_queue_clear_full (&g->mail[i], (GDestroyNotify) g_bytes_unref);
  hub_unref (g->hub);
  g_aligned_free (g->slots);
  g_free (g->mail);
  g_aligned_free (g);
}

static NevaComm *
comm_new (Group *g, guint rank)
{
  ThreadComm *c = g_new0 (ThreadComm, 1);

  c->base = (NevaComm){&threads_class, rank, g->size};
  c->group = g;
  return &c->base;
}

/* ---- Waiting ------------------------------------------------------------ */

/* Holds the lock; wakes up for every change. FALSE: too late. */
static gboolean
hub_wait (Hub *hub, gint64 until)
{
  if (until < 0) {
    g_cond_wait (&hub->changed, &hub->lock);
    return TRUE;
  }
  return g_cond_wait_until (&hub->changed, &hub->lock, until);
}

static void
fail_for_missing (Group *g, guint meeting)
{
  for (guint i = 0; i < g->size; i++) {
    g_autofree char *why = NULL;

    if (atomic_load (&g->slots[i].meeting) == meeting)
      continue;
    why = g_strdup_printf (
        "rank %u of %u has not answered for %" G_GINT64_FORMAT " s", i, g->size,
        g->hub->timeout_us / G_USEC_PER_SEC);
    hub_fail (g->hub, why);
    return;
  }
}

static void
sleep_until_met (Group *g, guint generation, guint meeting, gboolean idle)
{
  Hub *hub = g->hub;
  const gint64 until = idle ? -1 : g_get_monotonic_time () + hub->timeout_us;
  gboolean late = FALSE;

  g_mutex_lock (&hub->lock);
  atomic_fetch_add (&hub->sleepers, 1);
  while (!late && atomic_load (&g->generation) == generation && !hub->error)
    late = !hub_wait (hub, until);
  late = late && atomic_load (&g->generation) == generation;
  atomic_fetch_sub (&hub->sleepers, 1);
  g_mutex_unlock (&hub->lock);
  if (late)
    fail_for_missing (g, meeting);
}

/* All ranks of the group come here; FALSE when something failed. */
static gboolean
meet (ThreadComm *c, gboolean idle)
{
  Group *g = c->group;
  Hub *hub = g->hub;
  const guint generation = atomic_load (&g->generation);
  const guint meeting =
      atomic_fetch_add (&g->slots[c->base.rank].meeting, 1) + 1;

  if (atomic_load (&hub->failed))
    return FALSE;
  if (atomic_fetch_add (&g->arrived, 1) + 1 == g->size) {
    atomic_store (&g->arrived, 0);
    atomic_fetch_add (&g->generation, 1);
    if (atomic_load (&hub->sleepers)) {
      g_mutex_lock (&hub->lock);
      g_cond_broadcast (&hub->changed);
      g_mutex_unlock (&hub->lock);
    }
    return !atomic_load (&hub->failed);
  }
  for (guint i = 0; i < hub->spins; i++) {
    if (atomic_load (&g->generation) != generation)
      return !atomic_load (&hub->failed);
#if HAVE_X86
    __builtin_ia32_pause ();
#endif
  }
  sleep_until_met (g, generation, meeting, idle);
  return !atomic_load (&hub->failed);
}

/* ---- Operations --------------------------------------------------------- */

static void
threads_free (NevaComm *comm)
{
  ThreadComm *c = (ThreadComm *) comm;

  if (c->threads) {
    hub_fail (c->group->hub, "the group has ended");
    for (guint i = 0; i < c->threads->len; i++)
      g_thread_join (c->threads->pdata[i]);
    g_ptr_array_unref (c->threads);
  }
  group_unref (c->group);
  g_free (c);
}

static void
threads_all_reduce (NevaComm *comm, NevaBackend *b, float *x, gsize n)
{
  ThreadComm *c = (ThreadComm *) comm;
  const guint size = comm->size;
  const gsize slice = ((n + size - 1) / size + SLICE - 1) / SLICE * SLICE;
  const gsize from = MIN (n, slice * comm->rank);
  const gsize count = MIN (n - from, slice);
  const float *parts[MAX_RANKS];

  c->group->slots[comm->rank].data = x;
  if (!meet (c, FALSE) || !begin_work (c->group->hub))
    return;
  for (guint r = 0; r < size; r++)
    parts[r] = (const float *) c->group->slots[r].data + from;
  if (count) {
    neva_comm_sum (x + from, parts, size, count);
    for (guint r = 0; r < size; r++)
      if (r != comm->rank)
        memcpy ((float *) c->group->slots[r].data + from, x + from,
            count * sizeof *x);
  }
  end_work (c->group->hub);
  meet (c, FALSE);
}

static void
threads_all_gather (
    NevaComm *comm, NevaBackend *b, void *dst, const void *src, gsize bytes)
{
  ThreadComm *c = (ThreadComm *) comm;

  c->group->slots[comm->rank].src = src;
  if (!meet (c, FALSE) || !begin_work (c->group->hub))
    return;
  for (guint r = 0; r < comm->size; r++)
    memcpy ((guint8 *) dst + r * bytes, c->group->slots[r].src, bytes);
  end_work (c->group->hub);
  meet (c, FALSE);
}

static void
threads_broadcast (NevaComm *comm, NevaBackend *b, void *data, gsize bytes,
    guint root, gboolean idle)
{
  ThreadComm *c = (ThreadComm *) comm;

  c->group->slots[comm->rank].src = data;
  if (!meet (c, idle && comm->rank != root) || !begin_work (c->group->hub))
    return;
  if (comm->rank != root)
    memcpy (data, c->group->slots[root].src, bytes);
  end_work (c->group->hub);
  meet (c, FALSE);
}

static void
mail_too_late (ThreadComm *c, guint other)
{
  g_autofree char *why = g_strdup_printf (
      "rank %u of %u has not answered for %" G_GINT64_FORMAT " s", other,
      c->base.size, c->group->hub->timeout_us / G_USEC_PER_SEC);

  hub_fail (c->group->hub, why);
}

static void
threads_send (
    NevaComm *comm, NevaBackend *b, const void *src, gsize bytes, guint to)
{
  ThreadComm *c = (ThreadComm *) comm;
  Hub *hub = c->group->hub;
  GQueue *box = &c->group->mail[comm->rank * comm->size + to];
  g_autoptr (GBytes) message = g_bytes_new (src, bytes);
  const gint64 until = g_get_monotonic_time () + hub->timeout_us;
  gboolean late = FALSE;

  g_mutex_lock (&hub->lock);
  while (box->length >= MAX_MAIL && !hub->error && !late)
    late = !hub_wait (hub, until);
  if (!late && !hub->error) {
    g_queue_push_tail (box, g_steal_pointer (&message));
    g_cond_broadcast (&hub->changed);
  }
  g_mutex_unlock (&hub->lock);
  if (late)
    mail_too_late (c, to);
}

static void
threads_recv (
    NevaComm *comm, NevaBackend *b, void *dst, gsize bytes, guint from)
{
  ThreadComm *c = (ThreadComm *) comm;
  Hub *hub = c->group->hub;
  GQueue *box = &c->group->mail[from * comm->size + comm->rank];
  g_autoptr (GBytes) message = NULL;
  const gint64 until = g_get_monotonic_time () + hub->timeout_us;
  gboolean late = FALSE;

  g_mutex_lock (&hub->lock);
  while (!(message = g_queue_pop_head (box)) && !hub->error && !late)
    late = !hub_wait (hub, until);
  g_cond_broadcast (&hub->changed);
  g_mutex_unlock (&hub->lock);
  if (message && g_bytes_get_size (message) == bytes)
    memcpy (dst, g_bytes_get_data (message, NULL), bytes);
  else if (message)
    hub_fail (hub, "a message of another size was expected");
  else if (late)
    mail_too_late (c, from);
}

static void
threads_barrier (NevaComm *comm)
{
  meet ((ThreadComm *) comm, FALSE);
}

static gboolean
threads_check (NevaComm *comm, GError **error)
{
  Hub *hub = ((ThreadComm *) comm)->group->hub;

  if (!atomic_load (&hub->failed))
    return TRUE;
  g_mutex_lock (&hub->lock);
  g_propagate_error (error, g_error_copy (hub->error));
  g_mutex_unlock (&hub->lock);
  return FALSE;
}

static void
threads_abort (NevaComm *comm, const char *why)
{
  hub_fail (((ThreadComm *) comm)->group->hub, why);
}

/* The lowest rank of each color makes its group. */
static NevaComm *
threads_split (NevaComm *comm, guint color, GError **error)
{
  ThreadComm *c = (ThreadComm *) comm;
  Group *g = c->group, *child;
  guint first = comm->size, size = 0, rank = 0;

  g->slots[comm->rank].color = color;
  if (!meet (c, FALSE))
    goto failed;
  for (guint r = 0; r < comm->size; r++) {
    if (g->slots[r].color != color)
      continue;
    first = MIN (first, r);
    rank += r < comm->rank;
    size++;
  }
  if (first == comm->rank)
    g->slots[first].child = group_new (g->hub, size);
  if (!meet (c, FALSE))
    goto failed;
  child = g->slots[first].child;
  meet (c, FALSE);
  return comm_new (child, rank);

failed:
  threads_check (comm, error);
  return NULL;
}

/* A thread that ends says so: none is ever missed. */
static void
threads_show (NevaComm *comm)
{
}

static gint
threads_missing (NevaComm *comm)
{
  return -1;
}

static const NevaCommClass threads_class = {
    .name = "threads",
    .free = threads_free,
    .all_reduce = threads_all_reduce,
    .all_gather = threads_all_gather,
    .broadcast = threads_broadcast,
    .send = threads_send,
    .recv = threads_recv,
    .barrier = threads_barrier,
    .split = threads_split,
    .check = threads_check,
    .abort = threads_abort,
    .show = threads_show,
    .missing = threads_missing,
};

/* ---- The family --------------------------------------------------------- */

typedef struct {
  NevaComm *comm;
  NevaRankFunc func;
  gpointer data;
} Rank;

static gpointer
rank_main (gpointer data)
{
  Rank *r = data;
  g_autofree char *why = g_strdup_printf ("rank %u has left", r->comm->rank);

  r->func (r->comm, r->data);
  neva_comm_abort (r->comm, why);
  neva_comm_free (r->comm);
  g_free (r);
  return NULL;
}

/* Starts ranks 1 and up; FALSE when a thread cannot be had. */
static gboolean
start_ranks (ThreadComm *first, NevaRankFunc func, gpointer data)
{
  Group *g = first->group;

  for (guint i = 1; i < g->size; i++) {
    Rank *r = g_new0 (Rank, 1);
    GThread *thread;

    *r = (Rank){comm_new (g, i), func, data};
    thread = g_thread_try_new ("neva-rank", rank_main, r, NULL);
    if (!thread) {
      g_free (r->comm);
      g_free (r);
      for (; i < g->size; i++)
        group_unref (g);
      return FALSE;
    }
    g_ptr_array_add (first->threads, thread);
  }
  return TRUE;
}

NevaComm *
neva_comm_threads_new (
    guint size, guint spins, NevaRankFunc func, gpointer data, GError **error)
{
  Hub *hub;
  ThreadComm *first;

  if (!size || size > MAX_RANKS) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%u ranks in one process: 1 to %d are possible", size, MAX_RANKS);
    return NULL;
  }
  hub = g_new0 (Hub, 1);
  hub->spins = spins;
  hub->timeout_us = neva_comm_timeout_us ();
  g_mutex_init (&hub->lock);
  g_cond_init (&hub->changed);
  first = (ThreadComm *) comm_new (group_new (hub, size), 0);
  first->threads = g_ptr_array_new ();
  if (start_ranks (first, func, data))
    return &first->base;
  g_set_error (
      error, NEVA_ERROR, NEVA_ERROR_DEVICE, "%u threads cannot be had", size);
  neva_comm_free (&first->base);
  return NULL;
}
