/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Caption formatting, prompt placeholders and the caption meta: no element, no
 * model. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include "gstnevacaptionmeta.h"
#include "llm/text.h"
#if HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>
#include "gstnevaanalytics.h"
#endif

static void
check_format (const char *answer, guint wrap, const char *want)
{
  g_autofree char *got = gst_neva_text_format (answer, wrap);

  fail_unless (g_utf8_validate (got, -1, NULL));
  fail_unless_equals_string (got, want);
}

GST_START_TEST (test_an_answer_is_one_paragraph)
{
  check_format (NULL, 0, "");
  check_format ("", 0, "");
  check_format (" \n\t\r\n ", 0, "");
  check_format ("A red car.", 0, "A red car.");
  check_format ("\n A red\r\n\r\ncar \t passes. \n", 0, "A red car passes.");
  check_format ("A\xe2\x80\xa8red\xc2\xa0"
                "car\x01.\x7f",
      0, "A red car .");
  check_format ("\xef\xbb\xbfoff\xe2\x80\xae", 0, "off");
  check_format ("caf\xc3\xa9 \xf0\x9f\x9a\x97", 0,
      "caf\xc3\xa9 "
      "\xf0\x9f\x9a\x97");
}
GST_END_TEST;

GST_START_TEST (test_bytes_that_are_no_utf8_are_replaced)
{
  check_format ("a\xff\xfe"
                "b",
      0,
      "a\xef\xbf\xbd\xef\xbf\xbd"
      "b");
  check_format ("cut \xf0\x9f", 0, "cut \xef\xbf\xbd\xef\xbf\xbd");
}
GST_END_TEST;

GST_START_TEST (test_an_arrow_never_looks_like_a_cue)
{
  check_format ("left --> right", 0, "left -> right");
  check_format ("left ------> right", 0, "left -> right");
  check_format ("left --\n> right", 0, "left -- > right");
  check_format ("-->-->", 0, "->->");
  check_format ("--\xef\xbb\xbf>", 0, "->");
}
GST_END_TEST;

GST_START_TEST (test_lines_wrap_at_spaces)
{
  check_format ("one two three", 7, "one two\nthree");
  check_format ("one two three", 8, "one two\nthree");
  check_format ("one two three", 13, "one two three");
  check_format ("one two three", 12, "one two\nthree");
  check_format ("one two three", 1, "one\ntwo\nthree");
  check_format ("abcdefghij kl", 4, "abcdefghij\nkl");
  check_format ("\xc3\xa9\xc3\xa9 \xc3\xa9\xc3\xa9", 5,
      "\xc3\xa9\xc3\xa9 \xc3\xa9\xc3\xa9");
}
GST_END_TEST;

static guint32 seed; /* argv[1], or random */

/* Text of every kind keeps the promises that the encoders rely on. */
GST_START_TEST (test_random_bytes_make_safe_captions)
{
  static const char alphabet[] = "a -->\n\r<&\xc3\xa9\xff\xe2\x80\xae\xef";
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);

  g_print ("seed %u\n", seed);
  for (guint round = 0; round < 20000; round++) {
    char in[40];
    const gint n = g_rand_int_range (rand, 0, sizeof in);
    const guint wrap = g_rand_int_range (rand, 0, 12);
    g_autofree char *out = NULL, *markup = NULL;

    for (gint i = 0; i < n; i++)
      in[i] = alphabet[g_rand_int_range (rand, 0, sizeof alphabet - 1)];
    in[n] = '\0';

    out = gst_neva_text_format (in, wrap);
    markup = gst_neva_text_to_markup (out);
    fail_unless (g_utf8_validate (out, -1, NULL));
    fail_unless (g_utf8_validate (markup, -1, NULL));
    fail_if (strstr (out, "-->") || strstr (out, "\n\n") ||
             strstr (out, "  ") || strchr (out, '\r'));
    fail_if (g_str_has_prefix (out, " ") || g_str_has_suffix (out, " ") ||
             g_str_has_prefix (out, "\n") || g_str_has_suffix (out, "\n"));
    fail_if (wrap == 0 && strchr (out, '\n'));
    fail_if (strchr (markup, '<'));
  }
}
GST_END_TEST;

