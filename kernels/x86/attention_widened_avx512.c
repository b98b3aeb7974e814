/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "exp_avx512.h"
#include "vector_avx512.h"
#include "dtype.h"
#include "attention_widened.h"

static inline Pair
widen (__m512 words)
{
  const __m512i w = _mm512_castps_si512 (words);

  return (Pair){_mm512_castsi512_ps (_mm512_slli_epi32 (w, 16)),
      _mm512_castsi512_ps (
          _mm512_and_si512 (w, _mm512_set1_epi32 ((int) 0xffff0000)))};
}

#define ROWS 8
#define v_exp2 neva_exp2_short_avx512
#define SUFFIX(name) name##_widened_avx512
#include "attention_tile.h"

NEVA_DECL_ATTENTION (neva_attention_widened_avx512)
{
  attention_widened_avx512 (dst, q, a, work);
}
