/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <neva/frame.h>

/* Bytes from one sample to the next, and how many pixels share one, per axis.
 */
typedef struct {
  guint bytes, across, down;
} Plane;

static guint
get_planes (NevaPixelFormat format, Plane planes[3])
{
  switch (format) {
    case NEVA_PIXEL_RGB:
    case NEVA_PIXEL_BGR:
      planes[0] = (Plane){3, 1, 1};
      return 1;
    case NEVA_PIXEL_RGBA:
    case NEVA_PIXEL_BGRA:
    case NEVA_PIXEL_ARGB:
    case NEVA_PIXEL_ABGR:
      planes[0] = (Plane){4, 1, 1};
      return 1;
    case NEVA_PIXEL_GRAY8:
      planes[0] = (Plane){1, 1, 1};
      return 1;
    case NEVA_PIXEL_I420:
      planes[0] = (Plane){1, 1, 1};
      planes[1] = planes[2] = (Plane){1, 2, 2};
      return 3;
    case NEVA_PIXEL_NV12:
      planes[0] = (Plane){1, 1, 1};
      planes[1] = (Plane){2, 2, 2};
      return 2;
    case NEVA_PIXEL_I420_10LE:
      planes[0] = (Plane){2, 1, 1};
      planes[1] = planes[2] = (Plane){2, 2, 2};
      return 3;
    case NEVA_PIXEL_P010_10LE:
      planes[0] = (Plane){2, 1, 1};
      planes[1] = (Plane){4, 2, 2};
      return 2;
  }
  return 0;
}

/* [*from, *to) within [0, size), of whole steps. FALSE: nothing is left. */
static gboolean
clip (gint64 *from, gint64 *to, gint64 length, guint size, guint step)
{
  /* Far away, the sum would overflow. */
  if (length <= 0 || *from >= size || *from <= -length)
    return FALSE;
  *to = *from >= 0 && length > size - *from ? size : *from + length;
  *to = MIN (*to, size);
  *from = MAX (*from, 0);
  *from -= *from % step;
  return TRUE;
}

gboolean
neva_frame_crop (
    NevaFrame *frame, gint64 x, gint64 y, gint64 width, gint64 height)
{
  Plane planes[3];
  const guint n = get_planes (frame->format, planes);
  gint64 right, bottom;

  if (n == 0 || !clip (&x, &right, width, frame->width, planes[n - 1].across) ||
      !clip (&y, &bottom, height, frame->height, planes[n - 1].down))
    return FALSE;
  for (guint i = 0; i < n; i++)
    frame->plane[i] += y / planes[i].down * frame->stride[i] +
                       x / planes[i].across * planes[i].bytes;
  frame->width = (guint) (right - x);
  frame->height = (guint) (bottom - y);
  return TRUE;
}
