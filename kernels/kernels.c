/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "kernels.h"
#include "ref/ref.h"
#if HAVE_X86_SIMD
#include "x86/x86.h"
#endif

void
neva_cpu_kernels_init (NevaCpuKernels *k, unsigned flags)
{
  memset (k, 0, sizeof *k);
  neva_kernels_init_matmul_c (k);
  neva_kernels_init_attention_c (k);
  neva_kernels_init_rowwise_c (k);
  neva_kernels_init_image_c (k);
#if HAVE_X86_SIMD
  neva_cpu_kernels_init_x86 (k, flags);
#else
  (void) flags;
#endif
}
