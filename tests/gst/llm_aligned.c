/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* timing=aligned: frames leave with the captions that speak of them, and no
 * later than max-delay. By fake models. */
#include "config.h"
#include "gstnevacaptionmeta.h"
#include "llm_fixture.h"

static guint
captions_on (GstBuffer *buffer)
{
  const GstMetaInfo *info = gst_meta_get_info (GST_NEVA_CAPTION_META_NAME);

  return gst_buffer_get_n_meta (buffer, info->api);
}

static void
expect_frame (GstHarness *h, GstClockTime pts, const char *caption)
{
  GstBuffer *buffer = llm_pull (h);

  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), pts);
  fail_unless_equals_string (llm_caption_of (buffer), caption);
  gst_buffer_unref (buffer);
}

GST_START_TEST (test_frames_leave_with_their_own_caption)
{
  GstBuffer *buffer;
  Llm f;

  llm_init (&f, "timing=aligned model=fake:echo?delay=10", 0);
  g_object_set (f.llm, "prompt", "{clip}", NULL);
  llm_play (&f);
  for (guint i = 0; i < 5; i++)
    llm_push_clip (&f, i);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  for (guint i = 0; i < 5 * LLM_CLIP_FRAMES; i++) {
    g_autofree char *want = g_strdup_printf ("prompt=%u;", i / LLM_CLIP_FRAMES);

    buffer = llm_pull (f.h);
    fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), i * LLM_FRAME);
    fail_unless (g_str_has_prefix (llm_caption_of (buffer), want));
    fail_unless_equals_int (captions_on (buffer), 1);
    gst_buffer_unref (buffer);
  }
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_EOS));
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_frames_between_the_chosen_ones_have_it_too)
{
  GstBuffer *buffer;
  Llm f;

  llm_init (&f, "timing=aligned model=fake:x?delay=10", 0);
  llm_play (&f);
  /* Only frame 2 of 4 is chosen. */
  for (guint i = 0; i < 4; i++) {
    buffer = llm_frame (&f, i * LLM_FRAME);
    if (i == 2)
      llm_mark (buffer, 0, 0, 1, 0, LLM_CLIP);
    gst_harness_push (f.h, buffer);
  }
  gst_harness_push_event (f.h, llm_clip_event (0, 1, 1, TRUE, 0, LLM_CLIP));
  for (guint i = 0; i < 4; i++)
    expect_frame (f.h, i * LLM_FRAME, "x");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_overlapping_windows_put_two_captions_on_a_frame)
{
  GstBuffer *buffer;
  Llm f;

  llm_init (&f, "timing=aligned model=fake:x?delay=10", 0);
  llm_play (&f);
  for (guint i = 0; i < 6; i++) {
    buffer = llm_frame (&f, i * LLM_FRAME);
    if (i == 0)
      llm_mark (buffer, 0, 0, 1, 0, 4 * LLM_FRAME);
    if (i == 2)
      llm_mark (buffer, 1, 0, 1, 2 * LLM_FRAME, 6 * LLM_FRAME);
    gst_harness_push (f.h, buffer);
    if (i == 3)
      gst_harness_push_event (
          f.h, llm_clip_event (0, 1, 1, TRUE, 0, 4 * LLM_FRAME));
  }
  gst_harness_push_event (
      f.h, llm_clip_event (1, 1, 1, TRUE, 2 * LLM_FRAME, 6 * LLM_FRAME));
  for (guint i = 0; i < 6; i++) {
    buffer = llm_pull (f.h);
    fail_unless_equals_int (captions_on (buffer), i == 2 || i == 3 ? 2 : 1);
    gst_buffer_unref (buffer);
  }
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_held_frames_wait_for_the_answer)
{
  Llm f;

  llm_init (&f, "timing=aligned model=" LLM_NEVER, 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_wait_stat (&f, "in-flight", 1);
  fail_unless_equals_int (gst_harness_buffers_in_queue (f.h), 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_live_frames_wait_no_longer_than_max_delay)
{
  Llm f;

  llm_init (&f, "timing=aligned model=" LLM_NEVER, LLM_LIVE);
  g_object_set (f.llm, "max-delay", (guint64) 2 * LLM_CLIP, NULL);
  llm_play (&f);
  for (guint i = 0; i < 6; i++)
    fail_unless_equals_int (llm_push_clip (&f, i), GST_FLOW_OK);
  /* Six clips have come, and the last two are held. */
  for (guint i = 0; i < 4 * LLM_CLIP_FRAMES; i++)
    expect_frame (f.h, i * LLM_FRAME, NULL);
  fail_unless (gst_harness_buffers_in_queue (f.h) <= 1);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_caption_that_misses_its_frames_is_counted_and_still_said)
{
  Llm f;

  llm_init (&f, "timing=aligned model=fake:x", LLM_LIVE | LLM_TEXT_PAD);
  g_object_set (f.llm, "max-delay", (guint64) LLM_FRAME, NULL);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_caption (&f, "x", 0);
  fail_unless_equals_uint64 (llm_stat (&f, "late"), 1);
  gst_buffer_unref (llm_pull (f.text));
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_text_comes_before_its_frames_and_gaps_never_overtake_it)
{
  GstClockTime position = 0;
  GstEvent *event;
  Llm f;

  llm_init (&f, "timing=aligned model=fake:x?delay=5", LLM_TEXT_PAD);
  llm_play (&f);
  for (guint i = 0; i < 3; i++)
    llm_push_clip (&f, i);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_EOS));
  for (guint i = 0; i < 3; i++)
    llm_expect_text (f.text, "x", i * LLM_CLIP, LLM_CLIP);
  while ((event = gst_harness_pull_event (f.text)) &&
         GST_EVENT_TYPE (event) != GST_EVENT_EOS) {
    if (GST_EVENT_TYPE (event) == GST_EVENT_GAP) {
      GstClockTime pts, duration;

      gst_event_parse_gap (event, &pts, &duration);
      fail_unless_equals_uint64 (pts, position);
      position = pts + duration;
    }
    gst_event_unref (event);
  }
  gst_event_unref (event);
  fail_unless_equals_uint64 (position, 3 * LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_text_alone_lets_others_wait_for_it)
{
  GstClockTime pts, duration;
  GstEvent *event;
  Llm f;

  llm_init (&f, "output=text timing=aligned model=fake:x?delay=20", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  gst_harness_push (f.h, llm_frame (&f, LLM_CLIP));
  llm_expect_text (f.h, "x", 0, LLM_CLIP);
  event = llm_wait_event (f.h, GST_EVENT_GAP);
  gst_event_parse_gap (event, &pts, &duration);
  fail_unless_equals_uint64 (pts, 0);
  gst_event_unref (event);
  llm_clear (&f);
}
GST_END_TEST;

typedef struct {
  Llm *f;
  guint64 clips;
  gint returned; /* atomic */
} Pusher;

static gpointer
push_main (gpointer data)
{
  Pusher *p = data;
  guint64 i = 0;

  while (i < p->clips && llm_push_clip (p->f, i) == GST_FLOW_OK)
    i++;
  g_atomic_int_set (&p->returned, TRUE);
  return GUINT_TO_POINTER ((guint) i);
}

GST_START_TEST (test_files_wait_for_captions_instead_of_losing_them)
{
  Pusher p = {.clips = 10};
  GThread *thread;
  Llm f;

  p.f = &f;
  llm_init (&f, "timing=aligned max-pending=16 model=" LLM_NEVER, 0);
  g_object_set (f.llm, "max-delay", (guint64) 2 * LLM_CLIP, NULL);
  llm_play (&f);
  thread = g_thread_new ("push", push_main, &p);
  llm_wait_stat (&f, "pending", 2);
  fail_if (g_atomic_int_get (&p.returned));
  fail_unless_equals_int (gst_harness_buffers_in_queue (f.h), 0);
  gst_harness_push_event (f.h, gst_event_new_flush_start ());
  fail_unless (GPOINTER_TO_UINT (g_thread_join (thread)) < 10);
  gst_harness_push_event (f.h, gst_event_new_flush_stop (TRUE));
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_window_longer_than_max_delay_does_not_lock_up)
{
  Llm f;

  llm_init (&f, "timing=aligned model=fake:x", 0);
  g_object_set (f.llm, "max-delay", (guint64) 2 * LLM_FRAME, NULL);
  llm_play (&f);
  for (guint i = 0; i < 3; i++)
    fail_unless_equals_int (llm_push_clip (&f, i), GST_FLOW_OK);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_EOS));
  fail_unless_equals_int (
      gst_harness_buffers_in_queue (f.h), 3 * LLM_CLIP_FRAMES);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_events_keep_their_place_among_held_frames)
{
  GstEvent *event;
  GstTagList *tags = gst_tag_list_new (GST_TAG_TITLE, "t", NULL);
  Llm f;

  llm_init (&f, "timing=aligned model=" LLM_NEVER, 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  gst_harness_push_event (f.h, gst_event_new_tag (tags));
  llm_wait_stat (&f, "in-flight", 1);
  while ((event = gst_harness_try_pull_event (f.h))) {
    fail_if (GST_EVENT_TYPE (event) == GST_EVENT_TAG);
    gst_event_unref (event);
  }
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_flush_throws_held_frames_away)
{
  GstSegment segment;
  Llm f;

  llm_init (&f, "timing=aligned model=" LLM_NEVER, 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_wait_stat (&f, "in-flight", 1);
  gst_harness_push_event (f.h, gst_event_new_flush_start ());
  gst_harness_push_event (f.h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&segment, GST_FORMAT_TIME);
  gst_harness_push_event (f.h, gst_event_new_segment (&segment));
  gst_harness_push (f.h, llm_frame (&f, 7 * LLM_FRAME));
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect_frame (f.h, 7 * LLM_FRAME, NULL);
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_EOS));
  fail_unless_equals_int (gst_harness_buffers_in_queue (f.h), 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_dropped_clips_let_their_frames_go)
{
  Llm f;

  llm_init (&f,
      "timing=aligned overflow=drop-newest max-pending=1 model=fake:x?delay=50",
      0);
  llm_play (&f);
  for (guint i = 0; i < 8; i++)
    llm_push_clip (&f, i);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_EOS));
  fail_unless_equals_int (
      gst_harness_buffers_in_queue (f.h), 8 * LLM_CLIP_FRAMES);
  fail_unless (llm_stat (&f, "dropped") > 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_an_error_lets_everything_go)
{
  Llm f;

  llm_init (&f, "timing=aligned model=fake:x?fail=answer", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_error (&f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "clip 0");
  gst_harness_push_event (f.h, gst_event_new_eos ());
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_EOS));
  fail_unless_equals_int (gst_harness_buffers_in_queue (f.h), LLM_CLIP_FRAMES);
  llm_clear (&f);
}
GST_END_TEST;

