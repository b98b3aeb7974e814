/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/tensor_set.h"

typedef struct {
  gpointer owner;
  GDestroyNotify destroy;
  gboolean (*check) (gconstpointer owner, GError **error); /* NULL */
} Kept;

struct _NevaTensorSet {
  char *path; /* for messages */
  GPtrArray *tensors;
  GHashTable *by_name; /* borrows names and views */
  GPtrArray *memory;   /* names */
  GArray *kept;        /* Kept */
};

NevaTensorSet *
neva_tensor_set_new (const char *path)
{
  NevaTensorSet *set = g_new0 (NevaTensorSet, 1);

  set->path = g_strdup (path);
  set->tensors = g_ptr_array_new_with_free_func (g_free);
  set->memory = g_ptr_array_new_with_free_func (g_free);
  set->by_name = g_hash_table_new (g_str_hash, g_str_equal);
  set->kept = g_array_new (FALSE, FALSE, sizeof (Kept));
  return set;
}

void
neva_tensor_set_free (NevaTensorSet *set)
{
  if (!set)
    return;
  g_hash_table_unref (set->by_name);
  g_ptr_array_unref (set->tensors);
  g_ptr_array_unref (set->memory);
  for (guint i = set->kept->len; i-- > 0;) {
    const Kept *kept = &g_array_index (set->kept, Kept, i);

    kept->destroy (kept->owner);
  }
  g_array_unref (set->kept);
  g_free (set->path);
  g_free (set);
}

void
neva_tensor_set_keep (
    NevaTensorSet *set, gpointer owner, GDestroyNotify destroy)
{
  neva_tensor_set_keep_checked (set, owner, destroy, NULL);
}

void
neva_tensor_set_keep_checked (NevaTensorSet *set, gpointer owner,
    GDestroyNotify destroy, gboolean (*check) (gconstpointer, GError **))
{
  const Kept kept = {owner, destroy, check};

  g_array_append_val (set->kept, kept);
}

gboolean
neva_tensor_set_check (const NevaTensorSet *set, GError **error)
{
  for (guint i = 0; i < set->kept->len; i++) {
    const Kept *kept = &g_array_index (set->kept, Kept, i);

    if (kept->check && !kept->check (kept->owner, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
neva_tensor_set_add (NevaTensorSet *set, const char *name,
    const NevaTensorView *view, GError **error)
{
  NevaTensorView *own;
  char *own_name;

  if (g_hash_table_contains (set->by_name, name)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: tensor '%s' is there twice", set->path, name);
    return FALSE;
  }
  own = g_new (NevaTensorView, 1);
  own_name = g_strdup (name);
  *own = *view;
  own->name = own_name;
  g_ptr_array_add (set->memory, own_name);
  g_ptr_array_add (set->tensors, own);
  g_hash_table_insert (set->by_name, own_name, own);
  return TRUE;
}

gsize
neva_dtype_name_bytes (const char *dtype)
{
  static const struct {
    const char *name;
    gsize bytes;
  } table[] = {{"F32", 4}, {"BF16", 2}, {"F16", 2}, {"F64", 8}, {"I64", 8},
      {"I32", 4}, {"I16", 2}, {"I8", 1}, {"F8_E4M3", 1}, {"U8", 1},
      {"BOOL", 1}};

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++) {
    if (!strcmp (table[i].name, dtype))
      return table[i].bytes;
  }
  return 0;
}

gboolean
neva_tensor_set_add_assembly (NevaTensorSet *set, const char *name,
    NevaAssembly *assembly, GError **error)
{
  const NevaTensorView view = neva_assembly_view (assembly, name);

  neva_tensor_set_keep (set, assembly, (GDestroyNotify) neva_assembly_free);
  return neva_tensor_set_add (set, name, &view, error);
}

void
neva_tensor_set_replace (
    NevaTensorSet *set, const char *name, const NevaTensorView *view)
{
  NevaTensorView *own = g_hash_table_lookup (set->by_name, name);
  const char *own_name = own->name;

  *own = *view;
  own->name = own_name;
}

NevaTensorView
neva_tensor_rows (const NevaTensorView *view, gsize from, gsize n)
{
  NevaTensorView part = *view;
  const gsize row = view->shape[0] ? view->bytes / view->shape[0] : 0;

  part.shape[0] = n;
  part.n_elements = view->shape[0] ? view->n_elements / view->shape[0] * n : 0;
  part.bytes = row * n;
  if (view->assembly)
    part.assembly_offset += from * row;
  else
    part.data = (const char *) view->data + from * row;
  return part;
}

const NevaTensorView *
neva_tensor_set_find (const NevaTensorSet *set, const char *name)
{
  return g_hash_table_lookup (set->by_name, name);
}

const GPtrArray *
neva_tensor_set_all (const NevaTensorSet *set)
{
  return set->tensors;
}

gboolean
neva_copy_block (void *to, guint n_dims, const gsize *shape,
    const gsize *offsets, const void *from, const gsize *from_shape,
    const gsize *sizes, gsize element)
{
  gsize at[NEVA_TENSOR_MAX_DIMS] = {0}, n[NEVA_TENSOR_MAX_DIMS];
  gsize run;

  if (!n_dims) {
    memcpy (to, from, element);
    return TRUE;
  }
  for (guint d = 0; d < n_dims; d++) {
    if (offsets[d] > shape[d])
      return FALSE;
    n[d] = MIN (sizes[d], shape[d] - offsets[d]);
    if (!n[d])
      return TRUE;
  }
  run = n[n_dims - 1] * element;
  for (;;) {
    gsize source = 0, target = 0;
    guint d;

    for (d = 0; d < n_dims; d++) {
      source = source * from_shape[d] + at[d];
      target = target * shape[d] + offsets[d] + at[d];
    }
    memcpy ((char *) to + target * element,
        (const char *) from + source * element, run);
    for (d = n_dims - 1; d-- > 0;) {
      if (++at[d] < n[d])
        break;
      at[d] = 0;
    }
    if (d == (guint) -1)
      return TRUE;
  }
}
