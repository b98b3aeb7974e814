/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vision tower's configuration, inside a LLaVA config.json or in a folder
 * of its own. */
#include "config.h"
#include "hf_preprocess.h"
#include "hf_tower.h"
#include "json_file.h"

#define MAX_BYTES (16u << 20)
#define MAX_WIDTH 131072
#define MAX_HEADS 1024

NevaAct
neva_hf_read_act (const NevaHfReader *r, const char *key, const char *def)
{
  static const struct {
    const char *name;
    NevaAct act;
  } acts[] = {{"linear", NEVA_ACT_NONE}, {"gelu", NEVA_ACT_GELU_ERF},
      {"gelu_pytorch_tanh", NEVA_ACT_GELU_TANH},
      {"gelu_new", NEVA_ACT_GELU_TANH}, {"gelu_fast", NEVA_ACT_GELU_TANH},
      {"quick_gelu", NEVA_ACT_GELU_QUICK}, {"silu", NEVA_ACT_SILU},
      {"swish", NEVA_ACT_SILU}, {"relu2", NEVA_ACT_RELU2}};
  const char *name = neva_hf_string (r, key, def);

  for (gsize i = 0; i < G_N_ELEMENTS (acts); i++) {
    if (g_str_equal (acts[i].name, name))
      return acts[i].act;
  }
  neva_hf_fail (r, key, NEVA_ERROR_UNSUPPORTED, "'%s' is not supported", name);
  return NEVA_ACT_NONE;
}

/* A side in pixels: N, or [N, N]. */
static guint
read_side (const NevaHfReader *r, const char *key, guint def)
{
  JsonNode *node = neva_hf_node (r, key);
  double h, w;

  if (!node || !JSON_NODE_HOLDS_ARRAY (node))
    return (guint) neva_hf_int (r, key, def, 1, 8192);
  if (json_array_get_length (json_node_get_array (node)) == 2 &&
      neva_hf_node_double (
          json_array_get_element (json_node_get_array (node), 0), &h) &&
      neva_hf_node_double (
          json_array_get_element (json_node_get_array (node), 1), &w) &&
      h == w && h >= 1 && h <= 8192)
    return (guint) h;
  neva_hf_fail (r, key, NEVA_ERROR_UNSUPPORTED, "only squares are supported");
  return def;
}

/* whole: the object is missing, and LlavaConfig's own CLIP-L/14-336 is meant.
 */
static void
read_shape (const NevaHfReader *r, gboolean whole, NevaTowerConfig *t)
{
  const char *type = neva_hf_string (r, "model_type", "clip_vision_model");
  gboolean clip;

  clip = g_str_equal (type, "clip_vision_model");
  if (!clip && !g_str_equal (type, "siglip_vision_model"))
    neva_hf_fail (r, "model_type", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (clip_vision_model, siglip_vision_model)", type);
  t->kind = clip ? NEVA_TOWER_CLIP : NEVA_TOWER_SIGLIP;
  t->class_tokens = clip ? 1 : 0;
  t->pre_norm = clip;
  t->patch_bias = !clip;
  t->hidden =
      (guint) neva_hf_int (r, "hidden_size", whole ? 1024 : 768, 1, MAX_WIDTH);
  t->ffn = (guint) neva_hf_int (
      r, "intermediate_size", whole ? 4096 : 3072, 1, MAX_WIDTH);
  t->layers = (guint) neva_hf_int (
      r, "num_hidden_layers", whole ? 24 : 12, 1, NEVA_MAX_LAYERS);
  t->heads = (guint) neva_hf_int (
      r, "num_attention_heads", whole ? 16 : 12, 1, MAX_HEADS);
  t->image_size = read_side (r, "image_size", whole ? 336 : 224);
  t->patch_size = read_side (r, "patch_size", whole ? 14 : clip ? 32 : 16);
  t->eps =
      (float) neva_hf_double (r, "layer_norm_eps", clip ? 1e-5 : 1e-6, 0, 1);
  t->act = neva_hf_read_act (
      r, "hidden_act", clip ? "quick_gelu" : "gelu_pytorch_tanh");
  if (neva_hf_int (r, "num_channels", 3, 1, 64) != 3)
    neva_hf_fail (r, "num_channels", NEVA_ERROR_UNSUPPORTED, "only 3 works");
  if (t->hidden % t->heads || t->hidden / t->heads > NEVA_HF_MAX_HEAD_DIM)
    neva_hf_fail (r, "num_attention_heads", NEVA_ERROR_BAD_FILE,
        "%u heads do not divide hidden_size %u into parts of at most %d",
        t->heads, t->hidden, NEVA_HF_MAX_HEAD_DIM);
  if (t->patch_size > t->image_size || t->image_size / t->patch_size > 256)
    neva_hf_fail (r, "patch_size", NEVA_ERROR_BAD_FILE,
        "%u does not suit image_size %u", t->patch_size, t->image_size);
}

/* Index into hidden_states: 0 is the embedding, k the output of layer k. */
static void
read_select (const NevaHfReader *top, NevaTowerConfig *t)
{
  const char *strategy =
      neva_hf_string (top, "vision_feature_select_strategy", "default");
  JsonNode *layer = neva_hf_node (top, "vision_feature_layer");

  if (g_str_equal (strategy, "default"))
    t->drop_rows = 1;
  else if (!g_str_equal (strategy, "full"))
    neva_hf_fail (top, "vision_feature_select_strategy", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported", strategy);
  if (layer && JSON_NODE_HOLDS_ARRAY (layer))
    neva_hf_fail (top, "vision_feature_layer", NEVA_ERROR_UNSUPPORTED,
        "a list of layers is not supported");
  t->select_layer = (gint) neva_hf_int (
      top, "vision_feature_layer", -2, -(gint64) t->layers - 1, t->layers);
}

void
neva_hf_read_tower (const NevaHfReader *top, NevaTowerConfig *t)
{
  const NevaHfReader r = neva_hf_child (top, "vision_config", "vision_config.");

  read_shape (&r, r.object == NULL, t);
  read_select (top, t);
  if (neva_tower_config_rows (t) <= t->drop_rows)
    neva_hf_fail (top, "vision_feature_select_strategy", NEVA_ERROR_BAD_FILE,
        "no row of the vision tower is left");
}

gboolean
neva_hf_tower_folder_read (
    const char *folder, NevaConfig *config, GError **error)
{
  const char *name = "config.json";
  g_autofree char *file = g_build_filename (folder, name, NULL);
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GError) fault = NULL;
  NevaHfReader top = {NULL, file, "", &fault}, r;

  if ((root = neva_json_file_read (folder, name, MAX_BYTES, &fault))) {
    top.object = json_node_get_object (root);
    /* a CLIPModel or SiglipModel, or the vision model alone */
    r = neva_hf_has (&top, "vision_config")
            ? neva_hf_child (&top, "vision_config", "vision_config.")
            : top;
    read_shape (&r, FALSE, &config->tower);
  }
  if (!fault)
    neva_hf_preprocess_read (folder, config, &fault);
  if (!fault)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&fault));
  return FALSE;
}
