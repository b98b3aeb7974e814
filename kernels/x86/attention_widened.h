/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operands of attention_tile.h for bf16 pages where the processor has no bf16
 * products: words are widened to two f32; after vector_*.h. The query is
 * rounded to bf16, the probabilities are not. */

#define UNIT 2
#define A_BYTES 8

typedef struct {
  V even, odd;
} Pair;

#define B Pair

static inline V
pair_mac (V acc, const char *a, Pair b)
{
  const float *x = (const float *) a;

  return v_fmadd (v_set1 (x[1]), b.odd, v_fmadd (v_set1 (x[0]), b.even, acc));
}

#define b_load(p) widen (v_load ((const float *) (p)))
#define b_load_n(p, n) widen (v_load_n ((const float *) (p), n))
#define b_mac(acc, a, b) pair_mac (acc, a, b)

static inline void
put_row (char *dst, const float *x, size_t n)
{
  float *row = (float *) dst;

  for (size_t i = 0; i < n; i++)
    row[i] = neva_bf16_to_f32 (neva_f32_to_bf16 (x[i]));
  if (n % 2)
    row[n] = 0;
}

static inline V
put_p (char *dst, size_t i, V sum, V x, V y)
{
  v_store ((float *) dst + i, x);
  v_store ((float *) dst + i + VL, y);
  return v_add (sum, v_add (x, y));
}
