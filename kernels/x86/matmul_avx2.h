/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slots of matmul.h by AVX2 and FMA. */
#ifndef NEVA_MATMUL_AVX2_H
#define NEVA_MATMUL_AVX2_H

#include "matmul.h"

NEVA_DECL_ACT_PREPARE (neva_act_prepare_bf16_avx2);
NEVA_DECL_ACT_PREPARE (neva_act_prepare_i8_avx2);
NEVA_DECL_ACT_PREPARE (neva_act_prepare_i4_avx2);
NEVA_DECL_PACK (neva_pack_i8_avx2);
NEVA_DECL_PACK (neva_pack_i4_avx2);
NEVA_DECL_MATMUL (neva_matmul_f32_avx2);
NEVA_DECL_MATMUL (neva_matmul_bf16_avx2);
NEVA_DECL_MATMUL (neva_matmul_i8_avx2);
NEVA_DECL_MATMUL (neva_matmul_i4_avx2);

#endif /* NEVA_MATMUL_AVX2_H */
