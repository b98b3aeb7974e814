/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"

volatile guint fuzz_sink;
static char *folder;

/* GLib's complaints about its arguments are faults, too. */
__attribute__ ((constructor)) static void
make_complaints_fatal (void)
{
  g_log_set_always_fatal (G_LOG_LEVEL_CRITICAL | G_LOG_LEVEL_ERROR);
}

static void
remove_tree (const char *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    char *inner = g_build_filename (path, name, NULL);

    remove_tree (inner);
    g_free (inner);
  }
  if (dir)
    g_dir_close (dir);
  g_remove (path);
}

static void
remove_folder (void)
{
  remove_tree (folder);
  g_free (folder);
}

static const char *
get_folder (void)
{
  if (folder)
    return folder;

  folder = g_strdup (g_file_test ("/dev/shm", G_FILE_TEST_IS_DIR)
                         ? "/dev/shm/neva-fuzz-XXXXXX"
                         : "/tmp/neva-fuzz-XXXXXX");
  if (!g_mkdtemp (folder)) {
    fprintf (stderr, "no temporary folder\n");
    exit (EXIT_FAILURE);
  }
  atexit (remove_folder);
  return folder;
}

const char *
fuzz_write_file (const char *name, const guint8 *data, gsize size)
{
  g_autofree char *path = g_build_filename (get_folder (), name, NULL);
  FILE *file = fopen (path, "wb");

  if (!file || (size > 0 && fwrite (data, 1, size, file) != size)) {
    fprintf (stderr, "%s cannot be written\n", path);
    exit (EXIT_FAILURE);
  }
  fclose (file);
  return folder;
}

const char *
fuzz_write_folder (const char *const *names, const guint8 *data, gsize size,
    const guint8 **last, gsize *last_size)
{
  gboolean more = TRUE;

  for (; *names; names++) {
    const guint8 *end = size ? memchr (data, 0xff, size) : NULL;
    const gsize length = end ? (gsize) (end - data) : size;

    if (more) {
      fuzz_write_file (*names, data, length);
    } else {
      g_autofree char *path = g_build_filename (get_folder (), *names, NULL);

      g_remove (path);
    }
    more = end != NULL;
    if (size > 0)
      data += length + more;
    size -= length + more;
  }
  if (last) {
    *last = data;
    *last_size = size;
  }
  return get_folder ();
}
