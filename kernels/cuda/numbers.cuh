/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Conversions and activations on the device: what kernels/dtype.h and
 * kernels/ref/act.h say, in f32. */
#ifndef NEVA_CUDA_NUMBERS_CUH
#define NEVA_CUDA_NUMBERS_CUH

#include "fp8.h"
#include "launch.cuh"
#include "matmul.h"

static __device__ __forceinline__ float
from_bf16 (uint16_t b)
{
  return __uint_as_float ((unsigned) b << 16);
}

/* Nearest even; a NaN becomes 0x7fff. */
static __device__ __forceinline__ uint16_t
to_bf16 (float x)
{
#ifdef __CUDACC__
  uint16_t b;

  asm("cvt.rn.bf16.f32 %0, %1;" : "=h"(b) : "f"(x));
  return b;
#else
  return x == x ? neva_f32_to_bf16 (x) : 0x7fff;
#endif
}

/* Two numbers in a register, the first in the low half. */
static __device__ __forceinline__ uint32_t
pack_bf16 (float low, float high)
{
#ifdef __CUDACC__
  uint32_t both;

  asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
  return both;
#else
  return to_bf16 (low) | (uint32_t) to_bf16 (high) << 16;
#endif
}

/* Two E4M3 in 16 bits, the first in the low half: fp8.h's conversion. Only GPUs
 * from 8.9 on have it, and no other is given kernels that use it. */
static __device__ __forceinline__ uint16_t
pack_e4m3 (float low, float high)
{
#ifndef __CUDACC__
  return neva_f32_to_e4m3 (low) | (uint16_t) (neva_f32_to_e4m3 (high) << 8);
#elif __CUDA_ARCH__ >= 890
  uint16_t both;

  asm("cvt.rn.satfinite.e4m3x2.f32 %0, %1, %2;"
      : "=h"(both)
      : "f"(high), "f"(low));
  return both;
#else
  __trap ();
  return 0;
#endif
}

/* A pair that RoPE turns. */
static __device__ __forceinline__ void
rotate (float *a, float *b, float cosine, float sine)
{
  const float x = *a, y = *b;

  *a = x * cosine - y * sine;
  *b = y * cosine + x * sine;
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

/* x/2 erfc (-x / sqrt 2). Rounding the argument would be multiplied by its
 * square in the tail: what it lost, d, is made good by the slope of erfc. */
static __device__ __forceinline__ float
gelu_erf (float x)
{
  const float c = -0.70710678f, rest = -1.2101617e-8f; /* of 1 / sqrt 2 */
  const float t = x * c, d = fmaf (x, c, -t) + x * rest;

  /* beyond, erfc is 0 or 2, and d may be infinity less infinity */
  if (!(fabsf (t) < 16))
    return x / 2 * erfcf (t);
  return x / 2 * (erfcf (t) - 1.1283792f * expf (-t * t) * d);
}

/* x sigmoid (u), small results included: exp (-u) alone would overflow. */
static __device__ __forceinline__ float
times_sigmoid (float x, float u)
{
  const float e = expf (-fabsf (u));

  return u < 0 ? x * e / (1 + e) : x / (1 + e);
}

static __device__ __forceinline__ float
activate (float x, NevaAct act)
{
  switch (act) {
    case NEVA_ACT_NONE:
      return x;
    case NEVA_ACT_GELU_ERF:
      return gelu_erf (x);
    case NEVA_ACT_GELU_TANH: /* x sigmoid(2u): no cancellation */
      return times_sigmoid (x, 1.5957691f * (x + 0.044715f * x * x * x));
    case NEVA_ACT_GELU_QUICK:
      return times_sigmoid (x, 1.702f * x);
    case NEVA_ACT_SILU:
      return times_sigmoid (x, x);
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
