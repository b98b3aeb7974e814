/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocking of matrix products by AMX tiles, for all weight types.
 *
 * The smallest piece is 32 rows of x times 32 columns, four tiles of sums. A
 * block of k of 32 columns (32 KiB of tiles) stays in L1 while all rows of x
 * pass; the rows' part of that k stays in L2 for 256 columns. Sums wait for the
 * next block of k in a buffer of their own: dst may have a row stride that maps
 * many rows to few cache sets.
 *
 * Prefetching by hand, of x or of the next weights, made it slower.
 */
#ifndef NEVA_TILES_H
#define NEVA_TILES_H

#include <immintrin.h>
#include <stdint.h>
#include "matmul_layout.h"

enum {
  NEVA_TILE_BYTES = 1024,
  NEVA_TILE_COLUMNS = 32, /* of a piece */
  NEVA_TILE_PANEL_BYTES = 72 * 1024
};

typedef struct {
  size_t k_block; /* whole tiles, whole groups */

  /* k elements from k0 of up to 64 columns from n on (a multiple of 64), into
   * `panel` (NEVA_TILE_PANEL_BYTES) as `multiply` wants it. */
  void (*pack) (char *panel, const NevaWeight *w, size_t n, size_t columns,
      size_t k0, size_t k);
  /* c [rows][64], 32 columns of it: (first ? 0 : c) + rows of xq (from row 0 at
   * x on) times columns [column, column + 32) of the panel. rows is 1..32;
   * tiles are configured for it. */
  void (*multiply) (float *c, const char *x, size_t stride, const char *panel,
      const NevaWeight *w, size_t column, size_t k0, size_t k, size_t rows,
      bool first);
} NevaTileKernel;

void neva_matmul_tiles (const NevaTileKernel *kernel, float *dst, size_t ldd,
    const void *xq, const NevaWeight *w, const NevaEpilogue *epilogue, size_t m,
    size_t n0, size_t n1, void *work);

/* Tile registers: 0..3 = {A0 B0, A0 B1, A1 B0, A1 B1}, A 4 and 5, B 6 and 7. */
#define NEVA_TILE_ZERO(two)                                                    \
  do {                                                                         \
    _tile_zero (0);                                                            \
    _tile_zero (1);                                                            \
    if (two) {                                                                 \
      _tile_zero (2);                                                          \
      _tile_zero (3);                                                          \
    }                                                                          \
  } while (0)

/* The four tiles from or to [32][ldc] 32-bit words at c. */
#define NEVA_TILE_LOAD(c, ldc, two)                                            \
  do {                                                                         \
    _tile_loadd (0, (c), (ldc) *4);                                            \
    _tile_loadd (1, (c) + 16, (ldc) *4);                                       \
    if (two) {                                                                 \
      _tile_loadd (2, (c) + 16 * (ldc), (ldc) *4);                             \
      _tile_loadd (3, (c) + 16 * (ldc) + 16, (ldc) *4);                        \
    }                                                                          \
  } while (0)

#define NEVA_TILE_STORE(c, ldc, two)                                           \
  do {                                                                         \
    _tile_stored (0, (c), (ldc) *4);                                           \
    _tile_stored (1, (c) + 16, (ldc) *4);                                      \
    if (two) {                                                                 \
      _tile_stored (2, (c) + 16 * (ldc), (ldc) *4);                            \
      _tile_stored (3, (c) + 16 * (ldc) + 16, (ldc) *4);                       \
    }                                                                          \
  } while (0)

/* sums += 64 bytes of k of two row tiles (x, x1) times two w tiles, by `dot`.
 */
#define NEVA_TILE_STEP(dot, x, x1, stride, tiles, two)                         \
  do {                                                                         \
    _tile_loadd (6, (tiles), 64);                                              \
    _tile_loadd (4, (x), (stride));                                            \
    _tile_loadd (7, (tiles) + NEVA_TILE_BYTES, 64);                            \
    dot (0, 4, 6);                                                             \
    if (two) {                                                                 \
      _tile_loadd (5, (x1), (stride));                                         \
      dot (1, 4, 7);                                                           \
      dot (2, 5, 6);                                                           \
      dot (3, 5, 7);                                                           \
    } else {                                                                   \
      dot (1, 4, 7);                                                           \
    }                                                                          \
  } while (0)

#endif /* NEVA_TILES_H */
