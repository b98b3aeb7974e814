/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.json of LlavaForConditionalGeneration. Hub files leave out what equals
 * the default of their class (CLIPVisionConfig, SiglipVisionConfig,
 * LlamaConfig, MistralConfig, Qwen2Config, LlavaConfig), so those defaults are
 * here. */
#include "config.h"
#include "extras.h"
#include "hf_preprocess.h"
#include "hf_quant.h"
#include "hf_reader.h"
#include "hf_tower.h"
#include "json_file.h"
#include "model/config.h"

#include <string.h>

#define MAX_BYTES (16u << 20)
#define MAX_WIDTH 131072
#define MAX_HEADS 1024

typedef struct {
  const char *model_type;
  guint vocab, ffn, kv_heads; /* kv_heads 0: as heads */
  guint context;
  gboolean qkv_bias;  /* fixed by the class, or the default of the key */
  gboolean bias_keys; /* reads attention_bias and mlp_bias */
  gint32 bos, eos;
  NevaNormKind norm;
  const char *eps_key;
  double eps, rope_base, rope_fraction;
  guint experts;
} TextDefaults;

static const TextDefaults text_defaults[] = {
    {"llama", 32000, 11008, 0, 2048, FALSE, TRUE, 1, 2, NEVA_NORM_RMS,
        "rms_norm_eps", 1e-6, 1e4, 1, 0},
    {"mistral", 32000, 14336, 8, 131072, FALSE, FALSE, 1, 2, NEVA_NORM_RMS,
        "rms_norm_eps", 1e-6, 1e4, 1, 0},
    {"mixtral", 32000, 14336, 8, 131072, FALSE, FALSE, 1, 2, NEVA_NORM_RMS,
        "rms_norm_eps", 1e-5, 1e6, 1, 8},
    {"nemotron", 256000, 24576, 0, 4096, FALSE, TRUE, 2, 3, NEVA_NORM_LAYER_1P,
        "norm_eps", 1e-5, 1e4, 0.5, 0},
    {"qwen2", 151936, 22016, 32, 32768, TRUE, FALSE, -1, -1, NEVA_NORM_RMS,
        "rms_norm_eps", 1e-6, 1e4, 1, 0},
};

static void
read_llama3_rope (const NevaHfReader *s, NevaTextConfig *t)
{
  static const char *const keys[] = {"low_freq_factor", "high_freq_factor",
      "original_max_position_embeddings"};

  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++) {
    if (!neva_hf_has (s, keys[i]))
      neva_hf_fail (s, keys[i], NEVA_ERROR_BAD_FILE, "missing");
  }
  t->rope_low_freq =
      (float) neva_hf_double (s, "low_freq_factor", 1, 1e-6, 1e6);
  t->rope_high_freq =
      (float) neva_hf_double (s, "high_freq_factor", 4, 1e-6, 1e6);
  t->rope_original_context = (guint) neva_hf_int (
      s, "original_max_position_embeddings", 8192, 1, 1 << 24);
  if (!(t->rope_high_freq > t->rope_low_freq))
    neva_hf_fail (s, "high_freq_factor", NEVA_ERROR_BAD_FILE,
        "must be above low_freq_factor");
}

/* transformers 4: rope_theta beside rope_scaling (or null); transformers 5: one
 * object rope_parameters. */
