/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* I8 and I4 weights by tiles (blocking: tiles.h).
 *
 *   x tile   16 rows of 64 k, as xq lies in memory
 *   w tile   [16 quads of k][16 columns][4], copied here in the order of use;
 *            I8 codes lose their 128, so that no correction is needed
 *   panel    [2 x 32 columns][k / 64][2 tiles], then scales and lows in f32
 *            [groups][64] each
 *
 * A group is two steps of tiles. Its int32 sums go through memory to the vector
 * unit, which scales them, in the same operations as every other tier, while
 * the tiles already multiply the next group. */
#include "config.h"
#include "matmul_amx.h"
#include "tiles.h"

#define INLINE static inline __attribute__ ((always_inline))

enum {
  PANEL = NEVA_MATMUL_PANEL,
  GROUP = NEVA_QUANT_GROUP,
  K_TILE = 64,
  K_BLOCK = 512,
  STEP = PANEL * 4, /* bytes of 4 k of a packed panel */
  SUMS = 32 * 32    /* of a piece */
};

static size_t
half_bytes (size_t groups)
{
  return groups * (GROUP / K_TILE) * 2 * NEVA_TILE_BYTES;
}

static const float *
scales_of (const char *panel, size_t groups)
{
  return (const float *) (panel + 2 * half_bytes (groups));
}

/* 64 columns of 4 k (256 bytes, `q` has them in four vectors) into their tiles.
 * `quad` counts from the start of the panel. */
INLINE void
put_quad (char *panel, size_t half, size_t quad, const __m512i *q)
{
  for (size_t j = 0; j < 4; j++)
    _mm512_store_si512 (panel + j / 2 * half +
                            (quad / 16 * 2 + j % 2) * NEVA_TILE_BYTES +
                            quad % 16 * 64,
        q[j]);
}

static void
pack_i8 (char *panel, const NevaWeight *w, size_t n, size_t columns, size_t k0,
    size_t k)
{
  const size_t groups = neva_quant_groups (k), half = half_bytes (groups);
  const __m512i bias = _mm512_set1_epi8 ((char) 0x80);
  const char *in = (const char *) w->data +
                   n / PANEL * neva_packed_panel_bytes (w->type, w->k) +
                   k0 / GROUP * NEVA_I8_GROUP_BYTES;
  float *scales = (float *) scales_of (panel, groups);

  (void) columns;
  for (size_t g = 0; g < groups; g++, in += NEVA_I8_GROUP_BYTES) {
    memcpy (scales + g * PANEL, in, PANEL * 4);
    for (size_t i = 0; i < GROUP / 4; i++) {
      const char *p = in + NEVA_I8_Q + i * STEP;
      __m512i q[4];

      for (int j = 0; j < 4; j++)
        q[j] = _mm512_xor_si512 (_mm512_load_si512 (p + 64 * j), bias);
      put_quad (panel, half, g * GROUP / 4 + i, q);
    }
  }
}

static void
pack_i4 (char *panel, const NevaWeight *w, size_t n, size_t columns, size_t k0,
    size_t k)
{
  const size_t groups = neva_quant_groups (k), half = half_bytes (groups);
  const __m512i mask = _mm512_set1_epi8 (15);
  const char *in = (const char *) w->data +
                   n / PANEL * neva_packed_panel_bytes (w->type, w->k) +
                   k0 / GROUP * NEVA_I4_GROUP_BYTES;
  float *scales = (float *) scales_of (panel, groups);

  (void) columns;
  for (size_t g = 0; g < groups; g++, in += NEVA_I4_GROUP_BYTES) {
    for (size_t j = 0; j < 2 * PANEL; j += 16) {
      const __m512i v = _mm512_cvtepu16_epi32 (
          _mm256_load_si256 ((const __m256i *) (in + j * 2)));
      float *out = j < PANEL ? scales + g * PANEL + j
                             : scales + groups * PANEL + g * PANEL + j - PANEL;

      _mm512_store_si512 (out, _mm512_slli_epi32 (v, 16));
    }
    for (size_t i = 0; i < GROUP / 8; i++) {
      const char *p = in + NEVA_I4_Q + i * STEP;
      __m512i low[4], high[4];

      for (int j = 0; j < 4; j++) {
        high[j] = _mm512_load_si512 (p + 64 * j);
        low[j] = _mm512_and_si512 (high[j], mask);
        high[j] = _mm512_and_si512 (_mm512_srli_epi16 (high[j], 4), mask);
      }
      put_quad (panel, half, g * GROUP / 4 + 2 * i, low);
      put_quad (panel, half, g * GROUP / 4 + 2 * i + 1, high);
    }
  }
}

