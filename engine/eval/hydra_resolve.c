/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "eval/hydra.h"
#include "text/py_text.h"

#define MAX_DEPTH 32

typedef struct {
  JsonObject *root;
  guint depth;
  gsize *budget;
} Resolver;

static JsonNode *resolve (
    Resolver *r, const char *key, JsonNode *value, GError **error);

static JsonNode *
fail (const char *key, const char *expression, const char *why, GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "%s: ${%s}: %s", key,
      expression, why);
  return NULL;
}

/* FALSE when so much work was done that the values must depend on themselves.
 */
static gboolean
spend (Resolver *r, gsize cost)
{
  if (r->depth > MAX_DEPTH || cost >= *r->budget)
    *r->budget = 0;
  else
    *r->budget -= cost;
  return *r->budget > 0;
}

gboolean
neva_hydra_is_missing (JsonNode *value)
{
  return JSON_NODE_HOLDS_VALUE (value) &&
         json_node_get_value_type (value) == G_TYPE_STRING &&
         !strcmp (json_node_get_string (value), "???");
}

static JsonNode *
step_into (JsonNode *node, const char *name)
{
  guint64 index;

  if (JSON_NODE_HOLDS_OBJECT (node))
    return json_object_get_member (json_node_get_object (node), name);
  if (JSON_NODE_HOLDS_ARRAY (node) &&
      g_ascii_string_to_unsigned (name, 10, 0, G_MAXUINT, &index, NULL) &&
      index < json_array_get_length (json_node_get_array (node)))
    return json_array_get_element (json_node_get_array (node), (guint) index);
  return NULL;
}

JsonNode *
neva_hydra_find (JsonObject *root, const char *key)
{
  g_auto (GStrv) names = g_strsplit (key, ".", -1);
  JsonNode *node = NULL;

  for (guint i = 0; names[i]; i++) {
    node = i ? step_into (node, names[i])
             : json_object_get_member (root, names[i]);
    if (!node)
      return NULL;
  }
  return node;
}

/* ---- ${key} ------------------------------------------------------------- */

/* "..b" beside a.x.y is "a.b"; [n] is .n. (transfer full): NULL: above the
 * root. */
static char *
absolute (const char *key, const char *name)
{
  const gsize up = strspn (name, ".");
  g_auto (GStrv) own = g_strsplit (key, ".", -1);
  const gsize depth = g_strv_length (own);
  GString *path = g_string_new (NULL);

  if (up > depth) {
    g_string_free (path, TRUE);
    return NULL;
  }
  for (gsize i = 0; up && i < depth - up; i++)
    g_string_append_printf (path, "%s.", own[i]);
  for (name += up; *name; name++)
    if (*name != ']')
      g_string_append_c (path, *name == '[' ? '.' : *name);
  return g_string_free (path, FALSE);
}

/* other: what is taken where there is no such key, or NULL. */
static JsonNode *
look_up (Resolver *r, const char *key, const char *name, const char *other,
    GError **error)
{
  g_autofree char *path = absolute (key, name);
  JsonNode *found = path ? neva_hydra_find (r->root, path) : NULL;

  if (found && !neva_hydra_is_missing (found))
    return resolve (r, path, found, error);
  if (other)
    return neva_hydra_value (other);
  return fail (key, name,
      found ? "its value is still to be given" : "no such key", error);
}

/* ---- ${resolver:arguments} ---------------------------------------------- */

static JsonNode *
call (Resolver *r, const char *key, const char *expression, GError **error)
{
  const char *colon = strchr (expression, ':');
  g_autofree char *name = g_strndup (expression, (gsize) (colon - expression));
  g_auto (GStrv) arguments = g_strsplit (colon + 1, ",", 2);
  const char *first = arguments[0] ? g_strstrip (arguments[0]) : "";
  const char *other = arguments[0] ? arguments[1] : NULL;
  const char *variable;

  if (!strcmp (name, "oc.env") || !strcmp (name, "env")) {
    variable = g_getenv (first);
    if (variable && g_utf8_validate (variable, -1, NULL))
      return json_node_init_string (json_node_alloc (), variable);
    return other ? neva_hydra_value (other)
                 : fail (key, expression, "no such variable", error);
  }
  if (!strcmp (name, "oc.select"))
    return look_up (r, key, first, other ? other : "null", error);
  if (!strcmp (name, "oc.decode"))
    return neva_hydra_value (colon + 1);
  return fail (key, expression, "there is no such resolver here", error);
}

/* ---- Texts -------------------------------------------------------------- */

