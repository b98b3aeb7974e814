/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ladder, lowest tier first: each domain's function overrides the slots for
 * which its tier has something better. */
#ifndef NEVA_X86_H
#define NEVA_X86_H

#include "kernels.h"

void neva_kernels_init_matmul_x86 (NevaCpuKernels *k, unsigned flags);
void neva_kernels_init_attention_x86 (NevaCpuKernels *k, unsigned flags);
void neva_kernels_init_rowwise_x86 (NevaCpuKernels *k, unsigned flags);
void neva_kernels_init_image_x86 (NevaCpuKernels *k, unsigned flags);

static inline void
neva_cpu_kernels_init_x86 (NevaCpuKernels *k, unsigned flags)
{
  neva_kernels_init_matmul_x86 (k, flags);
  neva_kernels_init_attention_x86 (k, flags);
  neva_kernels_init_rowwise_x86 (k, flags);
  neva_kernels_init_image_x86 (k, flags);
}

#endif /* NEVA_X86_H */
