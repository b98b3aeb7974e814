/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Rows of a frame of any pixel format as planar 8-bit R, G, B.
 *
 * YUV is converted once per pixel, without intermediate rounding: 4:2:0 chroma
 * is interpolated linearly between its neighbours by the frame's siting (in
 * sixteenths, exactly), the matrix is applied in f32 (error below 1e-4 of an
 * 8-bit step, image.h) and the result rounded to nearest. Samples beyond an
 * edge repeat the edge. */
#ifndef NEVA_VISION_COLOR_H
#define NEVA_VISION_COLOR_H

#include <neva/error.h>
#include <neva/frame.h>
#include "kernels.h"

/* Frames are at most this wide and high, in pixels. */
#define NEVA_FRAME_MAX_SIDE 32768

/* How a format lies in memory. */
typedef struct {
  const char *name;
  guint planes;
  guint bytes;     /* packed RGB: of a pixel; else of a sample */
  guint8 order[3]; /* packed RGB: byte of R, G, B */
  guint shift;     /* 16-bit samples: unused low bits */
  guint bits;      /* of a sample */
} NevaPixelLayout;

/* Of a format that neva_color_check () accepts. */
const NevaPixelLayout *neva_pixel_layout (NevaPixelFormat format);
/* Bytes of a row, and rows, of a plane of such a frame. */
gsize neva_plane_row_bytes (const NevaFrame *frame, guint plane);
guint neva_plane_rows (const NevaFrame *frame, guint plane);

typedef struct {
  const NevaFrame *frame; /* borrowed */
  const NevaCpuKernels *kernels;
  NevaYuvMatrix matrix; /* YUV only */
  guint8 gray[256];     /* GRAY8 only */
  guint16 *chroma[2];   /* scratch, owned: one mixed row each */
} NevaColor;

/* Checks size, memory, planes and strides of the frame. FALSE with
 * NEVA_ERROR_BAD_INPUT. */
gboolean neva_color_check (const NevaFrame *frame, GError **error);

/* The same check, and more. FALSE with NEVA_ERROR_BAD_INPUT
 * or NEVA_ERROR_DEVICE; clear () is needed after TRUE only. */
gboolean neva_color_init (NevaColor *color, const NevaCpuKernels *kernels,
    const NevaFrame *frame, GError **error);
void neva_color_clear (NevaColor *color);

/* Pixels [x, x + n) of row y. dst[c] has NEVA_IMAGE_ALIGN elements of room
 * before and beyond, whose contents are lost. */
void neva_color_row (
    const NevaColor *color, guint y, guint x, guint n, guint8 *const dst[3]);

#endif /* NEVA_VISION_COLOR_H */
