/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "checkpoint/file_map.h"

#include <errno.h>
#include <fcntl.h>
#include <neva/error.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include "checkpoint/fault_guard.h"

struct _NevaFileMap {
  gatomicrefcount refs;
  char *path;
  guint8 *data;
  gsize length;
  dev_t device;
  ino_t inode;
  NevaGuardedRange *guard; /* NULL: empty */
};

static GMutex lock;
static GPtrArray *maps; /* lock; NevaFileMap, all that have data */

static gboolean
fail (const char *path, NevaError code, const char *what, GError **error)
{
  g_set_error (error, NEVA_ERROR, code, "%s: %s", path, what);
  return FALSE;
}

static gboolean
map_file (NevaFileMap *map, int fd, GError **error)
{
  struct stat st;
  void *data;

  if (fstat (fd, &st) != 0)
    return fail (map->path, NEVA_ERROR_NOT_FOUND, g_strerror (errno), error);
  if (!S_ISREG (st.st_mode))
    return fail (map->path, NEVA_ERROR_BAD_FILE, "not a file", error);
  if ((guint64) st.st_size > G_MAXSSIZE)
    return fail (map->path, NEVA_ERROR_DEVICE, "too large", error);
  map->device = st.st_dev;
  map->inode = st.st_ino;
  if (st.st_size == 0)
    return TRUE;
  data = mmap (NULL, (gsize) st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
  if (data == MAP_FAILED) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "%s: cannot be mapped: %s", map->path, g_strerror (errno));
    return FALSE;
  }
  map->data = data;
  map->length = (gsize) st.st_size;
  map->guard = neva_fault_guard_add (data, map->length);
  return TRUE;
}

NevaFileMap *
neva_file_map_open (const char *path, GError **error)
{
  const int fd = open (path, O_RDONLY | O_CLOEXEC);
  g_autoptr (NevaFileMap) map = NULL;
  gboolean ok;

  if (fd < 0) {
    fail (path, NEVA_ERROR_NOT_FOUND, g_strerror (errno), error);
    return NULL;
  }
  map = g_new0 (NevaFileMap, 1);
  g_atomic_ref_count_init (&map->refs);
  map->path = g_strdup (path);
  ok = map_file (map, fd, error);
  close (fd);
  if (!ok)
    return NULL;
  if (map->data) {
    g_mutex_lock (&lock);
    if (!maps)
      maps = g_ptr_array_new ();
    g_ptr_array_add (maps, map);
    g_mutex_unlock (&lock);
  }
  return g_steal_pointer (&map);
}

NevaFileMap *
neva_file_map_ref (NevaFileMap *map)
{
  g_atomic_ref_count_inc (&map->refs);
  return map;
}

void
neva_file_map_unref (NevaFileMap *map)
{
  if (!g_atomic_ref_count_dec (&map->refs))
    return;
  if (map->data) {
    g_mutex_lock (&lock);
    if (maps && g_ptr_array_remove_fast (maps, map) && !maps->len)
      g_clear_pointer (&maps, g_ptr_array_unref);
    g_mutex_unlock (&lock);
    neva_fault_guard_release (map->guard);
    munmap (map->data, map->length);
  }
  g_free (map->path);
  g_free (map);
}

const guint8 *
neva_file_map_data (const NevaFileMap *map, gsize *length)
{
  *length = map->length;
  return map->data;
}

GBytes *
neva_file_map_bytes (NevaFileMap *map, const void *start, gsize length)
{
  return g_bytes_new_with_free_func (start, length,
      (GDestroyNotify) neva_file_map_unref, neva_file_map_ref (map));
}

gboolean
neva_file_map_check (const NevaFileMap *map, GError **error)
{
  struct stat st;

  if (!map->guard)
    return TRUE;
  if (!neva_fault_guard_hit (map->guard) &&
      (stat (map->path, &st) != 0 || st.st_dev != map->device ||
          st.st_ino != map->inode || (guint64) st.st_size >= map->length))
    return TRUE;
  if (error)
    g_clear_error (error);
  return fail (
      map->path, NEVA_ERROR_BAD_FILE, "was truncated while in use", error);
}

/* lock held; NULL when no map holds it. */
static const NevaFileMap *
find_map (const void *data)
{
  const guint8 *at = data;

  for (guint i = 0; maps && i < maps->len; i++) {
    const NevaFileMap *map = maps->pdata[i];

    if (at >= map->data && at < map->data + map->length)
      return map;
  }
  return NULL;
}

gboolean
neva_file_map_check_data (const void *data, GError **error)
{
  const NevaFileMap *map;
  gboolean ok;

  g_mutex_lock (&lock);
  map = find_map (data);
  ok = !map || neva_file_map_check (map, error);
  g_mutex_unlock (&lock);
  return ok;
}

void
neva_file_map_release (const void *data, gsize length)
{
  const gsize page = (gsize) sysconf (_SC_PAGESIZE);
  /* only pages that hold nothing of a neighbour */
  const gsize from = ((gsize) data + page - 1) / page * page;
  const gsize to = ((gsize) data + length) / page * page;

  if (to <= from)
    return;
  g_mutex_lock (&lock);
  if (find_map (data))
    madvise ((void *) from, to - from, MADV_DONTNEED);
  g_mutex_unlock (&lock);
}
