/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several GPUs through NCCL, which is loaded when ranks are first set up. */
#include <dlfcn.h>
#include <nccl.h>
#include <string.h>
#include "runtime.cuh"

struct NevaCudaNccl {
  ncclComm_t comm;
};

#define FUNCTIONS(X)                                                           \
  X (GetErrorString)                                                           \
  X (GetUniqueId)                                                              \
  X (CommInitRank)                                                             \
  X (CommDestroy)                                                              \
  X (CommAbort)                                                                \
  X (CommGetAsyncError)                                                        \
  X (GetLastError)                                                             \
  X (AllReduce)                                                                \
  X (AllGather)                                                                \
  X (Broadcast)                                                                \
  X (Send)                                                                     \
  X (Recv)

static struct {
#define FIELD(name) decltype (&nccl##name) name;
  FUNCTIONS (FIELD)
#undef FIELD
} nccl;

static const int not_loaded = NEVA_CUDA_NCCL + 1000;

static bool
load_functions ()
{
  void *library = neva_cuda_library ("libnccl.so.2");
  bool all = library != nullptr;

#define FIND(name)                                                             \
  all = all && (nccl.name = reinterpret_cast<decltype (nccl.name)> (           \
                    dlsym (library, "nccl" #name)));
  FUNCTIONS (FIND)
#undef FIND
  return all;
}

/* comm: NULL where there is none (yet) */
static int
status (ncclResult_t result, ncclComm_t comm)
{
  char text[200] = "NCCL: ";
  const char *parts[] = {nullptr, ": ", nullptr};

  if (result == ncclSuccess)
    return 0;
  parts[0] = nccl.GetErrorString (result);
  parts[2] = nccl.GetLastError (comm); /* which peer, which socket */
  for (size_t i = 0; i < (parts[2] && *parts[2] ? 3 : 1); i++)
    strncat (text, parts[i], sizeof text - 1 - strlen (text));
  neva_cuda_set_text (NEVA_CUDA_NCCL + (int) result, "%s", text);
  return NEVA_CUDA_NCCL + (int) result;
}

static int
nccl_load ()
{
  static const bool loaded = load_functions ();

  if (loaded)
    return 0;
  neva_cuda_set_text (not_loaded, "%s cannot be loaded", "libnccl.so.2 (NCCL)");
  return not_loaded;
}

static int
nccl_id (char *host_id)
{
  ncclUniqueId id;
  ncclResult_t result;

  static_assert (sizeof id == NEVA_CUDA_NCCL_ID, "an id of NCCL");
  result = nccl.GetUniqueId (&id);
  memcpy (host_id, &id, sizeof id);
  return status (result, nullptr);
}

static int
nccl_new (NevaCudaNccl **out, const char *host_id, int size, int rank)
{
  ncclUniqueId id;
  ncclComm_t comm;
  ncclResult_t result;

  memcpy (&id, host_id, sizeof id);
  result = nccl.CommInitRank (&comm, size, id, rank);
  if (result == ncclSuccess)
    *out = new NevaCudaNccl{comm};
  return status (result, nullptr);
}

static void
nccl_free (NevaCudaNccl *n, bool abort)
{
  if (!n)
    return;
  if (abort)
    nccl.CommAbort (n->comm);
  else
    nccl.CommDestroy (n->comm);
  delete n;
}

static int
nccl_error (NevaCudaNccl *n)
{
  ncclResult_t error = ncclSuccess;
  const ncclResult_t asked = nccl.CommGetAsyncError (n->comm, &error);

  return status (asked == ncclSuccess ? error : asked, n->comm);
}

static int
nccl_all_reduce (NevaCudaNccl *n, float *x, size_t count, cudaStream_t stream)
{
  return status (
      nccl.AllReduce (x, x, count, ncclFloat32, ncclSum, n->comm, stream),
      n->comm);
}

static int
nccl_all_gather (NevaCudaNccl *n, void *dst, const void *src, size_t bytes,
    cudaStream_t stream)
{
  return status (
      nccl.AllGather (src, dst, bytes, ncclUint8, n->comm, stream), n->comm);
}

static int
nccl_broadcast (
    NevaCudaNccl *n, void *data, size_t bytes, int root, cudaStream_t stream)
{
  return status (
      nccl.Broadcast (data, data, bytes, ncclUint8, root, n->comm, stream),
      n->comm);
}

static int
nccl_send (
    NevaCudaNccl *n, const void *src, size_t bytes, int to, cudaStream_t stream)
{
  return status (
      nccl.Send (src, bytes, ncclUint8, to, n->comm, stream), n->comm);
}

static int
nccl_recv (
    NevaCudaNccl *n, void *dst, size_t bytes, int from, cudaStream_t stream)
{
  return status (
      nccl.Recv (dst, bytes, ncclUint8, from, n->comm, stream), n->comm);
}

void
neva_cuda_nccl_fill (NevaCudaRuntime *run)
{
  run->nccl_load = nccl_load;
  run->nccl_id = nccl_id;
  run->nccl_new = nccl_new;
  run->nccl_free = nccl_free;
  run->nccl_error = nccl_error;
  run->nccl_all_reduce = nccl_all_reduce;
  run->nccl_all_gather = nccl_all_gather;
  run->nccl_broadcast = nccl_broadcast;
  run->nccl_send = nccl_send;
  run->nccl_recv = nccl_recv;
}
