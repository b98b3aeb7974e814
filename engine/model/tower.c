/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "tower.h"

#include <math.h>
#include <string.h>

typedef struct {
  float *norm1, *norm1_bias, *norm2, *norm2_bias;
  NevaMatrix q, k, v, out, fc1, fc2;
  float *q_bias, *k_bias, *v_bias, *out_bias, *fc1_bias, *fc2_bias;
} Layer;

struct _NevaTower {
  NevaTowerConfig c;
  guint n_layers;                  /* that are computed */
  gsize patches, rows, tokens;     /* of a frame: P, R, S */
  NevaMatrix patch;                /* [D, 3pp] */
  NevaMatrix positions;            /* [R, D], looked up */
  float *patch_bias, *class_token; /* [D], [class tokens, D] */
  float *pre_norm, *pre_norm_bias, *post_norm, *post_norm_bias;
  Layer *layers;
};

/* Scratch of one run; NULLs while counting. */
typedef struct {
  float *result;    /* [F*S, D]; lies first and outlives the run */
  float *patches;   /* [F*P, 3pp] */
  float *embedded;  /* [F*P, D] */
  float *positions; /* [R, D] */
  float *x, *h;     /* [F*R, D] */
  float *q, *k, *v; /* [F*R, D] */
  float *ffn;       /* [F*R, ffn] */
  guint8 *blocks;   /* keys and values: [F][pages] blocks */
} Scratch;

static void
load_layer (const NevaTowerConfig *c, NevaWeightStore *s, guint i, Layer *l)
{
  const gsize d = c->hidden, f = c->ffn;

#define VECTOR(n, name)                                                        \
  neva_weights_vector (                                                        \
      s, TRUE, n, 0, NEVA_PART_TOWER, "encoder.layers.%u." name, i)
#define GAMMA(n, name)                                                         \
  neva_weights_vector (s, TRUE, n, c->norms_1p ? 1 : 0, NEVA_PART_TOWER,       \
      "encoder.layers.%u." name, i)
#define MATRIX(m, n, k, name)                                                  \
  neva_weights_matrix (s, m, NEVA_ROLE_VISION, n, k, NEVA_PART_TOWER,          \
      "encoder.layers.%u." name, i)
  l->norm1 = GAMMA (d, "layer_norm1.weight");
  l->norm1_bias = VECTOR (d, "layer_norm1.bias");
  l->norm2 = GAMMA (d, "layer_norm2.weight");
  l->norm2_bias = VECTOR (d, "layer_norm2.bias");
  MATRIX (&l->q, d, d, "self_attn.q_proj.weight");
  MATRIX (&l->k, d, d, "self_attn.k_proj.weight");
  MATRIX (&l->v, d, d, "self_attn.v_proj.weight");
  MATRIX (&l->out, d, d, "self_attn.out_proj.weight");
  MATRIX (&l->fc1, f, d, "mlp.fc1.weight");
  MATRIX (&l->fc2, d, f, "mlp.fc2.weight");
  l->q_bias = VECTOR (d, "self_attn.q_proj.bias");
  l->k_bias = VECTOR (d, "self_attn.k_proj.bias");
  l->v_bias = VECTOR (d, "self_attn.v_proj.bias");
  l->out_bias = VECTOR (d, "self_attn.out_proj.bias");
  l->fc1_bias = VECTOR (f, "mlp.fc1.bias");
  l->fc2_bias = VECTOR (d, "mlp.fc2.bias");
#undef VECTOR
#undef GAMMA
#undef MATRIX
}

