/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "automaton.h"

/* ---- Readings ----------------------------------------------------------- */

static guint
reading_hash (gconstpointer key)
{
  const NevaReading *r = key;

  return r->state * 0x9e3779b1u ^ g_direct_hash (r->caller);
}

static gboolean
reading_equal (gconstpointer a, gconstpointer b)
{
  const NevaReading *x = a, *y = b;

  return x->state == y->state && x->caller == y->caller;
}

static const NevaReading *
intern (NevaAutomaton *self, guint32 state, const NevaReading *caller)
{
  const NevaReading key = {.state = state, .caller = caller};
  NevaReading *known = g_hash_table_lookup (self->readings, &key);

  if (!known) {
    known = g_memdup2 (&key, sizeof key);
    known->cost = neva_cost_add (self->costs[state], caller ? caller->cost : 0);
    g_hash_table_add (self->readings, known);
    self->memory += sizeof key + 3 * sizeof (gpointer);
  }
  return known;
}

/* ---- Sets --------------------------------------------------------------- */

static guint
set_hash (gconstpointer key)
{
  const NevaReadings *s = key;
  guint hash = s->complete;

  for (guint32 i = 0; i < s->n; i++)
    hash = hash * 31 + g_direct_hash (s->readings[i]);
  return hash;
}

static gboolean
set_equal (gconstpointer a, gconstpointer b)
{
  const NevaReadings *x = a, *y = b;

  return x->n == y->n && x->complete == y->complete &&
         (!x->n || memcmp (x->readings, y->readings,
                       x->n * sizeof *x->readings) == 0);
}

static void
set_free (gpointer data)
{
  NevaReadings *set = data;

  g_free (set->readings);
  g_free (set->next);
  g_free (set);
}

static int
compare_pointers (const void *a, const void *b)
{
  const guintptr x = *(const guintptr *) a, y = *(const guintptr *) b;

  return x < y ? -1 : x > y;
}

/* found: what was met, each once; takes over nothing. */
static NevaReadings *
intern_set (NevaAutomaton *self, GPtrArray *found, gboolean complete)
{
  NevaReadings key = {.complete = complete}, *known;

  if (found->len > 0)
    qsort (found->pdata, found->len, sizeof *found->pdata, compare_pointers);
  key.readings = (const NevaReading **) found->pdata;
  key.n = found->len;
  known = g_hash_table_lookup (self->sets, &key);
  if (known)
    return known;

  key.readings = g_memdup2 (key.readings, key.n * sizeof *key.readings);
  key.cost = complete ? 0 : NEVA_COST_INFINITE;
  for (guint32 i = 0; i < key.n; i++)
    key.cost = MIN (key.cost, key.readings[i]->cost);
  known = g_memdup2 (&key, sizeof key);
  g_hash_table_add (self->sets, known);
  self->memory += sizeof key + (key.n + 3) * sizeof (gpointer);
  return known;
}

/* What of a state is worth keeping: a byte to read. */
static gboolean
reads (const NevaNetwork *network, guint32 state)
{
  const NevaEdge *e = neva_network_edge (network, state);

  for (; e; e = neva_network_next (network, e))
    if (e->kind == NEVA_EDGE_BYTE)
      return TRUE;
  return FALSE;
}

/* Nothing is left of the rule behind this state: its caller need not know it.
 */
static gboolean
is_tail (const NevaNetwork *network, guint32 state)
{
  for (guint steps = 0; steps < 4; steps++) {
    const NevaEdge *e = neva_network_edge (network, state);

    if (!e)
      return TRUE;
    if (e->kind != NEVA_EDGE_NOTHING || e->next)
      return FALSE;
    state = e->to;
  }
  return FALSE;
}

typedef struct {
  NevaAutomaton *automaton;
  GPtrArray *waiting, *found; /* NevaReading */
  GHashTable *seen;
  gboolean complete;
} Closure;

static void
closure_add (Closure *c, guint32 state, const NevaReading *caller)
{
  const NevaReading *reading;

  if (c->automaton->costs[state] == NEVA_COST_INFINITE)
    return;
  reading = intern (c->automaton, state, caller);
  if (g_hash_table_add (c->seen, (gpointer) reading))
    g_ptr_array_add (c->waiting, (gpointer) reading);
}

