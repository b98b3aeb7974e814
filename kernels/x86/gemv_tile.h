/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Few rows of x times weights that lie row by row, written once for every
 * vector length and element type. The includer defines
 *
 *   V                 vector of f32 sums; v_zero (), v_sum (v)
 *   W                 operand made of STEP elements of a row of W or x
 *   STEP, ELEMENT     elements in a W, bytes of one
 *   w_load (p)        operand at any address
 *   w_load_n (p, n)   the first n < STEP elements, zeros behind
 *   x_load (p)        operand of prepared activations
 *   v_mac (acc, a, b) sums plus products of two operands
 *   GEMV_ROWS         rows of a register tile: 1, 2 or 4
 *
 * Four rows of W, a quarter of the block apart, are read side by side: memory
 * delivers several streams faster than one (one stream cannot have enough
 * requests on their way, and ends with every page). Further rows of x find
 * these rows of W in the nearest cache.
 *
 * A sum is one chain over k and one v_sum: its bits do not depend on the number
 * of rows. */

enum { GEMV_STREAMS = 4, GEMV_AHEAD = 1024 /* bytes */ };

/* `streams` rows of W, `apart` bytes from each other; c[r][j * step]. */
static inline __attribute__ ((always_inline)) void
gemv_block (float *c, size_t step, const char *x, size_t x_stride,
    const char *w, size_t apart, size_t k, const int rows, const int streams)
{
  V acc[GEMV_ROWS][GEMV_STREAMS];
  W a[GEMV_STREAMS];
  size_t i = 0;

#pragma GCC unroll 4
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int j = 0; j < streams; j++)
      acc[r][j] = v_zero ();

  for (; i < k; i += STEP) {
    const char *p = w + i * ELEMENT;

    /* into the second cache, far enough for memory */
    if (i * ELEMENT % 64 == 0)
#pragma GCC unroll 4
      for (int j = 0; j < streams; j++)
        _mm_prefetch (p + (size_t) j * apart + GEMV_AHEAD, _MM_HINT_T1);

#pragma GCC unroll 4
    for (int j = 0; j < streams; j++)
      a[j] = i + STEP <= k ? w_load (p + (size_t) j * apart)
                           : w_load_n (p + (size_t) j * apart, k - i);
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
      const W b = x_load (x + (size_t) r * x_stride + i * ELEMENT);

#pragma GCC unroll 4
      for (int j = 0; j < streams; j++)
        acc[r][j] = v_mac (acc[r][j], a[j], b);
    }
  }

#pragma GCC unroll 4
  for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
    for (int j = 0; j < streams; j++)
      c[(size_t) r * NEVA_MATMUL_PANEL + (size_t) j * step] = v_sum (acc[r][j]);
}

static inline __attribute__ ((always_inline)) void
gemv_rows (float *c, size_t step, const char *x, size_t x_stride, const char *w,
    size_t apart, size_t k, size_t m, const int streams)
{
  for (; m >= GEMV_ROWS; m -= GEMV_ROWS) {
    gemv_block (c, step, x, x_stride, w, apart, k, GEMV_ROWS, streams);
    c += GEMV_ROWS * NEVA_MATMUL_PANEL;
    x += GEMV_ROWS * x_stride;
  }
  if (GEMV_ROWS > 2 && m == 3)
    gemv_block (c, step, x, x_stride, w, apart, k, 3, streams);
  else if (GEMV_ROWS > 2 && m == 2)
    gemv_block (c, step, x, x_stride, w, apart, k, 2, streams);
  else if (GEMV_ROWS > 1 && m == 1)
    gemv_block (c, step, x, x_stride, w, apart, k, 1, streams);
}

/* NevaPanelKernel.gemv */
static void
gemv (float *c, const char *x, size_t x_stride, const char *w, size_t w_stride,
    size_t columns, size_t k, size_t m)
{
  const size_t step = columns / GEMV_STREAMS;
  size_t n = 0;

  for (; n < step; n++)
    gemv_rows (c + n, step, x, x_stride, w + n * w_stride, step * w_stride, k,
        m, GEMV_STREAMS);
  for (n = step * GEMV_STREAMS; n < columns; n++)
    gemv_rows (c + n, 0, x, x_stride, w + n * w_stride, 0, k, m, 1);
}
