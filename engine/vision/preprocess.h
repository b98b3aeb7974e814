/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a frame of any format and size to the tower's input, equal to Pillow and
 * the Hugging Face image processors to the last 8-bit value (spec 1.5). */
#ifndef NEVA_PREPROCESS_H
#define NEVA_PREPROCESS_H

#include <neva/frame.h>
#include "resize.h"

typedef enum {
  NEVA_RESIZE_SHORTEST, /* CLIP: shorter edge = size, then centre crop */
  NEVA_RESIZE_EXACT     /* SigLIP: both edges = size, no crop */
} NevaResizeMode;

typedef struct {
  NevaResizeMode mode;
  gboolean pad; /* first pad to a square with pad_color, centred */
  guint8 pad_color[3];
  guint width, height; /* of the result, pixels */
  guint shortest_edge; /* SHORTEST: before the crop */
  gboolean center_crop;
  gboolean round_crop; /* torchvision: half of an odd rest is rounded to even;
                          else down */
  double rescale;      /* 1/255 */
  float mean[3], std[3];
} NevaPreprocess;

/* The part of a resized canvas that is wanted, and the border of zeros before
 * it in the result. */
typedef struct {
  NevaAxis x, y;
  guint left, top;
} NevaPlacement;

/* Of a frame that neva_color_check () accepts. FALSE with NEVA_ERROR_BAD_INPUT
 * or, when the result has another size, NEVA_ERROR_UNSUPPORTED. */
gboolean neva_preprocess_place (const NevaPreprocess *pre,
    const NevaFrame *frame, NevaPlacement *placement, GError **error);

/* Convert, pad, resize, crop: rgb [height, width, 3] of `pre`. The only
 * allocation is scratch, bounded by the frame's size. */
gboolean neva_preprocess_frame (const NevaPreprocess *pre,
    const NevaFrame *frame, guint8 *rgb, GError **error);

/* What normalize () makes of each 8-bit value of a channel. */
void neva_preprocess_table (const NevaPreprocess *pre, float table[3][256]);

/* rgb [height, width, 3] -> dst [3, height, width] f32: rescale in double, to
 * float, then (x - mean) / std in float. */
void neva_preprocess_normalize (
    const NevaPreprocess *pre, const guint8 *rgb, float *dst);

#endif /* NEVA_PREPROCESS_H */
