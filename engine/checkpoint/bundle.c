/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <archive.h>
#include <archive_entry.h>
#include <string.h>
#include <neva/error.h>
#include "checkpoint/bundle.h"

/* a folder of this depth or with this many files is no checkpoint */
#define MAX_DEPTH 8
#define MAX_FILES (1u << 20)
/* of one gzip member; plain members are bounded by the file itself */
#define MAX_UNPACKED ((gsize) 1 << 40)

struct _NevaBundle {
  char *path;
  GMappedFile *map;  /* of a tar */
  GHashTable *files; /* name -> GBytes, or NULL: not mapped yet (folder) */
  GPtrArray *names;  /* borrows the keys of `files` */
};

void
neva_bundle_free (NevaBundle *bundle)
{
  if (!bundle)
    return;
  g_clear_pointer (&bundle->names, g_ptr_array_unref);
  g_clear_pointer (&bundle->files, g_hash_table_unref);
  g_clear_pointer (&bundle->map, g_mapped_file_unref);
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
  const char *base = g_mapped_file_get_contents (b->map);
  const gsize length = g_mapped_file_get_length (b->map);
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
  return g_bytes_new_with_free_func (start ? start : base, in_place,
      (GDestroyNotify) g_mapped_file_unref, g_mapped_file_ref (b->map));
}

static gboolean
read_tar (NevaBundle *b, struct archive *tar, GError **error)
{
  struct archive_entry *entry;
  int r;

  archive_read_support_filter_gzip (tar);
  archive_read_support_format_tar (tar);
  r = archive_read_open_memory (tar, g_mapped_file_get_contents (b->map),
      g_mapped_file_get_length (b->map));
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

static gboolean
open_tar (NevaBundle *b, GError **error)
{
  g_autoptr (GError) local = NULL;
  struct archive *tar;
  gboolean ok;

  b->map = g_mapped_file_new (b->path, FALSE, &local);
  if (!b->map) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", b->path,
        local->message);
    return FALSE;
  }
  if (!g_mapped_file_get_length (b->map))
    return fail (b, error, "empty file");
  tar = archive_read_new ();
  ok = read_tar (b, tar, error);
  archive_read_free (tar);
  return ok;
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
  g_autoptr (GMappedFile) map = NULL;
  gpointer key, bytes;

  if (!g_hash_table_lookup_extended (bundle->files, name, &key, &bytes))
    return NULL;
  if (bytes || bundle->map)
    return bytes;
  full = g_build_filename (bundle->path, name, NULL);
  map = g_mapped_file_new (full, FALSE, NULL);
  if (!map)
    return NULL;
  bytes = g_mapped_file_get_bytes (map);
  g_hash_table_insert (bundle->files, g_strdup (name), bytes);
  return bytes;
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