GST_START_TEST (test_markup_is_escaped)
{
  g_autofree char *got = gst_neva_text_to_markup ("<b> & \"x\"");

  fail_unless_equals_string (got, "&lt;b&gt; &amp; &quot;x&quot;");
}
GST_END_TEST;

static void
check_expand (const char *prompt, const char *want)
{
  static const GstClockTime times[] = {
      4 * GST_SECOND, 4500 * GST_MSECOND, GST_CLOCK_TIME_NONE};
  const GstNevaTextClip clip = {.clip = 7,
      .start = 4 * GST_SECOND,
      .end = 3661 * GST_SECOND,
      .times = times,
      .n_times = G_N_ELEMENTS (times)};
  g_autofree char *got = gst_neva_text_expand (prompt, &clip);

  fail_unless_equals_string (got, want);
}

GST_START_TEST (test_placeholders_become_times)
{
  check_expand (NULL, NULL);
  check_expand ("", "");
  check_expand ("What happens?", "What happens?");
  check_expand ("{start} to {end}, {duration} s", "4.0 to 3661.0, 3657.0 s");
  check_expand ("{frames} frames at {times}", "3 frames at 4.0, 4.5, ?");
  check_expand ("{clip} {start-clock}-{end-clock}", "7 0:00:04-1:01:01");
  check_expand ("{\"a\": {start}}", "{\"a\": 4.0}");
  check_expand ("{unknown} {} {start", "{unknown} {} {start");
  check_expand ("}{start}{", "}4.0{");
}
GST_END_TEST;

static void
check_place (const char *prompt, const char *want)
{
  g_autofree char *got = gst_neva_text_place_memory (prompt);

  fail_unless_equals_string (got, want);
}

GST_START_TEST (test_memory_stands_before_the_words_and_behind_the_video)
{
  check_place ("What?", "Earlier captions:\n{memory}\n\nWhat?");
  check_place ("", "Earlier captions:\n{memory}\n\n");
  check_place (
      "<video>\nWhat?", "<video>\nEarlier captions:\n{memory}\n\nWhat?");
  check_place ("<image>What?", "<image>Earlier captions:\n{memory}\n\nWhat?");
  check_place ("What? <video>", "Earlier captions:\n{memory}\n\nWhat? <video>");
  check_place ("After {memory}: what?", "After {memory}: what?");
}
GST_END_TEST;

GST_START_TEST (test_what_is_remembered_holds_no_marker)
{
  g_autofree char *plain = gst_neva_text_remember (
      4 * GST_SECOND, 3661500 * GST_MSECOND, "A <b>car</b>.");
  g_autofree char *marked = gst_neva_text_remember (
      0, GST_CLOCK_TIME_NONE, "a<vid<image>eo><video> b");

  fail_unless_equals_string (plain, "4.0 s to 3661.5 s: A <b>car</b>.");
  fail_unless_equals_string (marked, "0.0 s to ? s: a b");
}
GST_END_TEST;

GST_START_TEST (test_unknown_times_are_question_marks)
{
  const GstNevaTextClip clip = {
      .start = GST_CLOCK_TIME_NONE, .end = GST_CLOCK_TIME_NONE};
  g_autofree char *got = gst_neva_text_expand (
      "{start}{end}{duration}{times}{start-clock}{frames}", &clip);

  fail_unless_equals_string (got, "????0");
}
GST_END_TEST;

static GstBuffer *
buffer_with_caption (const char *text)
{
  static const GstClockTime times[] = {1, GST_SECOND};
  const GstNevaCaptionInfo info = {.text = text,
      .final = TRUE,
      .clip = 3,
      .start = 1,
      .end = 2 * GST_SECOND,
      .times = times,
      .n_times = 2,
      .mean_logprob = -0.5,
      .tokens = 4};
  GstStructure *s = gst_neva_caption_to_structure (&info);
  GstBuffer *buffer = gst_buffer_new_and_alloc (16 * 16 * 3);

  gst_neva_caption_meta_init ();
  gst_buffer_add_neva_caption_meta (buffer, s);
  gst_structure_free (s);
  return buffer;
}

