/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include "act_groups.h"
#include "ref.h"

NEVA_DECL_ACT_PREPARE (neva_act_prepare_f32_c)
{
  const size_t stride = neva_act_row_bytes (NEVA_DTYPE_F32, k);

  (void) m;
  for (size_t r = m0; r < m1; r++) {
    char *row = (char *) xq + r * stride;

    memcpy (row, x + r * ldx, k * sizeof *x);
    memset (row + k * sizeof *x, 0, stride - k * sizeof *x);
  }
}

NEVA_DECL_ACT_PREPARE (neva_act_prepare_bf16_c)
{
  const size_t stride = neva_act_row_bytes (NEVA_DTYPE_BF16, k);

  (void) m;
  for (size_t r = m0; r < m1; r++) {
    uint16_t *row = (uint16_t *) ((char *) xq + r * stride);

    for (size_t i = 0; i < k; i++)
      row[i] = neva_f32_to_bf16 (x[r * ldx + i]);
    memset (row + k, 0, stride - k * sizeof *row);
  }
}

/* n numbers to int8, zero up to the end of the group. Returns the sum. */
static int32_t
quantize (int8_t *q, const float *x, size_t n, float *scale)
{
  float max = 0;
  int32_t sum = 0;

  memset (q, 0, NEVA_QUANT_GROUP);
  for (size_t i = 0; i < n; i++) {
    if (!isfinite (x[i])) {
      *scale = NAN;
      return 0;
    }
    max = fmaxf (max, fabsf (x[i]));
  }
  if (max < NEVA_QUANT_TINY) {
    *scale = 0;
    return 0;
  }

  const float inverse = 127 / max;

  *scale = max / 127;
  for (size_t i = 0; i < n; i++)
    sum += q[i] = (int8_t) rintf (x[i] * inverse);
  return sum;
}

NEVA_ACT_PREPARE_GROUPS (c)
