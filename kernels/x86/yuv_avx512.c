/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "yuv_chroma.h"

static inline __m512
centered (__m256i words, int zero)
{
  return _mm512_cvtepi32_ps (_mm512_sub_epi32 (
      _mm512_cvtepu16_epi32 (words), _mm512_set1_epi32 (zero)));
}

static inline void
put (uint8_t *dst, __m512 x)
{
  const __m512i i =
      _mm512_max_epi32 (_mm512_cvtps_epi32 (x), _mm512_setzero_si512 ());

  _mm_storeu_si128 ((__m128i *) dst, _mm512_cvtusepi32_epi8 (i));
}

static inline void
convert_16 (uint8_t *const dst[3], size_t x, const void *luma,
    const NevaYuvRow *row, const NevaChromaWeights *w)
{
  const NevaYuvMatrix *m = &row->matrix;
  const __m512 l = _mm512_mul_ps (_mm512_set1_ps (m->ky),
      centered (neva_luma_of_16 (luma, row->sample), m->y0));
  const __m512 u =
      centered (neva_chroma_of_16 (row->chroma[0] + x / 2, w), m->c0);
  const __m512 v =
      centered (neva_chroma_of_16 (row->chroma[1] + x / 2, w), m->c0);

  put (dst[0] + x, _mm512_fmadd_ps (_mm512_set1_ps (m->rv), v, l));
  put (dst[1] + x, _mm512_fmadd_ps (_mm512_set1_ps (m->gu), u,
                       _mm512_fmadd_ps (_mm512_set1_ps (m->gv), v, l)));
  put (dst[2] + x, _mm512_fmadd_ps (_mm512_set1_ps (m->bu), u, l));
}

#define SUFFIX(name) name##_avx512
#include "yuv_tile.h"
