/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A grammar as a network over bytes: each rule is a small automaton whose edges
 * read a byte of a range, read nothing, or call a rule and go on behind it.
 *
 *   root ::= "a" list?        start -a-> . -call list-> . --> end
 *                                        `----nothing---------^
 *
 * Characters are spelled as UTF-8, so that a token may end anywhere in one. */
#ifndef NEVA_NETWORK_H
#define NEVA_NETWORK_H

#include <neva/grammar.h>

#define NEVA_NETWORK_MAX_STATES (1u << 18)
#define NEVA_NETWORK_MAX_RULES 4096
#define NEVA_COST_INFINITE G_MAXUINT32

typedef enum { NEVA_EDGE_BYTE, NEVA_EDGE_NOTHING, NEVA_EDGE_CALL } NevaEdgeKind;

typedef struct {
  guint32 next; /* of the same state; 0: none */
  guint32 to;
  guint32 rule; /* CALL */
  guint8 kind, lo, hi;
} NevaEdge;

typedef struct {
  char *name;
  guint32 start, end; /* states; the end has no edges */
  gboolean defined;
} NevaRule;

typedef struct {
  GArray *rules;  /* NevaRule */
  GArray *first;  /* guint32 by state: its first edge; 0: none */
  GArray *edges;  /* NevaEdge; 0 is not used */
  guint32 root;   /* rule */
  gboolean large; /* more states or rules were asked for */
} NevaNetwork;

/* NEVA_COST_INFINITE stays it. */
static inline guint32
neva_cost_add (guint32 a, guint32 b)
{
  return (guint32) MIN ((guint64) a + b, NEVA_COST_INFINITE);
}

struct _NevaGrammar {
  gatomicrefcount references;
  NevaNetwork network;
};

static inline const NevaRule *
neva_network_rule (const NevaNetwork *network, guint32 rule)
{
  return &g_array_index (network->rules, NevaRule, rule);
}

/* Walks the edges of a state:
 *   for (e = neva_network_edge (n, state); e; e = neva_network_next (n, e)) */
static inline const NevaEdge *
neva_network_at (const NevaNetwork *network, guint32 edge)
{
  return edge ? &g_array_index (network->edges, NevaEdge, edge) : NULL;
}

static inline const NevaEdge *
neva_network_edge (const NevaNetwork *network, guint32 state)
{
  return neva_network_at (
      network, g_array_index (network->first, guint32, state));
}

static inline const NevaEdge *
neva_network_next (const NevaNetwork *network, const NevaEdge *edge)
{
  return neva_network_at (network, edge->next);
}

NevaGrammar *neva_grammar_new_empty (void);

/* The rule of that name, made when it is new. */
guint32 neva_network_find_rule (
    NevaNetwork *network, const char *name, gsize length);
guint32 neva_network_add_state (NevaNetwork *network);
void neva_network_add_nothing (NevaNetwork *network, guint32 from, guint32 to);
void neva_network_add_call (
    NevaNetwork *network, guint32 from, guint32 to, guint32 rule);
void neva_network_add_byte (
    NevaNetwork *network, guint32 from, guint32 to, guint8 byte);
/* The characters [lo, hi], without surrogates and NUL, which ends C strings. */
void neva_network_add_characters (
    NevaNetwork *network, guint32 from, guint32 to, gunichar lo, gunichar hi);

/* By state: how many bytes at least until its rule ends, or
 * NEVA_COST_INFINITE. spellable [256]: bytes that can be had; NULL: all.
 * (transfer full) */
guint32 *neva_network_costs (
    const NevaNetwork *network, const gboolean *spellable);

/* Nothing is called that is not defined, no rule calls itself before it has
 * read a byte, every rule can end. */
gboolean neva_network_check (const NevaNetwork *network, GError **error);

#endif /* NEVA_NETWORK_H */
