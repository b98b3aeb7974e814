/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "lita.h"

#include <math.h>
#include <string.h>

#define POOLED_FRAMES 4

static gsize
side_of (gsize tokens)
{
  return (gsize) sqrt ((double) tokens);
}

static gsize
taken (const NevaConfig *c)
{
  return c->lita == NEVA_LITA_POOL ? POOLED_FRAMES : c->lita_frames;
}

gsize
neva_lita_rows (const NevaConfig *c, gsize frames, gsize tokens)
{
  const gsize half = side_of (tokens) / 2;

  if (!frames)
    return 0;
  switch (c->lita) {
    case NEVA_LITA_NONE:
      break;
    case NEVA_LITA_POOL:
      return frames + POOLED_FRAMES * half * half;
    case NEVA_LITA_SPATIAL:
      return frames + tokens;
    case NEVA_LITA_ALL:
      return c->lita_frames * tokens + frames;
  }
  return frames * tokens;
}

/* The k-th of n frames that are taken. */
static gsize
frame_taken (gsize frames, gsize n, gsize k)
{
  const double step = n > 1 ? (double) (frames - 1) / (double) (n - 1) : 0.0;

  if (n > 1 && k + 1 == n)
    return frames - 1;
  return (gsize) nearbyint ((double) k * step);
}

/* The mean of n rows that lie `stride` floats apart, summed in double. */
static void
mean (const float *from, gsize n, gsize stride, gsize width, float *to)
{
  for (gsize i = 0; i < width; i++) {
    double sum = 0;

    for (gsize r = 0; r < n; r++)
      sum += from[r * stride + i];
    to[i] = (float) (sum / (double) n);
  }
}

static void
pool (const float *frame, gsize side, gsize width, float *to)
{
  for (gsize y = 0; y + 1 < side; y += 2) {
    for (gsize x = 0; x + 1 < side; x += 2, to += width) {
      const float *a = frame + (y * side + x) * width;
      const float *b = a + side * width;

      for (gsize i = 0; i < width; i++)
        to[i] =
            (float) (((double) a[i] + a[width + i] + b[i] + b[width + i]) / 4);
    }
  }
}

static void
spatial_mean (
    const float *const *features, gsize frames, gsize floats, float *to)
{
  for (gsize i = 0; i < floats; i++) {
    double sum = 0;

    for (gsize f = 0; f < frames; f++)
      sum += features[f][i];
    to[i] = (float) (sum / (double) frames);
  }
}

void
neva_lita_combine (const NevaConfig *c, const float *const *features,
    gsize frames, gsize tokens, gsize width, float *rows)
{
  const gsize n = taken (c), side = side_of (tokens);
  float *temporal = rows;

  if (c->lita == NEVA_LITA_ALL) {
    for (gsize k = 0; k < n; k++)
      memcpy (rows + k * tokens * width, features[frame_taken (frames, n, k)],
          tokens * width * sizeof *rows);
    temporal += n * tokens * width;
  }
  for (gsize f = 0; f < frames; f++)
    mean (features[f], tokens, width, width, temporal + f * width);
  if (c->lita == NEVA_LITA_POOL) {
    for (gsize k = 0; k < n; k++)
      pool (features[frame_taken (frames, n, k)], side, width,
          rows + (frames + k * (side / 2) * (side / 2)) * width);
  } else if (c->lita == NEVA_LITA_SPATIAL) {
    spatial_mean (features, frames, tokens * width, rows + frames * width);
  }
}
