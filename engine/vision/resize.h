/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Bicubic resize of a frame's part, equal to Pillow to the last bit: two passes
 * over 8-bit samples with rounding between them, in Pillow's order (columns
 * first, or rows first when the height shrinks by more than twice as many
 * pixels as the width). Only rows and columns that are wanted, or that those
 * read, are converted and computed. */
#ifndef NEVA_VISION_RESIZE_H
#define NEVA_VISION_RESIZE_H

#include "color.h"

/* One axis, in pixels: the picture lies at `offset` of a canvas of `in` pixels
 * (larger than the picture only when padded), which is resized to `out`; of
 * those, `n` from `from` are wanted. */
typedef struct {
  guint picture, offset, in;
  guint64 out, from;
  guint n;
} NevaAxis;

/* Whether rows are resampled before columns. */
gboolean neva_resize_rows_first (const NevaAxis *x, const NevaAxis *y);

/* rgb: y->n rows of x->n pixels, ldrgb bytes apart. Canvas around the picture
 * has the pad colour. FALSE with NEVA_ERROR_DEVICE when memory cannot be had.
 */
gboolean neva_resize (const NevaColor *color, const NevaAxis *x,
    const NevaAxis *y, const guint8 pad_color[3], guint8 *rgb, gsize ldrgb,
    GError **error);

#endif /* NEVA_VISION_RESIZE_H */
