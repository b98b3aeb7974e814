/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration files of a Hugging Face folder, keys as transformers 4
 * wrote them; transformers 5 reads them, too. */
#include "config.h"
#include <string.h>
#include "convert/hf_out.h"
#include "convert/json_out.h"

#define BICUBIC 3 /* Pillow's number */

static const char *
act_name (NevaAct act)
{
  switch (act) {
    case NEVA_ACT_NONE:
      return "linear";
    case NEVA_ACT_GELU_ERF:
      return "gelu";
    case NEVA_ACT_GELU_TANH:
      return "gelu_pytorch_tanh";
    case NEVA_ACT_GELU_QUICK:
      return "quick_gelu";
    case NEVA_ACT_SILU:
      return "silu";
    case NEVA_ACT_RELU2:
      return "relu2";
  }
  return "linear";
}

void
neva_hf_put_tower (JsonBuilder *b, const NevaTowerConfig *t, gboolean head)
{
  const gboolean clip = t->kind == NEVA_TOWER_CLIP;

  neva_json_text (
      b, "model_type", clip ? "clip_vision_model" : "siglip_vision_model");
  neva_json_int (b, "hidden_size", t->hidden);
  neva_json_int (b, "intermediate_size", t->ffn);
  neva_json_int (b, "num_hidden_layers", t->layers);
  neva_json_int (b, "num_attention_heads", t->heads);
  neva_json_int (b, "num_channels", 3);
  neva_json_int (b, "image_size", t->image_size);
  neva_json_int (b, "patch_size", t->patch_size);
  neva_json_text (b, "hidden_act", act_name (t->act));
  neva_json_float (b, "layer_norm_eps", t->eps);
  if (!clip)
    neva_json_bool (b, "vision_use_head", head);
}

static void
put_rgb (JsonBuilder *b, const char *key, const float rgb[3])
{
  json_builder_set_member_name (b, key);
  json_builder_begin_array (b);
  for (guint i = 0; i < 3; i++) {
    double shortest;

    neva_float_digits (rgb[i], &shortest);
    json_builder_add_double_value (b, shortest);
  }
  json_builder_end_array (b);
}

static void
put_square (JsonBuilder *b, const char *key, guint height, guint width)
{
  neva_json_begin (b, key);
  neva_json_int (b, "height", height);
  neva_json_int (b, "width", width);
  json_builder_end_object (b);
}

gboolean
neva_hf_write_preprocess (
    const NevaConfig *config, const char *folder, GError **error)
{
  const NevaPreprocess *p = &config->preprocess;
  const gboolean shortest = p->mode == NEVA_RESIZE_SHORTEST;
  const gboolean siglip = config->tower.kind == NEVA_TOWER_SIGLIP && !shortest;
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  neva_json_text (b, "image_processor_type",
      p->pad   ? "LlavaImageProcessor"
      : siglip ? "SiglipImageProcessor"
               : "CLIPImageProcessor");
  neva_json_text (b, "processor_class", "LlavaProcessor");
  if (p->pad)
    neva_json_bool (b, "do_pad", TRUE);
  neva_json_bool (b, "do_convert_rgb", TRUE);
  neva_json_bool (b, "do_resize", TRUE);
  neva_json_int (b, "resample", BICUBIC);
  if (shortest) {
    neva_json_begin (b, "size");
    neva_json_int (b, "shortest_edge", p->shortest_edge);
    json_builder_end_object (b);
  } else {
    put_square (b, "size", p->height, p->width);
  }
  neva_json_bool (b, "do_center_crop", shortest);
  if (shortest)
    put_square (b, "crop_size", p->height, p->width);
  neva_json_bool (b, "do_rescale", TRUE);
  neva_json_real (b, "rescale_factor", p->rescale);
  neva_json_bool (b, "do_normalize", TRUE);
  put_rgb (b, "image_mean", p->mean);
  put_rgb (b, "image_std", p->std);
  json_builder_end_object (b);
  return neva_json_write (folder, "preprocessor_config.json", b, error);
}

/* ---- The text model ----------------------------------------------------- */

