/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ref.h"

NEVA_DECL_ADD (neva_add_c)
{
  for (size_t i = 0; i < n; i++)
    dst[i] += x[i];
}

static uint16_t
read_u16 (const void *src, size_t i)
{
  uint16_t u;

  memcpy (&u, (const uint8_t *) src + i * sizeof u, sizeof u);
  return u;
}

NEVA_DECL_TO_F32 (neva_to_f32_c)
{
  if (type == NEVA_DTYPE_F32)
    memcpy (dst, src, n * sizeof *dst);
  else if (type == NEVA_DTYPE_BF16)
    for (size_t i = 0; i < n; i++)
      dst[i] = neva_bf16_to_f32 (read_u16 (src, i));
  else
    for (size_t i = 0; i < n; i++)
      dst[i] = neva_f16_to_f32 (read_u16 (src, i));
}

NEVA_DECL_FROM_F32 (neva_from_f32_c)
{
  if (type == NEVA_DTYPE_F32) {
    memcpy (dst, src, n * sizeof *src);
    return;
  }
  for (size_t i = 0; i < n; i++) {
    const uint16_t u = type == NEVA_DTYPE_BF16 ? neva_f32_to_bf16 (src[i])
                                               : neva_f32_to_f16 (src[i]);

    memcpy ((uint8_t *) dst + i * sizeof u, &u, sizeof u);
  }
}

void
neva_kernels_init_rowwise_c (NevaCpuKernels *k)
{
  k->rms_norm = neva_rms_norm_c;
  k->layer_norm = neva_layer_norm_c;
  k->rope = neva_rope_c;
  k->activate = neva_activate_c;
  k->act_mul = neva_act_mul_c;
  k->add = neva_add_c;
  k->to_f32 = neva_to_f32_c;
  k->from_f32 = neva_from_f32_c;
}