static Suite *
llm_aligned_suite (void)
{
  Suite *s = suite_create ("llm_aligned");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_frames_leave_with_their_own_caption);
  tcase_add_test (tc, test_frames_between_the_chosen_ones_have_it_too);
  tcase_add_test (tc, test_overlapping_windows_put_two_captions_on_a_frame);
  tcase_add_test (tc, test_held_frames_wait_for_the_answer);
  tcase_add_test (tc, test_live_frames_wait_no_longer_than_max_delay);
  tcase_add_test (
      tc, test_caption_that_misses_its_frames_is_counted_and_still_said);
  tcase_add_test (
      tc, test_text_comes_before_its_frames_and_gaps_never_overtake_it);
  tcase_add_test (tc, test_text_alone_lets_others_wait_for_it);
  tcase_add_test (tc, test_files_wait_for_captions_instead_of_losing_them);
  tcase_add_test (tc, test_a_window_longer_than_max_delay_does_not_lock_up);
  tcase_add_test (tc, test_events_keep_their_place_among_held_frames);
  tcase_add_test (tc, test_flush_throws_held_frames_away);
  tcase_add_test (tc, test_dropped_clips_let_their_frames_go);
  tcase_add_test (tc, test_an_error_lets_everything_go);
  return s;
}

GST_CHECK_MAIN (llm_aligned);
