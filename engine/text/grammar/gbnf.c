/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The parser of GBNF. A rule ends with its line, unless a parenthesis is open
 * or the next thing is a `|`. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "expression.h"
#include "text/utf8.h"

enum {
  MAX_BYTES = 1 << 20,
  MAX_DEPTH = 100, /* of parentheses */
  MAX_STACKED = 8, /* repetitions of repetitions */
  MAX_REPEAT = 10000
};

typedef struct {
  const char *start, *at;
  NevaNetwork *network;
  guint depth; /* open parentheses: then a line may end anywhere */
  GError **error;
} Parser;

static gpointer
fail (Parser *p, const char *what)
{
  guint line = 1;
  const char *begin = p->start;

  for (const char *c = p->start; c < p->at; c++)
    if (*c == '\n') {
      line++;
      begin = c + 1;
    }
  g_set_error (p->error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "grammar, line %u, column %u: %s", line,
      (guint) g_utf8_strlen (begin, p->at - begin) + 1, what);
  return NULL;
}

static void
skip_space (Parser *p, gboolean newlines)
{
  for (;;) {
    if (*p->at == '#')
      while (*p->at && *p->at != '\n')
        p->at++;
    if (*p->at == ' ' || *p->at == '\t' || *p->at == '\r' ||
        (newlines && *p->at == '\n'))
      p->at++;
    else if (*p->at != '#')
      return;
  }
}

static gsize
name_length (const char *at)
{
  gsize n = 0;

  while (g_ascii_isalnum (at[n]) || at[n] == '-' || at[n] == '_')
    n++;
  return n;
}

/* ---- Characters --------------------------------------------------------- */

static gboolean
read_hex (Parser *p, guint digits, gunichar *c)
{
  *c = 0;
  for (guint i = 0; i < digits; i++, p->at++) {
    if (!g_ascii_isxdigit (*p->at)) {
      fail (p, "hexadecimal digit expected");
      return FALSE;
    }
    *c = *c * 16 + (gunichar) g_ascii_xdigit_value (*p->at);
  }
  if (*c > 0x10ffff || (*c >= 0xd800 && *c <= 0xdfff)) {
    fail (p, "not a character");
    return FALSE;
  }
  return TRUE;
}

static gboolean
read_escape (Parser *p, gunichar *c)
{
  static const char plain[] = "\"\\[]-^/'.";
  const char kind = *p->at;

  p->at += kind != '\0';
  switch (kind) {
    case 'x':
      return read_hex (p, 2, c);
    case 'u':
      return read_hex (p, 4, c);
    case 'U':
      return read_hex (p, 8, c);
    case 'n':
      *c = '\n';
      return TRUE;
    case 'r':
      *c = '\r';
      return TRUE;
    case 't':
      *c = '\t';
      return TRUE;
    default:
      break;
  }
  if (kind && strchr (plain, kind)) {
    *c = (guint8) kind;
    return TRUE;
  }
  p->at -= kind != '\0';
  fail (p, "unknown escape");
  return FALSE;
}

static gboolean
read_character (Parser *p, gunichar *c)
{
  if (!*p->at || *p->at == '\n') {
    fail (p, "the line ends within a literal or class");
    return FALSE;
  }
  if (*p->at == '\\') {
    p->at++;
    return read_escape (p, c);
  }
  *c = g_utf8_get_char (p->at);
  p->at = g_utf8_next_char (p->at);
  return TRUE;
}

static NevaExpression *
read_literal (Parser *p)
{
  g_autoptr (NevaExpression) self =
      neva_expression_new (NEVA_EXPRESSION_SEQUENCE);
  gunichar c;

  for (p->at++; *p->at != '"';) {
    if (!read_character (p, &c))
      return NULL;
    g_ptr_array_add (self->children, neva_expression_new_character (c));
  }
  p->at++;
  return g_steal_pointer (&self);
}

static NevaExpression *
read_class (Parser *p)
{
  g_autoptr (NevaExpression) self = neva_expression_new (NEVA_EXPRESSION_CLASS);

  p->at++;
  if (*p->at == '^') {
    self->negated = TRUE;
    p->at++;
  }
  while (*p->at != ']') {
    NevaCharRange range;

    if (!read_character (p, &range.lo))
      return NULL;
    range.hi = range.lo;
    if (p->at[0] == '-' && p->at[1] != ']') {
      p->at++;
      if (!read_character (p, &range.hi))
        return NULL;
      if (range.hi < range.lo)
        return fail (p, "the range ends before it begins");
    }
    g_array_append_val (self->ranges, range);
  }
  p->at++;
  return g_steal_pointer (&self);
}

/* ---- Expressions -------------------------------------------------------- */

static NevaExpression *read_choice (Parser *p, gboolean nested);

static NevaExpression *
read_group (Parser *p)
{
  g_autoptr (NevaExpression) self = NULL;

  if (++p->depth > MAX_DEPTH)
    return fail (p, "parentheses are nested too deeply");
  p->at++;
  self = read_choice (p, TRUE);
  if (!self)
    return NULL;
  if (*p->at != ')')
    return fail (p, "')' expected");
  p->at++;
  p->depth--;
  return g_steal_pointer (&self);
}

static NevaExpression *
read_reference (Parser *p)
{
  const gsize n = name_length (p->at);
  NevaExpression *self;

  if (!n)
    return fail (p, *p->at == '<' || *p->at == '!'
                        ? "references to tokens are not supported"
                        : "a literal, class, group or rule name expected");
  self = neva_expression_new (NEVA_EXPRESSION_RULE);
  self->rule = neva_network_find_rule (p->network, p->at, n);
  p->at += n;
  return self;
}

