/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "quantize/sites.h"
#include "convert/origin.h"

static void
site_free (gpointer data)
{
  NevaSite *s = data;

  g_ptr_array_unref (s->linears);
  g_free (s->watched);
  g_free (s->router);
  g_free (s->before);
  g_free (s);
}

/* `names`: of the linears below `stem`, the first is watched. before: NULL or a
 * name below it. */
static NevaSite *
add (GPtrArray *sites, const char *stem, const char *const *names, gsize k,
    NevaFold fold, const char *before)
{
  NevaSite *s = g_new0 (NevaSite, 1);

  s->linears = g_ptr_array_new_with_free_func (g_free);
  for (const char *const *n = names; *n; n++)
    g_ptr_array_add (s->linears, g_strconcat (stem, *n, NULL));
  s->watched = g_strconcat (stem, names[0], NULL);
  s->k = k;
  s->fold = fold;
  s->before = before ? g_strconcat (stem, before, NULL) : NULL;
  g_ptr_array_add (sites, s);
  return s;
}

static void
add_attention (GPtrArray *sites, const char *stem, const char *norm,
    const char *out, gsize hidden, guint heads, guint kv_heads, guint head_dim,
    gboolean plus_one)
{
  /* in the last layer keys see all rows, queries only some */
  static const char *const qkv[] = {
      "self_attn.k_proj", "self_attn.v_proj", "self_attn.q_proj", NULL};
  const char *const outs[] = {out, NULL};
  NevaSite *s = add (sites, stem, qkv, hidden, NEVA_FOLD_NORM, norm);

  s->plus_one = plus_one;
  s = add (sites, stem, outs, (gsize) heads * head_dim, NEVA_FOLD_VALUE,
      "self_attn.v_proj");
  s->heads = heads;
  s->kv_heads = kv_heads;
  s->head_dim = head_dim;
}

static void
add_tower (GPtrArray *sites, const NevaTowerConfig *t)
{
  static const char *const fc1[] = {"mlp.fc1", NULL};
  static const char *const fc2[] = {"mlp.fc2", NULL};
  const gint n = t->select_layer < 0 ? (gint) t->layers + 1 + t->select_layer
                                     : t->select_layer;

  for (gint i = 0; i < n; i++) {
    g_autofree char *stem =
        g_strdup_printf (NEVA_TOWER_PREFIX "encoder.layers.%d.", i);

    add_attention (sites, stem, "layer_norm1", "self_attn.out_proj", t->hidden,
        t->heads, t->heads, t->hidden / t->heads, t->norms_1p);
    add (sites, stem, fc1, t->hidden, NEVA_FOLD_NORM, "layer_norm2")->plus_one =
        t->norms_1p;
    add (sites, stem, fc2, t->ffn,
        t->act == NEVA_ACT_RELU2 ? NEVA_FOLD_SQUARED : NEVA_FOLD_NONE,
        t->act == NEVA_ACT_RELU2 ? "mlp.fc1" : NULL);
  }
}

static void
add_projector (GPtrArray *sites, const NevaConfig *c)
{
  const gboolean merge = c->projector_kind == NEVA_PROJECTOR_DOWNSAMPLE;
  gsize k = merge ? 4 * (gsize) c->tower.hidden : c->tower.hidden;

  if (c->projector_kind == NEVA_PROJECTOR_IDENTITY)
    return;
  for (guint i = 0; i < c->projector_layers; i++, k = c->text.hidden) {
    g_autofree char *name = g_strdup_printf ("linear_%u", i + 1);
    const char *const names[] = {name, NULL};
    const gboolean norm = merge && i == 0;

    add (sites, NEVA_PROJECTOR_PREFIX, names, k,
        norm ? NEVA_FOLD_NORM : NEVA_FOLD_NONE, norm ? "norm" : NULL);
  }
}

static void
add_mlp (GPtrArray *sites, const char *stem, const NevaTextConfig *t,
    gboolean plus_one)
{
  static const char *const gated[] = {"mlp.gate_proj", "mlp.up_proj", NULL};
  static const char *const down[] = {"mlp.down_proj", NULL};
  const NevaFold fold = t->gated                   ? NEVA_FOLD_ROWS
                        : t->act == NEVA_ACT_RELU2 ? NEVA_FOLD_SQUARED
                                                   : NEVA_FOLD_NONE;

  add (sites, stem, t->gated ? gated : gated + 1, t->hidden, NEVA_FOLD_NORM,
      "post_attention_layernorm")
      ->plus_one = plus_one;
  add (sites, stem, down, t->ffn, fold,
      fold == NEVA_FOLD_NONE ? NULL : "mlp.up_proj");
}

static void
add_experts (GPtrArray *sites, const char *stem, const NevaTextConfig *t,
    gboolean plus_one)
{
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  NevaSite *s;

  for (guint e = 0; e < t->experts; e++) {
    for (guint w = 1; w <= 3; w += 2)
      g_ptr_array_add (
          names, g_strdup_printf ("block_sparse_moe.experts.%u.w%u", e, w));
  }
  g_ptr_array_add (names, NULL);
  s = add (sites, stem, (const char *const *) names->pdata, t->hidden,
      NEVA_FOLD_NORM, "post_attention_layernorm");
  s->plus_one = plus_one;
  s->router = g_strconcat (stem, "block_sparse_moe.gate", NULL);
  g_free (s->watched);
  s->watched = g_strdup (s->router);
  for (guint e = 0; e < t->experts; e++) {
    g_autofree char *w2 = g_strdup_printf ("block_sparse_moe.experts.%u.w2", e);
    g_autofree char *w3 = g_strdup_printf ("block_sparse_moe.experts.%u.w3", e);
    const char *const down[] = {w2, NULL};

    add (sites, stem, down, t->ffn, NEVA_FOLD_ROWS, w3);
  }
}

GPtrArray *
neva_sites_new (const NevaConfig *c)
{
  GPtrArray *sites = g_ptr_array_new_with_free_func (site_free);
  const NevaTextConfig *t = &c->text;
  const gboolean plus_one = t->norm == NEVA_NORM_LAYER_1P;

  add_tower (sites, &c->tower);
  add_projector (sites, c);
  for (guint i = 0; i < t->layers; i++) {
    g_autofree char *stem = g_strdup_printf (NEVA_TEXT_PREFIX "layers.%u.", i);

    add_attention (sites, stem, "input_layernorm", "self_attn.o_proj",
        t->hidden, t->heads, t->kv_heads, t->head_dim, plus_one);
    if (t->experts)
      add_experts (sites, stem, t, plus_one);
    else
      add_mlp (sites, stem, t, plus_one);
  }
  return sites;
}

void
neva_site_share (const NevaSite *s, float *values, gboolean largest)
{
  const guint group = s->fold == NEVA_FOLD_VALUE ? s->heads / s->kv_heads : 1;

  for (gsize kv = 0; group > 1 && kv < s->kv_heads; kv++) {
    for (gsize d = 0; d < s->head_dim; d++) {
      float *first = values + kv * group * s->head_dim + d;
      double sum = 0, most = 0;

      for (guint g = 0; g < group; g++) {
        sum += first[g * s->head_dim];
        most = MAX (most, first[g * s->head_dim]);
      }
      for (guint g = 0; g < group; g++)
        first[g * s->head_dim] = (float) (largest ? most : sum / group);
    }
  }
}
