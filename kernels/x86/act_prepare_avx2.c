/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <immintrin.h>
#include <math.h>
#include "act_groups.h"
#include "matmul_avx2.h"

/* Round to nearest even, 16 numbers. */
static inline __m256i
round_bf16 (__m256 v)
{
  const __m256i u = _mm256_castps_si256 (v);
  const __m256i odd =
      _mm256_and_si256 (_mm256_srli_epi32 (u, 16), _mm256_set1_epi32 (1));
  const __m256i rounded =
      _mm256_add_epi32 (u, _mm256_add_epi32 (odd, _mm256_set1_epi32 (0x7fff)));
  const __m256i quiet = _mm256_or_si256 (u, _mm256_set1_epi32 (0x400000));
  const __m256i nan = _mm256_castps_si256 (_mm256_cmp_ps (v, v, _CMP_UNORD_Q));

  return _mm256_srli_epi32 (_mm256_blendv_epi8 (rounded, quiet, nan), 16);
}

NEVA_DECL_ACT_PREPARE (neva_act_prepare_bf16_avx2)
{
  const size_t stride = neva_act_row_bytes (NEVA_DTYPE_BF16, k);

  (void) m;
  for (size_t r = m0; r < m1; r++) {
    uint16_t *row = (uint16_t *) ((char *) xq + r * stride);
    const float *in = x + r * ldx;
    size_t i = 0;

    for (; i + 16 <= k; i += 16) {
      const __m256i a = round_bf16 (_mm256_loadu_ps (in + i));
      const __m256i b = round_bf16 (_mm256_loadu_ps (in + i + 8));

      _mm256_store_si256 ((__m256i *) (row + i),
          _mm256_permute4x64_epi64 (_mm256_packus_epi32 (a, b), 0xd8));
    }
    for (; i < k; i++)
      row[i] = neva_f32_to_bf16 (in[i]);
    memset (row + k, 0, stride - k * sizeof *row);
  }
}

static inline int32_t
quantize (int8_t *q, const float *x, size_t n, float *scale)
{
  const __m256 magnitude = _mm256_castsi256_ps (_mm256_set1_epi32 (0x7fffffff));
  __m256 max = _mm256_setzero_ps (), bad = _mm256_setzero_ps ();
  __m256i sum = _mm256_setzero_si256 ();
  float lanes[8], top = 0, inverse;
  float padded[NEVA_QUANT_GROUP];
  int32_t sums[8], total = 0;

  if (n < NEVA_QUANT_GROUP) {
    memset (padded, 0, sizeof padded);
    memcpy (padded, x, n * sizeof *x);
    x = padded;
  }
  for (size_t i = 0; i < NEVA_QUANT_GROUP; i += 8) {
    const __m256 a = _mm256_and_ps (_mm256_loadu_ps (x + i), magnitude);

    bad = _mm256_or_ps (
        bad, _mm256_cmp_ps (a, _mm256_set1_ps (INFINITY), _CMP_NLT_UQ));
    max = _mm256_max_ps (max, a);
  }
  _mm256_storeu_ps (lanes, max);
  for (int i = 0; i < 8; i++)
    top = fmaxf (top, lanes[i]);
  if (_mm256_movemask_ps (bad) || top < NEVA_QUANT_TINY) {
    *scale = _mm256_movemask_ps (bad) ? NAN : 0;
    memset (q, 0, NEVA_QUANT_GROUP);
    return 0;
  }
  inverse = 127 / top;
  *scale = top / 127;
  for (size_t i = 0; i < NEVA_QUANT_GROUP; i += 16) {
    const __m256i a = _mm256_cvtps_epi32 (
        _mm256_mul_ps (_mm256_loadu_ps (x + i), _mm256_set1_ps (inverse)));
    const __m256i b = _mm256_cvtps_epi32 (
        _mm256_mul_ps (_mm256_loadu_ps (x + i + 8), _mm256_set1_ps (inverse)));
    const __m256i ab =
        _mm256_permute4x64_epi64 (_mm256_packs_epi32 (a, b), 0xd8);

    sum = _mm256_add_epi32 (sum, _mm256_add_epi32 (a, b));
    _mm_store_si128 (
        (__m128i *) (q + i), _mm_packs_epi16 (_mm256_castsi256_si128 (ab),
                                 _mm256_extracti128_si256 (ab, 1)));
  }
  _mm256_storeu_si256 ((__m256i *) sums, sum);
  for (int i = 0; i < 8; i++)
    total += sums[i];
  return total;
}

NEVA_ACT_PREPARE_GROUPS (avx2)
