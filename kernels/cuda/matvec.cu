/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Products with few rows: a warp for each column of the result reads its row of
 * W once and keeps a sum for every row of x. */
#include "api.h"
#include "numbers.cuh"

static const unsigned WARPS = 4;

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
  float sum[NEVA_CUDA_FEW_ROWS] = {0};

  if (column >= n)
    return;
  for (size_t i = lane; i < k; i += 32) {
    const float v = Weight<T>::value (load (w + column * k + i));

    for (unsigned r = 0; r < NEVA_CUDA_FEW_ROWS; r++)
      if (r < m)
        sum[r] += v * Weight<T>::input (load (x + r * ldx + i));
    count_multiply_adds (m);
  }
  for (unsigned r = 0; r < NEVA_CUDA_FEW_ROWS; r++) {
    if (r >= m)
      break;

    const float total = warp_sum (sum[r]);

    if (lane == 0)
      finish (dst + r * ldd + column, total, epilogue, column);
  }
}

extern "C" NEVA_DECL_CUDA_MATVEC (neva_cuda_matvec)
{
  const size_t n = host_w->n, k = host_w->k;
  const dim3 grid (blocks_for (n, WARPS)), block (WARPS * 32);

  if (!m)
    return 0;
  if (host_w->type == NEVA_DTYPE_F32)
    return NEVA_LAUNCH (matvec<float>, grid, block, 0, stream, dst, ldd, x, ldx,
        (const float *) host_w->data, n, k, epilogue, (unsigned) m);
  return NEVA_LAUNCH (matvec<uint16_t>, grid, block, 0, stream, dst, ldd, x,
      ldx, (const uint16_t *) host_w->data, n, k, epilogue, (unsigned) m);
}
