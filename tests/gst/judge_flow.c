/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How nevajudge keeps a stream going: live and not, silent and ending
 * candidates, flushes, pads that come and go, states, judges that fail. */
#include "config.h"
#include "judge_fixture.h"

/* A judgement that takes longer than any test. */
#define NEVER "fake:8?delay=1000000"

/* ---- Live ---- */

GST_START_TEST (test_live_waits_no_longer_than_max_wait)
{
  Judge f;

  judge_init (&f, "max-wait=20000000 judge=fake:8", 2, TRUE);
  judge_text (f.in[0], "a", 0, 2);
  judge_gap (f.in[1], 0, 5);
  judge_expect (&f, "\"complete\": false");
  /* too late; and it is not judged on its own */
  judge_text (f.in[1], "b", 0, 2);
  fail_unless_equals_uint64 (judge_stat (&f, "late"), 1);
  fail_unless_equals_uint64 (judge_stat (&f, "judged"), 1);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_live_candidates_never_wait_for_the_judge)
{
  Judge f;

  judge_init (&f, "max-pending=3 judge=" NEVER, 2, TRUE);
  for (guint i = 0; i < 30; i++)
    for (guint k = 0; k < 2; k++)
      fail_unless_equals_int (
          judge_text (f.in[k], "x", 2 * i, 2 * i + 2), GST_FLOW_OK);
  /* one may be with the judge, three wait */
  fail_unless (judge_stat (&f, "dropped") >= 26);
  fail_unless_equals_int (
      judge_count_messages (&f, GST_MESSAGE_QOS), judge_stat (&f, "dropped"));
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_live_text_has_the_time_at_which_it_comes)
{
  GstBuffer *buffer;
  Judge f;

  judge_init (&f, "mode=best judge=fake:8?delay=50", 1, TRUE);
  judge_text (f.in[0], "x", 0, 2);
  judge_gap (f.in[0], 2, 7);
  buffer = judge_pull (&f);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), 7 * GST_SECOND);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), 2 * GST_SECOND);
  gst_buffer_unref (buffer);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_latency_is_that_of_the_candidates)
{
  Judge f;

  judge_init (&f, "judge=fake:8", 2, TRUE);
  gst_harness_set_upstream_latency (f.in[0], 30 * GST_MSECOND);
  gst_harness_set_upstream_latency (f.in[1], 50 * GST_MSECOND);
  fail_unless_equals_uint64 (
      gst_harness_query_latency (f.out), 50 * GST_MSECOND);
  judge_clear (&f);
}
GST_END_TEST;

/* ---- Files ---- */

GST_START_TEST (test_files_lose_nothing)
{
  Judge f;

  judge_init (
      &f, "max-pending=1 max-inflight=3 judge=\"fake:8 7?delay=3\"", 2, FALSE);
  for (guint i = 0; i < 40; i++)
    for (guint k = 0; k < 2; k++)
      fail_unless_equals_int (
          judge_text (f.in[k], "x", 2 * i, 2 * i + 2), GST_FLOW_OK);
  judge_eos (&f);
  for (guint i = 0; i < 40; i++) {
    g_autofree char *clip =
        g_strdup_printf ("\"clip\": %u, \"start\": %u,", i, 2 * i);

    judge_expect (&f, clip);
  }
  judge_expect (&f, "\"summary\", \"judged\": 40, \"failed\": 0");
  judge_expect_event (&f, GST_EVENT_EOS);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_silent_candidate_does_not_stop_the_others)
{
  Judge f;

  judge_init (&f, "judge=fake:8", 2, FALSE);
  for (guint i = 0; i < 80; i++)
    fail_unless_equals_int (
        judge_text (f.in[0], "x", 2 * i, 2 * i + 2), GST_FLOW_OK);
  judge_expect (&f, "\"clip\": 0");
  /* its end settles the rest */
  gst_harness_push_event (f.in[1], gst_event_new_eos ());
  judge_wait_stat (&f, "judged", 80);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_one_candidate_ends_before_the_other)
{
  Judge f;

  judge_init (&f, "judge=\"fake:8\"", 2, FALSE);
  gst_harness_push_event (f.in[0], gst_event_new_eos ());
  judge_text (f.in[1], "b", 0, 2);
  judge_expect (&f, "\"text\": \"b\"");
  judge_eos (&f);
  judge_expect (&f, "summary");
  judge_expect_event (&f, GST_EVENT_EOS);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_an_empty_stream_ends)
{
  Judge f;

  judge_init (&f, "judge=fake:8", 2, FALSE);
  judge_eos (&f);
  judge_expect_event (&f, GST_EVENT_EOS);
  judge_clear (&f);
}
GST_END_TEST;

