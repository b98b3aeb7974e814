/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <neva/error.h>
#include "checkpoint/nemo_clip.h"
#include "checkpoint/nemo_lora.h"
#include "checkpoint/nemo_names.h"
#include "checkpoint/nemo_qkv.h"
#include "log.h"

#define TEXT "language_model.model."

typedef struct {
  const NevaTextConfig *t;
  NevaTensorSet *to;
  GError **error;
} Map;

/* What follows `prefix` in `name`, or NULL. */
static const char *
after (const char *name, const char *prefix)
{
  return g_str_has_prefix (name, prefix) ? name + strlen (prefix) : NULL;
}

static gboolean add (Map *m, const NevaTensorView *view, const char *format,
    ...) G_GNUC_PRINTF (3, 4);

static gboolean
add (Map *m, const NevaTensorView *view, const char *format, ...)
{
  g_autofree char *name = NULL;
  va_list args;

  va_start (args, format);
  name = g_strdup_vprintf (format, args);
  va_end (args);
  return neva_tensor_set_add (m->to, name, view, m->error);
}

static gboolean
bad_shape (Map *m, const NevaTensorView *view, gsize expected)
{
  g_set_error (m->error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "tensor '%s': %" G_GSIZE_FORMAT " rows expected, %" G_GSIZE_FORMAT
      " found",
      view->name, expected, view->n_dims ? view->shape[0] : 0);
  return FALSE;
}

static gboolean
split_qkv (Map *m, const NevaTensorView *view, guint layer, const char *what)
{
  const NevaQkv qkv = {
      m->t->heads, m->t->kv_heads, m->t->head_dim, m->t->qkv_apart};
  g_autofree char *prefix =
      g_strdup_printf (TEXT "layers.%u.self_attn.", layer);
  g_autofree char *suffix = g_strconcat (".", what, NULL);

  return neva_nemo_qkv_split (m->to, view, &qkv, prefix, suffix, m->error);
}

/* Gate rows first, then up rows; names are below the layer. */
static gboolean
split_fc1 (Map *m, const NevaTensorView *view, guint layer, const char *gate,
    const char *up, const char *what)
{
  NevaTensorView part;

  if (!m->t->gated)
    return add (m, view, TEXT "layers.%u.%s.%s", layer, up, what);
  if (!view->n_dims || view->shape[0] != 2 * (gsize) m->t->ffn)
    return bad_shape (m, view, 2 * (gsize) m->t->ffn);
  part = neva_tensor_rows (view, 0, m->t->ffn);
  if (!add (m, &part, TEXT "layers.%u.%s.%s", layer, gate, what))
    return FALSE;
  part = neva_tensor_rows (view, m->t->ffn, m->t->ffn);
  return add (m, &part, TEXT "layers.%u.%s.%s", layer, up, what);
}

static gboolean
map_expert (Map *m, const NevaTensorView *view, guint layer, const char *rest,
    gboolean *known)
{
  guint expert;
  int end = 0;
  g_autofree char *gate = NULL, *up = NULL;

  if (sscanf (rest, "%u.%n", &expert, &end) != 1 || !end)
    return TRUE;
  rest += end;
  *known = TRUE;
  gate = g_strdup_printf ("block_sparse_moe.experts.%u.w1", expert);
  up = g_strdup_printf ("block_sparse_moe.experts.%u.w3", expert);
  if (!strcmp (rest, "linear_fc1.weight"))
    return split_fc1 (m, view, layer, gate, up, "weight");
  if (!strcmp (rest, "linear_fc2.weight"))
    return add (m, view, TEXT "layers.%u.block_sparse_moe.experts.%u.w2.weight",
        layer, expert);
  *known = FALSE;
  return TRUE;
}

/* All experts of a layer in one tensor, as distributed checkpoints have them.
 */
static gboolean
map_experts (Map *m, const NevaTensorView *view, guint layer, const char *rest,
    gboolean *known)
{
  for (gsize expert = 0; view->n_dims && expert < view->shape[0]; expert++) {
    g_autofree char *one =
        g_strdup_printf ("%" G_GSIZE_FORMAT ".%s", expert, rest);
    NevaTensorView slice = neva_tensor_rows (view, expert, 1);

    slice.n_dims--;
    memmove (slice.shape, view->shape + 1, slice.n_dims * sizeof *slice.shape);
    if (!map_expert (m, &slice, layer, one, known))
      return FALSE;
  }
  return TRUE;
}

