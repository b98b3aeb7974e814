/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <json-glib/json-glib.h>
#include <neva/eval.h>
#include "checkpoint/yaml_file.h"
#include "eval/hydra.h"

#define MAX_WORK ((gsize) 16 << 20) /* of resolving ${…} */

struct _NevaSettings {
  JsonObject *root;
  char *file;        /* that was read last, or NULL */
  GHashTable *given; /* keys of the command line -> Given */
};

typedef enum {
  GIVEN_OTHERWISE = 1, /* a key that was there, in place of its value */
  GIVEN_NEW,           /* key=, of a key that no file has */
  GIVEN_ADDED          /* +key= or ++key= */
} Given;

NevaSettings *
neva_settings_new (void)
{
  NevaSettings *self = g_new0 (NevaSettings, 1);

  self->root = json_object_new ();
  self->given = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  return self;
}

void
neva_settings_free (NevaSettings *self)
{
  json_object_unref (self->root);
  g_hash_table_unref (self->given);
  g_free (self->file);
  g_free (self);
}

/* ---- Files -------------------------------------------------------------- */

gboolean
neva_settings_read (NevaSettings *self, const char *yaml, gsize length,
    const char *name, GError **error)
{
  g_autoptr (JsonNode) root = neva_yaml_parse (yaml, length, name, error);

  if (!root)
    return FALSE;
  if (!JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: keys and values are expected", name);
    return FALSE;
  }
  json_object_unref (self->root);
  self->root = json_node_dup_object (root);
  g_free (self->file);
  self->file = g_strdup (name);
  g_hash_table_remove_all (self->given);
  return TRUE;
}

/* ---- The command line --------------------------------------------------- */

static void put (NevaSettings *self, JsonObject *object, const char *prefix,
    const char *name, JsonNode *value, Given given);

static void
merge (NevaSettings *self, JsonObject *into, const char *prefix,
    JsonObject *from, Given given)
{
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, from);
  while (json_object_iter_next_ordered (&iter, &name, &node))
    put (self, into, prefix, name, json_node_copy (node), given);
}

/* prefix: of the object's keys, "" or with a point at its end. value:
 * (transfer full). A mapping is merged with the one that is there. */
static void
put (NevaSettings *self, JsonObject *object, const char *prefix,
    const char *name, JsonNode *value, Given given)
{
  g_autofree char *key = g_strconcat (prefix, name, NULL);
  g_autofree char *inner = g_strconcat (key, ".", NULL);
  JsonNode *old = json_object_get_member (object, name);

  if (JSON_NODE_HOLDS_OBJECT (value)) {
    if (!old || !JSON_NODE_HOLDS_OBJECT (old))
      json_object_set_object_member (object, name, json_object_new ());
    merge (self, json_object_get_object_member (object, name), inner,
        json_node_get_object (value), given);
    json_node_unref (value);
    return;
  }
  g_hash_table_insert (self->given, g_steal_pointer (&key),
      GINT_TO_POINTER (old && given == GIVEN_NEW ? GIVEN_OTHERWISE : given));
  json_object_set_member (object, name, value);
}

/* value: (transfer full). */
static void
assign (NevaSettings *self, const char *key, JsonNode *value, Given given)
{
  g_auto (GStrv) names = g_strsplit (key, ".", -1);
  const guint n = g_strv_length (names);
  g_autoptr (GString) prefix = g_string_new (NULL);
  JsonObject *object = self->root;

  for (guint i = 0; i + 1 < n; i++) {
    JsonNode *node = json_object_get_member (object, names[i]);

    if (!node || !JSON_NODE_HOLDS_OBJECT (node))
      json_object_set_object_member (object, names[i], json_object_new ());
    object = json_object_get_object_member (object, names[i]);
    g_string_append_printf (prefix, "%s.", names[i]);
  }
  put (self, object, prefix->str, names[n - 1], value, given);
}

