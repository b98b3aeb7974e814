/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Merges the files of tensor- and pipeline-parallel ranks (spec 4.8, 5.1):
 *   mp_rank_TT/model_weights.ckpt, tp_rank_TT_pp_rank_PPP/model_weights.ckpt */
#ifndef NEVA_NEMO_RANKS_H
#define NEVA_NEMO_RANKS_H

#include "checkpoint/bundle.h"
#include "checkpoint/tensor_set.h"

/* Adds the merged tensors; layer numbers count on from pipeline rank to
 * pipeline rank. A rank that is missing is an error that names it. */
gboolean neva_nemo_ranks_read (
    NevaBundle *bundle, gboolean gated, NevaTensorSet *set, GError **error);

#endif /* NEVA_NEMO_RANKS_H */
