/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <neva/error.h>
#include "checkpoint/bundle.h"
#include "checkpoint/file_map.h"

/* a folder of this depth or with this many files is no checkpoint */
#define MAX_DEPTH 8
#define MAX_FILES (1u << 20)
/* of one gzip member; plain members are bounded by the file itself */
#define MAX_UNPACKED ((gsize) 1 << 40)

struct _NevaBundle {
  char *path;
  NevaFileMap *map;  /* of a tar */
  GHashTable *files; /* name -> GBytes, or NULL: not mapped yet (folder) */
  GPtrArray *names;  /* borrows the keys of `files` */
  GPtrArray *maps;   /* NevaFileMap: all that bytes are in */
};

void
neva_bundle_free (NevaBundle *bundle)
{
  if (!bundle)
    return;
  g_clear_pointer (&bundle->names, g_ptr_array_unref);
  g_clear_pointer (&bundle->files, g_hash_table_unref);
  g_clear_pointer (&bundle->maps, g_ptr_array_unref);
  g_free (bundle->path);
  g_free (bundle);
}

static void
bytes_unref0 (gpointer bytes)
{
  if (bytes)
    g_bytes_unref (bytes);
}

static gboolean
fail (const NevaBundle *b, GError **error, const char *what)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: %s", b->path, what);
  return FALSE;
}

/* (transfer full): without "./"; NULL for names that leave the archive. */
static char *
safe_name (const char *name)
{
  g_auto (GStrv) parts = NULL;
  g_autoptr (GString) out = g_string_new (NULL);

  if (!name || *name == '/')
    return NULL;
  parts = g_strsplit (name, "/", -1);
  for (char **p = parts; *p; p++) {
    if (!strcmp (*p, ".."))
      return NULL;
    if (!**p || !strcmp (*p, "."))
      continue;
    if (out->len)
      g_string_append_c (out, '/');
    g_string_append (out, *p);
  }
  return out->len ? g_string_free (g_steal_pointer (&out), FALSE) : NULL;
}

/* ---- tar ------------------------------------------------------------------
 */

/* One member: in place when libarchive hands out the mapped bytes themselves,
 * else (gzip) a copy. */
static GBytes *
read_member (NevaBundle *b, struct archive *tar, GError **error)
{
  gsize length;
  const char *base = (const char *) neva_file_map_data (b->map, &length);
  const char *start = NULL;
  gsize in_place = 0;
  g_autoptr (GByteArray) copy = NULL;

  for (;;) {
    const void *block;
    size_t size;
    la_int64_t offset;
    const int r = archive_read_data_block (tar, &block, &size, &offset);
    const char *at = block;

    if (r == ARCHIVE_EOF)
      break;
    if (r != ARCHIVE_OK) {
      fail (b, error, archive_error_string (tar));
      return NULL;
    }
    if (!copy && at >= base && at + size <= base + length &&
        (!start || at == start + in_place)) {
      start = start ? start : at;
      in_place += size;
      continue;
    }
    if (!copy) {
      copy = g_byte_array_new ();
      if (in_place && in_place < G_MAXUINT)
        g_byte_array_append (copy, (const guint8 *) start, in_place);
    }
    if (copy->len + size > G_MAXUINT || copy->len + size > MAX_UNPACKED) {
      fail (b, error, "a compressed member of more than 4 GiB");
      return NULL;
    }
    g_byte_array_append (copy, block, size);
  }
  if (copy)
    return g_byte_array_free_to_bytes (g_steal_pointer (&copy));
  return neva_file_map_bytes (b->map, start ? start : base, in_place);
}

static gboolean
read_tar (NevaBundle *b, struct archive *tar, GError **error)
{
  struct archive_entry *entry;
  gsize length;
  const guint8 *data = neva_file_map_data (b->map, &length);
  int r;

  archive_read_support_filter_gzip (tar);
  archive_read_support_format_tar (tar);
  r = archive_read_open_memory (tar, data, length);
  while (r == ARCHIVE_OK || r == ARCHIVE_WARN) {
    g_autofree char *name = NULL;
    GBytes *bytes;

    r = archive_read_next_header (tar, &entry);
    if (r == ARCHIVE_EOF)
      return TRUE;
    if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
      break;
    if (archive_entry_filetype (entry) != AE_IFREG ||
        archive_entry_hardlink (entry) ||
        !(name = safe_name (archive_entry_pathname (entry))))
      continue;
    if (g_hash_table_size (b->files) >= MAX_FILES)
      return fail (b, error, "more than a million members");
    if (!(bytes = read_member (b, tar, error)))
      return FALSE;
    g_hash_table_insert (b->files, g_steal_pointer (&name), bytes);
  }
  return fail (b, error, archive_error_string (tar));
}

