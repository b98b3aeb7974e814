/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "checkpoint/tensor_source.h"
#include "checkpoint/fault_guard.h"
#include "checkpoint/file_map.h"

struct _NevaTensorSource {
  NevaSafetensors *st; /* one of the two */
  NevaTensorSet *set;
  char *path; /* of a set */
  guint hits; /* neva_fault_guard_count () when all was well */
};

NevaTensorSource *
neva_tensor_source_from_safetensors (NevaSafetensors *st)
{
  NevaTensorSource *source = g_new0 (NevaTensorSource, 1);

  source->st = st;
  return source;
}

NevaTensorSource *
neva_tensor_source_from_set (NevaTensorSet *set, const char *path)
{
  NevaTensorSource *source = g_new0 (NevaTensorSource, 1);

  source->set = set;
  source->path = g_strdup (path);
  return source;
}

void
neva_tensor_source_free (NevaTensorSource *source)
{
  if (!source)
    return;
  neva_safetensors_free (source->st);
  neva_tensor_set_free (source->set);
  g_free (source->path);
  g_free (source);
}

const NevaTensorView *
neva_tensor_source_find (const NevaTensorSource *source, const char *name)
{
  return source->st ? neva_safetensors_find (source->st, name)
                    : neva_tensor_set_find (source->set, name);
}

const NevaTensorView *
neva_tensor_source_peek (const NevaTensorSource *source, const char *name)
{
  return neva_tensor_source_find (source, name);
}

const guint8 *
neva_tensor_source_data (
    const NevaTensorSource *source, const NevaTensorView *view, GError **error)
{
  (void) source, (void) error;
  return view->data;
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
    const NevaTensorSource *source, const NevaTensorView *view)
{
  if (source->st)
    neva_safetensors_release (source->st, view);
}

gboolean
neva_tensor_source_check (
    NevaTensorSource *source, gboolean thorough, GError **error)
{
  const guint hits = neva_fault_guard_count ();

  if (hits == source->hits && !thorough)
    return TRUE;
  if (source->set) {
    const GPtrArray *all = neva_tensor_set_all (source->set);

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
  source->hits = hits;
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
