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
  pool->shared = g_hash_table_new (NULL, NULL);
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
  g_clear_pointer (&pool->shared, g_hash_table_unref);
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
  pool->in_use++;
  return block;
}

/* Zeros: slots behind a sequence's end are read, with weight zero, and must not
 * hold another one's infinities. */
static void *
take_empty (NevaKvPool *pool, GError **error)
{
  void *block = take_block (pool, error);

  if (block)
    neva_backend_clear (pool->backend, block, pool->block_bytes);
  return block;
}

static guint
others_of (NevaKvPool *pool, void *block)
{
  return GPOINTER_TO_UINT (g_hash_table_lookup (pool->shared, block));
}

static void
set_others (NevaKvPool *pool, void *block, guint n)
{
  if (n)
    g_hash_table_insert (pool->shared, block, GUINT_TO_POINTER (n));
  else
    g_hash_table_remove (pool->shared, block);
}

static void
give_back (NevaKvPool *pool, void *block)
{
  const guint others = others_of (pool, block);

  if (others) {
    set_others (pool, block, others - 1);
    return;
  }
  g_ptr_array_add (pool->free_blocks, block);
  pool->in_use--;
}

/* The block that the next token goes into holds earlier ones, of others too. */
static gboolean
own_last (NevaKvSequence *s, GError **error)
{
  NevaKvPool *pool = s->pool;
  const gsize at = s->length / NEVA_KV_PAGE;
  const gsize floats = pool->block_bytes / sizeof (float);
  void *shared, *own;

  if (s->length % NEVA_KV_PAGE == 0)
    return TRUE;
  shared = s->blocks->pdata[at];
  if (!others_of (pool, shared))
    return TRUE;
  own = take_block (pool, error);
  if (!own)
    return FALSE;
  neva_backend_copy_rows (
      pool->backend, own, floats, shared, floats, 1, floats);
  give_back (pool, shared);
  s->blocks->pdata[at] = own;
  return TRUE;
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

void
neva_kv_sequence_fork (
    NevaKvSequence *s, const NevaKvSequence *other, gsize length)
{
  const gsize n = (length + NEVA_KV_PAGE - 1) / NEVA_KV_PAGE;

  for (gsize i = 0; i < n; i++) {
    void *block = other->blocks->pdata[i];

    set_others (s->pool, block, others_of (s->pool, block) + 1);
    g_ptr_array_add (s->blocks, block);
  }
  s->length = length;
}

gboolean
neva_kv_sequence_reserve (NevaKvSequence *s, gsize tokens, GError **error)
{
  if (tokens > s->length && !own_last (s, error))
    return FALSE;
  while (s->blocks->len * (gsize) NEVA_KV_PAGE < tokens) {
    void *block = take_empty (s->pool, error);

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
    give_back (
        s->pool, g_ptr_array_steal_index_fast (s->blocks, s->blocks->len - 1));
  }
}
