/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* One step of the running softmax, written once for every vector length. The
 * includer defines the V, VL and v_ names of vector_*.h and
 *
 *   SOFTMAX_ROWS        rows of a block, a multiple of VL
 *   v_exp2 (x)          for x <= 1; exactly 1 for 0, exactly 0 for -infinity
 *   put_p (dst, i, sum, x, y)   2 VL probabilities to dst from element i on;
 *                       returns sum plus what was stored, lanes in any order
 */
#ifndef NEVA_ATTENTION_SOFTMAX_H
#define NEVA_ATTENTION_SOFTMAX_H

#include <math.h>
#include "attention_x86.h"

/* `max` is in units of the exponent, so that an unchanged maximum decays the
 * sums by exactly one; `shift` is the same, but finite before any key is seen:
 * any finite shift leaves every exp2 at zero. */
typedef struct {
  float max[SOFTMAX_ROWS], shift[SOFTMAX_ROWS], decay[SOFTMAX_ROWS];
  float sum[SOFTMAX_ROWS], step[SOFTMAX_ROWS];
  size_t first[SOFTMAX_ROWS], end[SOFTMAX_ROWS]; /* keys that a row sees */
} Softmax;

static inline void
softmax_start (Softmax *state, const NevaAttentionBlock *b)
{
  for (size_t r = 0; r < SOFTMAX_ROWS; r++) {
    state->max[r] = state->step[r] = -INFINITY;
    state->sum[r] = 0;
  }
  for (size_t r = 0; r < b->n; r++) {
    const size_t token = (b->row0 + r) / b->a->group;

    state->first[r] = neva_attention_lo (b->a, token);
    state->end[r] = neva_attention_hi (b->a, token);
  }
}

/* Maximum of the keys [lo, hi), whole vectors, that the row sees; the scores of
 * others are set to -infinity. s[0] is that of key t0. */
static inline float
softmax_mask (
    float *s, size_t first, size_t end, size_t t0, size_t lo, size_t hi)
{
  V max = v_set1 (-INFINITY);

  for (size_t key = lo; key < first && key < hi; key++)
    s[key - t0] = -INFINITY;
  for (size_t key = end > lo ? end : lo; key < hi; key++)
    s[key - t0] = -INFINITY;
  for (size_t i = lo - t0; i < hi - t0; i += VL)
    max = v_max (v_load (s + i), max);
  return v_maximum (max);
}

static inline void
softmax_update (Softmax *state, float exponent)
{
  for (size_t r = 0; r < SOFTMAX_ROWS; r += VL) {
    const V old = v_load (state->max + r);
    const V top =
        v_max (v_mul (v_load (state->step + r), v_set1 (exponent)), old);
    const V shift = v_max (top, v_set1 (-3e38f));

    v_store (state->max + r, top);
    v_store (state->shift + r, shift);
    v_store (state->decay + r, v_exp2 (v_sub (old, shift)));
  }
}

/* Scores s [rows][lds] of keys [lo, hi), pairs of vectors, to probabilities p,
 * rows ldp bytes apart, relative to the running maximum. s is overwritten. */
static inline void
softmax_rows (Softmax *state, const NevaAttentionBlock *b, float *s, size_t lds,
    char *p, size_t ldp, size_t t0, size_t lo, size_t hi)
{
  const float exponent = b->a->scale * (float) M_LOG2E;
  const V scale = v_set1 (exponent);

  for (size_t r = 0; r < b->n; r++)
    state->step[r] =
        softmax_mask (s + r * lds, state->first[r], state->end[r], t0, lo, hi);
  softmax_update (state, exponent);

  for (size_t r = 0; r < b->n; r++) {
    const V shift = v_set1 (state->shift[r]);
    const float *row = s + r * lds;
    V sum = v_zero ();

    for (size_t i = lo - t0; i < hi - t0; i += 2 * VL) {
      const V x = v_exp2 (v_fmsub (v_load (row + i), scale, shift));
      const V y = v_exp2 (v_fmsub (v_load (row + i + VL), scale, shift));

      sum = put_p (p + r * ldp, i, sum, x, y);
    }
    state->sum[r] = state->sum[r] * state->decay[r] + v_sum (sum);
  }
}

#endif /* NEVA_ATTENTION_SOFTMAX_H */
