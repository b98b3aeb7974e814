/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "amx.h"
#include "panel.h"
#include "tiles.h"

enum {
  PANEL = NEVA_MATMUL_PANEL,
  M_BLOCK = 512, /* rows whose block of k stays in L2 */
  N_BLOCK = 256, /* columns whose sums stay there too */
  COLUMNS = NEVA_TILE_COLUMNS
};

typedef struct {
  const NevaTileKernel *kernel;
  float *dst;
  size_t ldd;
  const char *xq;
  size_t x_stride;
  const NevaWeight *w;
  const NevaEpilogue *epilogue;
  size_t m, n1;
  char *panel;
  float *c; /* [N_BLOCK / 64][m][64] */
} Product;

/* One piece: up to 32 rows from r on, up to 32 columns of the panel at n. */
static void
piece (const Product *p, float *c, size_t r, size_t rows, size_t n,
    size_t column, size_t k0, size_t k)
{
  const NevaEpilogue *e = p->epilogue;
  const size_t left = p->n1 - n - column;
  const NevaFinish f = {.bias = e->bias ? e->bias + n + column : NULL,
      .act = e->act,
      .add = e->add,
      .rows = rows,
      .columns = left < COLUMNS ? left : COLUMNS};

  p->kernel->multiply (c, p->xq + r * p->x_stride, p->x_stride, p->panel, p->w,
      column, k0, k, rows, k0 == 0);
  if (k0 + k == p->w->k)
    neva_finish_avx512 (p->dst + r * p->ldd + n + column, p->ldd, c, &f);
}

/* A block of k of one panel, all rows. */
static void
panel_block (const Product *p, float *c, size_t n, size_t k0, size_t k)
{
  const size_t columns = p->n1 - n < PANEL ? p->n1 - n : PANEL;

  p->kernel->pack (p->panel, p->w, n, columns, k0, k);
  for (size_t j = 0; j < columns; j += COLUMNS) {
    size_t rows, configured = 0;

    for (size_t r = 0; r < p->m; r += rows) {
      rows = p->m - r < 32 ? p->m - r : 32;
      if (rows != configured)
        neva_tiles_configure (rows < 16 ? rows : 16, rows > 16 ? rows - 16 : 0);
      configured = rows;
      piece (p, c + r * PANEL + j, r, rows, n, j, k0, k);
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

void
neva_matmul_tiles (const NevaTileKernel *kernel, float *dst, size_t ldd,
    const void *xq, const NevaWeight *w, const NevaEpilogue *epilogue, size_t m,
    size_t n0, size_t n1, void *work)
{
  const size_t blocks = (w->k + kernel->k_block - 1) / kernel->k_block;
  const size_t align = NEVA_QUANT_GROUP;
  const size_t step =
      ((w->k + blocks - 1) / blocks + align - 1) / align * align;
  Product p = {.kernel = kernel,
      .w = w,
      .epilogue = epilogue,
      .ldd = ldd,
      .x_stride = neva_act_row_bytes (w->type, w->k),
      .n1 = n1,
      .panel = work,
      .c = (float *) ((char *) work + NEVA_TILE_PANEL_BYTES)};

  for (size_t r = 0; r < m; r += p.m) {
    p.m = m - r < M_BLOCK + M_BLOCK / 2 ? m - r : M_BLOCK;
    p.dst = dst + r * ldd;
    p.xq = (const char *) xq + r * p.x_stride;
    for (size_t n = n0; n < n1; n += N_BLOCK)
      columns_block (&p, n, n1 - n < N_BLOCK ? n1 : n + N_BLOCK, step);
  }
  _tile_release ();
}
