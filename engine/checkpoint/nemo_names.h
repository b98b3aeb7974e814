/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tensors of NeMo (mcore and legacy names, spec 5.2) under the names and in the
 * layouts that the loader knows from Hugging Face, spec 5.4 read backwards. */
#ifndef NEVA_NEMO_NAMES_H
#define NEVA_NEMO_NAMES_H

#include "checkpoint/tensor_set.h"
#include "model/config.h"

/* Adds what `from` holds to `to`: views where the layout is the same,
 * assemblies of the split QKV. `from` must outlive `to`. text_only leaves
 * projector and vision out. Names that no model part has are a warning. */
gboolean neva_nemo_names_map (const NevaTensorSet *from,
    const NevaConfig *config, gboolean text_only, NevaTensorSet *to,
    GError **error);

/* Rows of the word table: the padded vocabulary; 0: there is none. */
guint neva_nemo_names_vocab (const NevaTensorSet *from);

#endif /* NEVA_NEMO_NAMES_H */
