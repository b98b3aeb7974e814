/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include "ref.h"

size_t
neva_kv_page_bytes (NevaDType type, size_t head_dim)
{
  if (type == NEVA_DTYPE_F32)
    return head_dim * NEVA_KV_PAGE * sizeof (float);
  return (head_dim + 1) / 2 * 2 * NEVA_KV_PAGE * sizeof (uint16_t);
}

static size_t
k_index (NevaDType type, size_t slot, size_t d)
{
  return type == NEVA_DTYPE_F32 ? d * NEVA_KV_PAGE + slot
                                : (d / 2 * NEVA_KV_PAGE + slot) * 2 + d % 2;
}

static size_t
v_index (NevaDType type, size_t head_dim, size_t slot, size_t d)
{
  return type == NEVA_DTYPE_F32 ? slot * head_dim + d
                                : (slot / 2 * head_dim + d) * 2 + slot % 2;
}

static void
store (void *page, NevaDType type, size_t i, float x)
{
  if (type == NEVA_DTYPE_F32)
    ((float *) page)[i] = x;
  else
    ((uint16_t *) page)[i] = neva_f32_to_bf16 (x);
}

static double
load (const void *page, NevaDType type, size_t i)
{
  return type == NEVA_DTYPE_F32
             ? ((const float *) page)[i]
             : neva_bf16_to_f32 (((const uint16_t *) page)[i]);
}

NEVA_DECL_KV_STORE (neva_kv_store_c)
{
  for (size_t i = 0; i < count; i++, slot++, k += ldk, v += ldv)
    for (size_t d = 0; d < head_dim; d++) {
      store (kpage, type, k_index (type, slot, d), k[d]);
      store (vpage, type, v_index (type, head_dim, slot, d), v[d]);
    }
}

/* The reference holds the scores of one row, tiled tiers hold a tile. */
size_t
neva_attention_work_bytes (const NevaAttention *a)
{
  const size_t row = (a->kv_len * sizeof (double) + 63) / 64 * 64;

  return row > NEVA_ATTENTION_TILE_BYTES ? row : NEVA_ATTENTION_TILE_BYTES;
}

static bool
visible (const NevaAttention *a, size_t pos, size_t key)
{
  if (a->causal && key > pos)
    return false;
  return !a->window || pos < a->window || key > pos - a->window;
}

static double
score (const NevaAttention *a, const float *q, size_t key)
{
  const void *page = a->k[key / NEVA_KV_PAGE];
  double sum = 0;

  for (size_t d = 0; d < a->head_dim; d++) {
    const float x = a->type == NEVA_DTYPE_F32
                        ? q[d]
                        : neva_bf16_to_f32 (neva_f32_to_bf16 (q[d]));

    sum += x * load (page, a->type, k_index (a->type, key % NEVA_KV_PAGE, d));
  }
  return sum * a->scale;
}

/* One query row of one head; p: [kv_len]. The probabilities are not rounded. */
static void
attend (
    float *dst, const float *q, const NevaAttention *a, size_t pos, double *p)
{
  double max = -INFINITY, total = 0;

  for (size_t j = 0; j < a->kv_len; j++) {
    p[j] = visible (a, pos, j) ? score (a, q, j) : -INFINITY;
    if (!(p[j] <= max))
      max = p[j];
  }
  for (size_t j = 0; j < a->kv_len; j++) {
    p[j] = visible (a, pos, j) ? exp (p[j] - max) : 0;
    total += p[j];
  }

  for (size_t d = 0; d < a->head_dim; d++) {
    double sum = 0;

    for (size_t j = 0; j < a->kv_len; j++)
      if (visible (a, pos, j))
        sum += p[j] * load (a->v[j / NEVA_KV_PAGE], a->type,
                          v_index (a->type, a->head_dim, j % NEVA_KV_PAGE, d));
    dst[d] = total == 0 ? 0 : (float) (sum / total);
  }
}

NEVA_DECL_ATTENTION (neva_attention_c)
{
  for (size_t r = 0; r < a->rows; r++)
    for (size_t g = 0; g < a->group; g++)
      attend (dst + r * a->ldd + g * a->head_dim,
          q + r * a->ldq + g * a->head_dim, a, a->pos0 + r, work);
}

void
neva_kernels_init_attention_c (NevaCpuKernels *k)
{
  k->kv_store = neva_kv_store_c;
  k->attention = neva_attention_c;
}
