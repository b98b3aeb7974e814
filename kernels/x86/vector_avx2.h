/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The names by which kernels written once for every vector length call AVX2. */
#ifndef NEVA_VECTOR_AVX2_H
#define NEVA_VECTOR_AVX2_H

#include <immintrin.h>
#include <stddef.h>
#include <stdint.h>

#define V __m256
#define VL 8

#define v_zero() _mm256_setzero_ps ()
#define v_set1(x) _mm256_set1_ps (x)
#define v_load(p) _mm256_loadu_ps (p)
#define v_store(p, x) _mm256_storeu_ps (p, x)
#define v_add(a, b) _mm256_add_ps (a, b)
#define v_sub(a, b) _mm256_sub_ps (a, b)
#define v_mul(a, b) _mm256_mul_ps (a, b)
#define v_div(a, b) _mm256_div_ps (a, b)
#define v_max(a, b) _mm256_max_ps (a, b)
#define v_min(a, b) _mm256_min_ps (a, b)
#define v_fmadd(a, b, c) _mm256_fmadd_ps (a, b, c)
#define v_fmsub(a, b, c) _mm256_fmsub_ps (a, b, c)
#define v_fnmadd(a, b, c) _mm256_fnmadd_ps (a, b, c)

#define v_abs(x) _mm256_andnot_ps (_mm256_set1_ps (-0.0f), x)
/* Lane by lane: a where the sign bit of x is set, else b. */
#define v_where_negative(x, a, b) _mm256_blendv_ps (b, a, x)

static inline float
v_sum (__m256 x)
{
  __m128 s =
      _mm_add_ps (_mm256_castps256_ps128 (x), _mm256_extractf128_ps (x, 1));

  s = _mm_add_ps (s, _mm_movehl_ps (s, s));
  return _mm_cvtss_f32 (_mm_add_ss (s, _mm_movehdup_ps (s)));
}

static inline float
v_maximum (__m256 x)
{
  __m128 s =
      _mm_max_ps (_mm256_castps256_ps128 (x), _mm256_extractf128_ps (x, 1));

  s = _mm_max_ps (s, _mm_movehl_ps (s, s));
  return _mm_cvtss_f32 (_mm_max_ss (s, _mm_movehdup_ps (s)));
}

static inline __m256i
v_mask (size_t n)
{
  static const int32_t ones[16] = {-1, -1, -1, -1, -1, -1, -1, -1};

  return _mm256_loadu_si256 ((const __m256i *) (ones + 8 - n));
}

/* The first n < VL lanes; zeros in the others. */
static inline __m256
v_load_n (const float *p, size_t n)
{
  return _mm256_maskload_ps (p, v_mask (n));
}

static inline void
v_store_n (float *p, __m256 x, size_t n)
{
  _mm256_maskstore_ps (p, v_mask (n), x);
}

#endif /* NEVA_VECTOR_AVX2_H */
