/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products with int8 and int4 weights in groups of 128: activations become int8
 * per group, sums over a group are exact, on tensor cores.
 *
 * The packed layout (matmul_layout.h) holds the codes as mma_s8 reads its right
 * side: a word has codes of one column. A thread reads four columns at once:
 * column 4 g + i is column g of product i. Along the group, step s of a product
 * has words 8 t.. of x for both registers of a side, and the same of W.
 *
 * Groups count in RANGES runs whose sums are added in order; for few rows the
 * warps of a block have a run each, for many rows a warp has all. So a row's
 * bits do not depend on how many there are. */
#include "api.h"
#include "matmul_layout.h"
#include "numbers.cuh"
#include "ptx.cuh"

static const unsigned RANGES = 8;
static const unsigned WARP_COLUMNS = 32;
static const unsigned FEW = 16;         /* rows of a tile of few */
static const unsigned FEW_TILES = 4;    /* with more rows than these: many */
static const unsigned MANY = 128;       /* rows of a block of many */
static const unsigned X_ROW = 128 + 32; /* bytes: 8 mod 32 words */

/* A warp for each group of a row; a lane has four neighbours. */
__global__ static void
act_prepare (uint8_t *xq, const float *x, size_t ldx, NevaDType type, size_t k,
    size_t stride, size_t scale_offset, size_t sum_offset)
{
  const unsigned lane = threadIdx.x % 32;
  const size_t row = blockIdx.y, groups = scale_offset / NEVA_QUANT_GROUP;
  const size_t g = (size_t) blockIdx.x * (blockDim.x / 32) + threadIdx.x / 32;
  uint8_t *out = xq + row * stride;
  float v[4], max = 0;
  unsigned codes = 0;
  int sum = 0;
  bool bad = false;

  /* less than two lines of 64 bytes behind the sums */
  const size_t padding = sum_offset + groups * 4 + threadIdx.x * 4;

  if (blockIdx.x == 0 && padding < stride)
    store ((unsigned *) (out + padding), 0u);
  if (g >= groups)
    return;
  for (unsigned j = 0; j < 4; j++) {
    const size_t i = g * NEVA_QUANT_GROUP + lane * 4 + j;

    v[j] = i < k ? load (x + row * ldx + i) : 0;
    bad = bad || !(fabsf (v[j]) <= 3.402823466e38f);
    max = fmaxf (max, fabsf (v[j]));
  }
  bad = __any_sync (0xffffffffu, bad);
  max = warp_max (max);

  const bool empty = bad || max < NEVA_QUANT_TINY;
  const float inverse = empty ? 0 : __fdiv_rn (127, max);
  const float scale = bad     ? __uint_as_float (0x7fc00000u)
                      : empty ? 0
                              : __fdiv_rn (max, 127);

  for (unsigned j = 0; j < 4; j++) {
    const int q = empty ? 0 : __float2int_rn (__fmul_rn (v[j], inverse));

    codes |= (unsigned) (q & 255) << 8 * j;
    sum += q;
  }
  for (int bits = 16; bits; bits >>= 1)
    sum += __shfl_xor_sync (0xffffffffu, sum, bits);
  store ((unsigned *) (out + g * NEVA_QUANT_GROUP) + lane, codes);
  if (lane == 0) {
    store ((float *) (out + scale_offset) + g, scale);
    if (type == NEVA_DTYPE_I8)
      store ((int32_t *) (out + sum_offset) + g, -128 * sum);
    else
      store ((float *) (out + sum_offset) + g, __fmul_rn (scale, (float) sum));
  }
}

extern "C" NEVA_DECL_CUDA_ACT_PREPARE (neva_cuda_act_prepare)
{
  const size_t stride = neva_act_row_bytes (type, k);

  for (size_t r = 0; r < m; r += 65535) {
    const size_t rows = m - r < 65535 ? m - r : 65535;
    const dim3 grid (blocks_for (neva_quant_groups (k), 4), (unsigned) rows);
    const cudaError_t error = NEVA_LAUNCH (act_prepare, grid, dim3 (128), 0,
        stream, (uint8_t *) xq + r * stride, x + r * ldx, ldx, type, k, stride,
        neva_act_scale_offset (k), neva_act_sum_offset (k));

    if (error)
      return error;
  }
  return 0;
}

/* What a thread has of a group of W: the codes of columns 4 g.. and the scales
 * of columns 8 t.. (those of its results). */