/* ---- Pads ---- */

GST_START_TEST (test_pads_come_and_go)
{
  Judge f;

  judge_init (&f, "judge=fake:echo", 2, FALSE);
  judge_text (f.in[0], "a", 0, 2);
  judge_remove (&f, 1); /* nobody waits for it any more */
  judge_expect (
      &f, "\"complete\": true, \"candidates\": [{\"pad\": \"sink_0\"");
  judge_add (&f, "sink_%u");
  judge_text (f.in[0], "a", 2, 4);
  fail_unless_equals_uint64 (judge_stat (&f, "judged"), 1);
  judge_text (f.in[2], "c", 2, 4);
  judge_expect (&f, "{\"pad\": \"sink_1\", \"model\": \"\", \"text\": \"c\"");
  judge_remove (&f, 0);
  judge_text (f.in[2], "c", 4, 6);
  judge_expect (&f, "[{\"pad\": \"sink_1\"");
  judge_remove (&f, 2);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_too_many_pads_are_refused)
{
  GstElement *judge = gst_element_factory_make ("nevajudge", NULL);
  GstPad *pads[16];

  for (guint i = 0; i < G_N_ELEMENTS (pads); i++)
    pads[i] = gst_element_request_pad_simple (judge, i ? "sink_%u" : "sink_5");
  fail_unless (gst_element_request_pad_simple (judge, "sink_%u") == NULL);
  fail_unless_equals_string (GST_PAD_NAME (pads[0]), "sink_5");
  fail_unless_equals_string (GST_PAD_NAME (pads[6]), "sink_6");
  for (guint i = 0; i < G_N_ELEMENTS (pads); i++) {
    gst_element_release_request_pad (judge, pads[i]);
    gst_object_unref (pads[i]);
  }
  gst_object_unref (judge);
}
GST_END_TEST;

/* ---- Flushes and states ---- */

static void
flush (GstHarness *in, guint seqnum)
{
  GstEvent *start = gst_event_new_flush_start ();
  GstEvent *stop = gst_event_new_flush_stop (TRUE);
  GstSegment segment;

  if (seqnum) {
    gst_event_set_seqnum (start, seqnum);
    gst_event_set_seqnum (stop, seqnum);
  }
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (in, start);
  gst_harness_push_event (in, stop);
  gst_harness_push_event (in, gst_event_new_segment (&segment));
}

GST_START_TEST (test_a_flush_cancels_and_forgets)
{
  Judge f;

  judge_init (&f, "judge=fake:echo?delay=300", 2, FALSE);
  for (guint k = 0; k < 2; k++)
    judge_text (f.in[k], "old", 0, 2);
  judge_text (f.in[0], "older", 2, 4);
  flush (f.in[0], 0);
  flush (f.in[1], 0);
  judge_expect_event (&f, GST_EVENT_FLUSH_START);
  judge_expect_event (&f, GST_EVENT_FLUSH_STOP);
  judge_expect_event (&f, GST_EVENT_SEGMENT);
  for (guint k = 0; k < 2; k++)
    judge_text (f.in[k], "new", 0, 2);
  judge_eos (&f);
  judge_expect (&f, "[Caption 1]\\nnew\\n\\n[End of Caption 1]\\n\\n[Caption "
                    "2]\\nnew\\n");
  judge_expect (&f, "\"judged\": 1");
  judge_expect_event (&f, GST_EVENT_EOS);
  judge_clear (&f);
}
GST_END_TEST;

/* A seek comes to each candidate as a flush of the same number, one after the
 * other. */
