/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bf16 weights without bf16 instructions: widened to f32 while they are packed
 * and multiplied by the f32 tile. */
#include "config.h"
#include "matmul_avx512.h"
#include "panel_avx512.h"
#include "transpose_avx512.h"

enum { PANEL = NEVA_MATMUL_PANEL };

/* 16 numbers, zero beyond the mask. */
static inline __m512
widen (const char *p, __mmask16 mask)
{
  return _mm512_castsi512_ps (_mm512_slli_epi32 (
      _mm512_cvtepu16_epi32 (_mm256_maskz_loadu_epi16 (mask, p)), 16));
}

static void
pack_bf16 (void *panel, const char *w, size_t stride, size_t columns, size_t k)
{
  char in[16 * 64] __attribute__ ((aligned (64)));
  char block[16 * 64] __attribute__ ((aligned (64)));

  for (size_t c = 0; c < PANEL; c += 16)
    for (size_t i = 0; i < k; i += 16) {
      const size_t left = k - i < 16 ? k - i : 16;
      char *out = (char *) panel + (i * PANEL + c) * 4;

      for (size_t r = 0; r < 16; r++)
        _mm512_store_ps (in + r * 64,
            c + r < columns
                ? widen (w + (c + r) * stride + i * 2, neva_mask16 (left))
                : _mm512_setzero_ps ());
      if (left == 16) {
        neva_transpose_16x16 (out, PANEL * 4, in, 64);
        continue;
      }
      neva_transpose_16x16 (block, 64, in, 64);
      for (size_t j = 0; j < left; j++)
        _mm512_store_si512 (
            out + j * PANEL * 4, _mm512_load_si512 (block + j * 64));
    }
}

static void
tile_bf16 (float *c, const char *x, size_t stride, const void *panel, size_t k,
    size_t rows, void *work)
{
  const size_t kp = (k + 31) / 32 * 32; /* xq has zeros up to there */
  float *wide = work;

  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < kp; i += 16)
      _mm512_store_ps (
          wide + r * kp + i, widen (x + r * stride + i * 2, 0xffff));
  neva_tile_f32_avx512 (c, work, kp * sizeof *wide, panel, k, rows, NULL);
}

#define V __m512
#define W __m512
#define STEP 16
#define ELEMENT 2
#define GEMV_ROWS 4
#define v_zero() _mm512_setzero_ps ()
#define v_sum(v) _mm512_reduce_add_ps (v)
#define v_mac(acc, a, b) _mm512_fmadd_ps (a, b, acc)
#define w_load(p) widen (p, 0xffff)
#define w_load_n(p, n) widen (p, neva_mask16 (n))
#define x_load(p) widen (p, 0xffff)
#include "gemv_tile.h"

NEVA_DECL_MATMUL (neva_matmul_bf16_avx512)
{
  static const NevaPanelKernel kernel = {.tile_rows = 6,
      .k_block = 1024,
      .gemv_rows = 16,
      .pack = pack_bf16,
      .tile = tile_bf16,
      .gemv = gemv,
      .finish = neva_finish_avx512};

  neva_matmul_panels (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}
