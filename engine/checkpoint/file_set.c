/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>
#include <neva/error.h>
#include "checkpoint/file_set.h"
#include "checkpoint/json_file.h"

struct _NevaFileSet {
  char *where;
  GHashTable *files; /* name -> GBytes */
};

NevaFileSet *
neva_file_set_new (const char *where)
{
  NevaFileSet *set = g_new (NevaFileSet, 1);

  set->where = g_strdup (where);
  set->files = g_hash_table_new_full (
      g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_bytes_unref);
  return set;
}

void
neva_file_set_free (NevaFileSet *set)
{
  if (!set)
    return;
  g_hash_table_unref (set->files);
  g_free (set->where);
  g_free (set);
}

static GBytes *
read_file (const char *path, gsize max_bytes, GError **error)
{
  g_autoptr (GError) io = NULL;
  GStatBuf st;
  char *text;
  gsize length;

  if (g_stat (path, &st) != 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", path,
        g_strerror (errno));
    return NULL;
  }
  if (!S_ISREG (st.st_mode) || (guint64) st.st_size > max_bytes) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: not a file of at most %" G_GSIZE_FORMAT " bytes", path, max_bytes);
    return NULL;
  }
  if (!g_file_get_contents (path, &text, &length, &io)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", path, io->message);
    return NULL;
  }
  return g_bytes_new_take (text, length);
}

NevaFileSet *
neva_file_set_read (const char *folder, const char *const *names,
    gsize max_bytes, GError **error)
{
  g_autoptr (NevaFileSet) set = neva_file_set_new (folder);

  for (; *names; names++) {
    g_autofree char *path = neva_file_set_path (set, *names);
    g_autoptr (GBytes) bytes = NULL;

    if (!g_file_test (path, G_FILE_TEST_EXISTS))
      continue;
    if (!(bytes = read_file (path, max_bytes, error)))
      return NULL;
    neva_file_set_add (set, *names, bytes);
  }
  return g_steal_pointer (&set);
}

void
neva_file_set_add (NevaFileSet *set, const char *name, GBytes *bytes)
{
  g_hash_table_insert (set->files, g_strdup (name), g_bytes_ref (bytes));
}

GBytes *
neva_file_set_find (const NevaFileSet *set, const char *name)
{
  return g_hash_table_lookup (set->files, name);
}

static gint
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

const char **
neva_file_set_names (const NevaFileSet *set)
{
  guint n;
  const char **names =
      (const char **) g_hash_table_get_keys_as_array (set->files, &n);

  qsort (names, n, sizeof *names, compare_names);
  return names;
}

const char *
neva_file_set_where (const NevaFileSet *set)
{
  return set->where;
}

char *
neva_file_set_path (const NevaFileSet *set, const char *name)
{
  return g_build_filename (set->where, name, NULL);
}

JsonNode *
neva_file_set_json (
    const NevaFileSet *set, const char *name, gsize max_bytes, GError **error)
{
  g_autofree char *path = neva_file_set_path (set, name);
  GBytes *bytes = neva_file_set_find (set, name);
  gsize length;
  const char *text;

  if (!bytes) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: no such file", path);
    return NULL;
  }
  text = g_bytes_get_data (bytes, &length);
  if (length > max_bytes) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: more than %" G_GSIZE_FORMAT " bytes", path, max_bytes);
    return NULL;
  }
  return neva_json_parse_object (text ? text : "", length, path, error);
}
