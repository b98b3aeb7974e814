/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Small helpers for writing JSON files. */
#ifndef NEVA_JSON_OUT_H
#define NEVA_JSON_OUT_H

#include <json-glib/json-glib.h>

void neva_json_int (JsonBuilder *b, const char *key, gint64 value);
void neva_json_bool (JsonBuilder *b, const char *key, gboolean value);
void neva_json_real (JsonBuilder *b, const char *key, double value);
/* The digits that bring a float back: how many, and the number they make. */
int neva_float_digits (float value, double *shortest);
/* A number that is a float: written with as few digits as bring it back. */
void neva_json_float (JsonBuilder *b, const char *key, float value);
/* value NULL: null. */
void neva_json_text (JsonBuilder *b, const char *key, const char *value);
void neva_json_begin (JsonBuilder *b, const char *key); /* an object */

/* The finished tree, indented, into folder/name. */
gboolean neva_json_write (
    const char *folder, const char *name, JsonBuilder *b, GError **error);
/* A file of bytes. */
gboolean neva_file_write (const char *folder, const char *name,
    const void *data, gsize length, GError **error);

#endif /* NEVA_JSON_OUT_H */
