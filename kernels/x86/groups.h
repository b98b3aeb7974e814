/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products with weights in groups (I8, I4; layout in matmul_layout.h).
 *
 * Inside a group: int32 sums of u8 codes and s8 activations, exact. Between
 * groups: f32, c += x scale * w scale * sum (I4: + low * x sum). Each row of a
 * result sees the same operations in the same order whatever m is.
 *
 * The loops are here; what is done with vectors is a NevaGroupKernel.
 */
#ifndef NEVA_GROUPS_H
#define NEVA_GROUPS_H

#include "matmul_layout.h"
#include "panel.h"

/* A row of xq, and how far the next one is (bytes). */
typedef struct {
  const char *x;
  size_t stride;
  size_t scale, sum; /* offsets of the tables in a row */
} NevaGroupRows;

enum { NEVA_GROUPS_FEW = 16 };

typedef struct {
  size_t tile_rows; /* at most 32 */

  /* c [rows][64] = rows of x times one packed panel. */
  void (*tile) (float *c, const NevaGroupRows *x, const char *panel,
      size_t groups, size_t rows);
  /* c [2][64] = one row of x times two neighbouring panels, read side by side:
   * memory delivers two streams faster than one. NULL: never. */
  void (*two) (float *c, const NevaGroupRows *x, const char *panel,
      size_t panel_bytes, size_t groups);
  /* As `tile`, for products of at most NEVA_GROUPS_FEW rows: bound by memory.
   * NULL: `tile` itself. */
  void (*few) (float *c, const NevaGroupRows *x, const char *panel,
      size_t groups, size_t rows);
  /* I4: nibbles of a panel to bytes, headers as they are; a group then has
   * NEVA_I8_GROUP_BYTES. NULL: never. */
  void (*unpack) (char *dst, const char *panel, size_t groups);
  /* As `tile`, for what `unpack` made. */
  void (*tile_unpacked) (float *c, const NevaGroupRows *x, const char *panel,
      size_t groups, size_t rows);
  NEVA_DECL_FINISH ((*finish));
} NevaGroupKernel;

void neva_unpack_i4_avx512 (char *dst, const char *panel, size_t groups);

void neva_matmul_groups (const NevaGroupKernel *kernel, float *dst, size_t ldd,
    const void *xq, const NevaWeight *w, const NevaEpilogue *epilogue, size_t m,
    size_t n0, size_t n1, void *work);

#endif /* NEVA_GROUPS_H */