/* ~key, ~key=value */
static gboolean delete (
    NevaSettings *self, const char *key, JsonNode *value, GError **error)
{
  const char *point = strrchr (key, '.');
  g_autofree char *outer = g_strndup (key, point ? (gsize) (point - key) : 0);
  JsonNode *there = neva_hydra_find (self->root, key);
  JsonNode *parent = point ? neva_hydra_find (self->root, outer) : NULL;

  if (!there || (point && !JSON_NODE_HOLDS_OBJECT (parent))) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND,
        "~%s: no such key is there", key);
    return FALSE;
  }
  if (value && !json_node_equal (value, there)) {
    g_autofree char *json = json_to_string (there, FALSE);

    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "~%s: its value is another, %s", key, json);
    return FALSE;
  }
  json_object_remove_member (point ? json_node_get_object (parent) : self->root,
      point ? point + 1 : key);
  return TRUE;
}

static gboolean
is_key (const char *key)
{
  g_auto (GStrv) names = g_strsplit (key, ".", -1);

  return g_strv_length (names) <= NEVA_MAX_KEY_DEPTH &&
         !g_strv_contains ((const char *const *) names, "");
}

gboolean
neva_settings_override (
    NevaSettings *self, const char *argument, GError **error)
{
  const gboolean removes = *argument == '~';
  const gsize plus = removes ? 0 : strspn (argument, "+");
  const char *name = argument + plus + removes;
  const char *equals = strchr (name, '=');
  g_autofree char *key =
      equals ? g_strndup (name, (gsize) (equals - name)) : g_strdup (name);
  g_autoptr (JsonNode) value = NULL;

  if ((!equals && !removes) || plus > 2 || !*key || !is_key (key) ||
      !g_utf8_validate (argument, -1, NULL)) {
    g_autofree char *shown = g_utf8_make_valid (argument, -1);

    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s: key=value is expected", shown);
    return FALSE;
  }
  value = equals ? neva_hydra_value (equals + 1) : NULL;
  if (removes)
    return delete (self, key, value, error);
  assign (self, key, g_steal_pointer (&value), plus ? GIVEN_ADDED : GIVEN_NEW);
  return TRUE;
}

/* ---- Values ------------------------------------------------------------- */

typedef struct {
  NevaSettings *settings;
  NevaSettingFunc func;
  gpointer user_data;
  gsize *budget;
} Walk;

static gboolean walk (
    const Walk *w, const char *prefix, JsonObject *object, GError **error);

static gboolean
visit (const Walk *w, const char *key, JsonNode *node, GError **error)
{
  const NevaSettings *self = w->settings;
  const Given given = GPOINTER_TO_INT (g_hash_table_lookup (self->given, key));
  g_autoptr (JsonNode) value = NULL;
  g_autofree char *json = NULL;
  NevaSetting setting = {.key = key,
      .file = given ? NULL : self->file,
      .optional = given != GIVEN_NEW};

  if (neva_hydra_is_missing (node))
    return TRUE;
  value = neva_hydra_resolve (self->root, key, node, w->budget, error);
  if (value && JSON_NODE_HOLDS_OBJECT (value))
    return walk (w, key, json_node_get_object (value), error);
  setting.json = json = value ? json_to_string (value, FALSE) : NULL;
  if (value && w->func (&setting, w->user_data, error))
    return TRUE;
  if (setting.file && error && *error)
    g_prefix_error (error, "%s: ", setting.file);
  return FALSE;
}

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
    const gboolean ok = JSON_NODE_HOLDS_OBJECT (node)
                            ? walk (w, key, json_node_get_object (node), error)
                            : visit (w, key, node, error);

    if (!ok)
      return FALSE;
  }
  return TRUE;
}

gboolean
neva_settings_each (NevaSettings *self, NevaSettingFunc func,
    gpointer user_data, GError **error)
{
  gsize budget = MAX_WORK;
  const Walk w = {self, func, user_data, &budget};

  return walk (&w, "", self->root, error);
}
