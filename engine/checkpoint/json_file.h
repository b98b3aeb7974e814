/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* JSON files of a model folder, made safe for a recursive parser: size and
 * nesting are bounded before json-glib sees a byte. */
#ifndef NEVA_JSON_FILE_H
#define NEVA_JSON_FILE_H

#include <json-glib/json-glib.h>
#include <neva/json.h>

/* The root object of folder/name; `file` of messages is the full path.
 * max_bytes: larger files are refused. Missing file: NEVA_ERROR_NOT_FOUND.
 * Returns: (transfer full): a node that holds an object, or NULL. */
JsonNode *neva_json_file_read (
    const char *folder, const char *name, gsize max_bytes, GError **error);

/* The same for text [length] from anywhere; `name` is for messages. */
JsonNode *neva_json_parse_object (
    const char *text, gsize length, const char *name, GError **error);

#endif /* NEVA_JSON_FILE_H */
