/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NEVA_HF_PREPROCESS_H
#define NEVA_HF_PREPROCESS_H

#include "model/config.h"

/* preprocessor_config.json (or the image_processor of processor_config.json)
 * into config->preprocess. config->tower must be filled: the result must be the
 * picture that the tower takes. */
gboolean neva_hf_preprocess_read (
    const char *folder, NevaConfig *config, GError **error);

/* What NeMo does for a tower that is not Hugging Face's (spec 1.5): CLIP's
 * processing by torchvision, whose crop rounds. config->tower as above. */
void neva_hf_preprocess_torchvision (NevaConfig *config);

#endif /* NEVA_HF_PREPROCESS_H */
