/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bf16 weights by tiles (blocking: tiles.h).
 *
 *   x tile   16 rows of 32 k, as xq lies in memory
 *   w tile   [16 pairs of k][16 columns][2], transposed here
 *   strip    [k / 32][2 tiles]
 */
#include "config.h"
#include "amx.h"
#include "matmul_amx.h"
#include "panel.h"
#include "tiles.h"
#include "transpose_avx512.h"

enum {
  PANEL = NEVA_MATMUL_PANEL,
  ROWS = NEVA_TILE_ROWS,
  COLUMNS = NEVA_TILE_COLUMNS,
  K_TILE = 32,
  K_BLOCK = 640,
  STRIP_BYTES = K_BLOCK / K_TILE * 2 * NEVA_TILE_BYTES,
  K_CACHED = 2048, /* of x, for all rows of a block: 1 MiB, in L2 */
  MAX_ROWS = 512,
  FAR_COLUMNS = 512 /* at a time, where k is longer than that */
};

/* Waiting sums, and those that `finish` reads. */
static const NevaTileShape packed = {
    NEVA_TILE, NEVA_TILE_FLOATS, 2 * NEVA_TILE_FLOATS};
static const NevaTileShape finished = {PANEL, NEVA_TILE, NEVA_TILE *PANEL};

typedef struct {
  float *dst;
  size_t ldd;
  const char *xq;
  size_t x_stride;
  const NevaWeight *w;
  const NevaEpilogue *epilogue;
  size_t m, n1;
  size_t k_far, k_step, k_blocks; /* blocks of k_step in a k_far */
  char *strip;                    /* [STRIP_BYTES] */
  float *last;                    /* [32][64] */
  float *sums;                    /* [strips][m / 32][NEVA_TILE_SUMS] */
} Product;

/* What a piece is made of. */
typedef struct {
  float *to;
  const float *from; /* NULL: sums start here */
  NevaTileShape shape;
  const char *x;
  size_t k;
  const char *ahead; /* rows of the next strip, a line of each at a step */
  size_t ahead_rows;
  const char *dst; /* rows of dst to fetch for writing, one at each step */
  size_t dst_rows;
} Piece;

/* Line i of 16 rows, `rows` of them real. */
static inline __attribute__ ((always_inline)) void
copy_lines (char *dst, const char *w, size_t stride, size_t rows, size_t bytes)
{
  const __mmask32 mask =
      bytes < 64 ? (__mmask32) ((1ull << bytes / 2) - 1) : 0xffffffff;

  for (size_t r = 0; r < 16; r++)
    _mm512_store_si512 (
        dst + r * 64, r < rows ? _mm512_maskz_loadu_epi16 (mask, w + r * stride)
                               : _mm512_setzero_si512 ());
}

/* `rows` rows of w (16 at most), k elements, into every second tile. The rows
 * of a weight often are a power of two apart and fall into one set of the
 * cache: each line is read once, into a copy that is transposed. */
static void
pack_16 (char *dst, const char *w, size_t stride, size_t rows, size_t k)
{
  char copy[2][16 * 64] __attribute__ ((aligned (64)));
  const size_t bytes = k * 2;

  copy_lines (copy[0], w, stride, rows, bytes);
  for (size_t i = 0; i < bytes; i += 64, dst += 2 * NEVA_TILE_BYTES) {
    const size_t next = i + 64;

    if (next + 64 <= bytes && rows == 16)
      copy_lines (copy[next / 64 % 2], w + next, stride, 16, 64);
    else if (next < bytes)
      copy_lines (copy[next / 64 % 2], w + next, stride, rows, bytes - next);
    neva_transpose_16x16 (dst, 64, copy[i / 64 % 2], 64);
  }
}

static void
pack (const Product *p, size_t n, size_t k0, size_t k)
{
  const size_t stride = p->w->k * 2, columns = p->n1 - n;
  const char *in = (const char *) p->w->data + n * stride + k0 * 2;

  pack_16 (p->strip, in, stride, columns < 16 ? columns : 16, k);
  pack_16 (p->strip + NEVA_TILE_BYTES, in + 16 * stride, stride,
      columns < 16   ? 0
      : columns < 32 ? columns - 16
                     : 16,
      k);
}

static inline __attribute__ ((always_inline)) void
multiply (const Product *p, const Piece *piece, bool two)
{
  const size_t stride = p->x_stride, steps = (piece->k + K_TILE - 1) / K_TILE;
  const char *x = piece->x, *tiles = p->strip;
  const char *ahead = piece->ahead, *dst = piece->dst;

  if (piece->from)
    NEVA_TILE_LOAD (piece->from, packed, two);
  else
    NEVA_TILE_ZERO (two);
  for (size_t i = 0; i < steps; i++, x += 64, tiles += 2 * NEVA_TILE_BYTES) {
    NEVA_TILE_STEP (_tile_dpbf16ps, x, x + 16 * stride, stride, tiles,
        tiles + NEVA_TILE_BYTES, 64, two);
    for (size_t j = 0; j < piece->ahead_rows; j++)
      _mm_prefetch (ahead + i * 64 + j * p->w->k * 2, _MM_HINT_T0);
    if (i < piece->dst_rows) {
      __builtin_prefetch (dst, 1);
      __builtin_prefetch (dst + 64, 1);
      dst += p->ldd * 4;
    }
  }
  NEVA_TILE_STORE (piece->to, piece->shape, two);
}

