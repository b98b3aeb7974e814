/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Scratch of a forward pass: one allocation, handed out from the front. With
 * base NULL it only counts, so the same layout code sizes and uses it. Setting
 * `used` back gives memory to what comes later in the queue. */
#ifndef NEVA_ARENA_H
#define NEVA_ARENA_H

#include <glib.h>

typedef struct {
  guint8 *base;
  gsize used, peak;
} NevaArena;

/* `bytes` aligned to 64; NULL while counting. */
static inline void *
neva_arena_take (NevaArena *a, gsize bytes)
{
  const gsize at = a->used;

  a->used += (bytes + 63) / 64 * 64;
  a->peak = MAX (a->peak, a->used);
  return a->base ? a->base + at : NULL;
}

static inline float *
neva_arena_floats (NevaArena *a, gsize n)
{
  return neva_arena_take (a, n * sizeof (float));
}

#endif /* NEVA_ARENA_H */