template <bool I4> struct Group {
  uint4 words[I4 ? 4 : 8];
  uint4 scales[2]; /* I8: f32; I4: bf16 scale and low */
};

static __device__ __forceinline__ unsigned
word_of (const uint4 &x, unsigned i)
{
  return i == 0 ? x.x : i == 1 ? x.y : i == 2 ? x.z : x.w;
}

/* Of the eight scales (I4: `low`, too) number i. */
template <bool I4>
static __device__ __forceinline__ float
scale_of (const Group<I4> &w, unsigned i, bool low = false)
{
  if (I4)
    return from_bf16 (
        (uint16_t) (word_of (w.scales[low], i / 2) >> 16 * (i % 2)));
  return __uint_as_float (word_of (w.scales[i / 4], i % 4));
}

/* `group` of a panel, columns from `column` on: 0 or 32. */
template <bool I4>
static __device__ __forceinline__ void
load_group (Group<I4> &to, const uint8_t *group, unsigned column)
{
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const uint8_t *codes = group + NEVA_I8_Q + (column + g * 4) * 4;

#pragma unroll
  for (unsigned i = 0; i < (I4 ? 4 : 8); i++) {
    const unsigned row = I4 ? i * 4 + t : (i / 2 * 4 + t) * 2 + i % 2;

    to.words[i] = load ((const uint4 *) (codes + row * NEVA_MATMUL_PANEL * 4));
  }

  const uint4 *scales =
      (const uint4 *) (group + (column + t * 8) * (I4 ? 2 : 4));

  to.scales[0] = load (scales);
  to.scales[1] = load (scales + (I4 ? NEVA_MATMUL_PANEL * 2 / 16 : 1));
}

/* Right sides of step s, product i. */
template <bool I4>
static __device__ __forceinline__ void
codes_of (uint32_t (&b)[2], const Group<I4> &w, unsigned s, unsigned i)
{
  if constexpr (I4) {
    b[0] = word_of (w.words[s], i) & 0x0f0f0f0fu;
    b[1] = word_of (w.words[s], i) >> 4 & 0x0f0f0f0fu;
  } else {
    b[0] = word_of (w.words[s * 2], i) ^ 0x80808080u;
    b[1] = word_of (w.words[s * 2 + 1], i) ^ 0x80808080u;
  }
}

/* The same operations for few rows and for many. */
template <bool I4>
static __device__ __forceinline__ void
add_group (float (&sum)[4][4], const int (&dot)[4][4], const Group<I4> &w,
    const float (&scale)[2], const float (&total)[2])
{
#pragma unroll
  for (unsigned i = 0; i < 4; i++)
#pragma unroll
    for (unsigned e = 0; e < 4; e++) {
      const unsigned column = e % 2 * 4 + i, r = e / 2;

      sum[i][e] = fmaf (__fmul_rn (scale[r], scale_of<I4> (w, column)),
          (float) dot[i][e], sum[i][e]);
      if constexpr (I4)
        sum[i][e] = fmaf (scale_of<I4> (w, column, true), total[r], sum[i][e]);
    }
}

/* Prepared activations from some row on, and how many there are. */
struct Rows {
  const uint8_t *x;
  size_t stride, groups;
  unsigned n;
};

/* Scale and scaled sum of group `at` in rows r and r + 8. */
static __device__ __forceinline__ void
load_scales (float (&scale)[2], float (&total)[2], const Rows &rows, unsigned r,
    size_t at, bool totals)
{
  for (unsigned i = 0; i < 2; i++, r += 8) {
    const float *p = (const float *) (rows.x + r * rows.stride +
                                      rows.groups * NEVA_QUANT_GROUP) +
                     at;
    const bool take = r < rows.n;

    scale[i] = take ? load (p) : 0;
    total[i] = take && totals ? load (p + rows.groups) : 0;
  }
}

static __device__ __forceinline__ size_t
range_groups (size_t groups)
{
  return (groups + RANGES - 1) / RANGES;
}

