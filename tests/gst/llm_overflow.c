/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevallm when clips come faster than answers: live sources drop and say so,
 * files wait. By fake models. */
#include "config.h"
#include "gstnevacaptionmeta.h"
#include "llm_fixture.h"

/* ---- More clips than answers ---- */

/* The windows that QoS messages say were dropped, as clip numbers. */
static void
expect_drop (Llm *f, guint64 clip)
{
  GstMessage *message =
      gst_bus_timed_pop_filtered (f->bus, LLM_SOON, GST_MESSAGE_QOS);
  guint64 running_time, stream_time, timestamp, duration;
  gboolean live;

  fail_unless (message != NULL, "clip %u was not dropped", (guint) clip);
  gst_message_parse_qos (
      message, &live, &running_time, &stream_time, &timestamp, &duration);
  fail_unless_equals_int (live, f->live);
  fail_unless_equals_uint64 (timestamp, clip * LLM_CLIP);
  fail_unless_equals_uint64 (running_time, clip * LLM_CLIP);
  fail_unless_equals_uint64 (duration, LLM_CLIP);
  gst_message_unref (message);
}

GST_START_TEST (test_live_video_never_waits_for_the_model)
{
  Llm f;

  llm_init (&f, "model=" LLM_NEVER, LLM_LIVE | LLM_TEXT_PAD);
  llm_play (&f);
  for (guint i = 0; i < 50; i++)
    fail_unless_equals_int (llm_push_clip (&f, i), GST_FLOW_OK);
  fail_unless_equals_int (
      gst_harness_buffers_in_queue (f.h), 50 * LLM_CLIP_FRAMES);
  /* One is asked about, four wait; 45 are gone, each said so. */
  fail_unless (llm_stat (&f, "dropped") >= 45);
  fail_unless_equals_int (
      llm_count_messages (&f, GST_MESSAGE_QOS), llm_stat (&f, "dropped"));
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_live_video_does_not_wait_for_loading_either)
{
  Llm f;

  llm_init (&f, "model=fake:x", LLM_LIVE);
  g_object_set (f.llm, "model", "fake:x?load=1000000", NULL);
  llm_play (&f);
  for (guint i = 0; i < 10; i++)
    fail_unless_equals_int (llm_push_clip (&f, i), GST_FLOW_OK);
  fail_unless_equals_int (
      gst_harness_buffers_in_queue (f.h), 10 * LLM_CLIP_FRAMES);
  fail_unless_equals_uint64 (llm_stat (&f, "dropped"), 6);
  llm_clear (&f);
}
GST_END_TEST;

/* Clip 0 is with the model, so that clips 1 and 2 wait. */
static void
fill_queue (Llm *f)
{
  llm_push_clip (f, 0);
  llm_wait_stat (f, "in-flight", 1);
  llm_push_clip (f, 1);
  llm_push_clip (f, 2);
}

