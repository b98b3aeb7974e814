/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <json-glib/json-glib.h>
#include <neva/eval.h>
#include "checkpoint/yaml_file.h"

typedef struct {
  NevaSettingFunc setting;
  gpointer user_data;
} Walk;

static gboolean
walk (const Walk *w, const char *prefix, JsonObject *object, GError **error)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, object);
  while (json_object_iter_next_ordered (&iter, &name, &node)) {
    g_autofree char *key =
        *prefix ? g_strconcat (prefix, ".", name, NULL) : g_strdup (name);
    g_autofree char *json = NULL;

    if (JSON_NODE_HOLDS_OBJECT (node)) {
      if (!walk (w, key, json_node_get_object (node), error))
        return FALSE;
      continue;
    }
    json = json_to_string (node, FALSE);
    if (!w->setting (key, json, w->user_data, error))
      return FALSE;
  }
  return TRUE;
}

gboolean
neva_settings_parse (const char *yaml, gsize length, const char *name,
    NevaSettingFunc setting, gpointer user_data, GError **error)
{
  const Walk w = {setting, user_data};
  g_autoptr (JsonNode) root = neva_yaml_parse (yaml, length, name, error);

  if (!root)
    return FALSE;
  if (!JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: keys and values are expected", name);
    return FALSE;
  }
  return walk (&w, "", json_node_get_object (root), error);
}

/* A path or a sentence is YAML only by accident. */
static gboolean
looks_structured (const char *text)
{
  return *text && strchr ("[{\"'", *text);
}

char *
neva_setting_value (const char *text)
{
  const gboolean plain = !looks_structured (text);
  g_autoptr (JsonNode) node =
      plain && strpbrk (text, ":#&*!|>%@`\n")
          ? NULL
          : neva_yaml_parse (text, strlen (text), "value", NULL);

  if (!*text)
    node = json_node_new (JSON_NODE_NULL);
  if (node && plain &&
      (JSON_NODE_HOLDS_OBJECT (node) || JSON_NODE_HOLDS_ARRAY (node)))
    g_clear_pointer (&node, json_node_unref);
  if (!node)
    node = json_node_init_string (json_node_alloc (), text);
  return json_to_string (node, FALSE);
}
