/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* frame --pinned memory--> planes -> [3][rows][columns] of the canvas that are
 * read -> one axis resampled -> both, in place in the result -> host.
 *
 * Planes that lie in the GPU's memory are read there. Those of a context that
 * is not ours (a GstCudaContext makes its own) are copied on the GPU first:
 * runtime.cu says why. */
#include "config.h"
#include "cuda_backend.h"
#include "pictures.h"

#include <string.h>
#include "vision/resample.h"

enum { PLANES, CANVAS, HALFWAY, RESULT, WEIGHTS, N_BUFFERS };

struct _NevaPictures {
  const NevaCudaApi *api;
  int device;
  NevaCudaStream stream;
  GMutex lock; /* all below */
  NevaCudaScratch buffers[N_BUFFERS];
  guint8 *pinned;
  gsize pinned_bytes, pinned_used;
  gboolean pageable; /* `pinned` is not: see pin () */
  NevaPictureCounts counts;
};

/* One call. */
typedef struct {
  NevaPictures *p;
  const NevaPreprocess *pre;
  const NevaFrame *frame;
  gboolean gpu; /* its planes are in the GPU's memory */
  NevaPlacement at;
  NevaTaps columns, rows;
  int status;
  const char *what;
} Job;

/* Keeps the first status that is not 0. */
static gboolean
done (Job *j, int status, const char *what)
{
  if (!j->status && status) {
    j->status = status;
    j->what = what;
  }
  return !j->status;
}

/* NULL with the status kept. */
static void *
buffer (Job *j, guint which, gsize bytes)
{
  NevaCudaScratch *s = &j->p->buffers[which];

  if (j->status || bytes <= s->bytes)
    return j->status ? NULL : s->data;
  neva_cuda_scratch_free (j->p->api, s, j->p->stream);
  done (
      j, neva_cuda_scratch_alloc (j->p->api, s, bytes, j->p->stream), "memory");
  return s->data;
}

static void
unpin (NevaPictures *p)
{
  if (p->pageable)
    g_free (p->pinned);
  else if (p->pinned)
    p->api->run.host_release (p->pinned);
  p->pinned = NULL;
  p->pinned_bytes = 0;
}

/* The pinned memory is empty again, and at least this large. Beside several
 * GPUs of this process that wait for each other nothing can be pinned without
 * waiting for all of them. */
static gboolean
pin (Job *j, gsize bytes)
{
  NevaPictures *p = j->p;

  p->pinned_used = 0;
  if (bytes <= p->pinned_bytes)
    return TRUE;
  unpin (p);
  p->pageable = neva_cuda_ranks_here ();
  if (p->pageable)
    p->pinned = g_malloc (bytes);
  else if (!done (j, p->api->run.host_alloc ((void **) &p->pinned, bytes),
               "pinned memory"))
    return FALSE;
  p->pinned_bytes = bytes;
  return TRUE;
}

static gsize
aligned (gsize bytes)
{
  return (bytes + 255) / 256 * 256;
}

/* Rows of the host, close together, to `dst`. */
static void
send (Job *j, guint8 *dst, const void *src, gssize stride, gsize row_bytes,
    gsize rows)
{
  NevaPictures *p = j->p;
  guint8 *to = p->pinned + p->pinned_used;

  if (j->status)
    return;
  for (gsize r = 0; r < rows; r++)
    memcpy (to + r * row_bytes, (const guint8 *) src + (gssize) r * stride,
        row_bytes);
  done (j, p->api->run.upload (dst, to, row_bytes * rows, p->stream), "upload");
  p->pinned_used += aligned (row_bytes * rows);
}

static gsize
weight_bytes (const NevaTaps *t)
{
  return aligned (t->plan.n * sizeof *t->first) +
         aligned (t->plan.n * t->plan.groups * 12);
}

static gsize
plane_bytes (const NevaFrame *frame)
{
  gsize bytes = 0;

  for (guint i = 0; i < neva_pixel_layout (frame->format)->planes; i++)
    bytes +=
        aligned (neva_plane_row_bytes (frame, i) * neva_plane_rows (frame, i));
  return bytes;
}

static void
describe (NevaCudaPicture *c, const Job *j, const NevaColor *color)
{
  const NevaFrame *frame = color->frame;
  const NevaPixelLayout *l = neva_pixel_layout (frame->format);

  *c = (NevaCudaPicture){.width = frame->width,
      .height = frame->height,
      .left = j->at.x.offset,
      .top = j->at.y.offset,
      .planes = l->planes,
      .bytes = l->bytes,
      .shift = l->shift,
      .gray = frame->format == NEVA_PIXEL_GRAY8,
      .interleaved = l->planes == 2,
      .h_cosited = (frame->chroma_site & NEVA_CHROMA_H_COSITED) != 0,
      .v_cosited = (frame->chroma_site & NEVA_CHROMA_V_COSITED) != 0,
      .matrix = color->matrix};
  memcpy (c->order, l->order, sizeof c->order);
  memcpy (c->pad, j->pre->pad_color, sizeof c->pad);
  memcpy (c->gray_table, color->gray, sizeof c->gray_table);
}