GST_START_TEST (test_one_seek_is_one_flush)
{
  GstEvent *seek = gst_event_new_seek (1.0, GST_FORMAT_TIME,
      GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0);
  const guint seqnum = gst_event_get_seqnum (seek);
  GstEvent *event;
  guint flushes = 0;
  Judge f;

  judge_init (&f, "judge=fake:echo", 2, FALSE);
  gst_harness_push_upstream_event (f.out, seek);
  flush (f.in[0], seqnum);
  judge_text (f.in[0], "new", 0, 2);
  judge_text (f.in[1], "old", 0, 2); /* its flush is still to come */
  flush (f.in[1], seqnum);
  judge_text (f.in[1], "new", 0, 2);
  judge_expect (&f, "2]\\nnew\\n");
  judge_eos (&f);
  judge_expect (&f, "summary");
  while ((event = gst_harness_try_pull_event (f.out))) {
    flushes += GST_EVENT_TYPE (event) == GST_EVENT_FLUSH_START;
    gst_event_unref (event);
  }
  fail_unless_equals_int (flushes, 1);
  judge_clear (&f);
}
GST_END_TEST;

static gpointer
push_many (gpointer data)
{
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint i = 0; i < 20 && flow == GST_FLOW_OK; i++)
    flow = judge_text (data, "x", 2 * i, 2 * i + 2);
  return GINT_TO_POINTER (flow);
}

GST_START_TEST (test_a_flush_frees_a_candidate_that_waits)
{
  GThread *thread;
  Judge f;

  judge_init (&f, "max-pending=1 judge=" NEVER, 1, FALSE);
  thread = g_thread_new ("candidate", push_many, f.in[0]);
  judge_wait_stat (&f, "pending", 1);
  gst_harness_push_event (f.in[0], gst_event_new_flush_start ());
  fail_unless_equals_int (
      GPOINTER_TO_INT (g_thread_join (thread)), GST_FLOW_FLUSHING);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_stopping_frees_a_candidate_that_waits)
{
  GThread *thread;
  Judge f;

  judge_init (&f, "max-pending=1 judge=" NEVER, 1, FALSE);
  thread = g_thread_new ("candidate", push_many, f.in[0]);
  judge_wait_stat (&f, "pending", 1);
  gst_element_set_state (f.judge, GST_STATE_NULL);
  fail_unless_equals_int (
      GPOINTER_TO_INT (g_thread_join (thread)), GST_FLOW_FLUSHING);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_states_storm)
{
  static const GstState states[] = {GST_STATE_PAUSED, GST_STATE_READY,
      GST_STATE_PLAYING, GST_STATE_NULL, GST_STATE_PLAYING};
  GRand *random = g_rand_new_with_seed (7);
  Judge f;

  judge_init (&f, "max-inflight=2 judge=fake:8?delay=2", 2, FALSE);
  for (guint i = 0; i < 60; i++) {
    gst_element_set_state (
        f.judge, states[g_rand_int_range (random, 0, G_N_ELEMENTS (states))]);
    for (guint k = 0; k < 2; k++)
      judge_text (f.in[k], "x", 2 * i, 2 * i + 2);
  }
  g_rand_free (random);
  judge_clear (&f);
}
GST_END_TEST;

/* ---- Judges that fail ---- */

static void
expect_one_error (Judge *f, const char *part)
{
  GstMessage *message =
      gst_bus_timed_pop_filtered (f->bus, JUDGE_SOON, GST_MESSAGE_ERROR);
  g_autoptr (GError) error = NULL;

  fail_unless (message != NULL, "no error came");
  gst_message_parse_error (message, &error, NULL);
  gst_message_unref (message);
  fail_unless (strstr (error->message, part) != NULL,
      "\"%s\" expected in "
      "\"%s\"",
      part, error->message);
  fail_unless_equals_int (judge_count_messages (f, GST_MESSAGE_ERROR), 0);
}

GST_START_TEST (test_a_judge_that_is_not_there_is_one_error)
{
  static const struct {
    const char *properties, *part;
  } cases[] = {{"", "no judge was named"}, {"judge=/nowhere/m", "/nowhere/m"},
      {"judge=openai:http://localhost:1/v1", "names no model"},
      {"judge=\"fake:8?fail=load\"", "fails as asked"},
      {"judge=fake:8 rule=/nowhere/rule.json", "/nowhere/rule.json"},
      {"judge=\"http://localhost:1/\" api-key-file=/nowhere/key",
          "/nowhere/key"}};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Judge f;

    judge_init (&f, cases[i].properties, 1, FALSE);
    expect_one_error (&f, cases[i].part);
    while (judge_text (f.in[0], "a", 0, 2) == GST_FLOW_OK)
      g_usleep (1000);
    judge_eos (&f);
    judge_expect_event (&f, GST_EVENT_EOS);
    judge_clear (&f);
  }
}
GST_END_TEST;

