/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bf16 weights times few rows, by tiles. Here the weights are the left operand:
 * 16 of their rows, 32 k wide, are a tile as they lie in memory, so they are
 * read once and nothing is packed.
 *
 *   w tile   [16 rows of W][32 k], in place
 *   x tile   [16 pairs of k][16 rows of x][2], transposed here
 *   sums     [16 rows of W][16 rows of x]
 *
 * A sum adds the same products in the same order as in matmul_bf16_amx.c. */
#include "config.h"
#include "amx.h"
#include "matmul_layout.h"
#include "matmul_amx.h"
#include "panel.h"
#include "panel_avx512.h"
#include "transpose_avx512.h"

enum { PANEL = NEVA_MATMUL_PANEL, TILE = 16, K_TILE = 32, X_TILE = TILE * 64 };

typedef struct {
  const char *x;    /* tiles */
  size_t stride, k; /* of W: bytes, elements */
} Few;

static void
transpose_x (char *xt, const char *xq, size_t stride, size_t m, size_t k)
{
  char in[TILE * 64] __attribute__ ((aligned (64)));

  for (size_t r = m; r < TILE; r++)
    _mm512_store_si512 (in + r * 64, _mm512_setzero_si512 ());
  for (size_t i = 0; i < k; i += K_TILE, xt += X_TILE) {
    for (size_t r = 0; r < m; r++)
      _mm512_store_si512 (
          in + r * 64, _mm512_load_si512 (xq + r * stride + i * 2));
    neva_transpose_16x16 (xt, 64, in, 64);
  }
}

static void
configure (size_t m)
{
  NevaTileConfig config = {.palette = 1};

  for (int i = 0; i < 8; i++) {
    config.rows[i] = TILE;
    config.row_bytes[i] = i == 4 || i == 5 ? 64 : (uint16_t) (m * 4);
  }
  __asm__ volatile("ldtilecfg %0" ::"m"(config));
}

/* The last, partial step of k of 16 rows (fewer at the end of W). */
static const char *
copy_tile (char *copy, const char *w, size_t stride, size_t rows, size_t k)
{
  const __mmask32 mask = k < K_TILE ? (__mmask32) ((1u << k) - 1) : 0xffffffff;

  for (size_t r = 0; r < TILE; r++)
    _mm512_store_si512 (copy + r * 64,
        r < rows ? _mm512_maskz_loadu_epi16 (mask, w + r * stride)
                 : _mm512_setzero_si512 ());
  return copy;
}

/* sums [32][16] = 32 rows of W from w on, of which `rows` exist. */
static void
rows_32 (float *sums, const Few *f, const char *w, size_t rows)
{
  char copy[2][TILE * 64] __attribute__ ((aligned (64)));
  const size_t whole = rows < 32 ? 0 : f->k / K_TILE * K_TILE;
  const char *x = f->x;
  size_t i = 0;

  _tile_zero (0);
  _tile_zero (1);
  for (; i < whole; i += K_TILE, x += X_TILE) {
    const char *p = w + i * 2;

    _tile_loadd (6, x, 64);
    _tile_loadd (4, p, f->stride);
    _tile_dpbf16ps (0, 4, 6);
    _tile_loadd (5, p + TILE * f->stride, f->stride);
    _tile_dpbf16ps (1, 5, 6);
  }
  for (; i < f->k; i += K_TILE, x += X_TILE) {
    const char *p = w + i * 2;
    const size_t left = f->k - i;

    _tile_loadd (6, x, 64);
    _tile_loadd (4,
        copy_tile (copy[0], p, f->stride, rows < TILE ? rows : TILE, left), 64);
    _tile_dpbf16ps (0, 4, 6);
    _tile_loadd (5,
        copy_tile (copy[1], p + TILE * f->stride, f->stride,
            rows < TILE ? 0 : rows - TILE, left),
        64);
    _tile_dpbf16ps (1, 5, 6);
  }
  _tile_stored (0, sums, 64);
  _tile_stored (1, sums + TILE * TILE, 64);
}

void
neva_few_bf16_amx (float *dst, size_t ldd, const void *xq, const NevaWeight *w,
    const NevaEpilogue *epilogue, size_t m, size_t n0, size_t n1, void *work)
{
  const size_t x_row = neva_act_row_bytes (w->type, w->k);
  float *c = work, *sums = c + TILE * PANEL, *turned = sums + 2 * TILE * TILE;
  char *xt = (char *) (turned + TILE * TILE);
  const Few f = {xt, w->k * 2, w->k};

  transpose_x (xt, xq, x_row, m, w->k);
  configure (m);
  for (size_t n = n0; n < n1; n += PANEL) {
    const NevaFinish finish = {
        .bias = epilogue->bias ? epilogue->bias + n : NULL,
        .act = epilogue->act,
        .add = epilogue->add,
        .rows = m,
        .columns = n1 - n < PANEL ? n1 - n : PANEL};

    for (size_t j = 0; j < finish.columns; j += 2 * TILE) {
      const size_t left = finish.columns - j;

      rows_32 (sums, &f, (const char *) w->data + (n + j) * f.stride,
          left < 2 * TILE ? left : 2 * TILE);
      for (size_t half = 0; half < 2; half++) {
        neva_transpose_16x16 ((char *) turned, 64,
            (const char *) (sums + half * TILE * TILE), 64);
        for (size_t r = 0; r < m; r++)
          _mm512_store_ps (c + r * PANEL + j + half * TILE,
              _mm512_load_ps (turned + r * TILE));
      }
    }
    neva_finish_avx512 (dst + n, ldd, c, &finish);
  }
  _tile_release ();
}