static void
send_planes (Job *j, NevaCudaPicture *c, const NevaFrame *frame)
{
  guint8 *planes = buffer (j, PLANES, plane_bytes (frame));

  for (guint i = 0; i < c->planes && !j->status; i++) {
    const gsize row = neva_plane_row_bytes (frame, i);
    const guint n = neva_plane_rows (frame, i);

    send (j, planes, frame->plane[i], frame->stride[i], row, n);
    c->plane[i] = planes;
    c->stride[i] = (int64_t) row;
    planes += aligned (row * n);
    j->p->counts.uploaded += row * n;
  }
}

/* From the lowest address of a plane's rows to the last byte. */
static gsize
span_bytes (const NevaFrame *frame, guint plane)
{
  return (gsize) ABS ((gint64) frame->stride[plane]) *
             (neva_plane_rows (frame, plane) - 1) +
         neva_plane_row_bytes (frame, plane);
}

static gsize
all_span_bytes (const NevaFrame *frame)
{
  gsize bytes = 0;

  for (guint i = 0; i < neva_pixel_layout (frame->format)->planes; i++)
    bytes += aligned (span_bytes (frame, i));
  return bytes;
}

/* Planes of another context of this GPU, each with what lies between its rows.
 */
static void
copy_planes (Job *j, NevaCudaPicture *c, const NevaFrame *frame)
{
  guint8 *planes = buffer (j, PLANES, all_span_bytes (frame));

  for (guint i = 0; i < c->planes && !j->status; i++) {
    const gsize bytes = span_bytes (frame, i);
    const gsize from =
        frame->stride[i] < 0 ? bytes - neva_plane_row_bytes (frame, i) : 0;

    done (j,
        j->p->api->run.copy_from (planes, frame->plane[i] - from,
            frame->gpu_context, bytes, j->p->stream),
        "copy from another context");
    c->plane[i] = planes + from;
    c->stride[i] = frame->stride[i];
    planes += aligned (bytes);
    j->p->counts.bytes_copied += bytes;
  }
}

static void
take_planes (Job *j, NevaCudaPicture *c, const NevaFrame *frame)
{
  void *own = NULL;

  j->p->counts.gpu_frames++;
  if (!done (j, j->p->api->run.context (&own), "context"))
    return;
  if (frame->gpu_context != own) {
    copy_planes (j, c, frame);
    return;
  }
  for (guint i = 0; i < c->planes; i++) {
    c->plane[i] = frame->plane[i];
    c->stride[i] = frame->stride[i];
  }
}

/* The canvas' rows and columns that are read; NULL with the status kept. */
static const guint8 *
send_frame (Job *j, const NevaColor *color)
{
  const guint columns = j->columns.inputs, rows = j->rows.inputs;
  guint8 *canvas = buffer (j, CANVAS, (gsize) 3 * columns * rows);
  NevaCudaPicture c;

  describe (&c, j, color);
  if (j->gpu)
    take_planes (j, &c, j->frame);
  else
    send_planes (j, &c, j->frame);
  if (!j->status)
    done (j,
        j->p->api->picture_rgb (canvas, &c, j->columns.in0, j->rows.in0,
            columns, rows, j->p->stream),
        "picture");
  return canvas;
}

/* The weights of an axis, to *weights, which moves on. */
static NevaCudaResample
send_taps (Job *j, const NevaTaps *t, guint8 **weights)
{
  const gsize first = t->plan.n * sizeof *t->first;
  const gsize digits = t->plan.n * t->plan.groups * 12;
  const NevaCudaResample r = {.first = (const void *) *weights,
      .digits = (const void *) (*weights + aligned (first)),
      .n = t->plan.n,
      .groups = t->plan.groups,
      .inputs = t->inputs};

  send (j, *weights, t->first, 0, first, 1);
  send (j, *weights + aligned (first), t->digits, 0, digits, 1);
  *weights += weight_bytes (t);
  return r;
}

/* canvas [3][rows][columns] to result [height][width][3]. */
static void
resize (Job *j, const guint8 *canvas, guint8 *result)
{
  const NevaCudaApi *api = j->p->api;
  const gsize width = j->pre->width, x_n = j->at.x.n, y_n = j->at.y.n;
  const gsize columns = j->columns.inputs, rows = j->rows.inputs;
  const gboolean rows_first = neva_resize_rows_first (&j->at.x, &j->at.y);
  const gsize half_rows = rows_first ? y_n : rows;
  const gsize half_columns = rows_first ? columns : x_n;
  guint8 *weights =
      buffer (j, WEIGHTS, weight_bytes (&j->columns) + weight_bytes (&j->rows));
  guint8 *halfway = buffer (j, HALFWAY, 3 * half_rows * half_columns);
  NevaCudaResample x, y, *first, *second;

  if (j->status)
    return;
  x = send_taps (j, &j->columns, &weights);
  y = send_taps (j, &j->rows, &weights);
  x.src_step = y.src_lane = x.dst_step = y.dst_lane = 1;
  first = rows_first ? &y : &x;
  second = rows_first ? &x : &y;
  first->src_channel = rows * columns;
  first->dst_channel = second->src_channel = half_rows * half_columns;
  second->dst_channel = 1;
  x.lanes = half_rows;
  y.lanes = half_columns;
  if (rows_first) {
    y.src_step = y.dst_step = x.src_lane = columns;
    x.dst_step = 3;
    x.dst_lane = 3 * width;
  } else {
    x.src_lane = columns;
    x.dst_lane = y.src_step = x_n;
    y.dst_step = 3 * width;
    y.dst_lane = 3;
  }
  if (!j->status &&
      done (j, api->resample (halfway, canvas, first, j->p->stream), "resize"))
    done (j,
        api->resample (result + (j->at.top * width + j->at.left) * 3, halfway,
            second, j->p->stream),
        "resize");
}