static void
check_caption (GstBuffer *buffer, const char *text)
{
  const GstStructure *s = gst_buffer_get_neva_caption (buffer);
  const GValue *times;
  gboolean final;
  guint64 clip;

  fail_unless (s != NULL);
  fail_unless_equals_string (gst_structure_get_string (s, "text"), text);
  fail_unless (gst_structure_get_boolean (s, "final", &final) && final);
  fail_unless (gst_structure_get_uint64 (s, "clip", &clip) && clip == 3);
  times = gst_structure_get_value (s, "frame-times");
  fail_unless_equals_int (gst_value_array_get_size (times), 2);
  fail_unless_equals_uint64 (
      g_value_get_uint64 (gst_value_array_get_value (times, 1)), GST_SECOND);
}

GST_START_TEST (test_meta_survives_a_copy)
{
  GstBuffer *buffer = buffer_with_caption ("a red car");
  GstBuffer *copy = gst_buffer_copy (buffer);

  gst_buffer_unref (buffer);
  check_caption (copy, "a red car");
  gst_buffer_unref (copy);
}
GST_END_TEST;

GST_START_TEST (test_captions_do_not_become_quarks)
{
  g_autofree char *text = g_strdup_printf ("text %u", g_random_int ());
  GstBuffer *buffer = buffer_with_caption (text);

  check_caption (buffer, text);
  fail_unless_equals_int (g_quark_try_string (text), 0);
  gst_buffer_unref (buffer);
}
GST_END_TEST;

#if HAVE_GST_ANALYTICS
GST_START_TEST (test_analytics_readers_find_the_caption)
{
  GstBuffer *buffer = buffer_with_caption ("a red car"), *copy;
  GstAnalyticsRelationMeta *meta;
  GstAnalyticsMtd mtd;
  gpointer state = NULL;
  guint n = 0;

  copy = gst_buffer_copy (buffer);
  gst_buffer_unref (buffer);
  meta = gst_buffer_get_analytics_relation_meta (copy);
  fail_unless (meta != NULL);
  while (gst_analytics_relation_meta_iterate (
      meta, &state, GST_ANALYTICS_MTD_TYPE_ANY, &mtd)) {
    fail_unless_equals_string (
        gst_analytics_mtd_type_get_name (gst_analytics_mtd_get_mtd_type (&mtd)),
        GST_NEVA_ANALYTICS_TYPE_NAME);
    fail_unless_equals_string (
        gst_analytics_relation_meta_get_mtd_data (meta, mtd.id), "a red car");
    n++;
  }
  fail_unless_equals_int (n, 1);
  gst_buffer_unref (copy);
}
GST_END_TEST;
#endif

static Suite *
llm_text_suite (void)
{
  Suite *s = suite_create ("llm_text");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_an_answer_is_one_paragraph);
  tcase_add_test (tc, test_bytes_that_are_no_utf8_are_replaced);
  tcase_add_test (tc, test_an_arrow_never_looks_like_a_cue);
  tcase_add_test (tc, test_lines_wrap_at_spaces);
  tcase_add_test (tc, test_random_bytes_make_safe_captions);
  tcase_add_test (tc, test_markup_is_escaped);
  tcase_add_test (tc, test_placeholders_become_times);
  tcase_add_test (tc, test_memory_stands_before_the_words_and_behind_the_video);
  tcase_add_test (tc, test_what_is_remembered_holds_no_marker);
  tcase_add_test (tc, test_unknown_times_are_question_marks);
  tcase_add_test (tc, test_meta_survives_a_copy);
  tcase_add_test (tc, test_captions_do_not_become_quarks);
#if HAVE_GST_ANALYTICS
  tcase_add_test (tc, test_analytics_readers_find_the_caption);
#endif
  return s;
}

int
main (int argc, char **argv)
{
  gst_check_init (&argc, &argv);
  seed = argc > 1 ? (guint32) g_ascii_strtoull (argv[1], NULL, 10)
                  : g_random_int ();
  return gst_check_run_suite (llm_text_suite (), "llm_text", __FILE__);
}
