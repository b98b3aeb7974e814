/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Samples moved and mixed on their way to planar rows and tiles. */
#include "config.h"
#include <immintrin.h>
#include "image_x86.h"

/* ---- Packed pixels ------------------------------------------------------ */

/* Four pixels of each 128-bit lane to [c0 x 4][c1 x 4][c2 x 4][0 x 4]. */
static inline __m256i
gather_mask (size_t bytes, const uint8_t order[3])
{
  uint8_t mask[16];

  memset (mask, 0x80, sizeof mask);
  for (size_t c = 0; c < 3; c++)
    for (size_t i = 0; i < 4; i++)
      mask[c * 4 + i] = (uint8_t) (i * bytes + order[c]);
  return _mm256_broadcastsi128_si256 (_mm_loadu_si128 ((const __m128i *) mask));
}

/* Eight pixels, those of a lane from a load of its own. */
static inline __m256i
pixels_8 (const uint8_t *src, size_t bytes, __m256i mask)
{
  const __m256i x = _mm256_loadu2_m128i (
      (const __m128i *) (src + 4 * bytes), (const __m128i *) src);

  return _mm256_shuffle_epi8 (x, mask);
}

/* Reads 16 pixels and up to four bytes beyond them. */
static inline void
unpack_16 (uint8_t *const dst[3], size_t at, const uint8_t *src, size_t bytes,
    __m256i mask)
{
  const __m256i a = pixels_8 (src, bytes, mask);
  const __m256i b = pixels_8 (src + 8 * bytes, bytes, mask);
  const __m256i order = _mm256_setr_epi32 (0, 4, 1, 5, 2, 6, 3, 7);
  const __m256i c01 =
      _mm256_permutevar8x32_epi32 (_mm256_unpacklo_epi32 (a, b), order);
  const __m256i c2 =
      _mm256_permutevar8x32_epi32 (_mm256_unpackhi_epi32 (a, b), order);

  _mm_storeu_si128 ((__m128i *) (dst[0] + at), _mm256_castsi256_si128 (c01));
  _mm_storeu_si128 (
      (__m128i *) (dst[1] + at), _mm256_extracti128_si256 (c01, 1));
  _mm_storeu_si128 ((__m128i *) (dst[2] + at), _mm256_castsi256_si128 (c2));
}

NEVA_DECL_UNPACK_RGB (neva_unpack_rgb_avx2)
{
  const __m256i mask = gather_mask (bytes, order);
  uint8_t tail[16 * 4 + 4] = {0};
  size_t i = 0;

  for (; (i + 16) * bytes + 4 <= n * bytes; i += 16)
    unpack_16 (dst, i, src + i * bytes, bytes, mask);
  for (; i < n; i += 16) {
    const size_t left = n - i < 16 ? n - i : 16;

    memcpy (tail, src + i * bytes, left * bytes);
    unpack_16 (dst, i, tail, bytes, mask);
  }
}

/* ---- Chroma ------------------------------------------------------------- */

/* Sixteen samples of U and V from two planes, or from pairs at p[0]. */
static inline void
chroma_16 (__m256i uv[2], const uint8_t *const p[2], const NevaChromaRows *rows)
{
  const __m128i shift = _mm_cvtsi32_si128 ((int) rows->sample.shift);

  if (!rows->interleaved) {
    for (int c = 0; c < 2; c++)
      uv[c] =
          rows->sample.bytes == 1
              ? _mm256_cvtepu8_epi16 (_mm_loadu_si128 ((const __m128i *) p[c]))
              : _mm256_srl_epi16 (
                    _mm256_loadu_si256 ((const __m256i *) p[c]), shift);
  } else if (rows->sample.bytes == 1) {
    const __m256i x = _mm256_loadu_si256 ((const __m256i *) p[0]);

    uv[0] = _mm256_and_si256 (x, _mm256_set1_epi16 (0xff));
    uv[1] = _mm256_srli_epi16 (x, 8);
  } else {
    const __m256i x = _mm256_loadu_si256 ((const __m256i *) p[0]);
    const __m256i y = _mm256_loadu_si256 ((const __m256i *) (p[0] + 32));
    const __m256i low = _mm256_set1_epi32 (0xffff);
    const __m256i u = _mm256_packus_epi32 (
        _mm256_and_si256 (x, low), _mm256_and_si256 (y, low));
    const __m256i v = _mm256_packus_epi32 (
        _mm256_srli_epi32 (x, 16), _mm256_srli_epi32 (y, 16));

    uv[0] = _mm256_srl_epi16 (_mm256_permute4x64_epi64 (u, 0xd8), shift);
    uv[1] = _mm256_srl_epi16 (_mm256_permute4x64_epi64 (v, 0xd8), shift);
  }
}