static NevaExpression *
read_item (Parser *p)
{
  NevaExpression *any;

  switch (*p->at) {
    case '"':
      return read_literal (p);
    case '[':
      return read_class (p);
    case '(':
      return read_group (p);
    case '.':
      p->at++;
      any = neva_expression_new (NEVA_EXPRESSION_CLASS);
      any->negated = TRUE;
      return any;
    default:
      return read_reference (p);
  }
}

static gboolean
read_count (Parser *p, guint *count)
{
  gboolean any = FALSE;

  skip_space (p, FALSE);
  for (*count = 0; g_ascii_isdigit (*p->at); p->at++, any = TRUE) {
    *count = *count * 10 + (guint) g_ascii_digit_value (*p->at);
    if (*count > MAX_REPEAT) {
      fail (p, "more repetitions than 10000");
      return FALSE;
    }
  }
  skip_space (p, FALSE);
  if (!any)
    fail (p, "a number of repetitions expected");
  return any;
}

static gboolean
read_braces (Parser *p, guint *min, guint *max)
{
  p->at++;
  if (!read_count (p, min))
    return FALSE;
  *max = *min;
  if (*p->at == ',') {
    p->at++;
    skip_space (p, FALSE);
    *max = NEVA_REPEAT_FOREVER;
    if (*p->at != '}' && !read_count (p, max))
      return FALSE;
  }
  if (*p->at != '}' || *max < *min) {
    fail (p, *p->at != '}' ? "'}' expected" : "fewer at most than at least");
    return FALSE;
  }
  p->at++;
  return TRUE;
}

/* An item with the repetitions behind it. */
static NevaExpression *
read_repeated (Parser *p)
{
  g_autoptr (NevaExpression) self = read_item (p);
  guint stacked = 0;

  while (self) {
    NevaExpression *repeat;
    guint min = 0, max = NEVA_REPEAT_FOREVER;

    skip_space (p, p->depth > 0);
    if (!*p->at || !strchr ("*+?{", *p->at))
      break;
    if (*p->at == '{') {
      if (!read_braces (p, &min, &max))
        return NULL;
    } else {
      min = *p->at == '+';
      max = *p->at == '?' ? 1 : NEVA_REPEAT_FOREVER;
      p->at++;
    }
    repeat = neva_expression_new (NEVA_EXPRESSION_REPEAT);
    repeat->min = min;
    repeat->max = max;
    g_ptr_array_add (repeat->children, g_steal_pointer (&self));
    self = repeat;
    if (++stacked > MAX_STACKED)
      return fail (p, "too many repetitions of one thing");
  }
  return g_steal_pointer (&self);
}

static NevaExpression *
read_sequence (Parser *p)
{
  g_autoptr (NevaExpression) self =
      neva_expression_new (NEVA_EXPRESSION_SEQUENCE);

  for (;;) {
    NevaExpression *item;

    skip_space (p, p->depth > 0);
    if (!*p->at || strchr ("|)\n", *p->at))
      return g_steal_pointer (&self);
    item = read_repeated (p);
    if (!item)
      return NULL;
    g_ptr_array_add (self->children, item);
  }
}

static NevaExpression *
read_choice (Parser *p, gboolean nested)
{
  g_autoptr (NevaExpression) self =
      neva_expression_new (NEVA_EXPRESSION_CHOICE);

  for (;;) {
    NevaExpression *sequence = read_sequence (p);
    const char *end = p->at;

    if (!sequence)
      return NULL;
    g_ptr_array_add (self->children, sequence);
    skip_space (p, TRUE);
    if (*p->at != '|') {
      if (!nested)
        p->at = end;
      return g_steal_pointer (&self);
    }
    p->at++;
    skip_space (p, TRUE);
  }
}

static gboolean
read_rule (Parser *p)
{
  const gsize n = name_length (p->at);
  g_autoptr (NevaExpression) expression = NULL;
  guint32 rule;

  if (!n) {
    fail (p, "a rule's name expected");
    return FALSE;
  }
  rule = neva_network_find_rule (p->network, p->at, n);
  if (neva_network_rule (p->network, rule)->defined) {
    fail (p, "this rule is defined already");
    return FALSE;
  }
  p->at += n;
  skip_space (p, FALSE);
  if (!g_str_has_prefix (p->at, "::=")) {
    fail (p, "'::=' expected");
    return FALSE;
  }
  p->at += 3;
  skip_space (p, TRUE);
  expression = read_choice (p, FALSE);
  if (!expression)
    return FALSE;
  skip_space (p, FALSE);
  if (*p->at && *p->at != '\n') {
    fail (p, "the end of the line expected");
    return FALSE;
  }
  neva_expression_define (expression, p->network, rule);
  return TRUE;
}

NevaGrammar *
neva_grammar_new_gbnf (const char *text, GError **error)
{
  g_autoptr (NevaGrammar) self = NULL;
  Parser p = {.start = text, .at = text, .error = error};
  gsize bad_at, n;

  g_return_val_if_fail (text != NULL, NULL);

  n = strlen (text);
  if (n > MAX_BYTES) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "grammar: %" G_GSIZE_FORMAT " bytes, at most %d are read", n,
        MAX_BYTES);
    return NULL;
  }
  if (!neva_utf8_valid ((const guint8 *) text, n, &bad_at)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "grammar: not UTF-8 at byte %" G_GSIZE_FORMAT, bad_at);
    return NULL;
  }
  self = neva_grammar_new_empty ();
  p.network = &self->network;
  for (skip_space (&p, TRUE); *p.at; skip_space (&p, TRUE))
    if (!read_rule (&p))
      return NULL;
  if (!neva_network_check (p.network, error))
    return NULL;
  return g_steal_pointer (&self);
}
