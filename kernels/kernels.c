/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "kernels.h"
#include "ref/ref.h"

void
neva_cpu_kernels_init (NevaCpuKernels *k, unsigned flags)
{
  (void) flags;
  memset (k, 0, sizeof *k);
  neva_kernels_init_attention_c (k);
  neva_kernels_init_rowwise_c (k);
}