static inline void
mix_16 (uint16_t *const dst[2], size_t at, const uint8_t *const p[2][2],
    const NevaChromaRows *rows)
{
  const __m256i w0 = _mm256_set1_epi16 ((short) rows->weight[0]);
  const __m256i w1 = _mm256_set1_epi16 ((short) rows->weight[1]);
  __m256i a[2], b[2];

  chroma_16 (a, p[0], rows);
  chroma_16 (b, p[1], rows);
  for (int c = 0; c < 2; c++)
    _mm256_storeu_si256 ((__m256i *) (dst[c] + at),
        _mm256_add_epi16 (
            _mm256_mullo_epi16 (a[c], w0), _mm256_mullo_epi16 (b[c], w1)));
}

NEVA_DECL_CHROMA_MIX (neva_chroma_mix_avx2)
{
  const size_t planes = rows->interleaved ? 1 : 2;
  const size_t bytes = rows->sample.bytes * (3 - planes); /* of an element */
  const uint8_t *p[2][2] = {0};
  uint8_t tail[2][2][64] = {0};

  for (size_t i = 0; i < n; i += 16) {
    for (size_t r = 0; r < 2; r++)
      for (size_t c = 0; c < planes; c++) {
        p[r][c] = (const uint8_t *) rows->row[r][c] + i * bytes;
        if (i + 16 > n) { /* nothing is read beyond the last sample */
          memcpy (tail[r][c], p[r][c], (n - i) * bytes);
          p[r][c] = tail[r][c];
        }
      }
    mix_16 (dst, i, p, rows);
  }
}

/* ---- Tiles -------------------------------------------------------------- */

/* Up to eight groups of four columns of four rows. */
static inline void
tile_4_rows (uint8_t *dst, const uint8_t *rows, size_t stride, size_t groups)
{
  __m256i r[4], out[4];

  for (size_t i = 0; i < 4; i++)
    r[i] = _mm256_loadu_si256 ((const __m256i *) (rows + i * stride));

  const __m256i ab_lo = _mm256_unpacklo_epi32 (r[0], r[1]);
  const __m256i ab_hi = _mm256_unpackhi_epi32 (r[0], r[1]);
  const __m256i cd_lo = _mm256_unpacklo_epi32 (r[2], r[3]);
  const __m256i cd_hi = _mm256_unpackhi_epi32 (r[2], r[3]);

  out[0] = _mm256_unpacklo_epi64 (ab_lo, cd_lo);
  out[1] = _mm256_unpackhi_epi64 (ab_lo, cd_lo);
  out[2] = _mm256_unpacklo_epi64 (ab_hi, cd_hi);
  out[3] = _mm256_unpackhi_epi64 (ab_hi, cd_hi);
  for (size_t g = 0; g < groups; g++)
    _mm_storeu_si128 ((__m128i *) (dst + g * NEVA_TILE_COLUMN_BYTES),
        g < 4 ? _mm256_castsi256_si128 (out[g])
              : _mm256_extracti128_si256 (out[g - 4], 1));
}

NEVA_DECL_TILE (neva_tile_avx2)
{
  for (size_t x = 0; x < n; x += 32) {
    uint8_t *dst = tile + x / 4 * NEVA_TILE_COLUMN_BYTES;

    for (size_t r = 0; r < NEVA_TILE_ROWS; r += 4)
      for (size_t c = 0; c < 3; c++) {
        const uint8_t *from = rows + (c * NEVA_TILE_ROWS + r) * stride + x;
        uint8_t *to = dst + r / 4 * 48 + c * 16;

        if (n - x >= 32)
          tile_4_rows (to, from, stride, 8);
        else
          tile_4_rows (to, from, stride, (n - x) / 4);
      }
  }
}
