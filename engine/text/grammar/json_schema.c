/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A JSON Schema as GBNF: one rule for each place of the schema, named s0, s1,
 * …; what is generated is compact JSON with at most one space after `,` and
 * `:`. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include <neva/grammar.h>
#include "checkpoint/json_file.h"
#include "json_rules.h"
#include "json_types.h"
#include "text/json_member.h"

enum {
  MAX_DEPTH = 64,
  MAX_COUNT = 10000 /* repetitions that a grammar may have */
};

typedef struct {
  JsonNode *root;
  NevaJsonRules *rules;
  GHashTable *names; /* JsonNode -> its rule's name */
  guint depth;
  GError **error;
} Schema;

static char *schema_rule (Schema *s, JsonNode *node, const char *where);

/* ---- Keywords ----------------------------------------------------------- */

static const char *const annotations[] = {"title", "description", "default",
    "examples", "$schema", "$id", "$comment", "$defs", "definitions",
    "deprecated", "readOnly", "writeOnly", NULL};

/* Any one of these says all, but for "type". */
static const char *const whole[] = {
    "$ref", "enum", "const", "anyOf", "oneOf", NULL};

static const struct {
  const char *keyword, *type;
} parts[] = {{"properties", "object"}, {"required", "object"},
    {"additionalProperties", "object"}, {"items", "array"},
    {"prefixItems", "array"}, {"minItems", "array"}, {"maxItems", "array"},
    {"minLength", "string"}, {"maxLength", "string"}, {"format", "string"},
    {"minimum", "integer"}, {"maximum", "integer"},
    {"exclusiveMinimum", "integer"}, {"exclusiveMaximum", "integer"}};

static gpointer
fail (Schema *s, NevaError code, const char *where, const char *keyword,
    const char *what)
{
  g_set_error (s->error, NEVA_ERROR, code, "json-schema: '%s' at %s %s",
      keyword, where, what);
  return NULL;
}

static const char *
type_of_part (const char *keyword)
{
  for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
    if (strcmp (parts[i].keyword, keyword) == 0)
      return parts[i].type;
  return NULL;
}

/* Refuses what is not read here; finds the one keyword of `whole`, if any. */
static gboolean
check_keywords (
    Schema *s, JsonObject *object, const char *where, const char **found)
{
  g_autoptr (GList) members = json_object_get_members (object);
  const char *part = NULL;

  *found = NULL;
  for (GList *m = members; m; m = m->next) {
    const char *keyword = m->data;

    if (g_strv_contains (whole, keyword)) {
      if (*found) {
        fail (s, NEVA_ERROR_UNSUPPORTED, where, keyword,
            "beside another of $ref, enum, const, anyOf, oneOf");
        return FALSE;
      }
      *found = keyword;
    } else if (type_of_part (keyword)) {
      part = keyword;
    } else if (strcmp (keyword, "type") != 0 &&
               !g_strv_contains (annotations, keyword)) {
      fail (s, NEVA_ERROR_UNSUPPORTED, where, keyword, "is not supported");
      return FALSE;
    }
  }
  if (*found && part) {
    fail (s, NEVA_ERROR_UNSUPPORTED, where, part,
        "beside $ref, enum, const, anyOf or oneOf is not supported");
    return FALSE;
  }
  return TRUE;
}

/* A count or bound; *given stays FALSE when the keyword is absent. */
static gboolean
read_integer (Schema *s, JsonObject *object, const char *where,
    const char *keyword, gint64 least, gboolean *given, gint64 *value)
{
  JsonNode *node = json_object_get_member (object, keyword);

  if (!node)
    return TRUE;
  if (json_node_get_value_type (node) != G_TYPE_INT64 ||
      json_node_get_int (node) < least) {
    fail (s, NEVA_ERROR_BAD_INPUT, where, keyword,
        least < 0 ? "is not an integer" : "is not a count");
    return FALSE;
  }
  *given = TRUE;
  *value = json_node_get_int (node);
  return TRUE;
}

