/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <neva/error.h>
#include "convert/nemo_plan.h"

#define VOCAB_STEP 128u /* NeMo's own default */
#define LAYER NEVA_TEXT_PREFIX "layers.%u."
#define MEDIA                                                                  \
  "model.embedding.word_embeddings.adapter_layer."                             \
  "mm_projector_adapter.mm_projector."

/* One rank, and for each layer its number here and in the source. */
typedef struct {
  const NevaOrigin *o;
  const NevaTextConfig *t;
  const NevaNemoShape *shape;
  guint rank; /* tensor-parallel */
  NevaOutList *list;
  GError **error;
} Plan;

/* ---- Shape -------------------------------------------------------------- */

static gboolean
divides (
    const char *what, guint value, const char *ranks, guint n, GError **error)
{
  if (value % n == 0)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "%u %s cannot be split over %u %s ranks", value, what, n, ranks);
  return FALSE;
}

static gsize
round_up (gsize n, gsize step)
{
  return (n + step - 1) / step * step;
}

gboolean
neva_nemo_shape (NevaNemoShape *shape, const NevaOrigin *o, guint tp, guint pp,
    gsize n_pieces, GError **error)
{
  const NevaTextConfig *t = &o->config.text;
  const gsize rows = round_up (MAX (n_pieces, t->vocab), VOCAB_STEP * tp);

  if (!divides ("KV groups", t->kv_heads, "tensor-parallel", tp, error) ||
      !divides ("columns of the MLP", t->ffn, "tensor-parallel", tp, error) ||
      !divides ("layers", t->layers, "pipeline-parallel", pp, error))
    return FALSE;
  *shape = (NevaNemoShape){tp, pp, (guint) rows, VOCAB_STEP};
  /* NeMo pads the tokenizer's size; a model may have more rows than that */
  if (round_up (n_pieces, VOCAB_STEP * tp) != rows)
    shape->divisible_by = (guint) rows / tp;
  return TRUE;
}

void
neva_nemo_plan_config (NevaOrigin *o, const NevaNemoShape *shape)
{
  NevaConfig *c = &o->config;

  /* NeMo's tokenizer gets more pieces, and those no meaning */
  if (!c->sampled_vocab && !c->nemo)
    c->sampled_vocab =
        (guint) MIN (c->text.vocab, neva_tokenizer_size (o->tokenizer));
  c->text.vocab = shape->vocab;
  if (c->text.out_bias || (c->text.mlp_bias && !c->text.experts))
    c->text.qkv_bias = c->text.out_bias = c->text.mlp_bias = TRUE;
  c->projector_bias = TRUE;
  if (neva_origin_is_linear (o)) {
    c->projector_layers = 1;
    c->projector_act = NEVA_ACT_GELU_ERF; /* unused, and NeMo's */
  }
}

/* ---- Tensors ------------------------------------------------------------ */

/* Its own share of n rows. */
static gboolean
share (const Plan *p, NevaOutTensor *t, const NevaTensorView *from, gsize n)
{
  const gsize part = n / p->shape->tp;

  return from && neva_out_rows (t, from, p->rank * part, part, p->error);
}

/* The same columns of every row. */
static gboolean
share_columns (
    const Plan *p, NevaOutTensor *t, const NevaTensorView *from, gsize n)
{
  const gsize part = n / p->shape->tp;

  return from && neva_out_block (t, from, 0, from->shape[0], p->rank * part,
                     part, p->error);
}

static gboolean
whole (const Plan *p, const NevaTensorView *from, const char *name)
{
  return from &&
         neva_out_whole (neva_out_add (p->list, "%s", name), from, p->error);
}

static const NevaTensorView *
need (const Plan *p, guint layer, const char *name)
{
  return neva_origin_need (p->o, p->error, LAYER "%s", layer, name);
}

/* A bias, or NULL: zeros where others have one. */
static const NevaTensorView *
bias_of (const Plan *p, guint layer, const char *name)
{
  return neva_origin_find (p->o, LAYER "%s.bias", layer, name);
}

/* Per KV group its query heads, its key head, its value head. */
static gboolean
add_qkv (const Plan *p, NevaOutTensor *out, const NevaTensorView *q,
    const NevaTensorView *k, const NevaTensorView *v)
{
  const gsize d = p->t->head_dim, groups = p->t->kv_heads / p->shape->tp;
  const gsize per_group = p->t->heads / p->t->kv_heads;

  for (gsize i = 0; i < groups; i++) {
    const gsize g = p->rank * groups + i;

    if (!neva_out_rows (out, q, g * per_group * d, per_group * d, p->error) ||
        !neva_out_rows (out, k, g * d, d, p->error) ||
        !neva_out_rows (out, v, g * d, d, p->error))
      return FALSE;
  }
  return TRUE;
}

