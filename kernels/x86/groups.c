/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "groups.h"

enum { PANEL = NEVA_MATMUL_PANEL, MAX_TILE_ROWS = 32 };

void
neva_matmul_groups (const NevaGroupKernel *kernel, float *dst, size_t ldd,
    const void *xq, const NevaWeight *w, const NevaEpilogue *epilogue, size_t m,
    size_t n0, size_t n1, void *work)
{
  const size_t groups = neva_quant_groups (w->k);
  const size_t panel_bytes = neva_packed_panel_bytes (w->type, w->k);
  float *c = work;
  char *codes = (char *) (c + MAX_TILE_ROWS * PANEL);
  /* unpacking pays when several tiles share it */
  const bool unpack = kernel->unpack && m > 6;
  NevaGroupRows x = {.stride = neva_act_row_bytes (w->type, w->k),
      .scale = neva_act_scale_offset (w->k),
      .sum = neva_act_sum_offset (w->k)};

  for (size_t n = n0; n < n1; n += PANEL) {
    const char *panel = (const char *) w->data + n / PANEL * panel_bytes;
    NevaFinish f = {.bias = epilogue->bias ? epilogue->bias + n : NULL,
        .act = epilogue->act,
        .add = epilogue->add,
        .columns = n1 - n < PANEL ? n1 - n : PANEL};

    if (unpack)
      kernel->unpack (codes, panel, groups);
    for (size_t r = 0; r < m; r += f.rows) {
      f.rows = m - r < kernel->tile_rows ? m - r : kernel->tile_rows;
      x.x = (const char *) xq + r * x.stride;
      if (unpack)
        kernel->tile_unpacked (c, &x, codes, groups, f.rows);
      else
        kernel->tile (c, &x, panel, groups, f.rows);
      kernel->finish (dst + r * ldd + n, ldd, c, &f);
    }
  }
}
