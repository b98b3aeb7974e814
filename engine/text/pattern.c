/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <string.h>
#include <neva/error.h>
#include "json_member.h"
#include "pattern.h"

/* Backtracking steps from one start position, and memory for them. Expressions
 * in use need a handful of steps per character that they run over; nested
 * repetitions need exponentially many. */
#define MATCH_LIMIT(length) (20000u + 16u * (guint32) MIN (length, 1u << 24))
#define HEAP_LIMIT_KIB 65536u
#define MAX_REGEX_BYTES 65536

struct _NevaPattern {
  char *literal; /* or code */
  gsize literal_length;
  pcre2_code *code;
};

static void
set_regex_error (
    GError **error, NevaError code, const char *what, int number, gsize at)
{
  PCRE2_UCHAR text[256] = "";

  pcre2_get_error_message (number, text, sizeof text);
  g_set_error (error, NEVA_ERROR, code, "%s at byte %" G_GSIZE_FORMAT ": %s",
      what, at, (const char *) text);
}

NevaPattern *
neva_pattern_new_regex (const char *regex, GError **error)
{
  NevaPattern *self;
  pcre2_code *code;
  PCRE2_SIZE at = 0;
  int number;

  if (strlen (regex) > MAX_REGEX_BYTES) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "regular expression longer than %d bytes", MAX_REGEX_BYTES);
    return NULL;
  }
  code = pcre2_compile ((PCRE2_SPTR) regex, PCRE2_ZERO_TERMINATED,
      PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &number, &at, NULL);
  if (!code) {
    set_regex_error (
        error, NEVA_ERROR_BAD_FILE, "regular expression", number, at);
    return NULL;
  }
  self = g_new0 (NevaPattern, 1);
  self->code = code;
  return self;
}

static NevaPattern *
new_literal (const char *text, GError **error)
{
  NevaPattern *self;

  if (!*text) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "an empty pattern string");
    return NULL;
  }
  self = g_new0 (NevaPattern, 1);
  self->literal = g_strdup (text);
  self->literal_length = strlen (text);
  return self;
}

NevaPattern *
neva_pattern_parse (JsonNode *node, GError **error)
{
  const char *text = NULL;

  if (node && JSON_NODE_HOLDS_OBJECT (node)) {
    JsonObject *object = json_node_get_object (node);

    if ((text = json_member_string (object, "Regex", NULL)))
      return neva_pattern_new_regex (text, error);
    text = json_member_string (object, "String", NULL);
  } else if (node && JSON_NODE_HOLDS_VALUE (node)) {
    text = json_node_get_string (node);
  }
  if (text)
    return new_literal (text, error);

  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "a pattern that is neither {\"String\"} nor {\"Regex\"}");
  return NULL;
}

void
neva_pattern_free (NevaPattern *self)
{
  if (!self)
    return;

  g_free (self->literal);
  pcre2_code_free (self->code);
  g_free (self);
}

static void
add_span (GArray *spans, gsize start, gsize end, gboolean match)
{
  const NevaSpan span = {start, end - start, match};

  if (end > start)
    g_array_append_val (spans, span);
}

static void
cut_literal (
    const NevaPattern *self, const char *text, gsize length, GArray *spans)
{
  gsize from = 0;

  for (;;) {
    const char *hit = memmem (
        text + from, length - from, self->literal, self->literal_length);
    gsize at;

    if (!hit)
      break;
    at = (gsize) (hit - text);
    add_span (spans, from, at, FALSE);
    from = at + self->literal_length;
    add_span (spans, at, from, TRUE);
  }
  add_span (spans, from, length, FALSE);
}

static gboolean
cut_regex (const NevaPattern *self, const char *text, gsize length,
    GArray *spans, GError **error)
{
  pcre2_match_context *context = pcre2_match_context_create (NULL);
  pcre2_match_data *match =
      pcre2_match_data_create_from_pattern (self->code, NULL);
  gsize from = 0, at = 0;
  int found = 0;

  pcre2_set_match_limit (context, MATCH_LIMIT (length));
  pcre2_set_heap_limit (context, HEAP_LIMIT_KIB);
  while (at < length) {
    const gsize *bounds;

    /* the caller's text is valid UTF-8: checking it again at each match would
     * make this quadratic */
    found = pcre2_match (self->code, (PCRE2_SPTR) text, length, at,
        PCRE2_NO_UTF_CHECK, match, context);
    if (found < 0)
      break;
    bounds = pcre2_get_ovector_pointer (match);
    /* \K can move the start behind or before where matching began */
    if (bounds[1] <= bounds[0] || bounds[0] < from) {
      const gsize next = MAX (at, bounds[1]);

      at = (gsize) (g_utf8_next_char (text + next) - text);
      continue;
    }
    add_span (spans, from, bounds[0], FALSE);
    add_span (spans, bounds[0], bounds[1], TRUE);
    from = at = bounds[1];
  }
  pcre2_match_data_free (match);
  pcre2_match_context_free (context);
  if (found < 0 && found != PCRE2_ERROR_NOMATCH) {
    set_regex_error (error, NEVA_ERROR_BAD_INPUT,
        "the tokenizer's expression gave up on the text", found, at);
    return FALSE;
  }
  add_span (spans, from, length, FALSE);
  return TRUE;
}

gboolean
neva_pattern_cut (const NevaPattern *self, const char *text, gsize length,
    GArray *spans, GError **error)
{
  if (self->code)
    return cut_regex (self, text, length, spans, error);

  cut_literal (self, text, length, spans);
  return TRUE;
}
