/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "remote/chat_pool.h"

struct _NevaChatPool {
  gint refs; /* atomic */
  char *url, *model, *key_file;
  NevaChatOptions options; /* of the strings above */
  GMutex lock;
  GPtrArray *idle; /* NevaChat, under lock */
};

NevaChatPool *
neva_chat_pool_new (
    const char *spec, const NevaChatOptions *options, GError **error)
{
  NevaChatPool *pool;
  char *url, *model;
  NevaChat *first;

  if (!neva_chat_parse_spec (spec, &url, &model, error))
    return NULL;
  pool = g_new0 (NevaChatPool, 1);
  pool->refs = 1;
  pool->url = url;
  pool->model = model;
  pool->key_file = g_strdup (options->key_file);
  pool->options = *options;
  pool->options.url = pool->url;
  pool->options.model = pool->model;
  pool->options.key_file = pool->key_file;
  g_mutex_init (&pool->lock);
  pool->idle = g_ptr_array_new_with_free_func ((GDestroyNotify) neva_chat_free);
  first = neva_chat_new (&pool->options, error);
  if (!first) {
    neva_chat_pool_unref (pool);
    return NULL;
  }
  g_ptr_array_add (pool->idle, first);
  return pool;
}

NevaChatPool *
neva_chat_pool_ref (NevaChatPool *pool)
{
  g_atomic_int_inc (&pool->refs);
  return pool;
}

void
neva_chat_pool_unref (NevaChatPool *pool)
{
  if (!g_atomic_int_dec_and_test (&pool->refs))
    return;
  g_ptr_array_unref (pool->idle);
  g_mutex_clear (&pool->lock);
  g_free (pool->url);
  g_free (pool->model);
  g_free (pool->key_file);
  g_free (pool);
}

static NevaChat *
take (NevaChatPool *pool, GError **error)
{
  NevaChat *chat = NULL;

  g_mutex_lock (&pool->lock);
  if (pool->idle->len)
    chat = g_ptr_array_steal_index (pool->idle, pool->idle->len - 1);
  g_mutex_unlock (&pool->lock);
  return chat ? chat : neva_chat_new (&pool->options, error);
}

char *
neva_chat_pool_complete (NevaChatPool *pool, const NevaChatMessage *messages,
    gsize n_messages, const NevaChatParameters *parameters, NevaChatFunc piece,
    gpointer user_data, GCancellable *cancellable, GError **error)
{
  NevaChat *chat = take (pool, error);
  char *text;

  if (!chat)
    return NULL;
  text = neva_chat_complete (chat, messages, n_messages, parameters, piece,
      user_data, cancellable, error);
  g_mutex_lock (&pool->lock);
  g_ptr_array_add (pool->idle, chat);
  g_mutex_unlock (&pool->lock);
  return text;
}
