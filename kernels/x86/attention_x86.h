/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NEVA_ATTENTION_X86_H
#define NEVA_ATTENTION_X86_H

#include "kernels.h"

/* Keys that one step of the running softmax takes, counted from key 0 of the
 * sequence: rows see the same steps however they are spread over calls. */
#define NEVA_ATTENTION_KEYS 256
/* Rows (query token x head of the group) that share every load of K and V. */
#define NEVA_ATTENTION_ROWS 8

/* The part of a call that works on rows [row0, row0 + n) of rows x group. */
typedef struct {
  const NevaAttention *a;
  size_t row0, n;
  size_t lo, hi; /* keys that any of the rows sees */
} NevaAttentionBlock;

static inline size_t
neva_attention_lo (const NevaAttention *a, size_t token)
{
  const size_t pos = a->pos0 + token;

  return a->window && pos >= a->window ? pos - a->window + 1 : 0;
}

static inline size_t
neva_attention_hi (const NevaAttention *a, size_t token)
{
  const size_t pos = a->pos0 + token;

  return a->causal && pos < a->kv_len ? pos + 1 : a->kv_len;
}

static inline NevaAttentionBlock
neva_attention_block (const NevaAttention *a, size_t row0, size_t n)
{
  const NevaAttentionBlock b = {.a = a,
      .row0 = row0,
      .n = n,
      .lo = neva_attention_lo (a, row0 / a->group),
      .hi = neva_attention_hi (a, (row0 + n - 1) / a->group)};

  return b;
}

NEVA_DECL_KV_STORE (neva_kv_store_avx2);
NEVA_DECL_ATTENTION (neva_attention_f32_avx2);
NEVA_DECL_ATTENTION (neva_attention_widened_avx2);
NEVA_DECL_ATTENTION (neva_attention_f32_avx512);
NEVA_DECL_ATTENTION (neva_attention_widened_avx512);
NEVA_DECL_ATTENTION (neva_attention_bf16_avx512bf16);
NEVA_DECL_ATTENTION (neva_attention_bf16_amx);

#endif /* NEVA_ATTENTION_X86_H */
