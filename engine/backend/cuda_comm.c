/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Ranks whose backends are GPUs. Memory of the host goes the way of the group
 * inside (threads, MPI); memory of a GPU goes by NCCL, in the backend's stream,
 * or, where NCCL cannot be had, through the host's.
 *
 * A kernel of NCCL waits for the others' kernels for ever. So that a lost rank
 * is noticed, a backend that waits for its stream looks at the group now and
 * then (neva_comm_device_well ()), and gives up. The groups of a backend share
 * its one stream: their kernels have the same order on all ranks. */
#include "config.h"
#include "comm.h"
#include "cuda_nccl.h"
#include "log.h"

typedef struct {
  NevaComm base;
  NevaComm *inner;       /* borrowed */
  NevaBackendCuda *cuda; /* borrowed; NULL: the backend is the CPU */
  NevaNccl *nccl;        /* NULL: through the host */
  gboolean here;         /* other ranks' GPUs are this process's, too */
  GByteArray *host;
} DeviceComm;

static gint groups_here; /* atomic: with NCCL, of GPUs of this process */

gboolean
neva_cuda_ranks_here (void)
{
  return g_atomic_int_get (&groups_here) > 0;
}

static DeviceComm *
device_comm (NevaComm *comm)
{
  return (DeviceComm *) comm;
}

/* Is this memory that the group inside cannot reach? */
static gboolean
on_device (const DeviceComm *c, const NevaBackend *b)
{
  return b && c->cuda && b == &c->cuda->base;
}

static void
check (DeviceComm *c, int status, const char *what)
{
  if (!neva_cuda_check (c->cuda, status, what))
    neva_comm_abort (c->inner, c->cuda->fault->message);
}

/* The backend's own faults end the group: others would wait for this rank. */
static gboolean
enter (DeviceComm *c)
{
  if (neva_cuda_enter (c->cuda))
    return TRUE;
  neva_comm_abort (c->inner, c->cuda->fault->message);
  return FALSE;
}

static void *
host_copy (DeviceComm *c, const void *device, gsize bytes)
{
  if (c->host->len < bytes)
    g_byte_array_set_size (c->host, (guint) bytes);
  if (device)
    neva_backend_download (&c->cuda->base, c->host->data, device, bytes);
  return c->host->data;
}

static void
device_free (NevaComm *comm)
{
  DeviceComm *c = device_comm (comm);

  if (c->nccl && (c->cuda->fault || !neva_comm_check (c->inner, NULL))) {
    neva_nccl_abort_begin (c->nccl);
    c->cuda->lost = !neva_nccl_abort_finish (c->nccl) || c->cuda->lost;
  } else if (c->nccl) {
    neva_nccl_free (c->nccl);
  }
  if (c->here)
    g_atomic_int_add (&groups_here, -1);
  if (c->cuda)
    g_ptr_array_remove (c->cuda->comms, c);
  g_byte_array_unref (c->host);
  g_free (c);
}

gboolean
neva_comm_device_well (NevaComm *comm, GError **error)
{
  DeviceComm *c = device_comm (comm);
  const NevaCudaRuntime *run = c->cuda ? &c->cuda->api->run : NULL;
  int status;

  /* what a rank says of itself says more than what NCCL notices */
  if (!neva_comm_check (c->inner, error))
    return FALSE;
  status = c->nccl ? run->nccl_error (neva_nccl_handle (c->nccl)) : 0;
  if (status)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "GPU %d: %s",
        c->cuda->device, run->error_text (status));
  return !status;
}

void
neva_comm_device_give_up (NevaComm *comm, const char *why)
{
  DeviceComm *c = device_comm (comm);

  neva_comm_abort (c->inner, why);
  if (c->nccl)
    neva_nccl_abort_begin (c->nccl);
}

gboolean
neva_comm_device_given_up (NevaComm *comm)
{
  DeviceComm *c = device_comm (comm);
  NevaNccl *nccl = g_steal_pointer (&c->nccl);

  return !nccl || neva_nccl_abort_finish (nccl);
}

static void
device_all_reduce (NevaComm *comm, NevaBackend *b, float *x, gsize n)
{
  DeviceComm *c = device_comm (comm);
  const gsize bytes = n * sizeof *x;

  if (!on_device (c, b)) {
    neva_comm_all_reduce (c->inner, b, x, n);
  } else if (!enter (c)) {
    return;
  } else if (c->nccl) {
    check (c,
        c->cuda->api->run.nccl_all_reduce (
            neva_nccl_handle (c->nccl), x, n, c->cuda->stream),
        "all-reduce");
  } else {
    float *copy = host_copy (c, x, bytes);

    neva_comm_all_reduce (c->inner, NULL, copy, n);
    neva_backend_upload (b, x, copy, bytes);
  }
}

static void
device_all_gather (
    NevaComm *comm, NevaBackend *b, void *dst, const void *src, gsize bytes)
{
  DeviceComm *c = device_comm (comm);

  if (!on_device (c, b)) {
    neva_comm_all_gather (c->inner, b, dst, src, bytes);
  } else if (!enter (c)) {
    return;
  } else if (c->nccl) {
    check (c,
        c->cuda->api->run.nccl_all_gather (
            neva_nccl_handle (c->nccl), dst, src, bytes, c->cuda->stream),
        "all-gather");
  } else {
    guint8 *all = host_copy (c, NULL, (comm->size + 1) * bytes);
    guint8 *own = all + comm->size * bytes;

    neva_backend_download (b, own, src, bytes);
    neva_comm_all_gather (c->inner, NULL, all, own, bytes);
    neva_backend_upload (b, dst, all, comm->size * bytes);
  }
}

