/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where things lie in prepared activations (xq) and packed weights. Private to
 * kernels/; every tier reads and writes the same layout.
 *
 * xq, row r at r * neva_act_row_bytes ():
 *
 *   F32   [k] f32, zero up to the end of the row
 *   BF16  [k] bf16, zero up to the end of the row
 *   I8    [kp] int8 | [kp/128] f32 scale | [kp/128] int32  -128 sum of int8
 *   I4    [kp] int8 | [kp/128] f32 scale | [kp/128] f32    scale * sum of int8
 *
 * kp = k rounded up to whole groups. A row is an odd number of cache lines: the
 * same column of several rows then never falls into the same cache set.
 *
 * Packed weights: panels of 64 columns (rows of W), each kp/128 groups:
 *
 *   I8    [64] f32 scale | [32][64][4] q + 128
 *   I4    [64] bf16 scale | [64] bf16 low | [16][64][4] nibbles
 *
 * The q of element (column c, i along the group) is byte [i / 4][c][i % 4] of
 * I8; of I4 it is in byte [i / 8][c][i % 4], the low nibble for i % 8 < 4.
 * Sums over a group fit into int32 and even into f32 exactly (< 2^23).
 */
#ifndef NEVA_MATMUL_LAYOUT_H
#define NEVA_MATMUL_LAYOUT_H

#include "matmul.h"

enum {
  NEVA_I8_GROUP_BYTES = NEVA_MATMUL_PANEL * (4 + NEVA_QUANT_GROUP),
  NEVA_I4_GROUP_BYTES = NEVA_MATMUL_PANEL * (4 + NEVA_QUANT_GROUP / 2),
  NEVA_I8_Q = NEVA_MATMUL_PANEL * 4, /* offset of q in a group */
  NEVA_I4_Q = NEVA_MATMUL_PANEL * 4
};

static inline size_t
neva_quant_groups (size_t k)
{
  return (k + NEVA_QUANT_GROUP - 1) / NEVA_QUANT_GROUP;
}

static inline size_t
neva_act_row_bytes (NevaDType type, size_t k)
{
  size_t bytes = 0;

  switch (type) {
    case NEVA_DTYPE_F32:
      bytes = k * 4;
      break;
    case NEVA_DTYPE_BF16:
    case NEVA_DTYPE_F16:
      bytes = k * 2;
      break;
    case NEVA_DTYPE_I8:
    case NEVA_DTYPE_I4:
      bytes = neva_quant_groups (k) * (NEVA_QUANT_GROUP + 8);
      break;
    case NEVA_DTYPE_E4M3: /* its product reads x as it is */
      break;
  }
  return ((bytes + 63) / 64 | 1) * 64;
}

/* The two tables behind the int8 values of a row. */
static inline size_t
neva_act_scale_offset (size_t k)
{
  return neva_quant_groups (k) * NEVA_QUANT_GROUP;
}

static inline size_t
neva_act_sum_offset (size_t k)
{
  return neva_quant_groups (k) * (NEVA_QUANT_GROUP + 4);
}

static inline size_t
neva_packed_group_bytes (NevaDType type)
{
  return type == NEVA_DTYPE_I8 ? NEVA_I8_GROUP_BYTES : NEVA_I4_GROUP_BYTES;
}

/* Bytes of one panel: the groups of its 64 columns. */
static inline size_t
neva_packed_panel_bytes (NevaDType type, size_t k)
{
  return neva_quant_groups (k) * neva_packed_group_bytes (type);
}

/* Below this a group counts as all zero: its inverse scale would overflow. */
#define NEVA_QUANT_TINY 0x1p-100f

#endif /* NEVA_MATMUL_LAYOUT_H */
