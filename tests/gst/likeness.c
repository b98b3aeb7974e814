/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate=embedding on made-up features: light is not new, a thing in one cell is,
 * whatever the scale and the width of the vectors. argv[1]: the seed. */
#include "config.h"
#include <glib.h>
#include <math.h>
#include <stdlib.h>
#include "encoder/likeness.h"

#define SIDE 8
#define CELLS (SIDE * SIDE)
#define THRESHOLD 0.06

typedef struct {
  GRand *rand;
  gsize n;
  double scale;
  float *place, *light, *thing, *frame; /* [CELLS][n]; thing: [n] */
} Scene;

static float *
random_floats (Scene *s, gsize n)
{
  float *v = g_new (float, n);

  for (gsize i = 0; i < n; i++)
    v[i] = (float) g_rand_double_range (s->rand, -1, 1);
  return v;
}

/* level: of the light; cell: where the thing is, or none. */
static const float *
look (Scene *s, double level, gsize cell)
{
  for (gsize k = 0; k < CELLS * s->n; k++) {
    double v = s->place[k] + level * (s->light[k] + 0.5) +
               g_rand_double_range (s->rand, -0.02, 0.02);

    if (k / s->n == cell)
      v += s->thing[k % s->n];
    s->frame[k] = (float) (s->scale * v);
  }
  return s->frame;
}

static void
check (guint32 seed, gsize n, double scale)
{
  GstNevaLikeness *likeness = gst_neva_likeness_new ();
  Scene s = {.rand = g_rand_new_with_seed (seed), .n = n, .scale = scale};
  const gsize at = (gsize) g_rand_int_range (s.rand, 0, CELLS);
  guint wrong = 0;
  double level;

  s.place = random_floats (&s, CELLS * n);
  s.light = random_floats (&s, CELLS * n);
  s.thing = random_floats (&s, n);
  s.frame = g_new (float, CELLS *n);
#define IS_NEW(l, cell)                                                        \
  gst_neva_likeness_is_new (                                                   \
      likeness, look (&s, l, cell), CELLS, n, THRESHOLD, &level)
  g_assert_true (IS_NEW (0, CELLS));
  for (guint i = 1; i < 100; i++)
    wrong += IS_NEW (0.3 * sin (i * 0.3), CELLS);
  g_assert_cmpuint (wrong, ==, 0);
  g_assert_true (IS_NEW (0.2, at));
  g_assert_false (IS_NEW (-0.2, at)); /* it stays */
  g_assert_false (IS_NEW (0.1, at));
  g_assert_true (IS_NEW (0.1, (at + 1) % CELLS));
  g_assert_true (IS_NEW (0.1, CELLS));
  for (gsize k = 0; k < CELLS * n; k += 2) /* a cut */
    s.place[k] = -s.place[k];
  g_assert_true (IS_NEW (0.1, CELLS));
  g_assert_false (IS_NEW (0.2, CELLS));

  look (&s, 0, CELLS);
  s.frame[n] = NAN;
  g_assert_true (gst_neva_likeness_is_new (
      likeness, s.frame, CELLS, n, THRESHOLD, &level));
  g_assert_false (IS_NEW (0.2, CELLS)); /* as if it had not been there */
  g_assert_true (gst_neva_likeness_is_new (
      likeness, look (&s, 0.2, CELLS), SIDE, n, THRESHOLD, &level));
  gst_neva_likeness_reset (likeness);
  g_assert_true (IS_NEW (0.2, CELLS));
#undef IS_NEW
  gst_neva_likeness_free (likeness);
  g_free (s.place);
  g_free (s.light);
  g_free (s.thing);
  g_free (s.frame);
  g_rand_free (s.rand);
}

/* Frames that are equal to the last number have no noise, and are not new. */
static void
check_equal (void)
{
  GstNevaLikeness *likeness = gst_neva_likeness_new ();
  float cells[CELLS * 3] = {0};
  double level;

  for (guint i = 0; i < 100; i++)
    g_assert_true (gst_neva_likeness_is_new (
                       likeness, cells, CELLS, 3, 0, &level) == (i == 0));
  cells[5] = 1;
  g_assert_true (
      gst_neva_likeness_is_new (likeness, cells, CELLS, 3, 0, &level));
  g_assert_false (
      gst_neva_likeness_is_new (likeness, cells, CELLS, 3, 0, &level));
  gst_neva_likeness_free (likeness);
}

int
main (int argc, char **argv)
{
  static const gsize widths[] = {24, 256, 700};
  const guint32 seed = argc > 1 ? (guint32) strtoul (argv[1], NULL, 10) : 1;

  g_print ("seed %u\n", seed);
  for (guint i = 0; i < G_N_ELEMENTS (widths); i++) {
    check (seed + i, widths[i], 1);
    check (seed + i, widths[i], 1e-3);
    check (seed + i, widths[i], 1e3);
  }
  check_equal ();
  return EXIT_SUCCESS;
}
