/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "color.h"

static const NevaPixelLayout layouts[] = {
    [NEVA_PIXEL_RGB] = {"RGB", 1, 3, {0, 1, 2}, 0, 8},
    [NEVA_PIXEL_BGR] = {"BGR", 1, 3, {2, 1, 0}, 0, 8},
    [NEVA_PIXEL_RGBA] = {"RGBA", 1, 4, {0, 1, 2}, 0, 8},
    [NEVA_PIXEL_BGRA] = {"BGRA", 1, 4, {2, 1, 0}, 0, 8},
    [NEVA_PIXEL_ARGB] = {"ARGB", 1, 4, {1, 2, 3}, 0, 8},
    [NEVA_PIXEL_ABGR] = {"ABGR", 1, 4, {3, 2, 1}, 0, 8},
    [NEVA_PIXEL_GRAY8] = {"GRAY8", 1, 1, {0}, 0, 8},
    [NEVA_PIXEL_I420] = {"I420", 3, 1, {0}, 0, 8},
    [NEVA_PIXEL_NV12] = {"NV12", 2, 1, {0}, 0, 8},
    [NEVA_PIXEL_I420_10LE] = {"I420_10LE", 3, 2, {0}, 0, 10},
    [NEVA_PIXEL_P010_10LE] = {"P010_10LE", 2, 2, {0}, 6, 10},
};

/* Kr and Kb of ITU-R BT.601, BT.709, BT.2020, SMPTE 240M and FCC Title 47. */
static const double luma_weights[][2] = {
    [NEVA_MATRIX_BT601] = {0.299, 0.114},
    [NEVA_MATRIX_BT709] = {0.2126, 0.0722},
    [NEVA_MATRIX_BT2020] = {0.2627, 0.0593},
    [NEVA_MATRIX_SMPTE240M] = {0.212, 0.087},
    [NEVA_MATRIX_FCC] = {0.30, 0.11},
};

static gboolean
bad_frame (GError **error, const NevaFrame *frame, const char *what)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "frame of %u×%u pixels: %s", frame->width, frame->height, what);
  return FALSE;
}

const NevaPixelLayout *
neva_pixel_layout (NevaPixelFormat format)
{
  return &layouts[format];
}

gsize
neva_plane_row_bytes (const NevaFrame *frame, guint p)
{
  const NevaPixelLayout *layout = &layouts[frame->format];
  const gsize samples = p ? (frame->width + 1) / 2 : frame->width;

  return samples * layout->bytes * (p && layout->planes == 2 ? 2 : 1);
}

guint
neva_plane_rows (const NevaFrame *frame, guint plane)
{
  return plane ? (frame->height + 1) / 2 : frame->height;
}

gboolean
neva_color_check (const NevaFrame *frame, GError **error)
{
  const NevaPixelLayout *layout;

  if (frame->memory != NEVA_MEMORY_HOST)
    return bad_frame (error, frame, "it is not in the host's memory");
  if ((guint) frame->format >= G_N_ELEMENTS (layouts))
    return bad_frame (error, frame, "unknown pixel format");
  layout = &layouts[frame->format];
  if ((guint) frame->matrix >= G_N_ELEMENTS (luma_weights))
    return bad_frame (error, frame, "unknown colour matrix");
  if (!frame->width || !frame->height)
    return bad_frame (error, frame, "it is empty");
  if (MAX (frame->width, frame->height) > NEVA_FRAME_MAX_SIDE)
    return bad_frame (
        error, frame, "at most " G_STRINGIFY (NEVA_FRAME_MAX_SIDE) " a side");

  for (guint p = 0; p < layout->planes; p++) {
    const gint64 row = (gint64) neva_plane_row_bytes (frame, p);

    if (!frame->plane[p] || ABS ((gint64) frame->stride[p]) < row) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "%s frame of %u×%u pixels: plane %u %s (stride %d, a row has "
          "%" G_GINT64_FORMAT " bytes)",
          layout->name, frame->width, frame->height, p,
          frame->plane[p] ? "has overlapping rows" : "is missing",
          frame->stride[p], row);
      return FALSE;
    }
  }
  return TRUE;
}

/* Luma and chroma steps to 8-bit steps. */
static void
scales (const NevaFrame *frame, double *luma, double *chroma)
{
  const guint bits = layouts[frame->format].bits;
  const gboolean limited = frame->range == NEVA_RANGE_LIMITED;

  *luma = 255.0 / (limited ? 219 << (bits - 8) : (1 << bits) - 1);
  *chroma = 255.0 / (limited ? 224 << (bits - 8) : (1 << bits) - 1);
}

static void
init_matrix (NevaYuvMatrix *m, const NevaFrame *frame)
{
  const guint bits = layouts[frame->format].bits;
  const double kr = luma_weights[frame->matrix][0];
  const double kb = luma_weights[frame->matrix][1], kg = 1 - kr - kb;
  double luma, chroma;

  scales (frame, &luma, &chroma);
  chroma /= 16; /* chroma samples come in sixteenths */
  m->ky = (float) luma;
  m->rv = (float) (2 * (1 - kr) * chroma);
  m->bu = (float) (2 * (1 - kb) * chroma);
  m->gv = (float) (-2 * (1 - kr) * kr / kg * chroma);
  m->gu = (float) (-2 * (1 - kb) * kb / kg * chroma);
  m->y0 = frame->range == NEVA_RANGE_LIMITED ? 16 << (bits - 8) : 0;
  m->c0 = 16 << (bits - 1);
}

