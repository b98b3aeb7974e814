/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "checkpoint/tensor_source.h"
#include "checkpoint/fault_guard.h"
#include "checkpoint/file_map.h"
#include "log.h"

/* What find () gave of a tensor that is put together. */
typedef struct {
  NevaTensorView view; /* with data */
  guint users;
} Held;

struct _NevaTensorSource {
  gint owners;         /* atomic */
  NevaSafetensors *st; /* one of the two */
  NevaTensorSet *set;
  char *path; /* of a set */
  GMutex lock;
  GHashTable *held; /* lock: view -> Held */
  guint hits;       /* neva_fault_guard_count () when all was well; atomic */
};

NevaTensorSource *
neva_tensor_source_from_safetensors (NevaSafetensors *st)
{
  NevaTensorSource *source = g_new0 (NevaTensorSource, 1);

  source->owners = 1;
  source->st = st;
  g_mutex_init (&source->lock);
  source->held = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  return source;
}

NevaTensorSource *
neva_tensor_source_from_set (NevaTensorSet *set, const char *path)
{
  NevaTensorSource *source = g_new0 (NevaTensorSource, 1);

  source->owners = 1;
  source->set = set;
  g_mutex_init (&source->lock);
  source->held = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  source->path = g_strdup (path);
  return source;
}

NevaTensorSource *
neva_tensor_source_ref (NevaTensorSource *source)
{
  g_atomic_int_inc (&source->owners);
  return source;
}

void
neva_tensor_source_free (NevaTensorSource *source)
{
  if (!source || !g_atomic_int_dec_and_test (&source->owners))
    return;
  neva_safetensors_free (source->st);
  neva_tensor_set_free (source->set);
  g_hash_table_unref (source->held);
  g_mutex_clear (&source->lock);
  g_free (source->path);
  g_free (source);
}

const NevaTensorView *
neva_tensor_source_peek (const NevaTensorSource *source, const char *name)
{
  return source->st ? neva_safetensors_find (source->st, name)
                    : neva_tensor_set_find (source->set, name);
}

const NevaTensorView *
neva_tensor_source_find (NevaTensorSource *source, const char *name)
{
  const NevaTensorView *view = neva_tensor_source_peek (source, name);
  g_autoptr (GError) error = NULL;
  Held *held;

  if (!view || !view->assembly)
    return view;
  g_mutex_lock (&source->lock);
  held = g_hash_table_lookup (source->held, view);
  if (!held) {
    held = g_new0 (Held, 1);
    held->view = *view;
    held->view.data = neva_tensor_hold (view, &error);
    if (held->view.data)
      g_hash_table_insert (source->held, (gpointer) view, held);
    else
      g_clear_pointer (&held, g_free);
  }
  if (held)
    held->users++;
  g_mutex_unlock (&source->lock);
  if (!held)
    neva_warning ("%s", error->message);
  return held ? &held->view : NULL;
}

const void *
neva_tensor_source_data (
    const NevaTensorSource *source, const NevaTensorView *view, GError **error)
{
  (void) source;
  return neva_tensor_hold (view, error);
}

const char **
neva_tensor_source_names (const NevaTensorSource *source)
{
  const GPtrArray *all;
  const char **names;

  if (source->st)
    return neva_safetensors_names (source->st);
  all = neva_tensor_set_all (source->set);
  names = g_new0 (const char *, all->len + 1);
  for (guint i = 0; i < all->len; i++)
    names[i] = ((const NevaTensorView *) all->pdata[i])->name;
  return names;
}

const char *
neva_tensor_source_file (
    const NevaTensorSource *source, const NevaTensorView *view)
{
  return source->st ? neva_safetensors_file (source->st, view) : source->path;
}

void
neva_tensor_source_release (
    NevaTensorSource *source, const NevaTensorView *view)
{
  const NevaTensorView *original;
  Held *held;

  if (view->assembly && !view->data) {
    neva_tensor_let_go (view);
    return;
  }
  if (view->assembly) {
    original = neva_tensor_source_peek (source, view->name);
    g_mutex_lock (&source->lock);
    held = g_hash_table_lookup (source->held, original);
    if (held && --held->users == 0) {
      neva_tensor_let_go (original);
      g_hash_table_remove (source->held, original);
    }
    g_mutex_unlock (&source->lock);
    return;
  }
  neva_file_map_release (view->data, view->bytes);
}

gboolean
neva_tensor_source_check (
    NevaTensorSource *source, gboolean thorough, GError **error)
{
  const guint hits = neva_fault_guard_count ();

  if (hits == (guint) g_atomic_int_get (&source->hits) && !thorough)
    return TRUE;
  if (source->set) {
    const GPtrArray *all = neva_tensor_set_all (source->set);

    if (!neva_tensor_set_check (source->set, error))
      return FALSE;
    for (guint i = 0; i < all->len; i++) {
      const NevaTensorView *view = all->pdata[i];

      if (!neva_file_map_check_data (view->data, error))
        return FALSE;
    }
  } else {
    g_autofree const char **names = neva_safetensors_names (source->st);

    for (gsize i = 0; names[i]; i++) {
      const NevaTensorView *view = neva_safetensors_find (source->st, names[i]);

      if (!neva_file_map_check_data (view->data, error))
        return FALSE;
    }
  }
  g_atomic_int_set (&source->hits, hits);
  return TRUE;
}

guint64
neva_tensor_source_bytes (const NevaTensorSource *source)
{
  guint64 bytes = 0;

  if (source->set) {
    const GPtrArray *all = neva_tensor_set_all (source->set);

    for (guint i = 0; i < all->len; i++)
      bytes += ((const NevaTensorView *) g_ptr_array_index (all, i))->bytes;
  } else {
    g_autofree const char **names = neva_safetensors_names (source->st);

    for (gsize i = 0; names[i]; i++)
      bytes += neva_safetensors_find (source->st, names[i])->bytes;
  }
  return bytes;
}
