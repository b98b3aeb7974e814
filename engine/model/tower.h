/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CLIP or SigLIP vision tower up to the selected layer: pixels to rows.
 *
 *   [F][side, side, 3] -> patches [F*P, 3pp] -> [F*R, D] -> layers -> [F*S, D]
 *
 * F frames are one batch: matrix products see all rows, attention stays inside
 * a frame. P patches, R = P + class token, S = R - dropped rows. */
#ifndef NEVA_TOWER_H
#define NEVA_TOWER_H

#include "arena.h"
#include "config.h"
#include "weights.h"

typedef struct _NevaTower NevaTower;

/* Weights stay the store's. Never NULL; ask neva_weights_finish (). */
NevaTower *neva_tower_load (
    const NevaTowerConfig *config, NevaWeightStore *store);
void neva_tower_free (NevaTower *tower);

guint neva_tower_tokens (const NevaTower *tower); /* S */
/* Frames of one run so that scratch stays within `bytes`; at least 1. */
gsize neva_tower_batch (const NevaTower *tower, NevaDType kv, gsize bytes);

/* pictures: host [frames], each [side][side][3] of 8 bits; table: the number
 * that the tower sees for each of them (neva_preprocess_table ()). Returns
 * [frames * S][D] in the arena. With a counting arena nothing is computed. */
float *neva_tower_run (const NevaTower *tower, NevaBackend *backend,
    NevaArena *arena, NevaDType kv, const guint8 *const *pictures,
    const float table[3][256], gsize frames);

#endif /* NEVA_TOWER_H */
