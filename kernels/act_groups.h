/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* act_prepare of I8 and I4, but for what a tier does with one group. Private to
 * kernels/. */
#ifndef NEVA_ACT_GROUPS_H
#define NEVA_ACT_GROUPS_H

#include <stdint.h>
#include <string.h>
#include "matmul_layout.h"

/* n numbers (1..NEVA_QUANT_GROUP) to int8, zero up to the end of the group, and
 * their scale. Returns the sum of the codes. */
typedef int32_t (*NevaQuantizeFn) (
    int8_t *q, const float *x, size_t n, float *scale);

/* `quantize` must be known where this is inlined. */
static inline __attribute__ ((always_inline)) void
neva_act_prepare_groups (NevaDType type, NevaQuantizeFn quantize, void *xq,
    const float *x, size_t ldx, size_t k, size_t m0, size_t m1)
{
  const size_t stride = neva_act_row_bytes (type, k);
  const size_t groups = neva_quant_groups (k);

  for (size_t r = m0; r < m1; r++) {
    char *row = (char *) xq + r * stride;
    float *scale = (float *) (row + neva_act_scale_offset (k));
    char *sums = row + neva_act_sum_offset (k);

    for (size_t g = 0; g < groups; g++) {
      const size_t i = g * NEVA_QUANT_GROUP;
      const size_t n = k - i < NEVA_QUANT_GROUP ? k - i : NEVA_QUANT_GROUP;
      const int32_t sum =
          quantize ((int8_t *) row + i, x + r * ldx + i, n, &scale[g]);

      if (type == NEVA_DTYPE_I8)
        ((int32_t *) sums)[g] = -128 * sum;
      else
        ((float *) sums)[g] = scale[g] * (float) sum;
    }
    memset (
        sums + groups * 4, 0, stride - neva_act_sum_offset (k) - groups * 4);
  }
}

/* Both slots of a tier, made of its `quantize`. */
#define NEVA_ACT_PREPARE_GROUPS(tier)                                          \
  NEVA_DECL_ACT_PREPARE (neva_act_prepare_i8_##tier)                           \
  {                                                                            \
    (void) m;                                                                  \
    neva_act_prepare_groups (NEVA_DTYPE_I8, quantize, xq, x, ldx, k, m0, m1);  \
  }                                                                            \
  NEVA_DECL_ACT_PREPARE (neva_act_prepare_i4_##tier)                           \
  {                                                                            \
    (void) m;                                                                  \
    neva_act_prepare_groups (NEVA_DTYPE_I4, quantize, xq, x, ldx, k, m0, m1);  \
  }

#endif /* NEVA_ACT_GROUPS_H */
