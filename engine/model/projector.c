/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "projector.h"

void
neva_projector_load (
    NevaProjector *p, const NevaConfig *config, NevaWeightStore *s)
{
  const gsize d = config->tower.hidden, h = config->text.hidden;
  const NevaPart part = NEVA_PART_PROJECTOR;

  p->act = config->projector_act;
  neva_weights_matrix (
      s, &p->linear1, NEVA_ROLE_VISION, h, d, part, "linear_1.weight");
  neva_weights_matrix (
      s, &p->linear2, NEVA_ROLE_VISION, h, h, part, "linear_2.weight");
  p->bias1 = neva_weights_vector (
      s, config->projector_bias, h, 0, part, "linear_1.bias");
  p->bias2 = neva_weights_vector (
      s, config->projector_bias, h, 0, part, "linear_2.bias");
}

float *
neva_projector_run (const NevaProjector *p, NevaBackend *b, NevaArena *arena,
    const float *x, gsize rows)
{
  const gsize h = p->linear1.w.n, d = p->linear1.w.k;
  float *inner = neva_arena_floats (arena, rows * h);
  float *result = neva_arena_floats (arena, rows * h);
  const NevaProduct first = {
      &p->linear1, inner, h, {.bias = p->bias1, .act = p->act}};
  const NevaProduct second = {&p->linear2, result, h, {.bias = p->bias2}};

  if (!arena->base)
    return NULL;
  neva_backend_linear (b, x, d, rows, &first, 1);
  neva_backend_linear (b, inner, h, rows, &second, 1);
  return result;
}
