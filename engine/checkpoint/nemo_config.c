/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <string.h>
#include "checkpoint/extras.h"
#include "checkpoint/hf_reader.h"
#include "checkpoint/nemo_blocks.h"
#include "checkpoint/nemo_config.h"
#include "checkpoint/nemo_keys.h"
#include "checkpoint/yaml_file.h"

#define FILE_NAME "model_config.yaml"
#define MAX_WIDTH 131072
#define MAX_HEADS 1024
#define MAX_HEAD_DIM 256 /* attention.h */
#define DEFAULT_TOP_K 2
#define DEFAULT_TIME_TOKENS 100
#define MAX_SPECIAL_TOKENS 4096u
#define MAX_TOKENIZER_FILES 32u

void
neva_nemo_info_clear (NevaNemoInfo *info)
{
  g_clear_pointer (&info->vision_folder, g_free);
  g_clear_pointer (&info->tokenizer_file, g_free);
  g_clear_pointer (&info->tokenizer_name, g_free);
  g_clear_pointer (&info->vocab_file, g_free);
  g_clear_pointer (&info->merge_file, g_free);
  g_clear_pointer (&info->special_tokens, g_strfreev);
  g_clear_pointer (&info->bos_token, g_free);
  g_clear_pointer (&info->eos_token, g_free);
  g_clear_pointer (&info->tokenizer_files, g_strfreev);
  g_clear_pointer (&info->neva, json_node_unref);
}

/* ---- The language model ---------------------------------------------------
 */

