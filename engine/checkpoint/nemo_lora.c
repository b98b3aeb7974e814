/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <string.h>
#include <neva/error.h>
#include "checkpoint/nemo_lora.h"

#define TEXT "language_model.model."
#define WIDE ".linear_out.weight"
#define NARROW ".linear_in.weight"

typedef struct {
  const NevaTensorSet *theirs;
  const NevaTextConfig *t;
  guint dim;
  double alpha;
  NevaTensorSet *weights;
  GError **error;
} Merge;

typedef enum { ALL, QKV, FC1 } Rows;

/* What an adapter belongs to. */
static const struct {
  const char *adapter; /* behind "layers.N." */
  Rows rows;
  const char *weight; /* ALL */
} adapters[] = {
    {"self_attention.adapter_layer.lora_kqv_adapter", QKV, NULL},
    {"self_attention.adapter_layer.lora_unfused_kqv_adapter.q_adapter", ALL,
        "self_attn.q_proj"},
    {"self_attention.adapter_layer.lora_unfused_kqv_adapter.k_adapter", ALL,
        "self_attn.k_proj"},
    {"self_attention.adapter_layer.lora_unfused_kqv_adapter.v_adapter", ALL,
        "self_attn.v_proj"},
    {"self_attention.adapter_layer.lora_dense_attention_adapter", ALL,
        "self_attn.o_proj"},
    {"mlp.adapter_layer.lora_hto4h_adapter", FC1, NULL},
    {"mlp.adapter_layer.lora_unfused_hto4h_adapter.gate_adapter", ALL,
        "mlp.gate_proj"},
    {"mlp.adapter_layer.lora_unfused_hto4h_adapter.up_adapter", ALL,
        "mlp.up_proj"},
    {"mlp.adapter_layer.lora_4htoh_adapter", ALL, "mlp.down_proj"},
};

static gboolean
fail (const Merge *m, NevaError code, const char *name, const char *what)
{
  g_set_error (
      m->error, NEVA_ERROR, code, "adapter tensor '%s': %s", name, what);
  return FALSE;
}

/* Adds the product to one weight. */
static gboolean
add (const Merge *m, guint layer, const char *weight, const NevaTensorView *out,
    const NevaTensorView *in)
{
  g_autofree char *name =
      g_strdup_printf (TEXT "layers.%u.%s.weight", layer, weight);
  const NevaTensorView *base = neva_tensor_set_find (m->weights, name);
  NevaAssembly *sum;
  NevaTensorView view;

  if (!base)
    return fail (m, NEVA_ERROR_BAD_FILE, out->name,
        "there is no such layer, or no matrix of this kind");
  sum = neva_assembly_new (base->dtype, base->n_dims, base->shape);
  if (!sum)
    return fail (m, NEVA_ERROR_BAD_FILE, out->name, "a shape that overflows");
  neva_tensor_set_keep (m->weights, sum, (GDestroyNotify) neva_assembly_free);
  if (!neva_assembly_add_rows (sum, base, 0) ||
      !neva_assembly_add_product (
          sum, out, in, (float) (m->alpha / (double) in->shape[0]))) {
    g_set_error (m->error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "adapter tensor '%s' [%" G_GSIZE_FORMAT ", %" G_GSIZE_FORMAT
        "] with its linear_in [%" G_GSIZE_FORMAT ", %" G_GSIZE_FORMAT
        "] does not fit '%s' [%" G_GSIZE_FORMAT ", %" G_GSIZE_FORMAT "]",
        out->name, out->shape[0], out->n_dims > 1 ? out->shape[1] : 0,
        in->shape[0], in->n_dims > 1 ? in->shape[1] : 0, name, base->shape[0],
        base->n_dims > 1 ? base->shape[1] : 0);
    return FALSE;
  }
  view = neva_assembly_view (sum, base->name);
  neva_tensor_set_replace (m->weights, name, &view);
  return TRUE;
}

