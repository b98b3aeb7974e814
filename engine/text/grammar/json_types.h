/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which types of values a place of a JSON Schema may have. */
#ifndef NEVA_JSON_TYPES_H
#define NEVA_JSON_TYPES_H

#include <json-glib/json-glib.h>

enum {
  NEVA_JSON_NULL = 1 << 0,
  NEVA_JSON_BOOLEAN = 1 << 1,
  NEVA_JSON_INTEGER = 1 << 2,
  NEVA_JSON_FRACTION = 1 << 3, /* a number that is no integer */
  NEVA_JSON_STRING = 1 << 4,
  NEVA_JSON_ARRAY = 1 << 5,
  NEVA_JSON_OBJECT = 1 << 6,
  NEVA_JSON_ANY = (1 << 7) - 1
};

/* The types that the keyword "type" of object allows; any without it. Names
 * that are no types are left out. */
guint neva_json_types_named (JsonObject *object);
/* The type of a value. */
guint neva_json_types_value (JsonNode *value);
/* All types that "enum", "const", "anyOf", "oneOf" or "$ref" of object, by
 * itself, allows, perhaps more; root: the document that "$ref" is about. */
guint neva_json_types_keyword (
    JsonNode *root, JsonObject *object, const char *keyword);
/* "#/a/b": the node there, or NULL. */
JsonNode *neva_json_types_resolve (JsonNode *root, const char *pointer);

#endif /* NEVA_JSON_TYPES_H */
