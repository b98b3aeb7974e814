/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "gstnevacuda.h"
#include <string.h>
#include <neva/error.h>
#include <neva/gpu.h>
#include "gstnevaframe.h"

/* ---- libgstcuda ---- */

#if HAVE_GSTCUDA
#include <gst/cuda/gstcudautils.h>

/* Functions of libgstcuda by name; those of 1.24 are NULL in 1.22. */
typedef struct {
  typeof (gst_cuda_load_library) *load_library;
  typeof (gst_cuda_context_new_wrapped) *context_new_wrapped;
  typeof (gst_cuda_context_get_handle) *context_get_handle;
  typeof (gst_cuda_context_push) *context_push;
  typeof (gst_cuda_context_pop) *context_pop;
  typeof (gst_context_new_cuda_context) *new_gst_context;
  typeof (gst_cuda_handle_set_context) *handle_set_context;
  typeof (gst_cuda_handle_context_query) *handle_context_query;
  typeof (CuStreamSynchronize) *stream_synchronize;
  void (*memory_sync) (GstCudaMemory *memory); /* 1.24 */
} Library;

static gboolean
find_functions (GModule *module, Library *l)
{
  const struct {
    const char *name;
    gpointer *to;
  } functions[] = {
      {"gst_cuda_load_library", (gpointer *) &l->load_library},
      {"gst_cuda_context_new_wrapped", (gpointer *) &l->context_new_wrapped},
      {"gst_cuda_context_get_handle", (gpointer *) &l->context_get_handle},
      {"gst_cuda_context_push", (gpointer *) &l->context_push},
      {"gst_cuda_context_pop", (gpointer *) &l->context_pop},
      {"gst_context_new_cuda_context", (gpointer *) &l->new_gst_context},
      {"gst_cuda_handle_set_context", (gpointer *) &l->handle_set_context},
      {"gst_cuda_handle_context_query", (gpointer *) &l->handle_context_query},
      {"CuStreamSynchronize", (gpointer *) &l->stream_synchronize},
  };

  for (guint i = 0; i < G_N_ELEMENTS (functions); i++)
    if (!g_module_symbol (module, functions[i].name, functions[i].to)) {
      GST_WARNING ("libgstcuda: %s", g_module_error ());
      return FALSE;
    }
  g_module_symbol (
      module, "gst_cuda_memory_sync", (gpointer *) &l->memory_sync);
  return TRUE;
}

/* NULL: it is not on this machine, or there is no driver. */
static const Library *
library (void)
{
  static Library functions;
  static gsize state; /* 1: there, 2: not */

  if (g_once_init_enter (&state)) {
    GModule *module = g_module_open ("libgstcuda-1.0.so.0", G_MODULE_BIND_LAZY);
    gboolean there = FALSE;

    if (!module)
      GST_INFO ("libgstcuda: %s", g_module_error ());
    else /* it registers types: never closed */
      there = find_functions (module, &functions) && functions.load_library ();
    g_once_init_leave (&state, there ? 1 : 2);
  }
  return state == 1 ? &functions : NULL;
}

static guint
gpu_of (GstCudaContext *context)
{
  guint gpu = 0;

  g_object_get (context, "cuda-device-id", &gpu, NULL);
  return gpu;
}
#endif

/* ---- Frames ---- */

/* Of an allocator of libgstcuda, even where that is not known here. */
static GstMemory *
gpu_memory (GstBuffer *buffer)
{
  GstMemory *memory = gst_buffer_n_memory (buffer) > 0
                          ? gst_buffer_peek_memory (buffer, 0)
                          : NULL;

  return memory && gst_memory_is_type (memory, "gst.cuda.memory") ? memory
                                                                  : NULL;
}

#if HAVE_GSTCUDA
/* 1.24: libgstcuda knows what is still being written, on which stream. 1.22:
 * elements wait for their streams before they push, and memory cannot say
 * otherwise; what an application queued on the context's default stream, and on
 * those that are ordered with it, is waited for. */
static gboolean
wait_for_writers (const Library *l, GstCudaMemory *memory)
{
  CUresult result;

  if (l->memory_sync) {
    l->memory_sync (memory);
    return TRUE;
  }
  if (!l->context_push (memory->context))
    return FALSE;
  result = l->stream_synchronize (NULL);
  l->context_pop (NULL);
  return result == CUDA_SUCCESS;
}

