/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Matrix products with weights that lie row by row (F32, BF16): 64 columns at a
 * time are transposed into a panel that the rows of x then share.
 *
 *            k_block                     64
 *       +--------------+           +-----------+
 *   x   | tile: 6 rows |     panel | k x 64    |     one tile = 6 x 64 sums
 *       +--------------+           |           |     kept in registers
 *       |              |           +-----------+
 *
 * The loops are here; what is done with vectors is a NevaPanelKernel. With few
 * rows a panel does not pay: then weights are read once, as they lie
 * (gemv_tile.h).
 */
#ifndef NEVA_PANEL_H
#define NEVA_PANEL_H

#include "matmul.h"

/* How a block of sums meets dst: k may be split into several blocks. */
typedef struct {
  const float *bias; /* of the first column, or NULL */
  NevaAct act;
  bool add;       /* onto what dst holds */
  size_t rows;    /* of the block */
  size_t columns; /* 1..64 */
} NevaFinish;

/* dst = act(c + bias), or dst += that; c [rows][64]. c is overwritten. */
#define NEVA_DECL_FINISH(name)                                                 \
  void name (float *dst, size_t ldd, float *c, const NevaFinish *f)

/* c[r][0..columns) = x [m, k] times `columns` rows of w; m <= gemv_rows. The
 * weights are read once. */
#define NEVA_DECL_GEMV(name)                                                   \
  void name (float *c, const char *x, size_t x_stride, const char *w,          \
      size_t w_stride, size_t columns, size_t k, size_t m)

typedef struct {
  size_t tile_rows; /* at most 8 */
  size_t k_block;   /* multiple of 32 */
  size_t gemv_rows; /* up to this m, `gemv` is used */

  /* `columns` rows of `w` (stride bytes), k elements each, into the panel;
   * missing columns become zeros. k is rounded up to even. */
  void (*pack) (
      void *panel, const char *w, size_t stride, size_t columns, size_t k);
  /* c [rows][64] = x [rows, k] (stride bytes) times the panel. `work`: room for
   * tile_rows * k floats, k rounded up to 32. */
  void (*tile) (float *c, const char *x, size_t stride, const void *panel,
      size_t k, size_t rows, void *work);
  NEVA_DECL_GEMV ((*gemv));
  NEVA_DECL_FINISH ((*finish));
} NevaPanelKernel;

NEVA_DECL_FINISH (neva_finish_avx2);
NEVA_DECL_FINISH (neva_finish_avx512);
NEVA_DECL_GEMV (neva_gemv_f32_avx2);
NEVA_DECL_GEMV (neva_gemv_bf16_avx2);

void neva_matmul_panels (const NevaPanelKernel *kernel, float *dst, size_t ldd,
    const void *xq, const NevaWeight *w, const NevaEpilogue *epilogue, size_t m,
    size_t n0, size_t n1, void *work);

#endif /* NEVA_PANEL_H */
