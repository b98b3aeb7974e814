/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames in the memory of a GPU: libgstcuda's GstCudaMemory, and the GPU's
 * context, shared with neighbours by GstContext "gst.cuda.context".
 *
 * libgstcuda is loaded when it is first needed, not with the plugin: it brings
 * OpenGL, EGL and X11 along. Without it (HAVE_GSTCUDA 0 at build time, or none
 * there) such frames are read through the host, as their allocator allows. */
#ifndef GST_NEVA_CUDA_H
#define GST_NEVA_CUDA_H

#include <gst/video/video.h>
#include <neva/frame.h>
#include <neva/model.h>

G_BEGIN_DECLS

#define GST_NEVA_CUDA_FEATURE "memory:CUDAMemory"

/* A frame of a model: mapped, borrowed from the buffer until unmap (). */
typedef struct {
  NevaFrame frame;
  gboolean downloaded; /* it was in a GPU's memory and the model is on none */
  GstVideoFrame video; /* private */
} GstNevaMapped;

/* Where the model looks at frames on a GPU, the planes of a frame that is in
 * GstCudaMemory are that memory, and whatever wrote them has finished; all
 * other frames are in the host's memory. model: NULL: the host's.
 * FALSE with NEVA_ERROR_BAD_INPUT, NEVA_ERROR_UNSUPPORTED (the format) or
 * NEVA_ERROR_DEVICE. */
gboolean gst_neva_map (GstNevaMapped *out, const GstVideoInfo *info,
    GstBuffer *buffer, NevaModel *model, GError **error);
void gst_neva_unmap (GstNevaMapped *mapped);

/* ---- The context ---- */

/* An element's: zero-initialised. */
typedef struct {
  GstObject *context; /* element's object lock: a GstCudaContext, or NULL */
} GstNevaCuda;

/* May video of a GPU's memory come to a model of that `device`? NULL: none. */
gboolean gst_neva_cuda_is_welcome (const char *device);
/* From set_context functions: keeps a context of the device's GPU. */
void gst_neva_cuda_set_context (GstNevaCuda *cuda, GstElement *element,
    const char *device, GstContext *context);
/* Answers a query for the context. If there is none yet one is made: the
 * engine's own, so that frames need not be copied between contexts; the element
 * posts HAVE_CONTEXT. Nobody else should have one: ask neighbours first.
 * Returns: FALSE: it is another query, or there is no such GPU. */
gboolean gst_neva_cuda_query (GstNevaCuda *cuda, GstElement *element,
    const char *device, GstQuery *query);
void gst_neva_cuda_clear (GstNevaCuda *cuda, GstElement *element);

G_END_DECLS

#endif /* GST_NEVA_CUDA_H */
