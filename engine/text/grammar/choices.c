/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <neva/error.h>
#include <neva/grammar.h>
#include "json_rules.h"

NevaGrammar *
neva_grammar_new_choices (const char *const *choices, GError **error)
{
  g_autoptr (GString) text = g_string_new ("root ::= ");

  if (!choices || !choices[0]) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "choices: there is none");
    return NULL;
  }
  for (guint i = 0; choices[i]; i++) {
    if (!*choices[i] || !g_utf8_validate (choices[i], -1, NULL)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "choices: number %u is empty or not UTF-8", i + 1);
      return NULL;
    }
    g_string_append (text, i ? " | " : "");
    neva_gbnf_append_literal (text, choices[i]);
  }
  return neva_grammar_new_gbnf (text->str, error);
}
