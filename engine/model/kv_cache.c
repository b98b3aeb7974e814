/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "kv_cache.h"

/* Blocks are allocated together: large pages of memory hold several of them,
 * and attention over long caches reads a tenth faster. */
#define SLAB_BYTES ((gsize) 8 << 20)

static gsize
slab_blocks (const NevaKvPool *pool)
{
  return MAX (SLAB_BYTES / pool->block_bytes, 1);
}

void
neva_kv_pool_init (
    NevaKvPool *pool, NevaBackend *backend, gsize block_bytes, gsize max_blocks)
{
  pool->backend = backend;
  pool->block_bytes = block_bytes;
  pool->max_blocks = max_blocks;
  pool->allocated = pool->in_use = 0;
  pool->free_blocks = g_ptr_array_new ();
  pool->slabs = g_ptr_array_new ();
}

void
neva_kv_pool_clear (NevaKvPool *pool)
{
  if (!pool->free_blocks)
    return;
  for (guint i = 0; i < pool->slabs->len; i++) {
    const gsize n =
        MIN (slab_blocks (pool), pool->allocated - i * slab_blocks (pool));

    neva_backend_release (
        pool->backend, pool->slabs->pdata[i], n * pool->block_bytes);
  }
  g_clear_pointer (&pool->slabs, g_ptr_array_unref);
  g_clear_pointer (&pool->free_blocks, g_ptr_array_unref);
}

static gboolean
add_slab (NevaKvPool *pool, GError **error)
{
  const gsize n = MIN (slab_blocks (pool), pool->max_blocks - pool->allocated);
  guint8 *slab =
      neva_backend_alloc (pool->backend, n * pool->block_bytes, error);

  if (!slab)
    return FALSE;
  g_ptr_array_add (pool->slabs, slab);
  pool->allocated += n;
  for (gsize i = n; i-- > 0;)
    g_ptr_array_add (pool->free_blocks, slab + i * pool->block_bytes);
  return TRUE;
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
  if (!pool->free_blocks->len && !add_slab (pool, error))
    return NULL;
  block = g_ptr_array_steal_index_fast (
      pool->free_blocks, pool->free_blocks->len - 1);
  neva_backend_clear (pool->backend, block, pool->block_bytes);
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
