/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ladder of attention.h's slots. */
#include "config.h"
#include "attention_x86.h"
#include "x86.h"

static NEVA_DECL_ATTENTION (attention_avx2)
{
  if (a->type == NEVA_DTYPE_F32)
    neva_attention_f32_avx2 (dst, q, a, work);
  else
    neva_attention_widened_avx2 (dst, q, a, work);
}

static NEVA_DECL_ATTENTION (attention_avx512)
{
  if (a->type == NEVA_DTYPE_F32)
    neva_attention_f32_avx512 (dst, q, a, work);
  else
    neva_attention_widened_avx512 (dst, q, a, work);
}

static NEVA_DECL_ATTENTION (attention_avx512bf16)
{
  if (a->type == NEVA_DTYPE_F32)
    neva_attention_f32_avx512 (dst, q, a, work);
  else
    neva_attention_bf16_avx512bf16 (dst, q, a, work);
}

static NEVA_DECL_ATTENTION (attention_amx)
{
  if (a->type == NEVA_DTYPE_F32)
    neva_attention_f32_avx512 (dst, q, a, work);
  else
    neva_attention_bf16_amx (dst, q, a, work);
}

void
neva_kernels_init_attention_x86 (NevaCpuKernels *k, unsigned flags)
{
  if (!(flags & NEVA_CPU_AVX2))
    return;
  k->kv_store = neva_kv_store_avx2;
  k->attention = attention_avx2;

  if (!(flags & NEVA_CPU_AVX512))
    return;
  k->attention = attention_avx512;

  if (flags & NEVA_CPU_AVX512_BF16)
    k->attention = attention_avx512bf16;

  /* every processor with tiles has the ones below */
  if (flags & NEVA_CPU_AMX && flags & NEVA_CPU_AVX512_BF16)
    k->attention = attention_amx;
}
