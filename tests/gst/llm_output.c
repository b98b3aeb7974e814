/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where and when nevallm says something: text, metas, messages. By fake models,
 * with clips marked by hand. */
#include "config.h"
#include "gstnevacaptionmeta.h"
#include "llm_fixture.h"

/* ---- Text ---- */

GST_START_TEST (test_text_has_the_time_of_its_window)
{
  Llm f;

  llm_init (&f, "output=text model=\"fake:a red car\"", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_push_clip (&f, 1);
  llm_expect_text (f.h, "a red car", 0, LLM_CLIP);
  llm_expect_text (f.h, "a red car", LLM_CLIP, LLM_CLIP);
  llm_expect_caption (&f, "a red car", 0);
  llm_expect_caption (&f, "a red car", 1);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_text_of_a_live_source_has_the_time_of_its_window)
{
  Llm f;

  llm_init (&f, "output=text model=\"fake:a red car\"", LLM_LIVE);
  llm_play (&f);
  llm_push_clip (&f, 2);
  llm_expect_text (f.h, "a red car", 2 * LLM_CLIP, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

static void
check_stream_start (GstHarness *h, GstElement *llm)
{
  GstEvent *event = gst_harness_pull_event (h);
  GstPad *sink = gst_element_get_static_pad (llm, "sink");
  g_autofree char *video_id = gst_pad_get_stream_id (sink);
  const char *id;
  GstStreamFlags flags;

  fail_unless_equals_int (GST_EVENT_TYPE (event), GST_EVENT_STREAM_START);
  gst_event_parse_stream_start (event, &id);
  gst_event_parse_stream_flags (event, &flags);
  fail_unless (flags & GST_STREAM_FLAG_SPARSE);
  fail_unless (g_str_has_prefix (id, video_id) && !g_str_equal (id, video_id));
  gst_event_unref (event);
  gst_object_unref (sink);
}

static void
check_text_stream_begins (GstHarness *h, GstElement *llm)
{
  GstEvent *event;
  GstCaps *caps;

  check_stream_start (h, llm);
  event = gst_harness_pull_event (h);
  fail_unless_equals_int (GST_EVENT_TYPE (event), GST_EVENT_CAPS);
  gst_event_parse_caps (event, &caps);
  gst_check_caps_equal (
      caps, gst_static_caps_get (
                &(GstStaticCaps) GST_STATIC_CAPS ("text/x-raw,format=utf8")));
  gst_event_unref (event);
  event = gst_harness_pull_event (h);
  fail_unless_equals_int (GST_EVENT_TYPE (event), GST_EVENT_SEGMENT);
  gst_event_unref (event);
}

GST_START_TEST (test_text_pads_begin_as_sparse_streams)
{
  Llm f;

  llm_init (&f, "output=text model=fake:x", LLM_TEXT_PAD);
  llm_play (&f);
  check_text_stream_begins (f.h, f.llm);
  check_text_stream_begins (f.text, f.llm);
  llm_clear (&f);
}
GST_END_TEST;

/* Reads gaps up to `end`, without holes, from `start`. */
static void
expect_gaps (GstHarness *h, GstClockTime start, GstClockTime end)
{
  while (start < end) {
    GstEvent *event = llm_wait_event (h, GST_EVENT_GAP);
    GstClockTime pts, duration;

    gst_event_parse_gap (event, &pts, &duration);
    fail_unless_equals_uint64 (pts, start);
    start = pts + duration;
    gst_event_unref (event);
  }
  fail_unless_equals_uint64 (start, end);
}

GST_START_TEST (test_gaps_follow_the_video)
{
  Llm f;

  llm_init (&f, "model=" LLM_NEVER, LLM_LIVE | LLM_TEXT_PAD);
  llm_play (&f);
  for (guint i = 0; i < 10; i++)
    fail_unless_equals_int (
        gst_harness_push (f.h, llm_frame (&f, i * LLM_FRAME)), GST_FLOW_OK);
  expect_gaps (f.text, 0, 10 * LLM_FRAME);
  gst_harness_push_event (
      f.h, gst_event_new_gap (10 * LLM_FRAME, 5 * LLM_FRAME));
  expect_gaps (f.text, 10 * LLM_FRAME, 15 * LLM_FRAME);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_gap_after_text_leads_back_to_the_video)
{
  GstClockTime pts, duration;
  GstEvent *event;
  Llm f;

  llm_init (&f, "model=\"fake:late?delay=20\"", LLM_TEXT_PAD);
  llm_play (&f);
  llm_push_clip (&f, 0);
  expect_gaps (f.text, 0, LLM_CLIP);
  llm_expect_text (f.text, "late", 0, LLM_CLIP);
  event = llm_wait_event (f.text, GST_EVENT_GAP);
  gst_event_parse_gap (event, &pts, &duration);
  fail_unless_equals_uint64 (pts + duration, LLM_CLIP);
  gst_event_unref (event);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_late_text_beside_live_video_is_shown_on_arrival)
{
  Llm f;
  GstBuffer *buffer;
  const GstStructure *s;
  guint64 start;

  llm_init (&f, "model=\"fake:late?delay=20\"", LLM_LIVE | LLM_TEXT_PAD);
  llm_play (&f);
  llm_push_clip (&f, 0);
  buffer = llm_pull (f.text);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), LLM_CLIP);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), LLM_CLIP);
  s = gst_buffer_get_neva_caption (buffer);
  fail_unless (gst_structure_get_uint64 (s, "start", &start) && start == 0);
  gst_buffer_unref (buffer);
  g_object_set (f.llm, "text-time", 1 /* window */, NULL);
  llm_push_clip (&f, 1);
  llm_expect_text (f.text, "late", LLM_CLIP, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_markup_is_escaped_where_it_is_negotiated)
{
  Llm f;

  llm_init (&f, "output=text model=\"fake:<b> & c\"", 0);
  gst_harness_set_sink_caps_str (f.h, "text/x-raw,format=pango-markup");
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_text (f.h, "&lt;b&gt; &amp; c", 0, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_src_carries_text_where_only_text_is_taken)
{
  Llm f;

  llm_init (&f, "model=\"fake:a --> b\"", 0);
  gst_harness_set_sink_caps_str (f.h, "text/x-raw");
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_text (f.h, "a -> b", 0, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_lines_wrap_on_request)
{
  Llm f;

  llm_init (&f, "output=text wrap-columns=6 model=\"fake:a red car\"", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_text (f.h, "a red\ncar", 0, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_an_empty_answer_is_a_message_and_no_text)
{
  Llm f;

  llm_init (&f, "output=text model=fake:", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_caption (&f, "", 0);
  fail_unless_equals_int (gst_harness_buffers_in_queue (f.h), 0);
  llm_clear (&f);
}
GST_END_TEST;

/* ---- Video ---- */

GST_START_TEST (test_video_passes_unchanged_until_there_is_a_caption)
{
  GstBuffer *in, *out;
  Llm f;

  llm_init (&f, "model=" LLM_NEVER, LLM_LIVE);
  llm_play (&f);
  in = llm_frame (&f, 0);
  gst_buffer_ref (in);
  gst_harness_push (f.h, in);
  out = llm_pull (f.h);
  fail_unless (in == out);
  gst_buffer_unref (in);
  gst_buffer_unref (out);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_frames_carry_the_caption_once_it_is_there)
{
  GstBuffer *out;
  Llm f;

  llm_init (&f, "model=\"fake:a red car\"", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_caption (&f, "a red car", 0);
  gst_harness_push (f.h, llm_frame (&f, LLM_CLIP));
  gst_harness_push (f.h, llm_frame (&f, LLM_CLIP + LLM_FRAME));
  for (guint i = 0; i < LLM_CLIP_FRAMES; i++) {
    out = llm_pull (f.h);
    gst_buffer_unref (out);
  }
  for (guint i = 0; i < 2; i++) {
    out = llm_pull (f.h);
    fail_unless_equals_string (llm_caption_of (out), "a red car");
    gst_buffer_unref (out);
  }
  llm_clear (&f);
}
GST_END_TEST;

/* ---- Messages ---- */

GST_START_TEST (test_message_tells_all)
{
  static const char *const uints[] = {"prompt-tokens", "reused-tokens"};
  GstMessage *message;
  const GstStructure *s;
  const GValue *times;
  guint64 start, end;
  double logprob;
  guint tokens;
  gboolean final;
  Llm f;

  llm_init (&f, "model=\"fake:a red car\" prompt=What?", 0);
  llm_play (&f);
  llm_push_clip (&f, 3);
  message = llm_wait_message (&f);
  s = gst_message_get_structure (message);
  fail_unless_equals_string (gst_structure_get_string (s, "prompt"), "What?");
  fail_unless_equals_string (gst_structure_get_string (s, "finish"), "stop");
  fail_unless (
      g_str_has_prefix (gst_structure_get_string (s, "model"), "fake:"));
  fail_unless (gst_structure_get_boolean (s, "final", &final) && final);
  fail_unless (gst_structure_get_uint64 (s, "start", &start));
  fail_unless (gst_structure_get_uint64 (s, "end", &end));
  fail_unless_equals_uint64 (start, 3 * LLM_CLIP);
  fail_unless_equals_uint64 (end, 4 * LLM_CLIP);
  fail_unless (gst_structure_get_uint (s, "tokens", &tokens) && tokens > 0);
  fail_unless (gst_structure_get_double (s, "mean-logprob", &logprob));
  fail_unless (logprob < 0);
  for (guint i = 0; i < G_N_ELEMENTS (uints); i++)
    fail_unless (gst_structure_get_uint (s, uints[i], &tokens));
  times = gst_structure_get_value (s, "frame-times");
  fail_unless_equals_int (gst_value_array_get_size (times), LLM_CLIP_FRAMES);
  fail_unless_equals_uint64 (
      g_value_get_uint64 (gst_value_array_get_value (times, 1)),
      3 * LLM_CLIP + LLM_FRAME);
  gst_message_unref (message);
  llm_clear (&f);
}
GST_END_TEST;

static Suite *
llm_output_suite (void)
{
  Suite *s = suite_create ("llm_output");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_text_has_the_time_of_its_window);
  tcase_add_test (tc, test_text_of_a_live_source_has_the_time_of_its_window);
  tcase_add_test (tc, test_text_pads_begin_as_sparse_streams);
  tcase_add_test (tc, test_gaps_follow_the_video);
  tcase_add_test (tc, test_gap_after_text_leads_back_to_the_video);
  tcase_add_test (tc, test_late_text_beside_live_video_is_shown_on_arrival);
  tcase_add_test (tc, test_markup_is_escaped_where_it_is_negotiated);
  tcase_add_test (tc, test_src_carries_text_where_only_text_is_taken);
  tcase_add_test (tc, test_lines_wrap_on_request);
  tcase_add_test (tc, test_an_empty_answer_is_a_message_and_no_text);
  tcase_add_test (tc, test_video_passes_unchanged_until_there_is_a_caption);
  tcase_add_test (tc, test_frames_carry_the_caption_once_it_is_there);
  tcase_add_test (tc, test_message_tells_all);
  return s;
}

GST_CHECK_MAIN (llm_output);
