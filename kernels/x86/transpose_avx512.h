/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* 16 rows of 16 32-bit words to 16 columns. */
#ifndef NEVA_TRANSPOSE_AVX512_H
#define NEVA_TRANSPOSE_AVX512_H

#include <immintrin.h>

/* Four words of rows 0, 4, 8 and 12 from `p` on, one 128-bit lane each. The
 * masked broadcasts are loads: they keep the shuffle port free. */
static inline __m512i
neva_lanes_of_4_rows (const char *p, size_t stride)
{
  __m512i v = _mm512_castsi128_si512 (_mm_loadu_si128 ((const __m128i *) (p)));

  v = _mm512_mask_broadcast_i32x4 (
      v, 0x00f0, _mm_loadu_si128 ((const __m128i *) (p + 4 * stride)));
  v = _mm512_mask_broadcast_i32x4 (
      v, 0x0f00, _mm_loadu_si128 ((const __m128i *) (p + 8 * stride)));
  return _mm512_mask_broadcast_i32x4 (
      v, 0xf000, _mm_loadu_si128 ((const __m128i *) (p + 12 * stride)));
}

/* Word i of each row (`src`, stride bytes) becomes the 64 bytes at
 * dst + i * dst_stride (aligned to 64). */
static inline __attribute__ ((always_inline)) void
neva_transpose_16x16 (
    char *dst, size_t dst_stride, const char *src, size_t stride)
{
  for (int j = 0; j < 4; j++, src += 16, dst += 4 * dst_stride) {
    const __m512i a = neva_lanes_of_4_rows (src, stride);
    const __m512i b = neva_lanes_of_4_rows (src + stride, stride);
    const __m512i c = neva_lanes_of_4_rows (src + 2 * stride, stride);
    const __m512i d = neva_lanes_of_4_rows (src + 3 * stride, stride);
    const __m512i ab_lo = _mm512_unpacklo_epi32 (a, b);
    const __m512i ab_hi = _mm512_unpackhi_epi32 (a, b);
    const __m512i cd_lo = _mm512_unpacklo_epi32 (c, d);
    const __m512i cd_hi = _mm512_unpackhi_epi32 (c, d);

    _mm512_store_si512 (dst, _mm512_unpacklo_epi64 (ab_lo, cd_lo));
    _mm512_store_si512 (dst + dst_stride, _mm512_unpackhi_epi64 (ab_lo, cd_lo));
    _mm512_store_si512 (
        dst + 2 * dst_stride, _mm512_unpacklo_epi64 (ab_hi, cd_hi));
    _mm512_store_si512 (
        dst + 3 * dst_stride, _mm512_unpackhi_epi64 (ab_hi, cd_hi));
    /* one at a time: the compiler would load all of them first and spill */
    __asm__ volatile("" ::: "memory");
  }
}

#endif /* NEVA_TRANSPOSE_AVX512_H */