/* least and most of two keywords; *most -1: no bound. */
static gboolean
read_counts (Schema *s, JsonObject *object, const char *where, const char *low,
    const char *high, gint64 *least, gint64 *most)
{
  gboolean given = FALSE;

  *least = 0;
  *most = -1;
  if (!read_integer (s, object, where, low, 0, &given, least) ||
      !read_integer (s, object, where, high, 0, &given, most))
    return FALSE;
  if (*least > MAX_COUNT || *most > MAX_COUNT) {
    fail (s, NEVA_ERROR_UNSUPPORTED, where, *least > MAX_COUNT ? low : high,
        "is more than 10000");
    return FALSE;
  }
  if (*most >= 0 && *most < *least) {
    fail (s, NEVA_ERROR_BAD_INPUT, where, high, "is less than the minimum");
    return FALSE;
  }
  return TRUE;
}

/* ---- Objects ------------------------------------------------------------ */

static gboolean
is_required (JsonArray *required, const char *name)
{
  for (guint i = 0; required && i < json_array_get_length (required); i++)
    if (strcmp (json_array_get_string_element (required, i), name) == 0)
      return TRUE;
  return FALSE;
}

static gboolean
check_required (
    Schema *s, JsonObject *object, const char *where, JsonArray **required)
{
  JsonNode *node = json_object_get_member (object, "required");

  *required = NULL;
  if (!node)
    return TRUE;
  if (!JSON_NODE_HOLDS_ARRAY (node)) {
    fail (s, NEVA_ERROR_BAD_INPUT, where, "required", "is not a list");
    return FALSE;
  }
  *required = json_node_get_array (node);
  for (guint i = 0; i < json_array_get_length (*required); i++)
    if (json_node_get_value_type (json_array_get_element (*required, i)) !=
        G_TYPE_STRING) {
      fail (s, NEVA_ERROR_BAD_INPUT, where, "required", "holds no name");
      return FALSE;
    }
  return TRUE;
}

/* The names in the order of the schema, then those only required. */
static GPtrArray *
member_names (JsonObject *properties, JsonArray *required)
{
  GPtrArray *names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GList) listed =
      properties ? json_object_get_members (properties) : NULL;

  for (GList *m = listed; m; m = m->next)
    g_ptr_array_add (names, g_strdup (m->data));
  for (guint i = 0; required && i < json_array_get_length (required); i++) {
    const char *name = json_array_get_string_element (required, i);

    if (!g_ptr_array_find_with_equal_func (names, name, g_str_equal, NULL))
      g_ptr_array_add (names, g_strdup (name));
  }
  return names;
}

/* The rule of other members' values; *rule NULL: there are none. */
static gboolean
other_members (Schema *s, JsonObject *object, const char *where,
    gboolean listed, char **rule)
{
  JsonNode *node = json_object_get_member (object, "additionalProperties");
  g_autofree char *at = g_strconcat (where, "/additionalProperties", NULL);

  *rule = NULL;
  if (!node) {
    if (!listed)
      *rule = g_strdup ("value");
    return TRUE;
  }
  if (json_node_get_value_type (node) == G_TYPE_BOOLEAN &&
      !json_node_get_boolean (node))
    return TRUE;
  *rule = schema_rule (s, node, at);
  return *rule != NULL;
}

/* The rule of one member's value; others: that of members without a schema of
 * their own, which a name that is only required has. */
static char *
member_rule (Schema *s, JsonObject *object, const char *name,
    const char *others, const char *where)
{
  JsonObject *properties = json_member_object (object, "properties");
  JsonNode *member =
      properties ? json_object_get_member (properties, name) : NULL;
  g_autofree char *at = g_strconcat (where, "/properties/", name, NULL);

  if (member)
    return schema_rule (s, member, at);
  if (others)
    return g_strdup (others);
  if (!json_object_has_member (object, "additionalProperties"))
    return g_strdup ("value");
  return fail (s, NEVA_ERROR_BAD_INPUT, where, "required",
      "names a member that additionalProperties forbids");
}

