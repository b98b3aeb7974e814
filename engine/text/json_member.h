/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Members of a JSON object whose types are not to be trusted: a missing member
 * or one of another type gives the default. */
#ifndef NEVA_JSON_MEMBER_H
#define NEVA_JSON_MEMBER_H

#include <json-glib/json-glib.h>

static inline JsonNode *
json_member (JsonObject *object, const char *name)
{
  JsonNode *node = object ? json_object_get_member (object, name) : NULL;

  return node && !JSON_NODE_HOLDS_NULL (node) ? node : NULL;
}

static inline const char *
json_member_string (JsonObject *object, const char *name, const char *fallback)
{
  JsonNode *node = json_member (object, name);

  return node && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : fallback;
}

static inline gboolean
json_member_boolean (JsonObject *object, const char *name, gboolean fallback)
{
  JsonNode *node = json_member (object, name);

  return node && json_node_get_value_type (node) == G_TYPE_BOOLEAN
             ? json_node_get_boolean (node)
             : fallback;
}

static inline gint64
json_member_int (JsonObject *object, const char *name, gint64 fallback)
{
  JsonNode *node = json_member (object, name);

  return node && json_node_get_value_type (node) == G_TYPE_INT64
             ? json_node_get_int (node)
             : fallback;
}

static inline JsonObject *
json_member_object (JsonObject *object, const char *name)
{
  JsonNode *node = json_member (object, name);

  return node && JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node)
                                               : NULL;
}

static inline JsonArray *
json_member_array (JsonObject *object, const char *name)
{
  JsonNode *node = json_member (object, name);

  return node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node)
                                              : NULL;
}

#endif /* NEVA_JSON_MEMBER_H */