/* (transfer none) */
static NevaFileMap *
map_file (NevaBundle *b, const char *path, GError **error)
{
  NevaFileMap *map = neva_file_map_open (path, error);

  if (map)
    g_ptr_array_add (b->maps, map);
  return map;
}

static gboolean
open_tar (NevaBundle *b, GError **error)
{
  struct archive *tar;
  gsize length;
  gboolean ok;

  b->map = map_file (b, b->path, error);
  if (!b->map)
    return FALSE;
  if (!neva_file_map_data (b->map, &length))
    return fail (b, error, "empty file");
  tar = archive_read_new ();
  ok = read_tar (b, tar, error);
  archive_read_free (tar);
  return neva_bundle_check (b, error) && ok;
}

/* ---- folder ---------------------------------------------------------------
 */

static gboolean
list_folder (NevaBundle *b, const char *below, guint depth, GError **error)
{
  g_autofree char *path = g_build_filename (b->path, below, NULL);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *entry;

  if (!dir)
    return fail (b, error, "a folder in it cannot be read");
  while ((entry = g_dir_read_name (dir))) {
    g_autofree char *name =
        *below ? g_build_filename (below, entry, NULL) : g_strdup (entry);
    g_autofree char *full = g_build_filename (b->path, name, NULL);

    if (g_file_test (full, G_FILE_TEST_IS_DIR)) {
      if (depth < MAX_DEPTH && !list_folder (b, name, depth + 1, error))
        return FALSE;
    } else if (g_hash_table_size (b->files) < MAX_FILES) {
      g_hash_table_insert (b->files, g_steal_pointer (&name), NULL);
    }
  }
  return TRUE;
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

NevaBundle *
neva_bundle_open (const char *path, GError **error)
{
  g_autoptr (NevaBundle) b = g_new0 (NevaBundle, 1);
  GHashTableIter iter;
  gpointer name;

  b->path = g_strdup (path);
  b->files =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, bytes_unref0);
  b->maps =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_file_map_unref);
  if (!(g_file_test (path, G_FILE_TEST_IS_DIR) ? list_folder (b, "", 0, error)
                                               : open_tar (b, error)))
    return NULL;

  b->names = g_ptr_array_new ();
  g_hash_table_iter_init (&iter, b->files);
  while (g_hash_table_iter_next (&iter, &name, NULL))
    g_ptr_array_add (b->names, name);
  g_ptr_array_sort (b->names, compare_names);
  return g_steal_pointer (&b);
}

GBytes *
neva_bundle_find (NevaBundle *bundle, const char *name)
{
  g_autofree char *full = NULL;
  NevaFileMap *map;
  const guint8 *data;
  gsize length;
  gpointer key, bytes;

  if (!g_hash_table_lookup_extended (bundle->files, name, &key, &bytes))
    return NULL;
  if (bytes || bundle->map)
    return bytes;
  full = g_build_filename (bundle->path, name, NULL);
  map = map_file (bundle, full, NULL);
  if (!map)
    return NULL;
  data = neva_file_map_data (map, &length);
  bytes = neva_file_map_bytes (map, data, length);
  g_hash_table_insert (bundle->files, g_strdup (name), bytes);
  return bytes;
}

gboolean
neva_bundle_check (const NevaBundle *bundle, GError **error)
{
  for (guint i = 0; i < bundle->maps->len; i++) {
    if (!neva_file_map_check (bundle->maps->pdata[i], error))
      return FALSE;
  }
  return TRUE;
}

const GPtrArray *
neva_bundle_names (const NevaBundle *bundle)
{
  return bundle->names;
}

const char *
neva_bundle_path (const NevaBundle *bundle)
{
  return bundle->path;
}
