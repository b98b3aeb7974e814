/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include <string.h>
#include "eval/hydra.h"

#define MAX_DEPTH 32

typedef struct {
  const char *at;
  guint depth;
} Reader;

static JsonNode *read_element (Reader *r, const char *stops);

static void
skip_space (Reader *r)
{
  while (*r->at == ' ' || *r->at == '\t')
    r->at++;
}

/* ---- Texts and numbers -------------------------------------------------- */

/* Backslashes count only before a quote: two are one, an odd one takes the
 * quote's meaning away. NULL: there is no end. */
static JsonNode *
read_quoted (Reader *r)
{
  const char quote = *r->at;
  g_autoptr (GString) text = g_string_new (NULL);
  const char *at = r->at + 1;

  while (*at && *at != quote) {
    const gsize n = strspn (at, "\\");

    if (n == 0) {
      g_string_append_c (text, *at++);
      continue;
    }
    at += n;
    for (gsize i = *at == quote ? n / 2 : n; i > 0; i--)
      g_string_append_c (text, '\\');
    if (*at == quote && n % 2)
      g_string_append_c (text, *at++);
  }
  if (!*at)
    return NULL;
  r->at = at + 1;
  return json_node_init_string (json_node_alloc (), text->str);
}

/* Digits with single underscores, as Python writes them; "007" is none. */
static gboolean
is_number (const char *text, gboolean *whole)
{
  const char *p = text + (*text == '+' || *text == '-');
  const char *digits = p;
  gsize n = 0;

  for (; g_ascii_isdigit (*p) || (n && *p == '_' && g_ascii_isdigit (p[1]));
       p++)
    n++;
  *whole = !*p;
  if (*whole)
    return n == 1 || (n > 1 && *digits != '0');
  if (*p == '.')
    for (p++; g_ascii_isdigit (*p); p++)
      n++;
  if (n == 0)
    return FALSE;
  if (*p == 'e' || *p == 'E') {
    p += 1 + (p[1] == '+' || p[1] == '-');
    if (!g_ascii_isdigit (*p))
      return FALSE;
    while (g_ascii_isdigit (*p))
      p++;
  }
  return !*p;
}

static JsonNode *
plain (const char *text)
{
  JsonNode *node = json_node_alloc ();
  g_autofree char *digits = NULL;
  gboolean whole;
  gint64 integer;

  if (!*text || !g_ascii_strcasecmp (text, "null"))
    return json_node_init_null (node);
  if (!g_ascii_strcasecmp (text, "true") || !g_ascii_strcasecmp (text, "false"))
    return json_node_init_boolean (node, g_ascii_tolower (*text) == 't');
  if (!is_number (text, &whole))
    return json_node_init_string (node, text);
  digits = g_strdup (text);
  for (char *in = digits, *out = digits; (*out = *in); in++)
    out += *in != '_';
  if (!whole && isfinite (g_ascii_strtod (digits, NULL)))
    return json_node_init_double (node, g_ascii_strtod (digits, NULL));
  if (whole && g_ascii_string_to_signed (digits + (*digits == '+'), 10,
                   G_MININT64, G_MAXINT64, &integer, NULL))
    return json_node_init_int (node, integer);
  return json_node_init_string (node, text);
}

/* Behind the brace that closes the "${" at text, or its end. */
static const char *
skip_interpolation (const char *text)
{
  gsize depth = 0;

  for (; *text; text++) {
    depth += *text == '{';
    if (*text == '}' && --depth == 0)
      return text + 1;
  }
  return text;
}

static JsonNode *
read_plain (Reader *r, const char *stops)
{
  g_autoptr (GString) text = g_string_new (NULL);
  gsize kept = 0; /* what an escape keeps from being trimmed */
  gboolean escaped = FALSE;

  while (*r->at && !strchr (stops, *r->at)) {
    if (r->at[0] == '$' && r->at[1] == '{') {
      const char *end = skip_interpolation (r->at);

      g_string_append_len (text, r->at, end - r->at);
      r->at = end;
    } else if (*r->at == '\\' && r->at[1] &&
               strchr ("\\()[]{}:=, \t", r->at[1])) {
      g_string_append_c (text, r->at[1]);
      kept = text->len;
      escaped = TRUE;
      r->at += 2;
    } else {
      g_string_append_c (text, *r->at++);
    }
  }
  while (text->len > kept && strchr (" \t", text->str[text->len - 1]))
    g_string_truncate (text, text->len - 1);
  return escaped ? json_node_init_string (json_node_alloc (), text->str)
                 : plain (text->str);
}

/* ---- Containers --------------------------------------------------------- */

/* Behind an element: FALSE when neither another one follows nor the end. */
static gboolean
read_separator (Reader *r, char end, gboolean *more)
{
  skip_space (r);
  *more = *r->at == ',';
  if (!*more && *r->at != end)
    return FALSE;
  r->at++;
  skip_space (r);
  return TRUE;
}

static JsonNode *
read_list (Reader *r)
{
  g_autoptr (JsonArray) array = json_array_new ();
  gboolean more = TRUE;

  r->at++;
  skip_space (r);
  if (*r->at == ']') {
    r->at++;
    more = FALSE;
  }
  while (more) {
    JsonNode *item = read_element (r, ",]");

    if (!item)
      return NULL;
    json_array_add_element (array, item);
    if (!read_separator (r, ']', &more))
      return NULL;
  }
  return json_node_init_array (json_node_alloc (), array);
}

static gboolean
read_pair (Reader *r, JsonObject *object)
{
  g_autoptr (JsonNode) name = read_element (r, ":,}");
  g_autofree char *key = NULL;
  JsonNode *value;

  skip_space (r);
  if (!name || !JSON_NODE_HOLDS_VALUE (name) || *r->at != ':')
    return FALSE;
  r->at++;
  skip_space (r);
  key = json_node_get_value_type (name) == G_TYPE_STRING
            ? json_node_dup_string (name)
            : json_to_string (name, FALSE);
  value = read_element (r, ",}");
  if (!value)
    return FALSE;
  json_object_set_member (object, key, value);
  return TRUE;
}

static JsonNode *
read_dict (Reader *r)
{
  g_autoptr (JsonObject) object = json_object_new ();
  gboolean more = TRUE;

  r->at++;
  skip_space (r);
  if (*r->at == '}') {
    r->at++;
    more = FALSE;
  }
  while (more)
    if (!read_pair (r, object) || !read_separator (r, '}', &more))
      return NULL;
  return json_node_init_object (json_node_alloc (), object);
}

static JsonNode *
read_element (Reader *r, const char *stops)
{
  JsonNode *node = NULL;

  skip_space (r);
  if (r->depth >= MAX_DEPTH)
    return NULL;
  r->depth++;
  if (*r->at == '"' || *r->at == '\'')
    node = read_quoted (r);
  else if (*r->at == '[')
    node = read_list (r);
  else if (*r->at == '{')
    node = read_dict (r);
  else
    node = read_plain (r, stops);
  r->depth--;
  return node;
}

JsonNode *
neva_hydra_value (const char *text)
{
  Reader r = {text, 0};
  JsonNode *node = read_element (&r, "");

  skip_space (&r);
  if (node && !*r.at)
    return node;
  g_clear_pointer (&node, json_node_unref);
  return json_node_init_string (json_node_alloc (), text);
}
