/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GBNF 0xff JSON Schema: both are compiled, and read a few bytes. */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"
#include "text/grammar/automaton.h"

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED ("root ::= expr\nexpr ::= term ((\"+\" | [-*]) term)*\nterm ::= "
               "[0-9]{1,4} | \"(\" expr \")\" # x\n\xff{}"),
    FUZZ_SEED ("root ::= \"\\x41\\u00e9\" [^a-z\\]]? . (\"a\"?)*\xff"
               "{\"type\":\"object\",\"properties\":{\"a\":{\"type\":"
               "\"integer\",\"minimum\":-3,\"maximum\":70},\"b\":{\"enum\":[1,"
               "\"x\"]}},\"required\":[\"a\"],\"additionalProperties\":true}"),
    FUZZ_SEED ("root ::= root\xff{\"$ref\":\"#/$defs/t\",\"$defs\":{\"t\":{"
               "\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/t\"},"
               "\"maxItems\":3}}}"),
    FUZZ_SEED ("root ::= ((((\xff{\"anyOf\":[{\"format\":\"date\"},{\"type\":["
               "\"null\",\"string\"],\"minLength\":2}]}"),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

static void
try (NevaGrammar *(*compile) (const char *, GError **), const char *text)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaGrammar) grammar = compile (text, &error);
  g_autoptr (NevaAutomaton) automaton = NULL;
  NevaReadings *at;

  if (!grammar == !error)
    abort ();
  if (!grammar)
    return;
  automaton = neva_automaton_new (grammar, NULL, g_free);
  at = neva_automaton_start (automaton);
  if (neva_readings_dead (at))
    abort ();
  for (gsize i = 0; i < 40 && text[i]; i++)
    at = neva_automaton_next (automaton, at, (guint8) text[i]);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *text =
      size ? g_strndup ((const char *) data, size) : g_strdup ("");
  char *schema = strchr (text, '\xff');

  if (size > 4096)
    return 0;
  if (schema)
    *schema++ = '\0';
  try (neva_grammar_new_gbnf, text);
  if (schema)
    try (neva_grammar_new_json_schema, schema);
  return 0;
}
