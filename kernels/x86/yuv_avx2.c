/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "yuv_chroma.h"

/* Lanes of a half (0, 1) of 16 words, less `zero`, as f32. */
static inline __m256
centered (__m256i words, int half, int zero)
{
  const __m128i w = half ? _mm256_extracti128_si256 (words, 1)
                         : _mm256_castsi256_si128 (words);

  return _mm256_cvtepi32_ps (
      _mm256_sub_epi32 (_mm256_cvtepu16_epi32 (w), _mm256_set1_epi32 (zero)));
}

static inline void
put (uint8_t *dst, const __m256 x[2])
{
  const __m256i words = _mm256_permute4x64_epi64 (
      _mm256_packs_epi32 (_mm256_cvtps_epi32 (x[0]), _mm256_cvtps_epi32 (x[1])),
      0xd8);

  _mm_storeu_si128 (
      (__m128i *) dst, _mm_packus_epi16 (_mm256_castsi256_si128 (words),
                           _mm256_extracti128_si256 (words, 1)));
}

static inline void
convert_16 (uint8_t *const dst[3], size_t x, const void *luma,
    const NevaYuvRow *row, const NevaChromaWeights *w)
{
  const NevaYuvMatrix *m = &row->matrix;
  const __m256i y16 = neva_luma_of_16 (luma, row->sample);
  const __m256i u16 = neva_chroma_of_16 (row->chroma[0] + x / 2, w);
  const __m256i v16 = neva_chroma_of_16 (row->chroma[1] + x / 2, w);
  __m256 r[2], g[2], b[2];

  for (int i = 0; i < 2; i++) {
    const __m256 l =
        _mm256_mul_ps (_mm256_set1_ps (m->ky), centered (y16, i, m->y0));
    const __m256 u = centered (u16, i, m->c0), v = centered (v16, i, m->c0);

    r[i] = _mm256_fmadd_ps (_mm256_set1_ps (m->rv), v, l);
    g[i] = _mm256_fmadd_ps (_mm256_set1_ps (m->gu), u,
        _mm256_fmadd_ps (_mm256_set1_ps (m->gv), v, l));
    b[i] = _mm256_fmadd_ps (_mm256_set1_ps (m->bu), u, l);
  }
  put (dst[0] + x, r);
  put (dst[1] + x, g);
  put (dst[2] + x, b);
}

#define SUFFIX(name) name##_avx2
#include "yuv_tile.h"
