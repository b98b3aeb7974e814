/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Launchers in the clothes of the CPU's kernels, so that checkkern's cases
 * judge them: the same inputs, tolerances and traps. */
#include "config.h"
#include <stdlib.h>
#include "device.h"
#include "matmul_layout.h"

#define FLOATS(n) ((n) * sizeof (float))

static NEVA_DECL_RMS_NORM (rms_norm)
{
  const size_t bytes = FLOATS (rows * dim);
  float *dx = to_device (x, bytes), *dw = to_device (w, FLOATS (dim));
  float *out = dst == x ? dx : to_device (NULL, bytes);

  device_status (
      "launch", cuda->rms_norm (out, dx, dw, rows, dim, eps, stream));
  from_device (dst, out, bytes);
  device_end ();
}

static NEVA_DECL_LAYER_NORM (layer_norm)
{
  const size_t bytes = FLOATS (rows * dim);
  float *dx = to_device (x, bytes), *dw = to_device (w, FLOATS (dim));
  float *db = b ? to_device (b, FLOATS (dim)) : NULL;
  float *out = dst == x ? dx : to_device (NULL, bytes);

  device_status (
      "launch", cuda->layer_norm (out, dx, dw, db, rows, dim, eps, stream));
  from_device (dst, out, bytes);
  device_end ();
}

static NEVA_DECL_ROPE (rope)
{
  const size_t bytes = FLOATS ((rows - 1) * ldx + heads * head_dim);
  const size_t angles = FLOATS (rows * (rot / 2));
  float *dx = to_device (x, bytes);

  device_status ("launch",
      cuda->rope (dx, ldx, to_device (cosine, angles), to_device (sine, angles),
          rows, heads, head_dim, rot, stream));
  from_device (x, dx, bytes);
  device_end ();
}

static NEVA_DECL_ADD (add)
{
  float *d = to_device (dst, FLOATS (n));

  device_status ("launch", cuda->add (d, to_device (x, FLOATS (n)), n, stream));
  from_device (dst, d, FLOATS (n));
  device_end ();
}

/* Floats from the first to the last of `rows`. */
static size_t
span_bytes (size_t rows, size_t ld, size_t dim)
{
  return rows ? FLOATS ((rows - 1) * ld + dim) : 0;
}

static NEVA_DECL_ACT_MUL (act_mul)
{
  float *dg = to_device (gate, span_bytes (rows, ldg, dim));
  float *du = to_device (up, span_bytes (rows, ldu, dim));
  float *out = dst == gate ? dg : to_device (dst, span_bytes (rows, ldd, dim));

  device_status ("launch",
      cuda->act_mul (out, ldd, dg, ldg, du, ldu, rows, dim, act, stream));
  from_device (dst, out, span_bytes (rows, ldd, dim));
  device_end ();
}

/* An epilogue without a bias is the activation alone. */
static NEVA_DECL_ACTIVATE (activate)
{
  float *dx = to_device (x, FLOATS (n));
  float *out = dst == x ? dx : to_device (NULL, FLOATS (n));

  device_status ("launch",
      cuda->epilogue (out, n, dx, n, 1, n, (NevaEpilogue){.act = act}, stream));
  from_device (dst, out, FLOATS (n));
  device_end ();
}

static void
act_prepare (NevaDType type, void *xq, const float *x, size_t ldx, size_t m,
    size_t k, size_t m0, size_t m1)
{
  const size_t stride = neva_act_row_bytes (type, k);
  const size_t rows = m1 - m0;
  void *out = to_device (NULL, rows * stride);

  device_status (
      "launch", cuda->act_prepare (out,
                    to_device (x + m0 * ldx, span_bytes (rows, ldx, k)), ldx,
                    type, rows, k, stream));
  from_device ((char *) xq + m0 * stride, out, rows * stride);
  device_end ();
}

static NEVA_DECL_ACT_PREPARE (act_prepare_i8)
{
  act_prepare (NEVA_DTYPE_I8, xq, x, ldx, m, k, m0, m1);
}

