/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Is a text a sentence of a grammar? */
#ifndef NEVA_TESTS_ACCEPTS_H
#define NEVA_TESTS_ACCEPTS_H

#include "text/grammar/automaton.h"

static inline gboolean
accepts (NevaGrammar *grammar, const char *text)
{
  g_autoptr (NevaAutomaton) automaton =
      neva_automaton_new (grammar, NULL, g_free);
  NevaReadings *at = neva_automaton_start (automaton);

  for (; *text; text++)
    at = neva_automaton_next (automaton, at, (guint8) *text);
  return at->complete;
}

#endif /* NEVA_TESTS_ACCEPTS_H */
