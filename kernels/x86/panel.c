/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "matmul_layout.h"
#include "panel.h"

enum { PANEL = NEVA_MATMUL_PANEL, MAX_ROWS = 16 };

typedef struct {
  const NevaPanelKernel *kernel;
  float *dst;
  size_t ldd;
  const char *xq;
  size_t x_stride, w_stride, element;
  const NevaWeight *w;
  const NevaEpilogue *epilogue;
  size_t m;
  float *c;        /* [MAX_ROWS][64]: of a tile or of gemv */
  void *tile_work; /* [tile_rows][k] f32 */
  char *panel;
} Product;

static size_t
columns_left (size_t n, size_t n1)
{
  return n1 - n < PANEL ? n1 - n : PANEL;
}

static void
few_rows (const Product *p, size_t n0, size_t n1)
{
  for (size_t n = n0; n < n1; n += PANEL) {
    const NevaFinish finish = {
        .bias = p->epilogue->bias ? p->epilogue->bias + n : NULL,
        .act = p->epilogue->act,
        .add = p->epilogue->add,
        .rows = p->m,
        .columns = columns_left (n, n1)};

    p->kernel->gemv (p->c, p->xq, p->x_stride,
        (const char *) p->w->data + n * p->w_stride, p->w_stride,
        finish.columns, p->w->k, p->m);
    p->kernel->finish (p->dst + n, p->ldd, p->c, &finish);
  }
}

/* All rows of x against k elements [k0, k0 + k) of one panel. The first block
 * of k starts dst (unless it adds), the last one applies bias and activation.
 */
static void
panel_block (const Product *p, size_t n, size_t columns, size_t k0, size_t k)
{
  const bool first = k0 == 0, last = k0 + k == p->w->k;
  const NevaPanelKernel *kernel = p->kernel;
  NevaFinish finish = {
      .bias = last && p->epilogue->bias ? p->epilogue->bias + n : NULL,
      .act = last ? p->epilogue->act : NEVA_ACT_NONE,
      .columns = columns};

  kernel->pack (p->panel,
      (const char *) p->w->data + n * p->w_stride + k0 * p->element,
      p->w_stride, columns, k);
  for (size_t r = 0; r < p->m; r += finish.rows) {
    float *dst = p->dst + r * p->ldd + n;

    finish.rows = p->m - r < kernel->tile_rows ? p->m - r : kernel->tile_rows;
    kernel->tile (p->c, p->xq + r * p->x_stride + k0 * p->element, p->x_stride,
        p->panel, k, finish.rows, p->tile_work);
    finish.add = !first || p->epilogue->add;
    if (!first && finish.act != NEVA_ACT_NONE) {
      for (size_t i = 0; i < finish.rows; i++)
        for (size_t j = 0; j < columns; j++)
          p->c[i * PANEL + j] += dst[i * p->ldd + j];
      finish.add = false;
    }
    kernel->finish (dst, p->ldd, p->c, &finish);
  }
}

void
neva_matmul_panels (const NevaPanelKernel *kernel, float *dst, size_t ldd,
    const void *xq, const NevaWeight *w, const NevaEpilogue *epilogue, size_t m,
    size_t n0, size_t n1, void *work)
{
  const size_t element = w->type == NEVA_DTYPE_F32 ? 4 : 2;
  const Product p = {.kernel = kernel,
      .dst = dst,
      .ldd = ldd,
      .xq = xq,
      .x_stride = neva_act_row_bytes (w->type, w->k),
      .w_stride = w->k * element,
      .element = element,
      .w = w,
      .epilogue = epilogue,
      .m = m,
      .c = work,
      .tile_work = (float *) work + MAX_ROWS * PANEL,
      .panel = (char *) ((float *) work + MAX_ROWS * PANEL +
                         kernel->tile_rows * ((w->k + 31) / 32 * 32))};
  /* Equal blocks: a short last one would waste its packing. An activation can
   * only see a whole sum, and dst cannot hold a partial one when it is added
   * to: then there is one block. */
  const bool whole = epilogue->add && epilogue->act != NEVA_ACT_NONE;
  const size_t blocks =
      whole ? 1 : (w->k + kernel->k_block - 1) / kernel->k_block;
  const size_t step = ((w->k + blocks - 1) / blocks + 31) / 32 * 32;

  if (m <= kernel->gemv_rows) {
    few_rows (&p, n0, n1);
    return;
  }
  for (size_t n = n0; n < n1; n += PANEL)
    for (size_t k0 = 0; k0 < w->k; k0 += step)
      panel_block (
          &p, n, columns_left (n, n1), k0, w->k - k0 < step ? w->k - k0 : step);
}
