/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "network.h"

static void
rule_clear (gpointer data)
{
  g_free (((NevaRule *) data)->name);
}

NevaGrammar *
neva_grammar_new_empty (void)
{
  NevaGrammar *self = g_new0 (NevaGrammar, 1);
  NevaNetwork *network = &self->network;

  g_atomic_ref_count_init (&self->references);
  network->rules = g_array_new (FALSE, TRUE, sizeof (NevaRule));
  g_array_set_clear_func (network->rules, rule_clear);
  network->first = g_array_new (FALSE, TRUE, sizeof (guint32));
  network->edges = g_array_new (FALSE, TRUE, sizeof (NevaEdge));
  g_array_set_size (network->edges, 1);
  network->root = neva_network_find_rule (network, "root", strlen ("root"));
  return self;
}

NevaGrammar *
neva_grammar_ref (NevaGrammar *self)
{
  g_return_val_if_fail (self != NULL, NULL);
  g_atomic_ref_count_inc (&self->references);
  return self;
}

void
neva_grammar_unref (NevaGrammar *self)
{
  g_return_if_fail (self != NULL);
  if (!g_atomic_ref_count_dec (&self->references))
    return;

  g_array_unref (self->network.rules);
  g_array_unref (self->network.first);
  g_array_unref (self->network.edges);
  g_free (self);
}

guint32
neva_network_find_rule (NevaNetwork *network, const char *name, gsize length)
{
  NevaRule rule = {NULL};

  for (guint i = 0; i < network->rules->len; i++) {
    const char *known = neva_network_rule (network, i)->name;

    if (strlen (known) == length && memcmp (known, name, length) == 0)
      return i;
  }
  if (network->rules->len >= NEVA_NETWORK_MAX_RULES) {
    network->large = TRUE;
    return 0;
  }
  rule.name = g_strndup (name, length);
  rule.start = neva_network_add_state (network);
  rule.end = neva_network_add_state (network);
  g_array_append_val (network->rules, rule);
  return network->rules->len - 1;
}

guint32
neva_network_add_state (NevaNetwork *network)
{
  const guint32 none = 0;

  if (network->first->len >= NEVA_NETWORK_MAX_STATES) {
    network->large = TRUE;
    return 0;
  }
  g_array_append_val (network->first, none);
  return network->first->len - 1;
}

static void
add_edge (NevaNetwork *network, guint32 from, NevaEdge edge)
{
  guint32 *first = &g_array_index (network->first, guint32, from);

  if (network->large)
    return;
  edge.next = *first;
  *first = network->edges->len;
  g_array_append_val (network->edges, edge);
}

void
neva_network_add_nothing (NevaNetwork *network, guint32 from, guint32 to)
{
  add_edge (network, from, (NevaEdge){.kind = NEVA_EDGE_NOTHING, .to = to});
}

void
neva_network_add_call (
    NevaNetwork *network, guint32 from, guint32 to, guint32 rule)
{
  add_edge (network, from,
      (NevaEdge){.kind = NEVA_EDGE_CALL, .to = to, .rule = rule});
}

static void
add_bytes (NevaNetwork *network, guint32 from, guint32 to, guint8 lo, guint8 hi)
{
  add_edge (network, from,
      (NevaEdge){.kind = NEVA_EDGE_BYTE, .to = to, .lo = lo, .hi = hi});
}

void
neva_network_add_byte (
    NevaNetwork *network, guint32 from, guint32 to, guint8 byte)
{
  add_bytes (network, from, to, byte, byte);
}

/* ---- Characters as bytes ------------------------------------------------ */

static gboolean
all_are (const char *bytes, gsize n, guint8 value)
{
  for (gsize i = 0; i < n; i++)
    if ((guint8) bytes[i] != value)
      return FALSE;
  return TRUE;
}

/* Sequences of n bytes between lo and hi (as numbers), whose bytes after the
 * first are continuation bytes. */
static void
add_sequences (NevaNetwork *network, guint32 from, guint32 to, const char *lo,
    const char *hi, gsize n)
{
  static const char least[] = "\x80\x80\x80", most[] = "\xbf\xbf\xbf";
  guint first = (guint8) lo[0], last = (guint8) hi[0];
  guint32 state;

  if (n == 1) {
    add_bytes (network, from, to, (guint8) first, (guint8) last);
    return;
  }
  if (first == last) {
    state = neva_network_add_state (network);
    add_bytes (network, from, state, (guint8) first, (guint8) first);
    add_sequences (network, state, to, lo + 1, hi + 1, n - 1);
    return;
  }
  if (!all_are (lo + 1, n - 1, 0x80)) {
    state = neva_network_add_state (network);
    add_bytes (network, from, state, (guint8) first, (guint8) first);
    add_sequences (network, state, to, lo + 1, most, n - 1);
    first++;
  }
  if (!all_are (hi + 1, n - 1, 0xbf)) {
    state = neva_network_add_state (network);
    add_bytes (network, from, state, (guint8) last, (guint8) last);
    add_sequences (network, state, to, least, hi + 1, n - 1);
    last--;
  }
  if (first <= last) {
    state = neva_network_add_state (network);
    add_bytes (network, from, state, (guint8) first, (guint8) last);
    add_sequences (network, state, to, least, most, n - 1);
  }
}

