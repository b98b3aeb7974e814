/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mixture of experts in place of a layer's MLP, as Mixtral has it: the
 * router's best `used` experts per row, weighted by the softmax over their
 * logits alone. */
#ifndef NEVA_MOE_H
#define NEVA_MOE_H

#include "arena.h"
#include "config.h"
#include "weights.h"

typedef struct {
  NevaMatrix gate, up, down;
} NevaExpert;

typedef struct {
  guint n, used;
  NevaMatrix router; /* [n, H] */
  NevaExpert *experts;
} NevaMoe;

/* Weights stay the store's; clear () frees the rest. config->ffn: this rank's
 * share of each expert; the router is everybody's. */
void neva_moe_load (NevaMoe *moe, const NevaTextConfig *config, guint layer,
    NevaWeightStore *store);
void neva_moe_clear (NevaMoe *moe);

/* Scratch of one run over at most `rows` rows; NULLs while counting. */
typedef struct {
  float *logits;   /* [rows, n] */
  float *in, *out; /* [rows, H]: of one expert */
} NevaMoeScratch;

NevaMoeScratch neva_moe_scratch (
    const NevaTextConfig *config, NevaArena *arena, gsize rows);

/* x += experts (h), rows of width H; ffn: [rows, ffn] scratch. Each row
 * adds its experts in the order of their numbers, whatever else is in the call.
 */
void neva_moe_run (const NevaMoe *moe, const NevaTextConfig *config,
    NevaBackend *backend, const NevaMoeScratch *scratch, float *x,
    const float *h, float *ffn, gsize rows);

#endif /* NEVA_MOE_H */
