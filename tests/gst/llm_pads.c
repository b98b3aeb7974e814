/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pads of nevallm that come, go and return errors, its latency, and its states.
 * By fake models. */
#include "config.h"
#include "gstnevacaptionmeta.h"
#include "llm_fixture.h"

/* ---- Pads ---- */

GST_START_TEST (test_an_unlinked_text_pad_does_not_stop_the_video)
{
  GstPad *pad;
  Llm f;

  llm_init (&f, "model=fake:x", 0);
  pad = gst_element_request_pad_simple (f.llm, "text");
  llm_play (&f);
  for (guint i = 0; i < 5; i++) {
    fail_unless_equals_int (llm_push_clip (&f, i), GST_FLOW_OK);
    llm_expect_caption (&f, "x", i);
  }
  gst_element_release_request_pad (f.llm, pad);
  gst_object_unref (pad);
  llm_push_clip (&f, 5);
  llm_expect_caption (&f, "x", 5);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_the_text_pad_may_be_unlinked_and_linked_again)
{
  GstPad *text, *peer;
  GstBuffer *buffer;
  Llm f;

  llm_init (&f, "model=fake:x", LLM_TEXT_PAD);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_text (f.text, "x", 0, LLM_CLIP);
  text = gst_element_get_static_pad (f.llm, "text");
  peer = gst_pad_get_peer (text);
  gst_pad_unlink (text, peer);
  fail_unless_equals_int (llm_push_clip (&f, 1), GST_FLOW_OK);
  llm_expect_caption (&f, "x", 0);
  llm_expect_caption (&f, "x", 1);
  fail_unless_equals_int (llm_push_clip (&f, 2), GST_FLOW_OK);
  llm_expect_caption (&f, "x", 2);
  fail_unless_equals_int (gst_pad_link (text, peer), GST_PAD_LINK_OK);
  fail_unless_equals_int (llm_push_clip (&f, 3), GST_FLOW_OK);
  llm_expect_caption (&f, "x", 3);
  /* The pad's task may not have come to lose the texts of clips 1 and 2. */
  buffer = llm_pull (f.text);
  while (GST_BUFFER_PTS (buffer) < 3 * LLM_CLIP) {
    gst_buffer_unref (buffer);
    buffer = llm_pull (f.text);
  }
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), 3 * LLM_CLIP);
  gst_buffer_unref (buffer);
  gst_object_unref (text);
  gst_object_unref (peer);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_text_pad_may_join_and_leave_a_running_stream)
{
  GstHarness *text;
  Llm f;

  llm_init (&f, "model=fake:x", 0);
  llm_play (&f);
  for (guint i = 0; i < 3; i++) {
    llm_push_clip (&f, 2 * i);
    llm_expect_caption (&f, "x", 2 * i);
    text = gst_harness_new_with_element (f.llm, NULL, "text");
    llm_push_clip (&f, 2 * i + 1);
    gst_event_unref (llm_wait_event (text, GST_EVENT_SEGMENT));
    llm_expect_text (text, "x", (2 * i + 1) * LLM_CLIP, LLM_CLIP);
    llm_expect_caption (&f, "x", 2 * i + 1);
    gst_harness_teardown (text);
  }
  llm_clear (&f);
}
GST_END_TEST;

static GstFlowReturn text_flow; /* what the text pad's peer returns */

static GstFlowReturn
chain_text (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  gst_buffer_unref (buffer);
  return text_flow;
}

/* What pushing video returns at last when text meets `flow`. */
static GstFlowReturn
push_until_text_returns (GstFlowReturn flow)
{
  GstFlowReturn ret = GST_FLOW_OK;
  GstPad *text, *peer = gst_pad_new ("sink", GST_PAD_SINK);
  Llm f;

  text_flow = flow;
  gst_pad_set_chain_function (peer, chain_text);
  gst_pad_set_active (peer, TRUE);
  llm_init (&f, "model=fake:x", 0);
  text = gst_element_request_pad_simple (f.llm, "text");
  fail_unless_equals_int (gst_pad_link (text, peer), GST_PAD_LINK_OK);
  llm_play (&f);
  /* An error comes when the text's thread has had its turn; that none comes is
   * believed after a while. */
  for (guint i = 0; ret == GST_FLOW_OK && (i < 20 || flow == GST_FLOW_ERROR);
       i++) {
    ret = llm_push_clip (&f, i);
    if (ret == GST_FLOW_OK)
      llm_expect_caption (&f, "x", i);
  }
  gst_element_set_state (f.llm, GST_STATE_NULL);
  gst_pad_unlink (text, peer);
  gst_element_release_request_pad (f.llm, text);
  gst_object_unref (text);
  gst_object_unref (peer);
  llm_clear (&f);
  return ret;
}

GST_START_TEST (test_text_that_ends_or_flushes_does_not_stop_the_video)
{
  fail_unless_equals_int (push_until_text_returns (GST_FLOW_EOS), GST_FLOW_OK);
  fail_unless_equals_int (
      push_until_text_returns (GST_FLOW_FLUSHING), GST_FLOW_OK);
  fail_unless_equals_int (
      push_until_text_returns (GST_FLOW_NOT_LINKED), GST_FLOW_OK);
}
GST_END_TEST;