/* A plane that its meta puts beyond the memory would be a fault of the GPU's,
 * which ends all of its work. */
static gboolean
lies_within (const GstVideoFrame *video, gsize size)
{
  const guint8 *base = video->map[0].data;

  for (guint c = 0; c < GST_VIDEO_FRAME_N_COMPONENTS (video); c++) {
    const guint plane = (guint) GST_VIDEO_FRAME_COMP_PLANE (video, c);
    const guint8 *data = GST_VIDEO_FRAME_PLANE_DATA (video, plane);
    const gint64 stride = GST_VIDEO_FRAME_PLANE_STRIDE (video, plane);
    const gint64 row = (gint64) GST_VIDEO_FRAME_COMP_WIDTH (video, c) *
                       GST_VIDEO_FRAME_COMP_PSTRIDE (video, c);
    const gint64 end = data - base +
                       stride * (GST_VIDEO_FRAME_COMP_HEIGHT (video, c) - 1) +
                       row;

    if (data < base || stride < 0 || end < 0 || (guint64) end > size)
      return FALSE;
  }
  return TRUE;
}

static gboolean
map_on_gpu (GstNevaMapped *out, const Library *l, const GstVideoInfo *info,
    GstBuffer *buffer, GError **error)
{
  GstCudaMemory *memory = (GstCudaMemory *) gpu_memory (buffer);
  GstVideoInfo own = *info;

  if (!gst_buffer_get_video_meta (buffer)) {
    /* rows as the allocator laid them */
    memcpy (own.stride, memory->info.stride, sizeof own.stride);
    memcpy (own.offset, memory->info.offset, sizeof own.offset);
  }
  if (!gst_video_frame_map (&out->video, &own, buffer,
          GST_MAP_READ | GST_MAP_CUDA | GST_VIDEO_FRAME_MAP_FLAG_NO_REF)) {
    g_set_error_literal (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "a frame in a GPU's memory cannot be mapped");
    return FALSE;
  }
  if (!lies_within (
          &out->video, gst_memory_get_sizes (&memory->mem, NULL, NULL)))
    g_set_error_literal (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "a frame lies outside of its GPU memory");
  else if (!wait_for_writers (l, memory))
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "what writes a frame of GPU %u has failed", gpu_of (memory->context));
  else
    return TRUE;
  gst_video_frame_unmap (&out->video);
  return FALSE;
}

static const Library *
library_for (NevaModel *model, GstBuffer *buffer)
{
  return model && gpu_memory (buffer) && neva_model_get_gpu (model, NULL)
             ? library ()
             : NULL;
}
#endif

static gboolean
map_on_host (GstNevaMapped *out, const GstVideoInfo *info, GstBuffer *buffer,
    GError **error)
{
  out->downloaded = gpu_memory (buffer) != NULL;
  if (gst_video_frame_map (&out->video, info, buffer,
          GST_MAP_READ | GST_VIDEO_FRAME_MAP_FLAG_NO_REF))
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "a frame of format %s and %d×%d pixels cannot be read",
      gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (info)),
      GST_VIDEO_INFO_WIDTH (info), GST_VIDEO_INFO_HEIGHT (info));
  return FALSE;
}

gboolean
gst_neva_map (GstNevaMapped *out, const GstVideoInfo *info, GstBuffer *buffer,
    NevaModel *model, GError **error)
{
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
#if HAVE_GSTCUDA
  const Library *l = library_for (model, buffer);
#endif

  out->downloaded = FALSE;
#if HAVE_GSTCUDA
  if (l ? !map_on_gpu (out, l, info, buffer, error)
        : !map_on_host (out, info, buffer, error))
    return FALSE;
#else
  if (!map_on_host (out, info, buffer, error))
    return FALSE;
#endif
  if (!gst_neva_frame_init (&out->frame, &out->video,
          GST_CLOCK_TIME_IS_VALID (pts) ? (gint64) pts : -1)) {
    gst_video_frame_unmap (&out->video);
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "frames of format %s are not understood: put videoconvert before the "
        "element",
        gst_video_format_to_string (GST_VIDEO_INFO_FORMAT (info)));
    return FALSE;
  }
