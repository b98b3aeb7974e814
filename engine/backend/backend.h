/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where a model's arithmetic runs: memory, one ordered queue, and operations on
 * it. The engine calls nothing else; no other file knows which backend runs.
 *
 * Pointers are memory of the backend (neva_backend_alloc), unless "host" is
 * said. Activations are f32, rows `ld` floats apart. Operations are queued in
 * order and cannot fail by themselves: the first fault is kept, later
 * operations do nothing, and synchronize () reports it. One thread drives a
 * backend.
 */
#ifndef NEVA_BACKEND_H
#define NEVA_BACKEND_H

#include <neva/error.h>
#include "attention.h"
#include "matmul.h"
#include "sample.h"

typedef struct _NevaBackend NevaBackend;

/* A weight matrix [n, k] as this backend keeps it. Immutable. */
typedef struct {
  NevaWeight w;
  gsize owned; /* bytes allocated; 0: `w.data` is the host's, in place */
} NevaMatrix;

/* Gives rows [n0, n0 + rows) of a matrix of codes, as neva_pack_i4_codes or
 * neva_pack_i8_codes take them (I8 has no low; E4M3: matrix_codes). Called on
 * several threads at once. */
typedef void (*NevaCodesFunc) (gpointer data, gsize n0, gsize rows,
    guint8 *codes, float *scale, float *low);

/* One of several products that share their activations. */
typedef struct {
  const NevaMatrix *w;
  float *dst; /* [m][w.n] */
  gsize ldd;
  NevaEpilogue epilogue;
} NevaProduct;

/* A gated pair: dst = act (x gate^T + gate_bias) * (x up^T + up_bias). */
typedef struct {
  const NevaMatrix *gate, *up; /* the same shape and type */
  const float *gate_bias, *up_bias;
  NevaAct act;
  float *dst; /* [m][gate->w.n] */
  gsize ldd;
} NevaGated;

/* Keys and values lie in blocks of NEVA_KV_PAGE tokens:
 *   block  [layers][kv_heads] { K page, V page }     (attention.h)
 * A block's bytes: neva_kv_block_bytes (). */
typedef struct {
  NevaDType type; /* F32 or BF16 */
  gsize heads, kv_heads, head_dim;
  gsize layer; /* whose pages of the blocks are meant */
  gsize window;
  gboolean causal;
  float scale;
} NevaHeads;

/* A run of tokens of one sequence (or one frame). */
typedef struct {
  void *const *blocks; /* host array [ceil(kv_len / NEVA_KV_PAGE)] */
  gsize row;           /* of the first token in q, k, v and dst */
  gsize rows;
  gsize pos0;   /* its position */
  gsize kv_len; /* tokens in the blocks, these included */
} NevaSpan;

/* Rows of which q and k are turned, then k and v stored. */
typedef struct {
  float *q; /* [rows][heads * head_dim], turned where it lies; or NULL */
  float *k; /* [rows][kv_heads * head_dim]; may hold anything afterwards */
  const float *v; /* likewise */
  gsize ldq, ldk, ldv;
  const float *cosine, *sine; /* [rows][rot / 2] */
  gsize rows, rot;            /* rows: those of all spans */
} NevaRotation;

static inline gsize
neva_kv_block_bytes (
    NevaDType type, gsize layers, gsize kv_heads, gsize head_dim)
{
  return layers * kv_heads * 2 * neva_kv_page_bytes (type, head_dim);
}

typedef enum {
  NEVA_OP_LINEAR,
  NEVA_OP_GATHER,
  NEVA_OP_KV_STORE,
  NEVA_OP_ATTENTION
} NevaOp;

/* Queues operations, and nothing else: no downloads, no waiting, no messages to
 * other ranks. */
typedef void (*NevaStepFunc) (gpointer data);

