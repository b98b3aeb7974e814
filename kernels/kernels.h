/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The CPU kernel table: one slot per operation, one meaning per slot. The
 * contracts are in the headers below; the reference (kernels/ref) fills every
 * slot, tiers (kernels/x86) override slots when their flag is given. Kernels
 * allocate nothing, log nothing, start no thread and cannot fail. */
#ifndef NEVA_KERNELS_H
#define NEVA_KERNELS_H

#include "cpu.h"
#include "dtype.h"
#include "matmul.h"
#include "attention.h"
#include "rowwise.h"
#include "image.h"

typedef struct {
  /* matmul.h, by weight type; slots of F16 are NULL */
  NevaActPrepareFn act_prepare[NEVA_DTYPE_COUNT];
  NevaPackFn pack[NEVA_DTYPE_COUNT]; /* I8 and I4 only */
  NevaMatmulFn matmul[NEVA_DTYPE_COUNT];
  /* Bytes of prepared activations that suit one call of `matmul`, because they
   * stay in the cache of a core. 0: it does not matter. */
  size_t matmul_cached[NEVA_DTYPE_COUNT];

  /* attention.h */
  NevaKvStoreFn kv_store;
  NevaAttentionFn attention;

  /* rowwise.h */
  NevaRmsNormFn rms_norm;
  NevaLayerNormFn layer_norm;
  NevaRopeFn rope;
  NevaActivateFn activate;
  NevaActMulFn act_mul;
  NevaAddFn add;
  NevaToF32Fn to_f32;
  NevaFromF32Fn from_f32;

  /* image.h */
  NevaUnpackRgbFn unpack_rgb;
  NevaChromaMixFn chroma_mix;
  NevaYuvToRgbFn yuv_to_rgb;
  NevaTileFn tile;
  NevaResampleFn resample;
} NevaCpuKernels;

/* Fill *k for the given flags (see cpu.h). */
void neva_cpu_kernels_init (NevaCpuKernels *k, unsigned flags);

#endif /* NEVA_KERNELS_H */
