/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdlib.h>
#include "expression.h"

NevaExpression *
neva_expression_new (NevaExpressionKind kind)
{
  NevaExpression *self = g_new0 (NevaExpression, 1);

  self->kind = kind;
  if (kind == NEVA_EXPRESSION_CLASS)
    self->ranges = g_array_new (FALSE, FALSE, sizeof (NevaCharRange));
  else if (kind != NEVA_EXPRESSION_RULE)
    self->children =
        g_ptr_array_new_with_free_func ((GDestroyNotify) neva_expression_free);
  return self;
}

void
neva_expression_free (NevaExpression *self)
{
  if (!self)
    return;

  g_clear_pointer (&self->children, g_ptr_array_unref);
  g_clear_pointer (&self->ranges, g_array_unref);
  g_free (self);
}

NevaExpression *
neva_expression_new_character (gunichar c)
{
  const NevaCharRange range = {c, c};
  NevaExpression *self = neva_expression_new (NEVA_EXPRESSION_CLASS);

  g_array_append_val (self->ranges, range);
  return self;
}

/* ---- Building ----------------------------------------------------------- */

static int
compare_ranges (const void *a, const void *b)
{
  const NevaCharRange *x = a, *y = b;

  return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static guint32
build_class (const NevaExpression *self, NevaNetwork *network, guint32 from)
{
  const guint32 to = neva_network_add_state (network);
  const NevaCharRange *ranges = (const NevaCharRange *) self->ranges->data;
  gunichar next = 0;

  if (!self->negated) {
    for (guint i = 0; i < self->ranges->len; i++)
      neva_network_add_characters (
          network, from, to, ranges[i].lo, ranges[i].hi);
    return to;
  }

  g_array_sort (self->ranges, compare_ranges);
  for (guint i = 0; i < self->ranges->len; i++) {
    if (ranges[i].lo > next)
      neva_network_add_characters (network, from, to, next, ranges[i].lo - 1);
    next = MAX (next, ranges[i].hi + 1);
  }
  neva_network_add_characters (network, from, to, next, 0x10ffff);
  return to;
}

static guint32
build_repeat (const NevaExpression *self, NevaNetwork *network, guint32 from)
{
  const NevaExpression *child = g_ptr_array_index (self->children, 0);
  guint32 out;

  for (guint i = 0; i < self->min && !network->large; i++)
    from = neva_expression_build (child, network, from);

  out = neva_network_add_state (network);
  if (self->max == NEVA_REPEAT_FOREVER) {
    const guint32 loop = neva_network_add_state (network);

    neva_network_add_nothing (network, from, loop);
    neva_network_add_nothing (
        network, neva_expression_build (child, network, loop), loop);
    neva_network_add_nothing (network, loop, out);
    return out;
  }
  neva_network_add_nothing (network, from, out);
  for (guint i = self->min; i < self->max && !network->large; i++) {
    from = neva_expression_build (child, network, from);
    neva_network_add_nothing (network, from, out);
  }
  return out;
}

guint32
neva_expression_build (
    const NevaExpression *self, NevaNetwork *network, guint32 from)
{
  guint32 to;

  if (network->large)
    return from;

  switch (self->kind) {
    case NEVA_EXPRESSION_SEQUENCE:
      for (guint i = 0; i < self->children->len; i++)
        from = neva_expression_build (
            g_ptr_array_index (self->children, i), network, from);
      return from;
    case NEVA_EXPRESSION_CHOICE:
      to = neva_network_add_state (network);
      for (guint i = 0; i < self->children->len; i++) {
        const guint32 start = neva_network_add_state (network);

        neva_network_add_nothing (network, from, start);
        neva_network_add_nothing (network,
            neva_expression_build (
                g_ptr_array_index (self->children, i), network, start),
            to);
      }
      return to;
    case NEVA_EXPRESSION_CLASS:
      return build_class (self, network, from);
    case NEVA_EXPRESSION_RULE:
      to = neva_network_add_state (network);
      neva_network_add_call (network, from, to, self->rule);
      return to;
    case NEVA_EXPRESSION_REPEAT:
      return build_repeat (self, network, from);
  }
  return from;
}

void
neva_expression_define (
    const NevaExpression *self, NevaNetwork *network, guint32 rule)
{
  const NevaRule it = *neva_network_rule (network, rule);

  neva_network_add_nothing (
      network, neva_expression_build (self, network, it.start), it.end);
  g_array_index (network->rules, NevaRule, rule).defined = TRUE;
}
