/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nevajudge makes of texts: windows, modes, rules, context. By fake
 * judges. */
#include "config.h"
#include "gstnevacaptionmeta.h"
#include "gstnevajudgementmeta.h"
#include "judge_fixture.h"
#include <glib/gstdio.h>

/* ---- Windows ---- */

GST_START_TEST (test_candidates_meet_by_window)
{
  Judge f;

  judge_init (&f, "judge=\"fake:8 7\"", 2, FALSE);
  /* the second is two windows behind */
  judge_text (f.in[0], "a0", 0, 2);
  judge_text (f.in[0], "a1", 2, 4);
  judge_text (f.in[0], "a2", 4, 6);
  judge_text (f.in[1], "b0", 0, 2);
  judge_expect (&f,
      "\"text\": \"a0\", \"score\": 8, \"start\": 0, \"end\": 2}, "
      "{\"pad\": \"sink_1\", \"model\": \"\", \"text\": \"b0\"");
  judge_text (f.in[1], "b1", 2.1, 4);
  judge_expect (&f, "\"start\": 2.1");
  judge_eos (&f);
  judge_expect (&f, "\"clip\": 2, \"start\": 4, \"end\": 6");
  judge_expect (&f, "\"type\": \"summary\", \"judged\": 3");
  judge_expect_event (&f, GST_EVENT_EOS);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_captions_meet_by_what_they_speak_of)
{
  Judge f;

  judge_init (&f, "judge=fake:echo", 2, TRUE);
  /* shown when they came, as live captions are */
  judge_caption (f.in[0], "grow", 0, 2, 2.2, FALSE);
  judge_caption (f.in[0], "grown", 0, 2, 2.5, TRUE);
  judge_caption (f.in[1], "other", 0, 2, 3.9, TRUE);
  judge_expect (&f, "What happens?\\n\\n[Caption 1]\\ngrown\\n\\n[End of "
                    "Caption 1]\\n\\n[Caption 2]\\nother\\n");
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_windows_that_share_little_are_two)
{
  Judge f;

  judge_init (&f, "judge=\"fake:8\"", 2, FALSE);
  judge_text (f.in[0], "a", 0, 2);
  judge_text (f.in[1], "b", 1.5, 3);
  judge_eos (&f);
  judge_expect (
      &f, "\"complete\": false, \"candidates\": [{\"pad\": \"sink_0\"");
  judge_expect (
      &f, "\"complete\": false, \"candidates\": [{\"pad\": \"sink_1\"");
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_skipped_window_is_judged_when_the_next_comes)
{
  Judge f;

  judge_init (&f, "judge=\"fake:8\"", 2, FALSE);
  judge_text (f.in[0], "a", 0, 2);
  judge_text (f.in[1], "b", 2, 4);
  judge_expect (&f, "\"start\": 0, \"end\": 2");
  fail_unless_equals_uint64 (judge_stat (&f, "incomplete"), 1);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_markup_is_read_as_text)
{
  Judge f;

  judge_init (&f, "mode=best judge=\"fake:8\"", 1, FALSE);
  gst_harness_set_src_caps_str (f.in[0], "text/x-raw,format=pango-markup");
  judge_text (f.in[0], "a <b>cat</b> &amp; a &lt;dog&gt;", 0, 2);
  judge_expect (&f, "a cat & a <dog>");
  judge_text (f.in[0], "not <markup", 2, 4);
  judge_expect (&f, "not <markup");
  judge_clear (&f);
}
GST_END_TEST;

/* ---- Modes ---- */