static void
run (Job *j, const NevaColor *color, guint8 *rgb)
{
  const NevaCudaApi *api = j->p->api;
  const gsize bytes = (gsize) 3 * j->pre->width * j->pre->height;
  guint8 *result;
  const guint8 *canvas;

  if (!done (j, api->run.set_device (j->p->device), "device") ||
      !pin (j, (j->gpu ? 0 : plane_bytes (j->frame)) +
                   weight_bytes (&j->columns) + weight_bytes (&j->rows)) ||
      !(result = buffer (j, RESULT, bytes)) ||
      !done (j, api->run.set (result, 0, bytes, j->p->stream), "clear"))
    return;
  canvas = send_frame (j, color);
  resize (j, canvas, result);
  if (!j->status)
    done (j, api->run.download (rgb, result, bytes, j->p->stream), "download");
  /* whatever was queued still reads the pinned memory */
  done (j, api->run.stream_wait (j->p->stream), "kernels");
}

static gboolean
is_reachable (const NevaPictures *p, const NevaFrame *frame, GError **error)
{
  if (frame->memory == NEVA_MEMORY_HOST || frame->gpu == (guint) p->device)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "the frame is in the memory of GPU %u and the model on GPU %d: they have "
      "to be on the same (cuda-device-id of what makes the frames, "
      "device=cuda:%u of the model)",
      frame->gpu, p->device, frame->gpu);
  return FALSE;
}

gboolean
neva_pictures_frame (NevaPictures *p, const NevaPreprocess *pre,
    const NevaFrame *frame, guint8 *rgb, GError **error)
{
  NevaFrame shape = *frame;
  Job j = {.p = p,
      .pre = pre,
      .frame = &shape,
      .gpu = frame->memory == NEVA_MEMORY_GPU};
  NevaCpuKernels kernels;
  NevaColor color;
  const NevaAxis *x = &j.at.x, *y = &j.at.y;

  shape.memory = NEVA_MEMORY_HOST; /* for those that only look at its shape */
  neva_cpu_kernels_init (&kernels, 0); /* not called, but asked for */
  if (!is_reachable (p, frame, error) ||
      !neva_color_init (&color, &kernels, &shape, error))
    return FALSE;
  if (!neva_preprocess_place (pre, &shape, &j.at, error) ||
      !neva_taps_init (&j.columns, x->in, x->out, x->from, x->n, error) ||
      !neva_taps_init (&j.rows, y->in, y->out, y->from, y->n, error)) {
    neva_taps_clear (&j.columns);
    neva_color_clear (&color);
    return FALSE;
  }
  g_mutex_lock (&p->lock);
  run (&j, &color, rgb);
  if (j.status)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "GPU %d, frame of %u×%u pixels, %s: %s", p->device, frame->width,
        frame->height, j.what, p->api->run.error_text (j.status));
  g_mutex_unlock (&p->lock);
  neva_taps_clear (&j.columns);
  neva_taps_clear (&j.rows);
  neva_color_clear (&color);
  return !j.status;
}

guint
neva_pictures_gpu (const NevaPictures *p)
{
  return (guint) p->device;
}

void
neva_pictures_get_counts (NevaPictures *p, NevaPictureCounts *counts)
{
  g_mutex_lock (&p->lock);
  *counts = p->counts;
  g_mutex_unlock (&p->lock);
}

NevaPictures *
neva_pictures_new (NevaBackend *b, GError **error)
{
  NevaBackendCuda *c = neva_cuda (b);
  NevaPictures *p;
  int status;

  if (!neva_backend_is_cuda (b))
    return NULL;
  p = g_new0 (NevaPictures, 1);
  g_mutex_init (&p->lock);
  p->api = c->api;
  p->device = c->device;
  status = p->api->run.set_device (p->device);
  if (!status)
    status = p->api->run.stream_new (&p->stream);
  if (!status)
    return p;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "GPU %d, stream: %s",
      p->device, p->api->run.error_text (status));
  neva_pictures_free (p);
  return NULL;
}

void
neva_pictures_free (NevaPictures *p)
{
  if (!p)
    return;
  if (!p->api->run.set_device (p->device)) {
    for (guint i = 0; i < N_BUFFERS; i++)
      neva_cuda_scratch_free (p->api, &p->buffers[i], p->stream);
    unpin (p);
    if (p->stream)
      p->api->run.stream_free (p->stream);
  }
  g_mutex_clear (&p->lock);
  g_free (p);
}
