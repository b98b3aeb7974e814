/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nevallm makes of events: EOS, flushes, segments, caps, seeks, and clips
 * whose events are lost. By fake models. */
#include "config.h"
#include "gstnevacaptionmeta.h"
#include "llm_fixture.h"

/* ---- EOS ---- */

GST_START_TEST (test_eos_follows_the_last_answer)
{
  Llm f;

  llm_init (&f, "output=text model=fake:x?delay=50", LLM_TEXT_PAD);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_push_clip (&f, 1);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_EOS));
  gst_event_unref (llm_wait_event (f.text, GST_EVENT_EOS));
  fail_unless_equals_int (gst_harness_buffers_in_queue (f.h), 2);
  fail_unless_equals_int (gst_harness_buffers_in_queue (f.text), 2);
  llm_expect_caption (&f, "x", 0);
  llm_expect_caption (&f, "x", 1);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_eos_waits_on_live_sources_too)
{
  Llm f;

  llm_init (&f, "model=fake:x?delay=50", LLM_LIVE | LLM_TEXT_PAD);
  llm_play (&f);
  llm_push_clip (&f, 0);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_EOS));
  gst_event_unref (llm_wait_event (f.text, GST_EVENT_EOS));
  fail_unless_equals_int (gst_harness_buffers_in_queue (f.text), 1);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_eos_waits_for_no_clip_that_cannot_be_finished)
{
  Llm f;

  llm_init (&f, "model=fake:x", 0);
  llm_play (&f);
  llm_push_frames (&f, 0);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_EOS));
  fail_unless_equals_uint64 (llm_stat (&f, "skipped"), 1);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_waiting_eos_is_interrupted_by_a_flush)
{
  for (guint i = 0; i < 5; i++) {
    Llm f;
    LlmPusher p = {.f = &f, .event = gst_event_new_eos ()};
    GThread *thread;

    llm_init (&f, "model=" LLM_NEVER, 0);
    llm_play (&f);
    llm_push_clip (&f, 0);
    thread = g_thread_new ("push", llm_push_main, &p);
    if (i > 0)
      llm_wait_stat (&f, "in-flight", 1);
    llm_flush (&f);
    g_thread_join (thread);
    llm_clear (&f);
  }
}
GST_END_TEST;

