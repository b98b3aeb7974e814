/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Only calls that do not block, each under one lock: MPI need not be
 * thread-safe, and a wait is a loop that can be given up. What is in flight
 * when one is given up stays allocated; the group is lost then. */
#include "config.h"
#include "comm_mpi.h"

#include <limits.h>
#include <mpi.h>
#include <sched.h>
#include <string.h>
#include <unistd.h>

/* How a wait goes on: look, then yield, then sleep. */
#define LOOK_US 50
#define YIELD_US 5000
#define NAP_US 100
#define LOOKS 100 /* for a message that came */
#define REST_AFTER_US 1000000
#define REST_US 1000
/* The root of an idle broadcast gives a sign every 10 s. */
#define IDLE_LEAST_US (60 * G_USEC_PER_SEC)

#define MAX_SENDS 4       /* messages on their way to one rank */
#define SMALL_FLOATS 4096 /* all-reduce in one exchange, below */
#define TAG 1
#define TAG_HERE 2 /* of empty messages: show () */

typedef struct {
  MPI_Request request;
  guint8 *copy;
  guint to;
} Sending;

typedef struct {
  NevaComm base;
  MPI_Comm comm;
  gboolean owned;
  GError *error;
  gboolean shown;   /* itself to the others; since then nothing has ended */
  GPtrArray *sends; /* Sending, oldest first */
  float *scratch;   /* of all-reduce; grows */
  gsize scratch_floats;
} MpiComm;

static GMutex mpi_lock;
static guint local_size = 1;
static const NevaCommClass mpi_class;

static MpiComm *
mpi (NevaComm *c)
{
  return (MpiComm *) c;
}

static void
fail (MpiComm *c, const char *why)
{
  if (!c->error)
    c->error = g_error_new_literal (NEVA_ERROR, NEVA_ERROR_DEVICE, why);
}

static void
fail_mpi (MpiComm *c, int code)
{
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;

  g_mutex_lock (&mpi_lock);
  MPI_Error_string (code, text, &length);
  g_mutex_unlock (&mpi_lock);
  fail (c, text);
}

/* what: whom the wait is for. */
static void
fail_late (MpiComm *c, gint64 us, gint other)
{
  g_autofree char *who =
      other < 0 ? g_strdup ("another rank")
                : g_strdup_printf ("rank %d of %u", other, c->base.size);
  g_autofree char *why =
      g_strdup_printf ("%s has not answered for %" G_GINT64_FORMAT " s", who,
          us / G_USEC_PER_SEC);

  fail (c, why);
}

static void
pause_for (gint64 waited)
{
  if (waited < LOOK_US)
    return;
  if (waited < YIELD_US)
    sched_yield ();
  else
    g_usleep (waited < REST_AFTER_US ? NAP_US : REST_US);
}

static void
mpi_show (NevaComm *comm)
{
  MpiComm *c = mpi (comm);

  c->shown = TRUE;
  g_mutex_lock (&mpi_lock);
  for (guint r = 0; r < comm->size; r++) {
    MPI_Request request;

    if (r != comm->rank && MPI_Isend (NULL, 0, MPI_BYTE, (int) r, TAG_HERE,
                               c->comm, &request) == MPI_SUCCESS)
      MPI_Request_free (&request);
  }
  g_mutex_unlock (&mpi_lock);
}

/* Has it shown itself? It is forgotten. */
static gboolean
was_shown (MpiComm *c, guint rank)
{
  gboolean shown = FALSE;
  int there = 0;

  g_mutex_lock (&mpi_lock);
  while (MPI_Iprobe ((int) rank, TAG_HERE, c->comm, &there,
             MPI_STATUS_IGNORE) == MPI_SUCCESS &&
         there) {
    MPI_Recv (
        NULL, 0, MPI_BYTE, (int) rank, TAG_HERE, c->comm, MPI_STATUS_IGNORE);
    shown = TRUE;
  }
  g_mutex_unlock (&mpi_lock);
  return shown;
}

static gint
mpi_missing (NevaComm *comm)
{
  for (guint r = 0; r < comm->size; r++) {
    gboolean shown = r == comm->rank;

    /* MPI may have to be asked again before it looks at what has come */
    for (guint i = 0; i < LOOKS && !shown; i++) {
      shown = was_shown (mpi (comm), r);
      g_usleep (NAP_US);
    }
    if (!shown)
      return (gint) r;
  }
  return -1;
}

