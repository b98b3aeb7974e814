/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bf16 weights by tiles: 32 rows of x times 32 columns are four tiles of sums
 * that stay in registers for a block of k.
 *
 *   x tile   16 rows of 32 k, as xq lies in memory
 *   w tile   [16 pairs of k][16 columns][2], packed here, 1 KiB each
 *
 * A block of k of 32 columns (32 KiB) stays in L1 while all rows of x pass.
 * Arithmetic is so fast that memory must be asked for the next weights while
 * this block is multiplied. */
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
  TILE_BYTES = 1024
};

/* Weights that will be packed next, asked for line by line. */
typedef struct {
  const char *next, *end; /* of the current row */
  size_t row_bytes, skip; /* read of each row, from its end to the next */
  size_t rows;            /* still to come */
} Ahead;

static inline void
ahead_step (Ahead *a, size_t lines)
{
  for (; lines && a->rows; lines--) {
    _mm_prefetch (a->next, _MM_HINT_T1);
    a->next += 64;
    if (a->next >= a->end) {
      a->next = a->end + a->skip;
      a->end = a->next + a->row_bytes;
      a->rows--;
    }
  }
}

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

/* c [32][64] (32 columns of it) = 16 + 16 rows of x times pairs of w tiles. */
static void
multiply (float *c, const char *x, size_t stride, const char *tiles,
    size_t k_tiles, bool two, Ahead *ahead, size_t lines)
{
  const char *x1 = x + 16 * stride;

  _tile_zero (0);
  _tile_zero (1);
  if (two) {
    _tile_zero (2);
    _tile_zero (3);
  }
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
    ahead_step (ahead, lines);
  }
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
  float *c;    /* [32][64] */
  char *panel; /* two halves, [k / 32][2] tiles each */
} Product;

static Ahead
weights_at (const Product *p, size_t n, size_t k0, size_t step)
{
  const size_t k = p->w->k, left = k0 < k ? k - k0 : 0;
  const size_t bytes = (left < step ? left : step) * 2;
  const char *start = (const char *) p->w->data + (n * k + k0) * 2;
  Ahead a = {.next = start,
      .end = start + bytes,
      .row_bytes = bytes,
      .skip = k * 2 - bytes};

  a.rows = n >= p->n1 || !bytes ? 0 : p->n1 - n < PANEL ? p->n1 - n : PANEL;
  return a;
}

/* Adds this block of k to dst; see panel.c for first and last. */
static void
finish_block (const Product *p, size_t r, size_t rows, size_t n, size_t columns,
    bool first, bool last)
{
  float *dst = p->dst + r * p->ldd + n;
  NevaFinish f = {
      .bias = last && p->epilogue->bias ? p->epilogue->bias + n : NULL,
      .act = last ? p->epilogue->act : NEVA_ACT_NONE,
      .add = !first || p->epilogue->add,
      .rows = rows,
      .columns = columns};

  if (!first && f.act != NEVA_ACT_NONE) {
    for (size_t i = 0; i < rows; i++)
      for (size_t j = 0; j < columns; j++)
        p->c[i * PANEL + j] += dst[i * p->ldd + j];
    f.add = false;
  }
  neva_finish_avx512 (dst, p->ldd, p->c, &f);
}

static void
block (const Product *p, size_t n, size_t k0, size_t k, Ahead ahead)
{
  const size_t columns = p->n1 - n < PANEL ? p->n1 - n : PANEL;
  const size_t k_tiles = (k + K_TILE - 1) / K_TILE;
  const size_t half_bytes = k_tiles * 2 * TILE_BYTES, w_stride = p->w->k * 2;
  const char *w = (const char *) p->w->data + n * w_stride + k0 * 2;
  const size_t steps = (p->m + 31) / 32 * 2 * k_tiles;
  const size_t lines = (PANEL * k / 32 + steps - 1) / steps;
  size_t configured = 0;

  for (size_t c = 0; c < PANEL && c < columns; c += 16)
    pack_16 (p->panel + c / 32 * half_bytes + c % 32 / 16 * TILE_BYTES,
        w + c * w_stride, w_stride, columns - c < 16 ? columns - c : 16, k);
  for (size_t r = 0; r < p->m; r += 32) {
    const size_t rows = p->m - r < 32 ? p->m - r : 32;
    const char *x = p->xq + r * p->x_stride + k0 * 2;

    if (rows != configured)
      neva_tiles_configure (rows < 16 ? rows : 16, rows > 16 ? rows - 16 : 0);
    configured = rows;
    for (size_t half = 0; half * 32 < columns; half++)
      multiply (p->c + half * 32, x, p->x_stride, p->panel + half * half_bytes,
          k_tiles, rows > 16, &ahead, lines);
    finish_block (p, r, rows, n, columns, k0 == 0, k0 + k == p->w->k);
  }
}

NEVA_DECL_MATMUL (neva_matmul_bf16_amx)
{
  const bool whole = epilogue->add && epilogue->act != NEVA_ACT_NONE;
  const size_t blocks = whole ? 1 : (w->k + K_BLOCK - 1) / K_BLOCK;
  const size_t step =
      ((w->k + blocks - 1) / blocks + K_TILE - 1) / K_TILE * K_TILE;
  Product p = {.dst = dst,
      .ldd = ldd,
      .xq = xq,
      .x_stride = neva_act_row_bytes (w->type, w->k),
      .w = w,
      .epilogue = epilogue,
      .m = m,
      .n1 = n1,
      .c = work,
      .panel = (char *) ((float *) work + 32 * PANEL)};

  if (m <= 4) {
    neva_matmul_bf16_avx512bf16 (dst, ldd, xq, w, epilogue, m, n0, n1, work);
    return;
  }
  for (size_t n = n0; n < n1; n += PANEL)
    for (size_t k0 = 0; k0 < w->k; k0 += step) {
      const bool last = k0 + step >= w->k;

      block (&p, n, k0, last ? w->k - k0 : step,
          last ? weights_at (&p, n + PANEL, 0, step)
               : weights_at (&p, n, k0 + step, step));
    }
  _tile_release ();
}