typedef struct {
  const char *name;
  void (*free) (NevaBackend *b);
  gboolean (*supports) (NevaBackend *b, NevaOp op, NevaDType type);

  void *(*alloc) (NevaBackend *b, gsize bytes, GError **error);
  void (*release) (NevaBackend *b, void *memory, gsize bytes);
  void (*clear) (NevaBackend *b, void *memory, gsize bytes);
  void (*upload) (NevaBackend *b, void *dst, const void *host, gsize bytes);
  void (*download) (NevaBackend *b, void *host, const void *src, gsize bytes);
  gboolean (*synchronize) (NevaBackend *b, GError **error);

  gboolean (*matrix_init) (NevaBackend *b, NevaMatrix *m, NevaDType type,
      const void *host, NevaDType host_type, gsize n, gsize k, GError **error);
  gboolean (*matrix_codes) (NevaBackend *b, NevaMatrix *m, NevaDType type,
      NevaCodesFunc codes, gpointer data, gsize n, gsize k, GError **error);
  void (*matrix_clear) (NevaBackend *b, NevaMatrix *m);

  void (*linear) (NevaBackend *b, const float *x, gsize ldx, gsize m,
      const NevaProduct *products, gsize n_products);
  void (*gated) (
      NevaBackend *b, const float *x, gsize ldx, gsize m, const NevaGated *g);
  void (*gather) (NevaBackend *b, float *dst, gsize ldd,
      const NevaMatrix *table, const gint32 *host_ids, gsize n);
  void (*copy_rows) (NevaBackend *b, float *dst, gsize ldd, const float *src,
      gsize lds, gsize rows, gsize cols);
  void (*rms_norm) (NevaBackend *b, float *dst, const float *x, const float *w,
      gsize rows, gsize dim, float eps);
  void (*layer_norm) (NevaBackend *b, float *dst, const float *x,
      const float *w, const float *bias, gsize rows, gsize dim, float eps);
  void (*rope) (NevaBackend *b, float *x, gsize ldx, const float *cosine,
      const float *sine, gsize rows, gsize heads, gsize head_dim, gsize rot);
  void (*add) (NevaBackend *b, float *dst, const float *x, gsize n);
  void (*add_rows) (NevaBackend *b, float *dst, gsize ldd,
      const gsize *host_rows, const float *x, gsize ldx,
      const float *host_scale, gsize n, gsize dim);
  void (*patches) (NevaBackend *b, float *dst, const guint8 *const *host_frames,
      gsize frames, gsize side, gsize patch, const float host_table[3][256]);
  void (*kv_store) (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
      gsize n_spans, const float *k, gsize ldk, const float *v, gsize ldv);
  void (*rope_store) (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
      gsize n_spans, const NevaRotation *r);
  void (*attention) (NevaBackend *b, const NevaHeads *h, const NevaSpan *spans,
      gsize n_spans, float *dst, gsize ldd, const float *q, gsize ldq);
  void (*sample) (NevaBackend *b, NevaSampled *dst, const float *logits,
      gsize ldl, const NevaSampleRow *host_rows, gsize n);
  void (*step) (NevaBackend *b, guint64 key, NevaStepFunc func, gpointer data);
} NevaBackendClass;

struct _NevaBackend {
  const NevaBackendClass *klass;
  char *notice; /* owned; why "auto" is the CPU, in words; NULL: it is not */
};

/* device: "cpu" or NULL, "cuda" or "cuda:N" (a GPU), "auto" (the first GPU,
 * else the CPU, which the log says). threads: see neva_pool_get ().
 * Returns: (transfer full) or NULL with error. */
NevaBackend *neva_backend_new (
    const char *device, guint threads, GError **error);
NevaBackend *neva_backend_cpu_new (guint threads, guint part, guint parts);
/* Can a device, named as above, compute with E4M3 weights? FALSE with
 * NEVA_ERROR_UNSUPPORTED saying what it lacks, or with why there is no GPU. */
gboolean neva_backend_check_fp8 (const char *device, GError **error);
/* Can GPU `gpu` compute with E4M3 weights? FALSE with NEVA_ERROR_UNSUPPORTED
 * naming its compute capability, or with why there is no GPU. */
gboolean neva_cuda_check_fp8 (guint gpu, GError **error);
NevaBackend *neva_backend_cuda_new (
    guint gpu, guint threads, guint part, guint parts, GError **error);
/* For rank `part` of the `parts` ranks of this process: its share of the
 * threads. gpu: its number among the ranks of this machine, each of which has a
 * GPU of its own, from "cuda:N" on. */
