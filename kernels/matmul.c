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
 * panel of 64 columns (x86/panel.c), or a panel of unpacked codes
 * (x86/groups.h). */
size_t
neva_matmul_work_bytes (NevaDType type, size_t m, size_t k)
{
  const size_t rows = 32, kp = (k + 127) / 128 * 128;

  (void) type, (void) m;
  return (rows + kp) * NEVA_MATMUL_PANEL * 4 + 8 * kp * 4;
}
