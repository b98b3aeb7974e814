/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pickle's shape:
 *   Metadata {
 *     state_dict_metadata: {name: TensorStorageMetadata {size, chunks: [
 *         ChunkStorageMetadata {offsets, sizes}, …], properties}},
 *     storage_data: {MetadataIndex {fqn, offset}: _StorageInfo {
 *         relative_path, offset, length}}}
 */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/pickle.h"
#include "checkpoint/torch_archive.h"
#include "checkpoint/torch_dist.h"

typedef struct {
  NevaBundle *bundle;
  const char *folder;
  NevaTensorSet *set;
  const NevaPickleValue *storage; /* DICT of index -> info */
  GHashTable *by_chunk;           /* "name|offset,…" -> info */
} Reader;

static gboolean
fail (const Reader *r, const char *name, const char *what, GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "%s: %s: tensor '%s': %s", neva_bundle_path (r->bundle), r->folder, name,
      what);
  return FALSE;
}

/* torch.Size ((a, b, …)) */
static gboolean
read_size (const NevaPickleValue *value, guint *n, gsize *sizes)
{
  const NevaPickleValue *items;

  if (!neva_pickle_is (value, "torch Size"))
    return FALSE;
  items = neva_pickle_item (value, 0);
  if (!items || items->kind != NEVA_PICKLE_SEQUENCE ||
      items->n_items > NEVA_TENSOR_MAX_DIMS)
    return FALSE;
  *n = items->n_items;
  for (guint i = 0; i < *n; i++) {
    gint64 v;

    if (!neva_pickle_int (items->items[i], &v) || v < 0)
      return FALSE;
    sizes[i] = v;
  }
  return TRUE;
}

static char *
chunk_key (const char *name, guint n, const gsize *offsets)
{
  g_autoptr (GString) key = g_string_new (name);

  for (guint i = 0; i < n; i++)
    g_string_append_printf (key, "|%" G_GSIZE_FORMAT, offsets[i]);
  return g_string_free (g_steal_pointer (&key), FALSE);
}

static void
index_storage (Reader *r)
{
  for (gsize i = 0; i + 1 < r->storage->n_items; i += 2) {
    const NevaPickleValue *index = r->storage->items[i];
    const char *name = neva_pickle_string (neva_pickle_get (index, "fqn"));
    gsize offsets[NEVA_TENSOR_MAX_DIMS];
    guint n;

    if (name && read_size (neva_pickle_get (index, "offset"), &n, offsets))
      g_hash_table_insert (
          r->by_chunk, chunk_key (name, n, offsets), r->storage->items[i + 1]);
  }
}

/* The torch.save blob of one chunk, and the one tensor in it. */
static NevaTorchArchive *
open_chunk (const Reader *r, const char *name, const char *key, GError **error)
{
  const NevaPickleValue *info = g_hash_table_lookup (r->by_chunk, key);
  const char *file =
      neva_pickle_string (neva_pickle_get (info, "relative_path"));
  g_autofree char *path = NULL;
  gint64 offset, length;
  gsize file_length;
  const guint8 *data;
  GBytes *bytes;

  if (!file || !neva_pickle_int (neva_pickle_get (info, "offset"), &offset) ||
      !neva_pickle_int (neva_pickle_get (info, "length"), &length)) {
    fail (r, name, "a chunk that no file holds", error);
    return NULL;
  }
  path = g_strconcat (r->folder, "/", file, NULL);
  bytes = neva_bundle_find (r->bundle, path);
  if (!bytes) {
    g_autofree char *what = g_strdup_printf ("its file '%s' is missing", file);

    fail (r, name, what, error);
    return NULL;
  }
  data = g_bytes_get_data (bytes, &file_length);
  if (offset < 0 || length < 0 || (guint64) offset > file_length ||
      (guint64) length > file_length - (guint64) offset) {
    fail (r, name, "a chunk that lies outside of its file", error);
    return NULL;
  }
  return neva_torch_archive_read (data + offset, length, path, error);
}

