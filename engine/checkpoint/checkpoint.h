/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model's files, whatever their format: its configuration, its tensors and
 * its tokenizer. */
#ifndef NEVA_CHECKPOINT_H
#define NEVA_CHECKPOINT_H

#include "checkpoint/file_set.h"
#include "checkpoint/tensor_source.h"
#include "model/config.h"

/* What is added to a checkpoint; every NULL or "" is nothing. Borrowed. */
typedef struct {
  const char *base_model;   /* .nemo with the language model */
  const char *vision_tower; /* Hugging Face folder */
  const char *lora;         /* .nemo with LoRA adapters */
} NevaCheckpointParts;

typedef struct {
  NevaConfig config;
  NevaTensorSource *tensors; /* Hugging Face names; owns what it points into */
  NevaFileSet *tokenizer;    /* see neva_tokenizer_open_files () */
  gboolean nemo;             /* was a .nemo */
} NevaCheckpoint;

/* path: a Hugging Face folder, a .nemo file or its extracted folder.
 * `checkpoint` must be zeroed; clear it also on failure. */
gboolean neva_checkpoint_open (NevaCheckpoint *checkpoint, const char *path,
    const NevaCheckpointParts *parts, GError **error);
void neva_checkpoint_clear (NevaCheckpoint *checkpoint);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (NevaCheckpoint, neva_checkpoint_clear)

#endif /* NEVA_CHECKPOINT_H */
