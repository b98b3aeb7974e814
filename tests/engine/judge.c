/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The vectors of spec 7.4 to 7.8. */
#include "config.h"
#include <math.h>
#include <neva/judge.h>

static void
test_scores (void)
{
  static const struct {
    const char *reply;
    gboolean ok;
    double a, b;
  } cases[] = {{"8 7\nbecause", TRUE, 8, 7}, {"8, 7", TRUE, 8, 7},
      {"8,7", TRUE, 8, 7}, {" 8.5  9 ", TRUE, 8.5, 9}, {"", FALSE, -1, -1},
      {"\n8 7", FALSE, -1, -1}, {"Score: 8 7", FALSE, -1, -1},
      {"8/10 7/10", FALSE, -1, -1}, {"(8, 7)", FALSE, -1, -1},
      {"1e1 9", TRUE, 10, 9}, {"8", FALSE, -1, -1}, {"8 7 6", FALSE, -1, -1},
      {"8\u00a07", TRUE, 8, 7}, {"8\t7\r", TRUE, 8, 7},
      {"\xff 7", FALSE, -1, -1}};
  NevaScore s[3];

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    g_assert_true (
        neva_judge_parse_scores (cases[i].reply, s, 2) == cases[i].ok);
    g_assert_cmpfloat (s[0].value, ==, cases[i].a);
    g_assert_cmpfloat (s[1].value, ==, cases[i].b);
    g_assert_true (s[0].is_integer == !cases[i].ok);
  }
  g_assert_true (neva_judge_parse_scores ("nan inf", s, 2));
  g_assert_true (isnan (s[0].value) && isinf (s[1].value));
  g_assert_true (neva_judge_parse_scores ("1 2 3", s, 3));
}

static void
test_prompt (void)
{
  static const char *const answers[] = {"yes", "no"};
  g_autofree char *text = neva_judge_prompt (
      "a cat\na dog", "Is it?", answers, 2, "Assistant", "Rate them.");

  g_assert_cmpstr (text, ==,
      "[Context]\na cat\na dog\n\n[Question]\nIs it?\n\n[Assistant 1]\nyes\n\n"
      "[End of Assistant 1]\n\n[Assistant 2]\nno\n\n[End of Assistant 2]\n\n"
      "[System]\nRate them.\n\n");
}

static void
test_row (void)
{
  static const char *const ids[] = {"\"a1\"", "\"b2\""};
  const NevaScore scores[] = {{8, FALSE}, {7.5, FALSE}},
                  failed[] = {{-1, TRUE}, {-1, TRUE}};
  NevaJudgeRow row = {.id = 1,
      .question_id = "0",
      .answer_ids = ids,
      .category = "llava_bench_conv",
      .content = "8 7.5\n\"é\"",
      .scores = scores,
      .n = 2};
  g_autofree char *json = neva_judge_row_to_json (&row), *json2 = NULL;

  g_assert_cmpstr (json, ==,
      "{\"id\": 1, \"question_id\": 0, \"answer1_id\": \"a1\", \"answer2_id\": "
      "\"b2\", \"category\": \"llava_bench_conv\", \"content\": \"8 7.5\\n\\\""
      "\\u00e9\\\"\", \"tuple\": [8.0, 7.5]}");
  row.scores = failed;
  json2 = neva_judge_row_to_json (&row);
  g_assert_true (g_str_has_suffix (json2, "\"tuple\": [-1, -1]}"));
}

static void
test_summary (void)
{
  static const struct {
    const char *category;
    double scores[2];
  } rows[] = {{"llava_bench_conv", {8, 7}}, {"llava_bench_conv", {9, 6}},
      {"llava_bench_detail", {7, 7.5}}, {"llava_bench_complex", {-1, -1}}};
  g_autoptr (NevaJudgeSummary) summary = neva_judge_summary_new (2);
  g_autofree char *text = NULL;

  g_assert_true (isnan (neva_judge_summary_mean (summary, 0)));
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    neva_judge_summary_add (summary, rows[i].category, rows[i].scores);
  text = neva_judge_summary_to_text (summary);
  g_assert_cmpstr (text, ==,
      "all 57.5 48.8\nllava_bench_complex -10.0 -10.0\n"
      "llava_bench_conv 85.0 65.0\nllava_bench_detail 70.0 75.0\n"
      "=================================\n");
  g_assert_cmpfloat (neva_judge_summary_mean (summary, 0), ==, 5.75);
}

static void
test_summary_rounds_twice (void)
{
  g_autoptr (NevaJudgeSummary) summary = neva_judge_summary_new (1);
  g_autofree char *text = NULL;
  const double score = 8.4446;

  neva_judge_summary_add (summary, NULL, &score);
  text = neva_judge_summary_to_text (summary);
  g_assert_true (g_str_has_prefix (text, "all 84.5\n"));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/judge/scores", test_scores);
  g_test_add_func ("/judge/prompt", test_prompt);
  g_test_add_func ("/judge/row", test_row);
  g_test_add_func ("/judge/summary", test_summary);
  g_test_add_func ("/judge/rounds-twice", test_summary_rounds_twice);
  return g_test_run ();
}