static void
read_rope (
    const NevaHfReader *r, const TextDefaults *defaults, NevaTextConfig *t)
{
  const gboolean five = neva_hf_has (r, "rope_parameters");
  const NevaHfReader s =
      five
          ? neva_hf_child (r, "rope_parameters", "text_config.rope_parameters.")
          : neva_hf_child (r, "rope_scaling", "text_config.rope_scaling.");
  const char *type =
      neva_hf_string (&s, "rope_type", neva_hf_string (&s, "type", "default"));
  double base = neva_hf_double (r, "rope_theta", defaults->rope_base, 1, 1e12);

  if (five)
    base = neva_hf_double (&s, "rope_theta", base, 1, 1e12);
  t->rope_base = (float) base;
  t->rope_fraction = (float) neva_hf_double (&s, "partial_rotary_factor",
      neva_hf_double (
          r, "partial_rotary_factor", defaults->rope_fraction, 0, 1),
      0, 1);
  t->rope_factor = 1;
  if (g_str_equal (type, "default")) {
    t->rope_kind = NEVA_ROPE_DEFAULT;
    return;
  }
  if (!neva_hf_has (&s, "factor"))
    neva_hf_fail (&s, "factor", NEVA_ERROR_BAD_FILE, "missing");
  t->rope_factor = (float) neva_hf_double (&s, "factor", 1, 1e-6, 1e6);
  if (g_str_equal (type, "linear")) {
    t->rope_kind = NEVA_ROPE_LINEAR;
  } else if (g_str_equal (type, "llama3")) {
    t->rope_kind = NEVA_ROPE_LLAMA3;
    read_llama3_rope (&s, t);
  } else {
    neva_hf_fail (&s, "rope_type", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (default, linear, llama3)", type);
  }
}

static void
read_layer_types (const NevaHfReader *r, JsonNode *node, NevaTextConfig *t)
{
  JsonArray *types =
      JSON_NODE_HOLDS_ARRAY (node) ? json_node_get_array (node) : NULL;

  if (!types || json_array_get_length (types) != t->layers) {
    neva_hf_fail (r, "layer_types", NEVA_ERROR_BAD_FILE,
        "a list of %u entries is expected", t->layers);
    return;
  }
  for (guint i = 0; i < t->layers; i++) {
    JsonNode *item = json_array_get_element (types, i);
    const char *type = JSON_NODE_HOLDS_VALUE (item) &&
                               json_node_get_value_type (item) == G_TYPE_STRING
                           ? json_node_get_string (item)
                           : "";

    t->window_layers[i] = g_str_equal (type, "sliding_attention");
    if (!t->window_layers[i] && !g_str_equal (type, "full_attention"))
      neva_hf_fail (r, "layer_types", NEVA_ERROR_UNSUPPORTED,
          "'%s' is not supported", type);
  }
}

static void
read_window (const NevaHfReader *r, const char *model_type, NevaTextConfig *t)
{
  const gboolean qwen2 = g_str_equal (model_type, "qwen2");
  JsonNode *types = neva_hf_node (r, "layer_types");
  guint from;

  if (g_str_equal (model_type, "llama") || g_str_equal (model_type, "nemotron"))
    return;
  /* null means off; a missing key means the class's 4096 */
  if (r->object && json_object_has_member (r->object, "sliding_window"))
    t->sliding_window =
        (guint) neva_hf_int (r, "sliding_window", 0, 1, 1 << 24);
  else
    t->sliding_window = g_str_equal (model_type, "mixtral") ? 0 : 4096;
  if (qwen2 && !neva_hf_bool (r, "use_sliding_window", FALSE))
    t->sliding_window = 0;
  if (!t->sliding_window)
    return;
  from =
      qwen2 ? (guint) neva_hf_int (r, "max_window_layers", 28, 0, 1 << 20) : 0;
  for (guint i = from; i < t->layers; i++)
    t->window_layers[i] = TRUE;
  if (types && qwen2)
    read_layer_types (r, types, t);
}

static void
read_text_shape (
    const NevaHfReader *r, const TextDefaults *d, NevaTextConfig *t)
{
  guint kv;

  t->vocab = (guint) neva_hf_int (r, "vocab_size", d->vocab, 2, 1 << 24);
  t->hidden = (guint) neva_hf_int (r, "hidden_size", 4096, 1, MAX_WIDTH);
  t->ffn = (guint) neva_hf_int (r, "intermediate_size", d->ffn, 1, MAX_WIDTH);
  t->layers =
      (guint) neva_hf_int (r, "num_hidden_layers", 32, 1, NEVA_MAX_LAYERS);
  t->heads = (guint) neva_hf_int (r, "num_attention_heads", 32, 1, MAX_HEADS);
  kv = r->object && json_object_has_member (r->object, "num_key_value_heads")
           ? 0
           : d->kv_heads;
  t->kv_heads = (guint) neva_hf_int (
      r, "num_key_value_heads", kv ? kv : t->heads, 1, MAX_HEADS);
  t->head_dim = (guint) neva_hf_int (
      r, "head_dim", MAX (1, t->hidden / t->heads), 1, MAX_WIDTH);
  t->context_length = (guint) neva_hf_int (
      r, "max_position_embeddings", d->context, 1, 1 << 24);
  if (t->heads % t->kv_heads)
    neva_hf_fail (r, "num_key_value_heads", NEVA_ERROR_BAD_FILE,
        "%u does not divide num_attention_heads %u", t->kv_heads, t->heads);
  if (t->head_dim % 2 || t->head_dim > NEVA_HF_MAX_HEAD_DIM)
    neva_hf_fail (r, "head_dim", NEVA_ERROR_UNSUPPORTED,
        "%u is not an even number of at most %d", t->head_dim,
        NEVA_HF_MAX_HEAD_DIM);
}

static void
read_experts (const NevaHfReader *r, const TextDefaults *d, NevaTextConfig *t)
{
  t->experts =
      (guint) neva_hf_int (r, "num_local_experts", d->experts, 1, 1024);
  t->experts_used =
      (guint) neva_hf_int (r, "num_experts_per_tok", 2, 1, t->experts);
}

static void
read_text (const NevaHfReader *top, NevaConfig *config)
{
  const NevaHfReader r = neva_hf_child (top, "text_config", "text_config.");
  const char *type = neva_hf_string (&r, "model_type", "llama");
  const TextDefaults *d = NULL;
  NevaTextConfig *t = &config->text;

  for (gsize i = 0; i < G_N_ELEMENTS (text_defaults); i++) {
    if (g_str_equal (text_defaults[i].model_type, type))
      d = &text_defaults[i];
  }
  if (!d) {
    neva_hf_fail (&r, "model_type", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (llama, mistral, mixtral, nemotron, qwen2)",
        type);
    return;
  }
  read_text_shape (&r, d, t);
  t->norm = d->norm;
  t->gated = d->norm == NEVA_NORM_RMS;
  t->act = neva_hf_read_act (&r, "hidden_act", t->gated ? "silu" : "relu2");
  t->eps = (float) neva_hf_double (&r, d->eps_key, d->eps, 0, 1);
  if (d->experts)
    read_experts (&r, d, t);
  t->qkv_bias = d->qkv_bias;
  if (d->bias_keys) {
    t->qkv_bias = t->out_bias = neva_hf_bool (&r, "attention_bias", FALSE);
    t->mlp_bias = neva_hf_bool (&r, "mlp_bias", FALSE);
  }
  t->tied_embeddings = neva_hf_bool (&r, "tie_word_embeddings", FALSE) ||
                       neva_hf_bool (top, "tie_word_embeddings", FALSE);
  read_rope (&r, d, t);
  read_window (&r, type, t);
  config->bos = d->bos;
  config->eos[0] = d->eos;
  config->n_eos = d->eos >= 0;
}

/* An id, or a list of them. */
static void
read_eos (const NevaHfReader *r, NevaConfig *config)
{
  JsonNode *node = neva_hf_node (r, "eos_token_id");
  JsonArray *list;

  if (!node)
    return;
  if (!JSON_NODE_HOLDS_ARRAY (node)) {
    config->eos[0] =
        (gint32) neva_hf_int (r, "eos_token_id", -1, -1, G_MAXINT32);
    config->n_eos = config->eos[0] >= 0;
    return;
  }
  list = json_node_get_array (node);
  if (json_array_get_length (list) > G_N_ELEMENTS (config->eos)) {
    neva_hf_fail (r, "eos_token_id", NEVA_ERROR_UNSUPPORTED, "more than %u ids",
        (guint) G_N_ELEMENTS (config->eos));
    return;
  }
  config->n_eos = 0;
  for (guint i = 0; i < json_array_get_length (list); i++) {
    double id;

    if (!neva_hf_node_double (json_array_get_element (list, i), &id) ||
        id < 0 || id > G_MAXINT32 || id != (double) (gint32) id) {
      neva_hf_fail (
          r, "eos_token_id", NEVA_ERROR_BAD_FILE, "token ids are expected");
      return;
    }
    config->eos[config->n_eos++] = (gint32) id;
  }
}

/* bos and eos: generation_config.json wins over config.json's text_config. */
static void
read_special_ids (
    const char *folder, const NevaHfReader *top, NevaConfig *config)
{
  const char *name = "generation_config.json";
  const NevaHfReader text = neva_hf_child (top, "text_config", "text_config.");
  g_autofree char *file = g_build_filename (folder, name, NULL);
  g_autoptr (JsonNode) root = NULL;
  NevaHfReader g = {NULL, file, "", top->error};

  config->bos =
      (gint32) neva_hf_int (&text, "bos_token_id", config->bos, -1, G_MAXINT32);
  read_eos (&text, config);
  if (neva_hf_failed (top) || !g_file_test (file, G_FILE_TEST_EXISTS))
    return;
  if (!(root = neva_json_file_read (folder, name, MAX_BYTES, top->error)))
    return;
  g.object = json_node_get_object (root);
  config->bos =
      (gint32) neva_hf_int (&g, "bos_token_id", config->bos, -1, G_MAXINT32);
  read_eos (&g, config);
}

/* Another class with the same model_type has other tensors, or computes
 * something else with the same ones. */
static void
check_architectures (const NevaHfReader *r)
{
  JsonNode *node = neva_hf_node (r, "architectures");
  JsonArray *list = NULL;

  if (!node)
    return;
  if (JSON_NODE_HOLDS_ARRAY (node))
    list = json_node_get_array (node);
  for (guint i = 0; list && i < json_array_get_length (list); i++) {
    JsonNode *item = json_array_get_element (list, i);
    const char *name = JSON_NODE_HOLDS_VALUE (item) &&
                               json_node_get_value_type (item) == G_TYPE_STRING
                           ? json_node_get_string (item)
                           : "";

    if (!g_str_equal (name, "LlavaForConditionalGeneration"))
      neva_hf_fail (r, "architectures", NEVA_ERROR_UNSUPPORTED,
          "'%s' is not supported (LlavaForConditionalGeneration)", name);
  }
  if (!list)
    neva_hf_fail (r, "architectures", NEVA_ERROR_BAD_FILE,
        "a list of class names is expected");
}

/* What a prompt has in the place of each picture. LlavaConfig's own default
 * lies beyond LlamaConfig's vocabulary, so only a value that was given is
 * judged. */
static void
read_media_token (const NevaHfReader *r, NevaConfig *config)
{
  const char *key = neva_hf_has (r, "image_token_id") ? "image_token_id"
                                                      : "image_token_index";

  config->media_token = (gint32) neva_hf_int (r, key, 32000, 0, G_MAXINT32);
  if (neva_hf_has (r, key) && config->text.vocab &&
      (guint) config->media_token >= config->text.vocab)
    neva_hf_fail (r, key, NEVA_ERROR_BAD_FILE,
        "%d is outside the vocabulary of %u", config->media_token,
        config->text.vocab);
}

static void
read_top (const char *folder, const NevaHfReader *top, NevaConfig *config)
{
  const NevaHfReader neva = neva_hf_child (top, "neva", "neva.");
  const char *type = neva_hf_string (top, "model_type", "llava");

  /* "neva": what transformers has no class for, see extras.h */
  if (!g_str_equal (type, "llava") && !g_str_equal (type, "neva"))
    neva_hf_fail (top, "model_type", NEVA_ERROR_UNSUPPORTED,
        "'%s' is not supported (llava)", type);
  check_architectures (top);
  neva_hf_read_tower (top, &config->tower);
  read_text (top, config);
  config->projector_kind = NEVA_PROJECTOR_MLP;
  config->projector_layers = 2;
  config->projector_act =
      neva_hf_read_act (top, "projector_hidden_act", "gelu");
  config->projector_bias =
      neva_hf_bool (top, "multimodal_projector_bias", TRUE);
  read_media_token (top, config);
  neva_hf_read_quantization (top, config);
  config->num_frames = 8;
  g_strlcpy (config->conv_template, "v1", sizeof config->conv_template);
  g_strlcpy (config->prompt, "Describe the video.", sizeof config->prompt);
  read_special_ids (folder, top, config);
  neva_extras_read (&neva, config);
}

gboolean
neva_hf_config_read (const char *folder, NevaConfig *config, GError **error)
{
  const char *name = "config.json";
  g_autofree char *file = g_build_filename (folder, name, NULL);
  g_autoptr (JsonNode) root = NULL;
  g_autoptr (GError) fault = NULL;
  NevaHfReader top = {NULL, file, "", &fault};
  g_autofree NevaConfig *result = g_new0 (NevaConfig, 1);

  if ((root = neva_json_file_read (folder, name, MAX_BYTES, &fault))) {
    top.object = json_node_get_object (root);
    read_top (folder, &top, result);
  }
  if (!fault)
    neva_hf_preprocess_read (folder, result, &fault);
  if (fault) {
    g_propagate_error (error, g_steal_pointer (&fault));
    return FALSE;
  }
  *config = *result;
  return TRUE;
}
