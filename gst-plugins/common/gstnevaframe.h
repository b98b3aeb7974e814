/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A mapped GStreamer picture as the engine sees it. */
#ifndef GST_NEVA_FRAME_H
#define GST_NEVA_FRAME_H

#include <gst/video/video.h>
#include <neva/frame.h>

G_BEGIN_DECLS

/* For GST_VIDEO_CAPS_MAKE: all that gst_neva_frame_init () takes. */
#define GST_NEVA_VIDEO_FORMATS                                                 \
  "{ I420, YV12, NV12, RGB, BGR, RGBA, RGBx, BGRA, BGRx, ARGB, xRGB, ABGR, "   \
  "xBGR, GRAY8, I420_10LE, P010_10LE }"

/* The same of pad templates: in the host's memory, in a GPU's where this build
 * knows that (gstnevacuda.h). */
#define GST_NEVA_HOST_CAPS GST_VIDEO_CAPS_MAKE (GST_NEVA_VIDEO_FORMATS)
#if HAVE_GSTCUDA
#define GST_NEVA_VIDEO_CAPS                                                    \
  GST_VIDEO_CAPS_MAKE_WITH_FEATURES (                                          \
      "memory:CUDAMemory", GST_NEVA_VIDEO_FORMATS)                             \
  "; " GST_NEVA_HOST_CAPS
#else
#define GST_NEVA_VIDEO_CAPS GST_NEVA_HOST_CAPS
#endif

gboolean gst_neva_frame_is_readable (GstVideoFormat format);

/* Borrows the frame's memory: valid while it is mapped. pts_ns: what the model
 * is told, or -1. Colorimetry that the caps leave open is what GStreamer
 * assumes for that format and height.
 * Returns: FALSE for a format outside of GST_NEVA_VIDEO_FORMATS. */
gboolean gst_neva_frame_init (
    NevaFrame *out, const GstVideoFrame *frame, gint64 pts_ns);

G_END_DECLS

#endif /* GST_NEVA_FRAME_H */
