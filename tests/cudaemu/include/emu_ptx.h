/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The instructions of kernels/cuda/ptx.cuh on the emulation. */
#ifndef NEVA_EMU_PTX_H
#define NEVA_EMU_PTX_H

#include "emu_memory.h"

namespace neva_emu
{
void mma_bf16 (float *d, const uint32_t *a, const uint32_t *b);
void mma_s8 (int *d, const uint32_t *a, const uint32_t *b);
void mma_e4m3 (float *d, const uint32_t *a, const uint32_t *b);
/* n: 2 or 4 matrices */
void ldmatrix (uint32_t *r, unsigned n, const void *row, bool transposed);
} // namespace neva_emu

#endif /* NEVA_EMU_PTX_H */
