/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Attention of query rows over keys and values held in pages.
 *
 * A page holds NEVA_KV_PAGE tokens of one layer and one KV head. Both types lie
 * so that 64 neighbouring keys (for scores) or head_dim neighbouring values
 * (for the weighted sum) are one run of memory:
 *
 *   f32   K [head_dim][64]           V [64][head_dim]
 *   bf16  K [head_dim/2][64][2]      V [32][head_dim][2]
 *
 * (pairs innermost, as dot-product instructions read them; an odd head_dim is
 * rounded up to even in K and padded with zero). Slots that were never stored
 * hold zeros: the owner clears a page when it takes it.
 */
#ifndef NEVA_ATTENTION_H
#define NEVA_ATTENTION_H

#include <stdbool.h>
#include <stddef.h>
#include "dtype.h"

#define NEVA_KV_PAGE 64

/* Bytes of the K part, or of the V part, of one page (64-byte multiple). */
size_t neva_kv_page_bytes (NevaDType type, size_t head_dim);

/* Store `count` tokens' keys and values (f32, row strides ldk and ldv floats,
 * one head: head_dim each) at slots [slot, slot + count) of one page; slot +
 * count <= NEVA_KV_PAGE. bf16: round to nearest even. Class: exact. */
#define NEVA_DECL_KV_STORE(name)                                               \
  void name (void *kpage, void *vpage, NevaDType type, size_t head_dim,        \
      size_t slot, const float *k, size_t ldk, const float *v, size_t ldv,     \
      size_t count)
typedef NEVA_DECL_KV_STORE ((*NevaKvStoreFn));

typedef struct {
  NevaDType type;       /* of the pages: F32 or BF16 */
  const void *const *k; /* [ceil(kv_len / NEVA_KV_PAGE)] K pages, 64-aligned */
  const void *const *v; /* same for V */
  size_t head_dim;      /* 1..256 */
  size_t group;         /* query heads that share this KV head */
  size_t rows;          /* query tokens */
  size_t ldq, ldd;      /* floats between query rows, between dst rows */
  size_t kv_len;        /* keys in the pages */
  size_t pos0;          /* position of query row 0; row r is pos0 + r */
  size_t window;        /* 0, or only keys with pos - key < window are seen */
  bool causal;          /* only keys with key <= pos are seen */
  float scale;          /* of the scores; > 0 */
} NevaAttention;

/* For each query row r and head g of the group:
 *   dst[r][g] = sum_j softmax_j(scale q[r][g] . K[j]) V[j]  over visible keys j
 * q and dst point at row 0, head 0 of this group: heads follow each other at
 * head_dim floats. No visible key: zeros. dst must not overlap q.
 * f32 pages: scores and sums in f32. bf16 pages: q is rounded to bf16, the
 * probabilities may be, sums in f32. Tolerance class: relative-to-naive (bf16),
 * sum (f32). `work`: neva_attention_work_bytes (), aligned to 64, per thread.
 *
 * The bits of dst[r][g] depend on q[r][g], on the position of row r and on the
 * keys that it sees, not on rows, group, pos0 or kv_len: decoding token by
 * token gives what a prefill of any chunks gives. Slots from kv_len on may hold
 * anything, NaN included; pages whose keys no row sees are not read (their
 * pointers may be NULL). */
#define NEVA_DECL_ATTENTION(name)                                              \
  void name (float *dst, const float *q, const NevaAttention *a, void *work)
typedef NEVA_DECL_ATTENTION ((*NevaAttentionFn));

#define NEVA_ATTENTION_TILE_BYTES ((size_t) 128 << 10)
size_t neva_attention_work_bytes (const NevaAttention *a);

#endif /* NEVA_ATTENTION_H */
