/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokens into pages. A word is what lies side by side for one key in K and for
 * one element in V: an f32, or a pair of bf16. K wants eight tokens' words
 * transposed, V wants tokens (f32) or pairs of tokens (bf16) as they are. */
#include "config.h"
#include "attention_x86.h"
#include "bf16_avx2.h"

#define PAGE NEVA_KV_PAGE

/* Words 0..7 of a token: 8 f32, or 16 f32 rounded. */
static inline __m256i
words (const float *x, bool bf16)
{
  if (!bf16)
    return _mm256_castps_si256 (_mm256_loadu_ps (x));
  return _mm256_permute4x64_epi64 (
      _mm256_packus_epi32 (neva_round_bf16_avx2 (_mm256_loadu_ps (x)),
          neva_round_bf16_avx2 (_mm256_loadu_ps (x + 8))),
      0xd8);
}

/* Eight words of eight tokens (row stride ldx) to eight rows of a K page. */
static inline void
transpose_8x8 (char *dst, const float *x, size_t ldx, bool bf16)
{
  __m256i a[8], b[8];

  for (int i = 0; i < 4; i++) {
    const __m256i even = words (x + 2 * (size_t) i * ldx, bf16);
    const __m256i odd = words (x + (2 * (size_t) i + 1) * ldx, bf16);

    a[2 * i] = _mm256_unpacklo_epi32 (even, odd);
    a[2 * i + 1] = _mm256_unpackhi_epi32 (even, odd);
  }
  for (int i = 0; i < 2; i++) /* tokens 0..3, then 4..7 */
    for (int j = 0; j < 2; j++) {
      b[4 * i + 2 * j] = _mm256_unpacklo_epi64 (a[4 * i + j], a[4 * i + j + 2]);
      b[4 * i + 2 * j + 1] =
          _mm256_unpackhi_epi64 (a[4 * i + j], a[4 * i + j + 2]);
    }
  for (int i = 0; i < 4; i++) {
    _mm256_storeu_si256 ((__m256i *) (dst + (size_t) i * PAGE * 4),
        _mm256_permute2x128_si256 (b[i], b[i + 4], 0x20));
    _mm256_storeu_si256 ((__m256i *) (dst + (size_t) (i + 4) * PAGE * 4),
        _mm256_permute2x128_si256 (b[i], b[i + 4], 0x31));
  }
}

static void
put_k (void *page, bool bf16, size_t slot, size_t d, float x)
{
  if (bf16)
    ((uint16_t *) page)[(d / 2 * PAGE + slot) * 2 + d % 2] =
        neva_f32_to_bf16 (x);
  else
    ((float *) page)[d * PAGE + slot] = x;
}

static void
store_k (void *page, bool bf16, size_t dim, size_t slot, const float *k,
    size_t ldk, size_t count)
{
  const size_t block = bf16 ? 16 : 8; /* elements in eight words */

  for (; count >= 8; count -= 8, slot += 8, k += 8 * ldk) {
    size_t d = 0;

    for (; d + block <= dim; d += block)
      transpose_8x8 (
          (char *) page + (d / block * 8 * PAGE + slot) * 4, k + d, ldk, bf16);
    for (; d < dim; d++)
      for (size_t i = 0; i < 8; i++)
        put_k (page, bf16, slot + i, d, k[i * ldk + d]);
  }
  for (; count; count--, slot++, k += ldk)
    for (size_t d = 0; d < dim; d++)
      put_k (page, bf16, slot, d, k[d]);
}

/* One token into its halves of a pair. */
static void
store_v_single (uint16_t *page, size_t dim, size_t slot, const float *v)
{
  for (size_t d = 0; d < dim; d++)
    page[(slot / 2 * dim + d) * 2 + slot % 2] = neva_f32_to_bf16 (v[d]);
}

static void
store_v_pair (
    uint16_t *page, size_t dim, size_t slot, const float *v, const float *next)
{
  uint16_t *row = page + slot * dim;
  size_t d = 0;

  for (; d + 8 <= dim; d += 8)
    _mm256_storeu_si256 ((__m256i *) (row + 2 * d),
        _mm256_or_si256 (neva_round_bf16_avx2 (_mm256_loadu_ps (v + d)),
            _mm256_slli_epi32 (
                neva_round_bf16_avx2 (_mm256_loadu_ps (next + d)), 16)));
  for (; d < dim; d++) {
    row[2 * d] = neva_f32_to_bf16 (v[d]);
    row[2 * d + 1] = neva_f32_to_bf16 (next[d]);
  }
}

static void
store_v (void *page, size_t dim, size_t slot, const float *v, size_t ldv,
    size_t count)
{
  for (; count && slot % 2; count--, slot++, v += ldv)
    store_v_single (page, dim, slot, v);
  for (; count >= 2; count -= 2, slot += 2, v += 2 * ldv)
    store_v_pair (page, dim, slot, v, v + ldv);
  if (count)
    store_v_single (page, dim, slot, v);
}

NEVA_DECL_KV_STORE (neva_kv_store_avx2)
{
  if (type == NEVA_DTYPE_BF16) {
    store_k (kpage, true, head_dim, slot, k, ldk, count);
    store_v (vpage, head_dim, slot, v, ldv, count);
  } else {
    store_k (kpage, false, head_dim, slot, k, ldk, count);
    for (size_t i = 0; i < count; i++)
      memcpy ((float *) vpage + (slot + i) * head_dim, v + i * ldv,
          head_dim * sizeof *v);
  }
}
