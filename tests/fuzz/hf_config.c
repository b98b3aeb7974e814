/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* config.json 0xff preprocessor_config.json 0xff generation_config.json. */
#include "config.h"
#include <stdlib.h>
#include "fuzz.h"
#include "model/config.h"

#define CONFIG                                                                 \
  "{\"architectures\":[\"LlavaForConditionalGeneration\"],\"model_type\":"     \
  "\"llava\",\"image_token_index\":3,\"vision_feature_layer\":-2,"             \
  "\"vision_feature_select_strategy\":\"default\",\"text_config\":{"           \
  "\"model_type\":\"llama\",\"hidden_size\":64,\"intermediate_size\":112,"     \
  "\"num_hidden_layers\":3,\"num_attention_heads\":4,\"vocab_size\":483,"      \
  "\"rope_theta\":10000.0,\"rope_scaling\":{\"rope_type\":\"linear\","         \
  "\"factor\":2.0},\"hidden_act\":\"silu\",\"rms_norm_eps\":1e-05,"            \
  "\"max_position_embeddings\":1024},\"vision_config\":{\"model_type\":"       \
  "\"clip_vision_model\",\"hidden_size\":32,\"image_size\":56,"                \
  "\"patch_size\":14,\"num_hidden_layers\":3,\"num_attention_heads\":4,"       \
  "\"intermediate_size\":64,\"hidden_act\":\"quick_gelu\"},\"neva\":{"         \
  "\"num_frames\":8,\"conv_template\":\"plain\",\"prompt\":\"Describe.\"}}"
#define PREPROCESSOR                                                           \
  "{\"image_processor_type\":\"CLIPImageProcessor\",\"do_resize\":true,"       \
  "\"size\":{\"shortest_edge\":56},\"crop_size\":{\"height\":56,\"width\":56}" \
  ",\"image_mean\":[0.5,0.5,0.5],\"image_std\":[0.5,0.5,0.5],"                 \
  "\"rescale_factor\":0.00392156862745098,\"resample\":3}"

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED (CONFIG "\xff" PREPROCESSOR
                      "\xff{\"bos_token_id\":1,\"eos_token_id\":[2,5]}"),
    FUZZ_SEED (CONFIG "\xff" PREPROCESSOR),
    FUZZ_SEED ("{\"architectures\":[\"LlavaForConditionalGeneration\"],"
               "\"text_config\":{\"model_type\":\"qwen2\",\"rope_parameters\":{"
               "\"rope_type\":\"llama3\",\"rope_theta\":1e6,\"factor\":8,"
               "\"low_freq_factor\":1,\"high_freq_factor\":4,"
               "\"original_max_position_embeddings\":8192}},\"vision_config\":{"
               "\"model_type\":\"siglip_vision_model\"},\"dtype\":\"bfloat16\","
               "\"tie_word_embeddings\":true}\xff" PREPROCESSOR "\xff{}"),
    FUZZ_SEED ("/*\"*/[[[[[[{'"),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const char *const names[] = {"config.json", "preprocessor_config.json",
      "generation_config.json", NULL};
  const char *folder = fuzz_write_folder (names, data, size, NULL, NULL);
  g_autoptr (GError) error = NULL;
  NevaConfig config;

  if (!neva_hf_config_read (folder, &config, &error) == !error)
    abort ();
  return 0;
}