/* Adds a chunk; the first one gives the type. *n: its elements. */
static gboolean
add_chunk (const Reader *r, const char *name, const NevaPickleValue *chunk,
    guint n_dims, const gsize *shape, NevaAssembly **whole, gsize *n,
    GError **error)
{
  gsize offsets[NEVA_TENSOR_MAX_DIMS], sizes[NEVA_TENSOR_MAX_DIMS];
  guint n_offsets, n_sizes;
  g_autofree char *key = NULL;
  NevaTorchArchive *archive;
  const NevaTensorView *view;

  if (!read_size (neva_pickle_get (chunk, "offsets"), &n_offsets, offsets) ||
      !read_size (neva_pickle_get (chunk, "sizes"), &n_sizes, sizes) ||
      n_offsets != n_dims || n_sizes != n_dims)
    return fail (r, name, "a chunk without shape", error);
  key = chunk_key (name, n_offsets, offsets);
  archive = open_chunk (r, name, key, error);
  if (!archive)
    return FALSE;
  neva_tensor_set_keep (
      r->set, archive, (GDestroyNotify) neva_torch_archive_free);
  view = neva_torch_archive_find (archive, "");
  if (!view || view->n_dims != n_dims ||
      memcmp (view->shape, sizes, n_dims * sizeof *sizes))
    return fail (r, name, "a chunk of another shape than announced", error);
  if (!*whole && !(*whole = neva_assembly_new (view->dtype, n_dims, shape)))
    return fail (r, name, "a shape that overflows", error);
  for (guint d = 0; d < n_dims; d++) {
    if (offsets[d] > shape[d] || sizes[d] > shape[d] - offsets[d])
      return fail (r, name, "a chunk that does not fit", error);
  }
  if (!neva_assembly_add (*whole, view, sizes, offsets, sizes))
    return fail (r, name, "a chunk that does not fit", error);
  *n = view->n_elements;
  return TRUE;
}

static gboolean
read_tensor (const Reader *r, const char *name, const NevaPickleValue *metadata,
    GError **error)
{
  const NevaPickleValue *chunks = neva_pickle_get (metadata, "chunks");
  gsize shape[NEVA_TENSOR_MAX_DIMS], total = 1, covered = 0;
  g_autoptr (NevaAssembly) whole = NULL;
  guint n_dims;

  if (!read_size (neva_pickle_get (metadata, "size"), &n_dims, shape) ||
      !chunks || chunks->kind != NEVA_PICKLE_SEQUENCE || !chunks->n_items)
    return fail (r, name, "no shape or no chunk", error);
  for (guint d = 0; d < n_dims; d++) {
    if (!g_size_checked_mul (&total, total, shape[d]))
      return fail (r, name, "a shape that overflows", error);
  }
  for (gsize i = 0; i < chunks->n_items; i++) {
    gsize n;

    if (!add_chunk (
            r, name, chunks->items[i], n_dims, shape, &whole, &n, error))
      return FALSE;
    if (n > total - covered)
      return fail (r, name, "chunks that cover it twice", error);
    covered += n;
  }
  if (covered != total)
    return fail (r, name, "chunks that do not cover it", error);
  return neva_tensor_set_add_assembly (
      r->set, name, g_steal_pointer (&whole), error);
}

gboolean
neva_torch_dist_read (
    NevaBundle *bundle, const char *folder, NevaTensorSet *set, GError **error)
{
  g_autofree char *path = g_strconcat (folder, "/.metadata", NULL);
  GBytes *bytes = neva_bundle_find (bundle, path);
  g_autoptr (NevaPickle) pickle = NULL;
  g_autoptr (GHashTable) by_chunk =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  Reader r = {
      .bundle = bundle, .folder = folder, .set = set, .by_chunk = by_chunk};
  const NevaPickleValue *tensors;

  if (!bytes) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND,
        "%s: there is no '%s'", neva_bundle_path (bundle), path);
    return FALSE;
  }
  pickle = neva_pickle_read (g_bytes_get_data (bytes, NULL),
      g_bytes_get_size (bytes), path, NULL, error);
  if (!pickle)
    return FALSE;
  tensors = neva_pickle_get (neva_pickle_root (pickle), "state_dict_metadata");
  r.storage = neva_pickle_get (neva_pickle_root (pickle), "storage_data");
  if (!tensors || tensors->kind != NEVA_PICKLE_DICT || !r.storage ||
      r.storage->kind != NEVA_PICKLE_DICT) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: %s: no tensor index in it", neva_bundle_path (bundle), path);
    return FALSE;
  }
  index_storage (&r);
  for (gsize i = 0; i + 1 < tensors->n_items; i += 2) {
    const char *name = neva_pickle_string (tensors->items[i]);
    const NevaPickleValue *metadata = tensors->items[i + 1];

    if (!name ||
        !neva_pickle_is (metadata, "torch.distributed.checkpoint.metadata "
                                   "TensorStorageMetadata"))
      continue; /* bytes: extra state */
    if (!read_tensor (&r, name, metadata, error))
      return FALSE;
  }
  return TRUE;
}