GST_START_TEST (test_drop_oldest_spares_the_clip_that_is_being_answered)
{
  Llm f;

  llm_init (&f, "max-pending=2 model=" LLM_NEVER, LLM_LIVE);
  llm_play (&f);
  fill_queue (&f);
  llm_push_clip (&f, 3);
  expect_drop (&f, 1);
  llm_push_clip (&f, 4);
  expect_drop (&f, 2);
  fail_unless_equals_uint64 (llm_stat (&f, "in-flight"), 1);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_drop_newest_drops_what_came_last)
{
  Llm f;

  llm_init (
      &f, "overflow=drop-newest max-pending=2 model=" LLM_NEVER, LLM_LIVE);
  llm_play (&f);
  fill_queue (&f);
  llm_push_clip (&f, 3);
  expect_drop (&f, 3);
  llm_push_clip (&f, 4);
  expect_drop (&f, 4);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_files_lose_nothing)
{
  Llm f;

  llm_init (&f, "max-pending=1 output=text model=fake:x?delay=5", 0);
  llm_play (&f);
  for (guint i = 0; i < 30; i++)
    fail_unless_equals_int (llm_push_clip (&f, i), GST_FLOW_OK);
  for (guint i = 0; i < 30; i++)
    llm_expect_text (f.h, "x", i * LLM_CLIP, LLM_CLIP);
  for (guint i = 0; i < 30; i++)
    llm_expect_caption (&f, "x", i);
  fail_unless_equals_int (llm_count_messages (&f, GST_MESSAGE_QOS), 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_questions_in_flight_are_answered_in_order)
{
  Llm f;

  llm_init (&f, "max-inflight=8 max-pending=8 model=fake:x?delay=5", 0);
  llm_play (&f);
  for (guint i = 0; i < 16; i++)
    llm_push_clip (&f, i);
  for (guint i = 0; i < 16; i++)
    llm_expect_caption (&f, "x", i);
  llm_clear (&f);
}
GST_END_TEST;

/* ---- Files wait ---- */

GST_START_TEST (test_files_wait_when_the_queue_is_full_until_a_flush)
{
  Llm f;
  LlmPusher p = {.f = &f, .to = 3};
  GThread *thread;

  llm_init (&f, "max-pending=1 model=" LLM_NEVER, 0);
  llm_play (&f);
  thread = g_thread_new ("push", llm_push_main, &p);
  /* The third clip has all its frames, and waits for a place. */
  llm_wait_stat (&f, "pending", 3);
  llm_wait_stat (&f, "clips", 3);
  fail_if (g_atomic_int_get (&p.returned));
  llm_flush (&f);
  g_thread_join (thread);
  fail_unless_equals_uint64 (llm_stat (&f, "pending"), 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_files_wait_until_the_state_changes)
{
  Llm f;
  LlmPusher p = {.f = &f, .to = 3};
  GThread *thread;

  llm_init (&f, "max-pending=1 model=" LLM_NEVER, 0);
  llm_play (&f);
  thread = g_thread_new ("push", llm_push_main, &p);
  llm_wait_stat (&f, "clips", 3);
  gst_element_set_state (f.llm, GST_STATE_NULL);
  g_thread_join (thread);
  llm_clear (&f);
}
GST_END_TEST;

/* ---- Several streams on one model ---- */

/* Room for the answer to one question at a time: the urgent stream's only
 * question does not wait until all of the other's are answered. */
GST_START_TEST (test_an_urgent_stream_goes_first)
{
  static const char model[] = "model=fake:x?delay=100&kv=40 max-inflight=8";
  g_autofree char *urgent = g_strconcat (model, " priority=10", NULL);
  Llm usual, hasty;

  llm_init (&usual, model, 0);
  llm_init (&hasty, urgent, 0);
  llm_play (&usual);
  llm_play (&hasty);
  for (guint i = 0; i < 6; i++)
    fail_unless_equals_int (llm_push_clip (&usual, i), GST_FLOW_OK);
  llm_wait_stat_from (&usual, "in-flight", 6);
  fail_unless_equals_int (llm_push_clip (&hasty, 0), GST_FLOW_OK);
  llm_expect_caption (&hasty, "x", 0);
  fail_unless (llm_stat (&usual, "captions") < 6, "the urgent one came last");
  for (guint i = 0; i < 6; i++)
    llm_expect_caption (&usual, "x", i);
  llm_clear (&usual);
  llm_clear (&hasty);
}
GST_END_TEST;

static Suite *
llm_overflow_suite (void)
{
  Suite *s = suite_create ("llm_overflow");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_live_video_never_waits_for_the_model);
  tcase_add_test (tc, test_live_video_does_not_wait_for_loading_either);
  tcase_add_test (tc, test_drop_oldest_spares_the_clip_that_is_being_answered);
  tcase_add_test (tc, test_drop_newest_drops_what_came_last);
  tcase_add_test (tc, test_files_lose_nothing);
  tcase_add_test (tc, test_questions_in_flight_are_answered_in_order);
  tcase_add_test (tc, test_files_wait_when_the_queue_is_full_until_a_flush);
  tcase_add_test (tc, test_files_wait_until_the_state_changes);
  tcase_add_test (tc, test_an_urgent_stream_goes_first);
  return s;
}

GST_CHECK_MAIN (llm_overflow);
