/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.json and its companions: defaults of the classes, both spellings, and
 * values that make no sense, each refused by file and key. */
#include "config.h"
#include <math.h>
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "model/config.h"

#define CLIP_56 "{\"crop_size\":56,\"size\":56}"
#define VISION "\"vision_config\":{\"image_size\":56,\"patch_size\":14}"

static char *folder;

/* Thousands of files, so without the fsync of g_file_set_contents (). */
static void
write_bytes (const char *path, const char *bytes, gssize length)
{
  FILE *file;
  const gsize n = length < 0 ? strlen (bytes) : (gsize) length;

  remove (path); /* ext4 flushes a file that is truncated and rewritten */
  file = fopen (path, "wb");
  CHECK (file && fwrite (bytes, 1, n, file) == n, "cannot write %s", path);
  if (file)
    fclose (file);
}

static void
put (const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);

  if (text)
    write_bytes (path, text, -1);
  else
    remove (path);
}

static gboolean
read_config (const char *config, const char *preprocessor,
    const char *generation, NevaConfig *result, GError **error)
{
  put ("config.json", config);
  put ("preprocessor_config.json", preprocessor);
  put ("generation_config.json", generation);
  return neva_hf_config_read (folder, result, error);
}

#define READ(config, preprocessor, generation)                                 \
  CHECK (read_config (config, preprocessor, generation, &c, &error), "%s",     \
      error ? error->message : "")

/* llava-hf/llava-1.5-7b-hf leaves out nearly everything. */
static void
test_hub_defaults (void)
{
  g_autoptr (GError) error = NULL;
  NevaConfig c;

  READ ("{\"model_type\":\"llava\",\"image_token_index\":32000,"
        "\"text_config\":{\"max_position_embeddings\":4096,"
        "\"model_type\":\"llama\",\"rms_norm_eps\":1e-05,\"vocab_size\":32064},"
        "\"vision_config\":{\"hidden_size\":1024,\"image_size\":336,"
        "\"intermediate_size\":4096,\"model_type\":\"clip_vision_model\","
        "\"num_attention_heads\":16,\"num_hidden_layers\":24,"
        "\"patch_size\":14}}",
      "{\"crop_size\":{\"height\":336,\"width\":336},"
      "\"size\":{\"shortest_edge\":336}}",
      NULL);
  CHECK (c.text.hidden == 4096 && c.text.ffn == 11008 && c.text.layers == 32 &&
             c.text.heads == 32 && c.text.kv_heads == 32 &&
             c.text.head_dim == 128 && c.text.vocab == 32064,
      "Llama's shape");
  CHECK (c.text.rope_base == 10000.0f &&
             c.text.rope_kind == NEVA_ROPE_DEFAULT &&
             c.text.rope_fraction == 1.0f && c.text.eps == 1e-5f,
      "Llama's rope and eps");
  CHECK (!c.text.qkv_bias && !c.text.mlp_bias && c.text.gated &&
             c.text.act == NEVA_ACT_SILU && !c.text.sliding_window &&
             !c.text.tied_embeddings,
      "Llama's switches");
  CHECK (c.tower.kind == NEVA_TOWER_CLIP && c.tower.class_tokens == 1 &&
             !c.tower.patch_bias && c.tower.select_layer == -2 &&
             c.tower.drop_rows == 1 && c.tower.act == NEVA_ACT_GELU_QUICK &&
             neva_tower_config_rows (&c.tower) == 577,
      "CLIP");
  CHECK (c.preprocess.mode == NEVA_RESIZE_SHORTEST &&
             c.preprocess.shortest_edge == 336 && c.preprocess.width == 336 &&
             c.preprocess.center_crop && c.preprocess.mean[2] == 0.40821073f,
      "CLIP's preprocessing");
  CHECK (c.bos == 1 && c.n_eos == 1 && c.eos[0] == 2 && c.media_token == 32000,
      "ids");
  CHECK (c.num_frames == 8, "%u frames", c.num_frames);
  CHECK_STR (c.conv_template, "v1");
  CHECK_STR (c.prompt, "Describe the video.");
}

