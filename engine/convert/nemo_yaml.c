/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <json-glib/json-glib.h>
#include <string.h>
#include "checkpoint/extras.h"
#include "checkpoint/nemo_config.h"
#include "convert/json_out.h"
#include "convert/nemo_yaml.h"

static const char *
yes_no (gboolean value)
{
  return value ? "true" : "false";
}

/* JSON's strings are YAML's. */
static void
put_text (GString *out, const char *indent, const char *key, const char *value)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);
  g_autofree char *text = NULL;

  if (value) {
    json_node_set_string (node, value);
    text = json_to_string (node, FALSE);
  }
  g_string_append_printf (out, "%s%s: %s\n", indent, key, text ? text : "null");
}

/* YAML 1.1 wants a point in a number with an exponent. */
static void
put_real (GString *out, const char *indent, const char *key, float value)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE], format[8];
  const gboolean plain = value >= 1e-3f && value < 1e9f;
  double shortest;
  const int digits = neva_float_digits (value, &shortest);

  g_snprintf (format, sizeof format, plain ? "%%.%dg" : "%%.%de",
      plain ? MAX (digits, 9) : MAX (digits - 1, 1));
  g_ascii_formatd (text, sizeof text, format, shortest);
  g_string_append_printf (
      out, "%s%s: %s%s\n", indent, key, text, strpbrk (text, ".e") ? "" : ".0");
}

static const char *
activation (const NevaTextConfig *t)
{
  if (t->act == NEVA_ACT_RELU2)
    return "squared-relu";
  if (t->act == NEVA_ACT_SILU)
    return "fast-swiglu";
  if (t->act == NEVA_ACT_GELU_QUICK && !t->gated)
    return "approx-gelu";
  return t->gated ? "fast-geglu" : "gelu";
}

static const char *
normalization (NevaNormKind norm)
{
  return norm == NEVA_NORM_RMS     ? "rmsnorm"
         : norm == NEVA_NORM_LAYER ? "layernorm"
                                   : "layernorm1p";
}

static void
put_model (GString *out, const NevaTextConfig *t, const NevaNemoShape *shape)
{
  g_string_append_printf (out,
      "mcore_gpt: true\nencoder_seq_length: %u\nmax_position_embeddings: %u\n"
      "num_layers: %u\nhidden_size: %u\nffn_hidden_size: %u\n"
      "num_attention_heads: %u\nnum_query_groups: %u\nkv_channels: %u\n"
      "normalization: %s\n",
      t->context_length, t->context_length, t->layers, t->hidden, t->ffn,
      t->heads, t->kv_heads, t->head_dim, normalization (t->norm));
  put_real (out, "", "layernorm_epsilon", t->eps);
  g_string_append_printf (out,
      "activation: %s\nopenai_gelu: %s\nbias_activation_fusion: false\n"
      "bias: %s\nqkv_bias: %s\n"
      "share_embeddings_and_output_weights: %s\n"
      "position_embedding_type: rope\n",
      activation (t), yes_no (t->act == NEVA_ACT_GELU_TANH),
      yes_no (t->out_bias), yes_no (t->qkv_bias), yes_no (t->tied_embeddings));
  put_real (out, "", "rotary_percentage", t->rope_fraction);
  put_real (out, "", "rotary_base", t->rope_base);
  if (t->rope_kind == NEVA_ROPE_LINEAR)
    put_real (out, "", "seq_len_interpolation_factor", t->rope_factor);
  if (t->sliding_window)
    g_string_append_printf (
        out, "window_size: [%u, 0]\n", t->sliding_window - 1);
  if (t->experts)
    g_string_append_printf (out, "num_moe_experts: %u\nmoe_router_topk: %u\n",
        t->experts, t->experts_used);
  g_string_append_printf (out,
      "make_vocab_size_divisible_by: %u\ntransformer_block_type: pre_ln\n"
      "megatron_legacy: false\nmegatron_amp_O2: true\n"
      "hidden_dropout: 0.0\nattention_dropout: 0.0\nffn_dropout: 0.0\n"
      "tensor_model_parallel_size: %u\npipeline_model_parallel_size: %u\n",
      shape->divisible_by, shape->tp, shape->pp);
}