static void
closure_visit (Closure *c, const NevaReading *r)
{
  const NevaNetwork *network = &c->automaton->grammar->network;
  const NevaEdge *e = neva_network_edge (network, r->state);

  if (!e && r->caller)
    closure_add (c, r->caller->state, r->caller->caller);
  else if (!e)
    c->complete = TRUE;
  if (reads (network, r->state))
    g_ptr_array_add (c->found, (gpointer) r);

  for (; e; e = neva_network_next (network, e)) {
    if (e->kind == NEVA_EDGE_NOTHING) {
      closure_add (c, e->to, r->caller);
    } else if (e->kind == NEVA_EDGE_CALL) {
      const guint32 start = neva_network_rule (network, e->rule)->start;

      if (is_tail (network, e->to))
        closure_add (c, start, r->caller);
      else if (c->automaton->costs[e->to] != NEVA_COST_INFINITE)
        closure_add (c, start, intern (c->automaton, e->to, r->caller));
    }
  }
}

static void
closure_init (Closure *c, NevaAutomaton *automaton)
{
  c->automaton = automaton;
  c->waiting = g_ptr_array_new ();
  c->found = g_ptr_array_new ();
  c->seen = g_hash_table_new (NULL, NULL);
  c->complete = FALSE;
}

static NevaReadings *
closure_end (Closure *c)
{
  NevaReadings *set;

  while (c->waiting->len > 0)
    closure_visit (
        c, g_ptr_array_steal_index_fast (c->waiting, c->waiting->len - 1));
  set = intern_set (c->automaton, c->found, c->complete);
  g_ptr_array_unref (c->waiting);
  g_ptr_array_unref (c->found);
  g_hash_table_unref (c->seen);
  return set;
}

/* ---- The automaton ------------------------------------------------------ */

NevaAutomaton *
neva_automaton_new (
    NevaGrammar *grammar, const gboolean *spellable, GDestroyNotify free_mask)
{
  NevaAutomaton *self = g_new0 (NevaAutomaton, 1);

  self->grammar = neva_grammar_ref (grammar);
  self->costs = neva_network_costs (&grammar->network, spellable);
  self->readings =
      g_hash_table_new_full (reading_hash, reading_equal, g_free, NULL);
  self->sets = g_hash_table_new_full (set_hash, set_equal, set_free, NULL);
  self->free_mask = free_mask;
  return self;
}

void
neva_automaton_free (NevaAutomaton *self)
{
  GHashTableIter iter;
  gpointer set;

  if (!self)
    return;

  g_hash_table_iter_init (&iter, self->sets);
  while (g_hash_table_iter_next (&iter, &set, NULL))
    if (((NevaReadings *) set)->mask)
      self->free_mask (((NevaReadings *) set)->mask);
  g_hash_table_unref (self->sets);
  g_hash_table_unref (self->readings);
  g_free (self->costs);
  neva_grammar_unref (self->grammar);
  g_free (self);
}

NevaReadings *
neva_automaton_start (NevaAutomaton *self)
{
  const NevaNetwork *network = &self->grammar->network;
  Closure c;

  closure_init (&c, self);
  closure_add (&c, neva_network_rule (network, network->root)->start, NULL);
  return closure_end (&c);
}

static NevaReadings *
step (NevaAutomaton *self, const NevaReadings *from, guint8 byte)
{
  const NevaNetwork *network = &self->grammar->network;
  Closure c;

  closure_init (&c, self);
  for (guint32 i = 0; i < from->n; i++) {
    const NevaReading *r = from->readings[i];
    const NevaEdge *e = neva_network_edge (network, r->state);

    for (; e; e = neva_network_next (network, e))
      if (e->kind == NEVA_EDGE_BYTE && e->lo <= byte && byte <= e->hi)
        closure_add (&c, e->to, r->caller);
  }
  return closure_end (&c);
}

NevaReadings *
neva_automaton_next (NevaAutomaton *self, NevaReadings *from, guint8 byte)
{
  if (!from->next) {
    from->next = g_new0 (NevaReadings *, 256);
    self->memory += 256 * sizeof *from->next;
  }
  if (!from->next[byte])
    from->next[byte] = step (self, from, byte);
  return from->next[byte];
}

static const NevaReading *
adopt (NevaAutomaton *self, const NevaReading *foreign)
{
  g_autoptr (GPtrArray) stack = g_ptr_array_new ();
  const NevaReading *caller = NULL;

  for (; foreign; foreign = foreign->caller)
    g_ptr_array_add (stack, (gpointer) foreign);
  for (guint i = stack->len; i-- > 0;)
    caller = intern (
        self, ((NevaReading *) g_ptr_array_index (stack, i))->state, caller);
  return caller;
}

NevaReadings *
neva_automaton_adopt (NevaAutomaton *self, const NevaReadings *foreign)
{
  g_autoptr (GPtrArray) found = g_ptr_array_new ();

  for (guint32 i = 0; i < foreign->n; i++)
    g_ptr_array_add (found, (gpointer) adopt (self, foreign->readings[i]));
  return intern_set (self, found, foreign->complete);
}