static void
test_whole_defaults (void)
{
  g_autoptr (GError) error = NULL;
  NevaConfig c;

  READ ("{}", "{\"size\":336,\"crop_size\":336}", NULL);
  CHECK (c.tower.hidden == 1024 && c.tower.layers == 24 &&
             c.tower.image_size == 336 && c.tower.patch_size == 14,
      "LlavaConfig's tower");
  READ ("{" VISION ",\"text_config\":{\"model_type\":\"mistral\"}}", CLIP_56,
      NULL);
  CHECK (c.text.kv_heads == 8 && c.text.ffn == 14336 &&
             c.text.sliding_window == 4096 && c.text.window_layers[31] &&
             c.text.context_length == 131072,
      "MistralConfig");
  READ ("{" VISION ",\"text_config\":{\"model_type\":\"mistral\","
        "\"sliding_window\":null,\"num_key_value_heads\":null}}",
      CLIP_56, NULL);
  CHECK (!c.text.sliding_window && c.text.kv_heads == 32, "null means off");
  READ (
      "{" VISION ",\"text_config\":{\"model_type\":\"qwen2\"}}", CLIP_56, NULL);
  CHECK (c.text.vocab == 151936 && c.text.qkv_bias && !c.text.out_bias &&
             !c.text.sliding_window && c.n_eos == 0 && c.bos == -1,
      "Qwen2Config");
  READ ("{" VISION ",\"text_config\":{\"model_type\":\"qwen2\","
        "\"use_sliding_window\":true,\"sliding_window\":64,"
        "\"max_window_layers\":30}}",
      CLIP_56, NULL);
  CHECK (c.text.sliding_window == 64 && !c.text.window_layers[29] &&
             c.text.window_layers[30],
      "max_window_layers");
  READ ("{" VISION ",\"text_config\":{\"model_type\":\"qwen2\","
        "\"use_sliding_window\":true,\"sliding_window\":64,"
        "\"num_hidden_layers\":2,"
        "\"layer_types\":[\"sliding_attention\",\"full_attention\"]}}",
      CLIP_56, NULL);
  CHECK (c.text.window_layers[0] && !c.text.window_layers[1], "layer_types");
}

static void
test_spellings (void)
{
  static const char *const ropes[] = {
      "\"rope_theta\":5e5,\"rope_scaling\":{\"type\":\"llama3\",\"factor\":8,"
      "\"low_freq_factor\":1,\"high_freq_factor\":4,"
      "\"original_max_position_embeddings\":64}",
      "\"rope_parameters\":{\"rope_type\":\"llama3\",\"rope_theta\":500000.0,"
      "\"factor\":8.0,\"low_freq_factor\":1.0,\"high_freq_factor\":4.0,"
      "\"original_max_position_embeddings\":64}"};
  g_autoptr (GError) error = NULL;
  NevaConfig c;

  for (gsize i = 0; i < G_N_ELEMENTS (ropes); i++) {
    g_autofree char *text =
        g_strdup_printf ("{" VISION ",\"image_token_id\":7,\"text_config\":{%s,"
                         "\"eos_token_id\":[5,6]}}",
            ropes[i]);

    READ (text, CLIP_56, NULL);
    CHECK (c.text.rope_kind == NEVA_ROPE_LLAMA3 &&
               c.text.rope_base == 500000.0f && c.text.rope_factor == 8.0f &&
               c.text.rope_original_context == 64,
        "row %zu", i);
    CHECK (c.media_token == 7 && c.n_eos == 2 && c.eos[1] == 6, "ids");
  }
  READ (
      "{" VISION "}", CLIP_56, "{\"eos_token_id\":[3,4,5],\"bos_token_id\":9}");
  CHECK (c.n_eos == 3 && c.eos[2] == 5 && c.bos == 9,
      "generation_config.json wins");
  CHECK (c.awq == NEVA_AWQ_NONE, "not quantised");
  READ ("{" VISION ",\"quantization_config\":{\"bits\":4,\"group_size\":128,"
        "\"modules_to_not_convert\":[\"vision_tower\"],\"zero_point\":true,"
        "\"quant_method\":\"awq\",\"version\":\"gemm\"}}",
      CLIP_56, NULL);
  CHECK (c.awq == NEVA_AWQ_GEMM, "gemm");
  READ ("{" VISION ",\"quantization_config\":{\"w_bit\":4,\"q_group_size\":128,"
        "\"quant_method\":\"awq\",\"version\":\"GEMV\","
        "\"backend\":\"llm-awq\"}}",
      CLIP_56, NULL);
  CHECK (c.awq == NEVA_AWQ_GEMV && !c.int8, "gemv");
  READ ("{" VISION ",\"quantization_config\":{\"format\":\"int-quantized\","
        "\"quant_method\":\"compressed-tensors\",\"kv_cache_scheme\":null,"
        "\"ignore\":[\"lm_head\"],\"config_groups\":{\"group_0\":{"
        "\"targets\":[\"Linear\"],\"weights\":{\"num_bits\":8},"
        "\"input_activations\":{\"dynamic\":true,\"strategy\":\"token\"}}}}}",
      CLIP_56, NULL);
  CHECK (c.int8 && c.awq == NEVA_AWQ_NONE, "8-bit codes");
  READ ("{" VISION ",\"tie_word_embeddings\":true}", CLIP_56, NULL);
  CHECK (c.text.tied_embeddings, "tied at the top");
  READ ("{" VISION ",\"text_config\":{\"tie_word_embeddings\":true}}", CLIP_56,
      NULL);
  CHECK (c.text.tied_embeddings, "tied in text_config");
  READ ("{" VISION ",\"neva\":{\"num_frames\":4,\"conv_template\":\"llava\","
        "\"prompt\":\"What moves?\"}}",
      CLIP_56, NULL);
  CHECK (c.num_frames == 4, "%u frames", c.num_frames);
  CHECK_STR (c.conv_template, "llava");
  CHECK_STR (c.prompt, "What moves?");
}

