/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Blocking of products by AMX tiles.
 *
 *                 k_block                 32
 *            +--------------+         +--------+
 *   x, in L2 | piece: 32    |   strip | k_block|  in L1, packed here
 *            +--------------+         +--------+
 *            | 256 rows     |
 *
 * A piece is 32 rows times 32 columns, four tiles of sums. A strip of 32
 * columns and a block of k (at most 40 KiB) stays in L1 while all rows of x
 * pass by: they are loaded with the streaming hint, or they would push the
 * strip out. Sums wait for the next block of k in pieces of 4 KiB. A call does
 * as many rows at a time as fit into L2, and a long k in parts that do.
 *
 * While a piece is multiplied, a few lines of the next strip and of dst are
 * fetched at each step: more at a time would fill the buffers that the loads
 * from L2 need.
 */
#ifndef NEVA_TILES_H
#define NEVA_TILES_H

#include <immintrin.h>
#include <stdint.h>
#include "matmul_layout.h"

enum {
  NEVA_TILE = 16,
  NEVA_TILE_BYTES = 1024,
  NEVA_TILE_FLOATS = 256,
  NEVA_TILE_ROWS = 32,    /* of a piece */
  NEVA_TILE_COLUMNS = 32, /* of a piece */
  NEVA_TILE_SUMS = NEVA_TILE_ROWS * NEVA_TILE_COLUMNS
};

/* Four tiles of 32-bit words in memory, in words. */
typedef struct {
  size_t ld, right, down;
} NevaTileShape;

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

/* The four tiles from or to memory at c, of NevaTileShape s. */
#define NEVA_TILE_LOAD(c, s, two)                                              \
  do {                                                                         \
    _tile_stream_loadd (0, (c), (s).ld * 4);                                   \
    _tile_stream_loadd (1, (c) + (s).right, (s).ld * 4);                       \
    if (two) {                                                                 \
      _tile_stream_loadd (2, (c) + (s).down, (s).ld * 4);                      \
      _tile_stream_loadd (3, (c) + (s).down + (s).right, (s).ld * 4);          \
    }                                                                          \
  } while (0)

#define NEVA_TILE_STORE(c, s, two)                                             \
  do {                                                                         \
    _tile_stored (0, (c), (s).ld * 4);                                         \
    _tile_stored (1, (c) + (s).right, (s).ld * 4);                             \
    if (two) {                                                                 \
      _tile_stored (2, (c) + (s).down, (s).ld * 4);                            \
      _tile_stored (3, (c) + (s).down + (s).right, (s).ld * 4);                \
    }                                                                          \
  } while (0)

/* sums += 64 bytes of k of two row tiles (x, x1) times two w tiles (w, w1, rows
 * `ldw` bytes apart), by `dot`. */
#define NEVA_TILE_STEP(dot, x, x1, stride, w, w1, ldw, two)                    \
  do {                                                                         \
    _tile_loadd (6, (w), (ldw));                                               \
    _tile_stream_loadd (4, (x), (stride));                                     \
    if (two)                                                                   \
      _tile_stream_loadd (5, (x1), (stride));                                  \
    _tile_loadd (7, (w1), (ldw));                                              \
    dot (0, 4, 6);                                                             \
    if (two)                                                                   \
      dot (2, 5, 6);                                                           \
    dot (1, 4, 7);                                                             \
    if (two)                                                                   \
      dot (3, 5, 7);                                                           \
  } while (0)

#endif /* NEVA_TILES_H */