/* As Python's str () has it. */
static void
append_text (GString *out, JsonNode *node)
{
  if (JSON_NODE_HOLDS_NULL (node)) {
    g_string_append (out, "None");
  } else if (JSON_NODE_HOLDS_VALUE (node) &&
             json_node_get_value_type (node) == G_TYPE_STRING) {
    g_string_append (out, json_node_get_string (node));
  } else if (JSON_NODE_HOLDS_VALUE (node) &&
             json_node_get_value_type (node) == G_TYPE_BOOLEAN) {
    g_string_append (out, json_node_get_boolean (node) ? "True" : "False");
  } else if (JSON_NODE_HOLDS_VALUE (node) &&
             json_node_get_value_type (node) == G_TYPE_DOUBLE) {
    neva_py_append_float (out, json_node_get_double (node));
  } else {
    g_autofree char *json = json_to_string (node, FALSE);

    g_string_append (out, json);
  }
}

/* The end of the expression that begins behind "${", or NULL. */
static const char *
find_end (const char *text)
{
  gsize depth = 1;

  for (; *text; text++) {
    depth += *text == '{';
    if (*text == '}' && --depth == 0)
      return text;
  }
  return NULL;
}

/* The value of what stands between "${" and "}". */
static JsonNode *
evaluate (Resolver *r, const char *key, const char *inner, GError **error)
{
  g_autoptr (JsonNode) text = json_node_init_string (json_node_alloc (), inner);
  g_autoptr (JsonNode) expanded = NULL;
  g_autoptr (GString) expression = g_string_new (NULL);

  expanded = resolve (r, key, text, error);
  if (!expanded)
    return NULL;
  append_text (expression, expanded);
  if (strchr (expression->str, ':'))
    return call (r, key, expression->str, error);
  return look_up (r, key, g_strstrip (expression->str), NULL, error);
}

static JsonNode *
resolve_text (Resolver *r, const char *key, const char *text, GError **error)
{
  g_autoptr (GString) out = g_string_new (NULL);
  const char *start;

  while ((start = strstr (text, "${"))) {
    const gboolean escaped = start > text && start[-1] == '\\';
    const char *end = find_end (start + 2);
    g_autofree char *inner = NULL;
    g_autoptr (JsonNode) value = NULL;

    if (!end)
      return fail (key, start + 2, "no end", error);
    g_string_append_len (out, text, start - text - escaped);
    if (escaped) {
      g_string_append_len (out, start, end + 1 - start);
      text = end + 1;
      continue;
    }
    inner = g_strndup (start + 2, (gsize) (end - start - 2));
    value = evaluate (r, key, inner, error);
    if (!value)
      return NULL;
    if (out->len == 0 && start == text && !end[1])
      return g_steal_pointer (&value);
    append_text (out, value);
    text = end + 1;
  }
  g_string_append (out, text);
  return json_node_init_string (json_node_alloc (), out->str);
}

/* ---- Values ------------------------------------------------------------- */

static JsonNode *
resolve_list (Resolver *r, const char *key, JsonArray *list, GError **error)
{
  g_autoptr (JsonArray) out = json_array_new ();

  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonNode *item = resolve (r, key, json_array_get_element (list, i), error);

    if (!item)
      return NULL;
    json_array_add_element (out, item);
  }
  return json_node_init_array (json_node_alloc (), out);
}

static JsonNode *
resolve_mapping (
    Resolver *r, const char *key, JsonObject *mapping, GError **error)
{
  g_autoptr (JsonObject) out = json_object_new ();
  JsonObjectIter iter;
  const char *name;
  JsonNode *node;

  json_object_iter_init_ordered (&iter, mapping);
  while (json_object_iter_next_ordered (&iter, &name, &node)) {
    g_autofree char *own = g_strconcat (key, ".", name, NULL);
    JsonNode *value = resolve (r, own, node, error);

    if (!value)
      return NULL;
    json_object_set_member (out, name, value);
  }
  return json_node_init_object (json_node_alloc (), out);
}

static JsonNode *
resolve (Resolver *r, const char *key, JsonNode *value, GError **error)
{
  JsonNode *out;
  const char *text = JSON_NODE_HOLDS_VALUE (value) &&
                             json_node_get_value_type (value) == G_TYPE_STRING
                         ? json_node_get_string (value)
                         : NULL;

  if (!spend (r, 1 + (text ? strlen (text) : 0)))
    return fail (key, "…", "depends on itself, or on too much", error);
  r->depth++;
  if (JSON_NODE_HOLDS_ARRAY (value))
    out = resolve_list (r, key, json_node_get_array (value), error);
  else if (JSON_NODE_HOLDS_OBJECT (value))
    out = resolve_mapping (r, key, json_node_get_object (value), error);
  else if (text && strstr (text, "${"))
    out = resolve_text (r, key, text, error);
  else
    out = json_node_copy (value);
  r->depth--;
  return out;
}

JsonNode *
neva_hydra_resolve (JsonObject *root, const char *key, JsonNode *value,
    gsize *budget, GError **error)
{
  Resolver r = {.root = root, .budget = budget};

  return resolve (&r, key, value, error);
}
