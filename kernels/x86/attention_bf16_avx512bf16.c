/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "attention_bf16.h"

#define ROWS 8
#define v_exp2 neva_exp2_short_avx512
#define SUFFIX(name) name##_bf16_avx512bf16
#include "attention_tile.h"

NEVA_DECL_ATTENTION (neva_attention_bf16_avx512bf16)
{
  attention_bf16_avx512bf16 (dst, q, a, work);
}
