/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "preprocess.h"

#define MAX_OUTPUT_SIDE 8192

static const NevaCpuKernels *
kernels (void)
{
  static NevaCpuKernels table;
  static gsize once;

  if (g_once_init_enter (&once)) {
    neva_cpu_kernels_init (&table, neva_cpu_flags ());
    g_once_init_leave (&once, 1);
  }
  return &table;
}

static gboolean
check_output (const NevaPreprocess *pre, GError **error)
{
  const gboolean shortest = pre->mode == NEVA_RESIZE_SHORTEST;

  if (pre->width && pre->width <= MAX_OUTPUT_SIDE && pre->height &&
      pre->height <= MAX_OUTPUT_SIDE &&
      (!shortest ||
          (pre->shortest_edge && pre->shortest_edge <= MAX_OUTPUT_SIDE)))
    return TRUE;

  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "preprocessing to %u×%u pixels, shortest edge %u: each must be 1 to %d",
      pre->width, pre->height, pre->shortest_edge, MAX_OUTPUT_SIDE);
  return FALSE;
}

/* Canvas and resized size of the frame. */
static void
measure (const NevaPreprocess *pre, NevaAxis *x, NevaAxis *y)
{
  NevaAxis *shorter, *longer;

  x->in = x->picture;
  y->in = y->picture;
  if (pre->pad) {
    x->in = y->in = MAX (x->picture, y->picture);
    x->offset = (x->in - x->picture) / 2;
    y->offset = (y->in - y->picture) / 2;
  }

  if (pre->mode == NEVA_RESIZE_EXACT) {
    x->out = pre->width;
    y->out = pre->height;
    return;
  }
  shorter = x->in <= y->in ? x : y;
  longer = shorter == x ? y : x;
  shorter->out = pre->shortest_edge;
  /* Division in double and truncation are the original's. */
  longer->out =
      (guint64) ((double) ((guint64) pre->shortest_edge * longer->in) /
                 shorter->in);
}

/* Keep the middle `want` of the resized axis. Where it is shorter, it is
 * centred with the odd pixel of border on the leading side; returns that
 * border. */
static guint
crop (NevaAxis *axis, guint want, gboolean round)
{
  if (axis->out >= want) {
    axis->from = (axis->out - want) / 2;
    if (round && (axis->out - want) % 2)
      axis->from += axis->from % 2;
    axis->n = want;
    return 0;
  }
  axis->n = (guint) axis->out;
  return (want - axis->n + 1) / 2;
}

gboolean
neva_preprocess_place (const NevaPreprocess *pre, const NevaFrame *frame,
    NevaPlacement *placement, GError **error)
{
  NevaAxis x = {.picture = frame->width}, y = {.picture = frame->height};

  if (!check_output (pre, error))
    return FALSE;
  measure (pre, &x, &y);
  if (!pre->center_crop && (x.out != pre->width || y.out != pre->height)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "a frame of %u×%u pixels becomes %" G_GUINT64_FORMAT
        "×%" G_GUINT64_FORMAT " without a crop, the model sees %u×%u",
        x.picture, y.picture, x.out, y.out, pre->width, pre->height);
    return FALSE;
  }
  placement->left = crop (&x, pre->width, pre->round_crop);
  placement->top = crop (&y, pre->height, pre->round_crop);
  placement->x = x;
  placement->y = y;
  return TRUE;
}

gboolean
neva_preprocess_frame (const NevaPreprocess *pre, const NevaFrame *frame,
    guint8 *rgb, GError **error)
{
  const gsize ldrgb = 3 * (gsize) pre->width;
  NevaPlacement at;
  NevaColor color;
  gboolean ok;

  if (!check_output (pre, error) ||
      !neva_color_init (&color, kernels (), frame, error))
    return FALSE;
  ok = neva_preprocess_place (pre, frame, &at, error);
  if (ok && (at.x.n < pre->width || at.y.n < pre->height))
    memset (rgb, 0, ldrgb * pre->height);
  ok = ok && neva_resize (&color, &at.x, &at.y, pre->pad_color,
                 rgb + at.top * ldrgb + 3 * (gsize) at.left, ldrgb, error);
  neva_color_clear (&color);
  return ok;
}

void
neva_preprocess_table (const NevaPreprocess *pre, float table[3][256])
{
  for (gsize c = 0; c < 3; c++)
    for (int v = 0; v < 256; v++)
      table[c][v] = ((float) (v * pre->rescale) - pre->mean[c]) / pre->std[c];
}

void
neva_preprocess_normalize (
    const NevaPreprocess *pre, const guint8 *rgb, float *dst)
{
  const gsize n = (gsize) pre->width * pre->height;
  float table[3][256];

  neva_preprocess_table (pre, table);
  for (gsize c = 0; c < 3; c++)
    for (gsize i = 0; i < n; i++)
      dst[c * n + i] = table[c][rgb[3 * i + c]];
}