/* A warp's run of groups, for FEW rows and 32 columns. */
template <bool I4>
static __device__ __forceinline__ void
run_few (float (&sum)[4][4], const uint8_t *panel, unsigned column,
    const Rows &rows, size_t first, size_t end)
{
  const size_t bytes = I4 ? NEVA_I4_GROUP_BYTES : NEVA_I8_GROUP_BYTES;
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  Group<I4> w, next;

  if (first < end)
    load_group<I4> (next, panel + first * bytes, column);
  for (size_t at = first; at < end; at++) {
    float scale[2], total[2];
    int dot[4][4] = {};

    w = next;
    if (at + 1 < end)
      load_group<I4> (next, panel + (at + 1) * bytes, column);
    load_scales (scale, total, rows, g, at, I4);
#pragma unroll
    for (unsigned s = 0; s < 4; s++) {
      const uint8_t *x =
          rows.x + g * rows.stride + at * NEVA_QUANT_GROUP + (s * 4 + t) * 8;
      const uint2 none = {0, 0};
      const uint2 a = g < rows.n ? load ((const uint2 *) x) : none;
      const uint2 b =
          g + 8 < rows.n ? load ((const uint2 *) (x + 8 * rows.stride)) : none;

#pragma unroll
      for (unsigned i = 0; i < 4; i++) {
        uint32_t codes[2];

        codes_of<I4> (codes, w, s, i);
        mma_s8 (dot[i], {a.x, b.x, a.y, b.y}, codes);
      }
    }
    add_group<I4> (sum, dot, w, scale, total);
  }
}

/* blockIdx: 32 columns, FEW rows; a warp for each range of groups. */
template <bool I4>
__global__ static void
__launch_bounds__ (RANGES * 32)
    few_rows (float *dst, size_t ldd, const uint8_t *xq, const uint8_t *packed,
        size_t n, size_t k, NevaEpilogue epilogue, size_t m, size_t stride)
{
  NEVA_SHARED (float, part, [RANGES][FEW][WARP_COLUMNS + 1]);
  const size_t bytes = I4 ? NEVA_I4_GROUP_BYTES : NEVA_I8_GROUP_BYTES;
  const size_t groups = (k + NEVA_QUANT_GROUP - 1) / NEVA_QUANT_GROUP;
  const size_t r0 = (size_t) blockIdx.y * FEW;
  const unsigned left = m - r0 < FEW ? (unsigned) (m - r0) : FEW;
  const Rows rows = {xq + r0 * stride, stride, groups, left};
  const unsigned warp = threadIdx.x / 32;
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const size_t first = warp * range_groups (groups);
  const size_t end = first + range_groups (groups);
  float sum[4][4] = {};

  run_few<I4> (sum, packed + blockIdx.x / 2 * groups * bytes,
      blockIdx.x % 2 * WARP_COLUMNS, rows, first, end < groups ? end : groups);
  for (unsigned i = 0; i < 4; i++)
    for (unsigned e = 0; e < 4; e++)
      part[warp][g + e / 2 * 8][t * 8 + e % 2 * 4 + i] = sum[i][e];
  __syncthreads ();
  for (unsigned at = threadIdx.x; at < left * WARP_COLUMNS; at += RANGES * 32) {
    const unsigned r = at / WARP_COLUMNS, c = at % WARP_COLUMNS;
    const size_t column = (size_t) blockIdx.x * WARP_COLUMNS + c;
    float total = 0;

    for (unsigned i = 0; i < RANGES; i++)
      total += part[i][r][c];
    if (column < n)
      finish (dst + (r0 + r) * ldd + column, total, epilogue, column);
  }
}

/* Group `at` of a block's rows is on its way to shared memory. */
static __device__ __forceinline__ void
fetch_rows (Shared<uint8_t> *to, const Rows &rows, size_t at)
{
  for (unsigned i = threadIdx.x; i < MANY * 8; i += RANGES * 32) {
    const unsigned r = i / 8, byte = i % 8 * 16;
    const bool take = r < rows.n;
    const uint8_t *from =
        rows.x + (take ? r : 0) * rows.stride + at * NEVA_QUANT_GROUP + byte;

    cp_async16 (to + r * X_ROW + byte, from, take ? 16 : 0);
  }
}

/* 32 rows of shared x (from row `r0` of the block on) times 32 columns. */
template <bool I4>
static __device__ __forceinline__ void
multiply_many (float (&sum)[2][4][4], const Group<I4> &w,
    const Shared<uint8_t> *x, const Rows &rows, unsigned r0, size_t at)
{
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;

#pragma unroll
  for (unsigned tile = 0; tile < 2; tile++) {
    const unsigned r = r0 + tile * 16 + g;
    float scale[2], total[2];
    int dot[4][4] = {};

    load_scales (scale, total, rows, r, at, I4);
#pragma unroll
    for (unsigned s = 0; s < 4; s++) {
      const Shared<uint8_t> *p = x + r * X_ROW + (s * 4 + t) * 8;
      const uint2 a = shared_load<uint2> (p);
      const uint2 b = shared_load<uint2> (p + 8 * X_ROW);

#pragma unroll
      for (unsigned i = 0; i < 4; i++) {
        uint32_t codes[2];

        codes_of<I4> (codes, w, s, i);
        mma_s8 (dot[i], {a.x, b.x, a.y, b.y}, codes);
      }
    }
    add_group<I4> (sum[tile], dot, w, scale, total);
  }
}

