/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention over bf16 pages on tensor cores, prefill and decode alike.
 *
 * A warp has 16 items: query rows of the heads that share a KV head, so these
 * share what is loaded of it. Pages come by cp.async, one ahead. Keys count in
 * chunks of NEVA_CUDA_CHUNK: a softmax that goes page by page for each chunk,
 * and the chunks' sums are merged in order, by the block itself or, where rows
 * are few and blocks take a chunk each, by a kernel behind it. So an item's
 * bits depend on the keys that it sees only, as attention.h wants.
 *
 * The pages lie as mma reads its right side, two numbers in a word:
 *
 *   K  word [d / 2][key]  A thread reads keys 2g and 2g + 1 at once: columns g
 *                         of two products. So a pair of these, 2j and 2j + 1,
 *                         has keys 16j + 2 column, and 16j + 2 column + 1.
 *   V  word [key / 2][d]  The pair's results in a thread are then the two keys
 *                         of words 8j + 2t and 8j + 2t + 1. Numbers of a value
 *                         go in pairs of products as the keys do.
 *
 * Row lengths in shared memory are 8 mod 32 (K) and 4 mod 16 (V) words: no two
 * threads of a half warp meet in a bank. */
#include "api.h"
#include "numbers.cuh"
#include "pages.cuh"
#include "ptx.cuh"

static const unsigned CHUNK = NEVA_CUDA_CHUNK;
static const unsigned K_ROW = PAGE + 8;
static const unsigned NO_SPLIT = 1; /* chunks of a launch */

/* Words of a page in shared memory: K [DIM / 2][K_ROW], V [32][DIM + 4]. */
template <unsigned DIM> struct Words {
  static const unsigned V_ROW = DIM + 4;
  static const unsigned V = DIM / 2 * K_ROW;
  static const unsigned STAGE = V + PAGE / 2 * V_ROW;
};

/* Sums over the keys of a chunk, or of all chunks so far, for the rows g and
 * g + 8 of a warp. A thread has numbers 16 i + 4 t.. of both (out_at ()). */
template <unsigned DIM> struct Sums {
  float max[2], total[2];
  float out[DIM / 8][4];

  __device__ __forceinline__ void clear ()
  {
    for (unsigned r = 0; r < 2; r++)
      max[r] = -INFINITY, total[r] = 0;
#pragma unroll
    for (unsigned i = 0; i < DIM / 8; i++)
      for (unsigned e = 0; e < 4; e++)
        out[i][e] = 0;
  }
  /* numbers 16 i + 4 t.. of row g (r 0) or g + 8 */
  __device__ __forceinline__ float4 quad (unsigned i, unsigned r) const
  {
    return make_float4 (out[2 * i][2 * r], out[2 * i + 1][2 * r],
        out[2 * i][2 * r + 1], out[2 * i + 1][2 * r + 1]);
  }
};

/* How sums so far (max `m`) and those of a chunk (`by`, `total`) go together:
 * keep * so far + take * chunk. A chunk without keys changes nothing. */
struct Merge {
  float max, keep, take;
};

static __device__ __forceinline__ Merge
merge_of (float m, float by, float total, float c)
{
  const float max = fmaxf (m, by), top = __fmul_rn (max, c);

  if (total == 0)
    return {m, 1, 0};
  return {max, exp2f (__fmul_rn (m, c) - top), exp2f (__fmul_rn (by, c) - top)};
}

static __device__ __forceinline__ float
merged (const Merge &w, float so_far, float chunk)
{
  return fmaf (chunk, w.take, __fmul_rn (so_far, w.keep));
}

static __device__ __forceinline__ float
normalised (float sum, float total)
{
  return total == 0 ? 0 : sum / total;
}

/* Over the four lanes of a row. */
static __device__ __forceinline__ float
row_max (float x)
{
  x = fmaxf (x, __shfl_xor_sync (0xffffffffu, x, 1));
  return fmaxf (x, __shfl_xor_sync (0xffffffffu, x, 2));
}

static __device__ __forceinline__ float
row_sum (float x)
{
  x += __shfl_xor_sync (0xffffffffu, x, 1);
  return x + __shfl_xor_sync (0xffffffffu, x, 2);
}

/* Where an item of a span is, and what it sees. */
struct Item {
  bool there;
  unsigned row, head; /* row of the span; head of all */
  unsigned first, end;
};

