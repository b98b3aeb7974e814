/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* model_config.yaml of a .nemo checkpoint (spec 1.8, 2.4). Dead and unknown
 * keys are tolerated; a value that nothing here can run is an error that names
 * it. */
#ifndef NEVA_NEMO_CONFIG_H
#define NEVA_NEMO_CONFIG_H

#include "checkpoint/bundle.h"
#include "model/config.h"

/* What the checkpoint says beyond the model. */
typedef struct {
  gboolean multimodal; /* has mm_cfg: not a text model alone */
  gboolean frozen_llm; /* mm_cfg.llm.freeze: the LM was not saved */
  char *vision_folder; /* absolute, or relative to the archive's folder; NULL */
  char *tokenizer_file;          /* sentencepiece model in the bundle; NULL */
  char *tokenizer_name;          /* Hugging Face name or folder; NULL */
  char *vocab_file, *merge_file; /* GPT2BPE, in the bundle; NULL */
  gboolean legacy_tokenizer;
} NevaNemoInfo;

void neva_nemo_info_clear (NevaNemoInfo *info);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (NevaNemoInfo, neva_nemo_info_clear)

/* Fills config but for the tower's shape, the preprocessing (the vision folder
 * has them) and text.vocab (the tensors have it); info must be zeroed. */
gboolean neva_nemo_config_read (
    NevaBundle *bundle, NevaConfig *config, NevaNemoInfo *info, GError **error);

#endif /* NEVA_NEMO_CONFIG_H */
