/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "gstnevaframe.h"

static gboolean
map_format (GstVideoFormat format, NevaPixelFormat *out)
{
  static const struct {
    GstVideoFormat gst;
    NevaPixelFormat neva;
  } map[] = {
      {GST_VIDEO_FORMAT_I420, NEVA_PIXEL_I420},
      {GST_VIDEO_FORMAT_YV12, NEVA_PIXEL_I420},
      {GST_VIDEO_FORMAT_NV12, NEVA_PIXEL_NV12},
      {GST_VIDEO_FORMAT_RGB, NEVA_PIXEL_RGB},
      {GST_VIDEO_FORMAT_BGR, NEVA_PIXEL_BGR},
      {GST_VIDEO_FORMAT_RGBA, NEVA_PIXEL_RGBA},
      {GST_VIDEO_FORMAT_RGBx, NEVA_PIXEL_RGBA},
      {GST_VIDEO_FORMAT_BGRA, NEVA_PIXEL_BGRA},
      {GST_VIDEO_FORMAT_BGRx, NEVA_PIXEL_BGRA},
      {GST_VIDEO_FORMAT_ARGB, NEVA_PIXEL_ARGB},
      {GST_VIDEO_FORMAT_xRGB, NEVA_PIXEL_ARGB},
      {GST_VIDEO_FORMAT_ABGR, NEVA_PIXEL_ABGR},
      {GST_VIDEO_FORMAT_xBGR, NEVA_PIXEL_ABGR},
      {GST_VIDEO_FORMAT_GRAY8, NEVA_PIXEL_GRAY8},
      {GST_VIDEO_FORMAT_I420_10LE, NEVA_PIXEL_I420_10LE},
      {GST_VIDEO_FORMAT_P010_10LE, NEVA_PIXEL_P010_10LE},
  };

  for (guint i = 0; i < G_N_ELEMENTS (map); i++)
    if (map[i].gst == format) {
      *out = map[i].neva;
      return TRUE;
    }
  return FALSE;
}

static NevaColorMatrix
map_matrix (GstVideoColorMatrix matrix, gint height)
{
  switch (matrix) {
    case GST_VIDEO_COLOR_MATRIX_BT709:
      return NEVA_MATRIX_BT709;
    case GST_VIDEO_COLOR_MATRIX_BT2020:
      return NEVA_MATRIX_BT2020;
    case GST_VIDEO_COLOR_MATRIX_SMPTE240M:
      return NEVA_MATRIX_SMPTE240M;
    case GST_VIDEO_COLOR_MATRIX_FCC:
      return NEVA_MATRIX_FCC;
    case GST_VIDEO_COLOR_MATRIX_BT601:
      return NEVA_MATRIX_BT601;
    case GST_VIDEO_COLOR_MATRIX_UNKNOWN:
    case GST_VIDEO_COLOR_MATRIX_RGB:
      break;
  }
  return height > 576 ? NEVA_MATRIX_BT709 : NEVA_MATRIX_BT601;
}

static NevaChromaSite
map_chroma_site (GstVideoChromaSite site)
{
  NevaChromaSite out = NEVA_CHROMA_CENTERED;

  if (site == GST_VIDEO_CHROMA_SITE_UNKNOWN)
    return NEVA_CHROMA_H_COSITED;
  if (site & GST_VIDEO_CHROMA_SITE_H_COSITED)
    out |= NEVA_CHROMA_H_COSITED;
  if (site & GST_VIDEO_CHROMA_SITE_V_COSITED)
    out |= NEVA_CHROMA_V_COSITED;
  return out;
}

gboolean
gst_neva_frame_is_readable (GstVideoFormat format)
{
  NevaPixelFormat neva;

  return map_format (format, &neva);
}

gboolean
gst_neva_frame_init (NevaFrame *out, const GstVideoFrame *frame, gint64 pts_ns)
{
  const GstVideoInfo *info = &frame->info;
  const gboolean three_planes = GST_VIDEO_FRAME_N_PLANES (frame) == 3;
  const GstVideoColorRange range = info->colorimetry.range;
  const gboolean gray = GST_VIDEO_INFO_IS_GRAY (info);
  NevaFrame f = {.pts_ns = pts_ns};

  if (!map_format (GST_VIDEO_FRAME_FORMAT (frame), &f.format))
    return FALSE;
  f.width = (guint) GST_VIDEO_FRAME_WIDTH (frame);
  f.height = (guint) GST_VIDEO_FRAME_HEIGHT (frame);
  for (guint i = 0; i < GST_VIDEO_FRAME_N_PLANES (frame); i++) {
    /* Y, U, V by component: YV12 stores V before U. */
    const guint plane =
        three_planes ? (guint) GST_VIDEO_FRAME_COMP_PLANE (frame, i) : i;

    f.plane[i] = GST_VIDEO_FRAME_PLANE_DATA (frame, plane);
    f.stride[i] = GST_VIDEO_FRAME_PLANE_STRIDE (frame, plane);
  }
  f.matrix = map_matrix (info->colorimetry.matrix, info->height);
  f.range = range == GST_VIDEO_COLOR_RANGE_0_255 ||
                    (gray && range == GST_VIDEO_COLOR_RANGE_UNKNOWN)
                ? NEVA_RANGE_FULL
                : NEVA_RANGE_LIMITED;
  f.chroma_site = map_chroma_site (info->chroma_site);
  *out = f;
  return TRUE;
}