void
neva_network_add_characters (
    NevaNetwork *network, guint32 from, guint32 to, gunichar lo, gunichar hi)
{
  static const struct {
    gunichar lo, hi;
    gsize bytes;
  } planes[] = {{1, 0x7f, 1}, {0x80, 0x7ff, 2}, {0x800, 0xd7ff, 3},
      {0xe000, 0xffff, 3}, {0x10000, 0x10ffff, 4}};

  for (guint i = 0; i < G_N_ELEMENTS (planes); i++) {
    const gunichar a = MAX (lo, planes[i].lo), b = MIN (hi, planes[i].hi);
    char first[6], last[6];

    if (a > b)
      continue;
    g_unichar_to_utf8 (a, first);
    g_unichar_to_utf8 (b, last);
    add_sequences (network, from, to, first, last, planes[i].bytes);
  }
}

/* ---- Costs and checks --------------------------------------------------- */

static guint32
edge_cost (const NevaNetwork *network, const NevaEdge *edge,
    const guint32 *costs, const gboolean *spellable)
{
  const guint32 rest = costs[edge->to];

  switch ((NevaEdgeKind) edge->kind) {
    case NEVA_EDGE_NOTHING:
      return rest;
    case NEVA_EDGE_CALL:
      return neva_cost_add (
          costs[neva_network_rule (network, edge->rule)->start], rest);
    case NEVA_EDGE_BYTE:
      for (guint b = edge->lo; b <= edge->hi; b++)
        if (!spellable || spellable[b])
          return neva_cost_add (1, rest);
      break;
  }
  return NEVA_COST_INFINITE;
}

guint32 *
neva_network_costs (const NevaNetwork *network, const gboolean *spellable)
{
  const guint32 n = network->first->len;
  guint32 *costs = g_new (guint32, n);
  gboolean changed = TRUE;

  for (guint32 s = 0; s < n; s++)
    costs[s] = NEVA_COST_INFINITE;
  for (guint i = 0; i < network->rules->len; i++)
    costs[neva_network_rule (network, i)->end] = 0;

  /* States come in reading order: from the back one round does most. */
  while (changed) {
    changed = FALSE;
    for (guint32 s = n; s-- > 0;) {
      const NevaEdge *e = neva_network_edge (network, s);

      for (; e; e = neva_network_next (network, e)) {
        const guint32 cost = edge_cost (network, e, costs, spellable);

        if (cost < costs[s]) {
          costs[s] = cost;
          changed = TRUE;
        }
      }
    }
  }
  return costs;
}

typedef struct {
  const NevaNetwork *network;
  const guint32 *costs;
  guint8 *rule_seen; /* 1: being looked at, 2: done */
  GHashTable *states;
} Recursion;

static gboolean rule_is_sound (Recursion *r, guint32 rule, GError **error);

/* Follows what a rule may call before it has read anything. */
static gboolean
calls_are_sound (Recursion *r, guint32 state, GError **error)
{
  g_autoptr (GArray) stack = g_array_new (FALSE, FALSE, sizeof (guint32));

  g_array_append_val (stack, state);
  while (stack->len > 0) {
    const NevaEdge *e;

    state = g_array_index (stack, guint32, stack->len - 1);
    g_array_set_size (stack, stack->len - 1);
    if (!g_hash_table_add (r->states, GUINT_TO_POINTER (state + 1)))
      continue;
    e = neva_network_edge (r->network, state);
    for (; e; e = neva_network_next (r->network, e)) {
      if (e->kind == NEVA_EDGE_BYTE)
        continue;
      if (e->kind == NEVA_EDGE_CALL) {
        if (!rule_is_sound (r, e->rule, error))
          return FALSE;
        if (r->costs[neva_network_rule (r->network, e->rule)->start] != 0)
          continue;
      }
      g_array_append_val (stack, e->to);
    }
  }
  return TRUE;
}

static gboolean
rule_is_sound (Recursion *r, guint32 rule, GError **error)
{
  const NevaRule *it = neva_network_rule (r->network, rule);

  if (r->rule_seen[rule] == 2)
    return TRUE;
  if (r->rule_seen[rule] == 1) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "grammar: rule '%s' calls itself before it has read anything (left "
        "recursion)",
        it->name);
    return FALSE;
  }
  r->rule_seen[rule] = 1;
  if (!calls_are_sound (r, it->start, error))
    return FALSE;
  r->rule_seen[rule] = 2;
  return TRUE;
}

gboolean
neva_network_check (const NevaNetwork *network, GError **error)
{
  g_autofree guint32 *costs = NULL;
  g_autofree guint8 *seen = g_new0 (guint8, network->rules->len);
  g_autoptr (GHashTable) states = g_hash_table_new (NULL, NULL);
  Recursion recursion = {network, NULL, seen, states};

  if (network->large) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "grammar: more than %u rules or %u states", NEVA_NETWORK_MAX_RULES,
        NEVA_NETWORK_MAX_STATES);
    return FALSE;
  }
  for (guint i = 0; i < network->rules->len; i++)
    if (!neva_network_rule (network, i)->defined) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "grammar: rule '%s' is not defined",
          neva_network_rule (network, i)->name);
      return FALSE;
    }

  recursion.costs = costs = neva_network_costs (network, NULL);
  for (guint i = 0; i < network->rules->len; i++)
    if (costs[neva_network_rule (network, i)->start] == NEVA_COST_INFINITE) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "grammar: rule '%s' can never end",
          neva_network_rule (network, i)->name);
      return FALSE;
    }
  for (guint i = 0; i < network->rules->len; i++)
    if (!rule_is_sound (&recursion, i, error))
      return FALSE;
  return TRUE;
}
