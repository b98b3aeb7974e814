/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include "moe.h"

void
neva_moe_load (
    NevaMoe *moe, const NevaTextConfig *c, guint layer, NevaWeightStore *s)
{
  const gsize h = c->hidden, f = c->ffn;

  moe->n = c->experts;
  moe->used = c->experts_used;
  moe->experts = g_new0 (NevaExpert, moe->n);
  /* the choice of experts is a cliff: the router is never quantised */
  neva_weights_matrix (s, &moe->router, NEVA_ROLE_ROUTER, moe->n, h,
      NEVA_PART_TEXT, "layers.%u.block_sparse_moe.gate.weight", layer);
  for (guint i = 0; i < moe->n; i++) {
    NevaExpert *e = &moe->experts[i];

#define MATRIX(m, split, n, k, name)                                           \
  neva_weights_matrix_part (s, m, NEVA_ROLE_TEXT, split, n, k, NEVA_PART_TEXT, \
      "layers.%u.block_sparse_moe.experts.%u." name, layer, i)
    MATRIX (&e->gate, NEVA_SPLIT_ROWS, f, h, "w1.weight");
    MATRIX (&e->up, NEVA_SPLIT_ROWS, f, h, "w3.weight");
    MATRIX (&e->down, NEVA_SPLIT_COLUMNS, h, f, "w2.weight");
#undef MATRIX
  }
}

void
neva_moe_clear (NevaMoe *moe)
{
  g_clear_pointer (&moe->experts, g_free);
}

NevaMoeScratch
neva_moe_scratch (const NevaTextConfig *c, NevaArena *arena, gsize rows)
{
  NevaMoeScratch s = {0};

  if (!c->experts)
    return s;
  s.logits = neva_arena_floats (arena, rows * c->experts);
  s.in = neva_arena_floats (arena, rows * c->hidden);
  s.out = neva_arena_floats (arena, rows * c->hidden);
  return s;
}

/* Share of each expert in one row, 0 for those that are not used. Of equal
 * logits the lower number wins. */
static void
route (const float *logits, guint n, guint used, float *share)
{
  double sum = 0, best = -INFINITY;

  for (guint i = 0; i < n; i++) {
    guint ahead = 0;

    for (guint j = 0; j < n; j++)
      ahead += logits[j] > logits[i] || (logits[j] == logits[i] && j < i);
    share[i] = ahead < used ? 1.0f : 0.0f;
    if (logits[i] > best)
      best = logits[i];
  }
  for (guint i = 0; i < n; i++)
    sum += share[i] > 0 ? exp ((double) logits[i] - best) : 0;
  for (guint i = 0; i < n; i++)
    share[i] =
        share[i] > 0 ? (float) (exp ((double) logits[i] - best) / sum) : 0.0f;
}

static void
run_expert (const NevaMoe *moe, const NevaTextConfig *c, NevaBackend *b,
    const NevaMoeScratch *s, guint expert, gsize rows, float *ffn)
{
  const NevaExpert *e = &moe->experts[expert];
  const gsize hidden = c->hidden, width = c->ffn;
  const NevaGated gated = {&e->gate, &e->up, NULL, NULL, c->act, ffn, width};
  const NevaProduct down = {&e->down, s->out, hidden, {0}};

  neva_backend_gated (b, s->in, hidden, rows, &gated);
  neva_backend_linear (b, ffn, width, rows, &down, 1);
}

void
neva_moe_run (const NevaMoe *moe, const NevaTextConfig *c, NevaBackend *b,
    const NevaMoeScratch *s, float *x, const float *h, float *ffn, gsize rows)
{
  const gsize hidden = c->hidden;
  const NevaProduct router = {&moe->router, s->logits, moe->n, {0}};
  g_autofree float *logits = g_new (float, rows * moe->n);
  g_autofree float *share = g_new (float, rows * moe->n);
  g_autofree float *scale = g_new (float, rows);
  g_autofree gsize *chosen = g_new (gsize, rows);

  neva_backend_linear (b, h, hidden, rows, &router, 1);
  neva_backend_download (b, logits, s->logits, rows * moe->n * sizeof (float));
  for (gsize r = 0; r < rows; r++)
    route (logits + r * moe->n, moe->n, moe->used, share + r * moe->n);

  for (guint e = 0; e < moe->n; e++) {
    gsize n = 0;

    for (gsize r = 0; r < rows; r++) {
      if (!(share[r * moe->n + e] > 0))
        continue;
      neva_backend_copy_rows (
          b, s->in + n * hidden, hidden, h + r * hidden, hidden, 1, hidden);
      scale[n] = share[r * moe->n + e];
      chosen[n++] = r;
    }
    if (!n)
      continue;
    run_expert (moe, c, b, s, e, n, ffn);
    neva_backend_add_rows (
        b, x, hidden, chosen, s->out, hidden, scale, n, hidden);
  }
}