GST_START_TEST (test_an_error_of_the_text_branch_stops_the_video)
{
  fail_unless_equals_int (
      push_until_text_returns (GST_FLOW_ERROR), GST_FLOW_ERROR);
}
GST_END_TEST;

/* ---- Queries ---- */

GST_START_TEST (test_latency_is_upstreams_when_late_and_more_when_aligned)
{
  Llm f;

  llm_init (&f, "model=fake:x", LLM_LIVE);
  gst_harness_set_upstream_latency (f.h, 20 * GST_MSECOND);
  llm_play (&f);
  fail_unless_equals_uint64 (gst_harness_query_latency (f.h), 20 * GST_MSECOND);
  gst_element_set_state (f.llm, GST_STATE_NULL);
  g_object_set (f.llm, "timing", 1 /* aligned */, "max-delay",
      (guint64) 3 * GST_SECOND, NULL);
  llm_play (&f);
  fail_unless_equals_uint64 (
      gst_harness_query_latency (f.h), 3020 * GST_MSECOND);
  llm_count_messages (&f, GST_MESSAGE_LATENCY);
  g_object_set (f.llm, "max-delay", (guint64) 2 * GST_SECOND, NULL);
  fail_unless_equals_int (llm_count_messages (&f, GST_MESSAGE_LATENCY), 1);
  fail_unless_equals_uint64 (
      gst_harness_query_latency (f.h), 2020 * GST_MSECOND);
  llm_clear (&f);
}
GST_END_TEST;

/* ---- States ---- */

GST_START_TEST (test_a_stopped_element_starts_afresh)
{
  Llm f;

  llm_init (&f, "output=text model=fake:x", LLM_TEXT_PAD);
  for (guint i = 0; i < 5; i++) {
    llm_play (&f);
    llm_push_clip (&f, 0);
    llm_expect_text (f.h, "x", 0, LLM_CLIP);
    llm_expect_text (f.text, "x", 0, LLM_CLIP);
    llm_expect_caption (&f, "x", 0);
    fail_unless_equals_uint64 (llm_stat (&f, "captions"), 1);
    gst_element_set_state (f.llm, i % 2 ? GST_STATE_NULL : GST_STATE_READY);
  }
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_state_storms_leave_no_thread_behind)
{
  static const char *const timing[] = {"late", "aligned"};
  GRand *rand = g_rand_new_with_seed (1);

  for (guint round = 0; round < 40; round++) {
    g_autofree char *line = g_strdup_printf ("timing=%s model=fake:x?delay=%d",
        timing[round % 2], g_rand_int_range (rand, 0, 20));
    Llm f;

    llm_init (&f, line, (round & 2 ? LLM_LIVE : 0) | LLM_TEXT_PAD);
    for (guint i = 0; i < 3; i++) {
      llm_play (&f);
      for (gint n = g_rand_int_range (rand, 0, 4); n > 0; n--)
        llm_push_clip (&f, (guint) (4 - n));
      if (g_rand_boolean (rand))
        gst_element_set_state (f.llm, GST_STATE_PAUSED);
      gst_element_set_state (
          f.llm, g_rand_boolean (rand) ? GST_STATE_READY : GST_STATE_NULL);
    }
    llm_clear (&f);
  }
  g_rand_free (rand);
}
GST_END_TEST;

GST_START_TEST (test_flush_storms_end_with_the_right_caption)
{
  Llm f;

  llm_init (&f, "model=fake:x?delay=2", LLM_TEXT_PAD);
  llm_play (&f);
  for (guint i = 0; i < 100; i++) {
    LlmPusher p = {.f = &f, .from = 4 * i, .to = 4 * i + 4};
    const guint64 clips = llm_stat (&f, "clips");
    GThread *thread = g_thread_new ("push", llm_push_main, &p);

    llm_wait_stat_from (&f, "clips", clips + i % 3);
    gst_harness_push_event (f.h, gst_event_new_flush_start ());
    g_thread_join (thread);
    gst_harness_push_event (f.h, gst_event_new_flush_stop (TRUE));
    llm_new_segment (&f, 0, 0);
  }
  llm_count_messages (&f, GST_MESSAGE_ELEMENT);
  llm_push_clip (&f, 1000);
  llm_expect_caption (&f, "x", 1000);
  llm_clear (&f);
}
GST_END_TEST;

static Suite *
llm_pads_suite (void)
{
  Suite *s = suite_create ("llm_pads");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_an_unlinked_text_pad_does_not_stop_the_video);
  tcase_add_test (tc, test_the_text_pad_may_be_unlinked_and_linked_again);
  tcase_add_test (tc, test_a_text_pad_may_join_and_leave_a_running_stream);
  tcase_add_test (tc, test_text_that_ends_or_flushes_does_not_stop_the_video);
  tcase_add_test (tc, test_an_error_of_the_text_branch_stops_the_video);
  tcase_add_test (
      tc, test_latency_is_upstreams_when_late_and_more_when_aligned);
  tcase_add_test (tc, test_a_stopped_element_starts_afresh);
  tcase_add_test (tc, test_state_storms_leave_no_thread_behind);
  tcase_add_test (tc, test_flush_storms_end_with_the_right_caption);
  return s;
}

GST_CHECK_MAIN (llm_pads);
