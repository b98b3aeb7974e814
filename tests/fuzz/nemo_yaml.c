/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* model_config.yaml, of a NeVA and of a CLIP model: what is accepted is within
 * the bounds that the loader relies on. */
#include "config.h"
#include <math.h>
#include <stdlib.h>
#include "checkpoint/nemo_clip.h"
#include "checkpoint/nemo_config.h"
#include "fuzz.h"

#define SHAPE                                                                  \
  "num_layers: 2\nhidden_size: 64\nnum_attention_heads: 4\n"                   \
  "position_embedding_type: rope\nmcore_gpt: true\n"

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED (SHAPE "tokenizer: {library: sentencepiece, model: nemo:x}\n"),
    FUZZ_SEED (SHAPE "num_query_groups: 2\nwindow_size: [31, 0]\n"
                     "activation: fast-swiglu\nnormalization: rmsnorm\n"
                     "bias: false\ntokenizer: {library: huggingface, "
                     "type: a/b, additional_special_tokens: [x]}\n"
                     "peft: {lora_tuning: {adapter_dim: 8, alpha: 16}}\n"
                     "mm_cfg: {mm_mlp_adapter_type: mlp2x_gelu, "
                     "vision_encoder: {from_hf: true}}\n"
                     "neva: {prompts: huggingface, eos: [2], rope: linear, "
                     "rope_factor: 2.5, window_layers: [1], "
                     "tokenizer_files: [y]}\n"),
    FUZZ_SEED ("mcore_gpt: true\nvision: {img_h: 28, img_w: 28, patch_dim: 7, "
               "hidden_size: 24, num_attention_heads: 4, num_layers: 3, "
               "class_token_length: 8, activation: approx-gelu, "
               "normalization: layernorm1p}\n"),
    FUZZ_SEED ("a: &a [1, 2]\nb: [*a, *a]\nc: !!str 3\n"),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

static void
check (const NevaConfig *c)
{
  const NevaTextConfig *t = &c->text;

  if (!t->layers || t->layers > NEVA_MAX_LAYERS || !t->kv_heads ||
      t->heads % t->kv_heads || t->head_dim % 2 || !t->head_dim ||
      t->experts_used > t->experts || !(t->rope_fraction > 0) ||
      !(t->rope_fraction <= 1) || !isfinite (t->rope_base) ||
      !(t->rope_factor > 0) || !(t->eps >= 0) ||
      c->projector_layers > NEVA_MAX_PROJECTOR_LAYERS ||
      c->n_eos > G_N_ELEMENTS (c->eos))
    abort ();
}

static void
check_tower (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  NevaConfig c = {.tower = {.select_layer = 1}};
  const NevaTowerConfig *t = &c.tower;
  const gboolean ok = neva_nemo_clip_config_parse (
      (const char *) data, size, "fuzz", &c, &error);

  if (!ok == !error)
    abort ();
  if (ok && (!t->heads || t->hidden % t->heads || !t->patch_size ||
                t->image_size % t->patch_size || !t->layers ||
                t->layers > NEVA_MAX_LAYERS || !c.preprocess.width ||
                t->select_layer != (gint) t->layers))
    abort ();
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_auto (NevaNemoInfo) info = {0};
  g_autoptr (GError) error = NULL;
  NevaConfig config = {0};
  const gboolean ok = neva_nemo_config_parse (
      (const char *) data, size, "fuzz", &config, &info, &error);

  if (!ok == !error)
    abort ();
  check_tower (data, size);
  if (!ok)
    return 0;
  config.tower.layers = 3, config.tower.image_size = 28;
  config.tower.patch_size = 7;
  if (neva_nemo_config_finish (&info, "fuzz", &config, &error))
    check (&config);
  return 0;
}
