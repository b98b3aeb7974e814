/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The reference tier: states the mathematics and nothing else. Accumulates in
 * double from the inputs as they are stored, so that an optimised kernel is
 * never blamed for the yardstick. Each domain fills its own slots. */
#ifndef NEVA_REF_H
#define NEVA_REF_H

#include "kernels.h"

NEVA_DECL_ACT_PREPARE (neva_act_prepare_f32_c);
NEVA_DECL_ACT_PREPARE (neva_act_prepare_bf16_c);
NEVA_DECL_ACT_PREPARE (neva_act_prepare_i8_c);
NEVA_DECL_ACT_PREPARE (neva_act_prepare_i4_c);
NEVA_DECL_PACK (neva_pack_i8_c);
NEVA_DECL_PACK (neva_pack_i4_c);
NEVA_DECL_MATMUL (neva_matmul_f32_c);
NEVA_DECL_MATMUL (neva_matmul_bf16_c);
NEVA_DECL_MATMUL (neva_matmul_i8_c);
NEVA_DECL_MATMUL (neva_matmul_i4_c);
void neva_kernels_init_matmul_c (NevaCpuKernels *k);

NEVA_DECL_KV_STORE (neva_kv_store_c);
NEVA_DECL_ATTENTION (neva_attention_c);
void neva_kernels_init_attention_c (NevaCpuKernels *k);

NEVA_DECL_RMS_NORM (neva_rms_norm_c);
NEVA_DECL_LAYER_NORM (neva_layer_norm_c);
NEVA_DECL_ROPE (neva_rope_c);
NEVA_DECL_ACTIVATE (neva_activate_c);
NEVA_DECL_ACT_MUL (neva_act_mul_c);
NEVA_DECL_ADD (neva_add_c);
NEVA_DECL_TO_F32 (neva_to_f32_c);
NEVA_DECL_FROM_F32 (neva_from_f32_c);
void neva_kernels_init_rowwise_c (NevaCpuKernels *k);

NEVA_DECL_UNPACK_RGB (neva_unpack_rgb_c);
NEVA_DECL_CHROMA_MIX (neva_chroma_mix_c);
NEVA_DECL_YUV_TO_RGB (neva_yuv_to_rgb_c);
NEVA_DECL_TILE (neva_tile_c);
NEVA_DECL_RESAMPLE (neva_resample_c);
void neva_kernels_init_image_c (NevaCpuKernels *k);

#endif /* NEVA_REF_H */
