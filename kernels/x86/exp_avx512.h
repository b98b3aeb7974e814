/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Powers of two and of e, sixteen lanes. 2^x = 2^n p(f) with n = round (x),
 * f = x - n in [-1/2, 1/2], p a minimax polynomial of the relative error with
 * p(0) = 1. Arguments below -200 give 0, a NaN stays one. */
#ifndef NEVA_EXP_AVX512_H
#define NEVA_EXP_AVX512_H

#include <immintrin.h>

/* Relative error of p 1.9e-9: 1 ulp after rounding. */
static inline __m512
neva_exp2_avx512 (__m512 x)
{
  x = _mm512_max_ps (_mm512_set1_ps (-200), x); /* NaN: the second operand */

  const __m512 n =
      _mm512_roundscale_ps (x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 f = _mm512_sub_ps (x, n);
  __m512 p = _mm512_set1_ps (1.53458118e-4f);

  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (1.33999312e-3f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (9.61848896e-3f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (5.55032878e-2f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (0.240226469f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (0.693147206f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (1));
  return _mm512_scalef_ps (p, n);
}

/* Relative error 1.1e-4, an eighteenth of bf16's rounding. */
static inline __m512
neva_exp2_short_avx512 (__m512 x)
{
  x = _mm512_max_ps (_mm512_set1_ps (-200), x);

  const __m512 n =
      _mm512_roundscale_ps (x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  const __m512 f = _mm512_sub_ps (x, n);
  __m512 p = _mm512_set1_ps (0.0550089513f);

  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (0.24221101f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (0.69328293f));
  p = _mm512_fmadd_ps (p, f, _mm512_set1_ps (1));
  return _mm512_scalef_ps (p, n);
}

#endif /* NEVA_EXP_AVX512_H */
