/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys and values of sequences, in blocks of NEVA_KV_PAGE tokens of all layers
 * (backend.h). Blocks come from a bounded pool and go back to it. Sequences
 * that begin alike share the blocks of their beginning; whoever writes into one
 * that is shared gets a copy first. One thread. */
#ifndef NEVA_KV_CACHE_H
#define NEVA_KV_CACHE_H

#include "backend/backend.h"

typedef struct {
  NevaBackend *backend;                             /* borrowed */
  gsize block_bytes, max_blocks, allocated, in_use; /* the last three: blocks */
  GPtrArray *free_blocks;
  GPtrArray *slabs;   /* of several blocks each */
  GHashTable *shared; /* block -> sequences beside the first that have it */
} NevaKvPool;

void neva_kv_pool_init (NevaKvPool *pool, NevaBackend *backend,
    gsize block_bytes, gsize max_blocks);
/* All sequences must be gone. */
void neva_kv_pool_clear (NevaKvPool *pool);

typedef struct {
  NevaKvPool *pool;
  GPtrArray *blocks;
  gsize length; /* tokens */
} NevaKvSequence;

void neva_kv_sequence_init (NevaKvSequence *s, NevaKvPool *pool);
void neva_kv_sequence_clear (NevaKvSequence *s);
/* `s`, initialised and empty, begins with the first `length` tokens of
 * `other`. */
void neva_kv_sequence_fork (
    NevaKvSequence *s, const NevaKvSequence *other, gsize length);
/* Room for `tokens` in all, behind `length` for this sequence alone. FALSE with
 * NEVA_ERROR_DEVICE; blocks taken so far stay until truncate (). */
gboolean neva_kv_sequence_reserve (
    NevaKvSequence *s, gsize tokens, GError **error);
/* Forgets tokens from `length` on and gives back blocks that hold none. */
void neva_kv_sequence_truncate (NevaKvSequence *s, gsize length);

#endif /* NEVA_KV_CACHE_H */
