/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Frames prepared on a GPU (NEVA_CUDA_LIBRARY: the emulation) equal those
 * prepared on the CPU to the bit: every format, size, fit, border and pad. */
#include "config.h"
#include "backend/pictures.h"
#include "check.h"

#include <string.h>

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
    compare_all (seed);
    check_threads (seed);
    check_errors ();
    compare_all (seed + 100); /* after a failure */
  }
  neva_pictures_free (pictures);
  return check_finish ();
}
