/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NEVA_ROWWISE_X86_H
#define NEVA_ROWWISE_X86_H

#include "kernels.h"

NEVA_DECL_RMS_NORM (neva_rms_norm_avx2);
NEVA_DECL_LAYER_NORM (neva_layer_norm_avx2);
NEVA_DECL_ROPE (neva_rope_avx2);
NEVA_DECL_ACTIVATE (neva_activate_avx2);
NEVA_DECL_ACT_MUL (neva_act_mul_avx2);
NEVA_DECL_ADD (neva_add_avx2);
NEVA_DECL_TO_F32 (neva_to_f32_avx2);
NEVA_DECL_FROM_F32 (neva_from_f32_avx2);

NEVA_DECL_RMS_NORM (neva_rms_norm_avx512);
NEVA_DECL_LAYER_NORM (neva_layer_norm_avx512);
NEVA_DECL_ROPE (neva_rope_avx512);
NEVA_DECL_ACTIVATE (neva_activate_avx512);
NEVA_DECL_ACT_MUL (neva_act_mul_avx512);
NEVA_DECL_ADD (neva_add_avx512);

#endif /* NEVA_ROWWISE_X86_H */
