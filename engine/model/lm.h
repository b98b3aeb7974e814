/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The language model: rows of several sequences through all layers.
 *
 *   x [rows, H] -> { norm, q k v, rope, attention, out } + { norm, MLP } ...
 *               -> norm -> logits [wanted rows, vocab]
 *
 * Llama, Mistral and Qwen2 (and what NeMo configures: other norms, squared
 * ReLU, a rotary fraction) differ in NevaTextConfig only. */
#ifndef NEVA_LM_H
#define NEVA_LM_H

#include "arena.h"
#include "config.h"
#include "rope.h"
#include "shard.h"
#include "weights.h"

typedef struct _NevaLm NevaLm;

/* config: of the whole model; shard: what of it this rank holds, copied.
 * Weights stay the store's. Never NULL; ask neva_weights_finish (). */
NevaLm *neva_lm_load (const NevaTextConfig *config, const NevaShard *shard,
    NevaWeightStore *store);
void neva_lm_free (NevaLm *lm);

/* See neva_llava_round_rotary (). */
void neva_lm_round_rotary (NevaLm *lm);
/* Rows of one pass so that scratch stays within `bytes`; 64 to `most`. */
gsize neva_lm_batch (const NevaLm *lm, gsize bytes, gsize most);

/* Rows of one pass. Spans lie one after the other and cover all rows. */
typedef struct {
  gsize rows;
  NevaSpan *spans;
  gsize n_spans;
  const gint32 *ids;            /* [rows]; -1: by the leader's features */
  const float *const *features; /* [rows] host rows [H]; NULL: by id. NULL on
                                   ranks that follow */
  const guint8 *wanted;         /* [rows]: are its logits wanted? */
  float *const *logits; /* [rows] host [vocab], NULL where not wanted; NULL on
                           ranks that follow */
  /* [rows], NULL where no token is to be chosen: how, and what is; its row is
   * wanted. Not with several ranks */
  const NevaSampleRow *const *sample;
  NevaSampled *const *sampled;
} NevaPass;

/* All ranks run the same passes; the leader gets the logits. Whether another
 * rank was lost is the group's to say (neva_comm_check ()). Keys and values of
 * the pass's rows are stored in the spans' blocks. With a counting arena
 * nothing is computed, and only pass->rows is looked at. */
void neva_lm_run (const NevaLm *lm, NevaBackend *backend, NevaArena *arena,
    NevaDType kv, const NevaPass *pass);

#endif /* NEVA_LM_H */
