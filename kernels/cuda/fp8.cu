/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products with E4M3 weights (fp8.h): the inputs are rounded on their way into
 * the registers of mma.m16n8k32. A row's sum is made in the same order whatever
 * is beside it. */
#include "api.h"
#include "fp8.h"
#include "numbers.cuh"
#include "ptx.cuh"

static const unsigned WARPS = 4;
static const unsigned TILES = 4; /* of 8 columns, that a warp takes */
static const unsigned ROWS = 16;
static const unsigned COLUMNS = WARPS * TILES * 8;

/* Four neighbours of a row as codes; beyond k, and without a row, zeros. */
static __device__ __forceinline__ uint32_t
load_rounded (const float *x, size_t i, size_t k, bool row, float scale)
{
  float v[4];

  for (unsigned j = 0; j < 4; j++)
    v[j] = row && i + j < k ? __fdiv_rn (load (x + i + j), scale) : 0;
  return pack_e4m3 (v[0], v[1]) | (uint32_t) pack_e4m3 (v[2], v[3]) << 16;
}

/* Tensor cores keep few bits of an FP8 sum, so each product of 32 starts at
 * zero and is added in f32. */
__global__ static void
matmul_e4m3 (float *dst, size_t ldd, const float *x, size_t ldx,
    const uint8_t *packed, size_t n, size_t k, size_t stride,
    NevaEpilogue epilogue, size_t m)
{
  const unsigned lane = threadIdx.x % 32, g = lane / 4, t = lane % 4;
  const size_t n0 =
      (size_t) blockIdx.x * COLUMNS + threadIdx.x / 32 * (TILES * 8);
  const size_t r0 = (size_t) blockIdx.y * ROWS + g, r1 = r0 + 8;
  const float scale = load ((const float *) packed);
  const float input_scale = load ((const float *) packed + 1);
  const uint8_t *codes = packed + NEVA_E4M3_HEAD_BYTES;
  float sum[TILES][4] = {};

  for (size_t i = 0; i < stride; i += NEVA_E4M3_STEP) {
    const size_t low = i + 4 * t, high = low + 16;
    const uint32_t a[4] = {
        load_rounded (x + r0 * ldx, low, k, r0 < m, input_scale),
        load_rounded (x + r1 * ldx, low, k, r1 < m, input_scale),
        load_rounded (x + r0 * ldx, high, k, r0 < m, input_scale),
        load_rounded (x + r1 * ldx, high, k, r1 < m, input_scale)};

    for (unsigned j = 0; j < TILES; j++) {
      const size_t column = n0 + j * 8 + g;
      const uint8_t *w = codes + column * stride;
      const bool there = column < n;
      const uint32_t b[2] = {there ? load ((const uint32_t *) (w + low)) : 0,
          there ? load ((const uint32_t *) (w + high)) : 0};
      float d[4] = {};

      mma_e4m3 (d, a, b);
      for (unsigned q = 0; q < 4; q++)
        sum[j][q] += d[q];
    }
  }
  for (unsigned j = 0; j < TILES; j++)
    for (unsigned q = 0; q < 4; q++) {
      const size_t row = q < 2 ? r0 : r1, column = n0 + j * 8 + 2 * t + q % 2;

      if (row < m && column < n)
        finish (dst + row * ldd + column, sum[j][q] * scale * input_scale,
            epilogue, column);
    }
}

extern "C" NEVA_DECL_CUDA_MATMUL_E4M3 (neva_cuda_matmul_e4m3)
{
  const size_t n = host_w->n, k = host_w->k;

  for (size_t r = 0; r < m; r += 65535 * ROWS) {
    const size_t rows = m - r < 65535 * ROWS ? m - r : 65535 * ROWS;
    const dim3 grid (blocks_for (n, COLUMNS), blocks_for (rows, ROWS));
    const cudaError_t error = NEVA_LAUNCH (matmul_e4m3, grid, dim3 (WARPS * 32),
        0, stream, dst + r * ldd, ldd, x + r * ldx, ldx,
        (const uint8_t *) host_w->data, n, k, neva_e4m3_row_bytes (k), epilogue,
        rows);

    if (error)
      return error;
  }
  return 0;
}

/* ---- Conversions alone, for their proof --------------------------------- */

__global__ static void
to_e4m3 (uint8_t *dst, const float *x, size_t n)
{
  const size_t i = (size_t) blockIdx.x * 256 + threadIdx.x;

  if (i < n)
    store (dst + i, (uint8_t) pack_e4m3 (load (x + i), 0));
}

extern "C" NEVA_DECL_CUDA_TO_E4M3 (neva_cuda_to_e4m3)
{
  if (!n)
    return 0;
  return NEVA_LAUNCH (
      to_e4m3, dim3 (blocks_for (n, 256)), dim3 (256), 0, stream, dst, x, n);
}
