/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bf16 weights by tiles: 32 rows of x times 32 columns are four tiles of sums
 * that stay in registers for a block of k.
 *
 *   x tile   16 rows of 32 k, as xq lies in memory
 *   w tile   [16 pairs of k][16 columns][2], packed here, 1 KiB each
 *
 * A block of k of 32 columns (32 KiB) stays in L1 while all rows of x pass.
 * Prefetching by hand, of x or of the next weights, made it slower. */
#include "config.h"
#include "amx.h"
#include "matmul_amx.h"
#include "matmul_layout.h"
#include "panel.h"
#include "panel_avx512.h"
#include "transpose_avx512.h"

enum {
  PANEL = NEVA_MATMUL_PANEL,
  K_TILE = 32,   /* elements of k in a tile */
  K_BLOCK = 512, /* a multiple of K_TILE */
  M_BLOCK = 512, /* rows whose K_BLOCK stays in L2 */
  N_BLOCK = 256, /* columns whose sums stay there too */
  HALF = 32,     /* columns */
  TILE_BYTES = 1024
};

/* `rows` rows of w (16 at most), k elements, into every second tile from dst
 * on: tiles of one k lie side by side in pairs. */
static void
pack_16 (char *dst, const char *w, size_t stride, size_t rows, size_t k)
{
  size_t i = 0;

  if (rows == 16)
    for (; i + K_TILE <= k; i += K_TILE, dst += 2 * TILE_BYTES)
      neva_transpose_16x16 (dst, 64, w + i * 2, stride);
  for (; i < k; i += K_TILE, dst += 2 * TILE_BYTES) {
    const __mmask32 mask =
        k - i < K_TILE ? (__mmask32) ((1u << (k - i)) - 1) : 0xffffffff;
    char in[16 * 64] __attribute__ ((aligned (64)));

    for (size_t r = 0; r < 16; r++)
      _mm512_store_si512 (in + r * 64,
          r < rows ? _mm512_maskz_loadu_epi16 (mask, w + r * stride + i * 2)
                   : _mm512_setzero_si512 ());
    neva_transpose_16x16 (dst, 64, in, 64);
  }
}

/* 16 + 16 rows of x times pairs of w tiles, added to the tiles of sums. */
static inline void
multiply (
    const char *x, size_t stride, const char *tiles, size_t k_tiles, bool two)
{
  const char *x1 = x + 16 * stride;

  for (size_t i = 0; i < k_tiles; i++, tiles += 2 * TILE_BYTES) {
    _tile_loadd (6, tiles, 64);
    _tile_loadd (4, x + i * 64, stride);
    _tile_loadd (7, tiles + TILE_BYTES, 64);
    _tile_dpbf16ps (0, 4, 6);
    if (two) {
      _tile_loadd (5, x1 + i * 64, stride);
      _tile_dpbf16ps (1, 4, 7);
      _tile_dpbf16ps (2, 5, 6);
      _tile_dpbf16ps (3, 5, 7);
    } else {
      _tile_dpbf16ps (1, 4, 7);
    }
  }
}

static void
sums_zero (bool two)
{
  _tile_zero (0);
  _tile_zero (1);
  if (two) {
    _tile_zero (2);
    _tile_zero (3);
  }
}

static void
sums_load (const float *c, bool two)
{
  _tile_loadd (0, c, PANEL * 4);
  _tile_loadd (1, c + 16, PANEL * 4);
  if (two) {
    _tile_loadd (2, c + 16 * PANEL, PANEL * 4);
    _tile_loadd (3, c + 16 * PANEL + 16, PANEL * 4);
  }
}

static void
sums_store (float *c, bool two)
{
  _tile_stored (0, c, PANEL * 4);
  _tile_stored (1, c + 16, PANEL * 4);
  if (two) {
    _tile_stored (2, c + 16 * PANEL, PANEL * 4);
    _tile_stored (3, c + 16 * PANEL + 16, PANEL * 4);
  }
}

typedef struct {
  float *dst;
  size_t ldd;
  const char *xq;
  size_t x_stride;
  const NevaWeight *w;
  const NevaEpilogue *epilogue;
  size_t m, n1;
  float *c;    /* [N_BLOCK / 64][m][64] */
  char *panel; /* two halves, [k / 32][2] tiles each */
} Product;