NevaTower *
neva_tower_load (const NevaTowerConfig *c, NevaWeightStore *s)
{
  const guint side = c->image_size / c->patch_size;
  const NevaPart part = NEVA_PART_TOWER;
  NevaTower *t = g_new0 (NevaTower, 1);

  t->c = *c;
  t->n_layers =
      (guint) (c->select_layer < 0 ? (gint) c->layers + 1 + c->select_layer
                                   : c->select_layer);
  t->patches = (gsize) side * side;
  t->rows = neva_tower_config_rows (c);
  t->tokens = t->rows - c->drop_rows;
  neva_weights_matrix (s, &t->patch, NEVA_ROLE_PATCHES, c->hidden,
      3 * (gsize) c->patch_size * c->patch_size, part,
      "embeddings.patch_embedding.weight");
  neva_weights_matrix (s, &t->positions, NEVA_ROLE_TABLE, t->rows, c->hidden,
      part, "embeddings.position_embedding.weight");
  t->patch_bias = neva_weights_vector (
      s, c->patch_bias, c->hidden, 0, part, "embeddings.patch_embedding.bias");
  t->class_token = neva_weights_vector (s, c->class_tokens > 0,
      (gsize) c->class_tokens * c->hidden, 0, part,
      "embeddings.class_embedding");
  /* the name is misspelt in the original */
  t->pre_norm = neva_weights_vector (s, c->pre_norm, c->hidden,
      c->pre_norm_1p ? 1 : 0, part, "pre_layrnorm.weight");
  t->pre_norm_bias = neva_weights_vector (
      s, c->pre_norm, c->hidden, 0, part, "pre_layrnorm.bias");
  t->post_norm = neva_weights_vector (s, c->post_norm, c->hidden,
      c->norms_1p ? 1 : 0, part, "post_layernorm.weight");
  t->post_norm_bias = neva_weights_vector (
      s, c->post_norm, c->hidden, 0, part, "post_layernorm.bias");
  t->layers = g_new0 (Layer, t->n_layers);
  for (guint i = 0; i < t->n_layers; i++)
    load_layer (c, s, i, &t->layers[i]);
  return t;
}

void
neva_tower_free (NevaTower *t)
{
  if (!t)
    return;
  g_free (t->layers);
  g_free (t);
}

guint
neva_tower_tokens (const NevaTower *t)
{
  return (guint) t->tokens;
}

static gsize
frame_pages (const NevaTower *t)
{
  return (t->rows + NEVA_KV_PAGE - 1) / NEVA_KV_PAGE;
}

static gsize
block_bytes (const NevaTower *t, NevaDType kv)
{
  return neva_kv_block_bytes (kv, 1, t->c.heads, t->c.hidden / t->c.heads);
}

/* Leaves the arena behind the result: the rest is free after the run. */
static Scratch
take_scratch (const NevaTower *t, NevaArena *a, NevaDType kv, gsize frames)
{
  const gsize d = t->c.hidden, rows = frames * t->rows, n = rows * d;
  Scratch s = {.result = neva_arena_floats (a, frames * t->tokens * d)};
  const gsize after_result = a->used;
  gsize after_x;

  s.x = neva_arena_floats (a, n);
  after_x = a->used;
  s.positions = neva_arena_floats (a, t->rows * d);
  s.patches = neva_arena_floats (a, frames * t->patches * t->patch.w.k);
  s.embedded = neva_arena_floats (a, frames * t->patches * d);

  a->used = after_x;
  s.h = neva_arena_floats (a, n);
  s.q = neva_arena_floats (a, n);
  s.k = neva_arena_floats (a, n);
  s.v = neva_arena_floats (a, n);
  s.ffn = neva_arena_floats (a, rows * t->c.ffn);
  s.blocks =
      neva_arena_take (a, frames * frame_pages (t) * block_bytes (t, kv));
  a->used = after_result;
  return s;
}

gsize
neva_tower_batch (const NevaTower *t, NevaDType kv, gsize bytes)
{
  NevaArena count = {0};

  take_scratch (t, &count, kv, 1);
  return MAX (1, bytes / count.peak);
}

static void
embed (const NevaTower *t, NevaBackend *b, const Scratch *s,
    const guint8 *const *pictures, const float table[3][256], gsize frames)
{
  const gsize d = t->c.hidden, p = t->patch.w.k;
  const gsize first = t->c.class_tokens;
  const NevaProduct product = {
      &t->patch, s->embedded, d, {.bias = t->patch_bias}};
  g_autofree gint32 *ids = g_new (gint32, t->rows);

  neva_backend_patches (
      b, s->patches, pictures, frames, t->c.image_size, t->c.patch_size, table);
  neva_backend_linear (b, s->patches, p, frames * t->patches, &product, 1);
  for (gsize i = 0; i < t->rows; i++)
    ids[i] = (gint32) i;
  neva_backend_gather (b, s->positions, d, &t->positions, ids, t->rows);
  for (gsize f = 0; f < frames; f++) {
    float *x = s->x + f * t->rows * d;

    if (first)
      neva_backend_copy_rows (b, x, d, t->class_token, d, first, d);
    neva_backend_copy_rows (b, x + first * d, d,
        s->embedded + f * t->patches * d, d, t->patches, d);
    neva_backend_add (b, x, s->positions, t->rows * d);
  }
  if (t->pre_norm)
    neva_backend_layer_norm (b, s->x, s->x, t->pre_norm, t->pre_norm_bias,
        frames * t->rows, d, t->c.eps);
}

