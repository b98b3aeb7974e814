/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* File: 8 bytes little-endian header length, header (st_header.c), data. The
 * data must be covered by tensors exactly: no overlap, no hole, no rest. */
#include "config.h"
#include "safetensors.h"
#include "file_map.h"
#include "json_file.h"
#include "st_header.h"

#include <neva/error.h>
#include <string.h>

#define MAX_HEADER (100u << 20)
#define MAX_INDEX (64u << 20)
#define MAX_SHARDS 4096u

typedef struct {
  char *path;
  NevaFileMap *map;
  const guint8 *data; /* [size] of the map */
  gsize size;
  GArray *entries; /* NevaStEntry; file order of the header */
} StFile;

struct _NevaSafetensors {
  GPtrArray *files;    /* StFile */
  GHashTable *tensors; /* name (borrowed) -> NevaTensorView (borrowed) */
};

static void
st_file_free (gpointer data)
{
  StFile *f = data;

  g_clear_pointer (&f->map, neva_file_map_unref);
  g_array_unref (f->entries);
  g_free (f->path);
  g_free (f);
}

static int
compare_begin (gconstpointer a, gconstpointer b)
{
  const NevaStEntry *x = *(NevaStEntry *const *) a;
  const NevaStEntry *y = *(NevaStEntry *const *) b;

  if (x->begin != y->begin)
    return x->begin < y->begin ? -1 : 1;
  return x->end < y->end ? -1 : x->end > y->end;
}

/* Every byte of the data section belongs to exactly one tensor. */
static gboolean
check_cover (const StFile *f, gsize data_size, GError **error)
{
  g_autoptr (GPtrArray) order = g_ptr_array_new ();
  guint64 at = 0;

  for (guint i = 0; i < f->entries->len; i++)
    g_ptr_array_add (order, &g_array_index (f->entries, NevaStEntry, i));
  g_ptr_array_sort (order, compare_begin);

  for (guint i = 0; i < order->len; i++) {
    const NevaStEntry *e = order->pdata[i];

    if (e->end > data_size) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: truncated: tensor '%s' ends at byte %" G_GUINT64_FORMAT
          " of the data, the file holds %" G_GSIZE_FORMAT,
          f->path, e->view.name, e->end, data_size);
      return FALSE;
    }
    if (e->begin != at) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: tensor '%s' %s the tensor before it", f->path, e->view.name,
          e->begin < at ? "overlaps" : "leaves a hole after");
      return FALSE;
    }
    at = e->end;
  }
  if (at != data_size) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: %" G_GSIZE_FORMAT " bytes at the end belong to no tensor", f->path,
        (gsize) (data_size - at));
    return FALSE;
  }
  return TRUE;
}

/* All that is believed of the file. */
static gboolean
read_header (StFile *f, GError **error)
{
  guint64 length;
  gsize start;

  if (f->size < 8) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: too short for a safetensors file", f->path);
    return FALSE;
  }
  memcpy (&length, f->data, sizeof length);
  length = GUINT64_FROM_LE (length);
  if (length > MAX_HEADER || length > f->size - 8) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: not safetensors, or truncated: header of %" G_GUINT64_FORMAT
        " bytes in a file of %" G_GSIZE_FORMAT,
        f->path, length, f->size);
    return FALSE;
  }
  start = 8 + (gsize) length;
  if (!neva_st_header_parse ((const char *) f->data + 8, (gsize) length,
          f->path, f->entries, error) ||
      !check_cover (f, f->size - start, error))
    return FALSE;
  for (guint i = 0; i < f->entries->len; i++) {
    NevaStEntry *e = &g_array_index (f->entries, NevaStEntry, i);

    e->view.data = f->data + start + e->begin;
  }
  return TRUE;
}

static StFile *
st_file_open (const char *path, GError **error)
{
  StFile *f = g_new0 (StFile, 1);
  gboolean ok;

  f->path = g_strdup (path);
  f->entries = g_array_new (FALSE, FALSE, sizeof (NevaStEntry));
  g_array_set_clear_func (f->entries, neva_st_entry_clear);
  f->map = neva_file_map_open (path, error);
  if (f->map) {
    f->data = neva_file_map_data (f->map, &f->size);
    ok = read_header (f, error);
    if (neva_file_map_check (f->map, error) && ok)
      return f;
  }
  st_file_free (f);
  return NULL;
}

