/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "json_rules.h"

#define PLAIN "[^\"\\\\\\x00-\\x1F]"
#define COMMA "\",\" \" \"?"

/* An escape is never half of a surrogate pair. */
static const char base[] =
    "value ::= object | array | string | number | boolean | null\n"
    "object ::= \"{\" ( member ( " COMMA " member )* )? \"}\"\n"
    "member ::= string \":\" \" \"? value\n"
    "array ::= \"[\" ( value ( " COMMA " value )* )? \"]\"\n"
    "string ::= \"\\\"\" char* \"\\\"\"\n"
    "char ::= " PLAIN " | \"\\\\\" ( [\"\\\\/bfnrt] | \"u\" ( "
    "[0-9a-cA-CefEF] hex hex hex | [dD] [0-7] hex hex ) )\n"
    "hex ::= [0-9a-fA-F]\n"
    "number ::= integer ( \".\" [0-9]{1,15} )? ( [eE] [-+]? [0-9]{1,2} )?\n"
    "integer ::= \"-\"? ( \"0\" | [1-9] [0-9]{0,14} )\n"
    "boolean ::= \"true\" | \"false\"\n"
    "null ::= \"null\"\n";

/* No 29th of February: without the year nobody knows. */
static const char dates[] =
    "date ::= [0-9]{4} \"-\" ( month \"-\" ( \"0\" [1-9] | \"1\" [0-9] | "
    "\"2\" [0-8] ) | ( \"0\" [13-9] | \"1\" [0-2] ) \"-\" ( \"29\" | \"30\" ) "
    "| ( \"0\" [13578] | \"1\" [02] ) \"-31\" )\n"
    "month ::= \"0\" [1-9] | \"1\" [0-2]\n"
    "hour ::= [01] [0-9] | \"2\" [0-3]\n"
    "time ::= hour \":\" [0-5] [0-9] \":\" [0-5] [0-9] ( \".\" [0-9]{1,6} )? ( "
    "\"Z\" | [-+] hour \":\" [0-5] [0-9] )\n";

struct _NevaJsonRules {
  GString *text;
  guint n;
  gboolean dates;
};

NevaJsonRules *
neva_json_rules_new (void)
{
  NevaJsonRules *self = g_new0 (NevaJsonRules, 1);

  self->text = g_string_new (base);
  return self;
}

void
neva_json_rules_free (NevaJsonRules *self)
{
  if (!self)
    return;

  g_string_free (self->text, TRUE);
  g_free (self);
}

const char *
neva_json_rules_text (const NevaJsonRules *self)
{
  return self->text->str;
}

char *
neva_json_rules_name (NevaJsonRules *self)
{
  return g_strdup_printf ("s%u", self->n++);
}

void
neva_json_rules_define (NevaJsonRules *self, const char *name, const char *body)
{
  g_string_append_printf (self->text, "%s ::= %s\n", name, body);
}

char *
neva_json_rules_add (NevaJsonRules *self, const char *body)
{
  char *name = neva_json_rules_name (self);

  neva_json_rules_define (self, name, body);
  return name;
}

/* One character, for a literal or a class. */
static void
append_character (GString *out, gunichar c)
{
  if (c < 0x20 || c == 0x7f)
    g_string_append_printf (out, "\\x%02X", (guint) c);
  else if (c < 0x80 && strchr ("\"\\[]-^", (int) c))
    g_string_append_printf (out, "\\%c", (char) c);
  else
    g_string_append_unichar (out, c);
}

void
neva_gbnf_append_literal (GString *out, const char *text)
{
  g_string_append_c (out, '"');
  for (; *text; text = g_utf8_next_char (text))
    append_character (out, g_utf8_get_char (text));
  g_string_append_c (out, '"');
}

void
neva_json_rules_append_constant (GString *out, JsonNode *value)
{
  g_autofree char *json = json_to_string (value, FALSE);

  neva_gbnf_append_literal (out, json);
}

/* ---- Objects ------------------------------------------------------------ */

static char *
as_json (const char *text)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);

  json_node_set_string (node, text);
  return json_to_string (node, FALSE);
}

static void
append_member (GString *out, const NevaJsonMember *member)
{
  g_autofree char *key = as_json (member->name);

  neva_gbnf_append_literal (out, key);
  g_string_append_printf (out, " \":\" \" \"? %s", member->value);
}

/* A rule for what is left of a key and its closing quote when it must be none
 * of the names, which are sorted and begin alike up to `at`. */
