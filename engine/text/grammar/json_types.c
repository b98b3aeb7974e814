/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include <string.h>
#include "json_types.h"
#include "text/json_member.h"

static guint
type_of_name (const char *name)
{
  static const struct {
    const char *name;
    guint types;
  } types[] = {{"null", NEVA_JSON_NULL}, {"boolean", NEVA_JSON_BOOLEAN},
      {"integer", NEVA_JSON_INTEGER},
      {"number", NEVA_JSON_INTEGER | NEVA_JSON_FRACTION},
      {"string", NEVA_JSON_STRING}, {"array", NEVA_JSON_ARRAY},
      {"object", NEVA_JSON_OBJECT}};

  for (guint i = 0; i < G_N_ELEMENTS (types); i++)
    if (strcmp (types[i].name, name) == 0)
      return types[i].types;
  return 0;
}

guint
neva_json_types_named (JsonObject *object)
{
  JsonNode *type = json_object_get_member (object, "type");
  JsonArray *list;
  guint types = 0;

  if (!type)
    return NEVA_JSON_ANY;
  if (!JSON_NODE_HOLDS_ARRAY (type))
    return type_of_name (json_member_string (object, "type", ""));

  list = json_node_get_array (type);
  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonNode *node = json_array_get_element (list, i);

    if (json_node_get_value_type (node) == G_TYPE_STRING)
      types |= type_of_name (json_node_get_string (node));
  }
  return types;
}

guint
neva_json_types_value (JsonNode *value)
{
  const GType type = json_node_get_value_type (value);

  if (JSON_NODE_HOLDS_NULL (value))
    return NEVA_JSON_NULL;
  if (JSON_NODE_HOLDS_ARRAY (value))
    return NEVA_JSON_ARRAY;
  if (JSON_NODE_HOLDS_OBJECT (value))
    return NEVA_JSON_OBJECT;
  if (type == G_TYPE_BOOLEAN)
    return NEVA_JSON_BOOLEAN;
  if (type == G_TYPE_STRING)
    return NEVA_JSON_STRING;
  if (type == G_TYPE_DOUBLE) {
    const double number = json_node_get_double (value);

    return floor (number) < number ? NEVA_JSON_FRACTION : NEVA_JSON_INTEGER;
  }
  return NEVA_JSON_INTEGER;
}

JsonNode *
neva_json_types_resolve (JsonNode *root, const char *pointer)
{
  g_auto (GStrv) steps = NULL;
  JsonNode *at = root;

  if (pointer[0] != '#' || (pointer[1] && pointer[1] != '/'))
    return NULL;
  steps = g_strsplit (pointer[1] ? pointer + 2 : "", "/", -1);
  for (char **step = steps; *step && at; step++) {
    g_autoptr (GString) name = g_string_new (*step);
    guint64 index;

    g_string_replace (name, "~1", "/", 0);
    g_string_replace (name, "~0", "~", 0);
    if (JSON_NODE_HOLDS_OBJECT (at))
      at = json_object_get_member (json_node_get_object (at), name->str);
    else if (JSON_NODE_HOLDS_ARRAY (at) &&
             g_ascii_string_to_unsigned (
                 name->str, 10, 0, G_MAXUINT, &index, NULL) &&
             index < json_array_get_length (json_node_get_array (at)))
      at = json_array_get_element (json_node_get_array (at), (guint) index);
    else
      at = NULL;
  }
  return at;
}

static guint collect (JsonNode *root, JsonNode *node, GHashTable *seen);

static guint
collect_list (
    JsonNode *root, JsonArray *list, gboolean values, GHashTable *seen)
{
  guint types = 0;

  for (guint i = 0; list && i < json_array_get_length (list); i++) {
    JsonNode *node = json_array_get_element (list, i);

    types |= values ? neva_json_types_value (node) : collect (root, node, seen);
  }
  return types;
}

/* A place that was seen has been counted, or is about to be. */
static guint
collect (JsonNode *root, JsonNode *node, GHashTable *seen)
{
  static const char *const lists[] = {"enum", "anyOf", "oneOf"};
  JsonObject *object;
  JsonNode *target;

  if (!JSON_NODE_HOLDS_OBJECT (node))
    return NEVA_JSON_ANY;
  if (!g_hash_table_add (seen, node))
    return 0;

  object = json_node_get_object (node);
  if (json_object_has_member (object, "type"))
    return neva_json_types_named (object);
  if (json_object_has_member (object, "const"))
    return neva_json_types_value (json_object_get_member (object, "const"));
  for (guint i = 0; i < G_N_ELEMENTS (lists); i++)
    if (json_object_has_member (object, lists[i]))
      return collect_list (
          root, json_member_array (object, lists[i]), i == 0, seen);
  target = neva_json_types_resolve (
      root, json_member_string (object, "$ref", "nowhere"));
  return target ? collect (root, target, seen) : NEVA_JSON_ANY;
}

guint
neva_json_types_keyword (
    JsonNode *root, JsonObject *object, const char *keyword)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (NULL, NULL);
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
  JsonObject *alone = json_object_new ();

  json_object_set_member (
      alone, keyword, json_object_dup_member (object, keyword));
  json_node_take_object (node, alone);
  return collect (root, node, seen);
}
