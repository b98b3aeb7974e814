/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The walk over a row for yuv_to_rgb; the includer defines convert_16 (dst, x,
 * luma, row, chroma weights), which writes pixels x .. x + 15, and SUFFIX. */

NEVA_DECL_YUV_TO_RGB (SUFFIX (neva_yuv_to_rgb))
{
  const NevaChromaWeights w = neva_chroma_weights (row);
  const size_t bytes = row->sample.bytes;
  const uint8_t *luma = row->luma;
  uint8_t tail[32] = {0}; /* nothing is read beyond the last pixel */
  size_t x = 0;

  for (; x + 16 <= n; x += 16)
    convert_16 (dst, x, luma + x * bytes, row, &w);
  if (x < n) {
    memcpy (tail, luma + x * bytes, (n - x) * bytes);
    convert_16 (dst, x, tail, row, &w);
  }
}