GST_START_TEST (test_best_passes_with_its_scores)
{
  const GstStructure *judgement;
  GstBuffer *buffer;
  double score = 0;
  int best = -1;
  Judge f;

  judge_init (&f, "mode=best judge=\"fake:6 9.5 7\"", 3, FALSE);
  judge_text (f.in[2], "c", 0, 2);
  judge_text (f.in[0], "a", 0, 2);
  judge_caption (f.in[1], "b", 0, 2, 0, TRUE);
  buffer = judge_pull (&f);
  fail_unless (gst_buffer_memcmp (buffer, 0, "b", 1) == 0);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), 0);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), 2 * GST_SECOND);
  judgement = gst_buffer_get_neva_judgement (buffer);
  fail_unless (judgement != NULL);
  fail_unless (gst_structure_get (judgement, "score", G_TYPE_DOUBLE, &score,
      "best", G_TYPE_INT, &best, NULL));
  fail_unless_equals_float (score, 9.5);
  fail_unless_equals_int (best, 1);
  fail_unless_equals_string (
      gst_structure_get_string (gst_buffer_get_neva_caption (buffer), "model"),
      "m");
  gst_buffer_unref (buffer);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_gate_holds_back_what_is_not_better)
{
  Judge f;

  judge_init (&f, "mode=gate threshold=6 judge=\"fake:6 3\"", 2, FALSE);
  for (guint i = 0; i < 2; i++) {
    judge_text (f.in[0], "a", 2 * i, 2 * i + 2);
    judge_text (f.in[1], "b", 2 * i, 2 * i + 2);
    judge_wait_stat (&f, "judged", i + 1);
    /* for the second it is open */
    if (i == 0)
      judge_expect_event (&f, GST_EVENT_GAP);
    g_object_set (f.judge, "threshold", 5.5, NULL);
  }
  judge_expect (&f, "a");
  judge_eos (&f);
  judge_expect_event (&f, GST_EVENT_EOS);
  fail_unless_equals_int (gst_harness_buffers_received (f.out), 1);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_every_judgement_is_a_message)
{
  const GstStructure *s;
  const GValue *array;
  GstMessage *message;
  Judge f;

  judge_init (
      &f, "mode=best judge=\"fake:6 9\nthe second is richer\"", 2, FALSE);
  judge_text (f.in[0], "a", 1, 2);
  judge_text (f.in[1], "b", 1, 2);
  message = judge_message (&f, "neva-judgement");
  s = gst_message_get_structure (message);
  fail_unless_equals_string (
      gst_structure_get_string (s, "reason"), "the second is richer");
  array = gst_structure_get_value (s, "scores");
  fail_unless_equals_int (gst_value_array_get_size (array), 2);
  fail_unless_equals_float (
      g_value_get_double (gst_value_array_get_value (array, 1)), 9);
  gst_message_unref (message);
  judge_eos (&f);
  message = judge_message (&f, "neva-judge-summary");
  array =
      gst_structure_get_value (gst_message_get_structure (message), "means");
  fail_unless_equals_float (
      g_value_get_double (gst_value_array_get_value (array, 0)), 6);
  gst_message_unref (message);
  judge_clear (&f);
}
GST_END_TEST;

/* ---- What the judge is told ---- */

GST_START_TEST (test_context_question_and_reference_reach_the_judge)
{
  GstHarness *context, *reference;
  Judge f;

  judge_init (&f, "judge=fake:echo question=\"Who?\" context=unused", 1, FALSE);
  context = judge_add (&f, "context");
  reference = judge_add (&f, "reference");
  judge_text (f.in[0], "a cat", 0, 2);
  judge_text (context, "a mat", 0, 9);
  judge_text (reference, "the cat", 0, 2);
  judge_expect (&f,
      "[Context]\\na mat\\n\\n[Reference]\\nthe cat\\n\\n[End of "
      "Reference]\\n\\n[Question]\\nWho?\\n\\n[Caption 1]\\na cat\\n");
  /* the context holds until another comes */
  judge_text (f.in[0], "a dog", 2, 4);
  judge_text (reference, "x", 2, 4);
  judge_gap (context, 9, 10);
  judge_expect (&f, "[Context]\\na mat\\n");
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_rule_files_are_used)
{
  g_autofree char *dir = g_dir_make_tmp ("neva-rule-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (dir, "rule.json", NULL);
  g_autofree char *properties =
      g_strdup_printf ("judge=fake:echo rule=%s category=mine context=c", path);
  Judge f;

  fail_unless (g_file_set_contents (path,
      "{\"mine\": {\"role\": \"Robot\", \"prompt\": \"Be strict.\"}}", -1,
      NULL));
  judge_init (&f, properties, 1, FALSE);
  judge_text (f.in[0], "a", 0, 2);
  judge_expect (&f, "[Robot 1]\\na\\n\\n[End of Robot 1]\\n\\n[System]\\nBe "
                    "strict.\\n\\n");
  judge_clear (&f);
  g_remove (path);
  g_rmdir (dir);
}
GST_END_TEST;

static Suite *
judge_suite (void)
{
  Suite *s = suite_create ("judge");
  TCase *tc = tcase_create ("texts");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_candidates_meet_by_window);
  tcase_add_test (tc, test_captions_meet_by_what_they_speak_of);
  tcase_add_test (tc, test_windows_that_share_little_are_two);
  tcase_add_test (tc, test_a_skipped_window_is_judged_when_the_next_comes);
  tcase_add_test (tc, test_markup_is_read_as_text);
  tcase_add_test (tc, test_best_passes_with_its_scores);
  tcase_add_test (tc, test_gate_holds_back_what_is_not_better);
  tcase_add_test (tc, test_every_judgement_is_a_message);
  tcase_add_test (tc, test_context_question_and_reference_reach_the_judge);
  tcase_add_test (tc, test_rule_files_are_used);
  return s;
}

GST_CHECK_MAIN (judge);
