/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranks that compute one model together: threads of this process, processes
 * (MPI), each with its GPU or its share of the CPU.
 *
 * A NevaComm is one rank's end of a group; one thread at a time uses it. All
 * ranks of a group make the same collective calls in the same order. Like a
 * backend's operations they cannot fail by themselves: the first fault is
 * kept, later calls do nothing, and neva_comm_check () reports it for good. A
 * fault of one rank reaches all: no call waits longer than the bound below for
 * a rank that does not come.
 *
 * Memory is that of `backend`, in whose queue the call takes its place (NCCL:
 * the backend's stream); NULL: memory of the host, and the call is finished
 * when it returns.
 */
#ifndef NEVA_COMM_H
#define NEVA_COMM_H

#include "backend.h"

typedef struct _NevaComm NevaComm;

/* Seconds that a rank waits for another one; NEVA_COMM_TIMEOUT in the
 * environment sets it otherwise. Longer than the longest pass of one stage. */
#define NEVA_COMM_TIMEOUT 300

typedef struct {
  const char *name; /* "threads", "mpi", "device" */
  void (*free) (NevaComm *c);
  void (*all_reduce) (NevaComm *c, NevaBackend *b, float *x, gsize n);
  void (*all_gather) (
      NevaComm *c, NevaBackend *b, void *dst, const void *src, gsize bytes);
  void (*broadcast) (NevaComm *c, NevaBackend *b, void *data, gsize bytes,
      guint root, gboolean idle);
  void (*send) (
      NevaComm *c, NevaBackend *b, const void *src, gsize bytes, guint to);
  void (*recv) (
      NevaComm *c, NevaBackend *b, void *dst, gsize bytes, guint from);
  void (*barrier) (NevaComm *c);
  NevaComm *(*split) (NevaComm *c, guint color, GError **error);
  gboolean (*check) (NevaComm *c, GError **error);
  void (*abort) (NevaComm *c, const char *why);
  void (*show) (NevaComm *c);
  gint (*missing) (NevaComm *c);
} NevaCommClass;

struct _NevaComm {
  const NevaCommClass *klass;
  guint rank, size; /* rank < size */
};

/* ---- Groups ------------------------------------------------------------- */

/* A rank's life. `comm` belongs to the caller of the function. */
typedef void (*NevaRankFunc) (NevaComm *comm, gpointer data);

/* A group of `size` threads: the caller is rank 0 and gets its end; `func` runs
 * for each other rank in a thread of its own. Freeing rank 0's end ends the
 * group (waiting calls fail) and waits for the threads. spins: how often a
 * waiting rank looks before it sleeps; 0 when ranks share cores.
 * Returns: (transfer full) or NULL with error. */
NevaComm *neva_comm_threads_new (
    guint size, guint spins, NevaRankFunc func, gpointer data, GError **error);

/* The processes that run one model at a time together: this one leads them.
 * In memory of who started MPI, which may be another copy of the engine. */
typedef struct _NevaTeam {
  NevaComm *comm;
  GMutex lock;
  GCond changed;
  gboolean busy; /* lock: there is a model */
} NevaTeam;

/* NULL: this process runs its models alone. Set before models are opened.
 * (transfer none) */
void neva_comm_set_team (NevaTeam *team);
NevaTeam *neva_comm_team (void);

/* This process's number among those of its machine: as set by who started MPI,
 * else (another copy of the engine did, or nobody) what the launcher says. */
void neva_comm_set_local_rank (guint rank);
guint neva_comm_local_rank (void);

/* Collective: the ranks of `inner` with operations on memory of their backends
 * too, GPUs by NCCL. It fails when `inner` does; free it before that, and
 * before the backend. Cannot be split. Returns: (transfer full) or NULL with
 * error. */
NevaComm *neva_comm_device_new (
    NevaComm *inner, NevaBackend *b, GError **error);

static inline void
neva_comm_free (NevaComm *c)
{
  if (c)
    c->klass->free (c);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaComm, neva_comm_free)

/* Collective: ranks with the same color become a group, in the order of their
 * ranks. It fails when its parent does; free it before its parent.
 * Returns: (transfer full) or NULL with error. */
static inline NevaComm *
neva_comm_split (NevaComm *c, guint color, GError **error)
{
  return c->klass->split (c, color, error);
}

/* ---- Operations --------------------------------------------------------- */

/* x [n] = sum over the ranks, added in the order of the ranks: the same bits
 * everywhere, always. */
static inline void
neva_comm_all_reduce (NevaComm *c, NevaBackend *b, float *x, gsize n)
{
  c->klass->all_reduce (c, b, x, n);
}

/* dst [size][bytes]: src of every rank. */
static inline void
neva_comm_all_gather (
    NevaComm *c, NevaBackend *b, void *dst, const void *src, gsize bytes)
{
  c->klass->all_gather (c, b, dst, src, bytes);
}

/* idle: the root may take its time; others wait as long as it gives a sign now
 * and then (several times within the bound), or lives in the same process. */
static inline void
neva_comm_broadcast (NevaComm *c, NevaBackend *b, void *data, gsize bytes,
    guint root, gboolean idle)
{
  c->klass->broadcast (c, b, data, bytes, root, idle);
}

/* Messages from one rank to another arrive in order. send () returns when src
 * may be used again, which may be before the message is taken; few messages
 * wait at a time. */
static inline void
neva_comm_send (
    NevaComm *c, NevaBackend *b, const void *src, gsize bytes, guint to)
{
  c->klass->send (c, b, src, bytes, to);
}

/* The size must be that of the message. */
static inline void
neva_comm_recv (NevaComm *c, NevaBackend *b, void *dst, gsize bytes, guint from)
{
  c->klass->recv (c, b, dst, bytes, from);
}

static inline void
neva_comm_barrier (NevaComm *c)
{
  c->klass->barrier (c);
}

/* FALSE with a copy of the first fault of the group. It stays. */
static inline gboolean
neva_comm_check (NevaComm *c, GError **error)
{
  return c->klass->check (c, error);
}

/* Collective: each rank brings its error (transfer full) or NULL. TRUE when
 * there is none and the group is well; else FALSE for all, with the error of
 * the lowest rank that has one. */
gboolean neva_comm_agree (NevaComm *c, GError *own, GError **error);

/* This rank cannot go on: all others fail with `why`. */
static inline void
neva_comm_abort (NevaComm *c, const char *why)
{
  c->klass->abort (c, why);
}

/* For the name of a lost rank. Whoever has waited for half of the bound shows
 * that it is there; who has waited for all of it asks who has not: the lowest
 * such rank, or -1 when that cannot be told. */
static inline void
neva_comm_show (NevaComm *c)
{
  c->klass->show (c);
}

static inline gint
neva_comm_missing (NevaComm *c)
{
  return c->klass->missing (c);
}

/* ---- For implementations ------------------------------------------------ */

/* The bound on waiting, in microseconds. */
gint64 neva_comm_timeout_us (void);

/* dst [n] = sum of the parts [n], added in their order.
 * dst may be one of them. */
void neva_comm_sum (
    float *dst, const float *const *parts, guint n_parts, gsize n);

#endif /* NEVA_COMM_H */
