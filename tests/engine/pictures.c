/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames prepared on a GPU (NEVA_CUDA_LIBRARY: the emulation) equal those
 * prepared on the CPU to the bit: every format, size, fit, border and pad, from
 * the host's memory, from the GPU's, and from that of another context. */
#include "config.h"
#include "backend/pictures.h"
#include "check.h"

#include <dlfcn.h>
#include <neva/gpu.h>
#include <string.h>

/* Of the driver's API: CUcontext, CUdeviceptr. */
static struct {
  int (*context_new) (void **context, unsigned flags, int device);
  int (*push) (void *context);
  int (*pop) (void **context);
  int (*alloc) (guint64 *memory, gsize bytes);
  int (*release) (guint64 memory);
} driver;

static gpointer other_context;

enum { ROUNDS = 8, MAX_SIDE = 60, THREADS = 3 };

static NevaPictures *pictures;

/* A frame with rows that are longer than needed, some from the bottom up. */
static NevaFrame
random_frame (GRand *rand, NevaPixelFormat format, guint8 *memory[3])
{
  NevaFrame f = {.format = format,
      .width = (guint) g_rand_int_range (rand, 1, MAX_SIDE),
      .height = (guint) g_rand_int_range (rand, 1, MAX_SIDE),
      .matrix = (NevaColorMatrix) g_rand_int_range (rand, 0, 5),
      .range = (NevaColorRange) g_rand_int_range (rand, 0, 2),
      .chroma_site = (NevaChromaSite) g_rand_int_range (rand, 0, 4)};
  const gboolean ten = format == NEVA_PIXEL_I420_10LE;

  for (guint p = 0; p < neva_pixel_layout (format)->planes; p++) {
    const gsize stride = neva_plane_row_bytes (&f, p) + 6;
    const guint rows = neva_plane_rows (&f, p);

    memory[p] = g_malloc (stride * rows);
    for (gsize i = 0; i < stride * rows; i++)
      memory[p][i] = (guint8) (g_rand_int (rand) & (ten && i % 2 ? 3 : 255));
    f.plane[p] = memory[p];
    f.stride[p] = (gint) stride;
    if (g_rand_boolean (rand)) {
      f.plane[p] += stride * (rows - 1);
      f.stride[p] = -f.stride[p];
    }
  }
  return f;
}

static NevaPreprocess
random_preprocess (GRand *rand)
{
  NevaPreprocess pre = {
      .mode = g_rand_boolean (rand) ? NEVA_RESIZE_SHORTEST : NEVA_RESIZE_EXACT,
      .pad = g_rand_boolean (rand),
      .pad_color = {122, 116, 104},
      .width = (guint) g_rand_int_range (rand, 1, 40),
      .height = (guint) g_rand_int_range (rand, 1, 40),
      .shortest_edge = (guint) g_rand_int_range (rand, 1, 40),
      .center_crop = TRUE,
      .round_crop = g_rand_boolean (rand),
      .rescale = 1.0 / 255,
      .std = {1, 1, 1}};

  return pre;
}

static gpointer
driver_function (const char *name)
{
  void *library = dlopen (g_getenv ("NEVA_CUDA_LIBRARY"), RTLD_NOW);
  gpointer function = library ? dlsym (library, name) : NULL;

  CHECK (function, "%s", name);
  return function;
}

static void
load_driver (void)
{
  driver.context_new = driver_function ("cuCtxCreate_v2");
  driver.push = driver_function ("cuCtxPushCurrent_v2");
  driver.pop = driver_function ("cuCtxPopCurrent_v2");
  driver.alloc = driver_function ("cuMemAlloc_v2");
  driver.release = driver_function ("cuMemFree_v2");
  CHECK (!driver.context_new (&other_context, 0, 0), "another context");
  CHECK (!driver.pop (NULL), "and away");
}

/* The emulation's device memory is the host's, so it is written directly. */
static void
to_gpu (NevaFrame *frame, gpointer context, guint64 memory[3])
{
  CHECK (!driver.push (context), "push");
  for (guint p = 0; p < neva_pixel_layout (frame->format)->planes; p++) {
    const gsize stride = (gsize) ABS (frame->stride[p]);
    const gsize before =
        frame->stride[p] < 0 ? stride * (neva_plane_rows (frame, p) - 1) : 0;
    const gsize bytes = stride * neva_plane_rows (frame, p);

    CHECK (!driver.alloc (&memory[p], bytes), "%zu bytes", bytes);
    memcpy ((gpointer) memory[p], frame->plane[p] - before, bytes);
    frame->plane[p] = (const guint8 *) memory[p] + before;
  }
  CHECK (!driver.pop (NULL), "pop");
  frame->memory = NEVA_MEMORY_GPU;
  frame->gpu_context = context;
}