/* Of every KV group the rows of one letter, together. */
static gboolean
add_qkv (const Merge *m, guint layer, const NevaTensorView *out,
    const NevaTensorView *in)
{
  static const char *const names[] = {
      "self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"};
  const gsize d = m->t->head_dim, groups = m->t->kv_heads;
  const gsize per_group = m->t->heads / groups;

  if (out->n_dims != 2 || out->shape[0] != groups * (per_group + 2) * d)
    return fail (m, NEVA_ERROR_BAD_FILE, out->name,
        "has not as many rows as queries, keys and values");
  for (guint i = 0; i < 3; i++) {
    const gsize heads = i ? 1 : per_group, skip = i ? per_group + i - 1 : 0;
    const gsize shape[] = {groups * heads * d, out->shape[1]};
    NevaAssembly *part = neva_assembly_new (out->dtype, 2, shape);
    NevaTensorView view;

    if (!part)
      return fail (m, NEVA_ERROR_BAD_FILE, out->name, "a shape that overflows");
    neva_tensor_set_keep (
        m->weights, part, (GDestroyNotify) neva_assembly_free);
    for (gsize g = 0; g < groups; g++) {
      const NevaTensorView from =
          neva_tensor_rows (out, (g * (per_group + 2) + skip) * d, heads * d);

      neva_assembly_add_rows (part, &from, g * heads * d);
    }
    view = neva_assembly_view (part, out->name);
    if (!add (m, layer, names[i], &view, in))
      return FALSE;
  }
  return TRUE;
}

/* Gate rows, then up rows; or up alone. */
static gboolean
add_fc1 (const Merge *m, guint layer, const NevaTensorView *out,
    const NevaTensorView *in)
{
  const gsize f = m->t->ffn;
  NevaTensorView gate, up;

  if (!m->t->gated)
    return add (m, layer, "mlp.up_proj", out, in);
  if (!out->n_dims || out->shape[0] != 2 * f)
    return fail (m, NEVA_ERROR_BAD_FILE, out->name,
        "has not as many rows as gate and up");
  gate = neva_tensor_rows (out, 0, f);
  up = neva_tensor_rows (out, f, f);
  return add (m, layer, "mlp.gate_proj", &gate, in) &&
         add (m, layer, "mlp.up_proj", &up, in);
}

/* One adapter, known by its wide half; rest: behind "layers.N.". */
static gboolean
merge_adapter (
    const Merge *m, const NevaTensorView *out, guint layer, const char *rest)
{
  const gsize stem = strlen (rest) - strlen (WIDE);
  g_autofree char *narrow = g_strdup_printf (
      "%.*s" NARROW, (int) (strlen (out->name) - strlen (WIDE)), out->name);
  const NevaTensorView *in = neva_tensor_set_find (m->theirs, narrow);

  if (!in || in->n_dims != 2 || !in->shape[0])
    return fail (m, NEVA_ERROR_BAD_FILE, narrow, "missing, or no matrix");
  if (m->dim && in->shape[0] != m->dim)
    return fail (m, NEVA_ERROR_BAD_FILE, narrow,
        "has not peft.lora_tuning.adapter_dim rows");
  for (gsize i = 0; i < G_N_ELEMENTS (adapters); i++) {
    if (strlen (adapters[i].adapter) != stem ||
        strncmp (adapters[i].adapter, rest, stem))
      continue;
    switch (adapters[i].rows) {
      case ALL:
        return add (m, layer, adapters[i].weight, out, in);
      case QKV:
        return add_qkv (m, layer, out, in);
      case FC1:
        return add_fc1 (m, layer, out, in);
    }
  }
  return fail (m, NEVA_ERROR_UNSUPPORTED, out->name,
      "adapters of this kind are not read");
}

gboolean
neva_nemo_lora_has (const NevaTensorSet *theirs)
{
  const GPtrArray *all = neva_tensor_set_all (theirs);

  for (guint i = 0; i < all->len; i++) {
    if (strstr (((const NevaTensorView *) all->pdata[i])->name, NEVA_LORA_PART))
      return TRUE;
  }
  return FALSE;
}

gboolean
neva_nemo_lora_merge (const NevaTensorSet *theirs, const NevaTextConfig *config,
    guint dim, double alpha, NevaTensorSet *weights, GError **error)
{
  const GPtrArray *all = neva_tensor_set_all (theirs);
  Merge m = {theirs, config, dim, alpha, weights, error};

  for (guint i = 0; i < all->len; i++) {
    const NevaTensorView *view = all->pdata[i];
    const char *layers = strstr (view->name, ".layers.");
    guint layer;
    int end = 0;

    if (!strstr (view->name, NEVA_LORA_PART) ||
        g_str_has_suffix (view->name, NARROW))
      continue;
    if (!g_str_has_suffix (view->name, WIDE) || !layers ||
        sscanf (layers, ".layers.%u.%n", &layer, &end) != 1 || !end)
      return fail (&m, NEVA_ERROR_UNSUPPORTED, view->name,
          "only linear_in and linear_out of decoder layers are read");
    /* NeMo's alpha is the rank where nothing else is said */
    if (!dim)
      m.alpha = view->n_dims > 1 ? (double) view->shape[1] : 1;
    if (!merge_adapter (&m, view, layer, layers + end))
      return FALSE;
  }
  return TRUE;
}
