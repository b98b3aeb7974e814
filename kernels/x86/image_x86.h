/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NEVA_IMAGE_X86_H
#define NEVA_IMAGE_X86_H

#include "kernels.h"

NEVA_DECL_UNPACK_RGB (neva_unpack_rgb_avx2);
NEVA_DECL_CHROMA_MIX (neva_chroma_mix_avx2);
NEVA_DECL_YUV_TO_RGB (neva_yuv_to_rgb_avx2);
NEVA_DECL_TILE (neva_tile_avx2);
NEVA_DECL_RESAMPLE (neva_resample_avx2);

NEVA_DECL_YUV_TO_RGB (neva_yuv_to_rgb_avx512);
NEVA_DECL_RESAMPLE (neva_resample_avx512);
NEVA_DECL_RESAMPLE (neva_resample_avx512vnni);

#endif /* NEVA_IMAGE_X86_H */
