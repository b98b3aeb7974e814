/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sizes of the buffers that matmul.h asks its caller for. */
#include "config.h"
#include "matmul_layout.h"

size_t
neva_act_bytes (NevaDType type, size_t m, size_t k)
{
  return m * neva_act_row_bytes (type, k);
}

size_t
neva_packed_bytes (NevaDType type, size_t n, size_t k)
{
  if (type != NEVA_DTYPE_I8 && type != NEVA_DTYPE_I4)
    return 0;
  return (n + NEVA_MATMUL_PANEL - 1) / NEVA_MATMUL_PANEL *
         neva_packed_panel_bytes (type, k);
}

/* Enough for every tier: a tile of results, rows of x widened to f32 and a
 * panel of 64 columns (x86/panel.c), a panel of unpacked codes (x86/groups.c),
 * or a strip of weights and 768 x 256 sums (x86/tiles.h). */
size_t
neva_matmul_work_bytes (NevaDType type, size_t m, size_t k)
{
  const size_t kp = (k + 127) / 128 * 128;
  const size_t panel = (32 + kp) * NEVA_MATMUL_PANEL * 4 + 8 * kp * 4;
  const size_t rows = m < 768 ? (m + 31) / 32 * 32 : 768;

  (void) type;
  return panel + rows * 256 * 4 + 72 * 1024;
}
