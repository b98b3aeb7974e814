/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The CPU backend: kernel table + thread pool. Private to backend/. Every
 * operation is finished when its function returns. */
#ifndef NEVA_BACKEND_CPU_H
#define NEVA_BACKEND_CPU_H

#include "backend.h"
#include "kernels.h"
#include "pool.h"

typedef struct {
  NevaBackend base;
  NevaCpuKernels kernels;
  NevaPool *pool;
  void *xq; /* prepared activations, aligned to 64; grows */
  gsize xq_bytes;
  GError *fault; /* first fault since the last synchronize () */
} NevaBackendCpu;

static inline NevaBackendCpu *
neva_cpu (NevaBackend *b)
{
  return (NevaBackendCpu *) b;
}

/* Runs a job; memory that cannot be had becomes the fault. `operations`: about
 * how many multiply-adds it is; a small job does not wake anybody. */
void neva_cpu_run (NevaBackendCpu *c, NevaPoolFunc func, void *data,
    gsize n_tasks, gsize work_bytes, gsize operations);

void *neva_cpu_alloc (NevaBackend *b, gsize bytes, GError **error);
void neva_cpu_release (NevaBackend *b, void *memory, gsize bytes);

/* cpu_matrix.c */
gboolean neva_cpu_matrix_init (NevaBackend *b, NevaMatrix *m, NevaDType type,
    const void *host, NevaDType host_type, gsize n, gsize k, GError **error);
gboolean neva_cpu_matrix_codes (NevaBackend *b, NevaMatrix *m, NevaDType type,
    NevaCodesFunc codes, gpointer data, gsize n, gsize k, GError **error);
void neva_cpu_matrix_clear (NevaBackend *b, NevaMatrix *m);

/* cpu_linear.c */
void neva_cpu_linear (NevaBackend *b, const float *x, gsize ldx, gsize m,
    const NevaProduct *products, gsize n_products);

void neva_cpu_gated (
    NevaBackend *b, const float *x, gsize ldx, gsize m, const NevaGated *g);

/* cpu_attention.c */
void neva_cpu_kv_store (NevaBackend *b, const NevaHeads *h,
    const NevaSpan *spans, gsize n_spans, const float *k, gsize ldk,
    const float *v, gsize ldv);
void neva_cpu_rope_store (NevaBackend *b, const NevaHeads *h,
    const NevaSpan *spans, gsize n_spans, const NevaRotation *r);
void neva_cpu_attention (NevaBackend *b, const NevaHeads *h,
    const NevaSpan *spans, gsize n_spans, float *dst, gsize ldd, const float *q,
    gsize ldq);

/* cpu_rows.c */
void neva_cpu_gather (NevaBackend *b, float *dst, gsize ldd,
    const NevaMatrix *table, const gint32 *ids, gsize n);
void neva_cpu_copy_rows (NevaBackend *b, float *dst, gsize ldd,
    const float *src, gsize lds, gsize rows, gsize cols);
void neva_cpu_rms_norm (NevaBackend *b, float *dst, const float *x,
    const float *w, gsize rows, gsize dim, float eps);
void neva_cpu_layer_norm (NevaBackend *b, float *dst, const float *x,
    const float *w, const float *bias, gsize rows, gsize dim, float eps);
void neva_cpu_rope (NevaBackend *b, float *x, gsize ldx, const float *cosine,
    const float *sine, gsize rows, gsize heads, gsize head_dim, gsize rot);
void neva_cpu_add (NevaBackend *b, float *dst, const float *x, gsize n);
void neva_cpu_add_rows (NevaBackend *b, float *dst, gsize ldd,
    const gsize *rows, const float *x, gsize ldx, const float *scale, gsize n,
    gsize dim);
void neva_cpu_sample (NevaBackend *b, NevaSampled *dst, const float *logits,
    gsize ldl, const NevaSampleRow *rows, gsize n);
void neva_cpu_patches (NevaBackend *b, float *dst, const guint8 *const *frames,
    gsize n, gsize side, gsize patch, const float table[3][256]);

#endif /* NEVA_BACKEND_CPU_H */