NevaBackend *neva_backend_new_part (const char *device, guint threads,
    guint part, guint parts, guint gpu, GError **error);

/* This is the CPU, though "auto" was asked for: kept, and logged. */
void neva_backend_set_notice (NevaBackend *b, const char *why);

static inline void
neva_backend_free (NevaBackend *b)
{
  if (!b)
    return;
  g_free (b->notice);
  b->klass->free (b);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaBackend, neva_backend_free)

static inline gboolean
neva_backend_supports (NevaBackend *b, NevaOp op, NevaDType type)
{
  return b->klass->supports (b, op, type);
}

/* Aligned to 64, zeros. NULL with NEVA_ERROR_DEVICE; bytes 0 gives NULL without
 * error. */
static inline void *
neva_backend_alloc (NevaBackend *b, gsize bytes, GError **error)
{
  return b->klass->alloc (b, bytes, error);
}

/* `bytes` as asked for. NULL is allowed. */
static inline void
neva_backend_release (NevaBackend *b, void *memory, gsize bytes)
{
  b->klass->release (b, memory, bytes);
}

static inline void
neva_backend_clear (NevaBackend *b, void *memory, gsize bytes)
{
  b->klass->clear (b, memory, bytes);
}

static inline void
neva_backend_upload (NevaBackend *b, void *dst, const void *host, gsize bytes)
{
  b->klass->upload (b, dst, host, bytes);
}

/* Waits for what was queued before. */
static inline void
neva_backend_download (NevaBackend *b, void *host, const void *src, gsize bytes)
{
  b->klass->download (b, host, src, bytes);
}

/* Waits for the queue; FALSE with the first fault since the last call. */
static inline gboolean
neva_backend_synchronize (NevaBackend *b, GError **error)
{
  return b->klass->synchronize (b, error);
}

/* Takes over host numbers [n][k] of host_type (F32, BF16, F16; any alignment)
 * as `type`: in place if it can (then `host` must outlive the matrix),
 * converted, or quantised. F16 is for gather () only. A NaN or infinity is
 * NEVA_ERROR_BAD_FILE. */
static inline gboolean
neva_backend_matrix_init (NevaBackend *b, NevaMatrix *m, NevaDType type,
    const void *host, NevaDType host_type, gsize n, gsize k, GError **error)
{
  return b->klass->matrix_init (b, m, type, host, host_type, n, k, error);
}

/* An I4, I8 or E4M3 matrix [n][k] that is quantised already; I4: k is whole
 * groups. A scale or low that is NaN or infinite is NEVA_ERROR_BAD_FILE. E4M3
 * (fp8.h): `codes` gives one scale, and as `low` the input's; a backend that
 * has none is NEVA_ERROR_UNSUPPORTED. `codes` is not called any more
 * afterwards. */
static inline gboolean
neva_backend_matrix_codes (NevaBackend *b, NevaMatrix *m, NevaDType type,
    NevaCodesFunc codes, gpointer data, gsize n, gsize k, GError **error)
{
  return b->klass->matrix_codes (b, m, type, codes, data, n, k, error);
}

static inline void
neva_backend_matrix_clear (NevaBackend *b, NevaMatrix *m)
{
  b->klass->matrix_clear (b, m);
}

/* products[i].dst = epilogue (x [m][k] W_i^T), for all i. */
static inline void
neva_backend_linear (NevaBackend *b, const float *x, gsize ldx, gsize m,
    const NevaProduct *products, gsize n_products)
{
  b->klass->linear (b, x, ldx, m, products, n_products);
}

static inline void
neva_backend_gated (
    NevaBackend *b, const float *x, gsize ldx, gsize m, const NevaGated *g)
{
  b->klass->gated (b, x, ldx, m, g);
}

/* dst[i] = table[ids[i]]; ids must be inside the table. */
static inline void
neva_backend_gather (NevaBackend *b, float *dst, gsize ldd,
    const NevaMatrix *table, const gint32 *host_ids, gsize n)
{
  b->klass->gather (b, dst, ldd, table, host_ids, n);
}

