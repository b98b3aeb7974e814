/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operands of attention_tile.h for bf16 pages and bf16 products. Query and
 * probabilities are rounded to bf16. */

#include <string.h>
#include "exp_avx512.h"
#include "vector_avx512.h"
#include "dtype.h"

#define UNIT 2
#define A_BYTES 4
#define B __m512bh

#define b_load(p) ((__m512bh) _mm512_loadu_si512 (p))
#define b_load_n(p, n) ((__m512bh) _mm512_maskz_loadu_epi32 (v_mask (n), p))
#define b_mac(acc, a, b)                                                       \
  _mm512_dpbf16_ps (acc, (__m512bh) _mm512_set1_epi32 (pair_at (a)), b)

static inline int
pair_at (const char *a)
{
  int pair;

  memcpy (&pair, a, sizeof pair);
  return pair;
}

static inline void
put_row (char *dst, const float *x, size_t n)
{
  size_t i = 0;

  for (; i + VL <= n; i += VL) {
    const __m256bh h = _mm512_cvtneps_pbh (v_load (x + i));

    memcpy (dst + i * 2, &h, sizeof h);
  }
  for (; i < n; i++) {
    const uint16_t h = neva_f32_to_bf16 (x[i]);

    memcpy (dst + i * 2, &h, sizeof h);
  }
  if (n % 2)
    memset (dst + n * 2, 0, 2);
}

/* The sum is that of the rounded probabilities: weights that add up to one lose
 * less to their rounding. */
static inline V
put_p (char *dst, size_t i, V sum, V x, V y)
{
  const __m512bh h = _mm512_cvtne2ps_pbh (y, x);

  _mm512_storeu_si512 (dst + i * 2, (__m512i) h);
  return _mm512_dpbf16_ps (
      sum, h, (__m512bh) _mm512_set1_epi16 (0x3f80)); /* times 1 */
}
