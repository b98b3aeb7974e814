/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <archive.h>
#include <archive_entry.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <neva/eval.h>

#define MAX_MEMBERS (1u << 22)
#define READ_BYTES 65536

typedef struct {
  gint64 offset; /* of its first header */
  gint64 size;   /* of its content */
  gboolean regular;
} Member;

struct _NevaMediaStore {
  char *where;
  GHashTable *members; /* name -> Member; NULL: a folder */
  gint64 length;       /* of the archive */
};

/* Borrows `tar`, whose message is only valid while it lives. */
static gboolean
fail (const char *where, struct archive *tar, GError **error)
{
  const char *why = archive_error_string (tar);

  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: %s", where,
      why ? why : "cannot be read as a tar");
  return FALSE;
}

static gboolean
leaves (const char *name)
{
  g_auto (GStrv) parts = g_strsplit (name, "/", -1);

  return *name == '/' || g_strv_contains ((const char *const *) parts, "..");
}

static gboolean
add_member (NevaMediaStore *store, struct archive *tar,
    struct archive_entry *entry, GError **error)
{
  const char *name = archive_entry_pathname (entry);
  const gboolean link = archive_entry_hardlink (entry) ||
                        archive_entry_symlink (entry) ||
                        archive_entry_filetype (entry) == AE_IFLNK;
  const Member member = {.offset = archive_read_header_position (tar),
      .size = archive_entry_size (entry),
      .regular = archive_entry_filetype (entry) == AE_IFREG};

  if (!name || link || leaves (name)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: member '%s' %s",
        store->where, name ? name : "",
        !name  ? "has no name that can be read"
        : link ? "is a link, not a file: pack the files themselves"
               : "has a name that leaves the archive");
    return FALSE;
  }
  /* a header may say anything */
  if (member.size < 0 || member.size > store->length) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: member '%s' claims %" G_GINT64_FORMAT " bytes, the archive has "
        "%" G_GINT64_FORMAT,
        store->where, name, member.size, store->length);
    return FALSE;
  }
  if (g_hash_table_size (store->members) >= MAX_MEMBERS) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: more than %u members", store->where, MAX_MEMBERS);
    return FALSE;
  }
  g_hash_table_insert (
      store->members, g_strdup (name), g_memdup2 (&member, sizeof member));
  return TRUE;
}

static gboolean
index_members (NevaMediaStore *store, struct archive *tar, GError **error)
{
  struct archive_entry *entry;

  archive_read_support_format_tar (tar);
  if (archive_read_open_filename (tar, store->where, READ_BYTES) != ARCHIVE_OK)
    return fail (store->where, tar, error);
  for (;;) {
    const int r = archive_read_next_header (tar, &entry);

    if (r == ARCHIVE_EOF)
      return TRUE;
    if (r != ARCHIVE_OK && r != ARCHIVE_WARN)
      return fail (store->where, tar, error);
    if (!add_member (store, tar, entry, error))
      return FALSE;
  }
}

static gboolean
open_tar (NevaMediaStore *store, GError **error)
{
  struct archive *tar;
  struct stat st;
  gboolean ok;

  if (stat (store->where, &st) != 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s",
        store->where, g_strerror (errno));
    return FALSE;
  }
  if (!S_ISREG (st.st_mode) || st.st_size == 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: %s, not a tar archive", store->where,
        S_ISREG (st.st_mode) ? "an empty file" : "no file");
    return FALSE;
  }
  store->length = st.st_size;
  store->members =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  tar = archive_read_new ();
  ok = index_members (store, tar, error);
  archive_read_free (tar);
  return ok;
}

NevaMediaStore *
neva_media_store_open (const char *where, GError **error)
{
  g_autoptr (NevaMediaStore) store = NULL;

  g_return_val_if_fail (where, NULL);

  store = g_new0 (NevaMediaStore, 1);
  store->where = g_strdup (where);
  if (g_str_has_suffix (where, ".tar") && !open_tar (store, error))
    return NULL;
  return g_steal_pointer (&store);
}

void
neva_media_store_free (NevaMediaStore *store)
{
  g_clear_pointer (&store->members, g_hash_table_unref);
  g_free (store->where);
  g_free (store);
}

gsize
neva_media_store_members (const NevaMediaStore *store)
{
  return store->members ? g_hash_table_size (store->members) : 0;
}

/* ---- One file ----------------------------------------------------------- */

static gboolean
find_in_folder (const NevaMediaStore *store, const char *name,
    NevaMediaFile *file, GError **error)
{
  g_autofree char *path = *store->where && !g_path_is_absolute (name)
                              ? g_build_filename (store->where, name, NULL)
                              : g_strdup (name);

  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: no such file", path);
    return FALSE;
  }
  *file = (NevaMediaFile){g_steal_pointer (&path), -1};
  return TRUE;
}

/* The member, whose header is at the archive's position, into `fd`. */
static gboolean
copy_member (const NevaMediaStore *store, struct archive *tar, const char *name,
    int fd, GError **error)
{
  struct archive_entry *entry;
  const int r = archive_read_next_header (tar, &entry);
  const char *found = r == ARCHIVE_OK || r == ARCHIVE_WARN
                          ? archive_entry_pathname (entry)
                          : NULL;

  if (g_strcmp0 (found, name)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: member '%s' is not where it was: the archive was changed",
        store->where, name);
    return FALSE;
  }
  if (archive_read_data_into_fd (tar, fd) != ARCHIVE_OK) {
    g_autofree char *where = g_strdup_printf ("%s: '%s'", store->where, name);

    return fail (where, tar, error);
  }
  return TRUE;
}

static gboolean
read_member (const NevaMediaStore *store, const char *name,
    const Member *member, int out, GError **error)
{
  const int in = open (store->where, O_RDONLY | O_CLOEXEC);
  struct archive *tar;
  gboolean ok = FALSE;

  if (in < 0 || lseek (in, member->offset, SEEK_SET) < 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s",
        store->where, g_strerror (errno));
  } else {
    tar = archive_read_new ();
    archive_read_support_format_tar (tar);
    if (archive_read_open_fd (tar, in, READ_BYTES) != ARCHIVE_OK)
      fail (store->where, tar, error);
    else
      ok = copy_member (store, tar, name, out, error);
    archive_read_free (tar);
  }
  if (in >= 0)
    close (in);
  return ok;
}

static gboolean
find_in_tar (const NevaMediaStore *store, const char *name, NevaMediaFile *file,
    GError **error)
{
  const Member *member = g_hash_table_lookup (store->members, name);
  int fd;

  if (!member || !member->regular) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: '%s' %s",
        store->where, name, member ? "is not a file" : "is not in the archive");
    return FALSE;
  }
  fd = memfd_create ("neva-media", MFD_CLOEXEC);
  if (fd < 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "no memory for '%s' of %s: %s", name, store->where, g_strerror (errno));
    return FALSE;
  }
  if (!read_member (store, name, member, fd, error)) {
    close (fd);
    return FALSE;
  }
  *file = (NevaMediaFile){g_strdup_printf ("/proc/self/fd/%d", fd), fd};
  return TRUE;
}

gboolean
neva_media_store_find (const NevaMediaStore *store, const char *name,
    NevaMediaFile *file, GError **error)
{
  g_return_val_if_fail (store && name && file, FALSE);

  return store->members ? find_in_tar (store, name, file, error)
                        : find_in_folder (store, name, file, error);
}

void
neva_media_file_clear (NevaMediaFile *file)
{
  if (file->path && file->fd >= 0)
    close (file->fd);
  g_clear_pointer (&file->path, g_free);
}
