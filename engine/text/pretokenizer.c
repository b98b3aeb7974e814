/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every type becomes one or more of four steps: put a character before a word,
 * replace characters, cut by a pattern with a rule about the matches, write
 * bytes as GPT-2's alphabet. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "bytelevel.h"
#include "json_member.h"
#include "pretokenizer.h"

/* GPT-2's expression, for ByteLevel with use_regex */
#define BYTE_LEVEL_REGEX                                                       \
  "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|"         \
  "\\s+(?!\\S)|\\s+"

typedef enum { PREFIX, SUBSTITUTE, CUT, BYTE_LEVEL } Kind;

typedef enum {
  REMOVED,
  ISOLATED,
  MERGED_WITH_PREVIOUS,
  MERGED_WITH_NEXT,
  CONTIGUOUS
} Behavior;

typedef enum { NEVER, FIRST, ALWAYS } Scheme;

typedef struct {
  Kind kind;
  char *content; /* PREFIX: put before; SUBSTITUTE: instead of a space */
  Scheme scheme; /* PREFIX */
  NevaPattern *pattern;
  Behavior behavior;
  gboolean invert;
} Step;

struct _NevaPretokenizer {
  GArray *steps;
};

static void
step_clear (gpointer data)
{
  Step *step = data;

  g_free (step->content);
  neva_pattern_free (step->pattern);
}

void
neva_pretokenizer_free (NevaPretokenizer *self)
{
  if (!self)
    return;

  g_array_unref (self->steps);
  g_free (self);
}

/* ---- Parsing ------------------------------------------------------------ */

static gboolean
parse_behavior (JsonObject *object, Behavior *behavior, GError **error)
{
  static const char *const names[] = {"Removed", "Isolated",
      "MergedWithPrevious", "MergedWithNext", "Contiguous"};
  const char *name = json_member_string (object, "behavior", "Isolated");

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    if (strcmp (name, names[i]) == 0) {
      *behavior = (Behavior) i;
      return TRUE;
    }
  }
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "pre-tokenizer behavior \"%s\" is not supported", name);
  return FALSE;
}

static gboolean
add_cut (GArray *steps, NevaPattern *pattern, Behavior behavior)
{
  const Step step = {.kind = CUT, .pattern = pattern, .behavior = behavior};

  if (pattern)
    g_array_append_val (steps, step);
  return pattern != NULL;
}

static void
add_prefix (GArray *steps, const char *content, Scheme scheme)
{
  const Step step = {
      .kind = PREFIX, .content = g_strdup (content), .scheme = scheme};

  if (scheme == NEVER)
    g_free (step.content);
  else
    g_array_append_val (steps, step);
}

static gboolean
parse_byte_level (GArray *steps, JsonObject *object, GError **error)
{
  const Step bytes = {.kind = BYTE_LEVEL};

  add_prefix (steps, " ",
      json_member_boolean (object, "add_prefix_space", TRUE) ? ALWAYS : NEVER);
  if (json_member_boolean (object, "use_regex", TRUE) &&
      !add_cut (
          steps, neva_pattern_new_regex (BYTE_LEVEL_REGEX, error), ISOLATED))
    return FALSE;

  g_array_append_val (steps, bytes);
  return TRUE;
}

static gboolean
parse_split (GArray *steps, JsonObject *object, GError **error)
{
  Behavior behavior;

  if (!parse_behavior (object, &behavior, error) ||
      !add_cut (steps,
          neva_pattern_parse (json_member (object, "pattern"), error),
          behavior))
    return FALSE;

  g_array_index (steps, Step, steps->len - 1).invert =
      json_member_boolean (object, "invert", FALSE);
  return TRUE;
}

static gboolean
parse_metaspace (GArray *steps, JsonObject *object, GError **error)
{
  const char *mark = json_member_string (object, "replacement", "\xe2\x96\x81");
  const char *scheme = json_member_string (object, "prepend_scheme",
      json_member_boolean (object, "add_prefix_space", TRUE) ? "always"
                                                             : "never");
  const Step substitute = {.kind = SUBSTITUTE, .content = g_strdup (mark)};
  g_autoptr (JsonNode) literal = json_node_new (JSON_NODE_VALUE);

  g_array_append_val (steps, substitute);
  if (strcmp (scheme, "always") != 0 && strcmp (scheme, "first") != 0 &&
      strcmp (scheme, "never") != 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "Metaspace prepend_scheme \"%s\" is not supported", scheme);
    return FALSE;
  }
  add_prefix (steps, mark,
      *scheme == 'a'   ? ALWAYS
      : *scheme == 'f' ? FIRST
                       : NEVER);
  if (!json_member_boolean (object, "split", TRUE))
    return TRUE;

  json_node_set_string (literal, mark);
  return add_cut (steps, neva_pattern_parse (literal, error), MERGED_WITH_NEXT);
}

static gboolean
parse_by_regex (
    GArray *steps, JsonObject *object, const char *type, GError **error)
{
  const char *regex = NULL;
  Behavior behavior = ISOLATED;
  g_autofree char *quoted = NULL;

  if (strcmp (type, "Digits") == 0) {
    regex = json_member_boolean (object, "individual_digits", FALSE)
                ? "\\p{N}"
                : "\\p{N}+";
  } else if (strcmp (type, "Whitespace") == 0) {
    regex = "\\s+";
    behavior = REMOVED;
    if (!add_cut (
            steps, neva_pattern_new_regex ("\\w+|[^\\w\\s]+", error), ISOLATED))
      return FALSE;
  } else if (strcmp (type, "WhitespaceSplit") == 0) {
    regex = "\\s+";
    behavior = REMOVED;
  } else if (strcmp (type, "Punctuation") == 0) {
    regex = "[!-/:-@\\[-`{-~]|\\p{P}";
    if (!parse_behavior (object, &behavior, error))
      return FALSE;
  } else if (strcmp (type, "CharDelimiterSplit") == 0) {
    quoted = g_strdup_printf (
        "\\Q%s\\E", json_member_string (object, "delimiter", " "));
    regex = quoted;
    behavior = REMOVED;
  } else {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "pre-tokenizer type \"%s\" is not supported", type);
    return FALSE;
  }
  return add_cut (steps, neva_pattern_new_regex (regex, error), behavior);
}

