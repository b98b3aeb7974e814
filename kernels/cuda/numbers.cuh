/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conversions and activations on the device: what kernels/dtype.h and
 * kernels/ref/act.h say, in f32. */
#ifndef NEVA_CUDA_NUMBERS_CUH
#define NEVA_CUDA_NUMBERS_CUH

#include "launch.cuh"
#include "matmul.h"

static __device__ __forceinline__ float
from_bf16 (uint16_t b)
{
  return __uint_as_float ((unsigned) b << 16);
}

/* Nearest even. */
static __device__ __forceinline__ uint16_t
to_bf16 (float x)
{
#ifdef __CUDACC__
  uint16_t b;

  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(b) : "f"(x));
  return b;
#else
  return neva_f32_to_bf16 (x);
#endif
}

static __device__ __forceinline__ float
from_f16 (uint16_t h)
{
#ifdef __CUDACC__
  float x;

  asm("cvt.f32.f16 %0, %1;" : "=f"(x) : "h"(h));
  return x;
#else
  return neva_f16_to_f32 (h);
#endif
}

static __device__ __forceinline__ float
round_bf16 (float x)
{
  return from_bf16 (to_bf16 (x));
}

static __device__ __forceinline__ float
activate (float x, NevaAct act)
{
  switch (act) {
    case NEVA_ACT_NONE:
      return x;
    case NEVA_ACT_GELU_ERF:
      return x / 2 * erfcf (-x * 0.70710678f);
    case NEVA_ACT_GELU_TANH: /* x sigmoid(2u): no cancellation */
      return x / (1 + expf (-1.5957691f * (x + 0.044715f * x * x * x)));
    case NEVA_ACT_GELU_QUICK:
      return x / (1 + expf (-1.702f * x));
    case NEVA_ACT_SILU:
      return x / (1 + expf (-x));
    case NEVA_ACT_RELU2:
      return x < 0 ? 0 : x * x;
  }
  return x;
}

/* *dst becomes the epilogue (matmul.h) of `sum` in `column`. */
static __device__ __forceinline__ void
finish (float *dst, float sum, const NevaEpilogue &e, size_t column)
{
  const float y = activate (e.bias ? sum + load (e.bias + column) : sum, e.act);

  store (dst, e.add ? load (dst) + y : y);
}

#endif /* NEVA_CUDA_NUMBERS_CUH */
