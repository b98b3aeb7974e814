/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Widening and rounding of stored numbers. Memory is the limit: eight lanes do.
 */
#include "config.h"
#include "bf16_avx2.h"
#include "rowwise_x86.h"

static uint16_t
half_at (const void *src, size_t i)
{
  uint16_t h;

  memcpy (&h, (const char *) src + 2 * i, sizeof h);
  return h;
}

static inline __m256
widen_bf16 (__m128i h)
{
  return _mm256_castsi256_ps (
      _mm256_slli_epi32 (_mm256_cvtepu16_epi32 (h), 16));
}

NEVA_DECL_TO_F32 (neva_to_f32_avx2)
{
  const char *from = src;
  size_t i = 0;

  if (type == NEVA_DTYPE_F32) {
    memcpy (dst, src, n * sizeof *dst);
    return;
  }
  for (; i + 8 <= n; i += 8) {
    const __m128i h = _mm_loadu_si128 ((const __m128i *) (from + 2 * i));

    _mm256_storeu_ps (dst + i,
        type == NEVA_DTYPE_BF16 ? widen_bf16 (h) : _mm256_cvtph_ps (h));
  }
  for (; i < n; i++)
    dst[i] = type == NEVA_DTYPE_BF16 ? neva_bf16_to_f32 (half_at (src, i))
                                     : neva_f16_to_f32 (half_at (src, i));
}

static inline __m128i
round_bf16 (__m256 x)
{
  const __m256i h = neva_round_bf16_avx2 (x);

  return _mm_packus_epi32 (
      _mm256_castsi256_si128 (h), _mm256_extracti128_si256 (h, 1));
}

NEVA_DECL_FROM_F32 (neva_from_f32_avx2)
{
  char *to = dst;
  size_t i = 0;

  if (type == NEVA_DTYPE_F32) {
    memcpy (dst, src, n * sizeof *src);
    return;
  }
  for (; i + 8 <= n; i += 8) {
    const __m256 x = _mm256_loadu_ps (src + i);

    _mm_storeu_si128 ((__m128i *) (to + 2 * i),
        type == NEVA_DTYPE_BF16
            ? round_bf16 (x)
            : _mm256_cvtps_ph (x, _MM_FROUND_TO_NEAREST_INT));
  }
  for (; i < n; i++) {
    const uint16_t h = type == NEVA_DTYPE_BF16 ? neva_f32_to_bf16 (src[i])
                                               : neva_f32_to_f16 (src[i]);

    memcpy (to + 2 * i, &h, sizeof h);
  }
}
