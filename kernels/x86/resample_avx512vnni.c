/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resample by byte products: one instruction takes four samples times one of
 * the three digits of their weights. */
#include "config.h"
#include <immintrin.h>
#include "image_x86.h"

#define BLOCK 3 /* vectors; a tile has 48 lanes */

static inline __m512i
broadcast (const int8_t *d)
{
  int32_t word;

  memcpy (&word, d, sizeof word);
  return _mm512_set1_epi32 (word);
}

static inline __attribute__ ((always_inline)) void
resample_block (uint8_t *dst, const uint8_t *src, size_t lanes,
    const int8_t *digits, size_t groups, const int vectors)
{
  __m512i sum[3][BLOCK];

#pragma GCC unroll 3
  for (int v = 0; v < vectors; v++)
    sum[0][v] = sum[1][v] = sum[2][v] = _mm512_setzero_si512 ();

  for (size_t g = 0; g < groups; g++, digits += 12, src += lanes * 4) {
    const __m512i d0 = broadcast (digits), d1 = broadcast (digits + 4);
    const __m512i d2 = broadcast (digits + 8);

#pragma GCC unroll 3
    for (int v = 0; v < vectors; v++) {
      const __m512i x = _mm512_loadu_si512 (src + v * 64);

      sum[0][v] = _mm512_dpbusd_epi32 (sum[0][v], x, d0);
      sum[1][v] = _mm512_dpbusd_epi32 (sum[1][v], x, d1);
      sum[2][v] = _mm512_dpbusd_epi32 (sum[2][v], x, d2);
    }
  }
#pragma GCC unroll 3
  for (int v = 0; v < vectors; v++) {
    __m512i s = _mm512_add_epi32 (_mm512_slli_epi32 (sum[2][v], 8), sum[1][v]);

    s = _mm512_add_epi32 (_mm512_slli_epi32 (s, 8),
        _mm512_add_epi32 (sum[0][v], _mm512_set1_epi32 (1 << 21)));
    s = _mm512_max_epi32 (_mm512_srai_epi32 (s, 22), _mm512_setzero_si512 ());
    _mm_storeu_si128 ((__m128i *) (dst + v * 16), _mm512_cvtusepi32_epi8 (s));
  }
}

NEVA_DECL_RESAMPLE (neva_resample_avx512vnni)
{
  for (size_t o = 0; o < plan->n; o++) {
    const int8_t *digits = plan->digits + o * plan->groups * 12;
    const uint8_t *from = src + plan->first[o] * lanes * 4;
    uint8_t *to = dst + o * ldd;
    size_t l = 0;

    for (; l + BLOCK * 16 <= lanes; l += BLOCK * 16)
      resample_block (to + l, from + l * 4, lanes, digits, plan->groups, BLOCK);
    for (; l < lanes; l += 16)
      resample_block (to + l, from + l * 4, lanes, digits, plan->groups, 1);
  }
}
