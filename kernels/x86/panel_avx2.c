/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* F32 and BF16 weights by AVX2: bf16 is widened while it is packed, so that
 * both share one tile of 6 x 16 f32 sums. The panel is [4][k][16]. */
#include "config.h"
#include "constant_rows.h"
#include <immintrin.h>
#include "matmul_avx2.h"
#include "panel.h"
#include "rowwise_x86.h"

#define INLINE static inline __attribute__ ((always_inline))

enum { PANEL = NEVA_MATMUL_PANEL, SUB = 16 };

INLINE __m256
load8 (const char *p, bool bf16)
{
  if (bf16)
    return _mm256_castsi256_ps (_mm256_slli_epi32 (
        _mm256_cvtepu16_epi32 (_mm_loadu_si128 ((const __m128i *) p)), 16));
  return _mm256_loadu_ps ((const float *) p);
}

INLINE float
load1 (const char *p, bool bf16)
{
  uint16_t half;
  float f;

  if (bf16) {
    memcpy (&half, p, 2);
    return neva_bf16_to_f32 (half);
  }
  memcpy (&f, p, 4);
  return f;
}

/* dst[i][0..8) = element i of the 8 rows; dst stride 16 floats. */
INLINE void
transpose_8x8 (float *dst, const char *w, size_t stride, bool bf16)
{
  __m256 r[8], t[8];

  for (size_t i = 0; i < 8; i++)
    r[i] = load8 (w + i * stride, bf16);
  for (size_t i = 0; i < 8; i += 2) {
    t[i] = _mm256_unpacklo_ps (r[i], r[i + 1]);
    t[i + 1] = _mm256_unpackhi_ps (r[i], r[i + 1]);
  }
  for (size_t i = 0; i < 8; i += 4) {
    r[i] = _mm256_shuffle_ps (t[i], t[i + 2], 0x44);
    r[i + 1] = _mm256_shuffle_ps (t[i], t[i + 2], 0xee);
    r[i + 2] = _mm256_shuffle_ps (t[i + 1], t[i + 3], 0x44);
    r[i + 3] = _mm256_shuffle_ps (t[i + 1], t[i + 3], 0xee);
  }
  for (size_t i = 0; i < 4; i++) {
    _mm256_store_ps (
        dst + i * SUB, _mm256_permute2f128_ps (r[i], r[i + 4], 0x20));
    _mm256_store_ps (
        dst + (i + 4) * SUB, _mm256_permute2f128_ps (r[i], r[i + 4], 0x31));
  }
}

INLINE void
pack (void *panel, const char *w, size_t stride, size_t columns, size_t k,
    bool bf16)
{
  const size_t width = bf16 ? 2 : 4;

  for (size_t c = 0; c < PANEL; c += 8) {
    float *out = (float *) panel + c / SUB * SUB * k + c % SUB;
    const char *in = w + c * stride;
    size_t i = 0;

    if (c + 8 <= columns)
      for (; i + 8 <= k; i += 8)
        transpose_8x8 (out + i * SUB, in + i * width, stride, bf16);
    for (; i < k; i++)
      for (size_t j = 0; j < 8; j++)
        out[i * SUB + j] =
            c + j < columns ? load1 (in + j * stride + i * width, bf16) : 0;
  }
}

static void
pack_f32 (void *panel, const char *w, size_t stride, size_t columns, size_t k)
{
  pack (panel, w, stride, columns, k, false);
}

static void
pack_bf16 (void *panel, const char *w, size_t stride, size_t columns, size_t k)
{
  pack (panel, w, stride, columns, k, true);
}

/* c [rows][64], 16 columns of it. */
INLINE void
tile_rows (float *c, const char *x, size_t stride, const float *panel, size_t k,
    size_t rows)
{
  __m256 acc[6][2];

  for (size_t r = 0; r < rows; r++)
    acc[r][0] = acc[r][1] = _mm256_setzero_ps ();
  for (size_t i = 0; i < k; i++, panel += SUB) {
    const __m256 w0 = _mm256_load_ps (panel), w1 = _mm256_load_ps (panel + 8);

    for (size_t r = 0; r < rows; r++) {
      const __m256 v =
          _mm256_broadcast_ss ((const float *) (x + r * stride) + i);

      acc[r][0] = _mm256_fmadd_ps (v, w0, acc[r][0]);
      acc[r][1] = _mm256_fmadd_ps (v, w1, acc[r][1]);
    }
  }
  for (size_t r = 0; r < rows; r++) {
    _mm256_store_ps (c + r * PANEL, acc[r][0]);
    _mm256_store_ps (c + r * PANEL + 8, acc[r][1]);
  }
}

static void
tile_f32 (float *c, const char *x, size_t stride, const void *panel, size_t k,
    size_t rows, void *work)
{
  (void) work;
  for (size_t j = 0; j < PANEL; j += SUB) {
    const float *w = (const float *) panel + j * k;

    NEVA_CONSTANT_ROWS (rows, tile_rows, c + j, x, stride, w, k);
  }
}

static void
tile_bf16 (float *c, const char *x, size_t stride, const void *panel, size_t k,
    size_t rows, void *work)
{
  const size_t kp = (k + 31) / 32 * 32; /* xq has zeros up to there */
  float *wide = work;

  for (size_t r = 0; r < rows; r++)
    for (size_t i = 0; i < kp; i += 8)
      _mm256_store_ps (wide + r * kp + i, load8 (x + r * stride + i * 2, true));
  tile_f32 (c, work, kp * sizeof *wide, panel, k, rows, NULL);
}

NEVA_DECL_FINISH (neva_finish_avx2)
{
  for (size_t r = 0; r < f->rows; r++, c += PANEL, dst += ldd) {
    if (f->bias)
      for (size_t j = 0; j < f->columns; j++)
        c[j] += f->bias[j];
    if (f->act != NEVA_ACT_NONE)
      neva_activate_avx2 (c, c, f->columns, f->act);
    if (f->add)
      for (size_t j = 0; j < f->columns; j++)
        dst[j] += c[j];
    else
      memcpy (dst, c, f->columns * sizeof *dst);
  }
}

NEVA_DECL_MATMUL (neva_matmul_f32_avx2)
{
  static const NevaPanelKernel kernel = {.tile_rows = 6,
      .k_block = 256,
      .gemv_rows = 16,
      .pack = pack_f32,
      .tile = tile_f32,
      .gemv = neva_gemv_f32_avx2,
      .finish = neva_finish_avx2};

  neva_matmul_panels (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}

NEVA_DECL_MATMUL (neva_matmul_bf16_avx2)
{
  static const NevaPanelKernel kernel = {.tile_rows = 6,
      .k_block = 256,
      .gemv_rows = 16,
      .pack = pack_bf16,
      .tile = tile_bf16,
      .gemv = neva_gemv_bf16_avx2,
      .finish = neva_finish_avx2};

  neva_matmul_panels (&kernel, dst, ldd, xq, w, epilogue, m, n0, n1, work);
}
