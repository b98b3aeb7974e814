/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <string.h>
#include "checkpoint/hf_preprocess.h"
#include "checkpoint/hf_tower.h"
#include "checkpoint/nemo_blocks.h"
#include "checkpoint/nemo_clip.h"
#include "checkpoint/nemo_config.h"
#include "checkpoint/nemo_qkv.h"
#include "checkpoint/yaml_file.h"
#include "log.h"

#define MAX_WIDTH 131072
#define MAX_HEADS 1024
#define MAX_SIDE 8192
#define MAX_CLASS_TOKENS 64
#define TOWER "vision_tower.vision_model."

/* ---- Configuration ------------------------------------------------------ */

static void
read_shape (const NevaHfReader *v, NevaTowerConfig *t)
{
  const guint width = (guint) neva_hf_int (v, "img_w", 224, 1, MAX_SIDE);

  t->image_size = (guint) neva_hf_int (v, "img_h", 224, 1, MAX_SIDE);
  t->patch_size = (guint) neva_hf_int (v, "patch_dim", 16, 1, MAX_SIDE);
  t->hidden = (guint) neva_hf_int (v, "hidden_size", 1024, 1, MAX_WIDTH);
  t->layers = (guint) neva_hf_int (v, "num_layers", 24, 1, NEVA_MAX_LAYERS);
  t->heads = (guint) neva_hf_int (v, "num_attention_heads", 16, 1, MAX_HEADS);
  t->ffn = (guint) neva_hf_int (
      v, "ffn_hidden_size", 4 * (gint64) t->hidden, 1, MAX_WIDTH);
  t->eps = (float) neva_hf_double (v, "layernorm_epsilon", 1e-5, 0, 1);
  if (width != t->image_size)
    neva_hf_fail (v, "img_w", NEVA_ERROR_UNSUPPORTED,
        "%u, and img_h %u: only squares are supported", width, t->image_size);
  if (t->image_size % t->patch_size || t->image_size / t->patch_size > 256)
    neva_hf_fail (v, "patch_dim", NEVA_ERROR_BAD_FILE,
        "%u does not suit img_h %u", t->patch_size, t->image_size);
  if (t->hidden % t->heads || t->hidden / t->heads > NEVA_HF_MAX_HEAD_DIM)
    neva_hf_fail (v, "num_attention_heads", NEVA_ERROR_BAD_FILE,
        "%u heads do not divide hidden_size %u into parts of at most %d",
        t->heads, t->hidden, NEVA_HF_MAX_HEAD_DIM);
  else if (neva_hf_int (v, "kv_channels", t->hidden / t->heads, 1, MAX_WIDTH) !=
           t->hidden / t->heads)
    neva_hf_fail (v, "kv_channels", NEVA_ERROR_UNSUPPORTED,
        "not hidden_size / num_attention_heads");
  if (neva_hf_int (v, "num_query_groups", t->heads, 1, MAX_HEADS) != t->heads)
    neva_hf_fail (v, "num_query_groups", NEVA_ERROR_UNSUPPORTED,
        "fewer groups than heads");
  if (neva_hf_int (v, "num_channels", 3, 1, 64) != 3)
    neva_hf_fail (v, "num_channels", NEVA_ERROR_UNSUPPORTED, "only 3 works");
}

