/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Powers of two, sixteen lanes: 2^x = 2^floor (x) p(f) with f = x - floor (x)
 * in [0, 1), p a minimax polynomial of the relative error with p(0) = 1 and
 * p(1) = 2, so that there is no step where floor has one. Any x: 0 for
 * -infinity, infinity from 128 on, a NaN stays one. */
#ifndef NEVA_EXP_AVX512_H
#define NEVA_EXP_AVX512_H

#include <immintrin.h>

/* log2 (e) in two parts */
#define NEVA_LOG2E_HIGH 1.44269502f
#define NEVA_LOG2E_LOW 1.92596303e-8f

static inline __m512
neva_fraction_avx512 (__m512 x)
{
  return _mm512_reduce_ps (x, _MM_FROUND_TO_NEG_INF | _MM_FROUND_NO_EXC);
}

/* Relative error 2.3e-9, less than rounding the coefficients' products. */
static inline __m512
neva_exp2_poly_avx512 (__m512 f)
{
  __m512 p = _mm512_set1_ps (2.17150255e-4f);

  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (1.24408771e-3f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (9.67806388e-3f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (5.54841525e-2f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (0.240229513f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (0.693147032f));
  return _mm512_fmadd_ps (p, f, _mm512_set1_ps (1));
}

static inline __m512
neva_exp2_avx512 (__m512 x)
{
  return _mm512_scalef_ps (neva_exp2_poly_avx512 (neva_fraction_avx512 (x)), x);
}

/* e^(x + low), |low| < 1e-3, within 2 ulp: what the product with log2 (e) loses
 * goes into the fraction. */
static inline __m512
neva_exp_avx512 (__m512 x, __m512 low)
{
  const __m512 l = _mm512_set1_ps (NEVA_LOG2E_HIGH);

  x = _mm512_max_ps (_mm512_set1_ps (-105), /* NaN: the second operand */
      _mm512_min_ps (_mm512_set1_ps (90), x));

  const __m512 y = _mm512_mul_ps (x, l);
  __m512 rest = _mm512_fmsub_ps (x, l, y);

  rest = _mm512_fmadd_ps (x, _mm512_set1_ps (NEVA_LOG2E_LOW), rest);
  rest = _mm512_fmadd_ps (low, l, rest);
  return _mm512_scalef_ps (
      neva_exp2_poly_avx512 (_mm512_add_ps (neva_fraction_avx512 (y), rest)),
      y);
}

/* Relative error 1.1e-4, an eighteenth of bf16's rounding. */
static inline __m512
neva_exp2_short_avx512 (__m512 x)
{
  const __m512 f = neva_fraction_avx512 (x);
  __m512 p = _mm512_set1_ps (0.0782679702f);

  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (0.226307682f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (0.695424348f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (1));
  return _mm512_scalef_ps (p, x);
}

#endif /* NEVA_EXP_AVX512_H */
