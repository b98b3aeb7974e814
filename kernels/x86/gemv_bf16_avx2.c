/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "panel.h"
#include "vector_avx2.h"

#define W V
#define STEP VL
#define GEMV_ROWS 2
#define v_mac(acc, a, b) v_fmadd (a, b, acc)
#define ELEMENT 2
#define w_load(p) widen (p)
#define w_load_n(p, n) widen_n (p, n)
#define x_load(p) widen (p)

static inline __m256
widen (const char *p)
{
  return _mm256_castsi256_ps (_mm256_slli_epi32 (
      _mm256_cvtepu16_epi32 (_mm_loadu_si128 ((const __m128i *) p)), 16));
}

static inline __m256
widen_n (const char *p, size_t n)
{
  char copy[16] = {0};

  memcpy (copy, p, n * ELEMENT);
  return widen (copy);
}

#include "gemv_tile.h"

NEVA_DECL_GEMV (neva_gemv_bf16_avx2)
{
  gemv (c, x, x_stride, w, w_stride, columns, k, m);
}