static void
compare_on_gpu (NevaFrame frame, gpointer context, const NevaPreprocess *pre,
    const guint8 *want)
{
  const gsize bytes = (gsize) 3 * pre->width * pre->height;
  g_autofree guint8 *got = g_malloc (bytes);
  g_autoptr (GError) error = NULL;
  guint64 memory[3] = {0};

  to_gpu (&frame, context, memory);
  memset (got, 0xaa, bytes);
  CHECK (neva_pictures_frame (pictures, pre, &frame, got, &error), "%s",
      error ? error->message : "");
  CHECK (!memcmp (got, want, bytes), "format %d, %u×%u to %u×%u, %s context",
      (int) frame.format, frame.width, frame.height, pre->width, pre->height,
      context == other_context ? "another" : "the same");
  for (guint i = 0; i < 3; i++)
    if (memory[i])
      driver.release (memory[i]);
}

static void
compare (GRand *rand, NevaPixelFormat format)
{
  guint8 *memory[3] = {NULL};
  const NevaFrame frame = random_frame (rand, format, memory);
  const NevaPreprocess pre = random_preprocess (rand);
  const gsize bytes = (gsize) 3 * pre.width * pre.height;
  g_autofree guint8 *got = g_malloc (bytes), *want = g_malloc (bytes);
  g_autoptr (GError) error = NULL;

  memset (got, 0xaa, bytes);
  CHECK (neva_preprocess_frame (&pre, &frame, want, NULL), "the CPU");
  CHECK (neva_pictures_frame (pictures, &pre, &frame, got, &error), "%s",
      error ? error->message : "");
  CHECK (!memcmp (got, want, bytes),
      "format %d, %u×%u to %u×%u, shortest %u of mode %d, pad %d", (int) format,
      frame.width, frame.height, pre.width, pre.height, pre.shortest_edge,
      (int) pre.mode, pre.pad);
  compare_on_gpu (frame, neva_gpu_get_context (0, NULL), &pre, want);
  compare_on_gpu (frame, other_context, &pre, want);
  for (guint i = 0; i < 3; i++)
    g_free (memory[i]);
}

static void
compare_all (guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  for (int i = 0; i < ROUNDS; i++)
    for (int f = NEVA_PIXEL_RGB; f <= NEVA_PIXEL_P010_10LE; f++)
      compare (rand, (NevaPixelFormat) f);
}

static gpointer
thread_main (gpointer seed)
{
  compare_all (GPOINTER_TO_UINT (seed));
  return NULL;
}

/* Callers are any threads. */
static void
check_threads (guint32 seed)
{
  GThread *threads[THREADS];

  for (guint i = 0; i < THREADS; i++)
    threads[i] =
        g_thread_new ("caller", thread_main, GUINT_TO_POINTER (seed + 1 + i));
  for (guint i = 0; i < THREADS; i++)
    g_thread_join (threads[i]);
}

/* Nothing is uploaded of a frame that is there, and only what another context
 * holds is copied. */
static void
check_counts (guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  guint8 *memory[3] = {NULL};
  const NevaFrame frame = random_frame (rand, NEVA_PIXEL_NV12, memory);
  const NevaPreprocess pre = random_preprocess (rand);
  const gsize bytes = (gsize) 3 * pre.width * pre.height;
  g_autofree guint8 *want = g_malloc (bytes);
  NevaPictureCounts before, after;
  guint64 least = 0;

  CHECK (neva_preprocess_frame (&pre, &frame, want, NULL), "the CPU");
  for (guint i = 0; i < 2; i++)
    least += neva_plane_row_bytes (&frame, i) * neva_plane_rows (&frame, i);
  neva_pictures_get_counts (pictures, &before);
  compare_on_gpu (frame, neva_gpu_get_context (0, NULL), &pre, want);
  neva_pictures_get_counts (pictures, &after);
  CHECK (after.gpu_frames == before.gpu_frames + 1 &&
             after.uploaded == before.uploaded &&
             after.bytes_copied == before.bytes_copied,
      "the same context");
  compare_on_gpu (frame, other_context, &pre, want);
  neva_pictures_get_counts (pictures, &after);
  CHECK (after.uploaded == before.uploaded &&
             after.bytes_copied >= before.bytes_copied + least,
      "another context");
  CHECK (neva_pictures_frame (pictures, &pre, &frame, want, NULL), "host");
  neva_pictures_get_counts (pictures, &after);
  CHECK (after.uploaded == before.uploaded + least, "%" G_GUINT64_FORMAT,
      after.uploaded - before.uploaded);
  for (guint i = 0; i < 3; i++)
    g_free (memory[i]);
}