static __device__ __forceinline__ Item
item_of (const NevaCudaHeads &h, const NevaCudaSpan &s, unsigned i)
{
  const unsigned group = h.heads / h.kv_heads;
  const unsigned row = i / group;
  size_t first, end;

  visible_keys (h, s, s.pos0 + (size_t) row, &first, &end);
  return {row < s.rows, row, blockIdx.y * group + i % group,
      (unsigned) (first < end ? first : end), (unsigned) end};
}

/* The `keys` first keys of a page are on their way; what lies beside is zero:
 * a number beyond the last key may be NaN. */
template <unsigned DIM, unsigned THREADS>
static __device__ __forceinline__ void
fetch (Shared<uint32_t> *stage, const NevaCudaHeads &h, const uint8_t *k,
    unsigned keys)
{
  const unsigned dim = h.head_dim;
  const uint8_t *v = k + h.page_bytes;

  for (unsigned i = threadIdx.x; i < DIM / 2 * 16; i += THREADS) {
    const unsigned row = i / 16, key = i % 16 * 4;
    const bool take = row < dim / 2 && key < keys;

    cp_async16 (stage + row * K_ROW + key,
        take ? k + ((size_t) row * PAGE + key) * 4 : k, take ? 16 : 0);
  }
  for (unsigned i = threadIdx.x; i < PAGE / 2 * DIM / 4; i += THREADS) {
    const unsigned row = i / (DIM / 4), d = i % (DIM / 4) * 4;
    const bool take = row * 2 < keys && d < dim;

    cp_async16 (stage + Words<DIM>::V + row * Words<DIM>::V_ROW + d,
        take ? v + ((size_t) row * dim + d) * 4 : v, take ? 16 : 0);
  }
}

/* A page with an odd number of keys: the other half of the last word. */
template <unsigned DIM, unsigned THREADS>
static __device__ __forceinline__ void
clear_half (Shared<uint32_t> *stage, unsigned keys)
{
  Shared<uint32_t> *row = stage + Words<DIM>::V + keys / 2 * Words<DIM>::V_ROW;

  for (unsigned d = threadIdx.x; d < DIM; d += THREADS)
    row[d] = row[d] & 0xffffu;
  __syncthreads ();
}

/* The items' queries as left sides, zero beyond head_dim. */
template <unsigned DIM>
static __device__ __forceinline__ void
load_queries (uint32_t (&a)[DIM / 16][4], const NevaCudaHeads &h,
    const NevaCudaSpan &s, const Item (&item)[2], const float *q, size_t ldq)
{
  const unsigned t = threadIdx.x % 4;

#pragma unroll
  for (unsigned i = 0; i < DIM / 16; i++)
    for (unsigned e = 0; e < 4; e++) {
      const Item &it = item[e % 2];
      const unsigned d = i * 16 + e / 2 * 8 + t * 2;
      const float *p = q + (s.row + (size_t) it.row) * ldq +
                       (size_t) it.head * h.head_dim + d;
      const bool take = it.there && d < h.head_dim;

      a[i][e] = take ? pack_bf16 (load (p), load (p + 1)) : 0;
    }
}

/* score[2j + b][e]: key 16j + 2 column + b of the page. */
template <unsigned DIM>
static __device__ __forceinline__ void
scores (float (&score)[8][4], const uint32_t (&a)[DIM / 16][4],
    const Shared<uint32_t> *k)
{
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;

#pragma unroll
  for (unsigned j = 0; j < 4; j++) {
    for (unsigned e = 0; e < 4; e++)
      score[2 * j][e] = score[2 * j + 1][e] = 0;
#pragma unroll
    for (unsigned i = 0; i < DIM / 16; i++) {
      const Shared<uint32_t> *p = k + (i * 8 + t) * K_ROW + j * 16 + g * 2;
      const uint2 low = shared_load<uint2> (p);
      const uint2 high = shared_load<uint2> (p + 4 * K_ROW);

      mma_bf16 (score[2 * j], a[i], {low.x, high.x});
      mma_bf16 (score[2 * j + 1], a[i], {low.y, high.y});
    }
  }
}

/* Scores become probabilities, not yet divided by their sum; `key` is the
 * page's first. */
