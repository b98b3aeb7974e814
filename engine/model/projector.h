/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of the tower to rows of the decoder: linear, activation, linear. */
#ifndef NEVA_PROJECTOR_H
#define NEVA_PROJECTOR_H

#include "arena.h"
#include "config.h"
#include "weights.h"

typedef struct {
  NevaMatrix linear1, linear2; /* [H, Dv], [H, H] */
  float *bias1, *bias2;
  NevaAct act;
} NevaProjector;

/* Weights stay the store's; ask neva_weights_finish (). */
void neva_projector_load (
    NevaProjector *p, const NevaConfig *config, NevaWeightStore *store);

/* x [rows, Dv] -> [rows, H] in the arena (NULL while counting). */
float *neva_projector_run (const NevaProjector *p, NevaBackend *backend,
    NevaArena *arena, const float *x, gsize rows);

#endif /* NEVA_PROJECTOR_H */