static inline void
neva_backend_copy_rows (NevaBackend *b, float *dst, gsize ldd, const float *src,
    gsize lds, gsize rows, gsize cols)
{
  b->klass->copy_rows (b, dst, ldd, src, lds, rows, cols);
}

/* rowwise.h says what these compute. */
static inline void
neva_backend_rms_norm (NevaBackend *b, float *dst, const float *x,
    const float *w, gsize rows, gsize dim, float eps)
{
  b->klass->rms_norm (b, dst, x, w, rows, dim, eps);
}

static inline void
neva_backend_layer_norm (NevaBackend *b, float *dst, const float *x,
    const float *w, const float *bias, gsize rows, gsize dim, float eps)
{
  b->klass->layer_norm (b, dst, x, w, bias, rows, dim, eps);
}

static inline void
neva_backend_rope (NevaBackend *b, float *x, gsize ldx, const float *cosine,
    const float *sine, gsize rows, gsize heads, gsize head_dim, gsize rot)
{
  b->klass->rope (b, x, ldx, cosine, sine, rows, heads, head_dim, rot);
}

static inline void
neva_backend_add (NevaBackend *b, float *dst, const float *x, gsize n)
{
  b->klass->add (b, dst, x, n);
}

/* dst[rows[i]] += scale[i] * x[i] for i < n; the rows are all different. */
static inline void
neva_backend_add_rows (NevaBackend *b, float *dst, gsize ldd,
    const gsize *host_rows, const float *x, gsize ldx, const float *host_scale,
    gsize n, gsize dim)
{
  b->klass->add_rows (b, dst, ldd, host_rows, x, ldx, host_scale, n, dim);
}

/* frames [side][side][3] through table to rows of patches (channel, y, x), as a
 * convolution's kernel lies in the file: dst [frames][grid * grid][3 * patch *
 * patch], grid = side / patch. Pixels beyond whole patches are not seen. */
static inline void
neva_backend_patches (NevaBackend *b, float *dst,
    const guint8 *const *host_frames, gsize frames, gsize side, gsize patch,
    const float host_table[3][256])
{
  b->klass->patches (b, dst, host_frames, frames, side, patch, host_table);
}

/* k, v [..][kv_heads * head_dim]: rows of each span at its positions. */
static inline void
neva_backend_kv_store (NevaBackend *b, const NevaHeads *h,
    const NevaSpan *spans, gsize n_spans, const float *k, gsize ldk,
    const float *v, gsize ldv)
{
  b->klass->kv_store (b, h, spans, n_spans, k, ldk, v, ldv);
}

/* The same bits as rope of q, rope of k and kv_store. */
static inline void
neva_backend_rope_store (NevaBackend *b, const NevaHeads *h,
    const NevaSpan *spans, gsize n_spans, const NevaRotation *r)
{
  b->klass->rope_store (b, h, spans, n_spans, r);
}

/* q, dst [..][heads * head_dim]; attention.h says what is computed. */
static inline void
neva_backend_attention (NevaBackend *b, const NevaHeads *h,
    const NevaSpan *spans, gsize n_spans, float *dst, gsize ldd, const float *q,
    gsize ldq)
{
  b->klass->attention (b, h, spans, n_spans, dst, ldd, q, ldq);
}

/* dst[i] = what sample.h chooses from row i of logits by rows[i], for i < n; as
 * it was where its vocab is 0. No vocab is beyond ldl. */
static inline void
neva_backend_sample (NevaBackend *b, NevaSampled *dst, const float *logits,
    gsize ldl, const NevaSampleRow *host_rows, gsize n)
{
  b->klass->sample (b, dst, logits, ldl, host_rows, n);
}

/* Runs the operations that `func` queues, as a whole that comes again: with the
 * same key they are the same operations on the same memory of the backend, but
 * for what is in arrays of the host (uploads of the same size, ids, spans, how
 * tokens are chosen).
 * func may be called several times; its own state must not change by that. */
static inline void
neva_backend_step (
    NevaBackend *b, guint64 key, NevaStepFunc func, gpointer data)
{
  b->klass->step (b, key, func, data);
}

#endif /* NEVA_BACKEND_H */