template <unsigned DIM>
static __device__ __forceinline__ void
soften (Sums<DIM> &sums, float (&score)[8][4], const Item (&item)[2],
    unsigned key, float c)
{
  const unsigned t = threadIdx.x % 4;

#pragma unroll
  for (unsigned r = 0; r < 2; r++) {
    const unsigned first = item[r].first, seen = item[r].end - first;
    float max = -INFINITY;

#pragma unroll
    for (unsigned i = 0; i < 16; i++) {
      const unsigned at = i / 4 * 16 + (t * 2 + i % 2) * 2 + i / 2 % 2;
      float *s = &score[i / 2][r * 2 + i % 2];

      if (key + at - first >= seen)
        *s = -INFINITY;
      max = fmaxf (max, *s);
    }
    max = fmaxf (sums.max[r], row_max (max));

    /* no key yet: any base does, but -infinity less itself */
    const float base = max == -INFINITY ? 0 : __fmul_rn (max, c);
    const float keep = exp2f (__fmul_rn (sums.max[r], c) - base);
    float total = __fmul_rn (sums.total[r], keep);

#pragma unroll
    for (unsigned i = 0; i < 16; i++) {
      float *s = &score[i / 2][r * 2 + i % 2];

      *s = exp2f (fmaf (*s, c, -base));
      total += *s;
    }
    sums.max[r] = max;
    sums.total[r] = total;
#pragma unroll
    for (unsigned i = 0; i < DIM / 8; i++)
      for (unsigned e = 0; e < 2; e++)
        sums.out[i][r * 2 + e] = __fmul_rn (sums.out[i][r * 2 + e], keep);
  }
}

template <unsigned DIM>
static __device__ __forceinline__ void
weigh_values (
    Sums<DIM> &sums, const float (&p)[8][4], const Shared<uint32_t> *v)
{
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;

#pragma unroll
  for (unsigned j = 0; j < 4; j++) {
    uint32_t a[4];

    a[0] = pack_bf16 (p[2 * j][0], p[2 * j + 1][0]);
    a[1] = pack_bf16 (p[2 * j][2], p[2 * j + 1][2]);
    a[2] = pack_bf16 (p[2 * j][1], p[2 * j + 1][1]);
    a[3] = pack_bf16 (p[2 * j][3], p[2 * j + 1][3]);
#pragma unroll
    for (unsigned i = 0; i < DIM / 16; i++) {
      const Shared<uint32_t> *w =
          v + (j * 8 + t * 2) * Words<DIM>::V_ROW + i * 16 + g * 2;
      const uint2 low = shared_load<uint2> (w);
      const uint2 high = shared_load<uint2> (w + Words<DIM>::V_ROW);

      mma_bf16 (sums.out[2 * i], a, {low.x, high.x});
      mma_bf16 (sums.out[2 * i + 1], a, {low.y, high.y});
    }
  }
}

/* The chunk's sums go into those of all, and begin anew. */
template <unsigned DIM>
static __device__ __forceinline__ void
close_chunk (Sums<DIM> &all, Sums<DIM> &chunk, float c)
{
#pragma unroll
  for (unsigned r = 0; r < 2; r++) {
    const float total = row_sum (chunk.total[r]);
    const Merge w = merge_of (all.max[r], chunk.max[r], total, c);

    all.max[r] = w.max;
    all.total[r] = merged (w, all.total[r], total);
#pragma unroll
    for (unsigned i = 0; i < DIM / 8; i++)
      for (unsigned e = 0; e < 2; e++)
        all.out[i][r * 2 + e] =
            merged (w, all.out[i][r * 2 + e], chunk.out[i][r * 2 + e]);
  }
  chunk.clear ();
}

/* Where a chunk's sums of one item are in `work`: [head_dim], max, total. */
static __device__ __forceinline__ float *
work_at (const NevaCudaHeads &h, unsigned span, unsigned row, unsigned head,
    unsigned chunk, unsigned chunks)
{
  const size_t item = ((size_t) span * h.max_rows + row) * h.heads + head;

  return h.work + (item * chunks + chunk) * (h.head_dim + 4);
}

