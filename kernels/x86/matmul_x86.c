/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "x86.h"

void
neva_kernels_init_matmul_x86 (NevaCpuKernels *k, unsigned flags)
{
  if (!(flags & NEVA_CPU_AVX2))
    return;
  (void) k;
}
