/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bf16 weights by vdpbf16ps: pairs of neighbouring k, sums in f32. The panel is
 * [k/2][64][2]. Instructions are written out: gcc 12 moves accumulators to the
 * stack when it sees the intrinsic. */
#include "config.h"
#include "constant_rows.h"
#include "matmul_avx512.h"
#include "panel_avx512.h"

enum { PANEL = NEVA_MATMUL_PANEL };

static inline __attribute__ ((always_inline)) __m512
dot (__m512 acc, __m512i a, __m512i b)
{
  __asm__("vdpbf16ps %2, %1, %0" : "+v"(acc) : "v"(a), "v"(b));
  return acc;
}

static void
pack_bf16 (void *panel, const char *w, size_t stride, size_t columns, size_t k)
{
  neva_pack_words_avx512 (panel, w, stride, columns, k, 2);
}

static inline __attribute__ ((always_inline)) void
tile_rows (float *c, const char *x, size_t stride, const char *panel, size_t k,
    size_t rows)
{
  __m512 acc[6][4];

  for (size_t r = 0; r < rows; r++)
    for (int j = 0; j < 4; j++)
      acc[r][j] = _mm512_setzero_ps ();
  for (size_t i = 0; i < (k + 1) / 2; i++, panel += PANEL * 4) {
    const __m512i w0 = _mm512_load_si512 (panel);
    const __m512i w1 = _mm512_load_si512 (panel + 64);
    const __m512i w2 = _mm512_load_si512 (panel + 128);
    const __m512i w3 = _mm512_load_si512 (panel + 192);

    for (size_t r = 0; r < rows; r++) {
      const __m512i v = _mm512_set1_epi32 (((const int *) (x + r * stride))[i]);

      acc[r][0] = dot (acc[r][0], w0, v);
      acc[r][1] = dot (acc[r][1], w1, v);
      acc[r][2] = dot (acc[r][2], w2, v);
      acc[r][3] = dot (acc[r][3], w3, v);
    }
  }
  for (size_t r = 0; r < rows; r++)
    for (int j = 0; j < 4; j++)
      _mm512_store_ps (c + r * PANEL + 16 * j, acc[r][j]);
}

static void
tile_bf16 (float *c, const char *x, size_t stride, const void *panel, size_t k,
    size_t rows, void *work)
{
  (void) work;
  NEVA_CONSTANT_ROWS (rows, tile_rows, c, x, stride, panel, k);
}

#define V __m512
#define W __m512i
#define STEP 32
#define ELEMENT 2
#define GEMV_ROWS 4
#define v_zero() _mm512_setzero_ps ()
#define v_sum(v) _mm512_reduce_add_ps (v)
#define v_mac(acc, a, b) dot (acc, a, b)
#define w_load(p) _mm512_loadu_si512 (p)
#define w_load_n(p, n)                                                         \
  _mm512_maskz_loadu_epi16 ((__mmask32) ((1u << (n)) - 1), p)
#define x_load(p) _mm512_load_si512 (p)
#include "gemv_tile.h"

NEVA_DECL_MATMUL (neva_matmul_bf16_avx512bf16)
{
  static const NevaPanelKernel kernel = {.tile_rows = 6,
      .k_block = 2048,
      .gemv_rows = 16,
      .pack = pack_bf16,
      .tile = tile_bf16,
      .gemv = gemv,
      .finish = neva_finish_avx512};

  neva_matmul_panels (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}
