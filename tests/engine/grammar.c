/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Grammars as texts: what they accept, what they refuse to be. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "accepts.h"
#include "check.h"

typedef struct {
  const char *grammar;
  const char *yes[8], *no[10];
} Case;

static void
check_case (const Case *c)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaGrammar) grammar = neva_grammar_new_gbnf (c->grammar, &error);

  CHECK (grammar, "%s\n%s", c->grammar, error->message);
  if (!grammar)
    return;
  for (guint i = 0; i < G_N_ELEMENTS (c->yes) && c->yes[i]; i++)
    CHECK (accepts (grammar, c->yes[i]), "%s\n%s", c->grammar, c->yes[i]);
  for (guint i = 0; i < G_N_ELEMENTS (c->no) && c->no[i]; i++)
    CHECK (!accepts (grammar, c->no[i]), "%s\n%s", c->grammar, c->no[i]);
}

static const Case gbnf[] = {
    {"root ::= \"a\" | \"bc\"", {"a", "bc"}, {"", "b", "ac", "abc"}},
    {"root ::= [a-c]+ \"-\" [^a-c\\n]?", {"a-", "abccba-x", "b-é", "c-"},
        {"-", "a-a", "a-\n", "a-xx"}},
    {"root ::= \"x\"{2,4}", {"xx", "xxx", "xxxx"}, {"", "x", "xxxxx"}},
    {"root ::= \"x\"{3}", {"xxx"}, {"xx", "xxxx"}},
    {"root ::= \"x\"{2,} \"y\"*", {"xx", "xxxxxy", "xxyy"}, {"x", "xyx"}},
    {"# a comment\nroot ::= list # another\nlist ::=\n  \"(\" list? \")\"\n",
        {"()", "(())", "((()))"}, {"(", "())", ""}},
    {"root ::= (\"a\"\n  | \"b\" )+ \".\"\n", {"a.", "abba."}, {".", "ab"}},
    {"root ::= \"\\x41\\u00e9\\U0001F600\\\"\\\\\\[\" [\\]\\-^x]",
        {"Aé😀\"\\[]", "Aé😀\"\\[-", "Aé😀\"\\[^"}, {"Aé😀\"\\[", "A"}},
    {"root ::= . .", {"ab", "é😀", "\n\t"}, {"a", "é", "abc"}},
    {"root ::= [а-я]+", {"привет", "я"}, {"привет!", "z", ""}},
    {"root ::= [^\\u0800-\\uFFFF]", {"a", "é", "😀"}, {"€", "ab"}},
    {"root ::= (\"a\"?)* \"b\"", {"b", "aab"}, {"a", ""}},
    {"root ::= expr\nexpr ::= term ((\"+\" | \"-\") term)*\n"
     "term ::= [0-9]+ | \"(\" expr \")\"",
        {"1+2", "(1+(2-3))-44", "7"}, {"1+", "(1", ")", "1++2"}},
    {"root ::= \"\"", {""}, {"a"}},
    {"root ::= even | odd\neven ::= (\"a\" \"a\")*\nodd ::= \"a\" even",
        {"", "a", "aaaa"}, {"b"}},
};

static const struct {
  const char *grammar, *message;
} broken[] = {
    {"", "rule 'root' is not defined"},
    {"root ::= x", "rule 'x' is not defined"},
    {"root ::= root \"a\" | \"b\"", "rule 'root' calls itself"},
    {"root ::= a \"x\"\na ::= b\nb ::= \"y\"? root | \"z\"", "calls itself"},
    {"root ::= \"a\" root", "rule 'root' can never end"},
    {"root ::= []", "can never end"},
    {"root ::= [\\x00]", "can never end"},
    {"root = \"a\"", "line 1, column 6: '::=' expected"},
    {"root ::= \"a\nb\"", "line 1, column 12: the line ends"},
    {"\n\nroot ::= (\"a\"", "line 3, column 14: ')' expected"},
    {"root ::= [z-a]", "ends before it begins"},
    {"root ::= \"\\q\"", "unknown escape"},
    {"root ::= \"\\xZZ\"", "hexadecimal digit expected"},
    {"root ::= \"\\uD800\"", "not a character"},
    {"root ::= \"a\"{3,2}", "fewer at most than at least"},
    {"root ::= \"a\"{99999}", "more repetitions"},
    {"root ::= \"a\"{", "a number of repetitions expected"},
    {"root ::= <tool>", "references to tokens are not supported"},
    {"root ::= \"a\" ) \"b\"", "the end of the line expected"},
    {"root ::= \"a\"\nroot ::= \"b\"", "defined already"},
    {"root ::= (((\"a\"{900}){900}){900})", "or 262144 states"},
    {"root ::= \"\xff\"", "not UTF-8 at byte 10"},
};

static void
test_gbnf (void)
{
  for (guint i = 0; i < G_N_ELEMENTS (gbnf); i++)
    check_case (&gbnf[i]);

  for (guint i = 0; i < G_N_ELEMENTS (broken); i++) {
    g_autoptr (GError) error = NULL;
    g_autoptr (NevaGrammar) grammar =
        neva_grammar_new_gbnf (broken[i].grammar, &error);

    CHECK (!grammar && strstr (error->message, broken[i].message), "%s\n%s",
        broken[i].grammar, grammar ? "accepted" : error->message);
  }
}

static void
test_choices (void)
{
  static const char *const choices[] = {"yes", "no \"way\"", "[é]\n", NULL};
  static const char *const empty[] = {"yes", "", NULL};
  g_autoptr (NevaGrammar) grammar = neva_grammar_new_choices (choices, NULL);
  g_autoptr (GError) error = NULL;

  for (guint i = 0; choices[i]; i++)
    CHECK (grammar && accepts (grammar, choices[i]), "%s", choices[i]);
  CHECK (grammar && !accepts (grammar, "ye"), "half a choice");
  CHECK (!neva_grammar_new_choices (empty, &error), "an empty choice");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "number 2 is empty");
}

int
main (void)
{
  test_gbnf ();
  test_choices ();
  return check_finish ();
}
