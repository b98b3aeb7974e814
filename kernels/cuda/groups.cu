/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products with int8 and int4 weights in groups of 128: activations become int8
 * per group, sums over a group are exact. The packed layout (matmul_layout.h)
 * holds four codes of 64 neighbouring columns side by side, so the threads of a
 * block, one for each column, read whole lines. */
#include "api.h"
#include "matmul_layout.h"
#include "numbers.cuh"

static const unsigned ROWS = 8; /* of x that a thread takes at a time */

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
  const size_t end = neva_act_sum_offset (k) + neva_quant_groups (k) * 4;

  /* the padding of a row is zero, too */
  for (size_t r = 0; r < m && end < stride; r++) {
    const cudaError_t error = cudaMemsetAsync (
        (uint8_t *) xq + r * stride + end, 0, stride - end, stream);

    if (error)
      return error;
  }
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

/* sums[r] += x W over one group for the rows of this thread; `words`: the
 * column's first word of codes, one word every 64. */
template <bool I4>
static __device__ __forceinline__ void
group_dots (int *dot, const uint32_t *words, const uint8_t *x, size_t stride,
    unsigned rows)
{
  for (unsigned i = 0; i < (I4 ? 16u : 32u); i++) {
    const uint32_t w = load (words + i * NEVA_MATMUL_PANEL);

    for (unsigned r = 0; r < ROWS; r++) {
      const int *xr = (const int *) (x + r * stride);

      if (r >= rows)
        break;
      if (I4) {
        dot[r] = __dp4a ((int) (w & 0x0f0f0f0fu), load (xr + i * 2), dot[r]);
        dot[r] = __dp4a (
            (int) (w >> 4 & 0x0f0f0f0fu), load (xr + i * 2 + 1), dot[r]);
      } else {
        dot[r] = __dp4a ((int) (w ^ 0x80808080u), load (xr + i), dot[r]);
      }
    }
    count_multiply_adds (rows * (I4 ? 8 : 4));
  }
}

template <bool I4>
__global__ static void
matmul_groups (float *dst, size_t ldd, const uint8_t *xq, const uint8_t *packed,
    size_t n, size_t k, NevaEpilogue epilogue, size_t m, size_t stride)
{
  const size_t bytes = I4 ? NEVA_I4_GROUP_BYTES : NEVA_I8_GROUP_BYTES;
  const size_t groups = (k + NEVA_QUANT_GROUP - 1) / NEVA_QUANT_GROUP;
  const unsigned c = threadIdx.x;
  const size_t column = (size_t) blockIdx.x * NEVA_MATMUL_PANEL + c;
  const size_t r0 = (size_t) blockIdx.y * ROWS;
  const unsigned rows = m - r0 < ROWS ? (unsigned) (m - r0) : ROWS;
  const uint8_t *group = packed + blockIdx.x * groups * bytes;
  const uint8_t *x = xq + r0 * stride;
  const uint8_t *scales = x + groups * NEVA_QUANT_GROUP;
  const uint8_t *sums = scales + groups * 4;
  float sum[ROWS] = {0};

  for (size_t g = 0; g < groups; g++, group += bytes) {
    int dot[ROWS] = {0};
    float wscale, low = 0;

    group_dots<I4> (dot, (const uint32_t *) (group + NEVA_I8_Q) + c,
        x + g * NEVA_QUANT_GROUP, stride, rows);
    if (I4) {
      wscale = from_bf16 (load ((const uint16_t *) group + c));
      low = from_bf16 (load ((const uint16_t *) group + NEVA_MATMUL_PANEL + c));
    } else {
      wscale = load ((const float *) group + c);
    }
    for (unsigned r = 0; r < ROWS; r++) {
      if (r >= rows)
        break;
      sum[r] += load ((const float *) (scales + r * stride) + g) * wscale *
                (float) dot[r];
      if (I4)
        sum[r] += low * load ((const float *) (sums + r * stride) + g);
    }
  }
  for (unsigned r = 0; r < ROWS; r++)
    if (r < rows && column < n)
      finish (dst + (r0 + r) * ldd + column, sum[r], epilogue, column);
}

extern "C" NEVA_DECL_CUDA_MATMUL_GROUPS (neva_cuda_matmul_groups)
{
  const size_t stride = neva_act_row_bytes (host_w->type, host_w->k);
  const uint8_t *x = (const uint8_t *) xq, *w = (const uint8_t *) host_w->data;
  const dim3 grid (
      blocks_for (host_w->n, NEVA_MATMUL_PANEL), blocks_for (m, ROWS));
  const dim3 block (NEVA_MATMUL_PANEL);

  if (!m)
    return 0;
  if (host_w->type == NEVA_DTYPE_I4)
    return NEVA_LAUNCH (matmul_groups<true>, grid, block, 0, stream, dst, ldd,
        x, w, host_w->n, host_w->k, epilogue, m, stride);
  return NEVA_LAUNCH (matmul_groups<false>, grid, block, 0, stream, dst, ldd, x,
      w, host_w->n, host_w->k, epilogue, m, stride);
}
