/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The tensors of a .nemo's ranks under Megatron-core's names (spec 4.8, 5.2,
 * 5.4). */
#ifndef NEVA_NEMO_PLAN_H
#define NEVA_NEMO_PLAN_H

#include "convert/origin.h"
#include "convert/out_tensor.h"

typedef struct {
  guint tp, pp;       /* ranks */
  guint vocab;        /* padded: a multiple of tp */
  guint divisible_by; /* make_vocab_size_divisible_by that gives it */
} NevaNemoShape;

/* How the model is cut; ranks that do not divide it are an error. n_pieces:
 * size of the tokenizer. */
gboolean neva_nemo_shape (NevaNemoShape *shape, const NevaOrigin *origin,
    guint tp, guint pp, gsize n_pieces, GError **error);

/* origin->config is changed to what the tensors then mean: a bias that one of
 * several matrices lacks becomes zeros, because NeMo has one switch. */
void neva_nemo_plan_config (NevaOrigin *origin, const NevaNemoShape *shape);
/* Returns: (transfer full): tensors of one rank. */
NevaOutList *neva_nemo_plan (const NevaOrigin *origin,
    const NevaNemoShape *shape, guint tp_rank, guint pp_rank, GError **error);

#endif /* NEVA_NEMO_PLAN_H */
