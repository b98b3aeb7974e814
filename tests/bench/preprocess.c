/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* preprocess: eight 1080p frames to a CLIP tower of 224 pixels, on one thread,
 * as an element's streaming thread does it. The limit is reading the frames'
 * bytes once. */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include "machine_limits.h"
#include "report.h"
#include "vision/preprocess.h"

enum { FRAMES = 8, WIDTH = 1920, HEIGHT = 1080, SIZE = 224, ROUNDS = 12 };

static const NevaPreprocess clip = {.mode = NEVA_RESIZE_SHORTEST,
    .width = SIZE,
    .height = SIZE,
    .shortest_edge = SIZE,
    .center_crop = TRUE,
    .rescale = 1.0 / 255,
    .mean = {0.48145466f, 0.4578275f, 0.40821073f},
    .std = {0.26862954f, 0.26130258f, 0.27577711f}};

/* Frames of noise: nothing here depends on the picture. */
static NevaFrame
make_frame (NevaPixelFormat format, guint8 *data, gsize bytes, GRand *rand)
{
  NevaFrame frame = {.format = format,
      .width = WIDTH,
      .height = HEIGHT,
      .plane = {data, data + WIDTH * HEIGHT},
      .stride = {WIDTH, WIDTH},
      .matrix = NEVA_MATRIX_BT709,
      .chroma_site = NEVA_CHROMA_H_COSITED};

  if (format == NEVA_PIXEL_RGB)
    frame.stride[0] = 3 * WIDTH;
  for (gsize i = 0; i < bytes; i += 4)
    *(guint32 *) (data + i) = g_rand_int (rand);
  return frame;
}

/* Seconds of the fastest round over all frames; 0 on failure. */
static double
best_round (const NevaFrame frames[FRAMES])
{
  g_autofree guint8 *rgb = g_malloc (3 * SIZE * SIZE);
  g_autofree float *pixels = g_new (float, 3 * SIZE * SIZE);
  double best = 1e30;

  for (int round = 0; round < ROUNDS; round++) {
    const gint64 start = g_get_monotonic_time ();
    double seconds;

    for (int i = 0; i < FRAMES; i++) {
      g_autoptr (GError) error = NULL;

      if (!neva_preprocess_frame (&clip, &frames[i], rgb, &error)) {
        fprintf (stderr, "%s\n", error->message);
        return 0;
      }
      neva_preprocess_normalize (&clip, rgb, pixels);
    }
    seconds = (double) (g_get_monotonic_time () - start) / 1e6;
    best = MIN (best, seconds);
  }
  return best;
}

static gboolean
bench (const char *name, NevaPixelFormat format, gsize frame_bytes)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autofree guint8 *data = g_malloc (FRAMES * frame_bytes);
  NevaFrame frames[FRAMES];
  double seconds;

  for (int i = 0; i < FRAMES; i++)
    frames[i] = make_frame (format, data + i * frame_bytes, frame_bytes, rand);
  seconds = best_round (frames);
  if (!(seconds > 0))
    return FALSE;

  bench_report (name, FRAMES / seconds, "frames/s",
      limits_read (1) * 1e9 / (double) frame_bytes, 0);
  return TRUE;
}

int
main (void)
{
  const gboolean ok =
      bench ("preprocess-8x1080p", NEVA_PIXEL_NV12, WIDTH * HEIGHT * 3 / 2) &&
      bench ("preprocess-8x1080p-rgb", NEVA_PIXEL_RGB, WIDTH * HEIGHT * 3);

  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
