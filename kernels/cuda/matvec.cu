/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products with few rows, read at the speed of memory.
 *
 * BF16: on tensor cores with W on the left: a block has 16 columns of the
 * result and all rows of x, its warps take 32 numbers along k in turn. A thread
 * reads 16 bytes of two rows of W, numbers 8 t..: words of both registers of
 * two products, and x is taken in the same order. The warps' sums are added in
 * order, so a row's bits do not depend on the others.
 *
 * F32, and rows of W that are not whole 16-byte words: a warp for each column
 * reads its row of W once and keeps a sum for every row of x. */
#include "api.h"
#include "numbers.cuh"
#include "ptx.cuh"

static const unsigned WARPS = 4;    /* of the exact kernel */
static const unsigned SPLIT = 8;    /* warps along k */
static const unsigned COLUMNS = 16; /* of a block */
static const unsigned STEP = SPLIT * 32;
static const unsigned ROWS = NEVA_CUDA_FEW_ROWS;

template <typename T> struct Weight;
template <> struct Weight<float> {
  static __device__ float value (float w)
  {
    return w;
  }
  static __device__ float input (float x)
  {
    return x;
  }
};
template <> struct Weight<uint16_t> {
  static __device__ float value (uint16_t w)
  {
    return from_bf16 (w);
  }
  static __device__ float input (float x)
  {
    return round_bf16 (x);
  }
};

template <typename T>
__global__ static void
matvec (float *dst, size_t ldd, const float *x, size_t ldx, const T *w,
    size_t n, size_t k, NevaEpilogue epilogue, unsigned m)
{
  const unsigned lane = threadIdx.x % 32;
  const size_t column = (size_t) blockIdx.x * WARPS + threadIdx.x / 32;
  float sum[ROWS] = {0};

  if (column >= n)
    return;
  for (size_t i = lane; i < k; i += 32) {
    const float v = Weight<T>::value (load (w + column * k + i));

#pragma unroll
    for (unsigned r = 0; r < ROWS; r++)
      if (r < m)
        sum[r] += v * Weight<T>::input (load (x + r * ldx + i));
    count_multiply_adds (m);
  }
#pragma unroll
  for (unsigned r = 0; r < ROWS; r++) {
    if (r >= m)
      break;

    const float total = warp_sum (sum[r]);

    if (lane == 0)
      finish (dst + r * ldd + column, total, epilogue, column);
  }
}

/* Numbers i.. of a row of x as four words of bf16; `wide`: x is aligned to 16.
 */
static __device__ __forceinline__ uint4
load_inputs (const float *x, bool wide)
{
  float4 a, b;

  if (wide) {
    a = load ((const float4 *) x);
    b = load ((const float4 *) x + 1);
  } else {
    a = make_float4 (load (x), load (x + 1), load (x + 2), load (x + 3));
    b = make_float4 (load (x + 4), load (x + 5), load (x + 6), load (x + 7));
  }
  return make_uint4 (pack_bf16 (a.x, a.y), pack_bf16 (a.z, a.w),
      pack_bf16 (b.x, b.y), pack_bf16 (b.z, b.w));
}

/* What a thread has of two rows of W at a time. */
struct Codes {
  uint4 low, high;
};

/* Numbers `at`.. of columns `column` and `column` + 8; nothing beyond. */
static __device__ __forceinline__ Codes
load_codes (const uint16_t *w, size_t column, size_t at, size_t n, size_t k)
{
  const uint16_t *row = w + column * k + at;
  const uint4 none = make_uint4 (0, 0, 0, 0);

  return {at < k && column < n ? load ((const uint4 *) row) : none,
      at < k && column + 8 < n ? load ((const uint4 *) (row + 8 * k)) : none};
}

/* TILES of 8 rows of x: sum[i][e] is row 8 i + 2 t + e % 2 of column g, or g +
 * 8 for e > 1. W is read two steps ahead. */
template <unsigned TILES>
static __device__ __forceinline__ void
multiply (float (&sum)[TILES][4], const float *x, size_t ldx, const uint16_t *w,
    size_t column, size_t n, size_t k, unsigned m, bool wide)
{
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const size_t first = threadIdx.x / 32 * 32 + t * 8;
  const uint4 none = make_uint4 (0, 0, 0, 0);
  Codes next = load_codes (w, column + g, first, n, k);
  Codes after = load_codes (w, column + g, first + STEP, n, k);

  for (size_t at = first; at - t * 8 < k; at += STEP) {
    const Codes c = next;

    next = after;
    after = load_codes (w, column + g, at + 2 * STEP, n, k);
#pragma unroll
    for (unsigned i = 0; i < TILES; i++) {
      const unsigned r = i * 8 + g;
      const uint4 v =
          at < k && r < m ? load_inputs (x + r * ldx + at, wide) : none;

      mma_bf16 (sum[i], {c.low.x, c.high.x, c.low.y, c.high.y}, {v.x, v.y});
      mma_bf16 (sum[i], {c.low.z, c.high.z, c.low.w, c.high.w}, {v.z, v.w});
    }
  }
}

