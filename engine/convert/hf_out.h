/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Hugging Face folders: a whole LLaVA model, or its vision tower alone. */
#ifndef NEVA_HF_OUT_H
#define NEVA_HF_OUT_H

#include "convert/origin.h"
#include "convert/out_tensor.h"

typedef void (*NevaNote) (const char *text, gpointer user_data);

/* Tensors of the tower under "vision_model.…". (transfer full) */
NevaOutList *neva_hf_tower_plan (const NevaOrigin *origin, GError **error);
/* config.json and preprocessor_config.json of the tower alone. */
gboolean neva_hf_tower_files (
    const NevaOrigin *origin, const char *folder, GError **error);

/* Tensors of the whole model, names of transformers 4. origin->config is
 * changed to what they then mean. (transfer full) */
NevaOutList *neva_hf_plan (NevaOrigin *origin, GError **error);
/* Everything but the tensors. note (may be NULL) is told what another program
 * will not understand. */
gboolean neva_hf_files (const NevaOrigin *origin, const char *folder,
    NevaNote note, gpointer user_data, GError **error);

/* preprocessor_config.json */
gboolean neva_hf_write_preprocess (
    const NevaConfig *config, const char *folder, GError **error);
/* The members of a vision_config into an object that is begun. */
void neva_hf_put_tower (
    JsonBuilder *b, const NevaTowerConfig *t, gboolean head);
/* model_type and members of a text_config, and *dtype for all of it. */
void neva_hf_put_text (JsonBuilder *b, const NevaConfig *config,
    const char *dtype, gint32 bos, gint32 eos);
/* Only part of each head is turned, and the model's class in transformers would
 * turn it all: Nemotron's alone has partial_rotary_factor (5.23). */
gboolean neva_hf_lacks_fraction (const NevaTextConfig *t);

#endif /* NEVA_HF_OUT_H */
