/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GBNF rules for JSON, written as text. Functions that return a rule's name
 * return it (transfer full). */
#ifndef NEVA_JSON_RULES_H
#define NEVA_JSON_RULES_H

#include <json-glib/json-glib.h>

/* Begins with the rules value, object, array, string, number, integer, boolean
 * and null. */
typedef struct _NevaJsonRules NevaJsonRules;

NevaJsonRules *neva_json_rules_new (void);
void neva_json_rules_free (NevaJsonRules *rules);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaJsonRules, neva_json_rules_free)
const char *neva_json_rules_text (const NevaJsonRules *rules);

/* A name that is not used yet. */
char *neva_json_rules_name (NevaJsonRules *rules);
void neva_json_rules_define (
    NevaJsonRules *rules, const char *name, const char *body);
/* A new rule. */
char *neva_json_rules_add (NevaJsonRules *rules, const char *body);

/* Appends literals of GBNF: the text; and the value as JSON. */
void neva_gbnf_append_literal (GString *out, const char *text);
void neva_json_rules_append_constant (GString *out, JsonNode *value);

typedef struct {
  const char *name, *value; /* value: its rule */
  gboolean required;
} NevaJsonMember;

/* The members in this order; others: the rule of other members' values, which
 * come behind; NULL: there are none. */
char *neva_json_rules_object (NevaJsonRules *rules,
    const NevaJsonMember *members, guint n, const char *others);
/* first [n]: rules of the first items; rest: of all others, or NULL. least and
 * most (-1: any number) count the rest. */
char *neva_json_rules_array (NevaJsonRules *rules, char *const *first, guint n,
    const char *rest, guint least, gint most);
/* Characters; most -1: any number. */
char *neva_json_rules_string (NevaJsonRules *rules, guint least, gint most);
/* NULL for a format that is not known. */
char *neva_json_rules_format (NevaJsonRules *rules, const char *format);
/* NULL: no bound. */
char *neva_json_rules_integer (
    NevaJsonRules *rules, const gint64 *low, const gint64 *high);

#endif /* NEVA_JSON_RULES_H */
