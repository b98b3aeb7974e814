/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention over pages (kernels/attention.h): storing keys and values, and the
 * exact kernel, for f32 and for head sizes that attention_mma.cu does not take.
 * A block of 64 threads has one query row of one head: for the scores each
 * thread takes a key of the page, for the sums it takes every 64th number of a
 * value. */
#include "api.h"
#include "numbers.cuh"
#include "pages.cuh"

static const unsigned STORE_THREADS = 256;
static const unsigned MAX_DIM = 256;

/* Element of a K page, of a V page. */
static __device__ __forceinline__ size_t
k_index (NevaDType type, size_t slot, size_t d)
{
  return type == NEVA_DTYPE_F32 ? d * PAGE + slot
                                : (d / 2 * PAGE + slot) * 2 + d % 2;
}

static __device__ __forceinline__ size_t
v_index (NevaDType type, size_t head_dim, size_t slot, size_t d)
{
  return type == NEVA_DTYPE_F32 ? slot * head_dim + d
                                : (slot / 2 * head_dim + d) * 2 + slot % 2;
}

static __device__ __forceinline__ void
store_number (void *page, NevaDType type, size_t i, float x)
{
  if (type == NEVA_DTYPE_F32)
    store ((float *) page + i, x);
  else
    store ((uint16_t *) page + i, to_bf16 (x));
}

static __device__ __forceinline__ float
load_number (const void *page, NevaDType type, size_t i)
{
  return type == NEVA_DTYPE_F32
             ? load ((const float *) page + i)
             : from_bf16 (load ((const uint16_t *) page + i));
}

/* A thread for each number of a token's keys; blockIdx.y: the span. */
__global__ static void
kv_store (
    NevaCudaHeads h, const float *k, size_t ldk, const float *v, size_t ldv)
{
  const NevaCudaSpan s = h.spans[blockIdx.y];
  const size_t width = (size_t) h.kv_heads * h.head_dim;
  const size_t at = (size_t) blockIdx.x * STORE_THREADS + threadIdx.x;
  const size_t r = at / width, column = at % width;

  if (r >= s.rows)
    return;

  const size_t head = column / h.head_dim, d = column % h.head_dim;
  const size_t pos = s.pos0 + r, slot = pos % PAGE;
  uint8_t *page = k_page (h, s, pos / PAGE, head);

  store_number (page, h.type, k_index (h.type, slot, d),
      load (k + (s.row + r) * ldk + column));
  store_number (page + h.page_bytes, h.type,
      v_index (h.type, h.head_dim, slot, d),
      load (v + (s.row + r) * ldv + column));
}

extern "C" NEVA_DECL_CUDA_KV_STORE (neva_cuda_kv_store)
{
  const NevaCudaHeads h = *host_heads;
  const size_t n = (size_t) h.max_rows * h.kv_heads * h.head_dim;
  const dim3 grid (blocks_for (n, STORE_THREADS), h.n_spans);

  if (!n || !h.n_spans)
    return 0;
  return NEVA_LAUNCH (
      kv_store, grid, dim3 (STORE_THREADS), 0, stream, h, k, ldk, v, ldv);
}

/* Numbers d and d + half of a head that begins at x, turned. */
static __device__ __forceinline__ void
turned (const NevaCudaRotation &t, const float *x, size_t row, size_t half,
    size_t d, float *a, float *b)
{
  *a = load (x + d);
  *b = load (x + d + half);
  rotate (
      a, b, load (t.cosine + row * half + d), load (t.sine + row * half + d));
}

/* A thread for each pair of q, then for each pair of k and each number of it
 * that is not turned, then for each number of v; blockIdx.y: the span. */
__global__ static void
rope_store (NevaCudaHeads h, NevaCudaRotation t, size_t half)
{
  const NevaCudaSpan s = h.spans[blockIdx.y];
  const size_t dim = h.head_dim, rest = dim - half;
  const size_t of_q = t.q ? h.heads * half : 0, of_k = h.kv_heads * rest;
  const size_t width = of_q + of_k + h.kv_heads * dim;
  const size_t at = (size_t) blockIdx.x * STORE_THREADS + threadIdx.x;
  const size_t r = at / width, i = at % width;
  const size_t row = s.row + r, pos = s.pos0 + r, slot = pos % PAGE;
  float a, b;

  if (r >= s.rows)
    return;
  if (i < of_q) {
    const size_t d = i % half;
    float *x = t.q + row * t.ldq + i / half * dim;

    turned (t, x, row, half, d, &a, &b);
    store (x + d, a);
    store (x + d + half, b);
  } else if (i < of_q + of_k) {
    const size_t head = (i - of_q) / rest, d = (i - of_q) % rest;
    const float *x = t.k + row * t.ldk + head * dim;
    uint8_t *page = k_page (h, s, pos / PAGE, head);

    if (d < half) {
      turned (t, x, row, half, d, &a, &b);
      store_number (page, h.type, k_index (h.type, slot, d), a);
    } else {
      b = load (x + d + half);
    }
    store_number (page, h.type, k_index (h.type, slot, d + half), b);
  } else {
    const size_t column = i - of_q - of_k, head = column / dim;

    store_number (k_page (h, s, pos / PAGE, head) + h.page_bytes, h.type,
        v_index (h.type, dim, slot, column % dim),
        load (t.v + row * t.ldv + column));
  }
}

