/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file mapped for reading that may be shortened at any time: reading goes on
 * (fault_guard.h), and the readers ask afterwards whether what they read was
 * the file. Another file renamed over it does no harm. */
#ifndef NEVA_FILE_MAP_H
#define NEVA_FILE_MAP_H

#include <glib.h>

typedef struct _NevaFileMap NevaFileMap;

/* A regular file; an empty one has no data. Errors: NOT_FOUND, BAD_FILE, DEVICE
 * (cannot be mapped). Returns: (transfer full). Any thread. */
NevaFileMap *neva_file_map_open (const char *path, GError **error);
NevaFileMap *neva_file_map_ref (NevaFileMap *map);
void neva_file_map_unref (NevaFileMap *map);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaFileMap, neva_file_map_unref)

/* (transfer none) [*length], as long as the map lives. */
const guint8 *neva_file_map_data (const NevaFileMap *map, gsize *length);
/* (transfer full): keeps the map alive. */
GBytes *neva_file_map_bytes (NevaFileMap *map, const void *start, gsize length);

/* Is what was read so far the file? Else NEVA_ERROR_BAD_FILE "<path>: truncated
 * while in use". *error may be set: the reason goes before what came of it.
 * Looks at the file's size, too, because a page that the file still has a byte
 * of reads as zeros behind it, without any signal. */
gboolean neva_file_map_check (const NevaFileMap *map, GError **error);
/* The same of the map that holds `data`; TRUE when none does. */
gboolean neva_file_map_check_data (const void *data, GError **error);

/* Bytes that lie in a map are no longer needed in memory; reading them again
 * gets them from the file. Bytes elsewhere are left alone. */
void neva_file_map_release (const void *data, gsize length);

#endif /* NEVA_FILE_MAP_H */
