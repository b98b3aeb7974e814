/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* model_config.yaml: what its keys mean (spec 1.8, 2.4, 2.7), and which values
 * are refused because the original would be wrong without a word (8.2) or
 * because nothing here computes them. */
#include "config.h"
#include <string.h>
#include "check.h"
#include "checkpoint/nemo_clip.h"
#include "checkpoint/nemo_config.h"

#define SHAPE "num_layers: 2\nhidden_size: 64\nnum_attention_heads: 4\n"
#define ROPE "position_embedding_type: rope\n"
#define SPM "tokenizer: {library: sentencepiece, model: x}\n"
#define TEXT SHAPE ROPE SPM
#define VISION "vision_encoder: {from_hf: true, from_pretrained: t}"
#define MEDIA TEXT "mm_cfg: {" VISION "}\n"

static gboolean
parse (const char *text, NevaConfig *c, NevaNemoInfo *info, GError **error)
{
  return neva_nemo_config_parse (
      text, strlen (text), "model_config.yaml", c, info, error);
}

static void
test_activations (void)
{
  static const struct {
    const char *keys;
    NevaAct act;
    gboolean gated;
  } rows[] = {
      {"activation: squared-relu\nbias: false", NEVA_ACT_RELU2, FALSE},
      {"activation: fast-swiglu\nbias: false", NEVA_ACT_SILU, TRUE},
      {"activation: swiglu\nbias: true", NEVA_ACT_SILU, TRUE},
      {"activation: approx-gelu", NEVA_ACT_GELU_QUICK, FALSE},
      /* Megatron's fused kernel of bias and GELU is the approximation */
      {"activation: gelu", NEVA_ACT_GELU_TANH, FALSE},
      {"bias: true\nbias_activation_fusion: false", NEVA_ACT_GELU_ERF, FALSE},
      {"activation: gelu\nbias: false", NEVA_ACT_GELU_ERF, FALSE},
      {"activation: fast-geglu\nbias: false", NEVA_ACT_GELU_TANH, TRUE},
      {"activation: geglu\nbias_activation_fusion: false", NEVA_ACT_GELU_ERF,
          TRUE},
      {"activation: gelu\nbias: false\nopenai_gelu: true", NEVA_ACT_GELU_TANH,
          FALSE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *text = g_strconcat (TEXT, rows[i].keys, "\n", NULL);
    g_auto (NevaNemoInfo) info = {0};
    NevaConfig c = {0};

    CHECK (parse (text, &c, &info, NULL) && c.text.act == rows[i].act &&
               c.text.gated == rows[i].gated,
        "%s: act %d, gated %d", rows[i].keys, (int) c.text.act, c.text.gated);
  }
}

static void
test_rotary_base (void)
{
  static const char keys[] = TEXT "rotary_base: 500000\n"
                                  "seq_len_interpolation_factor: 4\n";
  g_autofree char *mcore = g_strconcat (keys, "mcore_gpt: true\n", NULL);
  g_auto (NevaNemoInfo) info = {0}, other = {0};
  NevaConfig c = {0};

  /* the legacy model never gets the key */
  CHECK (parse (keys, &c, &info, NULL) && c.text.rope_base == 10000 &&
             c.text.rope_kind == NEVA_ROPE_LINEAR && c.text.rope_factor == 4,
      "%f", (double) c.text.rope_base);
  CHECK (parse (mcore, &c, &other, NULL) && c.text.rope_base == 500000, "%f",
      (double) c.text.rope_base);
}

static void
test_tokenizers (void)
{
  static const struct {
    const char *tokenizer;
    gboolean legacy;
    const char *token; /* the first that the vocabulary gets; NULL: none */
    const char *eos;
  } rows[] = {
      /* a missing key means true to NeMo */
      {"{library: sentencepiece, model: x}", TRUE, NULL, NULL},
      {"{library: sentencepiece, model: x, sentencepiece_legacy: false}", FALSE,
          NULL, NULL},
      {"{library: megatron, type: GPTSentencePieceTokenizer, model: x}", FALSE,
          NULL, NULL},
      {"{library: sentencepiece, model: x, sentencepiece_legacy: true, "
       "additional_special_tokens: [<a>, <b>]}",
          TRUE, "<a>", NULL},
      {"{library: huggingface, type: x, additional_special_tokens: "
       "{eos_token: <e>, additional_special_tokens: [<a>]}}",
          FALSE, "<e>", "<e>"},
      {"{library: megatron, type: GPT2BPETokenizer, vocab_file: v, merge_file: "
       "m, special_tokens: {pad_token: <p>, eos_token: <e>}}",
          FALSE, "<p>", "<e>"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *text =
        g_strconcat (SHAPE ROPE "tokenizer: ", rows[i].tokenizer, "\n", NULL);
    g_auto (NevaNemoInfo) info = {0};
    g_autoptr (GError) error = NULL;
    NevaConfig c = {0};

    CHECK (parse (text, &c, &info, &error), "%s", error ? error->message : "");
    if (error)
      continue;
    CHECK (c.legacy_tokenizer == rows[i].legacy, "row %zu: %d", i,
        c.legacy_tokenizer);
    CHECK (!g_strcmp0 (info.special_tokens[0], rows[i].token), "row %zu: %s", i,
        info.special_tokens[0]);
    CHECK (!g_strcmp0 (info.eos_token, rows[i].eos), "row %zu: %s", i,
        info.eos_token);
  }
}

static void
test_refused (void)
{
  static const struct {
    const char *text, *part;
  } rows[] = {
      {TEXT "transformer_block_type: post_ln", "transformer_block_type"},
      {TEXT "rotary_interleaved: true", "rotary_interleaved"},
      {TEXT "headscale: true", "headscale"},
      {TEXT "normalize_attention_scores: false", "normalize_attention_scores"},
      {TEXT "multi_query_attention: true", "multi_query_attention"},
      {TEXT "megatron_legacy: true\ntensor_model_parallel_size: 2",
          "megatron_legacy"},
      {TEXT "moe_router_pre_softmax: true", "moe_router_pre_softmax"},
      {SHAPE ROPE "tokenizer: {library: sentencepiece, model: x, "
                  "sentencepiece_legacy: false, additional_special_tokens: "
                  "[<a>]}",
          "'<a>'"},
      {SHAPE ROPE "tokenizer: {library: tiktoken}", "tiktoken"},
      {MEDIA "data: {is_multimodal: false}", "is_multimodal"},
      {MEDIA "data: {num_frames: -1, media_type: video}", "num_frames"},
      {MEDIA "data: {num_frames: 8, splice_single_frame: last}", "num_frames"},
      {MEDIA "data: {image_aspect_ratio: keep}", "keep"},
      {TEXT "mm_cfg: {" VISION ", use_lita: true, lita: {visual_token_format: "
            "im_vid_start_end}}",
          "temporal_spatial_pool"},
      {TEXT "mm_cfg: {" VISION ", use_lita: true, lita: {visual_token_format: "
            "v2}}",
          "v2"},
      {TEXT "mm_cfg: {" VISION ", use_lita: true, lita: {lita_video_arch: "
            "spatial}}",
          "lita_video_arch"},
      {TEXT "mm_cfg: {vision_encoder: {from_hf: true, crop_size: [336]}}",
          "crop_size"},
      {TEXT "mm_cfg: {vision_encoder: {vision_select_feature: cls}}", "cls"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (NevaNemoInfo) info = {0};
    g_autoptr (GError) error = NULL;
    NevaConfig c = {0};

    CHECK (!parse (rows[i].text, &c, &info, &error) &&
               strstr (error->message, rows[i].part),
        "row %zu: %s", i, error ? error->message : "accepted");
  }
}

/* Placeholders are counted by keys, features come from the tower. */
static void
test_pictures_agree (void)
{
  static const struct {
    const char *vision, *part; /* part: NULL: accepted */
  } rows[] = {{"from_hf: true", NULL},
      {"from_hf: true, crop_size: [28, 28], patch_dim: 7", NULL},
      {"from_hf: true, crop_size: [56, 56]", "crop_size"},
      {"from_hf: true, patch_dim: 14", "patch_dim"},
      {"from_hf: true, class_token_length: 0", "class_token_length"},
      {"from_hf: true, class_token_length: 8", "class_token_length"},
      {"from_hf: true, vision_select_feature: cls_patch", NULL},
      /* not its key without from_hf */
      {"from_hf: false, crop_size: [56, 56]", NULL}};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *text = g_strdup_printf (
        TEXT "mm_cfg: {vision_encoder: {%s}}\n", rows[i].vision);
    g_auto (NevaNemoInfo) info = {0};
    g_autoptr (GError) error = NULL;
    NevaConfig c = {0};

    CHECK (parse (text, &c, &info, &error), "%s", rows[i].vision);
    c.tower = (NevaTowerConfig){.image_size = 28,
        .patch_size = 7,
        .layers = 2,
        .hidden = 12,
        .class_tokens = 1,
        .select_layer = -2,
        .drop_rows = c.tower.drop_rows};
    c.preprocess.width = c.preprocess.height = 28;
    neva_nemo_config_finish (&info, "x.nemo", &c, &error);
    CHECK (
        rows[i].part ? error && strstr (error->message, rows[i].part) : !error,
        "%s: %s", rows[i].vision, error ? error->message : "accepted");
  }
}

#define CLIP                                                                   \
  "vision: {img_h: 28, img_w: 28, patch_dim: 7, hidden_size: 24, num_layers: " \
  "3, num_attention_heads: 4, ffn_hidden_size: 40"

static void
test_megatron_tower (void)
{
  NevaConfig c = {.tower = {.select_layer = -2, .drop_rows = 8}};
  static const char text[] =
      CLIP ", class_token_length: 8, preprocess_layernorm: true, activation: "
           "approx-gelu, normalization: layernorm1p}\n";

  CHECK (neva_nemo_clip_config_parse (text, strlen (text), "x", &c, NULL),
      "refused");
  CHECK (c.tower.class_tokens == 8 && c.tower.pre_norm && !c.tower.pre_norm_1p,
      "%u class tokens", c.tower.class_tokens);
  CHECK (c.tower.norms_1p && c.tower.act == NEVA_ACT_GELU_QUICK &&
             !c.tower.post_norm && c.tower.select_layer == -2,
      "act %d", (int) c.tower.act);
  CHECK (c.preprocess.round_crop && c.preprocess.width == 28, "%u",
      c.preprocess.width);
  /* from zero on nothing is selected: the whole tower */
  c.tower.select_layer = 1;
  CHECK (neva_nemo_clip_config_parse (text, strlen (text), "x", &c, NULL) &&
             c.tower.select_layer == 3 && c.tower.post_norm,
      "layer %d", c.tower.select_layer);
}

static void
test_megatron_tower_refused (void)
{
  static const struct {
    const char *text, *part;
  } rows[] = {{"num_layers: 2", "no CLIP checkpoint"},
      {"vision: {img_h: 28, img_w: 14, patch_dim: 7}", "img_w"},
      {"vision: {img_h: 30, img_w: 30, patch_dim: 7}", "patch_dim"},
      {CLIP ", normalization: rmsnorm}", "rmsnorm"},
      {CLIP ", activation: fast-swiglu}", "gated"},
      {CLIP ", megatron_legacy: true}", "megatron_legacy"},
      {CLIP ", layerscale: true}", "layerscale"},
      {CLIP ", kv_channels: 5}", "kv_channels"},
      {CLIP ", position_embedding_type: rope}", "position_embedding_type"}};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;
    NevaConfig c = {0};

    CHECK (!neva_nemo_clip_config_parse (
               rows[i].text, strlen (rows[i].text), "x", &c, &error) &&
               strstr (error->message, rows[i].part),
        "row %zu: %s", i, error ? error->message : "accepted");
  }
}

int
main (void)
{
  test_activations ();
  test_rotary_base ();
  test_tokenizers ();
  test_refused ();
  test_pictures_agree ();
  test_megatron_tower ();
  test_megatron_tower_refused ();
  return check_finish ();
}
