/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How a group's range becomes its scale: shared by the tiers of `pack`, which
 * must agree to the bit. */
#ifndef NEVA_REF_PACK_H
#define NEVA_REF_PACK_H

#include <math.h>
#include <stdbool.h>
#include "matmul_layout.h"

/* The bf16 next to f on the side of +infinity (up) or -infinity. */
static inline uint16_t
neva_bf16_toward (float f, bool up)
{
  uint16_t b = neva_f32_to_bf16 (f);
  const float back = neva_bf16_to_f32 (b);

  if (up ? back < f : back > f)
    b = (uint16_t) (((b & 0x8000) != 0) == up ? b - 1 : b + 1);
  return b;
}

/* I8: the scale; *inverse stays 0 where all codes are to be 0. */
static inline float
neva_i8_scale (bool finite, float low, float high, float *inverse)
{
  const float max = fmaxf (-low, high);

  if (!finite)
    return NAN;
  if (max < NEVA_QUANT_TINY)
    return 0;
  *inverse = 127 / max;
  return max / 127;
}

/* I4: scale and offset; *low becomes the offset as it is stored. */
static inline void
neva_i4_scale (bool finite, float *low, float high, uint16_t *scale,
    uint16_t *offset, float *inverse)
{
  *scale = *offset = 0;
  if (!finite) {
    *scale = *offset = neva_f32_to_bf16 (NAN);
  } else if (fmaxf (-*low, high) >= NEVA_QUANT_TINY) {
    *offset = neva_bf16_toward (*low, false);
    *low = neva_bf16_to_f32 (*offset);
    /* halves: high - low may be above the range of f32 */
    *scale = neva_bf16_toward ((high / 2 - *low / 2) / 7.5f, true);
    if (neva_bf16_to_f32 (*scale) >= NEVA_QUANT_TINY)
      *inverse = 1 / neva_bf16_to_f32 (*scale);
  }
}

#endif /* NEVA_REF_PACK_H */
