/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How nevallm keeps a stream going: live and not, full queues, EOS, flushes,
 * segments, pads that come and go, states. By fake models. */
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

/* ---- Another thread pushes, and may wait ---- */

typedef struct {
  Llm *f;
  guint64 from, to;
  GstEvent *event;
  gint returned; /* atomic */
  GstFlowReturn flow;
} Pusher;

static gpointer
push_main (gpointer data)
{
  Pusher *p = data;

  for (guint64 i = p->from; i < p->to && p->flow == GST_FLOW_OK; i++)
    p->flow = llm_push_clip (p->f, i);
  if (p->event)
    gst_harness_push_event (p->f->h, p->event);
  g_atomic_int_set (&p->returned, TRUE);
  return NULL;
}

static void
flush (Llm *f)
{
  gst_harness_push_event (f->h, gst_event_new_flush_start ());
  gst_harness_push_event (f->h, gst_event_new_flush_stop (TRUE));
}

static void
new_segment (Llm *f, GstClockTime start, GstClockTime base)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = start;
  segment.base = base;
  gst_harness_push_event (f->h, gst_event_new_segment (&segment));
}

GST_START_TEST (test_files_wait_when_the_queue_is_full_until_a_flush)
{
  Llm f;
  Pusher p = {.f = &f, .to = 3};
  GThread *thread;

  llm_init (&f, "max-pending=1 model=" LLM_NEVER, 0);
  llm_play (&f);
  thread = g_thread_new ("push", push_main, &p);
  /* The third clip has all its frames, and waits for a place. */
  llm_wait_stat (&f, "pending", 3);
  llm_wait_stat (&f, "clips", 3);
  fail_if (g_atomic_int_get (&p.returned));
  flush (&f);
  g_thread_join (thread);
  fail_unless_equals_uint64 (llm_stat (&f, "pending"), 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_files_wait_until_the_state_changes)
{
  Llm f;
  Pusher p = {.f = &f, .to = 3};
  GThread *thread;

  llm_init (&f, "max-pending=1 model=" LLM_NEVER, 0);
  llm_play (&f);
  thread = g_thread_new ("push", push_main, &p);
  llm_wait_stat (&f, "clips", 3);
  gst_element_set_state (f.llm, GST_STATE_NULL);
  g_thread_join (thread);
  llm_clear (&f);
}
GST_END_TEST;

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
    Pusher p = {.f = &f, .event = gst_event_new_eos ()};
    GThread *thread;

    llm_init (&f, "model=" LLM_NEVER, 0);
    llm_play (&f);
    llm_push_clip (&f, 0);
    thread = g_thread_new ("push", push_main, &p);
    if (i > 0)
      llm_wait_stat (&f, "in-flight", 1);
    flush (&f);
    g_thread_join (thread);
    llm_clear (&f);
  }
}
GST_END_TEST;

GST_START_TEST (test_waiting_eos_is_interrupted_by_the_state)
{
  Llm f;
  Pusher p = {.f = &f, .event = gst_event_new_eos ()};
  GThread *thread;

  llm_init (&f, "model=" LLM_NEVER, 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  thread = g_thread_new ("push", push_main, &p);
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
  flush (&f);
  new_segment (&f, 5 * LLM_CLIP, 0);
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
  flush (&f);
  new_segment (&f, 0, 0);
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
  flush (&f);
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
  new_segment (&f, 100 * GST_SECOND, LLM_CLIP);
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
    Pusher p = {.f = &f, .from = 4 * i, .to = 4 * i + 4};
    const guint64 clips = llm_stat (&f, "clips");
    GThread *thread = g_thread_new ("push", push_main, &p);

    llm_wait_stat_from (&f, "clips", clips + i % 3);
    gst_harness_push_event (f.h, gst_event_new_flush_start ());
    g_thread_join (thread);
    gst_harness_push_event (f.h, gst_event_new_flush_stop (TRUE));
    new_segment (&f, 0, 0);
  }
  llm_count_messages (&f, GST_MESSAGE_ELEMENT);
  llm_push_clip (&f, 1000);
  llm_expect_caption (&f, "x", 1000);
  llm_clear (&f);
}
GST_END_TEST;

static Suite *
llm_flow_suite (void)
{
  Suite *s = suite_create ("llm_flow");
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

GST_CHECK_MAIN (llm_flow);