/* Of the tower: which rows the projector sees. */
static void
put_multimodal (GString *out, const NevaConfig *c, const char *vision,
    const char *model_type)
{
  const NevaTowerConfig *t = &c->tower;
  const gboolean all = t->class_tokens && !t->drop_rows;

  g_string_append (out, "mm_cfg:\n  llm:\n    from_pretrained: null\n"
                        "    freeze: false\n");
  put_text (out, "    ", "model_type", model_type);
  g_string_append (out, "  pretrain_mm_mlp_adapter: null\n");
  switch (c->projector_kind) {
    case NEVA_PROJECTOR_MLP:
      if (c->projector_layers == 1)
        g_string_append (out, "  mm_mlp_adapter_type: linear\n");
      else
        g_string_append_printf (
            out, "  mm_mlp_adapter_type: mlp%ux_gelu\n", c->projector_layers);
      break;
    case NEVA_PROJECTOR_DOWNSAMPLE:
      g_string_append (out, "  mm_mlp_adapter_type: mlp_downsample\n");
      break;
    case NEVA_PROJECTOR_IDENTITY:
      g_string_append (out, "  mm_mlp_adapter_type: identity\n");
      break;
  }
  g_string_append_printf (out, "  use_im_start_end: %s\n  vision_encoder:\n",
      yes_no (c->use_im_start_end));
  put_text (out, "    ", "from_pretrained", vision);
  g_string_append_printf (out,
      "    from_hf: true\n    patch_dim: %u\n    hidden_size: %u\n"
      "    vision_select_layer: %d\n    vision_select_feature: %s\n"
      "    class_token_length: %u\n    freeze: true\n"
      "    crop_size: [%u, %u]\n",
      t->patch_size, t->hidden, t->select_layer, all ? "cls_patch" : "patch",
      t->drop_rows, c->preprocess.height, c->preprocess.width);
}

static void
put_lita (GString *out, const NevaConfig *c)
{
  static const char *const archs[] = {NULL, "temporal_spatial_pool",
      "temporal_spatial", "temporal_all_resolution"};

  if (c->lita)
    g_string_append_printf (out,
        "  use_lita: true\n  lita:\n    lita_video_arch: %s\n"
        "    visual_token_format: %s\n    sample_frames: %u\n",
        archs[c->lita], c->lita_ends ? "im_vid_start_end" : "v1",
        c->lita_frames);
}

static void
put_data (GString *out, const NevaConfig *c)
{
  g_string_append_printf (out,
      "data:\n  media_type: %s\n  splice_single_frame: %s\n"
      "  num_frames: %u\n",
      strcmp (c->media_type, "image") ? "video" : "image",
      *c->frame_choice ? c->frame_choice : "null", c->num_frames);
  put_text (out, "  ", "conv_template", c->conv_template);
  g_string_append_printf (out,
      "  image_aspect_ratio: %s\n  is_multimodal: true\n"
      "  sep_token_between_frames: false\n  sep_image_conv_front: %s\n",
      c->preprocess.pad ? "pad" : "square", yes_no (c->media_front));
  if (c->lita && c->time_tokens > 1)
    g_string_append_printf (out, "  num_time_tokens: %u\n", c->time_tokens);
}

/* What a legacy sentencepiece wrapper adds to its model. */
static void
put_special_tokens (GString *out, const NevaFileSet *files)
{
  g_autoptr (JsonNode) root =
      neva_file_set_find (files, "tokenizer_config.json")
          ? neva_file_set_json (
                files, "tokenizer_config.json", NEVA_MAX_TOKENIZER_BYTES, NULL)
          : NULL;
  JsonNode *list = root ? json_object_get_member (
                              json_node_get_object (root), NEVA_NEMO_TOKENS)
                        : NULL;
  g_autofree char *text = NULL;

  if (!list || !JSON_NODE_HOLDS_ARRAY (list) ||
      !json_array_get_length (json_node_get_array (list)))
    return;
  text = json_to_string (list, FALSE);
  g_string_append_printf (out, "  additional_special_tokens: %s\n", text);
}

