/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Chroma and luma of 16 pixels, for the vector lengths of yuv_to_rgb. */
#ifndef NEVA_YUV_CHROMA_H
#define NEVA_YUV_CHROMA_H

#include <immintrin.h>
#include "image_x86.h"

typedef struct {
  __m128i left[2], right[2];
} NevaChromaWeights;

static inline NevaChromaWeights
neva_chroma_weights (const NevaYuvRow *row)
{
  NevaChromaWeights w;

  for (int i = 0; i < 2; i++) {
    w.left[i] = _mm_set1_epi16 ((short) row->left[i]);
    w.right[i] = _mm_set1_epi16 ((short) row->right[i]);
  }
  return w;
}

/* Sixteenths of the pixels whose first pair has the mixed sample c[0]. */
static inline __m256i
neva_chroma_of_16 (const uint16_t *c, const NevaChromaWeights *w)
{
  const __m128i before = _mm_loadu_si128 ((const __m128i *) (c - 1));
  const __m128i here = _mm_loadu_si128 ((const __m128i *) c);
  const __m128i after = _mm_loadu_si128 ((const __m128i *) (c + 1));
  const __m128i even = _mm_add_epi16 (
      _mm_mullo_epi16 (before, w->left[0]), _mm_mullo_epi16 (here, w->left[1]));
  const __m128i odd = _mm_add_epi16 (_mm_mullo_epi16 (here, w->right[0]),
      _mm_mullo_epi16 (after, w->right[1]));

  return _mm256_set_m128i (
      _mm_unpackhi_epi16 (even, odd), _mm_unpacklo_epi16 (even, odd));
}

static inline __m256i
neva_luma_of_16 (const void *luma, NevaSample s)
{
  if (s.bytes == 1)
    return _mm256_cvtepu8_epi16 (_mm_loadu_si128 ((const __m128i *) luma));
  return _mm256_srl_epi16 (_mm256_loadu_si256 ((const __m256i *) luma),
      _mm_cvtsi32_si128 ((int) s.shift));
}

#endif /* NEVA_YUV_CHROMA_H */
