/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* f32 to bf16 by integers: to nearest even, subnormals kept (bf16 instructions
 * flush them), a NaN made quiet. */
#ifndef NEVA_BF16_AVX2_H
#define NEVA_BF16_AVX2_H

#include <immintrin.h>

/* In the low half of each 32-bit lane. */
static inline __m256i
neva_round_bf16_avx2 (__m256 x)
{
  const __m256i u = _mm256_castps_si256 (x);
  const __m256i odd =
      _mm256_and_si256 (_mm256_srli_epi32 (u, 16), _mm256_set1_epi32 (1));
  const __m256i rounded =
      _mm256_add_epi32 (u, _mm256_add_epi32 (odd, _mm256_set1_epi32 (0x7fff)));
  const __m256i quiet = _mm256_or_si256 (u, _mm256_set1_epi32 (0x400000));
  const __m256i nan = _mm256_castps_si256 (_mm256_cmp_ps (x, x, _CMP_UNORD_Q));

  return _mm256_srli_epi32 (_mm256_blendv_epi8 (rounded, quiet, nan), 16);
}

#endif /* NEVA_BF16_AVX2_H */
