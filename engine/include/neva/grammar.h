/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an answer may look like: a list of choices, JSON of a schema, or a
 * grammar. Compiled once, then immutable and thread-safe; independent of any
 * model. An answer that is generated under a grammar is a complete sentence of
 * it, also when it reaches its token limit. NUL is never a part of one. */
#ifndef NEVA_GRAMMAR_H
#define NEVA_GRAMMAR_H

#include <glib.h>

G_BEGIN_DECLS

typedef struct _NevaGrammar NevaGrammar;

/* GBNF as llama.cpp reads it: `name ::= …`, the answer is `root`; literals,
 * classes, `.`, groups, `|`, `* + ?` and `{m,n}`, `#` comments. Left recursion,
 * rules without end and references to tokens (`<…>`) are refused.
 * Returns: (transfer full): NULL with NEVA_ERROR_BAD_INPUT naming line and
 * column, or the rule. */
NevaGrammar *neva_grammar_new_gbnf (const char *text, GError **error);

/* A JSON Schema: type, enum, const, properties, required,
 * additionalProperties, items, prefixItems, minItems, maxItems, minLength,
 * maxLength, minimum, maximum and the exclusive ones (of integers), format
 * (date, time, date-time, uuid), anyOf, oneOf (taken as anyOf), $ref within the
 * document; annotations are ignored. Members come in the order of the schema;
 * those it does not list are only written when additionalProperties allows it.
 * Returns: (transfer full): NULL with NEVA_ERROR_BAD_INPUT for text that is
 * not JSON or a keyword's wrong value, NEVA_ERROR_UNSUPPORTED for a keyword
 * that is not in the list; both name the keyword and where it is. */
NevaGrammar *neva_grammar_new_json_schema (const char *schema, GError **error);

/* One of the texts, NULL-terminated; at least one, none empty. */
NevaGrammar *neva_grammar_new_choices (
    const char *const *choices, GError **error);

NevaGrammar *neva_grammar_ref (NevaGrammar *grammar);
void neva_grammar_unref (NevaGrammar *grammar);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaGrammar, neva_grammar_unref)

G_END_DECLS

#endif /* NEVA_GRAMMAR_H */
