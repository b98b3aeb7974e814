/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slots of matmul.h by AVX-512, AVX-512 BF16 and AVX-512 VNNI. */
#ifndef NEVA_MATMUL_AVX512_H
#define NEVA_MATMUL_AVX512_H

#include "matmul.h"

NEVA_DECL_ACT_PREPARE (neva_act_prepare_bf16_avx512);
NEVA_DECL_ACT_PREPARE (neva_act_prepare_i8_avx512);
NEVA_DECL_ACT_PREPARE (neva_act_prepare_i4_avx512);
NEVA_DECL_MATMUL (neva_matmul_f32_avx512);
NEVA_DECL_MATMUL (neva_matmul_bf16_avx512);
NEVA_DECL_MATMUL (neva_matmul_bf16_avx512bf16);
NEVA_DECL_MATMUL (neva_matmul_i8_avx512vnni);
NEVA_DECL_MATMUL (neva_matmul_i4_avx512vnni);

#endif /* NEVA_MATMUL_AVX512_H */