/* A long wait came to a good end: who was there then may be lost later. */
static void
forget_shown (MpiComm *c)
{
  c->shown = FALSE;
  for (guint r = 0; r < c->base.size; r++)
    if (r != c->base.rank)
      was_shown (c, r);
}

/* TRUE when it is done. other: of whom it is, or -1. */
static gboolean
finish (MpiComm *c, MPI_Request *request, gint64 bound, gint other)
{
  const gint64 start = g_get_monotonic_time ();
  gboolean shown = FALSE;

  for (;;) {
    const gint64 waited = g_get_monotonic_time () - start;
    int done = 0, code;

    g_mutex_lock (&mpi_lock);
    code = MPI_Test (request, &done, MPI_STATUS_IGNORE);
    g_mutex_unlock (&mpi_lock);
    if (code != MPI_SUCCESS) {
      fail_mpi (c, code);
      return FALSE;
    }
    if (done) {
      if (c->shown)
        forget_shown (c);
      return TRUE;
    }
    if (waited > bound / 2 && !shown) {
      mpi_show (&c->base);
      shown = TRUE;
    }
    if (waited > bound) {
      fail_late (c, waited, other < 0 ? mpi_missing (&c->base) : other);
      return FALSE;
    }
    pause_for (waited);
  }
}

/* Starts a collective and waits for it. */
#define COLLECTIVE(c, bound, other, call)                                      \
  G_STMT_START                                                                 \
  {                                                                            \
    MPI_Request request_;                                                      \
    int code_;                                                                 \
                                                                               \
    g_mutex_lock (&mpi_lock);                                                  \
    code_ = call;                                                              \
    g_mutex_unlock (&mpi_lock);                                                \
    if (code_ != MPI_SUCCESS)                                                  \
      fail_mpi (c, code_);                                                     \
    else                                                                       \
      finish (c, &request_, bound, other);                                     \
  }                                                                            \
  G_STMT_END

static gboolean
fits (MpiComm *c, gsize bytes)
{
  if (bytes > INT_MAX)
    fail (c, "a message of more than 2 GiB");
  return !c->error;
}

/* ---- Messages ----------------------------------------------------------- */

static void
sending_free (gpointer data)
{
  Sending *s = data;

  if (s->request == MPI_REQUEST_NULL)
    g_free (s->copy); /* else MPI may still read it */
  g_free (s);
}

/* Until at most `most` to this rank (all: -1) are on their way. */
static void
drain (MpiComm *c, gint to, guint most)
{
  guint n = 0;

  for (guint i = c->sends->len; i-- > 0;) {
    Sending *s = c->sends->pdata[i];

    if (to >= 0 && s->to != (guint) to)
      continue;
    if (n++ < most)
      continue;
    if (c->error ||
        !finish (c, &s->request, neva_comm_timeout_us (), (gint) s->to))
      return;
    g_ptr_array_remove_index (c->sends, i);
  }
}

static void
mpi_send (
    NevaComm *comm, NevaBackend *b, const void *src, gsize bytes, guint to)
{
  MpiComm *c = mpi (comm);
  Sending *s;
  int code;

  if (!fits (c, bytes))
    return;
  drain (c, (gint) to, MAX_SENDS - 1);
  if (c->error)
    return;
  s = g_new0 (Sending, 1);
  s->copy = g_memdup2 (src, bytes);
  s->to = to;
  g_mutex_lock (&mpi_lock);
  code = MPI_Isend (
      s->copy, (int) bytes, MPI_BYTE, (int) to, TAG, c->comm, &s->request);
  g_mutex_unlock (&mpi_lock);
  g_ptr_array_add (c->sends, s);
  if (code != MPI_SUCCESS)
    fail_mpi (c, code);
}

static void
mpi_recv (NevaComm *comm, NevaBackend *b, void *dst, gsize bytes, guint from)
{
  MpiComm *c = mpi (comm);

  if (fits (c, bytes))
    COLLECTIVE (c, neva_comm_timeout_us (), (gint) from,
        MPI_Irecv (
            dst, (int) bytes, MPI_BYTE, (int) from, TAG, c->comm, &request_));
}

/* ---- Collectives -------------------------------------------------------- */