static char *
object_rule (Schema *s, JsonObject *object, const char *where)
{
  JsonNode *node = json_object_get_member (object, "properties");
  g_autoptr (GPtrArray) names = NULL;
  g_autoptr (GArray) members =
      g_array_new (FALSE, FALSE, sizeof (NevaJsonMember));
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *others = NULL;
  JsonObject *properties = NULL;
  JsonArray *required;

  if (node && !JSON_NODE_HOLDS_OBJECT (node))
    return fail (
        s, NEVA_ERROR_BAD_INPUT, where, "properties", "is not an object");
  if (node)
    properties = json_node_get_object (node);
  if (!check_required (s, object, where, &required))
    return NULL;

  names = member_names (properties, required);
  if (!other_members (s, object, where, names->len > 0, &others))
    return NULL;
  for (guint i = 0; i < names->len; i++) {
    const char *name = g_ptr_array_index (names, i);
    const NevaJsonMember it = {.name = name,
        .value = member_rule (s, object, name, others, where),
        .required = is_required (required, name)};

    if (!it.value)
      return NULL;
    g_ptr_array_add (values, (gpointer) it.value);
    g_array_append_val (members, it);
  }
  return neva_json_rules_object (
      s->rules, (NevaJsonMember *) members->data, members->len, others);
}

/* ---- Arrays, strings, integers ------------------------------------------ */

static char *
array_rule (Schema *s, JsonObject *object, const char *where)
{
  JsonNode *items = json_object_get_member (object, "items");
  JsonNode *prefix = json_object_get_member (object, "prefixItems");
  g_autoptr (GPtrArray) first = g_ptr_array_new_with_free_func (g_free);
  g_autofree char *rest = NULL, *at = g_strconcat (where, "/items", NULL);
  gint64 least, most;

  if (!read_counts (s, object, where, "minItems", "maxItems", &least, &most))
    return NULL;
  if (prefix && !JSON_NODE_HOLDS_ARRAY (prefix))
    return fail (
        s, NEVA_ERROR_BAD_INPUT, where, "prefixItems", "is not a list");
  if (prefix && (least > 0 || most >= 0))
    return fail (s, NEVA_ERROR_UNSUPPORTED, where, "prefixItems",
        "beside minItems or maxItems is not supported");

  for (guint i = 0;
       prefix && i < json_array_get_length (json_node_get_array (prefix));
       i++) {
    g_autofree char *place = g_strdup_printf ("%s/prefixItems/%u", where, i);
    char *rule = schema_rule (
        s, json_array_get_element (json_node_get_array (prefix), i), place);

    if (!rule)
      return NULL;
    g_ptr_array_add (first, rule);
  }
  if (items && !(prefix && json_node_get_value_type (items) == G_TYPE_BOOLEAN &&
                   !json_node_get_boolean (items))) {
    rest = schema_rule (s, items, at);
    if (!rest)
      return NULL;
  } else if (!prefix) {
    rest = g_strdup ("value");
  }
  return neva_json_rules_array (s->rules, (char **) first->pdata, first->len,
      rest, (guint) MIN (least, G_MAXINT),
      most < 0 ? -1 : (gint) MIN (most, G_MAXINT));
}

static char *
string_rule (Schema *s, JsonObject *object, const char *where)
{
  JsonNode *format = json_object_get_member (object, "format");
  gint64 least, most;
  const char *name;
  char *rule;

  if (!read_counts (s, object, where, "minLength", "maxLength", &least, &most))
    return NULL;
  if (!format)
    return neva_json_rules_string (s->rules, (guint) MIN (least, G_MAXINT),
        most < 0 ? -1 : (gint) MIN (most, G_MAXINT));

  name = json_member_string (object, "format", "");
  if (least > 0 || most >= 0)
    return fail (s, NEVA_ERROR_UNSUPPORTED, where, "format",
        "beside minLength or maxLength is not supported");
  rule = neva_json_rules_format (s->rules, name);
  if (!rule)
    return fail (s, NEVA_ERROR_UNSUPPORTED, where, "format",
        "is none of date, time, date-time, uuid");
  return rule;
}

static char *
integer_rule (Schema *s, JsonObject *object, const char *where)
{
  gboolean has_low = FALSE, has_high = FALSE, above = FALSE, below = FALSE;
  gint64 low = 0, high = 0, bound = 0;

  if (!read_integer (s, object, where, "minimum", G_MININT64, &has_low, &low) ||
      !read_integer (
          s, object, where, "maximum", G_MININT64, &has_high, &high) ||
      !read_integer (
          s, object, where, "exclusiveMinimum", G_MININT64, &above, &bound))
    return NULL;
  if (above && bound < G_MAXINT64) {
    low = has_low ? MAX (low, bound + 1) : bound + 1;
    has_low = TRUE;
  }
  if (!read_integer (
          s, object, where, "exclusiveMaximum", G_MININT64, &below, &bound))
    return NULL;
  if (below && bound > G_MININT64) {
    high = has_high ? MIN (high, bound - 1) : bound - 1;
    has_high = TRUE;
  }
  if (has_low && has_high && low > high)
    return fail (
        s, NEVA_ERROR_BAD_INPUT, where, "maximum", "is less than the minimum");
  return neva_json_rules_integer (
      s->rules, has_low ? &low : NULL, has_high ? &high : NULL);
}

