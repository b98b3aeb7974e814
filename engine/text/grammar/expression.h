/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The right side of a rule, as a tree; building it twice into a network is how
 * repetitions become states. */
#ifndef NEVA_EXPRESSION_H
#define NEVA_EXPRESSION_H

#include "network.h"

typedef enum {
  NEVA_EXPRESSION_SEQUENCE, /* of children */
  NEVA_EXPRESSION_CHOICE,   /* one of the children */
  NEVA_EXPRESSION_CLASS,    /* one character */
  NEVA_EXPRESSION_RULE,
  NEVA_EXPRESSION_REPEAT /* the one child, min to max times */
} NevaExpressionKind;

#define NEVA_REPEAT_FOREVER G_MAXUINT

typedef struct {
  gunichar lo, hi;
} NevaCharRange;

typedef struct _NevaExpression NevaExpression;
struct _NevaExpression {
  NevaExpressionKind kind;
  GPtrArray *children; /* NevaExpression, owned; SEQUENCE, CHOICE, REPEAT */
  GArray *ranges;      /* NevaCharRange; CLASS */
  gboolean negated;    /* CLASS: none of the ranges */
  guint32 rule;
  guint min, max;
};

NevaExpression *neva_expression_new (NevaExpressionKind kind);
void neva_expression_free (NevaExpression *expression);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaExpression, neva_expression_free)

/* A class of the one character. */
NevaExpression *neva_expression_new_character (gunichar c);

/* Adds states and edges that read the expression, starting at `from`; returns
 * the state behind it. */
guint32 neva_expression_build (
    const NevaExpression *expression, NevaNetwork *network, guint32 from);

/* The rule becomes the expression. */
void neva_expression_define (
    const NevaExpression *expression, NevaNetwork *network, guint32 rule);

#endif /* NEVA_EXPRESSION_H */
