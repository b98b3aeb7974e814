/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The index arithmetic, by tables. No GStreamer in here. */
#include "config.h"

#include <glib.h>

#include "choice.h"

static void
test_worked_examples (void)
{
  static const struct {
    NevaChoice choice;
    guint64 length, n;
    guint64 want[16];
    guint wanted; /* distinct */
  } t[] = {
      {NEVA_CHOICE_UNIFORM, 1, 8, {0}, 1},
      {NEVA_CHOICE_UNIFORM, 3, 8, {0, 1, 2}, 3},
      {NEVA_CHOICE_UNIFORM, 8, 8, {0, 1, 2, 3, 4, 5, 6, 7}, 8},
      {NEVA_CHOICE_UNIFORM, 9, 8, {0, 1, 2, 3, 4, 5, 6, 8}, 8},
      {NEVA_CHOICE_UNIFORM, 10, 4, {0, 3, 6, 9}, 4},
      {NEVA_CHOICE_UNIFORM, 100, 8, {0, 14, 28, 42, 56, 70, 84, 99}, 8},
      {NEVA_CHOICE_UNIFORM, 300, 8, {0, 42, 85, 128, 170, 213, 256, 299}, 8},
      {NEVA_CHOICE_UNIFORM, 301, 8, {0, 42, 85, 128, 171, 214, 257, 300}, 8},
      {NEVA_CHOICE_UNIFORM, 100, 5, {0, 24, 49, 74, 99}, 5},
      {NEVA_CHOICE_UNIFORM, 100, 1, {0}, 1},
      {NEVA_CHOICE_UNIFORM, 123, 15,
          {0, 8, 17, 26, 34, 43, 52, 60, 69, 78, 87, 95, 104, 113, 122}, 15},
      {NEVA_CHOICE_FIRST, 9, 8, {0}, 1},
      {NEVA_CHOICE_MIDDLE, 1, 8, {0}, 1},
      {NEVA_CHOICE_MIDDLE, 2, 8, {1}, 1},
      {NEVA_CHOICE_MIDDLE, 7, 8, {3}, 1},
      {NEVA_CHOICE_MIDDLE, 8, 8, {4}, 1},
      {NEVA_CHOICE_MIDDLE, 9, 8, {4}, 1},
      {NEVA_CHOICE_LAST, 9, 8, {8}, 1},
      {NEVA_CHOICE_ALL, 4, 8, {0, 1, 2, 3}, 4},
  };

  for (guint i = 0; i < G_N_ELEMENTS (t); i++) {
    g_assert_cmpuint (neva_choice_distinct (t[i].choice, t[i].length, t[i].n),
        ==, t[i].wanted);
    for (guint k = 0; k < t[i].wanted; k++)
      g_assert_cmpuint (neva_choice_index (t[i].choice, t[i].length, t[i].n, k),
          ==, t[i].want[k]);
  }
  g_assert_cmpuint (
      neva_choice_index (NEVA_CHOICE_UNIFORM, 31, 23, 11), ==, 14);
}

/* What integer division would give agrees for few m; the spec lists them. */
static void
test_integer_division_differs_where_the_spec_says (void)
{
  static const guint same[] = {16, 17, 18, 20, 24, 30, 32, 33};
  static const guint differ[] = {15, 19, 21, 22, 23, 25, 64};

  for (guint m = 2; m <= 64; m++) {
    gboolean equal = TRUE, must_equal = m <= 14, must_differ = FALSE;

    for (guint i = 0; i < G_N_ELEMENTS (same); i++)
      must_equal |= same[i] == m;
    for (guint i = 0; i < G_N_ELEMENTS (differ); i++)
      must_differ |= differ[i] == m;
    for (guint64 length = m; length <= 4000; length++)
      for (guint64 k = 0; k < m; k++)
        equal &= neva_choice_index (NEVA_CHOICE_UNIFORM, length, m, k) ==
                 k * (length - 1) / (m - 1);
    if (must_equal)
      g_assert_true (equal);
    if (must_differ)
      g_assert_false (equal);
  }
}

static void
test_indices_rise_and_end_with_the_last (void)
{
  for (guint64 length = 1; length < 300; length++)
    for (guint64 n = 1; n < 40; n++) {
      guint64 m = neva_choice_distinct (NEVA_CHOICE_UNIFORM, length, n);

      for (guint64 k = 1; k < m; k++)
        g_assert_cmpuint (neva_choice_index (NEVA_CHOICE_UNIFORM, length, n, k),
            >, neva_choice_index (NEVA_CHOICE_UNIFORM, length, n, k - 1));
      if (m > 1)
        g_assert_cmpuint (
            neva_choice_index (NEVA_CHOICE_UNIFORM, length, n, m - 1), ==,
            length - 1);
      g_assert_cmpuint (
          neva_choice_count (NEVA_CHOICE_UNIFORM, length, n), ==, n);
    }
}

/* Against counting frame by frame, with the times GStreamer would give. */
static void
test_grid_length_counts_frames (void)
{
  static const guint rates[][2] = {{30, 1}, {30000, 1001}, {24000, 1001},
      {25, 1}, {1, 1}, {1, 5}, {60, 1}, {1000, 1}, {15, 2}};
  static const guint64 firsts[] = {0, 1, 33333333, 41708333, 1234567890123};
  static const guint64 spans[] = {
      1, 33333333, 33333334, 100000000, 1000000000, 2002000000, 5000000001};

  for (guint r = 0; r < G_N_ELEMENTS (rates); r++)
    for (guint f = 0; f < G_N_ELEMENTS (firsts); f++)
      for (guint s = 0; s < G_N_ELEMENTS (spans); s++) {
        guint64 n = 0, end = firsts[f] + spans[s];

        while (
            firsts[f] + neva_choice_grid_offset (n, rates[r][0], rates[r][1]) <
            end)
          n++;
        g_assert_cmpuint (n, ==,
            neva_choice_grid_length (firsts[f], end, rates[r][0], rates[r][1]));
      }
}

static void
test_extremes_do_not_overflow (void)
{
  g_assert_cmpuint (neva_choice_grid_length (5, 5, 30, 1), ==, 0);
  g_assert_cmpuint (neva_choice_grid_length (6, 5, 30, 1), ==, 0);
  g_assert_cmpuint (neva_choice_grid_length (0, 5, 0, 1), ==, 0);
  g_assert_cmpuint (
      neva_choice_grid_length (0, G_MAXUINT64, G_MAXINT, 1), ==, G_MAXUINT64);
  g_assert_cmpuint (
      neva_choice_grid_offset (G_MAXUINT64, 1, G_MAXINT), ==, G_MAXUINT64);
  g_assert_cmpuint (neva_choice_distinct (NEVA_CHOICE_UNIFORM, 0, 8), ==, 0);
  g_assert_cmpuint (neva_choice_index (NEVA_CHOICE_LAST, 0, 8, 0), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/choice/examples", test_worked_examples);
  g_test_add_func (
      "/choice/division", test_integer_division_differs_where_the_spec_says);
  g_test_add_func ("/choice/rising", test_indices_rise_and_end_with_the_last);
  g_test_add_func ("/choice/grid", test_grid_length_counts_frames);
  g_test_add_func ("/choice/extremes", test_extremes_do_not_overflow);
  return g_test_run ();
}