static void
test_preprocessors (void)
{
  const char *siglip =
      "{\"vision_config\":{\"model_type\":\"siglip_vision_model\","
      "\"image_size\":[60,60],\"patch_size\":12,\"hidden_size\":36,"
      "\"num_attention_heads\":3}}";
  g_autoptr (GError) error = NULL;
  g_autofree char *processor =
      g_build_filename (folder, "processor_config.json", NULL);
  NevaConfig c;

  READ (siglip,
      "{\"image_processor_type\":\"SiglipImageProcessor\","
      "\"size\":{\"height\":60,\"width\":60}}",
      NULL);
  CHECK (c.preprocess.mode == NEVA_RESIZE_EXACT && c.preprocess.width == 60 &&
             !c.preprocess.center_crop && c.preprocess.mean[0] == 0.5f,
      "SigLIP");
  CHECK (c.tower.patch_bias && !c.tower.class_tokens &&
             neva_tower_config_rows (&c.tower) == 25 && c.tower.eps == 1e-6f,
      "SigLIP's tower");
  READ ("{" VISION "}",
      "{\"image_processor_type\":\"LlavaImageProcessor\",\"do_pad\":true,"
      "\"size\":{\"shortest_edge\":56},\"crop_size\":56}",
      NULL);
  CHECK (c.preprocess.pad && c.preprocess.pad_color[0] == 122 &&
             c.preprocess.pad_color[1] == 116 &&
             c.preprocess.pad_color[2] == 104,
      "padding colour of the spec");
  READ ("{" VISION "}",
      "{\"size\":56,\"crop_size\":56,\"do_rescale\":false,"
      "\"do_normalize\":false}",
      NULL);
  CHECK (c.preprocess.rescale == 1.0 && c.preprocess.mean[0] == 0.0f &&
             c.preprocess.std[0] == 1.0f,
      "steps turned off");
  write_bytes (
      processor, "{\"image_processor\":{\"size\":56,\"crop_size\":56}}", -1);
  READ ("{" VISION "}", NULL, NULL);
  remove (processor);
  CHECK (!read_config ("{" VISION "}", NULL, NULL, &c, &error), "no file");
  CHECK_ERROR (error, NEVA_ERROR_NOT_FOUND, "preprocessor_config.json");
}

