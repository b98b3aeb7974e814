/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A CLIP or SigLIP tower as Megatron stores it (spec 2.1): from a MegatronCLIP
 * .nemo, or inside a NeVA checkpoint that was trained with one. */
#ifndef NEVA_NEMO_CLIP_H
#define NEVA_NEMO_CLIP_H

#include "checkpoint/bundle.h"
#include "checkpoint/tensor_set.h"
#include "model/config.h"

/* Fills config->preprocess, and config->tower from the section `vision` of the
 * bundle's model_config.yaml. select_layer and drop_rows are what the NeVA
 * checkpoint wants; the former becomes what it means to a Megatron tower: from
 * zero on the whole tower with its last norm. preprocess.pad stays. */
gboolean neva_nemo_clip_config_read (
    NevaBundle *bundle, NevaConfig *config, GError **error);
/* The same for a text alone; `name` is for messages. */
gboolean neva_nemo_clip_config_parse (const char *text, gsize length,
    const char *name, NevaConfig *config, GError **error);

/* Is this, behind "vision_encoder.", a name of Megatron's (legacy or mcore) and
 * not of Hugging Face's? */
gboolean neva_nemo_clip_is_name (const char *rest);

/* Adds to `to`, below "vision_tower." and by Hugging Face's names, what `from`
 * holds of such a tower. `from` must outlive `to`. */
gboolean neva_nemo_clip_map (const NevaTensorSet *from,
    const NevaTowerConfig *tower, NevaTensorSet *to, GError **error);

#endif /* NEVA_NEMO_CLIP_H */