static gboolean
plan_attention (const Plan *p, guint layer, const char *to)
{
  const gsize q = (gsize) p->t->heads * p->t->head_dim;
  const NevaTensorView *w[3], *b[3], *out;
  static const char *const names[] = {
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};
  NevaOutTensor *t =
      neva_out_add (p->list, "%sself_attention.linear_qkv.weight", to);

  for (guint i = 0; i < 3; i++) {
    w[i] =
        neva_origin_need (p->o, p->error, LAYER "%s.weight", layer, names[i]);
    if (!w[i])
      return FALSE;
    b[i] = bias_of (p, layer, names[i]);
  }
  if (!add_qkv (p, t, w[0], w[1], w[2]))
    return FALSE;
  if (p->t->qkv_bias) {
    t = neva_out_add (p->list, "%sself_attention.linear_qkv.bias", to);
    if (!b[0] || !b[1] || !b[2])
      neva_out_vector (t, w[0]->dtype,
          (q + 2 * (gsize) p->t->kv_heads * p->t->head_dim) / p->shape->tp);
    else if (!add_qkv (p, t, b[0], b[1], b[2]))
      return FALSE;
  }
  out = need (p, layer, "self_attn.o_proj.weight");
  t = neva_out_add (p->list, "%sself_attention.linear_proj.weight", to);
  if (!share_columns (p, t, out, q))
    return FALSE;
  if (!p->t->out_bias)
    return TRUE;
  t = neva_out_add (p->list, "%sself_attention.linear_proj.bias", to);
  if ((b[0] = bias_of (p, layer, "self_attn.o_proj")))
    return neva_out_whole (t, b[0], p->error);
  neva_out_vector (t, out->dtype, p->t->hidden);
  return TRUE;
}

/* Gate rows, then up rows; or up alone. */
static gboolean
add_fc1 (const Plan *p, NevaOutTensor *t, const NevaTensorView *gate,
    const NevaTensorView *up)
{
  return (!p->t->gated || share (p, t, gate, p->t->ffn)) &&
         share (p, t, up, p->t->ffn);
}

static gboolean
plan_mlp (const Plan *p, guint layer, const char *to)
{
  const gsize f = p->t->ffn;
  const NevaTensorView *gate =
      p->t->gated ? need (p, layer, "mlp.gate_proj.weight") : NULL;
  const NevaTensorView *up = need (p, layer, "mlp.up_proj.weight"), *down, *b;
  const NevaTensorView *gate_bias = bias_of (p, layer, "mlp.gate_proj");
  const NevaTensorView *up_bias = bias_of (p, layer, "mlp.up_proj");
  NevaOutTensor *t = neva_out_add (p->list, "%smlp.linear_fc1.weight", to);

  if (!up || !add_fc1 (p, t, gate, up))
    return FALSE;
  down = need (p, layer, "mlp.down_proj.weight");
  t = neva_out_add (p->list, "%smlp.linear_fc2.weight", to);
  if (!share_columns (p, t, down, f))
    return FALSE;
  if (!p->t->mlp_bias)
    return TRUE;
  t = neva_out_add (p->list, "%smlp.linear_fc1.bias", to);
  if (!up_bias || (p->t->gated && !gate_bias))
    neva_out_vector (t, up->dtype, (p->t->gated ? 2 : 1) * f / p->shape->tp);
  else if (!add_fc1 (p, t, gate_bias, up_bias))
    return FALSE;
  t = neva_out_add (p->list, "%smlp.linear_fc2.bias", to);
  if ((b = bias_of (p, layer, "mlp.down_proj")))
    return neva_out_whole (t, b, p->error);
  neva_out_vector (t, down->dtype, p->t->hidden);
  return TRUE;
}

static gboolean
plan_experts (const Plan *p, guint layer, const char *to)
{
  static const char moe[] = "block_sparse_moe.";
  g_autofree char *router = g_strconcat (to, "mlp.router.weight", NULL);

  if (!whole (p, need (p, layer, "block_sparse_moe.gate.weight"), router))
    return FALSE;
  for (guint e = 0; e < p->t->experts; e++) {
    const NevaTensorView *w[3];
    NevaOutTensor *t;

    for (guint i = 0; i < 3; i++) {
      w[i] = neva_origin_need (p->o, p->error, LAYER "%sexperts.%u.w%u.weight",
          layer, moe, e, i + 1);
      if (!w[i])
        return FALSE;
    }
    t = neva_out_add (
        p->list, "%smlp.experts.local_experts.%u.linear_fc1.weight", to, e);
    if (!add_fc1 (p, t, w[0], w[2]))
      return FALSE;
    t = neva_out_add (
        p->list, "%smlp.experts.local_experts.%u.linear_fc2.weight", to, e);
    if (!share_columns (p, t, w[1], p->t->ffn))
      return FALSE;
  }
  return TRUE;
}

/* Weight and, unless RMS, bias of a norm. `to` ends before "weight". */
static gboolean
plan_norm (const Plan *p, const char *from, const char *to)
{
  static const char *const kinds[] = {"weight", "bias"};
  const guint n = p->t->norm == NEVA_NORM_RMS ? 1 : 2;

  for (guint i = 0; i < n; i++) {
    g_autofree char *name = g_strconcat (to, kinds[i], NULL);

    if (!whole (p, neva_origin_need (p->o, p->error, "%s.%s", from, kinds[i]),
            name))
      return FALSE;
  }
  return TRUE;
}

