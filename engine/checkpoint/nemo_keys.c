/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "checkpoint/nemo_keys.h"
#include "log.h"

#define MAX_DEPTH 3

/* Full paths; an object is known by what is in it. neva: extras.c. */
static const char *const used[] = {"activation", "attention_type", "bias",
    "bias_activation_fusion", "data.conv_template", "data.image_aspect_ratio",
    "data.is_multimodal", "data.media_type", "data.num_frames",
    "data.num_time_tokens", "data.sep_image_conv_front",
    "data.splice_single_frame", "encoder_seq_length", "ffn_hidden_size",
    "headscale", "hidden_size", "kv_channels", "layernorm_epsilon",
    "layerscale", "mcore_gpt", "megatron_legacy", "mm_cfg.crop_size",
    "mm_cfg.lita", "mm_cfg.llm.freeze", "mm_cfg.llm.model_type",
    "mm_cfg.mm_mlp_adapter_type", "mm_cfg.use_im_start_end", "mm_cfg.use_lita",
    "mm_cfg.vision_encoder.class_token_length",
    "mm_cfg.vision_encoder.crop_size", "mm_cfg.vision_encoder.from_hf",
    "mm_cfg.vision_encoder.from_pretrained", "mm_cfg.vision_encoder.patch_dim",
    "mm_cfg.vision_encoder.vision_select_feature",
    "mm_cfg.vision_encoder.vision_select_layer", "moe_router_pre_softmax",
    "moe_router_topk", "multi_query_attention", "neva", "normalization",
    "normalize_attention_scores", "num_attention_heads", "num_layers",
    "num_moe_experts", "num_query_groups", "openai_gelu",
    "peft.lora_tuning.adapter_dim", "peft.lora_tuning.alpha",
    "position_embedding_type", "qkv_bias", "rotary_base", "rotary_interleaved",
    "rotary_percentage", "seq_len_interpolation_factor",
    "share_embeddings_and_output_weights", "tensor_model_parallel_size",
    "tokenizer.additional_special_tokens", "tokenizer.library",
    "tokenizer.merge_file", "tokenizer.model", "tokenizer.sentencepiece_legacy",
    "tokenizer.special_tokens", "tokenizer.tokenizer_model", "tokenizer.type",
    "tokenizer.vocab_file", "transformer_block_type", "window_size"};

typedef enum { UNUSED, USED, PARTS } Use;

static Use
use_of (const char *path)
{
  const gsize length = strlen (path);

  for (gsize i = 0; i < G_N_ELEMENTS (used); i++) {
    if (strncmp (used[i], path, length))
      continue;
    if (!used[i][length])
      return USED;
    if (used[i][length] == '.')
      return PARTS;
  }
  return UNUSED;
}

static void
list (JsonObject *object, const char *prefix, guint depth, GString *names)
{
  JsonObjectIter iter;
  const char *key;
  JsonNode *value;

  json_object_iter_init (&iter, object);
  while (json_object_iter_next (&iter, &key, &value)) {
    g_autofree char *path = g_strconcat (prefix, key, NULL);
    const Use use = use_of (path);

    if (use == PARTS && depth < MAX_DEPTH && JSON_NODE_HOLDS_OBJECT (value)) {
      g_autofree char *below = g_strconcat (path, ".", NULL);

      list (json_node_get_object (value), below, depth + 1, names);
    } else if (use == UNUSED) {
      g_string_append_printf (names, "%s%s", names->len ? ", " : "", path);
    }
  }
}

void
neva_nemo_keys_list (JsonObject *config, const char *name)
{
  g_autoptr (GString) names = g_string_new (NULL);

  list (config, "", 0, names);
  if (names->len)
    neva_debug ("%s: not looked at: %s", name, names->str);
}
