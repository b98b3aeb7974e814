/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* exp_avx512.h for eight lanes. 2^x = 2^n p(f) with n = round (x), f = x - n in
 * [-1/2, 1/2], p a minimax polynomial of the relative error (1.9e-9) with
 * p(0) = 1. */
#ifndef NEVA_EXP_AVX2_H
#define NEVA_EXP_AVX2_H

#include <immintrin.h>

/* log2 (e) in two parts */
#define NEVA_LOG2E_HIGH 1.44269502f
#define NEVA_LOG2E_LOW 1.92596303e-8f

static inline __m256
neva_exp2_poly_avx2 (__m256 f)
{
  __m256 p = _mm256_set1_ps (1.53458118e-4f);

  p = _mm256_fmadd_ps (p, f, _mm256_set1_ps (1.33999312e-3f));
  p = _mm256_fmadd_ps (p, f, _mm256_set1_ps (9.61848896e-3f));
  p = _mm256_fmadd_ps (p, f, _mm256_set1_ps (5.55032878e-2f));
  p = _mm256_fmadd_ps (p, f, _mm256_set1_ps (0.240226469f));
  p = _mm256_fmadd_ps (p, f, _mm256_set1_ps (0.693147206f));
  return _mm256_fmadd_ps (p, f, _mm256_set1_ps (1));
}

/* x <= 1 only; below -126 the result is 0. */
static inline __m256
neva_exp2_low_avx2 (__m256 x)
{
  const __m256 clamped = _mm256_max_ps (_mm256_set1_ps (-127), x);
  const __m256 n =
      _mm256_round_ps (clamped, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256 p = neva_exp2_poly_avx2 (_mm256_sub_ps (clamped, n));
  const __m256i e = _mm256_slli_epi32 (_mm256_cvtps_epi32 (n), 23);
  const __m256 zero = _mm256_cmp_ps (x, _mm256_set1_ps (-126), _CMP_LT_OQ);

  return _mm256_andnot_ps (zero,
      _mm256_castsi256_ps (_mm256_add_epi32 (_mm256_castps_si256 (p), e)));
}

static inline __m256
neva_power_of_two_avx2 (__m256i n)
{
  return _mm256_castsi256_ps (
      _mm256_slli_epi32 (_mm256_add_epi32 (n, _mm256_set1_epi32 (127)), 23));
}

/* e^(x + low), |low| < 1e-3, within 2 ulp: what the product with log2 (e) loses
 * goes into the fraction. */
static inline __m256
neva_exp_avx2 (__m256 x, __m256 low)
{
  const __m256 l = _mm256_set1_ps (NEVA_LOG2E_HIGH);

  x = _mm256_max_ps (_mm256_set1_ps (-105), /* NaN: the second operand */
      _mm256_min_ps (_mm256_set1_ps (90), x));

  const __m256 y = _mm256_mul_ps (x, l);
  const __m256 n =
      _mm256_round_ps (y, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m256i e = _mm256_cvtps_epi32 (n), half = _mm256_srai_epi32 (e, 1);
  __m256 rest = _mm256_fmsub_ps (x, l, y);

  rest = _mm256_fmadd_ps (x, _mm256_set1_ps (NEVA_LOG2E_LOW), rest);
  rest = _mm256_fmadd_ps (low, l, rest);

  const __m256 p =
      neva_exp2_poly_avx2 (_mm256_add_ps (_mm256_sub_ps (y, n), rest));

  /* in two steps, for subnormal results and infinity */
  return _mm256_mul_ps (_mm256_mul_ps (p, neva_power_of_two_avx2 (half)),
      neva_power_of_two_avx2 (_mm256_sub_epi32 (e, half)));
}

#endif /* NEVA_EXP_AVX2_H */
