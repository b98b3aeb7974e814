/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Reads typed, range-checked values of a JSON object. The first fault is kept
 * as the error and later reads return their default, so that a caller reads all
 * it wants and asks once. A missing key or null gives the default. */
#ifndef NEVA_HF_READER_H
#define NEVA_HF_READER_H

#include <json-glib/json-glib.h>
#include <neva/error.h>

typedef struct {
  JsonObject *object; /* borrowed; NULL: every key is missing */
  const char *file;   /* for messages */
  const char *path;   /* where in the file: "" or "text_config." */
  GError **error;     /* shared by all readers of one call; not NULL */
} NevaHfReader;

/* A reader of the object at `key`: empty when missing or null. `path` is the
 * new reader's, a static string. */
NevaHfReader neva_hf_child (
    const NevaHfReader *r, const char *key, const char *path);

gboolean neva_hf_failed (const NevaHfReader *r);
/* Printf-like; keeps an earlier error. The message gets file and key. */
void neva_hf_fail (const NevaHfReader *r, const char *key, NevaError code,
    const char *format, ...) G_GNUC_PRINTF (4, 5);

gboolean neva_hf_has (const NevaHfReader *r, const char *key); /* not null */
/* (transfer none) NULL when missing or null. */
JsonNode *neva_hf_node (const NevaHfReader *r, const char *key);
gint64 neva_hf_int (
    const NevaHfReader *r, const char *key, gint64 def, gint64 min, gint64 max);
double neva_hf_double (
    const NevaHfReader *r, const char *key, double def, double min, double max);
gboolean neva_hf_bool (const NevaHfReader *r, const char *key, gboolean def);
/* (transfer none) */
const char *neva_hf_string (
    const NevaHfReader *r, const char *key, const char *def);
/* Value of a node that should hold a number. */
gboolean neva_hf_node_double (JsonNode *node, double *value);

#endif /* NEVA_HF_READER_H */
