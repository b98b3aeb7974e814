/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Slots of matmul.h by AMX; few rows go to the tier below. */
#ifndef NEVA_MATMUL_AMX_H
#define NEVA_MATMUL_AMX_H

#include "matmul_avx512.h"

NEVA_DECL_MATMUL (neva_matmul_bf16_amx);
NEVA_DECL_MATMUL (neva_matmul_i8_amx);
NEVA_DECL_MATMUL (neva_matmul_i4_amx);

#endif /* NEVA_MATMUL_AMX_H */