static void
check_places (void)
{
  const guint8 pixels[3 * 16] = {0};
  const NevaPreprocess pre = {
      .mode = NEVA_RESIZE_EXACT, .width = 4, .height = 4};
  NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = 4,
      .height = 4,
      .plane = {pixels},
      .stride = {12},
      .memory = NEVA_MEMORY_GPU,
      .gpu = 1};
  guint8 rgb[3 * 16];
  GError *error = NULL;

  CHECK (!neva_preprocess_frame (&pre, &frame, rgb, &error), "on the CPU");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "not in the host's memory");
  CHECK (!neva_pictures_frame (pictures, &pre, &frame, rgb, &error), "GPU 1");
  CHECK_ERROR (error, NEVA_ERROR_UNSUPPORTED, "memory of GPU 1 and");
  CHECK (!neva_gpu_get_context (7, &error), "GPU 7");
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, "has 1 NVIDIA GPU");
}

static void
check_errors (void)
{
  const guint8 pixels[3 * 16] = {0};
  NevaPreprocess pre = {.mode = NEVA_RESIZE_EXACT, .width = 4, .height = 4};
  NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = 4,
      .height = 4,
      .plane = {pixels},
      .stride = {12}};
  guint8 rgb[3 * 16];
  GError *error = NULL;

  CHECK (neva_pictures_frame (pictures, &pre, &frame, rgb, &error), "good");
  frame.plane[0] = NULL;
  CHECK (!neva_pictures_frame (pictures, &pre, &frame, rgb, &error), "plane");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "plane 0 is missing");
  frame.plane[0] = pixels;
  frame.stride[0] = 11;
  CHECK (!neva_pictures_frame (pictures, &pre, &frame, rgb, &error), "stride");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "overlapping rows");
  frame.stride[0] = 12;
  pre.width = 0;
  CHECK (!neva_pictures_frame (pictures, &pre, &frame, rgb, &error), "width");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "0×4");
  pre = (NevaPreprocess){.mode = NEVA_RESIZE_SHORTEST,
      .shortest_edge = 8192,
      .width = 8192,
      .height = 8192,
      .center_crop = TRUE};
  g_autofree guint8 *large = g_malloc (3 * (gsize) pre.width * pre.height);

  /* 192 MB on a GPU of 64 MB */
  CHECK (!neva_pictures_frame (pictures, &pre, &frame, large, &error), "size");
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, "memory");
}

int
main (int argc, char **argv)
{
  g_autoptr (NevaBackend) cpu = neva_backend_new ("cpu", 1, NULL);
  g_autoptr (NevaBackend) gpu = NULL;
  g_autoptr (GError) error = NULL;
  const guint32 seed = (guint32) check_seed (argc, argv);

  if (!g_getenv ("NEVA_CUDA_LIBRARY")) {
    printf ("SKIP: NEVA_CUDA_LIBRARY does not name the emulation\n");
    return 77;
  }
  g_setenv ("NEVA_CUDAEMU_MEMORY", "64000000", TRUE);
  gpu = neva_backend_new ("cuda", 1, &error);
  CHECK (!neva_pictures_new (cpu, NULL), "a CPU");
  CHECK (gpu, "%s", error ? error->message : "");
  pictures = gpu ? neva_pictures_new (gpu, &error) : NULL;
  CHECK (pictures, "%s", error ? error->message : "");
  if (pictures) {
    load_driver ();
    check_counts (seed);
    check_places ();
    compare_all (seed);
    check_threads (seed);
    check_errors ();
    compare_all (seed + 100); /* after a failure */
  }
  neva_pictures_free (pictures);
  return check_finish ();
}
