/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Element types of stored numbers. */
#ifndef NEVA_DTYPE_H
#define NEVA_DTYPE_H

#include <stdint.h>
#include <string.h>

typedef enum {
  NEVA_DTYPE_F32,
  NEVA_DTYPE_BF16,
  NEVA_DTYPE_F16,
  NEVA_DTYPE_I8,  /* packed, groups of NEVA_QUANT_GROUP along k; matmul.h */
  NEVA_DTYPE_I4,  /* packed, groups of NEVA_QUANT_GROUP along k; matmul.h */
  NEVA_DTYPE_E4M3 /* 8-bit floats, a scale for all; on GPUs only; fp8.h */
} NevaDType;

#define NEVA_DTYPE_COUNT 6

/* Exact widening. */
static inline float
neva_bf16_to_f32 (uint16_t b)
{
  const uint32_t u = (uint32_t) b << 16;
  float f;

  memcpy (&f, &u, sizeof f);
  return f;
}

/* Round to nearest even; a NaN stays a (quiet) NaN. */
static inline uint16_t
neva_f32_to_bf16 (float f)
{
  uint32_t u;

  memcpy (&u, &f, sizeof u);
  if ((u & 0x7fffffffu) > 0x7f800000u)
    return (uint16_t) ((u >> 16) | 0x40);
  return (uint16_t) ((u + 0x7fffu + ((u >> 16) & 1)) >> 16);
}

/* Exact widening, subnormals included. */
static inline float
neva_f16_to_f32 (uint16_t h)
{
  const uint32_t sign = (uint32_t) (h & 0x8000u) << 16, mantissa = h & 0x3ffu;
  const uint32_t exponent = (h >> 10) & 31;
  uint32_t u;
  float f;

  if (exponent == 0) {
    f = (float) mantissa * 0x1p-24f;
    return sign ? -f : f;
  }
  if (exponent == 31) /* infinity, or a NaN made quiet */
    u = sign | 0x7f800000u | mantissa << 13 | (mantissa ? 0x400000u : 0);
  else
    u = sign | (exponent + 112) << 23 | mantissa << 13;
  memcpy (&f, &u, sizeof f);
  return f;
}

/* Round to nearest even, to infinity above the range; a NaN stays one. */
static inline uint16_t
neva_f32_to_f16 (float f)
{
  uint32_t u, magnitude;
  uint16_t sign;

  memcpy (&u, &f, sizeof u);
  sign = (uint16_t) (u >> 16 & 0x8000u);
  magnitude = u & 0x7fffffffu;

  if (magnitude > 0x7f800000u)
    return (uint16_t) (sign | 0x7e00u | (magnitude >> 13 & 0x3ffu));
  if (magnitude >= 0x477ff000u) /* rounds to 2^16 or more */
    return sign | 0x7c00u;
  if (magnitude < 0x38800000u) { /* subnormal: let the adder round to 2^-24 */
    float m;

    memcpy (&m, &magnitude, sizeof m);
    m += 0.5f;
    memcpy (&u, &m, sizeof u);
    return (uint16_t) (sign | (u - 0x3f000000u));
  }
  magnitude += 0xfffu + (magnitude >> 13 & 1);
  return (uint16_t) (sign | (magnitude - 0x38000000u) >> 13);
}

#endif /* NEVA_DTYPE_H */