/* ---- A place of the schema ---------------------------------------------- */

static char *
typed_rule (Schema *s, JsonObject *object, const char *type, const char *where)
{
  static const char *const bounds[] = {
      "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"};

  if (strcmp (type, "object") == 0)
    return object_rule (s, object, where);
  if (strcmp (type, "array") == 0)
    return array_rule (s, object, where);
  if (strcmp (type, "string") == 0)
    return string_rule (s, object, where);
  if (strcmp (type, "integer") == 0)
    return integer_rule (s, object, where);
  if (strcmp (type, "number") == 0) {
    for (guint i = 0; i < G_N_ELEMENTS (bounds); i++)
      if (json_object_has_member (object, bounds[i]))
        return fail (s, NEVA_ERROR_UNSUPPORTED, where, bounds[i],
            "is supported for integers only");
    return g_strdup ("number");
  }
  if (strcmp (type, "boolean") == 0 || strcmp (type, "null") == 0)
    return g_strdup (type);
  return fail (s, NEVA_ERROR_BAD_INPUT, where, "type", "is no JSON type");
}

/* The rules of a list's schemas, as alternatives. */
static char *
any_of (Schema *s, JsonObject *object, const char *keyword, const char *where)
{
  JsonArray *list = json_member_array (object, keyword);
  g_autoptr (GString) choice = g_string_new (NULL);

  if (!list || json_array_get_length (list) == 0)
    return fail (
        s, NEVA_ERROR_BAD_INPUT, where, keyword, "is not a list of schemas");
  for (guint i = 0; i < json_array_get_length (list); i++) {
    g_autofree char *at = g_strdup_printf ("%s/%s/%u", where, keyword, i);
    g_autofree char *rule =
        schema_rule (s, json_array_get_element (list, i), at);

    if (!rule)
      return NULL;
    g_string_append_printf (choice, "%s%s", i ? " | " : "", rule);
  }
  return neva_json_rules_add (s->rules, choice->str);
}

/* The values of "enum" or "const" that have one of the types of "type". */
static char *
constants (
    Schema *s, JsonObject *object, const char *keyword, const char *where)
{
  const guint types = neva_json_types_named (object);
  g_autoptr (GString) choice = g_string_new (NULL);
  g_autoptr (JsonArray) list = NULL;

  if (strcmp (keyword, "const") == 0) {
    list = json_array_new ();
    json_array_add_element (list, json_object_dup_member (object, keyword));
  } else if (json_member_array (object, keyword)) {
    list = json_array_ref (json_member_array (object, keyword));
  }
  if (!list || json_array_get_length (list) == 0)
    return fail (
        s, NEVA_ERROR_BAD_INPUT, where, keyword, "is not a list of values");
  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonNode *value = json_array_get_element (list, i);

    if (!(neva_json_types_value (value) & types))
      continue;
    if (choice->len)
      g_string_append (choice, " | ");
    neva_json_rules_append_constant (choice, value);
  }
  if (!choice->len)
    return fail (s, NEVA_ERROR_BAD_INPUT, where, keyword,
        "has no value of the type beside it");
  return neva_json_rules_add (s->rules, choice->str);
}

/* What "$ref", "anyOf" or "oneOf" name has no type but those of the "type"
 * beside them. */
static gboolean
check_types (
    Schema *s, JsonObject *object, const char *keyword, const char *where)
{
  if (!(neva_json_types_keyword (s->root, object, keyword) &
          ~neva_json_types_named (object)))
    return TRUE;
  fail (s, NEVA_ERROR_UNSUPPORTED, where, keyword,
      "allows other types than the one beside it");
  return FALSE;
}