static gboolean
add_file (NevaSafetensors *st, const char *path, GError **error)
{
  StFile *f = st_file_open (path, error);

  if (!f)
    return FALSE;
  g_ptr_array_add (st->files, f);
  for (guint i = 0; i < f->entries->len; i++) {
    NevaTensorView *view = &g_array_index (f->entries, NevaStEntry, i).view;

    if (!g_hash_table_insert (st->tensors, (gpointer) view->name, view)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: tensor '%s' is also in another shard", path, view->name);
      return FALSE;
    }
  }
  return TRUE;
}

/* A shard lies in the same folder: no path may lead elsewhere. */
static gboolean
shard_name_ok (const char *name)
{
  return name && name[0] && name[0] != '.' && !strchr (name, '/');
}

static gboolean
add_shards (NevaSafetensors *st, const char *folder, const char *index,
    JsonObject *map, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  g_autoptr (GList) names = json_object_get_members (map);

  for (GList *l = names; l; l = l->next) {
    JsonNode *node = json_object_get_member (map, l->data);
    const char *shard = JSON_NODE_HOLDS_VALUE (node) &&
                                json_node_get_value_type (node) == G_TYPE_STRING
                            ? json_node_get_string (node)
                            : NULL;
    g_autofree char *path = NULL;

    if (!shard_name_ok (shard) || g_hash_table_size (seen) >= MAX_SHARDS) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: tensor '%s' is given no valid file name", index,
          (const char *) l->data);
      return FALSE;
    }
    if (!g_hash_table_add (seen, (gpointer) shard))
      continue;
    path = g_build_filename (folder, shard, NULL);
    if (!add_file (st, path, error))
      return FALSE;
  }
  for (GList *l = names; l; l = l->next) {
    if (!g_hash_table_contains (st->tensors, l->data)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: tensor '%s' is in none of the shards", index,
          (const char *) l->data);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
open_index (NevaSafetensors *st, const char *folder, GError **error)
{
  const char *name = "model.safetensors.index.json";
  g_autofree char *index = g_build_filename (folder, name, NULL);
  g_autoptr (JsonNode) root = NULL;
  JsonNode *map;

  if (!g_file_test (index, G_FILE_TEST_EXISTS)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND,
        "%s: holds neither model.safetensors nor %s", folder, name);
    return FALSE;
  }
  if (!(root = neva_json_file_read (folder, name, MAX_INDEX, error)))
    return FALSE;
  map = json_object_get_member (json_node_get_object (root), "weight_map");
  if (!map || !JSON_NODE_HOLDS_OBJECT (map)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: 'weight_map' is missing", index);
    return FALSE;
  }
  return add_shards (st, folder, index, json_node_get_object (map), error);
}

NevaSafetensors *
neva_safetensors_open (const char *path, GError **error)
{
  g_autoptr (NevaSafetensors) st = g_new0 (NevaSafetensors, 1);
  g_autofree char *single = NULL;
  gboolean ok;

  st->files = g_ptr_array_new_with_free_func (st_file_free);
  st->tensors = g_hash_table_new (g_str_hash, g_str_equal);
  if (g_file_test (path, G_FILE_TEST_IS_DIR)) {
    single = g_build_filename (path, "model.safetensors", NULL);
    ok = g_file_test (single, G_FILE_TEST_EXISTS)
             ? add_file (st, single, error)
             : open_index (st, path, error);
  } else {
    ok = add_file (st, path, error);
  }
  return ok ? g_steal_pointer (&st) : NULL;
}

void
neva_safetensors_free (NevaSafetensors *st)
{
  if (!st)
    return;
  g_hash_table_unref (st->tensors);
  g_ptr_array_unref (st->files);
  g_free (st);
}

const NevaTensorView *
neva_safetensors_find (const NevaSafetensors *st, const char *name)
{
  return g_hash_table_lookup (st->tensors, name);
}

const char **
neva_safetensors_names (const NevaSafetensors *st)
{
  GPtrArray *names = g_ptr_array_new ();

  for (guint i = 0; i < st->files->len; i++) {
    const StFile *f = st->files->pdata[i];

    for (guint j = 0; j < f->entries->len; j++)
      g_ptr_array_add (names,
          (gpointer) g_array_index (f->entries, NevaStEntry, j).view.name);
  }
  g_ptr_array_add (names, NULL);
  return (const char **) g_ptr_array_free (names, FALSE);
}

const char *
neva_safetensors_file (const NevaSafetensors *st, const NevaTensorView *view)
{
  const guint8 *data = view->data;

  for (guint i = 0; i < st->files->len; i++) {
    const StFile *f = st->files->pdata[i];

    if (data >= f->data && data <= f->data + f->size)
      return f->path;
  }
  return "";
}