/* The warps' sums of a product. */
template <unsigned TILES>
using Part = Shared<float>[SPLIT][TILES * 8][COLUMNS + 1];

/* Thread c + COLUMNS r gets row r of x times column `column` + c of W^T, for r
 * < m. All threads call it; `part` may be used again at once. */
template <unsigned TILES>
static __device__ __forceinline__ float
block_product (Part<TILES> &part, const float *x, size_t ldx, const uint16_t *w,
    size_t column, size_t n, size_t k, unsigned m, bool wide)
{
  const unsigned warp = threadIdx.x / 32;
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const unsigned r = threadIdx.x / COLUMNS, c = threadIdx.x % COLUMNS;
  float sum[TILES][4] = {}, total = 0;

  multiply<TILES> (sum, x, ldx, w, column, n, k, m, wide);
  for (unsigned i = 0; i < TILES; i++)
    for (unsigned e = 0; e < 4; e++)
      part[warp][i * 8 + t * 2 + e % 2][g + e / 2 * 8] = sum[i][e];
  __syncthreads ();
  for (unsigned i = 0; i < SPLIT && r < m; i++)
    total += part[i][r][c];
  __syncthreads ();
  return total;
}

template <unsigned TILES>
__global__ static void
__launch_bounds__ (SPLIT * 32) matvec_mma (float *dst, size_t ldd,
    const float *x, size_t ldx, const uint16_t *w, size_t n, size_t k,
    NevaEpilogue epilogue, unsigned m, bool wide)
{
  NEVA_SHARED (float, part, [SPLIT][TILES * 8][COLUMNS + 1]);
  const size_t first = (size_t) blockIdx.x * COLUMNS;
  const size_t column = first + threadIdx.x % COLUMNS;
  const unsigned r = threadIdx.x / COLUMNS;
  const float total =
      block_product<TILES> (part, x, ldx, w, first, n, k, m, wide);

  if (r < m && column < n)
    finish (dst + r * ldd + column, total, epilogue, column);
}

/* Both products of a gated pair, one after the other: what matvec_mma and
 * act_mul make of them. */
template <unsigned TILES>
__global__ static void
__launch_bounds__ (SPLIT * 32) gated_mma (float *dst, size_t ldd,
    const float *x, size_t ldx, const uint16_t *gate, const uint16_t *up,
    size_t n, size_t k, const float *gate_bias, const float *up_bias,
    NevaAct act, unsigned m, bool wide)
{
  NEVA_SHARED (float, part, [SPLIT][TILES * 8][COLUMNS + 1]);
  const size_t first = (size_t) blockIdx.x * COLUMNS;
  const size_t column = first + threadIdx.x % COLUMNS;
  const unsigned r = threadIdx.x / COLUMNS;
  float a = block_product<TILES> (part, x, ldx, gate, first, n, k, m, wide);
  float b = block_product<TILES> (part, x, ldx, up, first, n, k, m, wide);

  if (r >= m || column >= n)
    return;
  a = gate_bias ? a + load (gate_bias + column) : a;
  b = up_bias ? b + load (up_bias + column) : b;
  store (dst + r * ldd + column, activate (a, act) * b);
}

extern "C" NEVA_DECL_CUDA_MATVEC (neva_cuda_matvec)
{
  const size_t n = host_w->n, k = host_w->k;
  const dim3 grid (blocks_for (n, WARPS)), block (WARPS * 32);
  const uint16_t *w = (const uint16_t *) host_w->data;
  const bool wide = (uintptr_t) x % 16 == 0 && ldx % 4 == 0;

  if (!m)
    return 0;
  if (host_w->type == NEVA_DTYPE_F32)
    return NEVA_LAUNCH (matvec<float>, grid, block, 0, stream, dst, ldd, x, ldx,
        (const float *) host_w->data, n, k, epilogue, (unsigned) m);
  if (k % 8 != 0 || (uintptr_t) w % 16 != 0)
    return NEVA_LAUNCH (matvec<uint16_t>, grid, block, 0, stream, dst, ldd, x,
        ldx, w, n, k, epilogue, (unsigned) m);
  return NEVA_LAUNCH ((m <= 8 ? matvec_mma<1> : matvec_mma<2>),
      dim3 (blocks_for (n, COLUMNS)), dim3 (SPLIT * 32), 0, stream, dst, ldd, x,
      ldx, w, n, k, epilogue, (unsigned) m, wide);
}

extern "C" NEVA_DECL_CUDA_MATVEC_GATED (neva_cuda_matvec_gated)
{
  const size_t n = host_gate->n, k = host_gate->k;
  const bool wide = (uintptr_t) x % 16 == 0 && ldx % 4 == 0;

  if (!m)
    return 0;
  return NEVA_LAUNCH ((m <= 8 ? gated_mma<1> : gated_mma<2>),
      dim3 (blocks_for (n, COLUMNS)), dim3 (SPLIT * 32), 0, stream, dst, ldd, x,
      ldx, (const uint16_t *) host_gate->data, (const uint16_t *) host_up->data,
      n, k, gate_bias, up_bias, act, (unsigned) m, wide);
}
