/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How much a model is inclined to say yes rather than no, from the logits of
 * the answer's first token. */
#ifndef NEVA_YES_NO_H
#define NEVA_YES_NO_H

#include "text/tokenizer.h"

typedef struct _NevaYesNo NevaYesNo;

/* Finds the tokens that begin "yes" and "no" in any case, with or without a
 * space before, or go on behind them with something other than a letter. ids
 * below `vocab` only. NEVA_ERROR_UNSUPPORTED when the vocabulary has none of
 * either. Returns: (transfer full) */
NevaYesNo *neva_yes_no_new (
    const NevaTokenizer *tokenizer, gsize vocab, GError **error);
void neva_yes_no_free (NevaYesNo *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaYesNo, neva_yes_no_free)

/* P(yes) / (P(yes) + P(no)) over all those tokens; NaN when no logit of them is
 * finite. */
double neva_yes_no_probability (const NevaYesNo *self, const float *logits);

#endif /* NEVA_YES_NO_H */
