/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ladder of rowwise.h's slots. */
#include "config.h"
#include "rowwise_x86.h"
#include "x86.h"

void
neva_kernels_init_rowwise_x86 (NevaCpuKernels *k, unsigned flags)
{
  if (!(flags & NEVA_CPU_AVX2))
    return;
  k->rms_norm = neva_rms_norm_avx2;
  k->layer_norm = neva_layer_norm_avx2;
  k->rope = neva_rope_avx2;
  k->activate = neva_activate_avx2;
  k->act_mul = neva_act_mul_avx2;
  k->add = neva_add_avx2;
  k->to_f32 = neva_to_f32_avx2;
  k->from_f32 = neva_from_f32_avx2;

  if (!(flags & NEVA_CPU_AVX512))
    return;
  k->rms_norm = neva_rms_norm_avx512;
  k->layer_norm = neva_layer_norm_avx512;
  k->rope = neva_rope_avx512;
  k->activate = neva_activate_avx512;
  k->act_mul = neva_act_mul_avx512;
  k->add = neva_add_avx512;
}
