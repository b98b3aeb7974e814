/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* I8 and I4 weights by AVX2. vpmaddubsw adds pairs of u8 * s8 in int16 and
 * would saturate on I8 codes (up to 255), so there it gets |w| and x with the
 * sign of w: at most 2 * 127 * 127. I4 codes are at most 15: eight pairs fit in
 * int16 before they are widened. */
#include "config.h"
#include <immintrin.h>
#include "groups.h"
#include "matmul_avx2.h"

#define INLINE static inline __attribute__ ((always_inline))

enum { PANEL = NEVA_MATMUL_PANEL, GROUP = NEVA_QUANT_GROUP, STEP = PANEL * 4 };

INLINE __m256i
broadcast4 (const char *p)
{
  int v;

  memcpy (&v, p, 4);
  return _mm256_set1_epi32 (v);
}

/* 8 columns (q at their first byte) of one group times `rows` rows. */
INLINE void
dot_i8 (__m256i *acc, const char *q, const char *x, size_t stride, size_t rows)
{
  const __m256i ones = _mm256_set1_epi16 (1);
  const __m256i bias = _mm256_set1_epi8 ((char) 0x80);

  for (size_t r = 0; r < rows; r++)
    acc[r] = _mm256_setzero_si256 ();
  for (size_t i = 0; i < GROUP; i += 4, q += STEP) {
    const __m256i w =
        _mm256_xor_si256 (_mm256_load_si256 ((const __m256i *) q), bias);
    const __m256i magnitude = _mm256_abs_epi8 (w);

    for (size_t r = 0; r < rows; r++) {
      const __m256i v = _mm256_sign_epi8 (broadcast4 (x + r * stride + i), w);

      acc[r] = _mm256_add_epi32 (acc[r],
          _mm256_madd_epi16 (_mm256_maddubs_epi16 (magnitude, v), ones));
    }
  }
}

INLINE void
dot_i4 (__m256i *acc, const char *q, const char *x, size_t stride, size_t rows)
{
  const __m256i ones = _mm256_set1_epi16 (1), mask = _mm256_set1_epi8 (15);

  for (size_t r = 0; r < rows; r++)
    acc[r] = _mm256_setzero_si256 ();
  for (size_t i = 0; i < GROUP;) {
    __m256i part[6];

    for (size_t r = 0; r < rows; r++)
      part[r] = _mm256_setzero_si256 ();
    for (const size_t end = i + 32; i < end; i += 8, q += STEP) {
      const __m256i b = _mm256_load_si256 ((const __m256i *) q);
      const __m256i low = _mm256_and_si256 (b, mask);
      const __m256i high = _mm256_and_si256 (_mm256_srli_epi16 (b, 4), mask);

      for (size_t r = 0; r < rows; r++) {
        const char *v = x + r * stride + i;

        part[r] = _mm256_add_epi16 (
            part[r], _mm256_maddubs_epi16 (low, broadcast4 (v)));
        part[r] = _mm256_add_epi16 (
            part[r], _mm256_maddubs_epi16 (high, broadcast4 (v + 4)));
      }
    }
    for (size_t r = 0; r < rows; r++)
      acc[r] = _mm256_add_epi32 (acc[r], _mm256_madd_epi16 (part[r], ones));
  }
}

INLINE __m256
widen_bf16 (const char *p)
{
  return _mm256_castsi256_ps (_mm256_slli_epi32 (
      _mm256_cvtepu16_epi32 (_mm_load_si128 ((const __m128i *) p)), 16));
}

/* c [rows][64] += one group; `rows` is a constant. */
INLINE void
group_rows (float *c, const NevaGroupRows *x, const char *group, size_t g,
    size_t rows, bool i4)
{
  for (size_t j = 0; j < PANEL; j += 8) {
    __m256i acc[6];
    __m256 scale, low = _mm256_setzero_ps ();

    if (i4) {
      dot_i4 (
          acc, group + NEVA_I4_Q + j * 4, x->x + g * GROUP, x->stride, rows);
      scale = widen_bf16 (group + j * 2);
      low = widen_bf16 (group + PANEL * 2 + j * 2);
    } else {
      dot_i8 (
          acc, group + NEVA_I8_Q + j * 4, x->x + g * GROUP, x->stride, rows);
      scale = _mm256_load_ps ((const float *) group + j);
    }
    for (size_t r = 0; r < rows; r++) {
      const char *row = x->x + r * x->stride;
      float *out = c + r * PANEL + j;
      __m256 v = _mm256_load_ps (out);

      v = _mm256_fmadd_ps (_mm256_cvtepi32_ps (acc[r]),
          _mm256_mul_ps (scale,
              _mm256_broadcast_ss ((const float *) (row + x->scale) + g)),
          v);
      if (i4)
        v = _mm256_fmadd_ps (
            low, _mm256_broadcast_ss ((const float *) (row + x->sum) + g), v);
      _mm256_store_ps (out, v);
    }
  }
}

INLINE void
tile_rows (float *c, const NevaGroupRows *x, const char *panel, size_t groups,
    size_t rows, size_t step, bool i4)
{
  memset (c, 0, rows * PANEL * sizeof *c);
  for (size_t g = 0; g < groups; g++) {
    NevaGroupRows part = *x;
    float *out = c;
    size_t left = rows;

    for (; left >= step; left -= step, out += step * PANEL) {
      group_rows (out, &part, panel, g, step, i4);
      part.x += step * x->stride;
    }
    for (; left; left--, out += PANEL) {
      group_rows (out, &part, panel, g, 1, i4);
      part.x += x->stride;
    }
    panel += i4 ? NEVA_I4_GROUP_BYTES : NEVA_I8_GROUP_BYTES;
  }
}

static void
tile_i8 (float *c, const NevaGroupRows *x, const char *panel, size_t groups,
    size_t rows)
{
  tile_rows (c, x, panel, groups, rows, 6, false);
}

static void
tile_i4 (float *c, const NevaGroupRows *x, const char *panel, size_t groups,
    size_t rows)
{
  tile_rows (c, x, panel, groups, rows, 4, true);
}

NEVA_DECL_MATMUL (neva_matmul_i8_avx2)
{
  static const NevaGroupKernel kernel = {
      .tile_rows = 24, .tile = tile_i8, .finish = neva_finish_avx2};

  neva_matmul_groups (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}

NEVA_DECL_MATMUL (neva_matmul_i4_avx2)
{
  static const NevaGroupKernel kernel = {
      .tile_rows = 24, .tile = tile_i4, .finish = neva_finish_avx2};

  neva_matmul_groups (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}
