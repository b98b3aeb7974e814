/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* E4M3, the 8-bit float of the OCP specification "OFP8": a sign, 4 bits of
 * exponent (bias 7), 3 of mantissa; no infinity, one NaN of each sign.
 *
 * A matrix [n, k] of them, for products with inputs of the same kind:
 *
 *   w = scale code          x is rounded to x' = E4M3 (x / input_scale)
 *   sum = scale input_scale (codes x')
 */
#ifndef NEVA_FP8_H
#define NEVA_FP8_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define NEVA_E4M3_MAX 448.0f
#define NEVA_E4M3_NAN 0x7f

/* Exact widening. */
static inline float
neva_e4m3_to_f32 (uint8_t code)
{
  const int exponent = code >> 3 & 15, mantissa = code & 7;
  float f;

  if ((code & 0x7f) == NEVA_E4M3_NAN)
    f = NAN;
  else if (exponent)
    f = ldexpf ((float) (8 + mantissa), exponent - 10);
  else
    f = (float) mantissa * 0x1p-9f;
  return code & 0x80 ? -f : f;
}

/* Round to nearest even; what is beyond the range, infinity too, becomes the
 * largest number of its sign; a NaN stays one. */
static inline uint8_t
neva_f32_to_e4m3 (float f)
{
  const uint8_t sign = signbit (f) ? 0x80 : 0;
  const float a = fabsf (f);
  int exponent;
  float steps;

  if (isnan (f))
    return sign | NEVA_E4M3_NAN;
  if (a >= NEVA_E4M3_MAX)
    return sign | 0x7e;
  frexpf (a, &exponent); /* a < 2^exponent */
  if (a < 0x1p-6f)
    exponent = -5; /* subnormal: steps as those of the smallest normal ones */
  steps = rintf (ldexpf (a, 4 - exponent)); /* 8..16; subnormal: 0..8 */
  return (uint8_t) (sign | ((exponent + 5) * 8 + (int) steps));
}

/* How the device has it: 64 bytes that begin with these, then n rows of codes,
 * neva_e4m3_row_bytes () each, zeros behind the k-th. */
typedef struct {
  float scale, input_scale;
} NevaE4m3Head;

enum { NEVA_E4M3_HEAD_BYTES = 64, NEVA_E4M3_STEP = 32 };

static inline size_t
neva_e4m3_row_bytes (size_t k)
{
  return (k + NEVA_E4M3_STEP - 1) / NEVA_E4M3_STEP * NEVA_E4M3_STEP;
}

static inline size_t
neva_e4m3_bytes (size_t n, size_t k)
{
  return NEVA_E4M3_HEAD_BYTES + n * neva_e4m3_row_bytes (k);
}

#endif /* NEVA_FP8_H */
