/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include <neva/json.h>
#include "jsonl.h"

static void
line_free (gpointer data)
{
  JsonLine *line = data;

  json_node_unref (line->node);
  g_free (line);
}

GPtrArray *
jsonl_read (const char *path, GError **error)
{
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (line_free);
  g_autoptr (GError) local = NULL;
  g_autofree char *text = NULL;
  guint number = 0;
  char *at, *next;

  if (!g_file_get_contents (path, &text, NULL, &local)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", path,
        local->message);
    return NULL;
  }
  for (at = text; at; at = next) {
    g_autoptr (JsonParser) parser = json_parser_new ();
    JsonNode *root;
    JsonLine *line;

    next = strchr (at, '\n');
    if (next)
      *next++ = 0;
    number++;
    if (!*g_strstrip (at))
      continue;
    if (!neva_json_is_shallow (at, strlen (at))) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: line %u: not JSON, or nested too deeply", path, number);
      return NULL;
    }
    if (!json_parser_load_from_data (parser, at, -1, &local)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: line %u: %s",
          path, number, local->message);
      return NULL;
    }
    root = json_parser_get_root (parser);
    if (!root || !JSON_NODE_HOLDS_OBJECT (root)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "%s: line %u: no JSON object", path, number);
      return NULL;
    }
    line = g_new (JsonLine, 1);
    line->node = json_node_copy (root);
    line->line = number;
    g_ptr_array_add (lines, line);
  }
  return g_steal_pointer (&lines);
}

static JsonNode *
member (const JsonLine *line, const char *name)
{
  return json_object_get_member (json_node_get_object (line->node), name);
}

static gboolean
holds (JsonNode *node, GType type)
{
  return node && JSON_NODE_HOLDS_VALUE (node) &&
         json_node_get_value_type (node) == type;
}

const char *
jsonl_string (const JsonLine *line, const char *name)
{
  JsonNode *node = member (line, name);

  return holds (node, G_TYPE_STRING) ? json_node_get_string (node) : NULL;
}

gboolean
jsonl_integer (const JsonLine *line, const char *name, gint64 *value)
{
  JsonNode *node = member (line, name);

  if (holds (node, G_TYPE_STRING))
    return g_ascii_string_to_signed (
        json_node_get_string (node), 10, G_MININT64, G_MAXINT64, value, NULL);
  if (!holds (node, G_TYPE_INT64))
    return FALSE;
  *value = json_node_get_int (node);
  return TRUE;
}

char *
jsonl_member_json (const JsonLine *line, const char *name)
{
  JsonNode *node = member (line, name);

  return node ? json_to_string (node, FALSE) : NULL;
}

char *
jsonl_joined (const JsonLine *line, const char *name)
{
  JsonNode *node = member (line, name);
  g_autoptr (GString) text = NULL;
  JsonArray *array;

  if (holds (node, G_TYPE_STRING))
    return json_node_dup_string (node);
  if (!node || !JSON_NODE_HOLDS_ARRAY (node))
    return NULL;
  text = g_string_new (NULL);
  array = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (array); i++) {
    JsonNode *item = json_array_get_element (array, i);

    if (!holds (item, G_TYPE_STRING))
      return NULL;
    if (i)
      g_string_append_c (text, '\n');
    g_string_append (text, json_node_get_string (item));
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}