typedef struct {
  size_t k0, k_tiles;
  bool first, last;  /* of the blocks of k */
  const char *tiles; /* of the half panel */
} Block;

/* One block of k of one half panel for `rows` rows from r on. Sums wait for the
 * next block in c: dst may have a row stride that maps many rows to few cache
 * sets. The last block takes them to dst. */
static void
rows_block (const Product *p, const Block *b, float *c, size_t r, size_t rows,
    size_t n, size_t columns)
{
  const NevaEpilogue *e = p->epilogue;
  const NevaFinish f = {.bias = e->bias ? e->bias + n : NULL,
      .act = e->act,
      .add = e->add,
      .rows = rows,
      .columns = columns};

  if (b->first)
    sums_zero (rows > 16);
  else
    sums_load (c, rows > 16);
  multiply (p->xq + r * p->x_stride + b->k0 * 2, p->x_stride, b->tiles,
      b->k_tiles, rows > 16);
  sums_store (c, rows > 16);
  if (b->last)
    neva_finish_avx512 (p->dst + r * p->ldd + n, p->ldd, c, &f);
}

/* A block of k of one panel, all rows. */
static void
panel_block (const Product *p, float *c, size_t n, size_t k0, size_t k)
{
  const size_t columns = p->n1 - n < PANEL ? p->n1 - n : PANEL;
  const size_t k_tiles = (k + K_TILE - 1) / K_TILE;
  const size_t half_bytes = k_tiles * 2 * TILE_BYTES, w_stride = p->w->k * 2;
  const char *w = (const char *) p->w->data + n * w_stride + k0 * 2;
  Block b = {.k0 = k0,
      .k_tiles = k_tiles,
      .first = k0 == 0,
      .last = k0 + k == p->w->k};

  for (size_t j = 0; j < columns; j += 16)
    pack_16 (p->panel + j / HALF * half_bytes + j % HALF / 16 * TILE_BYTES,
        w + j * w_stride, w_stride, columns - j < 16 ? columns - j : 16, k);
  for (size_t j = 0; j < columns; j += HALF) {
    size_t rows, configured = 0;

    b.tiles = p->panel + j / HALF * half_bytes;
    for (size_t r = 0; r < p->m; r += rows) {
      rows = p->m - r < 32 ? p->m - r : 32;
      if (rows != configured)
        neva_tiles_configure (rows < 16 ? rows : 16, rows > 16 ? rows - 16 : 0);
      configured = rows;
      rows_block (p, &b, c + r * PANEL + j, r, rows, n + j,
          columns - j < HALF ? columns - j : HALF);
    }
  }
}

/* Columns [n0, n1): blocks of k outside, so that the rows' part of k stays in
 * L2 for all of them. */
static void
columns_block (const Product *p, size_t n0, size_t n1, size_t step)
{
  const size_t k = p->w->k;

  for (size_t k0 = 0; k0 < k; k0 += step)
    for (size_t n = n0; n < n1; n += PANEL)
      panel_block (
          p, p->c + (n - n0) * p->m, n, k0, k - k0 < step ? k - k0 : step);
}

NEVA_DECL_MATMUL (neva_matmul_bf16_amx)
{
  const size_t blocks = (w->k + K_BLOCK - 1) / K_BLOCK;
  const size_t step =
      ((w->k + blocks - 1) / blocks + K_TILE - 1) / K_TILE * K_TILE;
  Product p = {.w = w,
      .epilogue = epilogue,
      .ldd = ldd,
      .x_stride = neva_act_row_bytes (w->type, w->k),
      .n1 = n1,
      .panel = work,
      .c = (float *) work + PANEL * K_BLOCK / 2};

  if (m <= 4) {
    neva_matmul_bf16_avx512bf16 (dst, ldd, xq, w, epilogue, m, n0, n1, work);
    return;
  }
  for (size_t r = 0; r < m; r += p.m) {
    p.m = m - r < M_BLOCK + M_BLOCK / 2 ? m - r : M_BLOCK;
    p.dst = dst + r * ldd;
    p.xq = (const char *) xq + r * p.x_stride;
    for (size_t n = n0; n < n1; n += N_BLOCK)
      columns_block (&p, n, n1 - n < N_BLOCK ? n1 : n + N_BLOCK, step);
  }
  _tile_release ();
}