static void
test_refused_preprocessors (void)
{
  static const struct {
    const char *text, *part;
    int code;
  } bad[] = {
      {"[]", "preprocessor_config.json", NEVA_ERROR_BAD_FILE},
      {"{\"size\":56}", "pictures become 224×224", NEVA_ERROR_UNSUPPORTED},
      {"{\"size\":0,\"crop_size\":56}", "size", NEVA_ERROR_BAD_FILE},
      {"{\"size\":{\"longest_edge\":5}}", "size", NEVA_ERROR_UNSUPPORTED},
      {"{\"size\":56,\"crop_size\":56,\"resample\":2}", "resample",
          NEVA_ERROR_UNSUPPORTED},
      {"{\"size\":56,\"crop_size\":56,\"do_resize\":false}", "do_resize",
          NEVA_ERROR_UNSUPPORTED},
      {"{\"size\":56,\"crop_size\":56,\"do_center_crop\":false}",
          "do_center_crop", NEVA_ERROR_UNSUPPORTED},
      {"{\"size\":56,\"crop_size\":56,\"image_mean\":[1,2]}", "image_mean",
          NEVA_ERROR_BAD_FILE},
      {"{\"size\":56,\"crop_size\":56,\"image_std\":[1,0,1]}", "image_std",
          NEVA_ERROR_BAD_FILE},
      {"{\"image_processor_type\":\"ViTImageProcessor\"}",
          "image_processor_type", NEVA_ERROR_UNSUPPORTED},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autoptr (GError) error = NULL;
    NevaConfig c;

    CHECK (!read_config ("{" VISION "}", bad[i].text, NULL, &c, &error),
        "row %zu was accepted", i);
    CHECK_ERROR (error, bad[i].code, bad[i].part);
  }
}

#define TEXT(inner) "{" VISION ",\"text_config\":{" inner "}}"
#define QUANT(inner) "{" VISION ",\"quantization_config\":{" inner "}}"
#define AWQ "\"quant_method\":\"awq\""
#define INT8(top, weights, rest)                                               \
  QUANT (                                                                      \
      "\"quant_method\":\"compressed-tensors\"," top                           \
      "\"config_groups\":{\"group_0\":{\"weights\":{" weights "}" rest "}}")
#define TOWER(inner) "{\"vision_config\":{" inner "}}"

