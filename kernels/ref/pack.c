/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantises weights into the layout of matmul_layout.h. Runs once per weight at
 * load. */
#include "config.h"
#include <math.h>
#include <string.h>
#include "pack.h"
#include "ref.h"

/* [lowest, highest] of n numbers; false if one is not finite. */
static bool
range (const float *w, size_t n, float *low, float *high)
{
  *low = *high = w[0];
  for (size_t i = 0; i < n; i++) {
    if (!isfinite (w[i]))
      return false;
    *low = fminf (*low, w[i]);
    *high = fmaxf (*high, w[i]);
  }
  return true;
}

static void
pack_i8_column (uint8_t *group, const float *w, size_t n, size_t column)
{
  uint8_t *q = group + NEVA_I8_Q + column * 4;
  float low, high, inverse = 0;

  const bool finite = range (w, n, &low, &high);

  ((float *) group)[column] = neva_i8_scale (finite, low, high, &inverse);
  for (size_t i = 0; i < NEVA_QUANT_GROUP; i++)
    q[i / 4 * NEVA_MATMUL_PANEL * 4 + i % 4] =
        (uint8_t) (128 +
                   (i < n && inverse > 0 ? (int) rintf (w[i] * inverse) : 0));
}

static void
pack_i4_column (uint8_t *group, const float *w, size_t n, size_t column)
{
  uint16_t *scale = (uint16_t *) group + column;
  uint8_t *q = group + NEVA_I4_Q + column * 4;
  float low, high, inverse = 0;

  const bool finite = range (w, n, &low, &high);

  neva_i4_scale (
      finite, &low, high, scale, scale + NEVA_MATMUL_PANEL, &inverse);
  for (size_t i = 0; i < NEVA_QUANT_GROUP; i++) {
    const float v =
        i < n && inverse > 0 ? rintf (w[i] * inverse - low * inverse) : 0;
    const unsigned code = (unsigned) fminf (fmaxf (v, 0), 15);
    uint8_t *byte = q + i / 8 * NEVA_MATMUL_PANEL * 4 + i % 4;

    *byte = (uint8_t) (i % 8 < 4 ? code : *byte | code << 4);
  }
}

static void
pack_panel (NevaDType type, void *packed, const float *w, size_t k, size_t n0,
    size_t rows)
{
  uint8_t *group = (uint8_t *) packed +
                   n0 / NEVA_MATMUL_PANEL * neva_packed_panel_bytes (type, k);
  static const float zero = 0;

  for (size_t i = 0; i < k; i += NEVA_QUANT_GROUP) {
    const size_t n = k - i < NEVA_QUANT_GROUP ? k - i : NEVA_QUANT_GROUP;

    for (size_t c = 0; c < NEVA_MATMUL_PANEL; c++) {
      const float *row = c < rows ? w + c * k + i : &zero;

      if (type == NEVA_DTYPE_I8)
        pack_i8_column (group, row, c < rows ? n : 1, c);
      else
        pack_i4_column (group, row, c < rows ? n : 1, c);
    }
    group += neva_packed_group_bytes (type);
  }
}

NEVA_DECL_PACK (neva_pack_i8_c)
{
  (void) n;
  pack_panel (NEVA_DTYPE_I8, packed, w, k, n0, rows);
}

NEVA_DECL_PACK (neva_pack_i4_c)
{
  (void) n;
  pack_panel (NEVA_DTYPE_I4, packed, w, k, n0, rows);
}

void
neva_pack_i4_codes (void *packed, const uint8_t *codes, const float *scale,
    const float *low, size_t k, size_t n0, size_t rows)
{
  const size_t groups = k / NEVA_QUANT_GROUP;
  uint8_t *group =
      (uint8_t *) packed +
      n0 / NEVA_MATMUL_PANEL * neva_packed_panel_bytes (NEVA_DTYPE_I4, k);

  for (size_t g = 0; g < groups; g++, group += NEVA_I4_GROUP_BYTES) {
    uint16_t *scales = (uint16_t *) group;

    memset (group, 0, NEVA_I4_GROUP_BYTES);
    for (size_t c = 0; c < rows; c++) {
      const float s = scale[c * groups + g];
      const uint8_t *from = codes + c * k + g * NEVA_QUANT_GROUP;

      scales[c] = neva_f32_to_bf16 (s);
      /* what rounding the scale does is least in the middle of the codes */
      scales[NEVA_MATMUL_PANEL + c] = neva_f32_to_bf16 (
          low[c * groups + g] - 7.5f * (neva_bf16_to_f32 (scales[c]) - s));
      for (size_t i = 0; i < NEVA_QUANT_GROUP; i += 8) {
        uint8_t *q = group + NEVA_I4_Q + (i / 8 * NEVA_MATMUL_PANEL + c) * 4;

        for (size_t j = 0; j < 4; j++)
          q[j] = (uint8_t) (from[i + j] | from[i + 4 + j] << 4);
      }
    }
  }
}

void
neva_pack_i8_codes (void *packed, const int8_t *codes, const float *scale,
    size_t k, size_t n0, size_t rows)
{
  const size_t groups = neva_quant_groups (k);
  uint8_t *group =
      (uint8_t *) packed +
      n0 / NEVA_MATMUL_PANEL * neva_packed_panel_bytes (NEVA_DTYPE_I8, k);

  for (size_t g = 0; g < groups; g++, group += NEVA_I8_GROUP_BYTES) {
    const size_t at = g * NEVA_QUANT_GROUP;
    const size_t n = k - at < NEVA_QUANT_GROUP ? k - at : NEVA_QUANT_GROUP;

    memset (group, 0, NEVA_I8_Q);
    memset (group + NEVA_I8_Q, 128, NEVA_I8_GROUP_BYTES - NEVA_I8_Q);
    for (size_t c = 0; c < rows; c++) {
      ((float *) group)[c] = scale[c * groups + g];
      for (size_t i = 0; i < n; i++)
        group[NEVA_I8_Q + (i / 4 * NEVA_MATMUL_PANEL + c) * 4 + i % 4] =
            (uint8_t) (codes[c * k + at + i] + 128);
    }
  }
}