extern "C" NEVA_DECL_CUDA_ROPE_STORE (neva_cuda_rope_store)
{
  const NevaCudaHeads h = *host_heads;
  const NevaCudaRotation t = *host_rotation;
  const size_t half = t.rot / 2;
  const size_t n =
      (size_t) h.max_rows * ((t.q ? h.heads * half : 0) +
                                h.kv_heads * (2 * (size_t) h.head_dim - half));
  const dim3 grid (blocks_for (n, STORE_THREADS), h.n_spans);

  if (!n || !h.n_spans)
    return 0;
  return NEVA_LAUNCH (
      rope_store, grid, dim3 (STORE_THREADS), 0, stream, h, t, half);
}

__global__ static void
attention (NevaCudaHeads h, float *dst, size_t ldd, const float *q, size_t ldq)
{
  NEVA_SHARED (float, query, [MAX_DIM]);
  NEVA_SHARED (float, p, [PAGE]);
  NEVA_SHARED (float, partial, [32]);
  const NevaCudaSpan s = h.spans[blockIdx.z];
  const unsigned t = threadIdx.x, dim = h.head_dim, head = blockIdx.y;
  const size_t row = blockIdx.x;
  const size_t column = (size_t) head * dim;
  float sum[MAX_DIM / PAGE] = {0}, max = -INFINITY, total = 0;
  size_t first, end;

  if (row >= s.rows)
    return;
  for (unsigned d = t; d < dim; d += PAGE) {
    const float x = load (q + (s.row + row) * ldq + column + d);

    query[d] = h.type == NEVA_DTYPE_F32 ? x : round_bf16 (x);
  }
  visible_keys (h, s, s.pos0 + row, &first, &end);
  __syncthreads ();

  for (size_t page = first / PAGE; page * PAGE < end; page++) {
    const uint8_t *k = k_page (h, s, page, head / (h.heads / h.kv_heads));
    const uint8_t *v = k + h.page_bytes;
    const size_t key = page * PAGE + t;
    const bool seen = key >= first && key < end;
    float score = -INFINITY, dot = 0;

    if (seen) {
      for (unsigned d = 0; d < dim; d++)
        dot += query[d] * load_number (k, h.type, k_index (h.type, t, d));
      score = dot * h.scale;
    }

    const float top = fmaxf (max, block_max (score, partial));
    const float shrink = max == top ? 1 : expf (max - top);
    const float weight = seen ? expf (score - top) : 0;

    p[t] = weight;
    total = total * shrink + block_sum (weight, partial);
    max = top;
    for (unsigned i = 0; i < MAX_DIM / PAGE; i++) {
      const unsigned d = t + i * PAGE;

      if (d >= dim)
        break;
      sum[i] *= shrink;
      /* slots that nobody sees may hold anything */
      for (unsigned j = 0; j < PAGE; j++)
        if (page * PAGE + j >= first && page * PAGE + j < end)
          sum[i] += p[j] * load_number (v, h.type, v_index (h.type, dim, j, d));
    }
    count_multiply_adds (2 * dim);
    __syncthreads ();
  }
  for (unsigned i = 0; i < MAX_DIM / PAGE; i++) {
    const unsigned d = t + i * PAGE;

    if (d < dim)
      store (dst + (s.row + row) * ldd + column + d,
          total == 0 ? 0 : sum[i] / total);
  }
}

extern "C" NEVA_DECL_CUDA_ATTENTION (neva_cuda_attention)
{
  const NevaCudaHeads h = *host_heads;

  if (!h.max_rows || !h.n_spans)
    return 0;
  if (h.type == NEVA_DTYPE_BF16 && neva_cuda_mma_takes (h.head_dim))
    return neva_cuda_attention_mma (h, dst, ldd, q, ldq, stream);
  return NEVA_LAUNCH (attention, dim3 (h.max_rows, h.heads, h.n_spans),
      dim3 (PAGE), 0, stream, h, dst, ldd, q, ldq);
}
