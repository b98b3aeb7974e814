/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include "act_groups.h"
#include "matmul_avx512.h"
#include "panel_avx512.h"

/* Round to nearest even by integers: vcvtneps2bf16 flushes denormals. */
static inline __m256i
to_bf16 (__m512 v)
{
  const __m512i u = _mm512_castps_si512 (v);
  const __m512i odd =
      _mm512_and_si512 (_mm512_srli_epi32 (u, 16), _mm512_set1_epi32 (1));
  const __m512i rounded =
      _mm512_add_epi32 (u, _mm512_add_epi32 (odd, _mm512_set1_epi32 (0x7fff)));
  const __mmask16 nan = _mm512_cmp_ps_mask (v, v, _CMP_UNORD_Q);
  const __m512i quiet = _mm512_or_si512 (u, _mm512_set1_epi32 (0x400000));

  return _mm512_cvtepi32_epi16 (
      _mm512_srli_epi32 (_mm512_mask_mov_epi32 (rounded, nan, quiet), 16));
}

NEVA_DECL_ACT_PREPARE (neva_act_prepare_bf16_avx512)
{
  const size_t stride = neva_act_row_bytes (NEVA_DTYPE_BF16, k);

  (void) m;
  for (size_t r = m0; r < m1; r++) {
    uint16_t *row = (uint16_t *) ((char *) xq + r * stride);
    const float *in = x + r * ldx;
    size_t i = 0;

    for (; i + 16 <= k; i += 16)
      _mm256_store_si256 (
          (__m256i *) (row + i), to_bf16 (_mm512_loadu_ps (in + i)));
    for (; i < stride / 2; i += 16) {
      const __mmask16 mask = i < k ? neva_mask16 (k - i) : 0;

      _mm256_store_si256 ((__m256i *) (row + i),
          to_bf16 (_mm512_maskz_loadu_ps (mask, in + i)));
    }
  }
}

/* One group of n numbers. Returns the sum of the codes. */
static inline int32_t
quantize (int8_t *q, const float *x, size_t n, float *scale)
{
  const __m512 magnitude = _mm512_castsi512_ps (_mm512_set1_epi32 (0x7fffffff));
  __m512 v[8], max = _mm512_setzero_ps ();
  __m512i sum = _mm512_setzero_si512 ();
  __mmask16 bad = 0;
  float top, inverse;

  for (size_t j = 0; j < 8; j++) {
    const size_t left = n > j * 16 ? n - j * 16 : 0;
    const __mmask16 mask = left < 16 ? neva_mask16 (left) : 0xffff;
    __m512 a;

    v[j] = _mm512_maskz_loadu_ps (mask, x + j * 16);
    a = _mm512_and_ps (v[j], magnitude);
    bad |= _mm512_cmp_ps_mask (a, _mm512_set1_ps (INFINITY), _CMP_NLT_UQ);
    max = _mm512_max_ps (max, a);
  }
  top = _mm512_reduce_max_ps (max);
  if (bad || top < NEVA_QUANT_TINY) {
    *scale = bad ? NAN : 0;
    memset (q, 0, NEVA_QUANT_GROUP);
    return 0;
  }
  inverse = 127 / top;
  *scale = top / 127;
  for (size_t j = 0; j < 8; j++) {
    const __m512i c =
        _mm512_cvtps_epi32 (_mm512_mul_ps (v[j], _mm512_set1_ps (inverse)));

    sum = _mm512_add_epi32 (sum, c);
    _mm_store_si128 ((__m128i *) (q + j * 16), _mm512_cvtepi32_epi8 (c));
  }
  return _mm512_reduce_add_epi32 (sum);
}

NEVA_ACT_PREPARE_GROUPS (avx512)