static gboolean
plan_layer (const Plan *p, guint layer, guint number)
{
  const gboolean moe = p->t->experts > 0;
  g_autofree char *to = g_strdup_printf ("model.decoder.layers.%u.", number);
  g_autofree char *norm1 = g_strdup_printf (LAYER "input_layernorm", layer);
  g_autofree char *norm2 =
      g_strdup_printf (LAYER "post_attention_layernorm", layer);
  g_autofree char *to1 =
      g_strconcat (to, "self_attention.linear_qkv.layer_norm_", NULL);
  g_autofree char *to2 = g_strconcat (
      to, moe ? "pre_mlp_layernorm." : "mlp.linear_fc1.layer_norm_", NULL);

  return plan_norm (p, norm1, to1) && plan_attention (p, layer, to) &&
         plan_norm (p, norm2, to2) &&
         (moe ? plan_experts (p, layer, to) : plan_mlp (p, layer, to));
}

/* Module numbers of the projector: 0, 2, 4, …; behind a merge 1, 2, 4. */
static gboolean
plan_projector (const Plan *p)
{
  const NevaConfig *c = &p->o->config;
  const gboolean merge = c->projector_kind == NEVA_PROJECTOR_DOWNSAMPLE;
  const gboolean bare = !merge && c->projector_layers == 1;
  const guint n =
      c->projector_kind == NEVA_PROJECTOR_IDENTITY ? 0 : c->projector_layers;

  if (merge && (!whole (p,
                    neva_origin_need (
                        p->o, p->error, NEVA_PROJECTOR_PREFIX "norm.weight"),
                    MEDIA "1.weight") ||
                   !whole (p,
                       neva_origin_need (
                           p->o, p->error, NEVA_PROJECTOR_PREFIX "norm.bias"),
                       MEDIA "1.bias")))
    return FALSE;
  for (guint i = 0; i < n; i++) {
    g_autofree char *module =
        bare ? g_strdup (MEDIA)
             : g_strdup_printf (MEDIA "%u.", merge ? 2 * i + 2 : 2 * i);
    g_autofree char *weight = g_strconcat (module, "weight", NULL);
    const NevaTensorView *w = neva_origin_need (
        p->o, p->error, NEVA_PROJECTOR_PREFIX "linear_%u.weight", i + 1);
    const NevaTensorView *b =
        neva_origin_find (p->o, NEVA_PROJECTOR_PREFIX "linear_%u.bias", i + 1);
    NevaOutTensor *t;

    if (!whole (p, w, weight))
      return FALSE;
    t = neva_out_add (p->list, "%sbias", module);
    if (!b)
      neva_out_vector (t, w->dtype, w->shape[0]);
    else if (!neva_out_whole (t, b, p->error))
      return FALSE;
  }
  return TRUE;
}

/* Rows of the vocabulary, padded with zeros at its end. */
static gboolean
plan_vocabulary (const Plan *p, const NevaTensorView *from, const char *name)
{
  const gsize part = p->shape->vocab / p->shape->tp;
  const gsize first = p->rank * part;
  NevaOutTensor *t = neva_out_add (p->list, "%s", name);
  gsize there;

  if (!from)
    return FALSE;
  there = from->n_dims && from->shape[0] > first
              ? MIN (part, from->shape[0] - first)
              : 0;
  if (!neva_out_rows (t, from, there ? first : from->shape[0], there, p->error))
    return FALSE;
  neva_out_zeros (t, part - there);
  return TRUE;
}

NevaOutList *
neva_nemo_plan (const NevaOrigin *o, const NevaNemoShape *shape, guint tp_rank,
    guint pp_rank, GError **error)
{
  g_autoptr (GPtrArray) list = neva_out_list_new ();
  const Plan p = {o, &o->config.text, shape, tp_rank, list, error};
  const guint per_stage = p.t->layers / shape->pp;
  const gboolean first = pp_rank == 0, last = pp_rank + 1 == shape->pp;
  const gboolean tied = p.t->tied_embeddings;
  const NevaTensorView *words =
      neva_origin_need (o, error, NEVA_TEXT_PREFIX "embed_tokens.weight");

  if (first &&
      (!plan_vocabulary (&p, words, "model.embedding.word_embeddings.weight") ||
          !plan_projector (&p)))
    return NULL;
  for (guint i = 0; i < per_stage; i++) {
    if (!plan_layer (&p, pp_rank * per_stage + i, i))
      return NULL;
  }
  if (last && !plan_norm (&p, NEVA_TEXT_PREFIX "norm",
                  "model.decoder.final_layernorm."))
    return NULL;
  /* a last stage that is not the first needs its own copy of tied words */
  if (last && (!tied || !first) &&
      !plan_vocabulary (&p,
          tied ? words : neva_origin_need (o, error, NEVA_HEAD_NAME),
          "model.output_layer.weight"))
    return NULL;
  return g_steal_pointer (&list);
}