static void
read_norm (const NevaHfReader *r, NevaTextConfig *t)
{
  const char *name = neva_hf_string (r, "normalization", "layernorm1p");

  t->eps = (float) neva_hf_double (r, "layernorm_epsilon", 1e-5, 0, 1);
  if (!strcmp (name, "rmsnorm"))
    t->norm = NEVA_NORM_RMS;
  else if (!strcmp (name, "layernorm1p"))
    t->norm = NEVA_NORM_LAYER_1P;
  else if (!strcmp (name, "layernorm"))
    t->norm = NEVA_NORM_LAYER;
  else
    neva_hf_fail (r, "normalization", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported", name);
}

static void
read_rope (const NevaHfReader *r, NevaTextConfig *t)
{
  const char *type =
      neva_hf_string (r, "position_embedding_type", "learned_absolute");
  /* the legacy model never gets the key (spec 2.4) */
  const gboolean mcore = neva_hf_bool (r, "mcore_gpt", FALSE);

  if (strcmp (type, "rope"))
    neva_hf_fail (r, "position_embedding_type", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (rope)", type);
  t->rope_base =
      mcore ? (float) neva_hf_double (r, "rotary_base", 10000, 1, 1e12) : 10000;
  t->rope_fraction =
      (float) neva_hf_double (r, "rotary_percentage", 1, 1e-3, 1);
  t->rope_factor =
      (float) neva_hf_double (r, "seq_len_interpolation_factor", 1, 1e-6, 1e6);
  t->rope_kind = t->rope_factor == 1.0f ? NEVA_ROPE_DEFAULT : NEVA_ROPE_LINEAR;
}

/* [left, 0]: a token sees `left` tokens before itself. */
static void
read_window (const NevaHfReader *r, NevaTextConfig *t)
{
  JsonNode *node = neva_hf_node (r, "window_size");
  JsonArray *array =
      node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  double left, right;

  if (!node)
    return;
  if (!array || json_array_get_length (array) != 2 ||
      !neva_hf_node_double (json_array_get_element (array, 0), &left) ||
      !neva_hf_node_double (json_array_get_element (array, 1), &right) ||
      !(left >= 0 && left < 1 << 24) || left != (double) (guint) left ||
      right > 0) {
    neva_hf_fail (r, "window_size", NEVA_ERROR_UNSUPPORTED,
        "[tokens before, 0] is expected");
    return;
  }
  t->sliding_window = (guint) left + 1;
  memset (t->window_layers, TRUE, t->layers);
}

/* The old order of queries, keys and values: of a rank's own heads, so ranks
 * cannot be put together without knowing them. */
static void
read_legacy (const NevaHfReader *r, NevaTextConfig *t)
{
  t->qkv_apart = !neva_hf_bool (r, "mcore_gpt", FALSE) &&
                 neva_hf_bool (r, "megatron_legacy", FALSE);
  if (t->qkv_apart &&
      neva_hf_int (r, "tensor_model_parallel_size", 1, 1, 1024) > 1)
    neva_hf_fail (r, "megatron_legacy", NEVA_ERROR_UNSUPPORTED,
        "true is not supported together with tensor_model_parallel_size");
}

static void
read_text (const NevaHfReader *r, NevaTextConfig *t)
{
  const gboolean bias = neva_hf_bool (r, "bias", TRUE);

  t->hidden = (guint) neva_hf_int (r, "hidden_size", 0, 1, MAX_WIDTH);
  t->layers = (guint) neva_hf_int (r, "num_layers", 0, 1, NEVA_MAX_LAYERS);
  t->heads = (guint) neva_hf_int (r, "num_attention_heads", 0, 1, MAX_HEADS);
  if (neva_hf_failed (r))
    return;
  if (!t->hidden || !t->layers || !t->heads) {
    neva_hf_fail (r, "hidden_size, num_layers or num_attention_heads",
        NEVA_ERROR_BAD_FILE, "missing");
    return;
  }
  t->ffn = (guint) neva_hf_int (
      r, "ffn_hidden_size", 4 * (gint64) t->hidden, 1, MAX_WIDTH);
  t->kv_heads =
      (guint) neva_hf_int (r, "num_query_groups", t->heads, 1, MAX_HEADS);
  t->head_dim = (guint) neva_hf_int (
      r, "kv_channels", MAX (1, t->hidden / t->heads), 1, MAX_WIDTH);
  t->context_length =
      (guint) neva_hf_int (r, "encoder_seq_length", 4096, 1, 1 << 24);
  if (t->heads % t->kv_heads)
    neva_hf_fail (r, "num_query_groups", NEVA_ERROR_BAD_FILE,
        "%u does not divide num_attention_heads %u", t->kv_heads, t->heads);
  if (t->head_dim % 2 || t->head_dim > MAX_HEAD_DIM)
    neva_hf_fail (r, "kv_channels", NEVA_ERROR_UNSUPPORTED,
        "%u is not an even number of at most %d", t->head_dim, MAX_HEAD_DIM);
  t->qkv_bias = bias || neva_hf_bool (r, "qkv_bias", FALSE);
  t->out_bias = t->mlp_bias = bias;
  t->tied_embeddings =
      neva_hf_bool (r, "share_embeddings_and_output_weights", TRUE);
  t->experts = (guint) neva_hf_int (r, "num_moe_experts", 0, 0, 1024);
  if (t->experts)
    t->experts_used = (guint) neva_hf_int (
        r, "moe_router_topk", DEFAULT_TOP_K, 1, t->experts);
  if (neva_hf_bool (r, "moe_router_pre_softmax", FALSE))
    neva_hf_fail (r, "moe_router_pre_softmax", NEVA_ERROR_UNSUPPORTED,
        "true is not supported");
  /* the fused kernel is the default of either model */
  neva_nemo_read_activation (r, bias, TRUE, &t->act, &t->gated);
  neva_nemo_check_block (r);
  read_legacy (r, t);
  read_norm (r, t);
  read_rope (r, t);
  read_window (r, t);
}

/* ---- Vision, projector, data ------------------------------------------------
 */

static void
read_projector (const NevaHfReader *mm, NevaConfig *c)
{
  const char *type = neva_hf_string (mm, "mm_mlp_adapter_type", "linear");
  guint layers;
  int end = 0;

  c->projector_act = NEVA_ACT_GELU_ERF;
  c->projector_bias = TRUE;
  c->projector_kind = NEVA_PROJECTOR_MLP;
  if (!strcmp (type, "linear")) {
    c->projector_layers = 1;
  } else if (!strcmp (type, "mlp_downsample")) {
    c->projector_kind = NEVA_PROJECTOR_DOWNSAMPLE;
    c->projector_layers = 2;
  } else if (!strcmp (type, "identity")) {
    c->projector_kind = NEVA_PROJECTOR_IDENTITY;
  } else if (sscanf (type, "mlp%ux_gelu%n", &layers, &end) == 1 && !type[end] &&
             layers >= 1 && layers <= 8) {
    c->projector_layers = layers;
  } else {
    neva_hf_fail (mm, "mm_mlp_adapter_type", NEVA_ERROR_UNSUPPORTED,
        "unknown projector '%s'", type);
  }
}

/* [height, width] of the pictures that the tower gets. */
static void
read_crop (const NevaHfReader *r, const char *key, NevaNemoInfo *info)
{
  JsonNode *node = neva_hf_node (r, key);
  JsonArray *array =
      node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  double side[2];

  if (!node)
    return;
  for (guint i = 0; i < 2; i++) {
    JsonNode *item = !array ? node
                     : json_array_get_length (array) == 2
                         ? json_array_get_element (array, i)
                         : NULL;

    if (!item || !neva_hf_node_double (item, &side[i]) ||
        !(side[i] >= 1 && side[i] <= 8192)) {
      neva_hf_fail (r, key, NEVA_ERROR_BAD_FILE, "[height, width] is expected");
      return;
    }
    info->crop[i] = (guint) side[i];
  }
}

static void
read_vision (const NevaHfReader *mm, NevaConfig *c, NevaNemoInfo *info)
{
  const NevaHfReader v =
      neva_hf_child (mm, "vision_encoder", "mm_cfg.vision_encoder.");
  const char *feature = neva_hf_string (&v, "vision_select_feature", "patch");
  const char *folder = neva_hf_string (&v, "from_pretrained", "");

  c->tower.select_layer = (gint) neva_hf_int (
      &v, "vision_select_layer", -2, -NEVA_MAX_LAYERS - 1, NEVA_MAX_LAYERS);
  info->patches = !strcmp (feature, "patch");
  if (info->patches)
    c->tower.drop_rows =
        (guint) neva_hf_int (&v, "class_token_length", 1, 0, 64);
  else if (strcmp (feature, "cls_patch"))
    neva_hf_fail (&v, "vision_select_feature", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (patch, cls_patch)", feature);
  info->vision_folder = *folder ? g_strdup (folder) : NULL;
  info->patch_dim = (guint) neva_hf_int (&v, "patch_dim", 0, 1, 8192);
  info->from_hf = neva_hf_bool (&v, "from_hf", FALSE);
  if (info->from_hf)
    read_crop (&v, "crop_size", info);
  else
    read_crop (mm, "crop_size", info);
}

static void
read_data (const NevaHfReader *top, NevaConfig *c)
{
  const NevaHfReader d = neva_hf_child (top, "data", "data.");
  const char *splice = neva_hf_string (&d, "splice_single_frame", "");
  const char *aspect = neva_hf_string (&d, "image_aspect_ratio", "square");
  const char *template = neva_hf_string (&d, "conv_template", "nvgpt");

  if (c->lita)
    c->time_tokens = (guint) neva_hf_int (
        &d, "num_time_tokens", DEFAULT_TIME_TOKENS, 2, 65536);
  g_strlcpy (c->media_type, neva_hf_string (&d, "media_type", "image"),
      sizeof c->media_type);
  c->num_frames = (guint) neva_hf_int (
      &d, "num_frames", strcmp (c->media_type, "video") ? 1 : 8, -1, 4096);
  if ((gint) c->num_frames < 1)
    neva_hf_fail (&d, "num_frames", NEVA_ERROR_UNSUPPORTED,
        "a number of at least 1 is expected");
  if ((!strcmp (splice, "first") || !strcmp (splice, "middle") ||
          !strcmp (splice, "last")) &&
      c->num_frames != 1)
    neva_hf_fail (&d, "splice_single_frame", NEVA_ERROR_BAD_FILE,
        "'%s' gives one frame, but num_frames is %u", splice, c->num_frames);
  if (!strcmp (aspect, "keep"))
    neva_hf_fail (&d, "image_aspect_ratio", NEVA_ERROR_UNSUPPORTED,
        "'keep' gives pictures that no tower takes");
  if (!strcmp (splice, "first") || !strcmp (splice, "middle") ||
      !strcmp (splice, "last"))
    g_strlcpy (c->frame_choice, splice, sizeof c->frame_choice);
  if (!neva_hf_bool (&d, "is_multimodal", TRUE))
    neva_hf_fail (&d, "is_multimodal", NEVA_ERROR_UNSUPPORTED,
        "false gives prompts without media");
  c->media_front = neva_hf_bool (&d, "sep_image_conv_front", FALSE);
  c->preprocess.pad = !strcmp (aspect, "pad");
  g_strlcpy (c->conv_template, template, sizeof c->conv_template);
  g_strlcpy (c->prompt, "Describe the video.", sizeof c->prompt);
}

/* "nemo:<32 hex>_name" is a file of the bundle. */
static char *
artifact (const char *value)
{
  if (!value || !*value)
    return NULL;
  return g_strdup (
      g_str_has_prefix (value, "nemo:") ? value + strlen ("nemo:") : value);
}

/* (transfer full): the strings of a list; NULL without the key. */
static char **
read_strings (const NevaHfReader *r, const char *key, guint max)
{
  JsonNode *node = neva_hf_node (r, key);
  JsonArray *array =
      node && JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;
  const guint n = array ? json_array_get_length (array) : 0;
  char **strings;

  if (!node)
    return NULL;
  strings = g_new0 (char *, MIN (n, max) + 1);
  if (!array || n > max)
    neva_hf_fail (r, key, NEVA_ERROR_BAD_FILE,
        "a list of at most %u strings is expected", max);
  for (guint i = 0; i < MIN (n, max); i++) {
    JsonNode *item = json_array_get_element (array, i);
    const gboolean text = JSON_NODE_HOLDS_VALUE (item) &&
                          json_node_get_value_type (item) == G_TYPE_STRING;

    if (!text || !*json_node_get_string (item))
      neva_hf_fail (
          r, key, NEVA_ERROR_BAD_FILE, "a list of strings is expected");
    strings[i] = g_strdup (text ? json_node_get_string (item) : "");
  }
  return strings;
}

/* In the order in which transformers adds those that the vocabulary lacks. */
static const char *const token_names[] = {"unk_token", "mask_token",
    "pad_token", "sep_token", "eos_token", "bos_token", "cls_token"};

static void
set_string (char **to, const char *text)
{
  g_free (*to);
  *to = g_strdup (text);
}

/* special_tokens, or additional_special_tokens as a mapping: names of tokens,
 * which are added like the additional ones. */
static void
read_named_tokens (
    const NevaHfReader *t, const char *key, GPtrArray *add, NevaNemoInfo *info)
{
  const NevaHfReader r = neva_hf_child (t, key, "tokenizer.special_tokens.");
  char **more =
      read_strings (&r, "additional_special_tokens", MAX_SPECIAL_TOKENS);

  for (gsize i = 0; i < G_N_ELEMENTS (token_names); i++) {
    const char *text = neva_hf_string (&r, token_names[i], "");

    if (!*text)
      continue;
    g_ptr_array_add (add, g_strdup (text));
    if (!strcmp (token_names[i], "bos_token"))
      set_string (&info->bos_token, text);
    if (!strcmp (token_names[i], "eos_token"))
      set_string (&info->eos_token, text);
  }
  for (char **one = more; one && *one; one++)
    g_ptr_array_add (add, g_strdup (*one));
  g_strfreev (more);
}

static void
read_special_tokens (const NevaHfReader *t, NevaNemoInfo *info)
{
  JsonNode *node = neva_hf_node (t, "additional_special_tokens");
  GPtrArray *add = g_ptr_array_new ();
  char **more;

  read_named_tokens (t, "special_tokens", add, info);
  if (node && JSON_NODE_HOLDS_OBJECT (node)) {
    read_named_tokens (t, "additional_special_tokens", add, info);
  } else {
    more = read_strings (t, "additional_special_tokens", MAX_SPECIAL_TOKENS);
    for (char **one = more; one && *one; one++)
      g_ptr_array_add (add, g_strdup (*one));
    g_strfreev (more);
  }
  g_ptr_array_add (add, NULL);
  info->special_tokens = (char **) g_ptr_array_free (add, FALSE);
}

/* legacy: what a missing sentencepiece_legacy means. */
static void
read_sentencepiece (
    const NevaHfReader *t, gboolean legacy, NevaConfig *c, NevaNemoInfo *info)
{
  info->legacy_tokenizer = c->legacy_tokenizer =
      neva_hf_bool (t, "sentencepiece_legacy", legacy);
  info->tokenizer_file = artifact (
      neva_hf_string (t, "model", neva_hf_string (t, "tokenizer_model", NULL)));
  if (!info->tokenizer_file)
    neva_hf_fail (t, "model", NEVA_ERROR_BAD_FILE, "missing");
  if (!info->legacy_tokenizer && info->special_tokens[0])
    neva_hf_fail (t, "additional_special_tokens", NEVA_ERROR_UNSUPPORTED,
        "a sentencepiece model takes '%s' with sentencepiece_legacy: true only",
        info->special_tokens[0]);
}

static void
read_tokenizer (const NevaHfReader *top, NevaConfig *c, NevaNemoInfo *info)
{
  const NevaHfReader t = neva_hf_child (top, "tokenizer", "tokenizer.");
  const char *library = neva_hf_string (&t, "library", "sentencepiece");
  const char *type = neva_hf_string (&t, "type", "");

  read_special_tokens (&t, info);
  if (!strcmp (library, "sentencepiece")) {
    read_sentencepiece (&t, TRUE, c, info);
  } else if (!strcmp (library, "megatron") &&
             !strcmp (type, "GPTSentencePieceTokenizer")) {
    read_sentencepiece (&t, FALSE, c, info);
  } else if (!strcmp (library, "huggingface")) {
    info->tokenizer_name = *type ? artifact (type) : NULL;
  } else if (!strcmp (library, "megatron")) {
    info->vocab_file = artifact (neva_hf_string (&t, "vocab_file", NULL));
    info->merge_file = artifact (neva_hf_string (&t, "merge_file", NULL));
  } else {
    neva_hf_fail (&t, "library", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (sentencepiece, huggingface, megatron)",
        library);
  }
}

static void
read_lita (const NevaHfReader *mm, NevaConfig *c)
{
  static const char *const archs[] = {"temporal_spatial_pool",
      "temporal_spatial", "temporal_all_resolution", NULL};
  const NevaHfReader r = neva_hf_child (mm, "lita", "mm_cfg.lita.");
  const char *arch = neva_hf_string (&r, "lita_video_arch", archs[0]);
  const char *format = neva_hf_string (&r, "visual_token_format", "v1");

  c->lita_ends = !strcmp (format, "im_vid_start_end");
  if (!c->lita_ends && strcmp (format, "v1"))
    neva_hf_fail (&r, "visual_token_format", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (v1, im_vid_start_end)", format);
  for (guint i = 0; archs[i]; i++) {
    if (!strcmp (archs[i], arch))
      c->lita = (NevaLita) (NEVA_LITA_POOL + i);
  }
  if (!c->lita)
    neva_hf_fail (&r, "lita_video_arch", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported", arch);
  if (c->lita_ends && c->lita && c->lita != NEVA_LITA_ALL)
    neva_hf_fail (&r, "visual_token_format", NEVA_ERROR_UNSUPPORTED,
        "im_vid_start_end puts frames between tokens, and lita_video_arch %s "
        "has none",
        arch);
  c->lita_frames = (guint) neva_hf_int (&r, "sample_frames", 4, 1, 4096);
  c->time_tokens = DEFAULT_TIME_TOKENS;
}

static void
read_lora (const NevaHfReader *top, NevaNemoInfo *info)
{
  const NevaHfReader peft = neva_hf_child (top, "peft", "peft.");
  const NevaHfReader r =
      neva_hf_child (&peft, "lora_tuning", "peft.lora_tuning.");

  info->lora_dim = (guint) neva_hf_int (&r, "adapter_dim", 0, 1, MAX_WIDTH);
  info->lora_alpha = neva_hf_double (&r, "alpha", info->lora_dim, 1e-6, 1e6);
}

/* Section neva; of its keys only the tokenizer's files are read here. */
static void
read_neva (const NevaHfReader *top, NevaNemoInfo *info)
{
  const NevaHfReader neva = neva_hf_child (top, "neva", "neva.");

  if (neva.object)
    info->neva = json_node_ref (neva_hf_node (top, "neva"));
  info->tokenizer_files =
      read_strings (&neva, "tokenizer_files", MAX_TOKENIZER_FILES);
}

static void
read_all (const NevaHfReader *top, NevaConfig *c, NevaNemoInfo *info)
{
  const NevaHfReader mm = neva_hf_child (top, "mm_cfg", "mm_cfg.");
  const NevaHfReader llm = neva_hf_child (&mm, "llm", "mm_cfg.llm.");

  info->multimodal = mm.object != NULL;
  read_text (top, &c->text);
  read_lora (top, info);
  read_tokenizer (top, c, info);
  c->nemo = TRUE;
  c->bos = -1;
  if (!info->multimodal)
    return;
  info->frozen_llm = neva_hf_bool (&llm, "freeze", FALSE);
  c->llama3_tokens =
      !strcmp (neva_hf_string (&llm, "model_type", "nvgpt"), "llama_3");
  c->use_im_start_end = neva_hf_bool (&mm, "use_im_start_end", FALSE);
  if (neva_hf_bool (&mm, "use_lita", FALSE))
    read_lita (&mm, c);
  read_projector (&mm, c);
  read_vision (&mm, c, info);
  read_data (top, c);
  read_neva (top, info);
}

gboolean
neva_nemo_config_parse (const char *text, gsize length, const char *name,
    NevaConfig *config, NevaNemoInfo *info, GError **error)
{
  g_autoptr (JsonNode) root = neva_yaml_parse (text, length, name, error);
  g_autoptr (GError) fault = NULL;
  NevaHfReader top = {NULL, name, "", &fault};

  if (!root)
    return FALSE;
  if (!JSON_NODE_HOLDS_OBJECT (root)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_FILE, "%s: no mapping", name);
    return FALSE;
  }
  top.object = json_node_get_object (root);
  neva_nemo_keys_list (top.object, name);
  read_all (&top, config, info);
  if (!fault)
    return TRUE;
  neva_nemo_info_clear (info);
  g_propagate_error (error, g_steal_pointer (&fault));
  return FALSE;
}

gboolean
neva_nemo_config_text (NevaBundle *bundle, const char **text, gsize *length,
    char **name, GError **error)
{
  GBytes *bytes = neva_bundle_find (bundle, FILE_NAME);

  *name = g_strconcat (neva_bundle_path (bundle), ": " FILE_NAME, NULL);
  if (bytes) {
    *text = g_bytes_get_data (bytes, length);
    return TRUE;
  }
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
      "%s: missing; this is no .nemo checkpoint", *name);
  return FALSE;
}

gboolean
neva_nemo_config_read (
    NevaBundle *bundle, NevaConfig *config, NevaNemoInfo *info, GError **error)
{
  g_autofree char *name = NULL;
  const char *text;
  gsize length;

  return neva_nemo_config_text (bundle, &text, &length, &name, error) &&
         neva_nemo_config_parse (text, length, name, config, info, error);
}

void
neva_nemo_config_rows (NevaConfig *config)
{
  if (!config->tower.class_tokens)
    config->tower.drop_rows = 0;
}

/* What NeMo counts the placeholders by must be what the tower gives. */
static void
check_pictures (const NevaNemoInfo *info, const NevaHfReader *neva,
    const NevaConfig *config)
{
  const NevaHfReader r = {NULL, neva->file, "mm_cfg.", neva->error};
  const NevaPreprocess *p = &config->preprocess;

  if (info->crop[0] &&
      (info->crop[0] != p->height || info->crop[1] != p->width))
    neva_hf_fail (&r, info->from_hf ? "vision_encoder.crop_size" : "crop_size",
        NEVA_ERROR_BAD_FILE,
        "[%u, %u], but the vision tower's pictures are %u×%u", info->crop[0],
        info->crop[1], p->height, p->width);
  if (info->patches && config->tower.class_tokens &&
      config->tower.drop_rows != config->tower.class_tokens)
    neva_hf_fail (&r, "vision_encoder.class_token_length", NEVA_ERROR_BAD_FILE,
        "%u, but the vision tower has %u class tokens", config->tower.drop_rows,
        config->tower.class_tokens);
  if (info->patch_dim && info->patch_dim != config->tower.patch_size)
    neva_hf_fail (&r, "vision_encoder.patch_dim", NEVA_ERROR_BAD_FILE,
        "%u, but the vision tower's patches are %u wide", info->patch_dim,
        config->tower.patch_size);
}

gboolean
neva_nemo_config_finish (const NevaNemoInfo *info, const char *name,
    NevaConfig *config, GError **error)
{
  g_autofree char *file = g_strconcat (name, ": " FILE_NAME, NULL);
  g_autoptr (GError) fault = NULL;
  const NevaHfReader r = {info->neva ? json_node_get_object (info->neva) : NULL,
      file, "neva.", &fault};

  check_pictures (info, &r, config);
  neva_extras_read (&r, config);
  if (!fault)
    return TRUE;
  g_propagate_error (error, g_steal_pointer (&fault));
  return FALSE;
}
