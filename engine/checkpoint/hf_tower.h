/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NEVA_HF_TOWER_H
#define NEVA_HF_TOWER_H

#include "hf_reader.h"
#include "model/config.h"

#define NEVA_HF_MAX_HEAD_DIM 256 /* attention.h */

/* An activation by the name that transformers gives it. */
NevaAct neva_hf_read_act (
    const NevaHfReader *r, const char *key, const char *def);

/* "vision_config", and what of the tower is used, of a LLaVA config.json. */
void neva_hf_read_tower (const NevaHfReader *top, NevaTowerConfig *t);

/* config.json and preprocessor_config.json of a folder that holds a vision
 * model alone: config->tower (but not which rows of which layer are used) and
 * config->preprocess. */
gboolean neva_hf_tower_folder_read (
    const char *folder, NevaConfig *config, GError **error);

#endif /* NEVA_HF_TOWER_H */
