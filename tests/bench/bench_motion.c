/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* motion: what nevaframesampler's gates cost per 1080p frame, on one thread.
 * The limit is reading the bytes that are looked at once. The picture is noise
 * over a gradient, which moves every cell a little and none enough. */
#include "config.h"
#include <neva/motion.h>
#include <stdio.h>
#include <stdlib.h>
#include "machine_limits.h"
#include "report.h"

enum { FRAMES = 8, WIDTH = 1920, HEIGHT = 1080, ROUNDS = 12 };

static void
paint (guint8 *data, guint bytes, GRand *rand)
{
  for (guint y = 0; y < HEIGHT; y++)
    for (guint x = 0; x < WIDTH * bytes; x++)
      *data++ = (guint8) (40 + x * 100 / (WIDTH * bytes) + y * 60 / HEIGHT +
                          (g_rand_int (rand) & 15));
}

/* Seconds per frame of the fastest round; 0 on failure. */
static double
best_round (NevaMotion *motion, const NevaFrame *frames)
{
  gint64 time_ns = 0;
  double best = 1e30;

  for (int round = 0; round < ROUNDS; round++) {
    const gint64 start = g_get_monotonic_time ();
    double seconds;

    for (int i = 0; i < FRAMES; i++, time_ns += 33333333) {
      g_autoptr (GError) error = NULL;
      NevaMotionFrame seen;

      if (!neva_motion_push (motion, &frames[i], time_ns, &seen, &error)) {
        fprintf (stderr, "%s\n", error->message);
        return 0;
      }
    }
    seconds = (double) (g_get_monotonic_time () - start) / 1e6 / FRAMES;
    best = MIN (best, seconds);
  }
  return best;
}

/* bytes: that are looked at, of a pixel. */
static gboolean
bench (
    const char *name, NevaPixelFormat format, guint bytes, NevaMotionKind kind)
{
  const gsize size = (gsize) WIDTH * HEIGHT * bytes;
  NevaMotionSettings settings = NEVA_MOTION_DEFAULT;
  g_autoptr (GRand) rand = g_rand_new_with_seed (1);
  g_autofree guint8 *data = g_malloc (FRAMES * size);
  g_autoptr (NevaMotion) motion = NULL;
  NevaFrame frames[FRAMES];
  double seconds;

  for (int i = 0; i < FRAMES; i++) {
    paint (data + i * size, bytes, rand);
    frames[i] = (NevaFrame){.format = format,
        .width = WIDTH,
        .height = HEIGHT,
        .plane = {data + i * size, data + i * size},
        .stride = {(gint) (WIDTH * bytes), WIDTH}};
  }
  settings.kind = kind;
  motion = neva_motion_new (&settings);
  seconds = best_round (motion, frames);
  if (!(seconds > 0))
    return FALSE;
  bench_report (
      name, 1 / seconds, "frames/s", limits_read (1) * 1e9 / (double) size, 0);
  return TRUE;
}

int
main (void)
{
  const gboolean ok =
      bench ("motion-1080p-nv12", NEVA_PIXEL_NV12, 1, NEVA_MOTION_OBJECTS) &&
      bench ("motion-1080p-rgb", NEVA_PIXEL_RGB, 3, NEVA_MOTION_OBJECTS) &&
      bench ("scenes-1080p-nv12", NEVA_PIXEL_NV12, 1, NEVA_MOTION_SCENES);

  return ok ? EXIT_SUCCESS : EXIT_FAILURE;
}
