/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text as Python writes it. Expected values were printed by CPython 3.11. */
#include "config.h"
#include <math.h>
#include "text/py_text.h"

static void
test_floats_are_shortest (void)
{
  static const struct {
    double value;
    const char *text;
  } cases[] = {{8, "8.0"}, {8.5, "8.5"}, {0.1, "0.1"},
      {1.0 / 3, "0.3333333333333333"}, {1e16, "1e+16"},
      {123456789012345680.0, "1.2345678901234568e+17"},
      {9007199254740993.0, "9007199254740992.0"}, {1e-4, "0.0001"},
      {1.5e-5, "1.5e-05"}, {-0.0, "-0.0"}, {5e-324, "5e-324"},
      {1.7976931348623157e308, "1.7976931348623157e+308"}, {NAN, "NaN"},
      {-INFINITY, "-Infinity"}, {57.5, "57.5"}, {1e22, "1e+22"}};

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_autoptr (GString) out = g_string_new (NULL);

    neva_py_append_float (out, cases[i].value);
    g_assert_cmpstr (out->str, ==, cases[i].text);
  }
}

static void
test_strings_are_escaped (void)
{
  g_autoptr (GString) out = g_string_new (NULL);

  neva_py_append_string (out, "a\"\\\n\r\t\b\f\x01\x7f/é⁇😀\xff");
  g_assert_cmpstr (out->str, ==,
      "\"a\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u007f/\\u00e9\\u2047\\ud83d\\ude00"
      "\\ufffd\"");
}

static void
test_floats_are_read (void)
{
  static const struct {
    const char *text;
    gboolean ok;
    double value;
  } cases[] = {{"8", TRUE, 8}, {" 8.5 ", TRUE, 8.5}, {"1e1", TRUE, 10},
      {"+.5", TRUE, .5}, {"5.", TRUE, 5}, {"1_0", TRUE, 10},
      {"inf", TRUE, INFINITY}, {"-Infinity", TRUE, -INFINITY},
      {"8/10", FALSE, 0}, {"(8", FALSE, 0}, {"0x10", FALSE, 0},
      {"1__0", FALSE, 0}, {"_1", FALSE, 0}, {".", FALSE, 0}, {"", FALSE, 0},
      {"1e", FALSE, 0}, {"nan(1)", FALSE, 0}, {"--1", FALSE, 0}};
  double value;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    value = 77;
    g_assert_true (neva_py_parse_float (cases[i].text, &value) == cases[i].ok);
    if (cases[i].ok)
      g_assert_cmpfloat (value, ==, cases[i].value);
  }
  g_assert_true (neva_py_parse_float ("NaN", &value) && isnan (value));
}

static void
test_rounding_is_of_the_binary_value (void)
{
  g_assert_cmpfloat (neva_py_round (8.4446, 3), ==, 8.445);
  g_assert_cmpfloat (neva_py_round (84.45, 1), ==, 84.5);
  g_assert_cmpfloat (neva_py_round (2.675, 2), ==, 2.67);
  g_assert_cmpfloat (neva_py_round (0.125, 2), ==, 0.12);
  g_assert_cmpfloat (neva_py_round (0.375, 2), ==, 0.38);
  g_assert_cmpfloat (neva_py_round (-1, 3), ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/py-text/write-float", test_floats_are_shortest);
  g_test_add_func ("/py-text/write-string", test_strings_are_escaped);
  g_test_add_func ("/py-text/read-float", test_floats_are_read);
  g_test_add_func ("/py-text/round", test_rounding_is_of_the_binary_value);
  return g_test_run ();
}