static void
init_gray (guint8 gray[256], const NevaFrame *frame)
{
  double luma, chroma;

  scales (frame, &luma, &chroma);
  for (int i = 0; i < 256; i++) {
    const double y = (i - (frame->range == NEVA_RANGE_LIMITED ? 16 : 0)) * luma;

    gray[i] = (guint8) CLAMP (y + 0.5, 0, 255);
  }
}

gboolean
neva_color_init (NevaColor *color, const NevaCpuKernels *kernels,
    const NevaFrame *frame, GError **error)
{
  memset (color, 0, sizeof *color);
  if (!neva_color_check (frame, error))
    return FALSE;

  color->frame = frame;
  color->kernels = kernels;
  if (frame->format == NEVA_PIXEL_GRAY8)
    init_gray (color->gray, frame);
  if (layouts[frame->format].planes > 1) {
    const gsize room = frame->width / 2 + 4 * NEVA_IMAGE_ALIGN;

    init_matrix (&color->matrix, frame);
    color->chroma[0] = g_try_new0 (guint16, 2 * room);
    if (!color->chroma[0]) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
          "no memory for a row of %u pixels", frame->width);
      return FALSE;
    }
    color->chroma[1] = color->chroma[0] + room;
  }
  return TRUE;
}

void
neva_color_clear (NevaColor *color)
{
  g_clear_pointer (&color->chroma[0], g_free);
}

static const guint8 *
row_of (const NevaFrame *frame, guint plane, guint y)
{
  return frame->plane[plane] + (gssize) frame->stride[plane] * y;
}

/* Fill the chroma scratch with the mixed samples [c - 1, c + n + 1) that row y
 * needs; sample c is at index NEVA_IMAGE_ALIGN. */
static void
mix_chroma (const NevaColor *color, guint y, guint c, guint n)
{
  const NevaFrame *frame = color->frame;
  const NevaPixelLayout *layout = &layouts[frame->format];
  const guint width = (frame->width + 1) / 2, height = (frame->height + 1) / 2;
  const guint begin = c ? c - 1 : 0, end = MIN (c + n + 1, width);
  const gboolean cosited = (frame->chroma_site & NEVA_CHROMA_V_COSITED) != 0;
  const guint here = y / 2;
  const guint other = y % 2 ? MIN (here + 1, height - 1) : here - (here > 0);
  const guint weight = !cosited ? 1 : y % 2 ? 2 : 0; /* of the other row */
  const gsize at = NEVA_IMAGE_ALIGN - c + begin;
  guint16 *dst[2] = {color->chroma[0] + at, color->chroma[1] + at};
  NevaChromaRows rows = {.weight = {4 - weight, weight},
      .sample = {layout->bytes, layout->shift},
      .interleaved = layout->planes == 2};

  for (guint p = 1; p < layout->planes; p++) {
    const gsize skip =
        (gsize) begin * layout->bytes * (rows.interleaved ? 2 : 1);

    rows.row[0][p - 1] = row_of (frame, p, here) + skip;
    rows.row[1][p - 1] = row_of (frame, p, other) + skip;
  }
  color->kernels->chroma_mix (dst, &rows, end - begin);

  for (guint i = 0; i < 2; i++) {
    if (c == 0)
      dst[i][-1] = dst[i][0];
    if (c + n + 1 > width)
      dst[i][end - begin] = dst[i][end - begin - 1];
  }
}

static void
yuv_row (
    const NevaColor *color, guint y, guint x, guint n, guint8 *const dst[3])
{
  const NevaFrame *frame = color->frame;
  const NevaPixelLayout *layout = &layouts[frame->format];
  const guint odd = x % 2; /* begin one earlier: pairs share chroma */
  guint8 *const from[3] = {dst[0] - odd, dst[1] - odd, dst[2] - odd};
  const gboolean cosited = (frame->chroma_site & NEVA_CHROMA_H_COSITED) != 0;
  const guint16 far_left = cosited ? 0 : 1, far_right = cosited ? 2 : 1;
  const NevaYuvRow row = {
      .luma = row_of (frame, 0, y) + (gsize) (x - odd) * layout->bytes,
      .sample = {layout->bytes, layout->shift},
      .chroma = {color->chroma[0] + NEVA_IMAGE_ALIGN,
          color->chroma[1] + NEVA_IMAGE_ALIGN},
      .left = {far_left, (guint16) (4 - far_left)},
      .right = {(guint16) (4 - far_right), far_right},
      .matrix = color->matrix};

  mix_chroma (color, y, x / 2, (n + odd + 1) / 2);
  color->kernels->yuv_to_rgb (from, &row, n + odd);
}

void
neva_color_row (
    const NevaColor *color, guint y, guint x, guint n, guint8 *const dst[3])
{
  const NevaFrame *frame = color->frame;
  const NevaPixelLayout *layout = &layouts[frame->format];

  if (layout->planes > 1) {
    yuv_row (color, y, x, n, dst);
  } else if (frame->format == NEVA_PIXEL_GRAY8) {
    const guint8 *src = row_of (frame, 0, y) + x;

    for (guint i = 0; i < n; i++)
      dst[0][i] = dst[1][i] = dst[2][i] = color->gray[src[i]];
  } else {
    color->kernels->unpack_rgb (dst,
        row_of (frame, 0, y) + (gsize) x * layout->bytes, layout->bytes,
        layout->order, n);
  }
}