static void
run_layer (const NevaTower *t, NevaBackend *b, const Scratch *s, const Layer *l,
    const NevaHeads *heads, const NevaSpan *spans, gsize frames)
{
  const gsize d = t->c.hidden, f = t->c.ffn, rows = frames * t->rows;
  const NevaProduct qkv[] = {{&l->q, s->q, d, {.bias = l->q_bias}},
      {&l->k, s->k, d, {.bias = l->k_bias}},
      {&l->v, s->v, d, {.bias = l->v_bias}}};
  const NevaProduct out = {
      &l->out, s->x, d, {.bias = l->out_bias, .add = true}};
  const NevaProduct fc1 = {
      &l->fc1, s->ffn, f, {.bias = l->fc1_bias, .act = t->c.act}};
  const NevaProduct fc2 = {
      &l->fc2, s->x, d, {.bias = l->fc2_bias, .add = true}};

  neva_backend_layer_norm (
      b, s->h, s->x, l->norm1, l->norm1_bias, rows, d, t->c.eps);
  neva_backend_linear (b, s->h, d, rows, qkv, 3);
  neva_backend_kv_store (b, heads, spans, frames, s->k, d, s->v, d);
  neva_backend_attention (b, heads, spans, frames, s->h, d, s->q, d);
  neva_backend_linear (b, s->h, d, rows, &out, 1);
  neva_backend_layer_norm (
      b, s->h, s->x, l->norm2, l->norm2_bias, rows, d, t->c.eps);
  neva_backend_linear (b, s->h, d, rows, &fc1, 1);
  neva_backend_linear (b, s->ffn, f, rows, &fc2, 1);
}

static void
run_layers (const NevaTower *t, NevaBackend *b, const Scratch *s, NevaDType kv,
    gsize frames)
{
  const gsize pages = frame_pages (t), bytes = block_bytes (t, kv);
  const gsize dim = t->c.hidden / t->c.heads;
  const NevaHeads heads = {.type = kv,
      .heads = t->c.heads,
      .kv_heads = t->c.heads,
      .head_dim = dim,
      .scale = (float) (1.0 / sqrt ((double) dim))};
  g_autofree NevaSpan *spans = g_new0 (NevaSpan, frames);
  g_autofree void **blocks = g_new (void *, frames *pages);

  for (gsize i = 0; i < frames * pages; i++)
    blocks[i] = s->blocks + i * bytes;
  for (gsize f = 0; f < frames; f++)
    spans[f] = (NevaSpan){.blocks = blocks + f * pages,
        .row = f * t->rows,
        .rows = t->rows,
        .kv_len = t->rows};
  /* slots behind the last row are read, with weight zero */
  neva_backend_clear (b, s->blocks, frames * pages * bytes);
  for (guint i = 0; i < t->n_layers; i++)
    run_layer (t, b, s, &t->layers[i], &heads, spans, frames);
  if (t->post_norm)
    neva_backend_layer_norm (b, s->x, s->x, t->post_norm, t->post_norm_bias,
        frames * t->rows, t->c.hidden, t->c.eps);
}

float *
neva_tower_run (const NevaTower *t, NevaBackend *b, NevaArena *arena,
    NevaDType kv, const guint8 *const *pictures, const float table[3][256],
    gsize frames)
{
  const Scratch s = take_scratch (t, arena, kv, frames);
  const gsize d = t->c.hidden;

  if (!arena->base)
    return NULL;
  embed (t, b, &s, pictures, table, frames);
  run_layers (t, b, &s, kv, frames);
  for (gsize f = 0; f < frames; f++)
    neva_backend_copy_rows (b, s.result + f * t->tokens * d, d,
        s.x + (f * t->rows + t->c.drop_rows) * d, d, t->tokens, d);
  return s.result;
}
