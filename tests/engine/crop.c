/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva_frame_crop: every sample of the part is that of the whole, in every
 * format, and no box leads outside. argv[1]: the seed. */
#include "config.h"
#include <neva/frame.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 37, HEIGHT = 23, STRIDE = 256, ROWS = 24, ROUNDS = 20000 };

/* Per plane: bytes of a sample, and pixels that share one, 0: no plane. */
static const struct {
  NevaPixelFormat format;
  guint bytes[3], shared[3];
} formats[] = {
    {NEVA_PIXEL_RGB, {3}, {1}},
    {NEVA_PIXEL_BGRA, {4}, {1}},
    {NEVA_PIXEL_GRAY8, {1}, {1}},
    {NEVA_PIXEL_I420, {1, 1, 1}, {1, 2, 2}},
    {NEVA_PIXEL_NV12, {1, 2}, {1, 2}},
    {NEVA_PIXEL_I420_10LE, {2, 2, 2}, {1, 2, 2}},
    {NEVA_PIXEL_P010_10LE, {2, 4}, {1, 2}},
};

static gint64
coordinate (GRand *rand)
{
  static const gint64 odd[] = {
      0, 1, -1, WIDTH, HEIGHT, G_MAXINT64, G_MININT64, G_MAXUINT};

  if (g_rand_int_range (rand, 0, 3) == 0)
    return odd[g_rand_int_range (rand, 0, G_N_ELEMENTS (odd))];
  return g_rand_int_range (rand, -10, WIDTH + 10);
}

/* Does [from, from + length) meet [0, size)? Without overflow. */
static gboolean
meets (gint64 from, gint64 length, gint64 size)
{
  return length > 0 && from < size && (from >= 0 || from > -length);
}

int
main (int argc, char **argv)
{
  const guint32 seed = argc > 1 ? (guint32) strtoul (argv[1], NULL, 10) : 1;
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  static guint8 data[3][ROWS * STRIDE];
  guint cropped = 0;

  g_print ("seed %u\n", seed);
  for (guint p = 0; p < 3; p++)
    for (guint i = 0; i < sizeof data[p]; i++)
      data[p][i] = (guint8) g_rand_int (rand);
  for (guint n = 0; n < ROUNDS; n++) {
    const guint f = n % G_N_ELEMENTS (formats);
    NevaFrame whole = {.format = formats[f].format,
        .width = WIDTH,
        .height = HEIGHT,
        .plane = {data[0], data[1], data[2]},
        .stride = {STRIDE, STRIDE, STRIDE}};
    NevaFrame part = whole;
    const gint64 x = coordinate (rand), y = coordinate (rand);
    const gint64 w = coordinate (rand), h = coordinate (rand);
    gsize left, top;

    if (!meets (x, w, WIDTH) || !meets (y, h, HEIGHT)) {
      g_assert_false (neva_frame_crop (&part, x, y, w, h));
      g_assert_true (!memcmp (&part, &whole, sizeof part));
      continue;
    }
    g_assert_true (neva_frame_crop (&part, x, y, w, h));
    cropped++;
    left =
        (gsize) (part.plane[0] - whole.plane[0]) % STRIDE / formats[f].bytes[0];
    top = (gsize) (part.plane[0] - whole.plane[0]) / STRIDE;
    g_assert_cmpuint (part.width, >=, 1);
    g_assert_cmpuint (left + part.width, <=, WIDTH);
    g_assert_cmpuint (top + part.height, <=, HEIGHT);
    /* The box, cut at the edges, is within, and at most a pixel more. */
    g_assert_cmpint ((gint64) left, <=, MAX (x, 0));
    g_assert_cmpint ((gint64) left, >=, MAX (x, 0) - 1);
    g_assert_cmpint ((gint64) top, >=, MAX (y, 0) - 1);
    if (w < 1000 && x + w <= WIDTH)
      g_assert_cmpint ((gint64) (left + part.width), ==, x + w);
    for (guint p = 1; p < 3 && formats[f].shared[p]; p++) {
      const gsize at = (gsize) (part.plane[p] - whole.plane[p]);

      g_assert_cmpuint (left % 2, ==, 0);
      g_assert_cmpuint (top % 2, ==, 0);
      g_assert_cmpuint (at / STRIDE, ==, top / 2);
      g_assert_cmpuint (at % STRIDE, ==, left / 2 * formats[f].bytes[p]);
    }
  }
  g_print ("%u of %u boxes meet the picture\n", cropped, (guint) ROUNDS);
  g_assert_cmpuint (cropped, >, 1000);
  return EXIT_SUCCESS;
}
