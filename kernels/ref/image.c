/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include "ref.h"

NEVA_DECL_UNPACK_RGB (neva_unpack_rgb_c)
{
  for (size_t c = 0; c < 3; c++)
    for (size_t i = 0; i < n; i++)
      dst[c][i] = src[i * bytes + order[c]];
}

static unsigned
sample (const void *row, NevaSample s, size_t i)
{
  const uint8_t *p = (const uint8_t *) row + i * s.bytes;

  return s.bytes == 1 ? p[0] : (p[0] | (unsigned) p[1] << 8) >> s.shift;
}

NEVA_DECL_CHROMA_MIX (neva_chroma_mix_c)
{
  for (size_t c = 0; c < 2; c++)
    for (size_t i = 0; i < n; i++) {
      const size_t plane = rows->interleaved ? 0 : c;
      const size_t at = rows->interleaved ? 2 * i + c : i;

      dst[c][i] = (uint16_t) (rows->weight[0] * sample (rows->row[0][plane],
                                                    rows->sample, at) +
                              rows->weight[1] * sample (rows->row[1][plane],
                                                    rows->sample, at));
    }
}

static uint8_t
clip8 (float x)
{
  const float r = nearbyintf (x);

  return r <= 0 ? 0 : r >= 255 ? 255 : (uint8_t) r;
}

NEVA_DECL_YUV_TO_RGB (neva_yuv_to_rgb_c)
{
  const NevaYuvMatrix *m = &row->matrix;

  for (size_t x = 0; x < n; x++) {
    const uint16_t *weight = x % 2 ? row->right : row->left;
    float uv[2];

    for (size_t c = 0; c < 2; c++) {
      const uint16_t *s = row->chroma[c] + x / 2 - !(x % 2);

      uv[c] =
          (float) ((uint16_t) (weight[0] * s[0] + weight[1] * s[1]) - m->c0);
    }

    const float l =
        m->ky * (float) ((int) sample (row->luma, row->sample, x) - m->y0);

    dst[0][x] = clip8 (fmaf (m->rv, uv[1], l));
    dst[1][x] = clip8 (fmaf (m->gu, uv[0], fmaf (m->gv, uv[1], l)));
    dst[2][x] = clip8 (fmaf (m->bu, uv[0], l));
  }
}

NEVA_DECL_TILE (neva_tile_c)
{
  for (size_t x = 0; x < n; x++)
    for (size_t r = 0; r < NEVA_TILE_ROWS; r++)
      for (size_t c = 0; c < 3; c++)
        tile[x / 4 * NEVA_TILE_COLUMN_BYTES + r / 4 * 48 + c * 16 + r % 4 * 4 +
             x % 4] = rows[(c * NEVA_TILE_ROWS + r) * stride + x];
}

NEVA_DECL_RESAMPLE (neva_resample_c)
{
  for (size_t o = 0; o < plan->n; o++)
    for (size_t l = 0; l < lanes; l++) {
      uint32_t sum = 1 << 21; /* modulo 2^32, as vectors add */

      for (size_t g = 0; g < plan->groups; g++) {
        const int8_t *d = plan->digits + (o * plan->groups + g) * 12;
        const uint8_t *s = src + ((plan->first[o] + g) * lanes + l) * 4;

        for (size_t j = 0; j < 4; j++)
          sum += (uint32_t) (((d[8 + j] * 256 + d[4 + j]) * 256 + d[j]) * s[j]);
      }

      const int32_t pixel = (int32_t) sum >> 22;

      dst[o * ldd + l] = pixel < 0 ? 0 : pixel > 255 ? 255 : (uint8_t) pixel;
    }
}

void
neva_kernels_init_image_c (NevaCpuKernels *k)
{
  k->unpack_rgb = neva_unpack_rgb_c;
  k->chroma_mix = neva_chroma_mix_c;
  k->yuv_to_rgb = neva_yuv_to_rgb_c;
  k->tile = neva_tile_c;
  k->resample = neva_resample_c;
}
