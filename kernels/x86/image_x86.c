/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The ladder of image.h's slots. */
#include "config.h"
#include "image_x86.h"
#include "x86.h"

void
neva_kernels_init_image_x86 (NevaCpuKernels *k, unsigned flags)
{
  if (!(flags & NEVA_CPU_AVX2))
    return;
  k->unpack_rgb = neva_unpack_rgb_avx2;
  k->chroma_mix = neva_chroma_mix_avx2;
  k->yuv_to_rgb = neva_yuv_to_rgb_avx2;
  k->tile = neva_tile_avx2;
  k->resample = neva_resample_avx2;

  if (!(flags & NEVA_CPU_AVX512))
    return;
  k->yuv_to_rgb = neva_yuv_to_rgb_avx512;
  k->resample = neva_resample_avx512;

  if (flags & NEVA_CPU_AVX512_VNNI)
    k->resample = neva_resample_avx512vnni;
}