/* transformers' class that computes this, as far as there is one; what it lacks
 * is said beside it (extras.h). */
static const char *
text_class (const NevaTextConfig *t)
{
  if (t->experts)
    return "mixtral";
  if (t->norm == NEVA_NORM_LAYER_1P && !t->gated)
    return "nemotron";
  if (t->sliding_window)
    return t->qkv_bias ? "qwen2" : "mistral";
  return t->qkv_bias && !t->out_bias && !t->mlp_bias ? "qwen2" : "llama";
}

gboolean
neva_hf_lacks_fraction (const NevaTextConfig *t)
{
  return t->rope_fraction != 1.0f && !g_str_equal (text_class (t), "nemotron");
}

static void
put_rope (JsonBuilder *b, const NevaTextConfig *t)
{
  neva_json_float (b, "rope_theta", t->rope_base);
  if (t->rope_fraction != 1.0f)
    neva_json_float (b, "partial_rotary_factor", t->rope_fraction);
  if (t->rope_kind == NEVA_ROPE_DEFAULT) {
    neva_json_text (b, "rope_scaling", NULL);
    return;
  }
  neva_json_begin (b, "rope_scaling");
  neva_json_text (
      b, "rope_type", t->rope_kind == NEVA_ROPE_LINEAR ? "linear" : "llama3");
  neva_json_float (b, "factor", t->rope_factor);
  if (t->rope_kind == NEVA_ROPE_LLAMA3) {
    neva_json_float (b, "low_freq_factor", t->rope_low_freq);
    neva_json_float (b, "high_freq_factor", t->rope_high_freq);
    neva_json_int (
        b, "original_max_position_embeddings", t->rope_original_context);
  }
  json_builder_end_object (b);
}

static void
put_window (JsonBuilder *b, const char *type, const NevaTextConfig *t)
{
  guint from = t->layers;

  while (from > 0 && t->window_layers[from - 1])
    from--;
  if (t->sliding_window)
    neva_json_int (b, "sliding_window", t->sliding_window);
  else
    neva_json_text (b, "sliding_window", NULL);
  if (!g_str_equal (type, "qwen2"))
    return;
  neva_json_bool (b, "use_sliding_window", t->sliding_window > 0);
  neva_json_int (b, "max_window_layers", from);
}

void
neva_hf_put_text (JsonBuilder *b, const NevaConfig *config, const char *dtype,
    gint32 bos, gint32 eos)
{
  const NevaTextConfig *t = &config->text;
  const char *type = text_class (t);

  neva_json_text (b, "model_type", type);
  neva_json_int (b, "vocab_size", t->vocab);
  neva_json_int (b, "hidden_size", t->hidden);
  neva_json_int (b, "intermediate_size", t->ffn);
  neva_json_int (b, "num_hidden_layers", t->layers);
  neva_json_int (b, "num_attention_heads", t->heads);
  neva_json_int (b, "num_key_value_heads", t->kv_heads);
  neva_json_int (b, "head_dim", t->head_dim);
  neva_json_int (b, "max_position_embeddings", t->context_length);
  neva_json_text (b, "hidden_act", act_name (t->act));
  neva_json_float (
      b, g_str_equal (type, "nemotron") ? "norm_eps" : "rms_norm_eps", t->eps);
  if (g_str_equal (type, "llama") || g_str_equal (type, "nemotron")) {
    neva_json_bool (b, "attention_bias", t->qkv_bias && t->out_bias);
    neva_json_bool (b, "mlp_bias", t->mlp_bias);
  } else {
    put_window (b, type, t);
  }
  if (t->experts) {
    neva_json_int (b, "num_local_experts", t->experts);
    neva_json_int (b, "num_experts_per_tok", t->experts_used);
  }
  put_rope (b, t);
  neva_json_bool (b, "tie_word_embeddings", t->tied_embeddings);
  neva_json_int (b, "bos_token_id", bos);
  neva_json_int (b, "eos_token_id", eos);
  neva_json_text (b, "torch_dtype", dtype);
  neva_json_bool (b, "use_cache", TRUE);
}