static void
device_broadcast (NevaComm *comm, NevaBackend *b, void *data, gsize bytes,
    guint root, gboolean idle)
{
  DeviceComm *c = device_comm (comm);

  if (!on_device (c, b)) {
    neva_comm_broadcast (c->inner, b, data, bytes, root, idle);
  } else if (!enter (c)) {
    return;
  } else if (c->nccl && !idle) {
    check (c,
        c->cuda->api->run.nccl_broadcast (neva_nccl_handle (c->nccl), data,
            bytes, (int) root, c->cuda->stream),
        "broadcast");
  } else {
    void *copy = host_copy (c, comm->rank == root ? data : NULL, bytes);

    neva_comm_broadcast (c->inner, NULL, copy, bytes, root, idle);
    neva_backend_upload (b, data, copy, bytes);
  }
}

static void
device_send (
    NevaComm *comm, NevaBackend *b, const void *src, gsize bytes, guint to)
{
  DeviceComm *c = device_comm (comm);

  if (!on_device (c, b))
    neva_comm_send (c->inner, b, src, bytes, to);
  else if (!enter (c))
    return;
  else if (c->nccl)
    check (c,
        c->cuda->api->run.nccl_send (
            neva_nccl_handle (c->nccl), src, bytes, (int) to, c->cuda->stream),
        "send");
  else
    neva_comm_send (c->inner, NULL, host_copy (c, src, bytes), bytes, to);
}

static void
device_recv (NevaComm *comm, NevaBackend *b, void *dst, gsize bytes, guint from)
{
  DeviceComm *c = device_comm (comm);

  if (!on_device (c, b)) {
    neva_comm_recv (c->inner, b, dst, bytes, from);
  } else if (!enter (c)) {
    return;
  } else if (c->nccl) {
    check (c,
        c->cuda->api->run.nccl_recv (neva_nccl_handle (c->nccl), dst, bytes,
            (int) from, c->cuda->stream),
        "receive");
  } else {
    void *copy = host_copy (c, NULL, bytes);

    neva_comm_recv (c->inner, NULL, copy, bytes, from);
    neva_backend_upload (b, dst, copy, bytes);
  }
}

static void
device_barrier (NevaComm *comm)
{
  neva_comm_barrier (device_comm (comm)->inner);
}

static gboolean
device_check (NevaComm *comm, GError **error)
{
  return neva_comm_check (device_comm (comm)->inner, error);
}

static void
device_abort (NevaComm *comm, const char *why)
{
  neva_comm_abort (device_comm (comm)->inner, why);
}

/* The ranks are split before they have backends. */
static NevaComm *
device_split (NevaComm *comm, guint color, GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "a group of GPUs cannot be split");
  return NULL;
}

static void
device_show (NevaComm *comm)
{
  neva_comm_show (device_comm (comm)->inner);
}

static gint
device_missing (NevaComm *comm)
{
  return neva_comm_missing (device_comm (comm)->inner);
}

static const NevaCommClass device_class = {
    .name = "device",
    .free = device_free,
    .all_reduce = device_all_reduce,
    .all_gather = device_all_gather,
    .broadcast = device_broadcast,
    .send = device_send,
    .recv = device_recv,
    .barrier = device_barrier,
    .split = device_split,
    .check = device_check,
    .abort = device_abort,
    .show = device_show,
    .missing = device_missing,
};

/* What a rank brings to the set-up. */
typedef struct {
  gint32 status; /* of NCCL; -1: no GPU */
  char id[NEVA_CUDA_NCCL_ID];
} Card;

/* The same for all groups of the process. */
static void
say_once (const char *why)
{
  static gsize said;

  if (g_once_init_enter (&said)) {
    neva_warning ("GPUs exchange through the host's memory: %s", why);
    g_once_init_leave (&said, 1);
  }
}

static gboolean
start_nccl (DeviceComm *c, const char *id, GError **error)
{
  GError *fault = NULL;

  c->here = g_str_equal (c->inner->klass->name, "threads");
  if (!c->here || neva_cuda_stage_fix (c->cuda))
    c->nccl = neva_nccl_new (c->cuda, c->inner, id, &fault);
  else
    fault = g_steal_pointer (&c->cuda->fault);
  if (c->here)
    g_atomic_int_inc (&groups_here);
  return neva_comm_agree (c->inner, fault, error);
}

/* Whether NCCL can be had, and of rank 0 the id. */
static void
find_nccl (DeviceComm *c, Card *own)
{
  const NevaCudaRuntime *run = &c->cuda->api->run;

  own->status = run->nccl_load ();
  if (!own->status && c->base.rank == 0)
    own->status = run->nccl_id (own->id);
  if (own->status)
    say_once (run->error_text (own->status));
}

NevaComm *
neva_comm_device_new (NevaComm *inner, NevaBackend *b, GError **error)
{
  DeviceComm *c = g_new0 (DeviceComm, 1);
  g_autofree Card *all = g_new0 (Card, inner->size);
  Card own = {.status = -1};
  gboolean nccl = TRUE;

  c->base = (NevaComm){&device_class, inner->rank, inner->size};
  c->inner = inner;
  c->host = g_byte_array_new ();
  if (g_str_equal (b->klass->name, "cuda")) {
    c->cuda = neva_cuda (b);
    g_ptr_array_add (c->cuda->comms, c);
    find_nccl (c, &own);
  }
  neva_comm_all_gather (inner, NULL, all, &own, sizeof own);
  for (guint r = 0; r < inner->size; r++)
    nccl = nccl && all[r].status == 0;
  if (neva_comm_check (inner, error) &&
      (!nccl || start_nccl (c, all[0].id, error)))
    return &c->base;
  device_free (&c->base);
  return NULL;
}
