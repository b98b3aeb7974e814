/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Grammars over the tokens of one model: which may come next.
 *
 *   logits --apply--> logits of what may come --sampler--> token --accept--.
 *      ^------------------------------------------------------------------'
 *
 * A token may come when the text can still become a sentence of the grammar
 * within the tokens that are left. One thread (the model's worker) uses a
 * constrainer and all its constraints. */
#ifndef NEVA_CONSTRAINT_H
#define NEVA_CONSTRAINT_H

#include <neva/grammar.h>
#include "text/tokenizer.h"

typedef struct _NevaConstrainer NevaConstrainer;
typedef struct _NevaConstraint NevaConstraint;

/* vocab: ids below it have logits. The tokenizer must outlive it. */
NevaConstrainer *neva_constrainer_new (
    const NevaTokenizer *tokenizer, gsize vocab);
void neva_constrainer_free (NevaConstrainer *constrainer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaConstrainer, neva_constrainer_free)

/* One answer. stop_ids [n_stop_ids]: tokens that end it, copied.
 * NEVA_ERROR_BAD_INPUT when max_tokens are too few for any sentence of the
 * grammar, or the vocabulary cannot spell one. */
NevaConstraint *neva_constraint_new (NevaConstrainer *constrainer,
    NevaGrammar *grammar, guint max_tokens, const gint32 *stop_ids,
    gsize n_stop_ids, GError **error);
void neva_constraint_free (NevaConstraint *constraint);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaConstraint, neva_constraint_free)

/* logits [n], n >= vocab: -infinity for what may not come. */
void neva_constraint_apply (NevaConstraint *constraint, float *logits, gsize n);
/* The same as bits of what may come, i % 64 of word i / 64 for id i < vocab:
 * valid until the next call. */
const guint64 *neva_constraint_allowed (NevaConstraint *constraint);
/* The token that was chosen. Returns: TRUE when the answer is complete and
 * nothing can follow. */
gboolean neva_constraint_accept (NevaConstraint *constraint, gint32 id);

#endif /* NEVA_CONSTRAINT_H */