GST_START_TEST (test_waiting_eos_is_interrupted_by_the_state)
{
  Llm f;
  LlmPusher p = {.f = &f, .event = gst_event_new_eos ()};
  GThread *thread;

  llm_init (&f, "model=" LLM_NEVER, 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  thread = g_thread_new ("push", llm_push_main, &p);
  llm_wait_stat (&f, "in-flight", 1);
  gst_element_set_state (f.llm, GST_STATE_NULL);
  g_thread_join (thread);
  llm_clear (&f);
}
GST_END_TEST;

/* ---- Flushes, segments, caps ---- */

GST_START_TEST (test_nothing_of_the_time_before_a_flush_comes_after_it)
{
  Llm f;

  llm_init (&f, "output=text model=fake:x?delay=200", LLM_TEXT_PAD);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_push_clip (&f, 1);
  llm_wait_stat (&f, "in-flight", 1);
  llm_flush (&f);
  llm_new_segment (&f, 5 * LLM_CLIP, 0);
  /* As nevaframesampler counts: windows by running time, clips go on. */
  for (guint k = 0; k < 2; k++) {
    GstBuffer *buffer = llm_frame (&f, 5 * LLM_CLIP + k * LLM_FRAME);

    llm_mark (buffer, 2, k, 2, 0, LLM_CLIP);
    gst_harness_push (f.h, buffer);
  }
  gst_harness_push_event (f.h, llm_clip_event (2, 2, 2, TRUE, 0, LLM_CLIP));
  llm_expect_text (f.h, "x", 5 * LLM_CLIP, LLM_CLIP);
  llm_expect_text (f.text, "x", 5 * LLM_CLIP, LLM_CLIP);
  llm_expect_caption (&f, "x", 2);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_EOS));
  fail_unless_equals_int (gst_harness_buffers_in_queue (f.h), 0);
  fail_unless_equals_int (llm_count_messages (&f, GST_MESSAGE_ELEMENT), 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_frames_after_a_flush_do_not_carry_the_old_caption)
{
  GstBuffer *buffer;
  Llm f;

  llm_init (&f, "model=fake:old", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_caption (&f, "old", 0);
  while ((buffer = gst_harness_try_pull (f.h)))
    gst_buffer_unref (buffer);
  llm_flush (&f);
  llm_new_segment (&f, 0, 0);
  gst_harness_push (f.h, llm_frame (&f, 0));
  buffer = llm_pull (f.h);
  fail_unless (llm_caption_of (buffer) == NULL);
  gst_buffer_unref (buffer);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_flush_cancels_the_question)
{
  Llm f;

  llm_init (&f, "model=fake:cancelled?delay=1000000", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  /* Of the model, that no other test shares. */
  llm_wait_stat (&f, "running", 1);
  llm_flush (&f);
  llm_wait_stat (&f, "running", 0);
  fail_unless_equals_uint64 (llm_stat (&f, "cancelled"), 1);
  llm_clear (&f);
}
GST_END_TEST;

/* As in files with edit lists: pictures begin at 10 s, the stream at 1 s. */
GST_START_TEST (test_text_has_stream_time)
{
  GstSegment segment;
  Llm f;

  llm_init (&f, "output=text model=fake:x", 0);
  llm_play (&f);
  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = 10 * GST_SECOND;
  segment.stop = 20 * GST_SECOND;
  segment.time = GST_SECOND;
  gst_harness_push_event (f.h, gst_event_new_segment (&segment));
  for (guint k = 0; k < 2; k++) {
    GstBuffer *buffer = llm_frame (&f, 10 * GST_SECOND + k * LLM_FRAME);

    llm_mark (buffer, 0, k, 2, 0, LLM_CLIP);
    gst_harness_push (f.h, buffer);
  }
  llm_push_clip_event (&f, 0);
  llm_expect_text (f.h, "x", GST_SECOND, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_answers_leave_before_the_next_segment)
{
  GstEvent *event;
  const GstSegment *segment;
  Llm f;

  llm_init (&f, "output=text model=fake:x?delay=50", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_new_segment (&f, 100 * GST_SECOND, LLM_CLIP);
  event = llm_wait_event (f.h, GST_EVENT_SEGMENT); /* the first */
  gst_event_unref (event);
  event = llm_wait_event (f.h, GST_EVENT_SEGMENT);
  gst_event_parse_segment (event, &segment);
  fail_unless_equals_uint64 (segment->start, 100 * GST_SECOND);
  gst_event_unref (event);
  fail_unless_equals_int (gst_harness_buffers_in_queue (f.h), 1);
  llm_expect_text (f.h, "x", 0, LLM_CLIP);
  for (guint k = 0; k < 2; k++) {
    GstBuffer *buffer = llm_frame (&f, 100 * GST_SECOND + k * LLM_FRAME);

    llm_mark (buffer, 1, k, 2, LLM_CLIP, 2 * LLM_CLIP);
    gst_harness_push (f.h, buffer);
  }
  gst_harness_push_event (
      f.h, llm_clip_event (1, 2, 2, TRUE, LLM_CLIP, 2 * LLM_CLIP));
  llm_expect_text (f.h, "x", 100 * GST_SECOND, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_caps_may_change)
{
  GstBuffer *buffer;
  GstEvent *event;
  GstCaps *caps;
  Llm f;

  llm_init (&f, "model=fake:echo", LLM_TEXT_PAD);
  llm_play (&f);
  llm_push_clip (&f, 0);
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_CAPS));
  gst_harness_set_src_caps_str (
      f.h, "video/x-raw,format=GRAY8,width=8,height=8,framerate=10/1");
  event = llm_wait_event (f.h, GST_EVENT_CAPS);
  gst_event_parse_caps (event, &caps);
  fail_unless_equals_string (
      gst_structure_get_string (gst_caps_get_structure (caps, 0), "format"),
      "GRAY8");
  gst_event_unref (event);
  buffer = gst_buffer_new_and_alloc (64);
  GST_BUFFER_PTS (buffer) = LLM_CLIP;
  llm_mark (buffer, 1, 0, 1, LLM_CLIP, 2 * LLM_CLIP);
  gst_harness_push (f.h, buffer);
  gst_harness_push_event (
      f.h, llm_clip_event (1, 1, 1, TRUE, LLM_CLIP, 2 * LLM_CLIP));
  gst_message_unref (llm_wait_message (&f));
  gst_message_unref (llm_wait_message (&f));
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_seek_from_both_pads_goes_up_once)
{
  GstEvent *seek = gst_event_new_seek (1.0, GST_FORMAT_TIME,
      GST_SEEK_FLAG_FLUSH, GST_SEEK_TYPE_SET, 0, GST_SEEK_TYPE_NONE, 0);
  GstPad *src, *text;
  guint n = 0;
  GstEvent *event;
  Llm f;

  llm_init (&f, "model=fake:x", LLM_TEXT_PAD);
  llm_play (&f);
  src = gst_element_get_static_pad (f.llm, "src");
  text = gst_element_get_static_pad (f.llm, "text");
  fail_unless (gst_pad_send_event (src, gst_event_ref (seek)));
  fail_unless (gst_pad_send_event (text, seek));
  while ((event = gst_harness_try_pull_upstream_event (f.h))) {
    n += GST_EVENT_TYPE (event) == GST_EVENT_SEEK;
    gst_event_unref (event);
  }
  fail_unless_equals_int (n, 1);
  gst_object_unref (src);
  gst_object_unref (text);
  llm_clear (&f);
}
GST_END_TEST;

/* ---- Clips that are broken ---- */

GST_START_TEST (test_a_clip_that_upstream_gave_up_is_not_asked_about)
{
  Llm f;

  llm_init (&f, "model=fake:x", 0);
  llm_play (&f);
  llm_push_frames (&f, 0);
  gst_harness_push_event (f.h,
      llm_clip_event (0, LLM_CLIP_FRAMES, LLM_CLIP_FRAMES, FALSE, 0, LLM_CLIP));
  llm_push_clip (&f, 1);
  llm_expect_caption (&f, "x", 1);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_lost_clip_event_does_not_hold_up_the_next_clip)
{
  Llm f;

  llm_init (&f, "model=fake:x", LLM_LIVE);
  llm_play (&f);
  llm_push_frames (&f, 0);
  llm_push_clip (&f, 1);
  llm_expect_caption (&f, "x", 1);
  fail_unless_equals_uint64 (llm_stat (&f, "pending"), 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_clip_event_without_frames_is_ignored)
{
  Llm f;

  llm_init (&f, "model=fake:x", 0);
  llm_play (&f);
  gst_harness_push_event (f.h, llm_clip_event (0, 0, 8, TRUE, 0, LLM_CLIP));
  llm_push_clip (&f, 1);
  llm_expect_caption (&f, "x", 1);
  llm_clear (&f);
}
GST_END_TEST;

static Suite *
llm_flow_suite (void)
{
  Suite *s = suite_create ("llm_flow");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_eos_follows_the_last_answer);
  tcase_add_test (tc, test_eos_waits_on_live_sources_too);
  tcase_add_test (tc, test_eos_waits_for_no_clip_that_cannot_be_finished);
  tcase_add_test (tc, test_waiting_eos_is_interrupted_by_a_flush);
  tcase_add_test (tc, test_waiting_eos_is_interrupted_by_the_state);
  tcase_add_test (tc, test_nothing_of_the_time_before_a_flush_comes_after_it);
  tcase_add_test (tc, test_frames_after_a_flush_do_not_carry_the_old_caption);
  tcase_add_test (tc, test_flush_cancels_the_question);
  tcase_add_test (tc, test_text_has_stream_time);
  tcase_add_test (tc, test_answers_leave_before_the_next_segment);
  tcase_add_test (tc, test_caps_may_change);
  tcase_add_test (tc, test_a_seek_from_both_pads_goes_up_once);
  tcase_add_test (tc, test_a_clip_that_upstream_gave_up_is_not_asked_about);
  tcase_add_test (tc, test_a_lost_clip_event_does_not_hold_up_the_next_clip);
  tcase_add_test (tc, test_a_clip_event_without_frames_is_ignored);
  return s;
}

GST_CHECK_MAIN (llm_flow);
