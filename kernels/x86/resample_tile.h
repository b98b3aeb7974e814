/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* resample by 16-bit products, written once for every vector length: a weight
 * is wh 256 + wl with 16 and 8 bits, a word of four samples is split into its
 * even and odd ones, and two multiply-adds take a pair each. The includer
 * defines the integer vector I of IL 32-bit lanes, BLOCK (vectors that share
 * the weights) and i_* below, put_clipped (dst, sums) of one vector, SUFFIX. */

#include "image_x86.h"

typedef struct {
  I low_even, low_odd, high_even, high_odd;
} Weights;

static inline int32_t
digits_at (const int8_t *d)
{
  int32_t word;

  memcpy (&word, d, sizeof word);
  return word;
}

static inline Weights
weights_of (const int8_t *d)
{
  const I d0 = i_set1 (digits_at (d)), d1 = i_set1 (digits_at (d + 4));
  const I d2 = i_set1 (digits_at (d + 8));

  return (Weights){i_srai16 (i_slli16 (d0, 8), 8), i_srai16 (d0, 8),
      i_add16 (i_slli16 (d2, 8), i_srai16 (i_slli16 (d1, 8), 8)),
      i_add16 (i_and (d2, i_set1 ((int) 0xff00ff00)), i_srai16 (d1, 8))};
}

static inline __attribute__ ((always_inline)) void
resample_block (uint8_t *dst, const uint8_t *src, size_t lanes,
    const int8_t *digits, size_t groups, const int vectors)
{
  I low[BLOCK], high[BLOCK];

#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++)
    low[v] = high[v] = i_set1 (0);

  for (size_t g = 0; g < groups; g++, digits += 12, src += lanes * 4) {
    const Weights w = weights_of (digits);

#pragma GCC unroll 4
    for (int v = 0; v < vectors; v++) {
      const I x = i_load (src + v * IL * 4);
      const I even = i_and (x, i_set1 (0x00ff00ff)), odd = i_srli16 (x, 8);

      low[v] = i_add32 (
          low[v], i_add32 (i_madd (even, w.low_even), i_madd (odd, w.low_odd)));
      high[v] = i_add32 (high[v],
          i_add32 (i_madd (even, w.high_even), i_madd (odd, w.high_odd)));
    }
  }
#pragma GCC unroll 4
  for (int v = 0; v < vectors; v++)
    put_clipped (dst + v * IL,
        i_add32 (i_slli32 (high[v], 8), i_add32 (low[v], i_set1 (1 << 21))));
}

NEVA_DECL_RESAMPLE (SUFFIX (neva_resample))
{
  for (size_t o = 0; o < plan->n; o++) {
    const int8_t *digits = plan->digits + o * plan->groups * 12;
    const uint8_t *from = src + plan->first[o] * lanes * 4;
    uint8_t *to = dst + o * ldd;
    size_t l = 0;

    for (; l + BLOCK * IL <= lanes; l += BLOCK * IL)
      resample_block (to + l, from + l * 4, lanes, digits, plan->groups, BLOCK);
    for (; l < lanes; l += IL)
      resample_block (to + l, from + l * 4, lanes, digits, plan->groups, 1);
  }
}
