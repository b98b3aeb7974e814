/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The patterns of tokenizer.json: a literal string, or a regular expression
 * run by PCRE2 with bounds on its backtracking. Immutable; thread-safe. */
#ifndef NEVA_PATTERN_H
#define NEVA_PATTERN_H

#include <json-glib/json-glib.h>

typedef struct _NevaPattern NevaPattern;

/* A stretch of text, in bytes. */
typedef struct {
  gsize start, length;
  gboolean match;
} NevaSpan;

/* node: {"String": "…"}, {"Regex": "…"}, or a plain string (a literal). */
NevaPattern *neva_pattern_parse (JsonNode *node, GError **error);
NevaPattern *neva_pattern_new_regex (const char *regex, GError **error);
void neva_pattern_free (NevaPattern *pattern);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaPattern, neva_pattern_free)

/* Cuts text [length] (UTF-8) into matches and what lies between, none empty,
 * appended to `spans` (NevaSpan). NEVA_ERROR_BAD_INPUT when the expression
 * backtracks too much on this text. */
gboolean neva_pattern_cut (const NevaPattern *pattern, const char *text,
    gsize length, GArray *spans, GError **error);

#endif /* NEVA_PATTERN_H */