static float *
scratch (MpiComm *c, gsize floats)
{
  if (floats > c->scratch_floats) {
    g_free (c->scratch);
    c->scratch = g_try_new (float, floats);
    c->scratch_floats = c->scratch ? floats : 0;
    if (!c->scratch)
      fail (c, "no memory for a sum over the ranks");
  }
  return c->scratch;
}

static void
sum_rows (float *dst, const float *rows, guint n_rows, gsize n, gsize ld)
{
  g_autofree const float **parts = g_new (const float *, n_rows);

  for (guint i = 0; i < n_rows; i++)
    parts[i] = rows + i * ld;
  neva_comm_sum (dst, parts, n_rows, n);
}

/* Everybody gets everything and adds it. */
static void
reduce_small (MpiComm *c, float *x, gsize n)
{
  float *all = scratch (c, n * c->base.size);

  if (!all)
    return;
  COLLECTIVE (c, neva_comm_timeout_us (), -1,
      MPI_Iallgather (
          x, (int) n, MPI_FLOAT, all, (int) n, MPI_FLOAT, c->comm, &request_));
  if (!c->error)
    sum_rows (x, all, c->base.size, n, n);
}

/* Everybody gets one slice of everything, adds it and hands out the sum. */
static void
reduce_large (MpiComm *c, float *x, gsize n)
{
  const guint size = c->base.size;
  const gsize slice = (n + size - 1) / size, padded = slice * size;
  float *out = scratch (c, 2 * padded + slice);
  float *in, *sum;

  if (!out)
    return;
  in = out + padded;
  sum = in + padded;
  memcpy (out, x, n * sizeof *x);
  memset (out + n, 0, (padded - n) * sizeof *x);
  COLLECTIVE (c, neva_comm_timeout_us (), -1,
      MPI_Ialltoall (out, (int) slice, MPI_FLOAT, in, (int) slice, MPI_FLOAT,
          c->comm, &request_));
  if (c->error)
    return;
  sum_rows (sum, in, size, slice, slice);
  COLLECTIVE (c, neva_comm_timeout_us (), -1,
      MPI_Iallgather (sum, (int) slice, MPI_FLOAT, out, (int) slice, MPI_FLOAT,
          c->comm, &request_));
  if (!c->error)
    memcpy (x, out, n * sizeof *x);
}

static void
mpi_all_reduce (NevaComm *comm, NevaBackend *b, float *x, gsize n)
{
  MpiComm *c = mpi (comm);

  if (!fits (c, n * sizeof *x * 2))
    return;
  if (n <= SMALL_FLOATS)
    reduce_small (c, x, n);
  else
    reduce_large (c, x, n);
}

static void
mpi_all_gather (
    NevaComm *comm, NevaBackend *b, void *dst, const void *src, gsize bytes)
{
  MpiComm *c = mpi (comm);

  if (fits (c, bytes * comm->size))
    COLLECTIVE (c, neva_comm_timeout_us (), -1,
        MPI_Iallgather (src, (int) bytes, MPI_BYTE, dst, (int) bytes, MPI_BYTE,
            c->comm, &request_));
}

static void
mpi_broadcast (NevaComm *comm, NevaBackend *b, void *data, gsize bytes,
    guint root, gboolean idle)
{
  MpiComm *c = mpi (comm);
  const gint64 bound = idle ? MAX (neva_comm_timeout_us (), IDLE_LEAST_US)
                            : neva_comm_timeout_us ();

  if (fits (c, bytes))
    COLLECTIVE (c, bound, comm->rank == root ? -1 : (gint) root,
        MPI_Ibcast (
            data, (int) bytes, MPI_BYTE, (int) root, c->comm, &request_));
}

static void
mpi_barrier (NevaComm *comm)
{
  MpiComm *c = mpi (comm);

  if (!c->error)
    COLLECTIVE (
        c, neva_comm_timeout_us (), -1, MPI_Ibarrier (c->comm, &request_));
}

/* ---- Groups ------------------------------------------------------------- */

static NevaComm *
comm_new (MPI_Comm comm, gboolean owned)
{
  MpiComm *c = g_new0 (MpiComm, 1);
  int rank = 0, size = 1;

  g_mutex_lock (&mpi_lock);
  MPI_Comm_rank (comm, &rank);
  MPI_Comm_size (comm, &size);
  MPI_Comm_set_errhandler (comm, MPI_ERRORS_RETURN);
  g_mutex_unlock (&mpi_lock);
  c->base = (NevaComm){&mpi_class, (guint) rank, (guint) size};
  c->comm = comm;
  c->owned = owned;
  c->sends = g_ptr_array_new_with_free_func (sending_free);
  return &c->base;
}