/* Windows go on, each counts -1, and one warning says why. */
static void
expect_skipped (const char *properties, const char *stat)
{
  Judge f;

  judge_init (&f, properties, 2, FALSE);
  for (guint i = 0; i < 5; i++) {
    judge_text (f.in[0], "a", 2 * i, 2 * i + 2);
    judge_text (f.in[1], "b", 2 * i, 2 * i + 2);
    judge_expect (&f, "\"scores\": [-1, -1], \"best\": -1");
  }
  judge_eos (&f);
  judge_expect (&f, "\"mean\": -1");
  fail_unless_equals_uint64 (judge_stat (&f, stat), 5);
  fail_unless_equals_int (judge_count_messages (&f, GST_MESSAGE_WARNING), 1);
  judge_clear (&f);
}

GST_START_TEST (test_failing_judges_and_garbage_are_one_warning)
{
  expect_skipped ("judge=\"fake:8 7?fail=answer\"", "failed");
  expect_skipped ("judge=\"fake:Both are fine.\"", "unscored");
  expect_skipped ("judge=\"fake:8 7 6\"", "unscored");
  expect_skipped ("judge=\"fake:\"", "unscored");
}
GST_END_TEST;

GST_START_TEST (test_best_passes_something_without_scores)
{
  Judge f;

  judge_init (&f, "mode=best judge=\"fake:Both are fine.\"", 2, FALSE);
  judge_text (f.in[1], "b", 0, 2);
  judge_text (f.in[0], "a", 0, 2);
  judge_expect (&f, "a");
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_failing_judge_may_be_an_error)
{
  Judge f;

  judge_init (&f, "error-policy=fail judge=\"fake:8?fail=answer\"", 1, FALSE);
  judge_text (f.in[0], "a", 0, 2);
  expect_one_error (&f, "the window at 0.0 s cannot be judged");
  while (judge_text (f.in[0], "a", 0, 2) == GST_FLOW_OK)
    g_usleep (1000);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_bytes_that_are_no_text_are_read)
{
  Judge f;

  judge_init (&f, "mode=best judge=fake:8", 1, FALSE);
  judge_text (f.in[0], "\xff\xfe ok", 0, 2);
  judge_expect (&f, "\xef\xbf\xbd\xef\xbf\xbd ok");
  judge_clear (&f);
}
GST_END_TEST;

static Suite *
judge_suite (void)
{
  Suite *s = suite_create ("judge-flow");
  TCase *tc = tcase_create ("flow");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_live_waits_no_longer_than_max_wait);
  tcase_add_test (tc, test_live_candidates_never_wait_for_the_judge);
  tcase_add_test (tc, test_live_text_has_the_time_at_which_it_comes);
  tcase_add_test (tc, test_latency_is_that_of_the_candidates);
  tcase_add_test (tc, test_files_lose_nothing);
  tcase_add_test (tc, test_a_silent_candidate_does_not_stop_the_others);
  tcase_add_test (tc, test_one_candidate_ends_before_the_other);
  tcase_add_test (tc, test_an_empty_stream_ends);
  tcase_add_test (tc, test_pads_come_and_go);
  tcase_add_test (tc, test_too_many_pads_are_refused);
  tcase_add_test (tc, test_a_flush_cancels_and_forgets);
  tcase_add_test (tc, test_one_seek_is_one_flush);
  tcase_add_test (tc, test_a_flush_frees_a_candidate_that_waits);
  tcase_add_test (tc, test_stopping_frees_a_candidate_that_waits);
  tcase_add_test (tc, test_states_storm);
  tcase_add_test (tc, test_a_judge_that_is_not_there_is_one_error);
  tcase_add_test (tc, test_failing_judges_and_garbage_are_one_warning);
  tcase_add_test (tc, test_best_passes_something_without_scores);
  tcase_add_test (tc, test_a_failing_judge_may_be_an_error);
  tcase_add_test (tc, test_bytes_that_are_no_text_are_read);
  return s;
}

GST_CHECK_MAIN (judge);
