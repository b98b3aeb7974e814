/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures: any pixel format to planar RGB rows, and resampling to the last
 * bit of Pillow's fixed-point arithmetic. A resize goes
 *
 *   rows of a frame --unpack_rgb / chroma_mix + yuv_to_rgb--> planar u8 rows
 *   16 rows at a time --tile--> tile --resample (columns)--> 8-bit columns
 *   regrouped by the caller --> [row / 4][column, channel][4]
 *                             --resample (rows)--> RGB rows
 *
 * Both resampling passes are the same kernel: sums run over groups of four
 * neighbours that lie in one 32-bit word, and lanes (rows, then columns) lie
 * side by side, so one instruction takes the same step for many lanes.
 */
#ifndef NEVA_IMAGE_H
#define NEVA_IMAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Rows of one tile. */
#define NEVA_TILE_ROWS 16
/* Bytes of four columns of a tile: 16 rows, 3 channels. */
#define NEVA_TILE_COLUMN_BYTES 192
/* Planar rows are written up to a multiple of this many elements. */
#define NEVA_IMAGE_ALIGN 64

/* n packed pixels of `bytes` (3 or 4) bytes each; channel c of a pixel is its
 * byte order[c]. dst[c][i], written up to n rounded up to NEVA_IMAGE_ALIGN;
 * nothing is read beyond the last pixel. Class: exact. */
#define NEVA_DECL_UNPACK_RGB(name)                                             \
  void name (uint8_t *const dst[3], const uint8_t *src, size_t bytes,          \
      const uint8_t order[3], size_t n)
typedef NEVA_DECL_UNPACK_RGB ((*NevaUnpackRgbFn));

/* How one sample of a plane is stored. */
typedef struct {
  unsigned bytes; /* 1, or 2: little endian */
  unsigned shift; /* 16-bit words: the value is word >> shift */
} NevaSample;

/* Two chroma rows mixed: for 0 <= i < n and c in 0..1 (U, V),
 *   dst[c][i] = weight[0] row[0][c][i] + weight[1] row[1][c][i]  (mod 2^16)
 * weight[0] + weight[1] is 4. Interleaved (NV12): row[.][0] points at U,
 * row[.][1] is unused. dst is written up to n rounded up to NEVA_IMAGE_ALIGN.
 * Class: exact. */
typedef struct {
  const void *row[2][2];
  unsigned weight[2];
  NevaSample sample;
  bool interleaved;
} NevaChromaRows;

#define NEVA_DECL_CHROMA_MIX(name)                                             \
  void name (uint16_t *const dst[2], const NevaChromaRows *rows, size_t n)
typedef NEVA_DECL_CHROMA_MIX ((*NevaChromaMixFn));

/* Y'CbCr to R'G'B', in units of one 8-bit step. With y = Y - y0 and u, v =
 * 16 times the chroma sample less c0 (all exact integers), in f32 with fused
 * multiply-add, in this order:
 *   l = ky y;  r = fma(rv, v, l);  g = fma(gu, u, fma(gv, v, l));
 *   b = fma(bu, u, l)
 * rounded to nearest even and clipped to 0..255. */
typedef struct {
  float ky, rv, gu, gv, bu;
  int y0, c0;
} NevaYuvMatrix;

/* n pixels, the first one on an even column. chroma[c] points at the mixed
 * sample (chroma_mix, four times the value) of the first pixel pair; chroma[c]
 * [-1] and one beyond the last pair are read as neighbours. Horizontally
 *   even pixel 2i:  left[0] chroma[i - 1] + left[1] chroma[i]
 *   odd pixel:      right[0] chroma[i] + right[1] chroma[i + 1]  (mod 2^16)
 * with weights that sum to 4. dst as for unpack_rgb; chroma is readable
 * (any value) up to NEVA_IMAGE_ALIGN elements beyond n / 2. Class: exact. */
typedef struct {
  const void *luma;
  NevaSample sample;
  const uint16_t *chroma[2];
  uint16_t left[2], right[2];
  NevaYuvMatrix matrix;
} NevaYuvRow;

#define NEVA_DECL_YUV_TO_RGB(name)                                             \
  void name (uint8_t *const dst[3], const NevaYuvRow *row, size_t n)
typedef NEVA_DECL_YUV_TO_RGB ((*NevaYuvToRgbFn));

/* 16 planar rows of three channels to a tile: row r of channel c starts at
 * rows + (c 16 + r) stride; n columns, a multiple of 4 (rows are readable up
 * to n rounded up to NEVA_IMAGE_ALIGN); tile [n / 4][r / 4][c][r % 4][4].
 * Class: exact. */
#define NEVA_DECL_TILE(name)                                                   \
  void name (uint8_t *tile, const uint8_t *rows, size_t stride, size_t n)
typedef NEVA_DECL_TILE ((*NevaTileFn));

/* Weights of one resampling pass, in units of 2^-22 and |w| < 2^23: output o
 * sums groups first[o] .. first[o] + groups - 1 of four inputs each. A weight
 * is stored as balanced digits, w = (d[2] 256 + d[1]) 256 + d[0]. */
typedef struct {
  size_t n, groups;
  const uint32_t *first; /* [n] */
  const int8_t *digits;  /* [n][groups][3][4] */
} NevaResample;

/* For every output o and lane l < lanes (a multiple of 16):
 *   dst[o ldd + l] = clip8 ((2^21 + sum_g sum_j w[o][g][j]
 *                            src[((first[o] + g) lanes + l) 4 + j]) >> 22)
 * in 32-bit integers (modulo 2^32), exactly Pillow's result. Class: exact. */
#define NEVA_DECL_RESAMPLE(name)                                               \
  void name (uint8_t *dst, size_t ldd, const uint8_t *src, size_t lanes,       \
      const NevaResample *plan)
typedef NEVA_DECL_RESAMPLE ((*NevaResampleFn));

#endif /* NEVA_IMAGE_H */
