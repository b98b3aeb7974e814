/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names by which kernels written once for every vector length call AVX-512.
 */
#ifndef NEVA_VECTOR_AVX512_H
#define NEVA_VECTOR_AVX512_H

#include <immintrin.h>
#include <stddef.h>

#define V __m512
#define VL 16

#define v_zero() _mm512_setzero_ps ()
#define v_set1(x) _mm512_set1_ps (x)
#define v_load(p) _mm512_loadu_ps (p)
#define v_store(p, x) _mm512_storeu_ps (p, x)
#define v_add(a, b) _mm512_add_ps (a, b)
#define v_sub(a, b) _mm512_sub_ps (a, b)
#define v_mul(a, b) _mm512_mul_ps (a, b)
#define v_div(a, b) _mm512_div_ps (a, b)
#define v_max(a, b) _mm512_max_ps (a, b)
#define v_min(a, b) _mm512_min_ps (a, b)
#define v_fmadd(a, b, c) _mm512_fmadd_ps (a, b, c)
#define v_fmsub(a, b, c) _mm512_fmsub_ps (a, b, c)
#define v_fnmadd(a, b, c) _mm512_fnmadd_ps (a, b, c)
#define v_sum(x) _mm512_reduce_add_ps (x)
#define v_maximum(x) _mm512_reduce_max_ps (x)

#define v_abs(x) _mm512_abs_ps (x)
/* Lane by lane: a where the sign bit of x is set, else b. */
#define v_where_negative(x, a, b)                                              \
  _mm512_mask_blend_ps (_mm512_movepi32_mask (_mm512_castps_si512 (x)), b, a)

static inline __mmask16
v_mask (size_t n)
{
  return (__mmask16) ((1u << n) - 1);
}

/* The first n < VL lanes; zeros in the others. */
static inline __m512
v_load_n (const float *p, size_t n)
{
  return _mm512_maskz_loadu_ps (v_mask (n), p);
}

static inline void
v_store_n (float *p, __m512 x, size_t n)
{
  _mm512_mask_storeu_ps (p, v_mask (n), x);
}

#endif /* NEVA_VECTOR_AVX512_H */
