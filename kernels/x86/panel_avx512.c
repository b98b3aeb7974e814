/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* F32 weights, and what every AVX-512 panel kernel shares. */
#include "config.h"
#include "constant_rows.h"
#include "matmul_avx512.h"
#include "panel_avx512.h"
#include "rowwise_x86.h"
#include "transpose_avx512.h"

enum { PANEL = NEVA_MATMUL_PANEL, ROW_BYTES = PANEL * 4 };

/* Up to 16 rows and 64 bytes that may both be short: through a block of zeros.
 */
static void
pack_corner (char *out, const char *w, size_t stride, size_t rows, size_t bytes)
{
  char in[16 * 64] __attribute__ ((aligned (64)));
  char block[16 * 64] __attribute__ ((aligned (64)));
  const __mmask32 mask = (__mmask32) ((1ull << bytes / 2) - 1);

  for (size_t r = 0; r < 16; r++)
    _mm512_store_si512 (
        in + r * 64, r < rows ? _mm512_maskz_loadu_epi16 (mask, w + r * stride)
                              : _mm512_setzero_si512 ());
  neva_transpose_16x16 (block, 64, in, 64);
  for (size_t i = 0; i < (bytes + 3) / 4; i++)
    _mm512_store_si512 (
        out + i * ROW_BYTES, _mm512_load_si512 (block + i * 64));
}

void
neva_pack_words_avx512 (void *panel, const char *w, size_t stride,
    size_t columns, size_t k, size_t element)
{
  const size_t bytes = k * element;

  for (size_t c = 0; c < PANEL; c += 16) {
    const size_t rows = columns < c ? 0 : columns - c < 16 ? columns - c : 16;
    const char *in = w + c * stride;
    char *out = (char *) panel + c * 4;
    size_t i = 0;

    if (rows == 16)
      for (; i + 64 <= bytes; i += 64) {
        /* the first touch of these weights, in 16 streams: look ahead */
        for (size_t r = 0; r < 16; r++)
          _mm_prefetch (in + r * stride + i + 512, _MM_HINT_T0);
        neva_transpose_16x16 (
            out + i / 4 * ROW_BYTES, ROW_BYTES, in + i, stride);
      }
    for (; i < bytes; i += 64)
      pack_corner (out + i / 4 * ROW_BYTES, in + i, stride, rows,
          bytes - i < 64 ? bytes - i : 64);
  }
}

NEVA_DECL_FINISH (neva_finish_avx512)
{
  if (f->act != NEVA_ACT_NONE)
    for (size_t r = 0; r < f->rows; r++) {
      float *row = c + r * PANEL;

      for (size_t j = 0; f->bias && j < f->columns; j++)
        row[j] += f->bias[j];
      neva_activate_avx512 (row, row, f->columns, f->act);
    }

  const bool bias = f->bias && f->act == NEVA_ACT_NONE;

  for (size_t j = 0; j < f->columns; j += 16) {
    const size_t left = f->columns - j;
    const __mmask16 mask = left < 16 ? neva_mask16 (left) : 0xffff;
    const __m512 b =
        bias ? _mm512_maskz_loadu_ps (mask, f->bias + j) : _mm512_setzero_ps ();

    for (size_t r = 0; r < f->rows; r++) {
      float *out = dst + r * ldd + j;
      __m512 v = _mm512_add_ps (_mm512_load_ps (c + r * PANEL + j), b);

      if (f->add)
        v = _mm512_add_ps (v, _mm512_maskz_loadu_ps (mask, out));
      _mm512_mask_storeu_ps (out, mask, v);
    }
  }
}

static void
pack_f32 (void *panel, const char *w, size_t stride, size_t columns, size_t k)
{
  neva_pack_words_avx512 (panel, w, stride, columns, k, 4);
}

static inline __attribute__ ((always_inline)) void
tile_rows (float *c, const char *x, size_t stride, const float *panel, size_t k,
    size_t rows)
{
  __m512 acc[6][4];

  for (size_t r = 0; r < rows; r++)
    for (int j = 0; j < 4; j++)
      acc[r][j] = _mm512_setzero_ps ();
  for (size_t i = 0; i < k; i++, panel += PANEL) {
    const __m512 w0 = _mm512_load_ps (panel);
    const __m512 w1 = _mm512_load_ps (panel + 16);
    const __m512 w2 = _mm512_load_ps (panel + 32);
    const __m512 w3 = _mm512_load_ps (panel + 48);

    _mm_prefetch (panel + 8 * PANEL, _MM_HINT_T0);
    _mm_prefetch (panel + 8 * PANEL + 16, _MM_HINT_T0);
    _mm_prefetch (panel + 8 * PANEL + 32, _MM_HINT_T0);
    _mm_prefetch (panel + 8 * PANEL + 48, _MM_HINT_T0);

    for (size_t r = 0; r < rows; r++) {
      const __m512 v = _mm512_set1_ps (((const float *) (x + r * stride))[i]);

      acc[r][0] = _mm512_fmadd_ps (v, w0, acc[r][0]);
      acc[r][1] = _mm512_fmadd_ps (v, w1, acc[r][1]);
      acc[r][2] = _mm512_fmadd_ps (v, w2, acc[r][2]);
      acc[r][3] = _mm512_fmadd_ps (v, w3, acc[r][3]);
    }
  }
  for (size_t r = 0; r < rows; r++)
    for (int j = 0; j < 4; j++)
      _mm512_store_ps (c + r * PANEL + 16 * j, acc[r][j]);
}

void
neva_tile_f32_avx512 (float *c, const char *x, size_t stride, const void *panel,
    size_t k, size_t rows, void *work)
{
  (void) work;
  NEVA_CONSTANT_ROWS (rows, tile_rows, c, x, stride, panel, k);
}

#define V __m512
#define W __m512
#define STEP 16
#define ELEMENT 4
#define GEMV_ROWS 4
#define v_zero() _mm512_setzero_ps ()
#define v_sum(v) _mm512_reduce_add_ps (v)
#define v_mac(acc, a, b) _mm512_fmadd_ps (a, b, acc)
#define w_load(p) _mm512_loadu_ps (p)
#define w_load_n(p, n) _mm512_maskz_loadu_ps (neva_mask16 (n), p)
#define x_load(p) _mm512_load_ps (p)
#include "gemv_tile.h"

NEVA_DECL_MATMUL (neva_matmul_f32_avx512)
{
  static const NevaPanelKernel kernel = {.tile_rows = 6,
      .k_block = 1024,
      .gemv_rows = 16,
      .pack = pack_f32,
      .tile = neva_tile_f32_avx512,
      .gemv = gemv,
      .finish = neva_finish_avx512};

  neva_matmul_panels (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}
