/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <yaml.h>
#include <neva/error.h>
#include "checkpoint/yaml_file.h"

#define MAX_BYTES (4u << 20)
#define MAX_DEPTH 64
#define MAX_NODES 200000
#define MAX_BRACKETS 10000

typedef struct {
  yaml_document_t document;
  const char *name;
  guint n_nodes; /* made so far; aliases count each time */
} Reader;

static JsonNode *convert (Reader *r, int index, guint depth, GError **error);

static void
fail (
    const Reader *r, const yaml_node_t *node, const char *what, GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: line %lu: %s",
      r->name, node ? (unsigned long) node->start_mark.line + 1 : 0, what);
}

static gboolean
is_one_of (const char *text, const char *const *words)
{
  for (; *words; words++) {
    if (!strcmp (text, *words))
      return TRUE;
  }
  return FALSE;
}

static JsonNode *
convert_scalar (const yaml_node_t *node)
{
  static const char *const nulls[] = {"", "~", "null", "Null", "NULL", NULL};
  static const char *const yes[] = {
      "true", "True", "TRUE", "yes", "Yes", "YES", "on", "On", "ON", NULL};
  static const char *const no[] = {
      "false", "False", "FALSE", "no", "No", "NO", "off", "Off", "OFF", NULL};
  const char *text = (const char *) node->data.scalar.value;
  JsonNode *json = json_node_new (JSON_NODE_VALUE);
  char *end;

  if (node->data.scalar.style != YAML_PLAIN_SCALAR_STYLE) {
    json_node_set_string (json, text);
    return json;
  }
  if (is_one_of (text, nulls)) {
    json_node_unref (json);
    return json_node_new (JSON_NODE_NULL);
  }
  if (is_one_of (text, yes) || is_one_of (text, no)) {
    json_node_set_boolean (json, is_one_of (text, yes));
    return json;
  }
  if (g_ascii_isdigit (*text) || strchr ("+-.", *text)) {
    const gint64 integer = g_ascii_strtoll (text, &end, 10);
    const gboolean is_int = end != text && !*end;
    const double real = g_ascii_strtod (text, &end);

    if (is_int) {
      json_node_set_int (json, integer);
      return json;
    }
    if (end != text && !*end && !strpbrk (text, "xXpP")) {
      json_node_set_double (json, real);
      return json;
    }
  }
  json_node_set_string (json, text);
  return json;
}

static JsonNode *
convert_sequence (
    Reader *r, const yaml_node_t *node, guint depth, GError **error)
{
  g_autoptr (JsonArray) array = json_array_new ();
  JsonNode *json;

  for (const yaml_node_item_t *i = node->data.sequence.items.start;
       i < node->data.sequence.items.top; i++) {
    JsonNode *item = convert (r, *i, depth + 1, error);

    if (!item)
      return NULL;
    json_array_add_element (array, item);
  }
  json = json_node_new (JSON_NODE_ARRAY);
  json_node_set_array (json, array);
  return json;
}

static JsonNode *
convert_mapping (
    Reader *r, const yaml_node_t *node, guint depth, GError **error)
{
  g_autoptr (JsonObject) object = json_object_new ();
  JsonNode *json;

  for (const yaml_node_pair_t *p = node->data.mapping.pairs.start;
       p < node->data.mapping.pairs.top; p++) {
    const yaml_node_t *key = yaml_document_get_node (&r->document, p->key);
    JsonNode *value;

    if (!key || key->type != YAML_SCALAR_NODE) {
      fail (r, node, "a key that is no text", error);
      return NULL;
    }
    value = convert (r, p->value, depth + 1, error);
    if (!value)
      return NULL;
    json_object_set_member (
        object, (const char *) key->data.scalar.value, value);
  }
  json = json_node_new (JSON_NODE_OBJECT);
  json_node_set_object (json, object);
  return json;
}

static JsonNode *
convert (Reader *r, int index, guint depth, GError **error)
{
  const yaml_node_t *node = yaml_document_get_node (&r->document, index);

  if (!node || depth > MAX_DEPTH) {
    fail (r, node, "nested too deeply", error);
    return NULL;
  }
  if (++r->n_nodes > MAX_NODES) {
    fail (r, node, "more values than any configuration has", error);
    return NULL;
  }
  switch (node->type) {
    case YAML_SCALAR_NODE:
      return convert_scalar (node);
    case YAML_SEQUENCE_NODE:
      return convert_sequence (r, node, depth, error);
    case YAML_MAPPING_NODE:
      return convert_mapping (r, node, depth, error);
    case YAML_NO_NODE:
      break;
  }
  fail (r, node, "an empty node", error);
  return NULL;
}

/* libyaml's time grows with the square of the flow collections that are open,
 * and it looks at all of the text before anything can be refused. */
static gboolean
has_few_brackets (const char *text, gsize length)
{
  gsize n = 0;

  for (gsize i = 0; i < length; i++)
    n += text[i] == '[' || text[i] == '{';
  return n <= MAX_BRACKETS;
}

JsonNode *
neva_yaml_parse (
    const char *text, gsize length, const char *name, GError **error)
{
  Reader r = {.name = name};
  yaml_parser_t parser;
  JsonNode *json = NULL;
  const yaml_node_t *root;

  if (length > MAX_BYTES) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: larger than %u bytes", name, MAX_BYTES);
    return NULL;
  }
  if (length == 0) { /* libyaml asserts that there is a text */
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: empty", name);
    return NULL;
  }
  if (!has_few_brackets (text, length)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "%s: more than %d opening brackets", name, MAX_BRACKETS);
    return NULL;
  }
  if (!yaml_parser_initialize (&parser)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "%s: no memory", name);
    return NULL;
  }
  yaml_parser_set_input_string (&parser, (const unsigned char *) text, length);
  if (!yaml_parser_load (&parser, &r.document)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: line %lu: %s",
        name, (unsigned long) parser.problem_mark.line + 1,
        parser.problem ? parser.problem : "no YAML");
    yaml_parser_delete (&parser);
    return NULL;
  }
  root = yaml_document_get_root_node (&r.document);
  if (root)
    json = convert (&r, root - r.document.nodes.start + 1, 0, error);
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: empty", name);
  yaml_document_delete (&r.document);
  yaml_parser_delete (&parser);
  return json;
}
