/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A picture that the engine is asked to look at. */
#ifndef NEVA_FRAME_H
#define NEVA_FRAME_H

#include <glib.h>

G_BEGIN_DECLS

/* Byte order as the name reads in memory. `X` bytes and alpha are ignored. */
typedef enum {
  NEVA_PIXEL_RGB,
  NEVA_PIXEL_BGR,
  NEVA_PIXEL_RGBA, /* also RGBx */
  NEVA_PIXEL_BGRA, /* also BGRx */
  NEVA_PIXEL_ARGB, /* also xRGB */
  NEVA_PIXEL_ABGR, /* also xBGR */
  NEVA_PIXEL_GRAY8,
  NEVA_PIXEL_I420,      /* planes Y, U, V; for YV12 swap the plane pointers */
  NEVA_PIXEL_NV12,      /* planes Y, UV */
  NEVA_PIXEL_I420_10LE, /* 16-bit little endian words, value in the low bits */
  NEVA_PIXEL_P010_10LE  /* 16-bit little endian words, value in the high bits */
} NevaPixelFormat;

typedef enum {
  NEVA_MATRIX_BT601,
  NEVA_MATRIX_BT709,
  NEVA_MATRIX_BT2020,
  NEVA_MATRIX_SMPTE240M,
  NEVA_MATRIX_FCC
} NevaColorMatrix;

typedef enum {
  NEVA_RANGE_LIMITED, /* luma 16..235 */
  NEVA_RANGE_FULL     /* 0..255 */
} NevaColorRange;

/* Where 4:2:0 chroma samples sit, per axis: on the even luma sample, or halfway
 * to the next. MPEG-2 video is cosited horizontally only. */
typedef enum {
  NEVA_CHROMA_CENTERED = 0,
  NEVA_CHROMA_H_COSITED = 1 << 0,
  NEVA_CHROMA_V_COSITED = 1 << 1
} NevaChromaSite;

typedef enum {
  NEVA_MEMORY_HOST,
  NEVA_MEMORY_GPU /* see gpu.h */
} NevaFrameMemory;

/* Everything is borrowed for the duration of the call that takes the frame,
 * which reads it to the end. matrix, range and chroma_site matter for YUV
 * formats only; GRAY8 honours range. */
typedef struct {
  NevaPixelFormat format;
  guint width, height;    /* pixels, of the visible picture */
  const guint8 *plane[4]; /* top-left sample of each plane */
  gint stride[4]; /* bytes between rows; may exceed the row, or be < 0 */
  NevaColorMatrix matrix;
  NevaColorRange range;
  NevaChromaSite chroma_site;
  gint64 pts_ns;  /* presentation time, or -1 */
  guint64 stream; /* neva_stream_new (): whose it is; 0: it does not matter */
  gint priority;  /* as a question's (request.h) */
  NevaFrameMemory memory; /* of the planes. NEVA_MEMORY_GPU: whatever writes
                             them has finished */
  guint gpu;              /* NEVA_MEMORY_GPU: CUDA's number of the GPU */
  gpointer gpu_context;   /* NEVA_MEMORY_GPU: the CUcontext that the memory
                             belongs to */
} NevaFrame;

/* Makes it a part of the picture that it was: [x, x + width) × [y, y + height),
 * in pixels, widened to whole chroma samples. Nothing is copied.
 * Returns: FALSE, and leaves it as it is, where nothing of the part lies
 * within; what lies outside is cut off. */
gboolean neva_frame_crop (
    NevaFrame *frame, gint64 x, gint64 y, gint64 width, gint64 height);

G_END_DECLS

#endif /* NEVA_FRAME_H */
