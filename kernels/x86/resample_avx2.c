/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <immintrin.h>
#include <string.h>
#include <stdint.h>

#define I __m256i
#define IL 8
#define BLOCK 4
#define i_set1(x) _mm256_set1_epi32 (x)
#define i_load(p) _mm256_loadu_si256 ((const __m256i *) (p))
#define i_and(a, b) _mm256_and_si256 (a, b)
#define i_add16(a, b) _mm256_add_epi16 (a, b)
#define i_add32(a, b) _mm256_add_epi32 (a, b)
#define i_slli16(a, n) _mm256_slli_epi16 (a, n)
#define i_srli16(a, n) _mm256_srli_epi16 (a, n)
#define i_srai16(a, n) _mm256_srai_epi16 (a, n)
#define i_slli32(a, n) _mm256_slli_epi32 (a, n)
#define i_madd(a, b) _mm256_madd_epi16 (a, b)

static inline void
put_clipped (uint8_t *dst, __m256i sums)
{
  const __m256i s = _mm256_srai_epi32 (sums, 22);
  const __m128i words = _mm_packs_epi32 (
      _mm256_castsi256_si128 (s), _mm256_extracti128_si256 (s, 1));

  _mm_storel_epi64 ((__m128i *) dst, _mm_packus_epi16 (words, words));
}

#define SUFFIX(name) name##_avx2
#include "resample_tile.h"