static void
finish (const Product *p, size_t r, size_t rows, size_t n)
{
  const NevaEpilogue *e = p->epilogue;
  const size_t left = p->n1 - n;
  const NevaFinish f = {.bias = e->bias ? e->bias + n : NULL,
      .act = e->act,
      .add = e->add,
      .rows = rows,
      .columns = left < COLUMNS ? left : COLUMNS};

  neva_finish_avx512 (p->dst + r * p->ldd + n, p->ldd, p->last, &f);
}

/* The rows of the next strip that are fetched while the piece of `index`, of
 * those of all blocks of k, is multiplied: a few rows at a time from end to
 * end, so that the hardware's own prefetching joins in. */
static void
look_ahead (const Product *p, Piece *piece, size_t n, size_t far, size_t index)
{
  const size_t pieces = (p->m + ROWS - 1) / ROWS, blocks = p->k_blocks;
  const size_t turn = index / blocks, k0 = far + index % blocks * p->k_step;
  const size_t first = COLUMNS * turn / pieces;

  if (n + 2 * COLUMNS > p->n1)
    return;
  piece->ahead =
      (const char *) p->w->data + ((n + COLUMNS + first) * p->w->k + k0) * 2;
  piece->ahead_rows = COLUMNS * (turn + 1) / pieces - first;
}

/* Block number `block` of k of one strip, all rows. */
static void
strip_block (const Product *p, float *sums, size_t n, size_t far, size_t block)
{
  const size_t all = p->w->k, k0 = far + block * p->k_step;
  const size_t k1 = far + p->k_far < all ? far + p->k_far : all;
  const size_t k = k1 - k0 < p->k_step ? k1 - k0 : p->k_step;
  const bool last = k0 + k == all;
  const size_t share0 = ROWS * k0 / all, share1 = ROWS * (k0 + k) / all;
  size_t index = block * ((p->m + ROWS - 1) / ROWS), rows, configured = 0;

  pack (p, n, k0, k);
  for (size_t r = 0; r < p->m; r += rows, sums += NEVA_TILE_SUMS, index++) {
    Piece piece = {.to = last ? p->last : sums,
        .from = k0 ? sums : NULL,
        .shape = last ? finished : packed,
        .x = p->xq + r * p->x_stride + k0 * 2,
        .k = k,
        .dst = (const char *) (p->dst + (r + share0) * p->ldd + n)};

    rows = p->m - r < ROWS ? p->m - r : ROWS;
    piece.dst_rows = rows == ROWS ? share1 - share0 : 0;
    look_ahead (p, &piece, n, far, index);
    if (rows != configured)
      neva_tiles_configure (rows < 16 ? rows : 16, rows > 16 ? rows - 16 : 0);
    configured = rows;
    if (rows > 16)
      multiply (p, &piece, true);
    else
      multiply (p, &piece, false);
    if (last)
      finish (p, r, rows, n);
  }
}

static void
columns_block (const Product *p, size_t n0, size_t n1)
{
  const size_t strip = (p->m + ROWS - 1) / ROWS * NEVA_TILE_SUMS;

  for (size_t far = 0; far < p->w->k; far += p->k_far)
    for (size_t n = n0; n < n1; n += COLUMNS)
      for (size_t i = 0; i < p->k_blocks && far + i * p->k_step < p->w->k; i++)
        strip_block (p, p->sums + (n - n0) / COLUMNS * strip, n, far, i);
}

/* `total` in equal parts of at most `most`, whole tiles. */
static size_t
part (size_t total, size_t most)
{
  const size_t parts = (total + most - 1) / most;

  return ((total + parts - 1) / parts + K_TILE - 1) / K_TILE * K_TILE;
}

NEVA_DECL_MATMUL (neva_matmul_bf16_amx)
{
  const size_t far = part (w->k, K_CACHED + K_CACHED / 2);
  Product p = {.ldd = ldd,
      .x_stride = neva_act_row_bytes (w->type, w->k),
      .w = w,
      .epilogue = epilogue,
      .n1 = n1,
      .k_far = far,
      .k_step = part (far, K_BLOCK),
      .k_blocks = (far + K_BLOCK - 1) / K_BLOCK,
      .strip = work,
      .last = (float *) ((char *) work + STRIP_BYTES)};
  const size_t columns = far < w->k ? FAR_COLUMNS : COLUMNS;
  const size_t most = far > K_CACHED / 2 ? MAX_ROWS / 2 : MAX_ROWS;

  if (m <= NEVA_FEW_VECTOR) {
    neva_matmul_bf16_avx512bf16 (dst, ldd, xq, w, epilogue, m, n0, n1, work);
    return;
  }
  if (m <= NEVA_FEW_ROWS) {
    neva_few_bf16_amx (dst, ldd, xq, w, epilogue, m, n0, n1, work);
    return;
  }
  p.sums = p.last + ROWS * PANEL;
  for (size_t r = 0; r < m; r += p.m) {
    p.m = m - r < most + 32 ? m - r : most;
    p.dst = dst + r * ldd;
    p.xq = (const char *) xq + r * p.x_stride;
    for (size_t n = n0; n < n1; n += columns)
      columns_block (&p, n, n1 - n < columns ? n1 : n + columns);
  }
  _tile_release ();
}
