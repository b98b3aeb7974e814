/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Operands of attention_tile.h for f32 pages; after vector_*.h. */

#define UNIT 1
#define A_BYTES 4
#define B V

#define b_load(p) v_load ((const float *) (p))
#define b_load_n(p, n) v_load_n ((const float *) (p), n)
#define b_mac(acc, a, b) v_fmadd (v_set1 (*(const float *) (a)), b, acc)

static inline void
put_row (char *dst, const float *x, size_t n)
{
  memcpy (dst, x, n * sizeof *x);
}

static inline V
put_p (char *dst, size_t i, V sum, V x, V y)
{
  v_store ((float *) dst + i, x);
  v_store ((float *) dst + i + VL, y);
  return v_add (sum, v_add (x, y));
}