static char *
other_key (NevaJsonRules *self, const char *const *names, guint n, gsize at)
{
  g_autoptr (GString) body = g_string_new (NULL);
  g_autoptr (GString) except = g_string_new ("[^\"\\\\\\x00-\\x1F");
  guint from = 0;

  if (n > 0 && !names[0][at])
    from = 1; /* this name ends here: the key must not */
  else
    g_string_append (body, "\"\\\"\" | ");

  while (from < n) {
    const gunichar c = g_utf8_get_char (names[from] + at);
    const gsize next = at + (gsize) g_unichar_to_utf8 (c, NULL);
    guint to = from + 1;
    g_autofree char *rest = NULL;

    while (to < n && g_utf8_get_char (names[to] + at) == c)
      to++;
    rest = other_key (self, names + from, to - from, next);
    if (c >= 0x20 && c != '"' && c != '\\') {
      g_string_append (body, "[");
      append_character (body, c);
      g_string_append_printf (body, "] %s | ", rest);
      append_character (except, c);
    }
    from = to;
  }
  g_string_append_printf (body, "%s] " PLAIN "* \"\\\"\"", except->str);
  return neva_json_rules_add (self, body->str);
}

static int
compare_names (const void *a, const void *b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static char *
other_member (NevaJsonRules *self, const NevaJsonMember *members, guint n,
    const char *value)
{
  g_autofree const char **names = g_new (const char *, n + 1);
  g_autofree char *key = NULL, *body = NULL;

  for (guint i = 0; i < n; i++)
    names[i] = members[i].name;
  qsort (names, n, sizeof *names, compare_names);
  key = other_key (self, names, n, 0);
  body = g_strdup_printf ("\"\\\"\" %s \":\" \" \"? %s", key, value);
  return neva_json_rules_add (self, body);
}

char *
neva_json_rules_object (NevaJsonRules *self, const NevaJsonMember *members,
    guint n, const char *others)
{
  /* From the back: what may follow when nothing was written yet, and when
   * something was. */
  g_autofree char *none = NULL, *some = NULL, *other = NULL, *body = NULL;

  if (others) {
    other = other_member (self, members, n, others);
    body = g_strdup_printf ("( " COMMA " %s )*", other);
    some = neva_json_rules_add (self, body);
    g_free (body);
    body = g_strdup_printf ("( %s %s )?", other, some);
    none = neva_json_rules_add (self, body);
  }
  for (guint i = n; i-- > 0;) {
    g_autoptr (GString) first = g_string_new (NULL);
    g_autoptr (GString) later = g_string_new ("( " COMMA " ");
    char *next_none, *next_some;

    append_member (first, &members[i]);
    append_member (later, &members[i]);
    g_string_append (later, members[i].required ? " )" : " )?");
    if (some) {
      g_string_append_printf (first, " %s", some);
      g_string_append_printf (later, " %s", some);
    }
    if (!members[i].required)
      g_string_append_printf (first, " | %s", none ? none : "\"\"");
    next_none = neva_json_rules_add (self, first->str);
    next_some = neva_json_rules_add (self, later->str);
    g_free (none);
    g_free (some);
    none = next_none;
    some = next_some;
  }
  g_free (body);
  body = g_strdup_printf ("\"{\" %s \"}\"", none ? none : "\"\"");
  return neva_json_rules_add (self, body);
}

/* ---- Arrays and strings ------------------------------------------------- */

char *
neva_json_rules_array (NevaJsonRules *self, char *const *first, guint n,
    const char *rest, guint least, gint most)
{
  g_autoptr (GString) body = g_string_new ("\"[\" ");
  g_autofree char *bound =
      most < 0 ? g_strdup ("") : g_strdup_printf ("%d", MAX (most - 1, 0));

  for (guint i = 0; i < n; i++)
    g_string_append_printf (body, "%s%s ", i ? COMMA " " : "", first[i]);
  if (n > 0 && rest)
    g_string_append_printf (body, "( " COMMA " %s )* ", rest);
  else if (rest && most != 0)
    g_string_append_printf (body, "( %s ( " COMMA " %s ){%u,%s} )%s ", rest,
        rest, least > 0 ? least - 1 : 0, bound, least > 0 ? "" : "?");
  g_string_append (body, "\"]\"");
  return neva_json_rules_add (self, body->str);
}

char *
neva_json_rules_string (NevaJsonRules *self, guint least, gint most)
{
  g_autofree char *bound =
      most < 0 ? g_strdup ("") : g_strdup_printf ("%d", most);
  g_autofree char *body = NULL;

  if (least == 0 && most < 0)
    return g_strdup ("string");
  body = g_strdup_printf ("\"\\\"\" char{%u,%s} \"\\\"\"", least, bound);
  return neva_json_rules_add (self, body);
}

char *
neva_json_rules_format (NevaJsonRules *self, const char *format)
{
  const char *body;

  if (strcmp (format, "date") == 0)
    body = "\"\\\"\" date \"\\\"\"";
  else if (strcmp (format, "time") == 0)
    body = "\"\\\"\" time \"\\\"\"";
  else if (strcmp (format, "date-time") == 0)
    body = "\"\\\"\" date \"T\" time \"\\\"\"";
  else if (strcmp (format, "uuid") == 0)
    body = "\"\\\"\" hex{8} ( \"-\" hex{4} ){3} \"-\" hex{12} \"\\\"\"";
  else
    return NULL;

  if (!self->dates) {
    g_string_append (self->text, dates);
    self->dates = TRUE;
  }
  return neva_json_rules_add (self, body);
}