static NEVA_DECL_ACT_PREPARE (act_prepare_i4)
{
  act_prepare (NEVA_DTYPE_I4, xq, x, ldx, m, k, m0, m1);
}

/* ---- Products ----------------------------------------------------------- */

/* What act_prepare made of x, as floats on the device: [m][k]. */
static float *
widen (const void *xq, NevaDType type, size_t m, size_t k)
{
  const size_t stride = neva_act_row_bytes (type, k);
  float *x = check_buf (m * k), *device;

  for (size_t r = 0; r < m; r++)
    for (size_t i = 0; i < k; i++) {
      const char *row = (const char *) xq + r * stride;

      x[r * k + i] = type == NEVA_DTYPE_F32
                         ? ((const float *) row)[i]
                         : neva_bf16_to_f32 (((const uint16_t *) row)[i]);
    }
  device = to_device (x, FLOATS (m * k));
  check_free (x);
  return device;
}

/* As the backend does it for many rows. */
static void
large (float *dst, size_t ldd, float *x, const NevaWeight *w, NevaEpilogue e,
    size_t m)
{
  float *sum = to_device (NULL, FLOATS (m * w->n));
  void *in = x;

  if (w->type == NEVA_DTYPE_BF16) {
    in = to_device (NULL, m * w->k * 2);
    device_status ("launch", cuda->to_bf16 (in, x, w->k, m, w->k, stream));
  }
  device_status ("product", cuda->run.blas_gemm (blas, sum, w->n, in, w->k,
                                w->data, w->type, m, w->n, w->k, false));
  device_status (
      "launch", cuda->epilogue (dst, ldd, sum, w->n, m, w->n, e, stream));
}

static NEVA_DECL_MATMUL (matmul)
{
  const bool groups = w->type == NEVA_DTYPE_I8 || w->type == NEVA_DTYPE_I4;
  const size_t bytes = span_bytes (m, ldd, w->n);
  const size_t packed = neva_packed_bytes (w->type, w->n, w->k);
  const size_t plain = w->n * w->k * (w->type == NEVA_DTYPE_F32 ? 4 : 2);
  float *out = to_device (dst, bytes), *host = check_alloc (bytes);
  NevaWeight dw = *w;
  NevaEpilogue e = *epilogue;

  dw.data = to_device (w->data, packed ? packed : plain);
  if (e.bias)
    e.bias = to_device (e.bias, FLOATS (w->n));
  if (groups)
    device_status (
        "launch", cuda->matmul_groups (out, ldd,
                      to_device (xq, neva_act_bytes (w->type, m, w->k)), &dw, e,
                      m, stream));
  else if (m <= NEVA_CUDA_FEW_ROWS)
    device_status (
        "launch", cuda->matvec (out, ldd, widen (xq, w->type, m, w->k), w->k,
                      &dw, e, m, stream));
  else
    large (out, ldd, widen (xq, w->type, m, w->k), &dw, e, m);
  from_device (host, out, bytes);
  /* what lies between the rows came along, and must be as it was */
  for (size_t r = 0; r < m; r++) {
    memcpy (dst + r * ldd + n0, host + r * ldd + n0, FLOATS (n1 - n0));
    if (r + 1 < m)
      memcpy (dst + r * ldd + w->n, host + r * ldd + w->n, FLOATS (ldd - w->n));
  }
  check_free (host);
  device_end ();
}

