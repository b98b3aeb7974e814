/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "exp_avx512.h"
#include "vector_avx512.h"
#include "dtype.h"
#include "attention_f32.h"

#define ROWS 8
#define v_exp2 neva_exp2_avx512
#define SUFFIX(name) name##_f32_avx512
#include "attention_tile.h"

NEVA_DECL_ATTENTION (neva_attention_f32_avx512)
{
  attention_f32_avx512 (dst, q, a, work);
}
