/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>
#include <neva/error.h>
#include "convert/target.h"
#include "log.h"

/* Configuration, tokenizer and the file system's own. */
#define MARGIN_BYTES ((guint64) 16 << 20)

static gboolean
check_space (const char *folder, guint64 bytes, GError **error)
{
  struct statvfs fs;
  guint64 free_bytes;

  if (statvfs (folder, &fs) != 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", folder,
        g_strerror (errno));
    return FALSE;
  }
  free_bytes = (guint64) fs.f_bavail * fs.f_frsize;
  if (free_bytes >= bytes && free_bytes - bytes >= MARGIN_BYTES)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
      "%s: %.1f GB are needed, %.1f GB are free", folder,
      (double) (bytes + MARGIN_BYTES) / 1e9, (double) free_bytes / 1e9);
  return FALSE;
}

gboolean
neva_target_begin (NevaTarget *target, const char *path, gboolean folder,
    gboolean overwrite, guint64 bytes, GError **error)
{
  g_autofree char *plain = g_strdup (path);
  g_autofree char *below = NULL;
  GStatBuf st;

  while (strlen (plain) > 1 && g_str_has_suffix (plain, "/"))
    plain[strlen (plain) - 1] = 0;
  below = g_path_get_dirname (plain);
  if (g_lstat (plain, &st) == 0) {
    if (!overwrite || S_ISDIR (st.st_mode) != (folder != FALSE)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "%s: is there%s",
          plain,
          !overwrite ? " already"
          : folder   ? " and is no folder"
                     : " and is no file");
      return FALSE;
    }
  }
  if (!check_space (below, bytes, error))
    return FALSE;
  target->temp = g_strdup_printf ("%s.tmp-%08x", plain, g_random_int ());
  target->path = g_steal_pointer (&plain);
  target->folder = folder;
  if (folder && g_mkdir (target->temp, 0777) != 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "%s: %s", target->temp,
        g_strerror (errno));
    g_clear_pointer (&target->temp, g_free);
    return FALSE;
  }
  return TRUE;
}

/* Files that are written here; others stay. */
static gboolean
is_ours (const char *name)
{
  static const char *const names[] = {"config.json", "generation_config.json",
      "preprocessor_config.json", "tokenizer.json", "tokenizer.model",
      "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
      "model.safetensors.index.json", NULL};

  return g_strv_contains (names, name) ||
         (g_str_has_prefix (name, "model") &&
             g_str_has_suffix (name, ".safetensors"));
}

static void
remove_folder (const char *path)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *full = g_build_filename (path, name, NULL);

    if (is_ours (name))
      g_unlink (full);
  }
  if (g_rmdir (path) != 0 && errno == ENOTEMPTY)
    neva_warning (
        "%s: other files of the folder that was replaced stay there", path);
}

static gboolean
replace (const NevaTarget *t)
{
  GStatBuf st;

  if (!t->folder || g_lstat (t->path, &st) != 0)
    return g_rename (t->temp, t->path) == 0;
  if (renameat2 (AT_FDCWD, t->temp, AT_FDCWD, t->path, RENAME_EXCHANGE) != 0)
    return FALSE;
  remove_folder (t->temp);
  return TRUE;
}

gboolean
neva_target_commit (NevaTarget *target, GError **error)
{
  if (!replace (target)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "%s: %s", target->path,
        g_strerror (errno));
    return FALSE;
  }
  g_clear_pointer (&target->temp, g_free);
  return TRUE;
}

void
neva_target_clear (NevaTarget *target)
{
  if (target->temp && target->folder)
    remove_folder (target->temp);
  else if (target->temp)
    g_unlink (target->temp);
  g_clear_pointer (&target->temp, g_free);
  g_clear_pointer (&target->path, g_free);
}