template <unsigned DIM>
static __device__ __forceinline__ void
store_chunk (const NevaCudaHeads &h, const Sums<DIM> &sums,
    const Item (&item)[2], unsigned chunk, unsigned chunks)
{
  const unsigned t = threadIdx.x % 4;

  for (unsigned r = 0; r < 2; r++) {
    if (!item[r].there)
      continue;

    float *to =
        work_at (h, blockIdx.z, item[r].row, item[r].head, chunk, chunks);

#pragma unroll
    for (unsigned i = 0; i < DIM / 16; i++)
      if (i * 16 + t * 4 < h.head_dim)
        store ((float4 *) (to + i * 16 + t * 4), sums.quad (i, r));
    if (t == 0)
      store ((float2 *) (to + h.head_dim),
          make_float2 (sums.max[r], sums.total[r]));
  }
}

template <unsigned DIM>
static __device__ __forceinline__ void
store_rows (float *dst, size_t ldd, const NevaCudaHeads &h,
    const NevaCudaSpan &s, const Sums<DIM> &sums, const Item (&item)[2])
{
  const unsigned t = threadIdx.x % 4;

  for (unsigned r = 0; r < 2; r++) {
    if (!item[r].there)
      continue;

    float *to = dst + (s.row + (size_t) item[r].row) * ldd +
                (size_t) item[r].head * h.head_dim + t * 4;

#pragma unroll
    for (unsigned i = 0; i < DIM / 16; i++) {
      const float4 x = sums.quad (i, r);

      if (i * 16 + t * 4 >= h.head_dim)
        continue;
      store (to + i * 16, normalised (x.x, sums.total[r]));
      store (to + i * 16 + 1, normalised (x.y, sums.total[r]));
      store (to + i * 16 + 2, normalised (x.z, sums.total[r]));
      store (to + i * 16 + 3, normalised (x.w, sums.total[r]));
    }
  }
}

/* blockIdx: (tile of items, chunk), KV head, span; chunks NO_SPLIT: a block
 * has all keys. */
template <unsigned DIM, unsigned WARPS>
__global__ static void
__launch_bounds__ (WARPS * 32) attention_mma (NevaCudaHeads h, float *dst,
    size_t ldd, const float *q, size_t ldq, unsigned chunks)
{
  NEVA_SHARED_DYNAMIC (uint32_t, words);
  const unsigned THREADS = WARPS * 32;
  const NevaCudaSpan s = h.spans[blockIdx.z];
  const unsigned items = s.rows * (h.heads / h.kv_heads);
  const unsigned tile = blockIdx.x / chunks * WARPS * 16;
  const unsigned own = blockIdx.x % chunks;
  const unsigned last = tile + WARPS * 16 < items ? tile + WARPS * 16 : items;
  const unsigned at = tile + threadIdx.x / 32 * 16 + threadIdx.x % 32 / 4;
  const Item item[2] = {item_of (h, s, at), item_of (h, s, at + 8)};
  const float c = h.scale * 1.44269504f;
  uint32_t a[DIM / 16][4];
  float score[8][4];
  Sums<DIM> all, chunk;

  if (tile >= items)
    return;

  unsigned first = item_of (h, s, tile).first;
  unsigned end = item_of (h, s, last - 1).end;

  if (chunks > NO_SPLIT) {
    first = first > own * CHUNK ? first : own * CHUNK;
    end = end < (own + 1) * CHUNK ? end : (own + 1) * CHUNK;
    if (first >= end)
      return;
  }
  load_queries<DIM> (a, h, s, item, q, ldq);
  all.clear (), chunk.clear ();

  const unsigned page0 = first / PAGE;
  const unsigned pages = first < end ? (end + PAGE - 1) / PAGE : page0;

  if (page0 < pages)
    fetch<DIM, THREADS> (
        words, h, k_page (h, s, page0, blockIdx.y), s.kv_len - page0 * PAGE);
  cp_async_commit ();
  for (unsigned page = page0; page < pages; page++) {
    Shared<uint32_t> *stage = words + (page - page0) % 2 * Words<DIM>::STAGE;
    const unsigned keys = s.kv_len - page * PAGE;

    if (page + 1 < pages)
      fetch<DIM, THREADS> (words + (page + 1 - page0) % 2 * Words<DIM>::STAGE,
          h, k_page (h, s, page + 1, blockIdx.y), keys - PAGE);
    cp_async_commit ();
    cp_async_wait<1> ();
    __syncthreads ();
    if (keys < PAGE && keys % 2)
      clear_half<DIM, THREADS> (stage, keys);
    scores<DIM> (score, a, stage);
    soften<DIM> (chunk, score, item, page * PAGE, c);
    weigh_values<DIM> (chunk, score, stage + Words<DIM>::V);
    if (chunks == NO_SPLIT &&
        (page + 1 == pages || (page + 1) % (CHUNK / PAGE) == 0))
      close_chunk<DIM> (all, chunk, c);
    __syncthreads ();
  }
  if (chunks == NO_SPLIT) {
    store_rows<DIM> (dst, ldd, h, s, all, item);
    return;
  }
  for (unsigned r = 0; r < 2; r++)
    chunk.total[r] = row_sum (chunk.total[r]);
  store_chunk<DIM> (h, chunk, item, own, chunks);
}

