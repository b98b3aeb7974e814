/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Norms: a block for each row, whose threads sum every 256th number. */
#include "api.h"
#include "launch.cuh"

static const unsigned THREADS = 256;

__global__ static void
rms_norm (float *dst, const float *x, const float *w, size_t dim, float eps)
{
  NEVA_SHARED (float, partial, [32]);
  const size_t row = blockIdx.x * dim;
  float sum = 0;

  for (size_t i = threadIdx.x; i < dim; i += THREADS) {
    const float v = load (x + row + i);

    sum += v * v;
  }

  const float scale = 1 / sqrtf (block_sum (sum, partial) / (float) dim + eps);

  for (size_t i = threadIdx.x; i < dim; i += THREADS)
    store (dst + row + i, load (x + row + i) * scale * load (w + i));
}

extern "C" NEVA_DECL_CUDA_RMS_NORM (neva_cuda_rms_norm)
{
  if (!rows)
    return 0;
  return NEVA_LAUNCH (rms_norm, dim3 ((unsigned) rows), dim3 (THREADS), 0,
      stream, dst, x, w, dim, eps);
}

__global__ static void
layer_norm (float *dst, const float *x, const float *w, const float *bias,
    size_t dim, float eps)
{
  NEVA_SHARED (float, partial, [32]);
  const size_t row = blockIdx.x * dim;
  float sum = 0, squares = 0;

  for (size_t i = threadIdx.x; i < dim; i += THREADS)
    sum += load (x + row + i);

  const float mean = block_sum (sum, partial) / (float) dim;

  for (size_t i = threadIdx.x; i < dim; i += THREADS) {
    const float v = load (x + row + i) - mean;

    squares += v * v;
  }

  const float scale =
      1 / sqrtf (block_sum (squares, partial) / (float) dim + eps);

  for (size_t i = threadIdx.x; i < dim; i += THREADS) {
    const float v = (load (x + row + i) - mean) * scale * load (w + i);

    store (dst + row + i, bias ? v + load (bias + i) : v);
  }
}

extern "C" NEVA_DECL_CUDA_LAYER_NORM (neva_cuda_layer_norm)
{
  if (!rows)
    return 0;
  return NEVA_LAUNCH (layer_norm, dim3 ((unsigned) rows), dim3 (THREADS), 0,
      stream, dst, x, w, bias, dim, eps);
}
