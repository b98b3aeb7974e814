/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "checkpoint/pretrained.h"

/* A commit's name in refs/main. */
#define MAX_REVISION 128

static char *
cache_root (void)
{
  const char *cache = g_getenv ("HF_HUB_CACHE"), *home = g_getenv ("HF_HOME");

  if (cache && *cache)
    return g_strdup (cache);
  if (home && *home)
    return g_build_filename (home, "hub", NULL);
  return g_build_filename (g_get_user_cache_dir (), "huggingface", "hub", NULL);
}

/* <cache>/models--ORG--NAME/snapshots/<content of refs/main>; NULL. */
static char *
find_cached (const char *name)
{
  g_autofree char *root = cache_root ();
  g_auto (GStrv) parts = g_strsplit (name, "/", -1);
  g_autofree char *joined = g_strjoinv ("--", parts);
  g_autofree char *model = g_strconcat ("models--", joined, NULL);
  g_autofree char *ref = g_build_filename (root, model, "refs", "main", NULL);
  g_autofree char *revision = NULL, *folder = NULL;
  gsize length;

  if (strstr (name, "..") ||
      !g_file_get_contents (ref, &revision, &length, NULL))
    return NULL;
  g_strstrip (revision);
  if (length > MAX_REVISION || strchr (revision, '/') || !*revision)
    return NULL;
  folder = g_build_filename (root, model, "snapshots", revision, NULL);
  return g_file_test (folder, G_FILE_TEST_IS_DIR) ? g_steal_pointer (&folder)
                                                  : NULL;
}

/* A folder, or an archive. */
static gboolean
is_there (const char *path)
{
  return g_file_test (path, G_FILE_TEST_IS_DIR) ||
         (g_str_has_suffix (path, ".nemo") &&
             g_file_test (path, G_FILE_TEST_IS_REGULAR));
}

char *
neva_pretrained_find (const char *given, const char *beside, const char *what,
    const char *whose, GError **error)
{
  g_autofree char *first = g_path_is_absolute (given)
                               ? g_strdup (given)
                               : g_build_filename (beside, given, NULL);
  g_autofree char *base = g_path_get_basename (given);
  g_autofree char *second = g_build_filename (beside, base, NULL);
  char *cached;

  if (is_there (first))
    return g_steal_pointer (&first);
  if (is_there (second))
    return g_steal_pointer (&second);
  if (!g_path_is_absolute (given) && (cached = find_cached (given)))
    return cached;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND,
      "%s: the %s '%s' is not there: put its %s at %s%s%s", whose, what, given,
      g_str_has_suffix (given, ".nemo") ? "archive" : "Hugging Face folder",
      first, strcmp (first, second) ? " or " : "",
      strcmp (first, second) ? second : "");
  return NULL;
}
