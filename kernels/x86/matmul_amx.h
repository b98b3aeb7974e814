/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slots of matmul.h by AMX. */
#ifndef NEVA_MATMUL_AMX_H
#define NEVA_MATMUL_AMX_H

#include "matmul_avx512.h"

NEVA_DECL_MATMUL (neva_matmul_bf16_amx);
NEVA_DECL_MATMUL (neva_matmul_i8_amx);
NEVA_DECL_MATMUL (neva_matmul_i4_amx);

/* Up to NEVA_FEW_ROWS rows: weights are read once, as they lie. */
enum { NEVA_FEW_ROWS = 16 };
/* Up to here vectors reach more of the memory's speed than tiles. */
enum { NEVA_FEW_VECTOR = 4 };
NEVA_DECL_MATMUL (neva_few_bf16_amx);
NEVA_DECL_MATMUL (neva_few_i8_amx);
NEVA_DECL_MATMUL (neva_few_i4_amx);

#endif /* NEVA_MATMUL_AMX_H */
