/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rotary position embedding: angles by position, as transformers computes them
 * (frequencies and angles in f32, so that long positions agree). */
#ifndef NEVA_ROPE_H
#define NEVA_ROPE_H

#include "config.h"

typedef struct {
  gsize rot;       /* elements of a head that turn */
  float *inv_freq; /* [rot / 2] */
} NevaRope;

void neva_rope_init (NevaRope *rope, const NevaTextConfig *config);
/* See neva_llava_round_rotary (). */
void neva_rope_round_bf16 (NevaRope *rope);
void neva_rope_clear (NevaRope *rope);
/* cosine, sine: [rot / 2] of one position. */
void neva_rope_angles (
    const NevaRope *rope, gsize position, float *cosine, float *sine);

#endif /* NEVA_ROPE_H */