static void
put_tokenizer (GString *out, const NevaOrigin *o, const NevaNemoFiles *files)
{
  const NevaConfig *c = &o->config;
  const char *file =
      files->tokenizer_model ? files->tokenizer_model : files->tokenizer_json;
  g_autofree char *name = g_strconcat ("nemo:", file, NULL);

  g_string_append_printf (out, "tokenizer:\n  library: %s\n",
      files->tokenizer_model ? "sentencepiece" : "huggingface");
  put_text (out, "  ", "type", files->tokenizer_model ? NULL : name);
  put_text (out, "  ", "model", files->tokenizer_model ? name : NULL);
  g_string_append_printf (out,
      "  vocab_file: null\n  merge_file: null\n  delimiter: null\n"
      "  sentencepiece_legacy: %s\n",
      yes_no (c->legacy_tokenizer));
  if (c->legacy_tokenizer)
    put_special_tokens (out, o->checkpoint.tokenizer);
}

/* What media tokens the model has: by its template unless NeMo said. */
static const char *
model_type (const NevaConfig *c)
{
  static const char *const known[] = {"nvgpt", "nv_steerlm", "nv_dpo", "v1",
      "llama_2", "mistral", "yi_34b", NULL};

  if (c->llama3_tokens)
    return "llama_3";
  return g_strv_contains (known, c->conv_template) ? c->conv_template
                                                   : "llama_2";
}

/* The section that the text so far needs to mean the configuration. */
static JsonObject *
find_extras (
    const NevaOrigin *o, const GString *text, gboolean *model, GError **error)
{
  const NevaConfig *want = &o->config;
  g_auto (NevaNemoInfo) info = {0};
  NevaConfig got = {0};

  if (!neva_nemo_config_parse (
          text->str, text->len, "model_config.yaml", &got, &info, error))
    return NULL;
  got.text.vocab = want->text.vocab;
  /* as the tower's folder will say */
  got.tower.pre_norm = want->tower.kind == NEVA_TOWER_CLIP;
  got.tower.class_tokens = got.tower.pre_norm ? 1 : 0;
  neva_nemo_config_rows (&got);
  return neva_extras_write (want, &got, model);
}

char *
neva_nemo_yaml (const NevaOrigin *o, const NevaNemoShape *shape,
    const NevaNemoFiles *files, gboolean *model, GError **error)
{
  const NevaConfig *c = &o->config;
  GString *out = g_string_new (NULL);
  g_autoptr (JsonObject) extras = NULL;

  put_model (out, &c->text, shape);
  put_multimodal (out, c, files->vision, model_type (c));
  put_lita (out, c);
  put_data (out, c);
  put_tokenizer (out, o, files);
  g_string_append (out,
      "precision: bf16\n"
      "target: nemo.collections.multimodal.models.multimodal_llm.neva."
      "neva_model.MegatronNevaModel\n"
      "nemo_version: 2.1.0\n");
  if (!(extras = find_extras (o, out, model, error))) {
    g_string_free (out, TRUE);
    return NULL;
  }
  if (files->tokenizer_files) {
    JsonArray *list = json_array_new ();

    for (const char *const *n = files->tokenizer_files; *n; n++)
      json_array_add_string_element (list, *n);
    json_object_set_array_member (extras, "tokenizer_files", list);
  }
  if (json_object_get_size (extras)) {
    g_autoptr (JsonNode) node = json_node_new (JSON_NODE_OBJECT);
    g_autofree char *text = NULL;

    json_node_set_object (node, extras);
    text = json_to_string (node, FALSE);
    g_string_append_printf (out, "neva: %s\n", text);
  }
  return g_string_free (out, FALSE);
}
