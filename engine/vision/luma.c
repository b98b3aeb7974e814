/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Two steps: the rows of a cell are added up sample by sample, then the sums of
 * its columns. The first touches every byte of the picture and is a loop that
 * compilers vectorise; the second touches one row in `side`. */
#include "config.h"
#include "luma.h"
#include <string.h>
#include "color.h"

void
neva_luma_grid_init (NevaLumaGrid *grid, guint width, guint height)
{
  const guint longer = MAX (width, height);

  grid->width = width;
  grid->height = height;
  grid->side =
      MAX (NEVA_LUMA_LEAST, (longer + NEVA_LUMA_CELLS - 1) / NEVA_LUMA_CELLS);
  grid->columns = (width + grid->side - 1) / grid->side;
  grid->rows = (height + grid->side - 1) / grid->side;
}

/* A cell has at most 205 rows (NEVA_FRAME_MAX_SIDE), which fit. */
static void
add_bytes (guint16 *restrict sums, const guint8 *restrict row, guint n)
{
  for (guint i = 0; i < n; i++)
    sums[i] = (guint16) (sums[i] + row[i]);
}

static void
add_words (guint32 *restrict sums, const guint8 *restrict row, guint n)
{
  for (guint i = 0; i < n; i++)
    sums[i] += (guint32) (row[2 * i] | row[2 * i + 1] << 8);
}

/* BT.601 in 256ths; what matters is that no channel is missed. */
static double
packed_sum (const NevaFrame *frame, const guint16 *sums, guint x, guint n)
{
  static const guint8 order[][4] = {
      /* bytes of a pixel; of red, green, blue */
      [NEVA_PIXEL_RGB] = {3, 0, 1, 2},
      [NEVA_PIXEL_BGR] = {3, 2, 1, 0},
      [NEVA_PIXEL_RGBA] = {4, 0, 1, 2},
      [NEVA_PIXEL_BGRA] = {4, 2, 1, 0},
      [NEVA_PIXEL_ARGB] = {4, 1, 2, 3},
      [NEVA_PIXEL_ABGR] = {4, 3, 2, 1},
  };
  const guint8 *o = order[frame->format];
  guint64 sum = 0;

  sums += (gsize) x * o[0];
  for (guint i = 0; i < n; i++, sums += o[0])
    sum += 77u * sums[o[1]] + 150u * sums[o[2]] + 29u * sums[o[3]];
  return (double) sum / 256;
}

static double
plain_sum (const guint16 *sums, guint x, guint n)
{
  guint64 sum = 0;

  for (guint i = 0; i < n; i++)
    sum += sums[x + i];
  return (double) sum;
}

static double
wide_sum (const NevaFrame *frame, const guint32 *sums, guint x, guint n)
{
  const double step = frame->format == NEVA_PIXEL_P010_10LE ? 256 : 4;
  guint64 sum = 0;

  for (guint i = 0; i < n; i++)
    sum += sums[x + i];
  return (double) sum / step;
}

/* Bytes of a pixel in plane 0. */
static guint
pixel_bytes (NevaPixelFormat format)
{
  switch (format) {
    case NEVA_PIXEL_RGB:
    case NEVA_PIXEL_BGR:
      return 3;
    case NEVA_PIXEL_RGBA:
    case NEVA_PIXEL_BGRA:
    case NEVA_PIXEL_ARGB:
    case NEVA_PIXEL_ABGR:
      return 4;
    case NEVA_PIXEL_GRAY8:
    case NEVA_PIXEL_I420:
    case NEVA_PIXEL_NV12:
      return 1;
    case NEVA_PIXEL_I420_10LE:
    case NEVA_PIXEL_P010_10LE:
      return 2;
  }
  return 1;
}

static void
fold_row (const NevaLumaGrid *grid, const NevaFrame *frame, const void *sums,
    guint rows, float *cells)
{
  const guint bytes = pixel_bytes (frame->format);

  for (guint c = 0, x = 0; c < grid->columns; c++, x += grid->side) {
    const guint n = MIN (grid->side, grid->width - x);
    const double sum = bytes == 2   ? wide_sum (frame, sums, x, n)
                       : bytes == 1 ? plain_sum (sums, x, n)
                                    : packed_sum (frame, sums, x, n);

    cells[c] = (float) (sum / ((double) n * rows));
  }
}

gboolean
neva_luma_cells (const NevaLumaGrid *grid, const NevaFrame *frame, float *cells,
    GError **error)
{
  const guint bytes = pixel_bytes (frame->format);
  const gboolean wide = bytes == 2;
  const guint n = grid->width * (wide ? 1 : bytes);
  const gsize size = (gsize) n * (wide ? sizeof (guint32) : sizeof (guint16));
  g_autofree void *sums = g_try_malloc (size);

  if (!sums) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "no memory for a row of %u pixels", grid->width);
    return FALSE;
  }
  for (guint r = 0, y = 0; r < grid->rows; r++, y += grid->side) {
    const guint rows = MIN (grid->side, grid->height - y);

    memset (sums, 0, size);
    for (guint i = 0; i < rows; i++) {
      const guint8 *row = frame->plane[0] + (gssize) (y + i) * frame->stride[0];

      if (wide)
        add_words (sums, row, n);
      else
        add_bytes (sums, row, n);
    }
    fold_row (grid, frame, sums, rows, cells + (gsize) r * grid->columns);
  }
  return TRUE;
}
