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
  NEVA_DTYPE_I8, /* packed, groups of NEVA_QUANT_GROUP along k; matmul.h */
  NEVA_DTYPE_I4  /* packed, groups of NEVA_QUANT_GROUP along k; matmul.h */
} NevaDType;

#define NEVA_DTYPE_COUNT 5

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

#endif /* NEVA_DTYPE_H */