#if HAVE_GSTCUDA
  if (l) {
    GstCudaContext *context = ((GstCudaMemory *) gpu_memory (buffer))->context;

    out->frame.memory = NEVA_MEMORY_GPU;
    out->frame.gpu = gpu_of (context);
    out->frame.gpu_context = l->context_get_handle (context);
  }
#endif
  return TRUE;
}

void
gst_neva_unmap (GstNevaMapped *mapped)
{
  gst_video_frame_unmap (&mapped->video);
}

/* ---- The context ---- */

gboolean
gst_neva_cuda_is_welcome (const char *device)
{
  guint gpu;

  return HAVE_GSTCUDA && neva_gpu_of_device (device, &gpu);
}

#if HAVE_GSTCUDA
/* (transfer full) */
static GstCudaContext *
engine_context (GstElement *element, const Library *l, guint gpu)
{
  g_autoptr (GError) error = NULL;
  gpointer context = neva_gpu_get_context (gpu, &error);

  if (!context) {
    GST_INFO_OBJECT (element, "no context to share: %s", error->message);
    return NULL;
  }
  return l->context_new_wrapped (context, (CUdevice) gpu);
}

/* (transfer full): what others may have, made if need be. */
static GstCudaContext *
need_context (GstNevaCuda *cuda, GstElement *element, const Library *l,
    const char *device)
{
  GstCudaContext *context, *old = NULL;
  guint gpu;

  GST_OBJECT_LOCK (element);
  context = cuda->context ? gst_object_ref (cuda->context) : NULL;
  GST_OBJECT_UNLOCK (element);
  if (context || !neva_gpu_of_device (device, &gpu))
    return context;
  context = engine_context (element, l, gpu);
  if (!context)
    return NULL;
  GST_OBJECT_LOCK (element);
  old = cuda->context ? gst_object_ref (cuda->context) : NULL;
  if (!old)
    cuda->context = gst_object_ref (context);
  GST_OBJECT_UNLOCK (element);
  if (old) { /* somebody gave one in the meantime */
    gst_object_unref (context);
    return old;
  }
  gst_element_post_message (
      element, gst_message_new_have_context (
                   GST_OBJECT (element), l->new_gst_context (context)));
  return context;
}
#endif

void
gst_neva_cuda_set_context (GstNevaCuda *cuda, GstElement *element,
    const char *device, GstContext *context)
{
#if HAVE_GSTCUDA
  GstCudaContext *given = NULL;
  const Library *l;
  guint gpu;

  if (!context ||
      !gst_context_has_context_type (context, GST_CUDA_CONTEXT_TYPE) ||
      !neva_gpu_of_device (device, &gpu) || !(l = library ()))
    return;
  if (!l->handle_set_context (element, context, (gint) gpu, &given) || !given) {
    GST_INFO_OBJECT (
        element, "a context of another GPU than %u is not taken", gpu);
    return;
  }
  GST_OBJECT_LOCK (element);
  if (!cuda->context)
    cuda->context = gst_object_ref (given);
  GST_OBJECT_UNLOCK (element);
  gst_object_unref (given);
#else
  (void) cuda, (void) element, (void) device, (void) context;
#endif
}

gboolean
gst_neva_cuda_query (
    GstNevaCuda *cuda, GstElement *element, const char *device, GstQuery *query)
{
#if HAVE_GSTCUDA
  const char *type = NULL;
  GstCudaContext *context;
  const Library *l;
  gboolean answered;

  if (GST_QUERY_TYPE (query) != GST_QUERY_CONTEXT ||
      !gst_query_parse_context_type (query, &type) ||
      !g_str_equal (type, GST_CUDA_CONTEXT_TYPE) || !(l = library ()))
    return FALSE;
  context = need_context (cuda, element, l, device);
  if (!context)
    return FALSE;
  answered = l->handle_context_query (element, query, context);
  gst_object_unref (context);
  return answered;
#else
  (void) cuda, (void) element, (void) device, (void) query;
  return FALSE;
#endif
}

void
gst_neva_cuda_clear (GstNevaCuda *cuda, GstElement *element)
{
  GstObject *context;

  GST_OBJECT_LOCK (element);
  context = g_steal_pointer (&cuda->context);
  GST_OBJECT_UNLOCK (element);
  gst_clear_object (&context);
}