NevaComm *
neva_comm_mpi_link (NevaComm *comm)
{
  return comm_new (mpi (comm)->comm, FALSE);
}

static void
mpi_free (NevaComm *comm)
{
  MpiComm *c = mpi (comm);

  drain (c, -1, 0);
  /* freeing a group is collective: not when somebody is missing */
  if (c->owned && !c->error) {
    int over = 0;

    g_mutex_lock (&mpi_lock);
    if (MPI_Finalized (&over) == MPI_SUCCESS && !over)
      MPI_Comm_free (&c->comm);
    g_mutex_unlock (&mpi_lock);
  }
  g_ptr_array_unref (c->sends);
  g_clear_error (&c->error);
  g_free (c->scratch);
  g_free (c);
}

/* Blocks without a bound, as MPI has it: at the start, when all are there. */
static NevaComm *
mpi_split (NevaComm *comm, guint color, GError **error)
{
  MpiComm *c = mpi (comm);
  MPI_Comm child;
  int code;

  mpi_barrier (comm);
  if (!neva_comm_check (comm, error))
    return NULL;
  g_mutex_lock (&mpi_lock);
  code = MPI_Comm_split (c->comm, (int) color, (int) comm->rank, &child);
  g_mutex_unlock (&mpi_lock);
  if (code == MPI_SUCCESS)
    return comm_new (child, TRUE);
  fail_mpi (c, code);
  neva_comm_check (comm, error);
  return NULL;
}

static gboolean
mpi_check (NevaComm *comm, GError **error)
{
  const MpiComm *c = mpi (comm);

  if (!c->error)
    return TRUE;
  g_propagate_error (error, g_error_copy (c->error));
  return FALSE;
}

/* The others hear of it when they have waited long enough. */
static void
mpi_abort (NevaComm *comm, const char *why)
{
  fail (mpi (comm), why);
}

static const NevaCommClass mpi_class = {
    .name = "mpi",
    .free = mpi_free,
    .all_reduce = mpi_all_reduce,
    .all_gather = mpi_all_gather,
    .broadcast = mpi_broadcast,
    .send = mpi_send,
    .recv = mpi_recv,
    .barrier = mpi_barrier,
    .split = mpi_split,
    .check = mpi_check,
    .abort = mpi_abort,
    .show = mpi_show,
    .missing = mpi_missing,
};

/* ---- The job ------------------------------------------------------------ */

static void
find_local_size (void)
{
  MPI_Comm machine;
  int n = 1, rank = 0;

  if (MPI_Comm_split_type (MPI_COMM_WORLD, MPI_COMM_TYPE_SHARED, 0,
          MPI_INFO_NULL, &machine) != MPI_SUCCESS)
    return;
  MPI_Comm_size (machine, &n);
  MPI_Comm_rank (machine, &rank);
  MPI_Comm_free (&machine);
  neva_comm_set_local_rank ((guint) rank);
  local_size = (guint) MAX (n, 1);
}

NevaComm *
neva_comm_mpi_start (int *argc, char ***argv, GError **error)
{
  int level = MPI_THREAD_SINGLE;

  if (MPI_Init_thread (argc, argv, MPI_THREAD_SERIALIZED, &level) !=
          MPI_SUCCESS ||
      level < MPI_THREAD_SERIALIZED) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "MPI does not start, or not for programs with threads");
    return NULL;
  }
  find_local_size ();
  return comm_new (MPI_COMM_WORLD, FALSE);
}

guint
neva_comm_mpi_local_size (void)
{
  return local_size;
}

/* MPI has no bound on the end, and with a lost machine it may never come. */
static gpointer
end_anyway (gpointer code)
{
  g_usleep ((gulong) neva_comm_timeout_us ());
  _exit (GPOINTER_TO_INT (code));
}

void
neva_comm_mpi_stop (gboolean well, int code)
{
  g_thread_unref (
      g_thread_new ("neva-end", end_anyway, GINT_TO_POINTER (code)));
  g_mutex_lock (&mpi_lock);
  if (well)
    MPI_Finalize ();
  else
    MPI_Abort (MPI_COMM_WORLD, code);
  g_mutex_unlock (&mpi_lock);
}
