/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ladder of matmul.h's slots. */
#include "config.h"
#include "matmul_amx.h"
#include "matmul_avx2.h"
#include "x86.h"

/* A little more than half of the L2 of processors that have tiles: room for
 * 512 rows of 1024 or 256 of 2048 bf16. */
enum { CACHED = (1 << 20) + (1 << 17) };

void
neva_kernels_init_matmul_x86 (NevaCpuKernels *k, unsigned flags)
{
  if (!(flags & NEVA_CPU_AVX2))
    return;

  k->act_prepare[NEVA_DTYPE_BF16] = neva_act_prepare_bf16_avx2;
  k->act_prepare[NEVA_DTYPE_I8] = neva_act_prepare_i8_avx2;
  k->act_prepare[NEVA_DTYPE_I4] = neva_act_prepare_i4_avx2;
  k->pack[NEVA_DTYPE_I8] = neva_pack_i8_avx2;
  k->pack[NEVA_DTYPE_I4] = neva_pack_i4_avx2;
  k->matmul[NEVA_DTYPE_F32] = neva_matmul_f32_avx2;
  k->matmul[NEVA_DTYPE_BF16] = neva_matmul_bf16_avx2;
  k->matmul[NEVA_DTYPE_I8] = neva_matmul_i8_avx2;
  k->matmul[NEVA_DTYPE_I4] = neva_matmul_i4_avx2;

  if (!(flags & NEVA_CPU_AVX512))
    return;
  k->act_prepare[NEVA_DTYPE_BF16] = neva_act_prepare_bf16_avx512;
  k->act_prepare[NEVA_DTYPE_I8] = neva_act_prepare_i8_avx512;
  k->act_prepare[NEVA_DTYPE_I4] = neva_act_prepare_i4_avx512;
  k->matmul[NEVA_DTYPE_F32] = neva_matmul_f32_avx512;
  k->matmul[NEVA_DTYPE_BF16] = neva_matmul_bf16_avx512;

  if (flags & NEVA_CPU_AVX512_VNNI) {
    k->matmul[NEVA_DTYPE_I8] = neva_matmul_i8_avx512vnni;
    k->matmul[NEVA_DTYPE_I4] = neva_matmul_i4_avx512vnni;
  }
  if (flags & NEVA_CPU_AVX512_BF16)
    k->matmul[NEVA_DTYPE_BF16] = neva_matmul_bf16_avx512bf16;

  /* a few rows go to the tiers below */
  if ((flags & NEVA_CPU_AMX) && (flags & NEVA_CPU_AVX512_BF16) &&
      (flags & NEVA_CPU_AVX512_VNNI)) {
    k->matmul[NEVA_DTYPE_BF16] = neva_matmul_bf16_amx;
    k->matmul[NEVA_DTYPE_I8] = neva_matmul_i8_amx;
    k->matmul[NEVA_DTYPE_I4] = neva_matmul_i4_amx;
    k->matmul_cached[NEVA_DTYPE_BF16] = CACHED;
    k->matmul_cached[NEVA_DTYPE_I8] = CACHED;
    k->matmul_cached[NEVA_DTYPE_I4] = CACHED;
  }
}
