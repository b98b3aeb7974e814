/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a change of exposure, of gain or of the light has done to a picture: the
 * smooth function of luma that explains most of the difference between two
 * grids of cells. What moves is in the minority, and does not count. */
#ifndef NEVA_VISION_TONE_H
#define NEVA_VISION_TONE_H

#include <glib.h>

/* Luma steps by which light or exposure changes from one frame to the next at
 * most, as seen by the median cell; beyond it, somebody did something: a lamp,
 * a hand before the lens, another picture. */
#define NEVA_TONE_MOST 64

/* y = x + c[0] + c[1] u + c[2] u^2, u = (x - 128) / 128. */
typedef struct {
  double c[3];
  double median;  /* of y - x */
  double noise;   /* standard deviation of what is left, robust */
  double tail;    /* the same by the tenth that is left most of: larger than
                     noise where the difference is not spread evenly */
  double inliers; /* part of the cells, 0..1, that it explains */
} NevaTone;

/* from, to: [n], 0..255. */
void neva_tone_fit (
    NevaTone *tone, const float *from, const float *to, guint n);

static inline float
neva_tone_apply (const NevaTone *tone, float x)
{
  const float u = (x - 128) / 128;
  const float y = x + (float) tone->c[0] + (float) tone->c[1] * u +
                  (float) tone->c[2] * u * u;

  return CLAMP (y, 0, 255);
}

#endif /* NEVA_VISION_TONE_H */