static char *
whole_rule (
    Schema *s, JsonObject *object, const char *keyword, const char *where)
{
  if (strcmp (keyword, "enum") == 0 || strcmp (keyword, "const") == 0)
    return constants (s, object, keyword, where);
  if (!check_types (s, object, keyword, where))
    return NULL;
  if (strcmp (keyword, "$ref") == 0) {
    const char *pointer = json_member_string (object, keyword, "");
    JsonNode *target = neva_json_types_resolve (s->root, pointer);

    if (!target)
      return fail (s, NEVA_ERROR_BAD_INPUT, where, keyword,
          "names nothing within the document");
    return schema_rule (s, target, pointer);
  }
  return any_of (s, object, keyword, where);
}

/* By "type", or by what the other keywords are about. */
static char *
rule_by_type (Schema *s, JsonObject *object, const char *where)
{
  JsonNode *type = json_object_get_member (object, "type");
  g_autoptr (GString) choice = g_string_new (NULL);
  JsonArray *list;

  if (!type) {
    for (guint i = 0; i < G_N_ELEMENTS (parts); i++)
      if (json_object_has_member (object, parts[i].keyword))
        return typed_rule (s, object, parts[i].type, where);
    return g_strdup ("value");
  }
  if (!JSON_NODE_HOLDS_ARRAY (type))
    return typed_rule (
        s, object, json_member_string (object, "type", ""), where);

  list = json_node_get_array (type);
  for (guint i = 0; i < json_array_get_length (list); i++) {
    JsonNode *node = json_array_get_element (list, i);
    g_autofree char *rule = typed_rule (s, object,
        json_node_get_value_type (node) == G_TYPE_STRING
            ? json_node_get_string (node)
            : "",
        where);

    if (!rule)
      return NULL;
    g_string_append_printf (choice, "%s%s", i ? " | " : "", rule);
  }
  if (!choice->len)
    return fail (s, NEVA_ERROR_BAD_INPUT, where, "type", "is an empty list");
  return neva_json_rules_add (s->rules, choice->str);
}

static char *
compile (Schema *s, JsonNode *node, const char *where)
{
  JsonObject *object;
  const char *keyword;

  if (json_node_get_value_type (node) == G_TYPE_BOOLEAN &&
      json_node_get_boolean (node))
    return g_strdup ("value");
  if (!JSON_NODE_HOLDS_OBJECT (node)) {
    g_set_error (s->error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "json-schema: %s is not a schema that anything fits", where);
    return NULL;
  }
  object = json_node_get_object (node);
  if (!check_keywords (s, object, where, &keyword))
    return NULL;
  return keyword ? whole_rule (s, object, keyword, where)
                 : rule_by_type (s, object, where);
}

/* The name of the rule for this place, which may be in the making. */
static char *
schema_rule (Schema *s, JsonNode *node, const char *where)
{
  const char *known = g_hash_table_lookup (s->names, node);
  g_autofree char *body = NULL;
  char *name;

  if (known)
    return g_strdup (known);
  if (s->depth >= MAX_DEPTH) {
    g_set_error (s->error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "json-schema: nested too deeply at %s", where);
    return NULL;
  }
  name = neva_json_rules_name (s->rules);
  g_hash_table_insert (s->names, node, name);
  s->depth++;
  body = compile (s, node, where);
  s->depth--;
  if (!body)
    return NULL;
  neva_json_rules_define (s->rules, name, body);
  return g_strdup (name);
}

NevaGrammar *
neva_grammar_new_json_schema (const char *schema, GError **error)
{
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GHashTable) names =
      g_hash_table_new_full (NULL, NULL, NULL, g_free);
  g_autoptr (NevaJsonRules) rules = neva_json_rules_new ();
  g_autofree char *rule = NULL;
  Schema s = {.rules = rules, .names = names, .error = error};

  g_return_val_if_fail (schema != NULL, NULL);

  root = neva_json_parse_object (schema, strlen (schema), "json-schema", error);
  if (!root)
    return NULL;
  s.root = root;
  rule = schema_rule (&s, root, "#");
  if (!rule)
    return NULL;
  neva_json_rules_define (rules, "root", rule);
  return neva_grammar_new_gbnf (neva_json_rules_text (rules), error);
}