static void
read_norms (const NevaHfReader *v, gboolean mcore, NevaTowerConfig *t)
{
  const char *name = neva_hf_string (v, "normalization", "layernorm");

  t->norms_1p = !strcmp (name, "layernorm1p");
  if (!t->norms_1p && strcmp (name, "layernorm"))
    neva_hf_fail (v, "normalization", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (layernorm, layernorm1p)", name);
  /* the legacy tower has a plain norm there */
  t->pre_norm_1p = t->norms_1p && mcore;
}

/* mcore and siglip are the whole model's, beside `vision`. */
static void
read_tower (
    const NevaHfReader *v, gboolean mcore, gboolean siglip, NevaTowerConfig *t)
{
  const char *positions =
      neva_hf_string (v, "position_embedding_type", "learned_absolute");
  gboolean gated = FALSE;

  read_shape (v, t);
  read_norms (v, mcore, t);
  t->kind = siglip ? NEVA_TOWER_SIGLIP : NEVA_TOWER_CLIP;
  t->patch_bias = siglip;
  t->pre_norm =
      !siglip && (mcore || neva_hf_bool (v, "preprocess_layernorm", FALSE));
  /* none without the key, as NeVA builds the tower */
  t->class_tokens =
      (guint) neva_hf_int (v, "class_token_length", 0, 0, MAX_CLASS_TOKENS);
  if (strcmp (positions, "learned_absolute") &&
      strcmp (positions, "learned_parameters"))
    neva_hf_fail (v, "position_embedding_type", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (learned_absolute, learned_parameters)",
        positions);
  neva_nemo_read_activation (v, TRUE, mcore, &t->act, &gated);
  if (gated)
    neva_hf_fail (v, "activation", NEVA_ERROR_UNSUPPORTED,
        "a gated one is not supported");
  if (neva_hf_bool (v, "megatron_legacy", FALSE))
    neva_hf_fail (
        v, "megatron_legacy", NEVA_ERROR_UNSUPPORTED, "true is not supported");
  neva_nemo_check_block (v);
}

/* What a select layer means to a Megatron tower: below zero the block counted
 * from the end, as with Hugging Face; else nothing is selected. */
static void
select_layer (NevaTowerConfig *t)
{
  if (t->select_layer < 0)
    return;
  t->select_layer = (gint) t->layers;
  t->post_norm = TRUE;
}

gboolean
neva_nemo_clip_config_parse (const char *text, gsize length, const char *name,
    NevaConfig *config, GError **error)
{
  g_autoptr (JsonNode) root = neva_yaml_parse (text, length, name, error);
  g_autoptr (GError) fault = NULL;
  NevaHfReader top = {NULL, name, "", &fault}, v;
  const NevaTowerConfig wanted = config->tower;
  const gboolean pad = config->preprocess.pad;

  if (!root)
    return FALSE;
  if (JSON_NODE_HOLDS_OBJECT (root))
    top.object = json_node_get_object (root);
  v = neva_hf_child (&top, "vision", "vision.");
  if (!v.object)
    neva_hf_fail (&top, "vision", NEVA_ERROR_BAD_FILE,
        "missing: this is no CLIP checkpoint");
  config->tower = (NevaTowerConfig){
      .select_layer = wanted.select_layer, .drop_rows = wanted.drop_rows};
  read_tower (&v, neva_hf_bool (&top, "mcore_gpt", FALSE),
      neva_hf_bool (&top, "use_siglip", FALSE), &config->tower);
  select_layer (&config->tower);
  if (fault) {
    g_propagate_error (error, g_steal_pointer (&fault));
    return FALSE;
  }
  neva_hf_preprocess_torchvision (config);
  config->preprocess.pad = pad;
  return TRUE;
}

gboolean
neva_nemo_clip_config_read (
    NevaBundle *bundle, NevaConfig *config, GError **error)
{
  g_autofree char *name = NULL;
  const char *text;
  gsize length;

  return neva_nemo_config_text (bundle, &text, &length, &name, error) &&
         neva_nemo_clip_config_parse (text, length, name, config, error);
}

/* ---- Tensors ------------------------------------------------------------ */

static const char *
after (const char *name, const char *prefix)
{
  return g_str_has_prefix (name, prefix) ? name + strlen (prefix) : NULL;
}

/* What is outside of the layers; NULL for what no tower here uses. */
static const struct {
  const char *theirs, *ours;
} outside[] = {{"cls_token", "embeddings.class_embedding"},
    {"class_token", "embeddings.class_embedding"},
    {"conv1.weight", "embeddings.patch_embedding.weight"},
    {"conv1.bias", "embeddings.patch_embedding.bias"},
    {"position_embeddings", "embeddings.position_embedding.weight"},
    {"position_embeddings.weight", "embeddings.position_embedding.weight"},
    {"preprocess_layernorm.weight", "pre_layrnorm.weight"},
    {"preprocess_layernorm.bias", "pre_layrnorm.bias"},
    {"ln_pre.weight", "pre_layrnorm.weight"},
    {"ln_pre.bias", "pre_layrnorm.bias"},
    {"transformer.final_layernorm.weight", "post_layernorm.weight"},
    {"transformer.final_layernorm.bias", "post_layernorm.bias"},
    {"final_layernorm.weight", "post_layernorm.weight"},
    {"final_layernorm.bias", "post_layernorm.bias"}, {"position_ids", NULL},
    {"head.weight", NULL}, {"head.bias", NULL}};

static const struct {
  const char *theirs, *ours;
} inside[] = {{"self_attention.linear_qkv.layer_norm_", "layer_norm1."},
    {"input_layernorm.", "layer_norm1."},
    {"mlp.linear_fc1.layer_norm_", "layer_norm2."},
    {"pre_mlp_layernorm.", "layer_norm2."},
    {"post_attention_layernorm.", "layer_norm2."},
    {"self_attention.linear_proj.", "self_attn.out_proj."},
    {"self_attention.dense.", "self_attn.out_proj."},
    {"mlp.linear_fc1.", "mlp.fc1."}, {"mlp.dense_h_to_4h.", "mlp.fc1."},
    {"mlp.linear_fc2.", "mlp.fc2."}, {"mlp.dense_4h_to_h.", "mlp.fc2."}};

gboolean
neva_nemo_clip_is_name (const char *rest)
{
  if (after (rest, "backbone.") || after (rest, "decoder.") ||
      after (rest, "head.probe") || after (rest, "head.self_attention"))
    return TRUE;
  for (gsize i = 0; i < G_N_ELEMENTS (outside); i++) {
    if (!strcmp (rest, outside[i].theirs))
      return TRUE;
  }
  return FALSE;
}

/* One tensor of a layer; `rest` follows "layers.N.". */
static gboolean
map_layer (NevaTensorSet *to, const NevaTowerConfig *t,
    const NevaTensorView *view, guint layer, const char *rest, GError **error)
{
  const NevaQkv qkv = {t->heads, t->heads, t->hidden / t->heads, FALSE};
  g_autofree char *name = NULL, *suffix = NULL;
  const char *tail;

  for (gsize i = 0; i < G_N_ELEMENTS (inside); i++) {
    if (!(tail = after (rest, inside[i].theirs)))
      continue;
    name = g_strdup_printf (
        TOWER "encoder.layers.%u.%s%s", layer, inside[i].ours, tail);
    return neva_tensor_set_add (to, name, view, error);
  }
  if ((tail = after (rest, "self_attention.linear_qkv.")) ||
      (tail = after (rest, "self_attention.query_key_value."))) {
    name = g_strdup_printf (TOWER "encoder.layers.%u.self_attn.", layer);
    suffix = g_strconcat (".", tail, NULL);
    return neva_nemo_qkv_split (to, view, &qkv, name, suffix, error);
  }
  neva_warning ("tensor '%s' belongs to no known part", view->name);
  return TRUE;
}

static gboolean
map_outside (NevaTensorSet *to, const NevaTensorView *view, const char *rest,
    GError **error)
{
  NevaTensorView flat = *view;

  for (gsize i = 0; i < G_N_ELEMENTS (outside); i++) {
    g_autofree char *name = NULL;

    if (strcmp (rest, outside[i].theirs))
      continue;
    if (!outside[i].ours)
      return TRUE;
    /* [1, class tokens, D] */
    if (g_str_has_suffix (rest, "_token")) {
      flat.n_dims = 1;
      flat.shape[0] = view->n_elements;
    }
    name = g_strconcat (TOWER, outside[i].ours, NULL);
    return neva_tensor_set_add (to, name, &flat, error);
  }
  if (!after (rest, "head."))
    neva_warning ("tensor '%s' belongs to no known part", view->name);
  return TRUE;
}

gboolean
neva_nemo_clip_map (const NevaTensorSet *from, const NevaTowerConfig *tower,
    NevaTensorSet *to, GError **error)
{
  static const char part[] = "vision_encoder.";
  const GPtrArray *all = neva_tensor_set_all (from);

  for (guint i = 0; i < all->len; i++) {
    const NevaTensorView *view = g_ptr_array_index (all, i);
    const char *at = strstr (view->name, part), *rest, *layers;
    guint layer;
    int end = 0;

    if (!at || !neva_nemo_clip_is_name (at + strlen (part)) ||
        g_str_has_suffix (view->name, "_extra_state"))
      continue;
    rest = at + strlen (part);
    rest = after (rest, "backbone.") ? after (rest, "backbone.") : rest;
    if ((layers = after (rest, "transformer.layers.")) ||
        (layers = after (rest, "decoder.layers."))) {
      if (sscanf (layers, "%u.%n", &layer, &end) == 1 && end &&
          !map_layer (to, tower, view, layer, layers + end, error))
        return FALSE;
    } else if (!map_outside (to, view, rest, error)) {
      return FALSE;
    }
  }
  return TRUE;
}
