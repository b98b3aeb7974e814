/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of the tower to rows of the decoder (spec 2.2):
 *
 *   MLP         linear { act, linear }           S rows a frame
 *   DOWNSAMPLE  2x2 merge, layer norm, MLP       ceil(side/2)^2 rows a frame
 *   IDENTITY    nothing                          S rows a frame
 *
 * The merge pads an odd grid with zeros on the right and below, joins the rows
 * of a 2x2 block (top-left, top-right, bottom-left, bottom-right), and lists
 * the blocks column by column, as the original does. */
#ifndef NEVA_PROJECTOR_H
#define NEVA_PROJECTOR_H

#include "arena.h"
#include "config.h"
#include "weights.h"

typedef struct {
  NevaProjectorKind kind;
  gsize side, width;       /* of the tower's grid; Dv */
  float *norm, *norm_bias; /* [4 Dv], DOWNSAMPLE */
  guint layers;
  NevaMatrix linear[NEVA_MAX_PROJECTOR_LAYERS]; /* [H, Dv or 4 Dv], [H, H], … */
  float *bias[NEVA_MAX_PROJECTOR_LAYERS];
  NevaAct act;
} NevaProjector;

/* Weights stay the store's; ask neva_weights_finish (). */
void neva_projector_load (
    NevaProjector *p, const NevaConfig *config, NevaWeightStore *store);

/* Rows that a frame of `rows` tower rows becomes. */
gsize neva_projector_tokens (const NevaProjector *p, gsize rows);

/* x [frames * rows, Dv] -> [frames * tokens, H] in the arena (NULL while
 * counting). */
float *neva_projector_run (const NevaProjector *p, NevaBackend *backend,
    NevaArena *arena, const float *x, gsize frames, gsize rows);

#endif /* NEVA_PROJECTOR_H */
