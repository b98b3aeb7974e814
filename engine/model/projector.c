/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "projector.h"

/* of the norm of a merging projector; the original has no key for it */
#define MERGE_EPS 1e-5f

void
neva_projector_load (
    NevaProjector *p, const NevaConfig *config, NevaWeightStore *s)
{
  const gboolean merge = config->projector_kind == NEVA_PROJECTOR_DOWNSAMPLE;
  const gsize d = config->tower.hidden, h = config->text.hidden;
  const NevaPart part = NEVA_PART_PROJECTOR;

  p->kind = config->projector_kind;
  p->act = config->projector_act;
  p->width = d;
  p->side = config->tower.image_size / config->tower.patch_size;
  p->layers = p->kind == NEVA_PROJECTOR_IDENTITY ? 0 : config->projector_layers;
  p->norm = neva_weights_vector (s, merge, 4 * d, 0, part, "norm.weight");
  p->norm_bias = neva_weights_vector (s, merge, 4 * d, 0, part, "norm.bias");
  for (guint i = 0; i < p->layers; i++) {
    neva_weights_matrix (s, &p->linear[i], NEVA_ROLE_VISION, h,
        i       ? h
        : merge ? 4 * d
                : d,
        part, "linear_%u.weight", i + 1);
    p->bias[i] = neva_weights_vector (
        s, config->projector_bias, h, 0, part, "linear_%u.bias", i + 1);
  }
}

gsize
neva_projector_tokens (const NevaProjector *p, gsize rows)
{
  const gsize blocks = (p->side + 1) / 2;

  return p->kind == NEVA_PROJECTOR_DOWNSAMPLE ? blocks * blocks : rows;
}

/* [side * side, D] of one frame to [blocks * blocks, 4 D]: for each quarter of
 * the blocks of one column, source rows two grid lines apart. */
static void
merge_frame (const NevaProjector *p, NevaBackend *b, float *dst, const float *x)
{
  const gsize d = p->width, side = p->side, blocks = (side + 1) / 2;

  for (gsize column = 0; column < blocks; column++) {
    for (gsize quarter = 0; quarter < 4; quarter++) {
      const gsize row = quarter / 2, at = 2 * column + quarter % 2;
      const gsize n = (side + 1 - row) / 2; /* blocks with this line in them */

      if (at < side)
        neva_backend_copy_rows (b, dst + column * blocks * 4 * d + quarter * d,
            4 * d, x + (row * side + at) * d, 2 * side * d, n, d);
    }
  }
}

static const float *
merge (const NevaProjector *p, NevaBackend *b, NevaArena *arena, const float *x,
    gsize frames, gsize rows)
{
  const gsize tokens = neva_projector_tokens (p, rows), d4 = 4 * p->width;
  float *merged = neva_arena_floats (arena, frames * tokens * d4);

  if (!arena->base)
    return NULL;
  neva_backend_clear (b, merged, frames * tokens * d4 * sizeof (float));
  for (gsize f = 0; f < frames; f++)
    merge_frame (p, b, merged + f * tokens * d4, x + f * rows * p->width);
  neva_backend_layer_norm (
      b, merged, merged, p->norm, p->norm_bias, frames * tokens, d4, MERGE_EPS);
  return merged;
}

float *
neva_projector_run (const NevaProjector *p, NevaBackend *b, NevaArena *arena,
    const float *x, gsize frames, gsize rows)
{
  const gsize m = frames * neva_projector_tokens (p, rows);
  const gsize h = p->layers ? p->linear[0].w.n : p->width;
  float *a = neva_arena_floats (arena, m * h);
  float *other = neva_arena_floats (arena, m * h);
  const float *in = x;
  gsize k = p->width;

  if (p->kind == NEVA_PROJECTOR_DOWNSAMPLE) {
    in = merge (p, b, arena, x, frames, rows);
    k *= 4;
  }
  if (!arena->base)
    return NULL;
  if (!p->layers)
    neva_backend_copy_rows (b, a, h, x, k, m, h);
  for (guint i = 0; i < p->layers; i++) {
    const NevaAct act = i + 1 < p->layers ? p->act : NEVA_ACT_NONE;
    float *out = i % 2 ? other : a;
    const NevaProduct product = {
        &p->linear[i], out, h, {.bias = p->bias[i], .act = act}};

    neva_backend_linear (b, in, k, m, &product, 1);
    in = out;
    k = h;
  }
  return p->layers && p->layers % 2 == 0 ? other : a;
}
