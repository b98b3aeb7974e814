/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bf16 weights by tiles (blocking: tiles.h).
 *
 *   x tile   16 rows of 32 k, as xq lies in memory
 *   w tile   [16 pairs of k][16 columns][2], transposed here
 *   panel    [2 x 32 columns][k / 32][2 tiles]
 */
#include "config.h"
#include "matmul_amx.h"
#include "tiles.h"
#include "transpose_avx512.h"

enum { PANEL = NEVA_MATMUL_PANEL, K_TILE = 32, K_BLOCK = 512 };

static size_t
half_bytes (size_t k)
{
  return (k + K_TILE - 1) / K_TILE * 2 * NEVA_TILE_BYTES;
}

/* `rows` rows of w (16 at most), k elements, into every second tile. */
static void
pack_16 (char *dst, const char *w, size_t stride, size_t rows, size_t k)
{
  size_t i = 0;

  if (rows == 16)
    for (; i + K_TILE <= k; i += K_TILE, dst += 2 * NEVA_TILE_BYTES)
      neva_transpose_16x16 (dst, 64, w + i * 2, stride);
  for (; i < k; i += K_TILE, dst += 2 * NEVA_TILE_BYTES) {
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

static void
pack (char *panel, const NevaWeight *w, size_t n, size_t columns, size_t k0,
    size_t k)
{
  const size_t stride = w->k * 2;
  const char *in = (const char *) w->data + n * stride + k0 * 2;

  for (size_t j = 0; j < columns; j += 16)
    pack_16 (panel + j / 32 * half_bytes (k) + j % 32 / 16 * NEVA_TILE_BYTES,
        in + j * stride, stride, columns - j < 16 ? columns - j : 16, k);
}

static void
multiply (float *c, const char *x, size_t stride, const char *panel,
    const NevaWeight *w, size_t column, size_t k0, size_t k, size_t rows,
    bool first)
{
  const char *tiles = panel + column / 32 * half_bytes (k);
  const bool two = rows > 16;

  (void) w;
  x += k0 * 2;
  if (first)
    NEVA_TILE_ZERO (two);
  else
    NEVA_TILE_LOAD (c, PANEL, two);
  for (size_t i = 0; i < k; i += K_TILE, tiles += 2 * NEVA_TILE_BYTES)
    NEVA_TILE_STEP (
        _tile_dpbf16ps, x + i * 2, x + 16 * stride + i * 2, stride, tiles, two);
  NEVA_TILE_STORE (c, PANEL, two);
}

NEVA_DECL_MATMUL (neva_matmul_bf16_amx)
{
  static const NevaTileKernel kernel = {
      .k_block = K_BLOCK, .pack = pack, .multiply = multiply};

  if (m <= NEVA_FEW_ROWS)
    neva_few_bf16_amx (dst, ldd, xq, w, epilogue, m, n0, n1, work);
  else
    neva_matmul_tiles (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}
