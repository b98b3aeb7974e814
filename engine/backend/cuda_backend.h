/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The CUDA backend: one GPU, one stream, the launchers and cuBLAS behind the
 * table of kernels/cuda/api.h. Private to backend/. Operations are queued; the
 * first status that is not 0 becomes the fault. */
#ifndef NEVA_BACKEND_CUDA_H
#define NEVA_BACKEND_CUDA_H

#include "comm.h"
#include "cuda/api.h"

/* Small arrays of the host that kernels read: copied through pinned memory into
 * the same place of a ring on the device. */
typedef struct {
  guint8 *host, *device;
  gsize bytes, used;
  guint laps; /* what was staged in an earlier lap is gone */
} NevaCudaStage;

/* Device memory that grows. */
typedef struct {
  void *data;
  gsize bytes;
  gboolean ordered; /* by its stream */
} NevaCudaScratch;

/* What happens to operations. */
typedef enum {
  NEVA_CUDA_RUN,    /* they are queued */
  NEVA_CUDA_RECORD, /* they become a graph */
  NEVA_CUDA_REPLAY  /* they are in a graph: only arrays of the host are new */
} NevaCudaMode;

typedef struct {
  NevaBackend base;
  const NevaCudaApi *api; /* in REPLAY one whose launchers do nothing */
  int device;
  NevaCudaStream stream;
  NevaCudaBlas *blas;
  NevaBackend *cpu; /* converts and packs weights at load */
  NevaCudaStage stage;
  NevaCudaScratch xq;  /* prepared activations */
  NevaCudaScratch sum; /* products before their epilogue */
  GByteArray *spans;   /* as last staged, and where */
  const guint8 *spans_device;
  guint spans_lap;
  NevaCudaMode mode;
  GHashTable *steps; /* guint64 key -> step; cuda_step.c */
  guint64 signature; /* of the step's operations so far */
  gboolean broken;   /* the step cannot be a graph, or not this one */
  GPtrArray *comms;  /* groups whose kernels may be in the stream; borrowed */
  gboolean lost;     /* the stream does not end: nothing can be given back */
  GError *fault;     /* first fault since the last synchronize () */
} NevaBackendCuda;

static inline NevaBackendCuda *
neva_cuda (NevaBackend *b)
{
  return (NevaBackendCuda *) b;
}

gboolean neva_backend_is_cuda (NevaBackend *b);

/* FALSE when there is a fault already; else the device is the thread's own. */
gboolean neva_cuda_enter (NevaBackendCuda *c);
/* Keeps the first fault; FALSE when status is one. */
gboolean neva_cuda_check (NevaBackendCuda *c, int status, const char *what);

/* Waits for the stream; FALSE with the fault set. Where other ranks' GPUs have
 * a part in it: until one of them is lost. */
gboolean neva_cuda_wait (NevaBackendCuda *c);

/* cuda_comm.c: is the group of this NevaComm well? */
gboolean neva_comm_device_well (NevaComm *comm, GError **error);
/* Ends what NCCL has in the stream, and the group, with `why`. For all groups,
 * then the other one: FALSE, it does not end. */
void neva_comm_device_give_up (NevaComm *comm, const char *why);
gboolean neva_comm_device_given_up (NevaComm *comm);

/* cuda_library.c: the table of NEVA_CUDA_LIBRARY, of the library beside this
 * program or plugin, or of the installed one; loaded once. */
const NevaCudaApi *neva_cuda_load (GError **error);

/* cuda_memory.c */
void *neva_cuda_alloc (NevaBackend *b, gsize bytes, GError **error);
void neva_cuda_release (NevaBackend *b, void *memory, gsize bytes);
void neva_cuda_clear (NevaBackend *b, void *memory, gsize bytes);
void neva_cuda_upload (
    NevaBackend *b, void *dst, const void *host, gsize bytes);
void neva_cuda_download (
    NevaBackend *b, void *host, const void *src, gsize bytes);