static gboolean
parse_node (GArray *steps, JsonNode *node, GError **error)
{
  JsonObject *object =
      JSON_NODE_HOLDS_OBJECT (node) ? json_node_get_object (node) : NULL;
  const char *type = json_member_string (object, "type", "(none)");
  JsonArray *list = json_member_array (object, "pretokenizers");

  if (strcmp (type, "Sequence") == 0 && list) {
    for (guint i = 0; i < json_array_get_length (list); i++)
      if (!parse_node (steps, json_array_get_element (list, i), error))
        return FALSE;
    return TRUE;
  }
  if (strcmp (type, "ByteLevel") == 0)
    return parse_byte_level (steps, object, error);
  if (strcmp (type, "Split") == 0)
    return parse_split (steps, object, error);
  if (strcmp (type, "Metaspace") == 0)
    return parse_metaspace (steps, object, error);
  return parse_by_regex (steps, object, type, error);
}

NevaPretokenizer *
neva_pretokenizer_parse (JsonNode *node, GError **error)
{
  g_autoptr (NevaPretokenizer) self = g_new0 (NevaPretokenizer, 1);

  self->steps = g_array_new (FALSE, FALSE, sizeof (Step));
  g_array_set_clear_func (self->steps, step_clear);
  if (node && !JSON_NODE_HOLDS_NULL (node) &&
      !parse_node (self->steps, node, error))
    return NULL;
  return g_steal_pointer (&self);
}

/* ---- Running ------------------------------------------------------------ */

/* Appends words for the pieces of one word, by what becomes of the matches. */
static void
merge_pieces (const Step *step, GArray *pieces, gsize base, GArray *words)
{
  const guint first = words->len;
  gboolean previous = FALSE;

  for (guint i = 0; i < pieces->len; i++) {
    NevaSpan piece = g_array_index (pieces, NevaSpan, i);
    NevaSpan *last = words->len > first
                         ? &g_array_index (words, NevaSpan, words->len - 1)
                         : NULL;
    const gboolean match = piece.match != step->invert;
    gboolean join = FALSE;

    switch (step->behavior) {
      case REMOVED:
      case ISOLATED:
        break;
      case MERGED_WITH_PREVIOUS:
        join = match && !previous;
        break;
      case MERGED_WITH_NEXT: /* a match waits for what is not one */
        join = !match && previous;
        break;
      case CONTIGUOUS:
        join = match == previous;
        break;
    }
    previous = match;
    piece.start += base;
    if (join && last)
      last->length += piece.length;
    else if (!(step->behavior == REMOVED && match))
      g_array_append_val (words, piece);
  }
}

static gboolean
cut (const Step *step, NevaWords *words, GError **error)
{
  g_autoptr (GArray) old = words->words;
  g_autoptr (GArray) pieces = g_array_new (FALSE, FALSE, sizeof (NevaSpan));

  words->words = g_array_new (FALSE, FALSE, sizeof (NevaSpan));
  for (guint i = 0; i < old->len; i++) {
    const NevaSpan *word = &g_array_index (old, NevaSpan, i);

    g_array_set_size (pieces, 0);
    if (!neva_pattern_cut (step->pattern, words->text->str + word->start,
            word->length, pieces, error))
      return FALSE;
    merge_pieces (step, pieces, word->start, words->words);
  }
  return TRUE;
}

/* Appends what the step makes of one word. */
static void
rewrite_word (const Step *step, const char *word, gsize length, gboolean first,
    GString *out)
{
  if (step->kind == BYTE_LEVEL) {
    neva_bytelevel_encode (word, length, out);
  } else if (step->kind == PREFIX) {
    if ((first || step->scheme == ALWAYS) &&
        !(length >= strlen (step->content) &&
            memcmp (word, step->content, strlen (step->content)) == 0))
      g_string_append (out, step->content);
    g_string_append_len (out, word, (gssize) length);
  } else {
    for (gsize i = 0; i < length; i++) {
      if (word[i] == ' ')
        g_string_append (out, step->content);
      else
        g_string_append_c (out, word[i]);
    }
  }
}

static void
rewrite (const Step *step, NevaWords *words, gboolean at_start)
{
  GString *out = g_string_sized_new (words->text->len);

  for (guint i = 0; i < words->words->len; i++) {
    NevaSpan *word = &g_array_index (words->words, NevaSpan, i);
    const gsize start = out->len;

    rewrite_word (step, words->text->str + word->start, word->length,
        at_start && i == 0 && word->start == 0, out);
    word->start = start;
    word->length = out->len - start;
  }
  g_string_free (words->text, TRUE);
  words->text = out;
}

gboolean
neva_pretokenizer_run (const NevaPretokenizer *self, NevaWords *words,
    gboolean at_start, GError **error)
{
  for (guint i = 0; i < self->steps->len; i++) {
    const Step *step = &g_array_index (self->steps, Step, i);

    if (step->kind != CUT)
      rewrite (step, words, at_start);
    else if (!cut (step, words, error))
      return FALSE;
  }
  return TRUE;
}