static const struct {
  const char *text, *part;
  int code;
} refused[] = {
    {"", "config.json", NEVA_ERROR_BAD_FILE},
    {"{", "config.json", NEVA_ERROR_BAD_FILE},
    {"{\"a\":\"\xff\"}", "UTF-8", NEVA_ERROR_BAD_FILE},
    {"{\"model_type\":\"qwen2_vl\"}", "model_type: 'qwen2_vl'",
        NEVA_ERROR_UNSUPPORTED},
    {"{\"vision_config\":7}", "vision_config", NEVA_ERROR_BAD_FILE},
    {TOWER ("\"model_type\":\"pixtral\""), "vision_config.model_type",
        NEVA_ERROR_UNSUPPORTED},
    {TOWER ("\"hidden_size\":-5"), "vision_config.hidden_size",
        NEVA_ERROR_BAD_FILE},
    {TOWER ("\"hidden_size\":1e300"), "hidden_size", NEVA_ERROR_BAD_FILE},
    {TOWER ("\"hidden_size\":12.5"), "hidden_size", NEVA_ERROR_BAD_FILE},
    {TOWER ("\"hidden_size\":\"x\""), "hidden_size", NEVA_ERROR_BAD_FILE},
    {TOWER ("\"num_attention_heads\":7"), "num_attention_heads",
        NEVA_ERROR_BAD_FILE},
    {TOWER ("\"patch_size\":0"), "patch_size", NEVA_ERROR_BAD_FILE},
    {TOWER ("\"patch_size\":1,\"image_size\":8000"), "patch_size",
        NEVA_ERROR_BAD_FILE},
    {TOWER ("\"image_size\":[56,60]"), "image_size", NEVA_ERROR_UNSUPPORTED},
    {TOWER ("\"num_channels\":4"), "num_channels", NEVA_ERROR_UNSUPPORTED},
    {TOWER ("\"hidden_act\":\"relu\""), "hidden_act", NEVA_ERROR_UNSUPPORTED},
    {"{" VISION ",\"vision_feature_layer\":[-2,-5]}", "vision_feature_layer",
        NEVA_ERROR_UNSUPPORTED},
    {"{" VISION ",\"vision_feature_layer\":-14}", "vision_feature_layer",
        NEVA_ERROR_BAD_FILE},
    {"{" VISION ",\"vision_feature_select_strategy\":\"cls\"}",
        "vision_feature_select_strategy", NEVA_ERROR_UNSUPPORTED},
    {TEXT ("\"model_type\":\"gemma\""), "text_config.model_type",
        NEVA_ERROR_UNSUPPORTED},
    {TEXT ("\"num_attention_heads\":0"), "num_attention_heads",
        NEVA_ERROR_BAD_FILE},
    {TEXT ("\"num_key_value_heads\":5"), "num_key_value_heads",
        NEVA_ERROR_BAD_FILE},
    {TEXT ("\"head_dim\":63"), "head_dim", NEVA_ERROR_UNSUPPORTED},
    {TEXT ("\"head_dim\":512"), "head_dim", NEVA_ERROR_UNSUPPORTED},
    {TEXT ("\"num_hidden_layers\":100000"), "num_hidden_layers",
        NEVA_ERROR_BAD_FILE},
    {TEXT ("\"rms_norm_eps\":-1"), "rms_norm_eps", NEVA_ERROR_BAD_FILE},
    {TEXT ("\"rope_scaling\":{\"type\":\"yarn\",\"factor\":4}"),
        "'yarn' is not supported", NEVA_ERROR_UNSUPPORTED},
    {TEXT ("\"rope_scaling\":{\"type\":\"linear\"}"),
        "rope_scaling.factor: missing", NEVA_ERROR_BAD_FILE},
    {TEXT ("\"rope_scaling\":{\"type\":\"linear\",\"factor\":0}"), "factor",
        NEVA_ERROR_BAD_FILE},
    {TEXT ("\"rope_parameters\":{\"rope_type\":\"llama3\",\"factor\":8}"),
        "low_freq_factor: missing", NEVA_ERROR_BAD_FILE},
    {TEXT ("\"mlp_bias\":1"), "mlp_bias", NEVA_ERROR_BAD_FILE},
    {TEXT ("\"eos_token_id\":[1,2,3,4,5,6,7,8,9]"), "eos_token_id",
        NEVA_ERROR_UNSUPPORTED},
    {TEXT ("\"eos_token_id\":[-1]"), "eos_token_id", NEVA_ERROR_BAD_FILE},
    {TEXT ("\"model_type\":\"qwen2\",\"use_sliding_window\":true,"
           "\"layer_types\":[\"full_attention\"]"),
        "layer_types", NEVA_ERROR_BAD_FILE},
    {"{" VISION ",\"image_token_index\":-1}", "image_token_index",
        NEVA_ERROR_BAD_FILE},
    {"{" VISION ",\"image_token_index\":32000}",
        "image_token_index: 32000 is outside the vocabulary of 32000",
        NEVA_ERROR_BAD_FILE},
    {"{" VISION ",\"image_token_id\":99,\"text_config\":{\"vocab_size\":99}}",
        "image_token_id: 99 is outside the vocabulary of 99",
        NEVA_ERROR_BAD_FILE},
    {"{\"architectures\":[\"LlavaLlamaForCausalLM\"]}",
        "architectures: 'LlavaLlamaForCausalLM' is not supported",
        NEVA_ERROR_UNSUPPORTED},
    {"{\"architectures\":[\"LlavaForConditionalGeneration\",7]}",
        "architectures: ''", NEVA_ERROR_UNSUPPORTED},
    {"{\"architectures\":\"LlavaForConditionalGeneration\"}",
        "architectures: a list", NEVA_ERROR_BAD_FILE},
    {QUANT ("\"quant_method\":\"gptq\""), "quant_method: 'gptq'",
        NEVA_ERROR_UNSUPPORTED},
    {QUANT ("\"bits\":4"), "quant_method: '(none)'", NEVA_ERROR_UNSUPPORTED},
    {QUANT ("\"quant_method\":\"gptq\""), "quant_method: 'gptq'",
        NEVA_ERROR_UNSUPPORTED},
    {QUANT ("\"quant_method\":\"compressed-tensors\""),
        "config_groups: is missing", NEVA_ERROR_UNSUPPORTED},
    {INT8 ("\"format\":\"pack-quantized\",", "\"num_bits\":8", ""),
        "format: 'pack-quantized'", NEVA_ERROR_UNSUPPORTED},
    {INT8 ("\"kv_cache_scheme\":{},", "\"num_bits\":8", ""), "kv_cache_scheme",
        NEVA_ERROR_UNSUPPORTED},
    {INT8 ("", "\"num_bits\":4", ""), "weights.num_bits: 4",
        NEVA_ERROR_UNSUPPORTED},
    {INT8 ("", "\"type\":\"float\"", ""), "weights.type: 'float'",
        NEVA_ERROR_UNSUPPORTED},
    {INT8 ("", "\"strategy\":\"block\"", ""), "weights.strategy: 'block'",
        NEVA_ERROR_UNSUPPORTED},
    {INT8 ("", "\"symmetric\":false", ""), "weights.symmetric",
        NEVA_ERROR_UNSUPPORTED},
    {INT8 ("", "", ",\"input_activations\":{\"num_bits\":4}"),
        "input_activations.num_bits", NEVA_ERROR_UNSUPPORTED},
    {INT8 ("", "", ",\"output_activations\":{}"), "output_activations",
        NEVA_ERROR_UNSUPPORTED},
    {QUANT (AWQ ",\"bits\":3"), "quantization_config.bits: 3 is not",
        NEVA_ERROR_UNSUPPORTED},
    {QUANT (AWQ ",\"group_size\":64"), "group_size: 64 is not supported (128)",
        NEVA_ERROR_UNSUPPORTED},
    {QUANT (AWQ ",\"q_group_size\":-1"), "q_group_size: -1",
        NEVA_ERROR_UNSUPPORTED},
    {QUANT (AWQ ",\"zero_point\":false"), "zero_point", NEVA_ERROR_UNSUPPORTED},
    {QUANT (AWQ ",\"version\":\"marlin\""), "version: 'marlin'",
        NEVA_ERROR_UNSUPPORTED},
    {QUANT (AWQ ",\"backend\":\"x\""), "backend: 'x'", NEVA_ERROR_UNSUPPORTED},
    {"{" VISION ",\"quantization_config\":[]}", "quantization_config",
        NEVA_ERROR_BAD_FILE},
    {"{" VISION ",\"neva\":{\"num_frames\":0}}", "neva.num_frames",
        NEVA_ERROR_BAD_FILE},
    {"{" VISION ",\"neva\":{\"conv_template\":"
     "\"a name that is longer than any template's\"}}",
        "neva.conv_template", NEVA_ERROR_BAD_FILE},
};

static void
test_refused_configs (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (refused); i++) {
    g_autoptr (GError) error = NULL;
    NevaConfig c = {.media_token = 4711};

    CHECK (!read_config (refused[i].text, CLIP_56, NULL, &c, &error),
        "row %zu was accepted", i);
    CHECK (error && strstr (error->message, "config.json"),
        "row %zu names no file", i);
    CHECK_ERROR (error, refused[i].code, refused[i].part);
    CHECK (c.media_token == 4711, "row %zu wrote its result", i);
  }
}

int
main (void)
{
  g_autofree char *clean = NULL;

  folder = g_dir_make_tmp ("neva-config-XXXXXX", NULL);
  test_hub_defaults ();
  test_whole_defaults ();
  test_spellings ();
  test_preprocessors ();
  test_refused_preprocessors ();
  test_refused_configs ();
  clean = g_strdup_printf ("rm -r '%s'", folder);
  g_spawn_command_line_sync (clean, NULL, NULL, NULL, NULL);
  g_free (folder);
  return check_finish ();
}