/* checkkern tells functions by their address: one for each type. */
#define MATMUL(type)                                                           \
  static NEVA_DECL_MATMUL (matmul_##type)                                      \
  {                                                                            \
    matmul (dst, ldd, xq, w, epilogue, m, n0, n1, work);                       \
  }
MATMUL (f32)
MATMUL (bf16)
MATMUL (i8)
MATMUL (i4)

/* ---- Attention ---------------------------------------------------------- */

static NEVA_DECL_KV_STORE (kv_store)
{
  const size_t page = neva_kv_page_bytes (type, head_dim);
  char *both = check_alloc (2 * page);
  struct {
    NevaCudaSpan span;
    void *block;
  } list = {{sizeof list.span, 0, (uint32_t) count, (uint32_t) slot,
                (uint32_t) (slot + count)},
      NULL};
  NevaCudaHeads h = {.n_spans = 1,
      .max_rows = (uint32_t) count,
      .heads = 1,
      .kv_heads = 1,
      .head_dim = (uint32_t) head_dim,
      .type = type,
      .page_bytes = page};

  memcpy (both, kpage, page);
  memcpy (both + page, vpage, page);
  list.block = to_device (both, 2 * page);
  h.spans = to_device (&list, sizeof list);
  device_status ("launch",
      cuda->kv_store (&h, to_device (k, span_bytes (count, ldk, head_dim)), ldk,
          to_device (v, span_bytes (count, ldv, head_dim)), ldv, stream));
  from_device (both, list.block, 2 * page);
  memcpy (kpage, both, page);
  memcpy (vpage, both + page, page);
  check_free (both);
  device_end ();
}

/* One block for each page: K, then V; NULL where the caller has none. */
static void *
pages_to_device (const NevaAttention *a)
{
  const size_t page = neva_kv_page_bytes (a->type, a->head_dim);
  const size_t pages = (a->kv_len + NEVA_KV_PAGE - 1) / NEVA_KV_PAGE;
  const size_t bytes = sizeof (NevaCudaSpan) + pages * sizeof (void *);
  char *list = check_alloc (bytes), *both = check_alloc (2 * page), *device;
  const NevaCudaSpan span = {sizeof span, 0, (uint32_t) a->rows,
      (uint32_t) a->pos0, (uint32_t) a->kv_len};

  memcpy (list, &span, sizeof span);
  for (size_t i = 0; i < pages; i++) {
    void *block = NULL;

    if (a->k[i]) {
      memcpy (both, a->k[i], page);
      memcpy (both + page, a->v[i], page);
      block = to_device (both, 2 * page);
    }
    memcpy (list + sizeof span + i * sizeof block, &block, sizeof block);
  }
  device = to_device (list, bytes);
  check_free (list), check_free (both);
  return device;
}

static NEVA_DECL_ATTENTION (attention)
{
  const size_t width = a->group * a->head_dim;
  const size_t bytes = span_bytes (a->rows, a->ldd, width);
  float *out = to_device (dst, bytes);
  static unsigned calls;
  NevaCudaHeads h = {.spans = pages_to_device (a),
      .n_spans = 1,
      .max_rows = (uint32_t) a->rows,
      .max_kv = (uint32_t) a->kv_len,
      .heads = (uint32_t) a->group,
      .kv_heads = 1,
      .head_dim = (uint32_t) a->head_dim,
      .window = (uint32_t) a->window,
      .type = a->type,
      .causal = a->causal,
      .scale = a->scale,
      .page_bytes = neva_kv_page_bytes (a->type, a->head_dim)};
  const size_t scratch = neva_cuda_attention_work (&h);

  /* with and without: the bits must be the same (check_chunks) */
  if (scratch && calls++ % 2 == 0)
    h.work = to_device (NULL, scratch);
  device_status ("launch",
      cuda->attention (&h, out, a->ldd,
          to_device (q, span_bytes (a->rows, a->ldq, width)), a->ldq, stream));
  from_device (dst, out, bytes);
  device_end ();
}

void
device_kernels (NevaCpuKernels *k)
{
  *k = (NevaCpuKernels){.kv_store = kv_store,
      .attention = attention,
      .rms_norm = rms_norm,
      .layer_norm = layer_norm,
      .rope = rope,
      .activate = activate,
      .act_mul = act_mul,
      .add = add};
  k->act_prepare[NEVA_DTYPE_I8] = act_prepare_i8;
  k->act_prepare[NEVA_DTYPE_I4] = act_prepare_i4;
  k->matmul[NEVA_DTYPE_F32] = matmul_f32;
  k->matmul[NEVA_DTYPE_BF16] = matmul_bf16;
  k->matmul[NEVA_DTYPE_I8] = matmul_i8;
  k->matmul[NEVA_DTYPE_I4] = matmul_i4;
}