/* blockIdx: row, head, span; a thread for each number. */
__global__ static void
attention_merge (NevaCudaHeads h, float *dst, size_t ldd, unsigned chunks)
{
  const NevaCudaSpan s = h.spans[blockIdx.z];
  const unsigned row = blockIdx.x, head = blockIdx.y, d = threadIdx.x;
  const float c = h.scale * 1.44269504f;
  float max = -INFINITY, total = 0, sum = 0;
  size_t first, end;

  if (row >= s.rows || d >= h.head_dim)
    return;
  visible_keys (h, s, s.pos0 + (size_t) row, &first, &end);
  for (size_t i = first / CHUNK; first < end && i * CHUNK < end; i++) {
    const float *from =
        work_at (h, blockIdx.z, row, head, (unsigned) i, chunks);
    const float2 of = load ((const float2 *) (from + h.head_dim));
    const Merge w = merge_of (max, of.x, of.y, c);

    max = w.max;
    total = merged (w, total, of.y);
    sum = merged (w, sum, load (from + d));
  }
  store (dst + (s.row + (size_t) row) * ldd + (size_t) head * h.head_dim + d,
      normalised (sum, total));
}

template <unsigned DIM, unsigned WARPS>
static int
attention_tiles (const NevaCudaHeads &h, float *dst, size_t ldd, const float *q,
    size_t ldq, cudaStream_t stream)
{
  const size_t bytes = 2 * Words<DIM>::STAGE * sizeof (uint32_t);
  const size_t items = (size_t) h.max_rows * (h.heads / h.kv_heads);
  const bool split = h.work && neva_cuda_attention_work (&h);
  const unsigned chunks = split ? blocks_for (h.max_kv, CHUNK) : NO_SPLIT;
  const dim3 grid (
      blocks_for (items, WARPS * 16) * chunks, h.kv_heads, h.n_spans);
  const auto kernel = attention_mma<DIM, WARPS>;
  cudaError_t error = cudaFuncSetAttribute (
      kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, (int) bytes);

  if (!error)
    error = NEVA_LAUNCH (kernel, grid, dim3 (WARPS * 32), bytes, stream, h, dst,
        ldd, q, ldq, chunks);
  if (!error && split)
    error = NEVA_LAUNCH (attention_merge, dim3 (h.max_rows, h.heads, h.n_spans),
        dim3 (128), 0, stream, h, dst, ldd, chunks);
  return error;
}

template <unsigned DIM>
static int
launch_dim (const NevaCudaHeads &h, float *dst, size_t ldd, const float *q,
    size_t ldq, cudaStream_t stream)
{
  if ((size_t) h.max_rows * (h.heads / h.kv_heads) <= 16)
    return attention_tiles<DIM, 1> (h, dst, ldd, q, ldq, stream);
  return attention_tiles<DIM, NEVA_CUDA_ATTENTION_TILE / 16> (
      h, dst, ldd, q, ldq, stream);
}

int
neva_cuda_attention_mma (const NevaCudaHeads &h, float *dst, size_t ldd,
    const float *q, size_t ldq, cudaStream_t stream)
{
  if (h.head_dim <= 32)
    return launch_dim<32> (h, dst, ldd, q, ldq, stream);
  if (h.head_dim <= 64)
    return launch_dim<64> (h, dst, ldd, q, ldq, stream);
  if (h.head_dim <= 80)
    return launch_dim<80> (h, dst, ldd, q, ldq, stream);
  if (h.head_dim <= 96)
    return launch_dim<96> (h, dst, ldd, q, ldq, stream);
  return launch_dim<128> (h, dst, ldd, q, ldq, stream);
}