/* blockIdx: panel, MANY rows; four warps down, two across. */
template <bool I4>
__global__ static void
__launch_bounds__ (RANGES * 32)
    many_rows (float *dst, size_t ldd, const uint8_t *xq, const uint8_t *packed,
        size_t n, size_t k, NevaEpilogue epilogue, size_t m, size_t stride)
{
  NEVA_SHARED (uint8_t, x, [2][MANY * X_ROW]);
  const size_t bytes = I4 ? NEVA_I4_GROUP_BYTES : NEVA_I8_GROUP_BYTES;
  const size_t groups = (k + NEVA_QUANT_GROUP - 1) / NEVA_QUANT_GROUP;
  const size_t r0 = (size_t) blockIdx.y * MANY;
  const unsigned left = m - r0 < MANY ? (unsigned) (m - r0) : MANY;
  const Rows rows = {xq + r0 * stride, stride, groups, left};
  const unsigned warp = threadIdx.x / 32;
  const unsigned g = threadIdx.x % 32 / 4, t = threadIdx.x % 4;
  const unsigned row = warp % 4 * 32, across = warp / 4 * WARP_COLUMNS;
  const uint8_t *panel = packed + blockIdx.x * groups * bytes;
  float sum[2][4][4] = {}, all[2][4][4] = {};
  Group<I4> w;

  fetch_rows (x[0], rows, 0);
  cp_async_commit ();
  for (size_t at = 0; at < groups; at++) {
    load_group<I4> (w, panel + at * bytes, across);
    if (at + 1 < groups)
      fetch_rows (x[(at + 1) % 2], rows, at + 1);
    cp_async_commit ();
    cp_async_wait<1> ();
    __syncthreads ();
    multiply_many<I4> (sum, w, x[at % 2], rows, row, at);
    if ((at + 1) % range_groups (groups) == 0 || at + 1 == groups) {
#pragma unroll
      for (unsigned i = 0; i < 32; i++) {
        all[i / 16][i / 4 % 4][i % 4] += sum[i / 16][i / 4 % 4][i % 4];
        sum[i / 16][i / 4 % 4][i % 4] = 0;
      }
    }
    __syncthreads ();
  }
#pragma unroll
  for (unsigned i = 0; i < 32; i++) {
    const unsigned r = row + i / 16 * 16 + g + i % 4 / 2 * 8;
    const size_t column = (size_t) blockIdx.x * NEVA_MATMUL_PANEL + across +
                          t * 8 + i % 2 * 4 + i / 4 % 4;

    if (r < left && column < n)
      finish (dst + (r0 + r) * ldd + column, all[i / 16][i / 4 % 4][i % 4],
          epilogue, column);
  }
}

template <bool I4>
static int
multiply_groups (float *dst, size_t ldd, const uint8_t *x, const NevaWeight &w,
    const NevaEpilogue &epilogue, size_t m, cudaStream_t stream)
{
  const size_t stride = neva_act_row_bytes (w.type, w.k);
  const uint8_t *packed = (const uint8_t *) w.data;
  const dim3 block (RANGES * 32);

  if (m <= FEW * FEW_TILES)
    return NEVA_LAUNCH (few_rows<I4>,
        dim3 (blocks_for (w.n, WARP_COLUMNS), blocks_for (m, FEW)), block, 0,
        stream, dst, ldd, x, packed, w.n, w.k, epilogue, m, stride);
  return NEVA_LAUNCH (many_rows<I4>,
      dim3 (blocks_for (w.n, NEVA_MATMUL_PANEL), blocks_for (m, MANY)), block,
      0, stream, dst, ldd, x, packed, w.n, w.k, epilogue, m, stride);
}

extern "C" NEVA_DECL_CUDA_MATMUL_GROUPS (neva_cuda_matmul_groups)
{
  const uint8_t *x = (const uint8_t *) xq;

  if (!m)
    return 0;
  if (host_w->type == NEVA_DTYPE_I4)
    return multiply_groups<true> (dst, ldd, x, *host_w, epilogue, m, stream);
  return multiply_groups<false> (dst, ldd, x, *host_w, epilogue, m, stream);
}
