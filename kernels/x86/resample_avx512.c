/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <immintrin.h>
#include <string.h>
#include <stdint.h>

#define I __m512i
#define IL 16
#define BLOCK 3 /* a tile has 48 lanes */
#define i_set1(x) _mm512_set1_epi32 (x)
#define i_load(p) _mm512_loadu_si512 (p)
#define i_and(a, b) _mm512_and_si512 (a, b)
#define i_add16(a, b) _mm512_add_epi16 (a, b)
#define i_add32(a, b) _mm512_add_epi32 (a, b)
#define i_slli16(a, n) _mm512_slli_epi16 (a, n)
#define i_srli16(a, n) _mm512_srli_epi16 (a, n)
#define i_srai16(a, n) _mm512_srai_epi16 (a, n)
#define i_slli32(a, n) _mm512_slli_epi32 (a, n)
#define i_madd(a, b) _mm512_madd_epi16 (a, b)

static inline void
put_clipped (uint8_t *dst, __m512i sums)
{
  const __m512i s =
      _mm512_max_epi32 (_mm512_srai_epi32 (sums, 22), _mm512_setzero_si512 ());

  _mm_storeu_si128 ((__m128i *) dst, _mm512_cvtusepi32_epi8 (s));
}

#define SUFFIX(name) name##_avx512
#include "resample_tile.h"
