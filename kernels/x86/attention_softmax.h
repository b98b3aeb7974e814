/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One step of the running softmax, written once for every vector length. The
 * includer defines the V, VL and v_ names of vector_*.h and
 *
 *   v_exp2 (x)          for x <= 1; exactly 1 for 0, exactly 0 for -infinity
 *   put_p (dst, i, p)   VL probabilities to dst from element i on
 */
#ifndef NEVA_ATTENTION_SOFTMAX_H
#define NEVA_ATTENTION_SOFTMAX_H

#include <math.h>
#include "attention_x86.h"

/* Of one row. `max` is in units of the exponent, so that an unchanged maximum
 * decays the sums by exactly one. */
typedef struct {
  float max, sum, decay;
} Softmax;

static const Softmax softmax_start = {-INFINITY, 0, 0};

/* Row r of the block: s [NEVA_ATTENTION_KEYS] are the scores of the keys from
 * t0 on. Masks those of keys [lo, hi), whole vectors, and turns them into
 * probabilities relative to the running maximum. s is overwritten. */
static inline void
softmax_row (Softmax *state, const NevaAttentionBlock *b, size_t r, float *s,
    char *p, size_t t0, size_t lo, size_t hi)
{
  const size_t token = (b->row0 + r) / b->a->group;
  const size_t first = neva_attention_lo (b->a, token);
  const size_t end = neva_attention_hi (b->a, token);
  const float exponent = b->a->scale * (float) M_LOG2E;
  const V scale = v_set1 (exponent);
  V max = v_set1 (-INFINITY), sum = v_zero ();

  for (size_t key = lo; key < first && key < hi; key++)
    s[key - t0] = -INFINITY;
  for (size_t key = end > lo ? end : lo; key < hi; key++)
    s[key - t0] = -INFINITY;

  for (size_t i = lo - t0; i < hi - t0; i += VL)
    max = v_max (v_load (s + i), max);

  const float old = state->max;
  const float top = fmaxf (old, v_maximum (max) * exponent);
  /* Nothing seen yet: any finite shift leaves every exp2 at zero. */
  const V shift = v_set1 (top == -INFINITY ? 0 : top);

  for (size_t i = lo - t0; i < hi - t0; i += VL) {
    const V x = v_exp2 (v_fmsub (v_load (s + i), scale, shift));

    sum = v_add (sum, x);
    put_p (p, i, x);
  }

  v_store (s, v_exp2 (v_sub (v_set1 (old), shift)));
  state->decay = s[0];
  state->sum = state->sum * s[0] + v_sum (sum);
  state->max = top;
}

#endif /* NEVA_ATTENTION_SOFTMAX_H */
