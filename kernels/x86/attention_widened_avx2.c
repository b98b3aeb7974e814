/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "exp_avx2.h"
#include "vector_avx2.h"
#include "dtype.h"
#include "attention_widened.h"

static inline Pair
widen (__m256 words)
{
  const __m256i w = _mm256_castps_si256 (words);

  return (Pair){_mm256_castsi256_ps (_mm256_slli_epi32 (w, 16)),
      _mm256_castsi256_ps (
          _mm256_and_si256 (w, _mm256_set1_epi32 ((int) 0xffff0000)))};
}

#define ROWS 4
#define v_exp2 neva_exp2_low_avx2
#define SUFFIX(name) name##_widened_avx2
#include "attention_tile.h"

NEVA_DECL_ATTENTION (neva_attention_widened_avx2)
{
  attention_widened_avx2 (dst, q, a, work);
}
