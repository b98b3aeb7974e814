/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Quantises weights as ref/pack.c does, to the bit: a group of one row at a
 * time into 128 codes, which are then dealt out over the panel. */
#include "config.h"
#include <immintrin.h>
#include <math.h>
#include "matmul_avx2.h"
#include "matmul_layout.h"
#include "ref/pack.h"

enum { GROUP = NEVA_QUANT_GROUP, PANEL = NEVA_MATMUL_PANEL, STEP = PANEL * 4 };

/* [lowest, highest] of a group; false if a number is not finite. */
static bool
range (const float *w, float *low, float *high)
{
  const __m256 magnitude = _mm256_castsi256_ps (_mm256_set1_epi32 (0x7fffffff));
  __m256 lo = _mm256_loadu_ps (w), hi = lo, bad = _mm256_setzero_ps ();
  float lows[8], highs[8];

  for (size_t i = 0; i < GROUP; i += 8) {
    const __m256 v = _mm256_loadu_ps (w + i);

    bad = _mm256_or_ps (bad, _mm256_cmp_ps (_mm256_and_ps (v, magnitude),
                                 _mm256_set1_ps (INFINITY), _CMP_NLT_UQ));
    lo = _mm256_min_ps (lo, v);
    hi = _mm256_max_ps (hi, v);
  }
  _mm256_storeu_ps (lows, lo);
  _mm256_storeu_ps (highs, hi);
  *low = lows[0];
  *high = highs[0];
  for (int i = 1; i < 8; i++) {
    *low = fminf (*low, lows[i]);
    *high = fmaxf (*high, highs[i]);
  }
  return !_mm256_movemask_ps (bad);
}

/* codes = nearest integers of w inverse - shift, within [0, 15] if `clamp`. */
static void
round_group (
    int8_t *codes, const float *w, float inverse, float shift, bool clamp)
{
  const __m256 factor = _mm256_set1_ps (inverse), s = _mm256_set1_ps (shift);
  const __m256i order = _mm256_setr_epi32 (0, 4, 1, 5, 2, 6, 3, 7);

  for (size_t i = 0; i < GROUP; i += 32) {
    __m256i q[4];

    for (int j = 0; j < 4; j++) {
      const __m256 v = _mm256_loadu_ps (w + i + 8 * j);

      q[j] = _mm256_cvtps_epi32 (_mm256_sub_ps (_mm256_mul_ps (v, factor), s));
      if (clamp)
        q[j] =
            _mm256_min_epi32 (_mm256_max_epi32 (q[j], _mm256_setzero_si256 ()),
                _mm256_set1_epi32 (15));
    }
    _mm256_storeu_si256 ((__m256i *) (codes + i),
        _mm256_permutevar8x32_epi32 (
            _mm256_packs_epi16 (_mm256_packs_epi32 (q[0], q[1]),
                _mm256_packs_epi32 (q[2], q[3])),
            order));
  }
}

/* A group's numbers, the first one repeated behind n. */
static const float *
whole_group (float *buffer, const float *w, size_t n)
{
  if (n == GROUP)
    return w;
  memcpy (buffer, w, n * sizeof *w);
  for (size_t i = n; i < GROUP; i++)
    buffer[i] = w[0];
  return buffer;
}

static void
pack_i8_column (uint8_t *group, const float *w, size_t n, size_t column)
{
  uint8_t *q = group + NEVA_I8_Q + column * 4;
  int8_t codes[GROUP] = {0};
  float buffer[GROUP], low, high, inverse = 0;

  w = whole_group (buffer, w, n);
  const bool finite = range (w, &low, &high);

  ((float *) group)[column] = neva_i8_scale (finite, low, high, &inverse);
  if (inverse > 0)
    round_group (codes, w, inverse, 0, false);
  memset (codes + n, 0, GROUP - n);
  for (size_t i = 0; i < GROUP; i += 4) {
    uint32_t word;

    memcpy (&word, codes + i, 4);
    word ^= 0x80808080u; /* + 128 */
    memcpy (q + i / 4 * STEP, &word, 4);
  }
}

static void
pack_i4_column (uint8_t *group, const float *w, size_t n, size_t column)
{
  uint16_t *scale = (uint16_t *) group + column;
  uint8_t *q = group + NEVA_I4_Q + column * 4;
  int8_t codes[GROUP] = {0};
  float buffer[GROUP], low, high, inverse = 0;

  w = whole_group (buffer, w, n);
  const bool finite = range (w, &low, &high);

  neva_i4_scale (finite, &low, high, scale, scale + PANEL, &inverse);
  if (inverse > 0)
    round_group (codes, w, inverse, low * inverse, true);
  memset (codes + n, 0, GROUP - n);
  for (size_t i = 0; i < GROUP; i += 8) {
    uint32_t first, second;

    memcpy (&first, codes + i, 4);
    memcpy (&second, codes + i + 4, 4);
    first |= second << 4;
    memcpy (q + i / 8 * STEP, &first, 4);
  }
}

static void
pack_panel (NevaDType type, void *packed, const float *w, size_t k, size_t n0,
    size_t rows)
{
  uint8_t *group = (uint8_t *) packed +
                   n0 / NEVA_MATMUL_PANEL * neva_packed_panel_bytes (type, k);
  static const float zero = 0;

  for (size_t i = 0; i < k; i += GROUP) {
    const size_t n = k - i < GROUP ? k - i : GROUP;

    for (size_t c = 0; c < PANEL; c++)
      (type == NEVA_DTYPE_I8 ? pack_i8_column : pack_i4_column) (
          group, c < rows ? w + c * k + i : &zero, c < rows ? n : 1, c);
    group += neva_packed_group_bytes (type);
  }
}

NEVA_DECL_PACK (neva_pack_i8_avx2)
{
  (void) n;
  pack_panel (NEVA_DTYPE_I8, packed, w, k, n0, rows);
}

NEVA_DECL_PACK (neva_pack_i4_avx2)
{
  (void) n;
  pack_panel (NEVA_DTYPE_I4, packed, w, k, n0, rows);
}
