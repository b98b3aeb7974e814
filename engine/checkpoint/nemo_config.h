/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* model_config.yaml of a .nemo checkpoint (spec 1.8, 2.4). Dead and unknown
 * keys are tolerated; a value that nothing here can run is an error that names
 * it. */
#ifndef NEVA_NEMO_CONFIG_H
#define NEVA_NEMO_CONFIG_H

#include <json-glib/json-glib.h>
#include "checkpoint/bundle.h"
#include "model/config.h"

/* What the checkpoint says beyond the model. */
typedef struct {
  gboolean multimodal;  /* has mm_cfg: not a text model alone */
  gboolean frozen_llm;  /* mm_cfg.llm.freeze: the LM was not saved */
  char *vision_folder;  /* or a .nemo: absolute, or relative to the
                           archive's folder; NULL */
  gboolean from_hf;     /* mm_cfg.vision_encoder.from_hf: else Megatron's */
  guint crop[2];        /* height and width of its pictures; 0: not said */
  guint patch_dim;      /* 0: not said */
  gboolean patches;     /* vision_select_feature: patch, without class tokens */
  char *tokenizer_file; /* sentencepiece model in the bundle; NULL */
  char *tokenizer_name; /* Hugging Face name or folder; NULL */
  char *vocab_file, *merge_file; /* GPT2BPE, in the bundle; NULL */
  gboolean legacy_tokenizer;     /* sentencepiece_legacy */
  char **special_tokens;         /* that the vocabulary gets; NULL: none */
  char *bos_token, *eos_token;   /* of special_tokens; NULL: not said */
  char **tokenizer_files; /* of the Hugging Face folder that it was made from,
                             in the bundle; NULL */
  guint lora_dim;         /* peft.lora_tuning.adapter_dim; 0: no such section */
  double lora_alpha;      /* peft.lora_tuning.alpha */
  JsonNode *neva;         /* section neva, see extras.h; NULL */
} NevaNemoInfo;

void neva_nemo_info_clear (NevaNemoInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (NevaNemoInfo, neva_nemo_info_clear)

/* The file itself. text: out: (transfer none); name: out: (transfer full), for
 * messages, always set. FALSE with error if there is none. */
gboolean neva_nemo_config_text (NevaBundle *bundle, const char **text,
    gsize *length, char **name, GError **error);
/* Fills config but for the tower's shape, the preprocessing (the vision folder
 * has them) and text.vocab (the tensors have it); info must be zeroed. */
gboolean neva_nemo_config_read (
    NevaBundle *bundle, NevaConfig *config, NevaNemoInfo *info, GError **error);
/* The same for a text alone; `name` is for messages. */
gboolean neva_nemo_config_parse (const char *text, gsize length,
    const char *name, NevaConfig *config, NevaNemoInfo *info, GError **error);
/* When tower.class_tokens is known: a tower without one has no row to drop. */
void neva_nemo_config_rows (NevaConfig *config);
/* Applies section neva, when the tower is known. */
gboolean neva_nemo_config_finish (const NevaNemoInfo *info, const char *name,
    NevaConfig *config, GError **error);

#endif /* NEVA_NEMO_CONFIG_H */