/* `bytes` of at least what was asked for, or NULL with the fault set. */
void *neva_cuda_scratch (NevaBackendCuda *c, NevaCudaScratch *s, gsize bytes);
/* A copy on the device, until the ring comes round: for the next kernels. NULL
 * with the fault set. */
void *neva_cuda_stage (NevaBackendCuda *c, const void *host, gsize bytes);
void neva_cuda_memory_free (NevaBackendCuda *c);
/* Memory with scratch's own lifetime. Where several GPUs of this process are
 * ranks, plain cudaMalloc () and cudaFree () may wait for kernels of NCCL on
 * all of them, which may wait for this thread's next: then it is ordered by
 * `stream`. Returns a status. */
int neva_cuda_scratch_alloc (const NevaCudaApi *api, NevaCudaScratch *s,
    gsize bytes, NevaCudaStream stream);
void neva_cuda_scratch_free (
    const NevaCudaApi *api, NevaCudaScratch *s, NevaCudaStream stream);
/* Before NCCL has kernels: the ring, which is pinned, has its last size. */
gboolean neva_cuda_stage_fix (NevaBackendCuda *c);

/* cuda_comm.c: are several GPUs of this process ranks of a group? */
gboolean neva_cuda_ranks_here (void);

void neva_cuda_stage_free (NevaBackendCuda *c, NevaCudaStage *s);
gboolean neva_cuda_stage_new (
    NevaBackendCuda *c, NevaCudaStage *s, gsize bytes);

/* cuda_step.c */
void neva_cuda_step (
    NevaBackend *b, guint64 key, NevaStepFunc func, gpointer data);
void neva_cuda_steps_free (NevaBackendCuda *c);
/* What must be the same for a graph to be used again. */
void neva_cuda_sign (NevaBackendCuda *c, const void *data, gsize bytes);

/* cuda_matrix.c */
gboolean neva_cuda_matrix_init (NevaBackend *b, NevaMatrix *m, NevaDType type,
    const void *host, NevaDType host_type, gsize n, gsize k, GError **error);
gboolean neva_cuda_matrix_codes (NevaBackend *b, NevaMatrix *m, NevaDType type,
    NevaCodesFunc codes, gpointer data, gsize n, gsize k, GError **error);
void neva_cuda_matrix_clear (NevaBackend *b, NevaMatrix *m);

/* cuda_fp8.c */
gboolean neva_cuda_matrix_e4m3 (NevaBackend *b, NevaMatrix *m,
    NevaCodesFunc codes, gpointer data, gsize n, gsize k, GError **error);
gboolean neva_cuda_supports_fp8 (NevaBackendCuda *c);
/* How many GPUs there are; FALSE with error when there is none. cuda.c */
gboolean neva_cuda_count (const NevaCudaApi *api, int *count, GError **error);

/* cuda_linear.c */
void neva_cuda_linear (NevaBackend *b, const float *x, gsize ldx, gsize m,
    const NevaProduct *products, gsize n_products);
void neva_cuda_gated (
    NevaBackend *b, const float *x, gsize ldx, gsize m, const NevaGated *g);

/* cuda_attention.c */
void neva_cuda_store_kv (NevaBackend *b, const NevaHeads *h,
    const NevaSpan *spans, gsize n_spans, const float *k, gsize ldk,
    const float *v, gsize ldv);
void neva_cuda_rotate (NevaBackend *b, const NevaHeads *h,
    const NevaSpan *spans, gsize n_spans, const NevaRotation *r);
void neva_cuda_attend (NevaBackend *b, const NevaHeads *h,
    const NevaSpan *spans, gsize n_spans, float *dst, gsize ldd, const float *q,
    gsize ldq);

/* cuda_rows.c: fills its slots */
void neva_cuda_rows_fill (NevaBackendClass *klass);

#endif /* NEVA_BACKEND_CUDA_H */
