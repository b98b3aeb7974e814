/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "exp_avx2.h"
#include "vector_avx2.h"
#include "dtype.h"
#include "attention_f32.h"

#define ROWS 4
#define v_exp2 neva_exp2_low_avx2
#define SUFFIX(name) name##_f32_avx2
#include "attention_tile.h"

NEVA_DECL_ATTENTION (neva_attention_f32_avx2)
{
  attention_f32_avx2 (dst, q, a, work);
}
