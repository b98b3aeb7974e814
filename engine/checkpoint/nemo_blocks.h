/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Keys that Megatron's transformers have alike, the language model at the top
 * of model_config.yaml and the CLIP tower in its section `vision`. */
#ifndef NEVA_NEMO_BLOCKS_H
#define NEVA_NEMO_BLOCKS_H

#include "checkpoint/hf_reader.h"
#include "model/config.h"

/* activation, openai_gelu, bias_activation_fusion. Megatron's fused kernel of
 * bias and GELU is the approximation by tanh, and runs where there is a bias or
 * a gate; fused: what a missing key means. */
void neva_nemo_read_activation (const NevaHfReader *r, gboolean bias,
    gboolean fused, NevaAct *act, gboolean *gated);

/* Switches of the block that would change the result, set to what is not
 * computed here: errors that name them. */
void neva_nemo_check_block (const NevaHfReader *r);

#endif /* NEVA_NEMO_BLOCKS_H */
