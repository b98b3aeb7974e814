/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "kv_cache.h"

void
neva_kv_pool_init (
    NevaKvPool *pool, NevaBackend *backend, gsize block_bytes, gsize max_blocks)
{
  pool->backend = backend;
  pool->block_bytes = block_bytes;
  pool->max_blocks = max_blocks;
  pool->in_use = 0;
  pool->free_blocks = g_ptr_array_new ();
}

void
neva_kv_pool_clear (NevaKvPool *pool)
{
  if (!pool->free_blocks)
    return;
  for (guint i = 0; i < pool->free_blocks->len; i++)
    neva_backend_release (
        pool->backend, pool->free_blocks->pdata[i], pool->block_bytes);
  g_clear_pointer (&pool->free_blocks, g_ptr_array_unref);
}

/* Zeros: slots behind a sequence's end are read, with weight zero, and must not
 * hold another one's infinities. */
static void *
take_block (NevaKvPool *pool, GError **error)
{
  void *block;

  if (pool->in_use >= pool->max_blocks) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "the KV cache is full: %" G_GSIZE_FORMAT " tokens in use",
        pool->in_use * NEVA_KV_PAGE);
    return NULL;
  }
  if (pool->free_blocks->len) {
    block = g_ptr_array_steal_index_fast (
        pool->free_blocks, pool->free_blocks->len - 1);
    neva_backend_clear (pool->backend, block, pool->block_bytes);
  } else if (!(block = neva_backend_alloc (
                   pool->backend, pool->block_bytes, error))) {
    return NULL;
  }
  pool->in_use++;
  return block;
}

void
neva_kv_sequence_init (NevaKvSequence *s, NevaKvPool *pool)
{
  s->pool = pool;
  s->blocks = g_ptr_array_new ();
  s->length = 0;
}

void
neva_kv_sequence_clear (NevaKvSequence *s)
{
  neva_kv_sequence_truncate (s, 0);
  g_clear_pointer (&s->blocks, g_ptr_array_unref);
}

gboolean
neva_kv_sequence_reserve (NevaKvSequence *s, gsize tokens, GError **error)
{
  while (s->blocks->len * (gsize) NEVA_KV_PAGE < tokens) {
    void *block = take_block (s->pool, error);

    if (!block)
      return FALSE;
    g_ptr_array_add (s->blocks, block);
  }
  return TRUE;
}

void
neva_kv_sequence_truncate (NevaKvSequence *s, gsize length)
{
  const gsize keep = (length + NEVA_KV_PAGE - 1) / NEVA_KV_PAGE;

  s->length = MIN (s->length, length);
  while (s->blocks->len > keep) {
    g_ptr_array_add (s->pool->free_blocks,
        g_ptr_array_steal_index_fast (s->blocks, s->blocks->len - 1));
    s->pool->in_use--;
  }
}