/* The int32 sums of a group, in tiles. */
INLINE void
dot_group (const char *x, size_t stride, const char *tiles, bool two)
{
  NEVA_TILE_ZERO (two);
  NEVA_TILE_STEP (_tile_dpbssd, x, x + 16 * stride, stride, tiles, two);
  x += K_TILE;
  tiles += 2 * NEVA_TILE_BYTES;
  NEVA_TILE_STEP (_tile_dpbssd, x, x + 16 * stride, stride, tiles, two);
}

/* c += sums, scaled; x points at this group's scale of row 0, its sum is `sum`
 * bytes behind. scale and low: of 32 columns. */
INLINE void
add_group (float *c, const int *sums, const char *x, size_t stride, size_t sum,
    const float *scale, const float *low, size_t rows, bool first)
{
  const __m512 s0 = _mm512_load_ps (scale), s1 = _mm512_load_ps (scale + 16);

  for (size_t r = 0; r < rows; r++, c += PANEL, sums += 32, x += stride) {
    const __m512 xs = _mm512_set1_ps (*(const float *) x);
    __m512 v0 = first ? _mm512_setzero_ps () : _mm512_load_ps (c);
    __m512 v1 = first ? _mm512_setzero_ps () : _mm512_load_ps (c + 16);

    v0 = _mm512_fmadd_ps (_mm512_cvtepi32_ps (_mm512_load_si512 (sums)),
        _mm512_mul_ps (s0, xs), v0);
    v1 = _mm512_fmadd_ps (_mm512_cvtepi32_ps (_mm512_load_si512 (sums + 16)),
        _mm512_mul_ps (s1, xs), v1);
    if (low) {
      const __m512 total = _mm512_set1_ps (*(const float *) (x + sum));

      v0 = _mm512_fmadd_ps (_mm512_load_ps (low), total, v0);
      v1 = _mm512_fmadd_ps (_mm512_load_ps (low + 16), total, v1);
    }
    _mm512_store_ps (c, v0);
    _mm512_store_ps (c + 16, v1);
  }
}

INLINE void
multiply (float *c, const char *x, size_t stride, const char *panel,
    const NevaWeight *w, size_t column, size_t k0, size_t k, size_t rows,
    bool first, bool with_low)
{
  int sums[2][SUMS] __attribute__ ((aligned (64)));
  const size_t groups = neva_quant_groups (k), g0 = k0 / GROUP;
  const size_t sum = neva_act_sum_offset (w->k) - neva_act_scale_offset (w->k);
  const char *tiles = panel + column / 32 * half_bytes (groups);
  const float *scale = scales_of (panel, groups) + column;
  const float *low = with_low ? scale + groups * PANEL : NULL;
  const char *x_scale = x + neva_act_scale_offset (w->k) + g0 * 4;
  const bool two = rows > 16;

  x += k0;
  dot_group (x, stride, tiles, two);
  NEVA_TILE_STORE (sums[0], 32, two);
  for (size_t g = 0; g < groups; g++) {
    const bool more = g + 1 < groups;

    x += GROUP;
    tiles += 4 * NEVA_TILE_BYTES;
    if (more)
      dot_group (x, stride, tiles, two);
    add_group (c, sums[g % 2], x_scale + g * 4, stride, sum, scale + g * PANEL,
        with_low ? low + g * PANEL : NULL, rows, first && g == 0);
    if (more)
      NEVA_TILE_STORE (sums[(g + 1) % 2], 32, two);
  }
}

static void
multiply_i8 (float *c, const char *x, size_t stride, const char *panel,
    const NevaWeight *w, size_t column, size_t k0, size_t k, size_t rows,
    bool first)
{
  multiply (c, x, stride, panel, w, column, k0, k, rows, first, false);
}

static void
multiply_i4 (float *c, const char *x, size_t stride, const char *panel,
    const NevaWeight *w, size_t column, size_t k0, size_t k, size_t rows,
    bool first)
{
  multiply (c, x, stride, panel, w, column, k0, k, rows, first, true);
}

NEVA_DECL_MATMUL (neva_matmul_i8_amx)
{
  static const NevaTileKernel kernel = {
      .k_block = K_BLOCK, .pack = pack_i8, .multiply = multiply_i8};

  if (m == 1)
    neva_matmul_i8_avx512vnni (dst, ldd, xq, w, epilogue, m, n0, n1, work);
  else if (m <= NEVA_FEW_ROWS)
    neva_few_i8_amx (dst, ldd, xq, w, epilogue, m, n0, n1, work);
  else
    neva_matmul_tiles (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}

NEVA_DECL_MATMUL (neva_matmul_i4_amx)
{
  static const NevaTileKernel kernel = {
      .k_block = K_BLOCK, .pack = pack_i4, .multiply = multiply_i4};

  if (m == 1)
    neva_matmul_i4_avx512vnni (dst, ldd, xq, w, epilogue, m, n0, n1, work);
  else if (m <= NEVA_FEW_ROWS)
    neva_few_i4_amx (dst, ldd, xq, w, epilogue, m, n0, n1, work);
  else
    neva_matmul_tiles (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}
