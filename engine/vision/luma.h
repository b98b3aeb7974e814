/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A picture as a grid of mean luma: square cells, at most NEVA_LUMA_CELLS along
 * the longer side, so that noise averages out and later steps cost the same for
 * any size of picture. */
#ifndef NEVA_VISION_LUMA_H
#define NEVA_VISION_LUMA_H

#include <neva/error.h>
#include <neva/frame.h>

#define NEVA_LUMA_CELLS 160
/* Pixels along a cell's side, at least, where the picture has that many. */
#define NEVA_LUMA_LEAST 4

typedef struct {
  guint width, height; /* of the picture */
  guint side;          /* pixels along a cell's side; less at the far edges */
  guint columns, rows;
} NevaLumaGrid;

void neva_luma_grid_init (NevaLumaGrid *grid, guint width, guint height);

/* cells: out, [rows][columns], 0..255, full range or limited as the frame is.
 * frame: must pass neva_color_check () and have the grid's size. FALSE with
 * NEVA_ERROR_DEVICE when memory cannot be had. */
gboolean neva_luma_cells (const NevaLumaGrid *grid, const NevaFrame *frame,
    float *cells, GError **error);

#endif /* NEVA_VISION_LUMA_H */
