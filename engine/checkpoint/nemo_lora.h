/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NeMo's LoRA adapters (spec 4.3, 5.3), merged into the weights they stand
 * beside: W + alpha / dim · linear_out · linear_in.
 *
 *   …layers.N.self_attention.adapter_layer.lora_kqv_adapter.         linear_qkv
 *                                          lora_dense_attention_adapter.   proj
 *                                          lora_unfused_kqv_adapter.{q,k,v}_…
 *   …layers.N.mlp.adapter_layer.lora_hto4h_adapter.                         fc1
 *                               lora_unfused_hto4h_adapter.{gate,up}_…
 *                               lora_4htoh_adapter.                         fc2
 * each with linear_in.weight [dim, k] and linear_out.weight [n, dim]. */
#ifndef NEVA_NEMO_LORA_H
#define NEVA_NEMO_LORA_H

#include "checkpoint/tensor_set.h"
#include "model/config.h"

/* In the name of every such tensor. */
#define NEVA_LORA_PART "adapter_layer.lora_"

gboolean neva_nemo_lora_has (const NevaTensorSet *theirs);
/* weights: Hugging Face names; those with an adapter become products that are
 * computed when they are needed. `theirs` must outlive it. dim: what
 * model_config.yaml says, 0: nothing. An adapter of another shape, or of a kind
 * that is not read, is an error that names the tensor. */
gboolean neva_nemo_lora_merge (const NevaTensorSet *theirs,
    const NevaTextConfig *config, guint dim, double alpha,
    NevaTensorSet *weights, GError **error);

#endif /* NEVA_NEMO_LORA_H */
