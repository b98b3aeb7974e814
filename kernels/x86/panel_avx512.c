/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* F32 weights, and what every AVX-512 panel kernel shares. */
#include "config.h"
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
  switch (rows) {
    case 1:
      tile_rows (c, x, stride, panel, k, 1);
      break;
    case 2:
      tile_rows (c, x, stride, panel, k, 2);
      break;
    case 3:
      tile_rows (c, x, stride, panel, k, 3);
      break;
    case 4:
      tile_rows (c, x, stride, panel, k, 4);
      break;
    case 5:
      tile_rows (c, x, stride, panel, k, 5);
      break;
    case 6:
      tile_rows (c, x, stride, panel, k, 6);
      break;
  }
}

static inline __attribute__ ((always_inline)) void
gemv_rows (float *c, const char *x, size_t x_stride, const char *w,
    size_t w_stride, size_t columns, size_t k, size_t m)
{
  for (size_t n = 0; n < columns; n++, w += w_stride) {
    const float *row = (const float *) (const void *) w;
    __m512 acc[4][2];
    size_t i = 0;

    for (size_t r = 0; r < m; r++)
      acc[r][0] = acc[r][1] = _mm512_setzero_ps ();
    for (; i + 32 <= k; i += 32) {
      const __m512 w0 = _mm512_loadu_ps (row + i);
      const __m512 w1 = _mm512_loadu_ps (row + i + 16);

      neva_prefetch_stream (w + i * 4);
      neva_prefetch_stream (w + i * 4 + 64);
      for (size_t r = 0; r < m; r++) {
        const float *v = (const float *) (x + r * x_stride) + i;

        acc[r][0] = _mm512_fmadd_ps (w0, _mm512_load_ps (v), acc[r][0]);
        acc[r][1] = _mm512_fmadd_ps (w1, _mm512_load_ps (v + 16), acc[r][1]);
      }
    }
    for (; i < k; i += 16) {
      const __mmask16 mask = k - i < 16 ? neva_mask16 (k - i) : 0xffff;
      const __m512 w0 = _mm512_maskz_loadu_ps (mask, row + i);

      for (size_t r = 0; r < m; r++)
        acc[r][0] = _mm512_fmadd_ps (w0,
            _mm512_load_ps ((const float *) (x + r * x_stride) + i), acc[r][0]);
    }
    for (size_t r = 0; r < m; r++)
      c[r * PANEL + n] =
          _mm512_reduce_add_ps (_mm512_add_ps (acc[r][0], acc[r][1]));
  }
}

static void
gemv_f32 (float *c, const char *x, size_t x_stride, const char *w,
    size_t w_stride, size_t columns, size_t k, size_t m)
{
  switch (m) {
    case 1:
      gemv_rows (c, x, x_stride, w, w_stride, columns, k, 1);
      break;
    case 2:
      gemv_rows (c, x, x_stride, w, w_stride, columns, k, 2);
      break;
    case 3:
      gemv_rows (c, x, x_stride, w, w_stride, columns, k, 3);
      break;
    case 4:
      gemv_rows (c, x, x_stride, w, w_stride, columns, k, 4);
      break;
  }
}

NEVA_DECL_MATMUL (neva_matmul_f32_avx512)
{
  static const NevaPanelKernel kernel = {.tile_rows = 6,
      .k_block = 1024,
      .gemv_rows = 4,
      .pack = pack_f32,
      .tile = neva_tile_f32_avx512,
      .gemv = gemv_f32,
      .finish = neva_finish_avx512};

  neva_matmul_panels (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}
