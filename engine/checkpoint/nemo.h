/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A NeVA model from a .nemo file or its extracted folder (spec 4.3, 5). */
#ifndef NEVA_NEMO_H
#define NEVA_NEMO_H

#include "checkpoint/checkpoint.h"
#include "checkpoint/nemo_config.h"
#include "checkpoint/tensor_source.h"

typedef struct {
  NevaConfig config;
  NevaNemoInfo info;
  NevaTensorSource *tensors; /* Hugging Face names; owns what it points into */
  NevaFileSet *tokenizer;    /* see neva_tokenizer_open_files () */
} NevaNemo;

/* TRUE for a .nemo file or a folder with model_config.yaml. */
gboolean neva_nemo_is (const char *path);

/* A checkpoint without a language model and without parts->base_model is an
 * error. `nemo` must be zeroed; clear it also on failure. */
gboolean neva_nemo_open (NevaNemo *nemo, const char *path,
    const NevaCheckpointParts *parts, GError **error);
void neva_nemo_clear (NevaNemo *nemo);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (NevaNemo, neva_nemo_clear)

#endif /* NEVA_NEMO_H */
