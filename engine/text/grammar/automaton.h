/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A grammar run over bytes, all readings side by side. What has been met once
 * is remembered: a set of readings is one object, and where a byte leads from
 * it is looked up from the second time on.
 *
 * A reading is a stack: the state in the innermost rule, and behind it the
 * states at which its callers go on. Not thread-safe. */
#ifndef NEVA_AUTOMATON_H
#define NEVA_AUTOMATON_H

#include "network.h"

typedef struct _NevaReading NevaReading;
struct _NevaReading {
  guint32 state;
  guint32 cost; /* bytes at least until the whole answer is complete */
  const NevaReading *caller; /* NULL: of root */
};

typedef struct _NevaReadings NevaReadings;
struct _NevaReadings {
  const NevaReading **readings; /* [n], each with a byte to read next */
  guint32 n;
  gboolean complete;   /* the answer may end here */
  guint32 cost;        /* the least; 0 when complete */
  NevaReadings **next; /* [256] what has been asked for; NULL: nothing yet */
  gpointer mask;       /* of the user, see free_mask */
};

typedef struct {
  NevaGrammar *grammar;
  guint32 *costs; /* by state */
  GHashTable *readings, *sets;
  gsize memory; /* bytes held by both, about */
  GDestroyNotify free_mask;
} NevaAutomaton;

/* spellable [256]: bytes that tokens can spell. (transfer full) */
NevaAutomaton *neva_automaton_new (
    NevaGrammar *grammar, const gboolean *spellable, GDestroyNotify free_mask);
void neva_automaton_free (NevaAutomaton *automaton);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaAutomaton, neva_automaton_free)

/* Before the first byte. All sets are owned by the automaton. */
NevaReadings *neva_automaton_start (NevaAutomaton *automaton);
/* After one more byte; a set without readings that is not complete: no
 * sentence goes on like that. */
NevaReadings *neva_automaton_next (
    NevaAutomaton *automaton, NevaReadings *from, guint8 byte);
/* The same set in another automaton of the same grammar. */
NevaReadings *neva_automaton_adopt (
    NevaAutomaton *automaton, const NevaReadings *foreign);

static inline gboolean
neva_readings_dead (const NevaReadings *set)
{
  return set->cost == NEVA_COST_INFINITE;
}

#endif /* NEVA_AUTOMATON_H */