/* One tensor of a decoder layer; `rest` follows "layers.N.". */
static gboolean
map_layer (Map *m, const NevaTensorView *view, guint layer, const char *rest,
    gboolean *known)
{
  static const struct {
    const char *theirs, *ours;
  } same[] = {
      {"self_attention.linear_qkv.layer_norm_", "input_layernorm."},
      {"input_layernorm.", "input_layernorm."},
      {"mlp.linear_fc1.layer_norm_", "post_attention_layernorm."},
      {"pre_mlp_layernorm.", "post_attention_layernorm."},
      {"post_attention_layernorm.", "post_attention_layernorm."},
      {"self_attention.linear_proj.", "self_attn.o_proj."},
      {"self_attention.dense.", "self_attn.o_proj."},
      {"mlp.linear_fc2.", "mlp.down_proj."},
      {"mlp.dense_4h_to_h.", "mlp.down_proj."},
      {"mlp.dense_h_to_4h_2.", "mlp.up_proj."},
      {"mlp.router.", "block_sparse_moe.gate."},
  };
  const char *tail;

  for (gsize i = 0; i < G_N_ELEMENTS (same); i++) {
    if (!(tail = after (rest, same[i].theirs)))
      continue;
    *known = TRUE;
    return add (m, view, TEXT "layers.%u.%s%s", layer, same[i].ours, tail);
  }
  if ((tail = after (rest, "self_attention.linear_qkv.")) ||
      (tail = after (rest, "self_attention.query_key_value."))) {
    *known = TRUE;
    return split_qkv (m, view, layer, tail);
  }
  if ((tail = after (rest, "mlp.linear_fc1.")) ||
      (tail = after (rest, "mlp.dense_h_to_4h."))) {
    *known = TRUE;
    /* legacy swiglu: the gate alone, up is dense_h_to_4h_2 */
    if (m->t->gated && view->n_dims && view->shape[0] == m->t->ffn)
      return add (m, view, TEXT "layers.%u.mlp.gate_proj.%s", layer, tail);
    return split_fc1 (m, view, layer, "mlp.gate_proj", "mlp.up_proj", tail);
  }
  if (strstr (rest, NEVA_LORA_PART)) { /* nemo_lora.c */
    *known = TRUE;
    return TRUE;
  }
  if ((tail = after (rest, "mlp.experts.local_experts.")))
    return map_expert (m, view, layer, tail, known);
  if ((tail = after (rest, "mlp.experts.experts.")))
    return map_experts (m, view, layer, tail, known);
  return TRUE;
}

/* "weight", "K.weight" (K = 0, 2, 4, …) of the projector. */
static gboolean
map_projector (Map *m, const NevaTensorView *view, const char *rest,
    gboolean downsample, gboolean *known)
{
  guint index = 0;
  int end = 0;

  *known = TRUE;
  if (sscanf (rest, "%u.%n", &index, &end) != 1 || !end)
    return add (m, view, "multi_modal_projector.linear_1.%s", rest);
  rest += end;
  if (downsample && index == 1)
    return add (m, view, "multi_modal_projector.norm.%s", rest);
  return add (m, view, "multi_modal_projector.linear_%u.%s",
      downsample ? index / 2 : index / 2 + 1, rest);
}

/* Drops "model." and the legacy "language_model.". */
static const char *
short_name (const char *name)
{
  const char *rest = after (name, "model.");

  rest = rest ? rest : name;
  return after (rest, "language_model.") ? after (rest, "language_model.")
                                         : rest;
}

static gboolean
map_tensor (Map *m, const NevaConfig *config, const NevaTensorView *view,
    gboolean text_only, gboolean *known)
{
  const char *name = short_name (view->name), *rest;
  const char *media = after (name, "embedding.word_embeddings.");
  guint layer;
  int end = 0;

  if ((rest = after (name, "decoder.layers.")) ||
      (rest = after (name, "encoder.layers."))) {
    if (sscanf (rest, "%u.%n", &layer, &end) != 1 || !end)
      return TRUE;
    return map_layer (m, view, layer, rest + end, known);
  }
  if (!strcmp (name, "embedding.word_embeddings.weight")) {
    *known = TRUE;
    return add (m, view, TEXT "embed_tokens.weight");
  }
  if (media &&
      ((rest = after (
            media, "adapter_layer.mm_projector_adapter.mm_projector.")) ||
          (rest = after (media, "adapter_layer.mm_linear_adapter.linear.")))) {
    if ((*known = text_only))
      return TRUE;
    return map_projector (m, view, rest,
        config->projector_kind == NEVA_PROJECTOR_DOWNSAMPLE, known);
  }
  if (media && (rest = after (media, "vision_encoder."))) {
    *known = TRUE;
    /* Megatron's are mapped when the tower is known: nemo_clip.h */
    return text_only || neva_nemo_clip_is_name (rest) ||
           add (m, view, "vision_tower.%s", rest);
  }
  if ((rest = after (name, "decoder.final_layernorm.")) ||
      (rest = after (name, "encoder.final_layernorm."))) {
    *known = TRUE;
    return add (m, view, TEXT "norm.%s", rest);
  }
  if (!strcmp (name, "output_layer.weight")) {
    *known = TRUE;
    return add (m, view, "language_model.lm_head.weight");
  }
  *known = strstr (name, NEVA_LORA_PART) || /* nemo_lora.c */
           g_str_has_suffix (name, "rotary_pos_emb.inv_freq") ||
           g_str_has_suffix (name, "_extra_state");
  return TRUE;
}

gboolean
neva_nemo_names_map (const NevaTensorSet *from, const NevaConfig *config,
    gboolean text_only, NevaTensorSet *to, GError **error)
{
  const GPtrArray *all = neva_tensor_set_all (from);
  Map m = {&config->text, to, error};

  for (guint i = 0; i < all->len; i++) {
    const NevaTensorView *view = g_ptr_array_index (all, i);
    gboolean known = FALSE;

    if (!map_tensor (&m, config, view, text_only, &known))
      return FALSE;
    if (!known)
      neva_warning ("tensor '%s' belongs to no known part", view->name);
  }
  return TRUE;
}

guint
neva_nemo_names_vocab (const NevaTensorSet *from)
{
  const GPtrArray *all = neva_tensor_set_all (from);

  for (guint i = 0; i < all->len; i++) {
    const NevaTensorView *view = g_ptr_array_index (all, i);

    if (!strcmp (short_name (view->name), "embedding.word_embeddings.weight") &&
        view->n_dims == 2 && view->shape[0] <= G_MAXINT32)
      return view->shape[0];
  }
  return 0;
}
