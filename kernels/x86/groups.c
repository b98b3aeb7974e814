/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "groups.h"

enum { PANEL = NEVA_MATMUL_PANEL, MAX_TILE_ROWS = 32 };

typedef struct {
  const NevaGroupKernel *kernel;
  float *dst;
  size_t ldd;
  const NevaWeight *w;
  const NevaEpilogue *epilogue;
  size_t m, n1, groups, panel_bytes;
  float *c;    /* [MAX_TILE_ROWS][64] */
  char *codes; /* of an unpacked panel */
} Product;

static const char *
panel_at (const Product *p, size_t n)
{
  return (const char *) p->w->data + n / PANEL * p->panel_bytes;
}

/* `rows` rows of the panel at column n, from row r of dst on. */
static void
finish (const Product *p, float *c, size_t n, size_t r, size_t rows)
{
  const NevaEpilogue *e = p->epilogue;
  const NevaFinish f = {.bias = e->bias ? e->bias + n : NULL,
      .act = e->act,
      .add = e->add,
      .rows = rows,
      .columns = p->n1 - n < PANEL ? p->n1 - n : PANEL};

  p->kernel->finish (p->dst + r * p->ldd + n, p->ldd, c, &f);
}

static void
panel_rows (const Product *p, NevaGroupRows x, size_t n)
{
  const NevaGroupKernel *kernel = p->kernel;
  const char *xq = x.x, *panel = panel_at (p, n);
  /* unpacking pays when several tiles share it */
  const bool unpack = kernel->unpack && p->m > NEVA_GROUPS_FEW;

  if (unpack)
    kernel->unpack (p->codes, panel, p->groups);
  for (size_t r = 0, rows; r < p->m; r += rows) {
    rows = p->m - r < kernel->tile_rows ? p->m - r : kernel->tile_rows;
    x.x = xq + r * x.stride;
    if (unpack)
      kernel->tile_unpacked (p->c, &x, p->codes, p->groups, rows);
    else if (kernel->few && p->m <= NEVA_GROUPS_FEW)
      kernel->few (p->c, &x, panel, p->groups, rows);
    else
      kernel->tile (p->c, &x, panel, p->groups, rows);
    finish (p, p->c, n, r, rows);
  }
}

void
neva_matmul_groups (const NevaGroupKernel *kernel, float *dst, size_t ldd,
    const void *xq, const NevaWeight *w, const NevaEpilogue *epilogue, size_t m,
    size_t n0, size_t n1, void *work)
{
  const NevaGroupRows x = {.x = xq,
      .stride = neva_act_row_bytes (w->type, w->k),
      .scale = neva_act_scale_offset (w->k),
      .sum = neva_act_sum_offset (w->k)};
  const Product p = {.kernel = kernel,
      .dst = dst,
      .ldd = ldd,
      .w = w,
      .epilogue = epilogue,
      .m = m,
      .n1 = n1,
      .groups = neva_quant_groups (w->k),
      .panel_bytes = neva_packed_panel_bytes (w->type, w->k),
      .c = work,
      .codes = (char *) ((float *) work + MAX_TILE_ROWS * PANEL)};
  size_t n = n0;

  if (kernel->two && m == 1)
    for (; n + PANEL < n1; n += 2 * PANEL) {
      kernel->two (p.c, &x, panel_at (&p, n), p.panel_bytes, p.groups);
      finish (&p, p.c, n, 0, 1);
      finish (&p, p.c + PANEL, n + PANEL, 0, 1);
    }
  for (; n < n1; n += PANEL)
    panel_rows (&p, x, n);
}
