/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small files by name, in memory: of a folder, or from inside an archive. */
#ifndef NEVA_FILE_SET_H
#define NEVA_FILE_SET_H

#include <json-glib/json-glib.h>

typedef struct _NevaFileSet NevaFileSet;

/* where: what the files lie in, for messages. */
NevaFileSet *neva_file_set_new (const char *where);
/* Of these names (NULL-terminated) the files that are in a folder. One of more
 * than max_bytes is an error. Returns: (transfer full) */
NevaFileSet *neva_file_set_read (const char *folder, const char *const *names,
    gsize max_bytes, GError **error);
void neva_file_set_free (NevaFileSet *set);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaFileSet, neva_file_set_free)

/* Takes a reference; replaces what had the name. */
void neva_file_set_add (NevaFileSet *set, const char *name, GBytes *bytes);
/* (transfer none) NULL: no such file. */
GBytes *neva_file_set_find (const NevaFileSet *set, const char *name);
/* (transfer container): sorted, NULL-terminated. */
const char **neva_file_set_names (const NevaFileSet *set);
const char *neva_file_set_where (const NevaFileSet *set);
/* (transfer full): "where/name", for messages. */
char *neva_file_set_path (const NevaFileSet *set, const char *name);
/* The root object of a JSON file; NEVA_ERROR_NOT_FOUND without the file.
 * Returns: (transfer full) */
JsonNode *neva_file_set_json (
    const NevaFileSet *set, const char *name, gsize max_bytes, GError **error);

#endif /* NEVA_FILE_SET_H */
