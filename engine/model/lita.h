/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LITA's rows of a video (spec 2.6), from the projected rows of its frames:
 *
 *   temporal   [F]     each frame's mean
 *   POOL       temporal, then 4 frames pooled 2x2          F + 4 (side / 2)^2
 *   SPATIAL    temporal, then the mean of all frames       F + S
 *   ALL        lita_frames frames as they are, temporal    n S + F
 *
 * The frames taken are round (linspace (0, F - 1, n)), halves to even. */
#ifndef NEVA_LITA_H
#define NEVA_LITA_H

#include "config.h"

/* Rows of a video of `frames` frames of `tokens` rows each. */
gsize neva_lita_rows (const NevaConfig *config, gsize frames, gsize tokens);
/* features [frames][tokens][width] -> rows [neva_lita_rows ()][width] */
void neva_lita_combine (const NevaConfig *config, const float *const *features,
    gsize frames, gsize tokens, gsize width, float *rows);

#endif /* NEVA_LITA_H */
