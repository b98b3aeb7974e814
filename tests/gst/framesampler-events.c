/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevaframesampler fed by hand: what cuts a window, timestamps, queries,
 * states.
 */
#include "config.h"

#include "framesampler-fixture.h"

GST_START_TEST (test_flush_forgets_the_clip_and_starts_anew)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=3", "10/1");
  GstSegment s;

  sampler_push_tenths (&f, 0, 6);
  sampler_expect (&f, "0*0:0/3 4*0:1/3");
  gst_harness_push_event (f.h, gst_event_new_flush_start ());
  gst_harness_push_event (f.h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&s, GST_FORMAT_TIME);
  s.start = s.time = s.position = 5 * GST_SECOND;
  gst_harness_push_event (f.h, gst_event_new_segment (&s));
  sampler_push_tenths (&f, 50, 10);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  /* nothing of clip 0 is ended, mixed or reused */
  sampler_expect (&f, "6*1:0/3 10*1:1/3 15*1:2/3! [1 3/3 0-1000] EOS");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_new_segment_gap_and_caps_cut_the_window)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=3", "10/1");
  GstSegment s;

  sampler_push_tenths (&f, 0, 3);
  gst_harness_push_event (
      f.h, gst_event_new_gap (300 * GST_MSECOND, GST_SECOND));
  sampler_expect (&f, "0*0:0/3 2*0:1/3+1! [0 2/3 0-300]");
  sampler_push_tenths (&f, 13, 2);
  gst_harness_set_src_caps_str (
      f.h, "video/x-raw,format=GRAY8,width=4,height=1,framerate=10/1");
  sampler_expect (&f, "3*1:0/3 4*1:1/3+1! [1 2/3 1300-1500]");
  sampler_push_tenths (&f, 15, 2);
  gst_segment_init (&s, GST_FORMAT_TIME);
  s.base = 10 * GST_SECOND;
  gst_harness_push_event (f.h, gst_event_new_segment (&s));
  sampler_expect (&f, "5*2:0/3 6*2:1/3+1! [2 2/3 1500-1700]");
  sampler_push_tenths (&f, 0, 2);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "7*3:0/3 8*3:1/3+1! [3 2/3 10000-10200] EOS");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_same_caps_and_segment_again_do_not_cut)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=3", "10/1");
  GstSegment s;

  sampler_push_tenths (&f, 0, 5);
  gst_harness_set_src_caps_str (f.h, SAMPLER_CAPS "10/1");
  gst_segment_init (&s, GST_FORMAT_TIME);
  gst_harness_push_event (f.h, gst_event_new_segment (&s));
  sampler_push_tenths (&f, 5, 5);
  sampler_expect (&f, "0*0:0/3 4*0:1/3 9*0:2/3! [0 3/3 0-1000]");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_reconnect_after_a_jump_cuts)
{
  Sampler f = sampler_start ("window=10000000000 num-frames=3", "10/1");
  GstBuffer *b;

  sampler_push_tenths (&f, 0, 3);
  b = gst_buffer_new_allocate (NULL, 4, NULL);
  GST_BUFFER_PTS (b) = 5 * GST_SECOND;
  GST_BUFFER_OFFSET (b) = f.next++;
  GST_BUFFER_FLAG_SET (b, GST_BUFFER_FLAG_DISCONT);
  gst_harness_push (f.h, b);
  sampler_expect (&f, "0*0:0/3 2*0:1/3+1! 3*1:0/3 [0 2/3 0-300]");
  /* back in time, as from a camera that restarted */
  sampler_push_tenths (&f, 1, 1);
  sampler_expect (&f, "4*2:0/3 [1 1/3 5000-5100]");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_windows_without_frames_are_skipped)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=2", "10/1");

  sampler_push_tenths (&f, 0, 1);
  sampler_push_tenths (&f, 1000000, 2); /* 100,000 s later, not flagged */
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "0*0:0/2 1*1:0/2 2*1:1/2! [0 1/2 0-1000] "
                      "[1 2/2 100000000-100000200] EOS");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_bad_timestamps_are_survived_with_a_warning)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=3", "10/1");

  sampler_push_tenths (&f, 0, 3);
  sampler_push_tenths (&f, 2, 1); /* again */
  sampler_push_tenths (&f, 1, 1); /* late */
  sampler_push_tenths (&f, 3, 1);
  sampler_push_at (&f, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE); /* 400 ms */
  sampler_push_tenths (&f, 5, 5);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "0*0:0/3 6*0:1/3 11*0:2/3! [0 3/3 0-1000] EOS");
  fail_unless_equals_int (
      sampler_count_messages (&f, GST_MESSAGE_WARNING, NULL), 2);
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_dropped_frames_do_not_shift_the_choice)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=4", "10/1");

  sampler_push_tenths (&f, 0, 2);
  sampler_push_tenths (&f, 4, 4); /* 2 and 3 are missing */
  sampler_push_tenths (&f, 9, 2);
  sampler_expect (
      &f, "0*0:0/4 2*0:1/4 4*0:2/4 6*0:3/4! 7*1:0/4 [0 4/4 0-1000]");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_latency_is_reported_on_live_only)
{
  static const struct {
    const gchar *properties, *rate;
    gboolean live;
    GstClockTime want;
  } t[] = {
      {"window=1000000000", "10/1", TRUE, 100 * GST_MSECOND},
      {"window=1000000000", "10/1", FALSE, 0},
      {"window=1000000000", "0/1", TRUE, GST_SECOND},
      {"window=1000000000 mode=first", "0/1", TRUE, 0},
      {"window=1000000000 mode=all", "10/1", TRUE, 0},
      {"window=1000000000 output=all", "10/1", TRUE, 100 * GST_MSECOND},
  };

  for (guint i = 0; i < G_N_ELEMENTS (t); i++) {
    Sampler f = sampler_start (t[i].properties, t[i].rate);
    GstQuery *q = gst_query_new_latency ();
    GstClockTime min;
    gboolean live;

    gst_harness_set_upstream_latency (f.h, 0);
    gst_harness_set_live (f.h, t[i].live);
    fail_unless (gst_pad_peer_query (f.h->sinkpad, q));
    gst_query_parse_latency (q, &live, &min, NULL);
    fail_unless_equals_int (live, t[i].live);
    fail_unless_equals_uint64 (min, t[i].want);
    gst_query_unref (q);
    sampler_stop (&f);
  }
}
GST_END_TEST;

GST_START_TEST (test_qos_does_not_reach_the_decoder_unless_all_passes)
{
  for (guint all = 0; all < 2; all++) {
    Sampler f = sampler_start (
        all ? "window=1000000000 output=all" : "window=1000000000", "10/1");
    GstEvent *e;
    guint seen = 0;

    sampler_push_tenths (&f, 0, 1);
    gst_harness_push_upstream_event (
        f.h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2., 5, 100));
    while ((e = gst_harness_try_pull_upstream_event (f.h))) {
      seen += GST_EVENT_TYPE (e) == GST_EVENT_QOS;
      gst_event_unref (e);
    }
    fail_unless_equals_int (seen, all);
    sampler_stop (&f);
  }
}
GST_END_TEST;

GST_START_TEST (test_settings_change_while_playing_ends_the_clip)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=3", "10/1");

  sampler_push_tenths (&f, 0, 3);
  gst_harness_set (f.h, "nevaframesampler", "num-frames", 2, "window",
      (guint64) 500 * GST_MSECOND, NULL);
  sampler_push_tenths (&f, 3, 5);
  sampler_expect (&f, "0*0:0/3 2*0:1/3+1! 3*1:0/2 7*1:1/2! "
                      "[0 2/3 0-300] [1 2/2 300-800]");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_gap_events_keep_downstream_informed)
{
  Sampler f = sampler_start ("window=2000000000 num-frames=2", "10/1");
  GstClockTime covered = 100 * GST_MSECOND;
  GstEvent *e;
  guint gaps = 0;

  sampler_push_tenths (&f, 0, 19);
  while ((e = gst_harness_try_pull_event (f.h))) {
    if (GST_EVENT_TYPE (e) == GST_EVENT_GAP) {
      GstClockTime pts, duration;

      gst_event_parse_gap (e, &pts, &duration);
      fail_unless_equals_uint64 (pts, covered);
      covered = pts + duration;
      gaps++;
    }
    gst_event_unref (e);
  }
  fail_unless (gaps >= 4, "%u gaps", gaps);
  fail_unless (covered >= 1500 * GST_MSECOND);
  fail_unless (covered <= 1800 * GST_MSECOND); /* the newest is held */
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_state_cycles_start_from_scratch)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=2", "10/1");

  for (guint i = 0; i < 20; i++) {
    GstElement *e = gst_harness_find_element (f.h, "nevaframesampler");

    f.next = 0;
    sampler_push_tenths (&f, 0, 10);
    sampler_expect (&f, "0*0:0/2 9*0:1/2! [0 2/2 0-1000]");
    sampler_push_tenths (&f, 10, i % 4);
    g_free (sampler_drain (&f));
    gst_element_set_state (e, GST_STATE_NULL);
    gst_element_set_state (e, GST_STATE_PLAYING);
    gst_object_unref (e);
    gst_harness_set_src_caps_str (f.h, SAMPLER_CAPS "10/1");
    {
      GstSegment s;

      gst_segment_init (&s, GST_FORMAT_TIME);
      gst_harness_push_event (f.h, gst_event_new_stream_start ("again"));
      gst_harness_set_src_caps_str (f.h, SAMPLER_CAPS "10/1");
      gst_harness_push_event (f.h, gst_event_new_segment (&s));
    }
    g_free (sampler_drain (&f));
  }
  sampler_stop (&f);
}
GST_END_TEST;

/* What upstream had on its way when the last frame was chosen, as the tags at
 * the end of a file. A sticky event that is refused comes again with the next
 * frame, and is a flow error then. */
static void
push_what_comes_late (Sampler *f)
{
  GstTagList *tags = gst_tag_list_new (GST_TAG_NOMINAL_BITRATE, 1000u, NULL);
  GstCaps *caps = gst_caps_from_string (
      "video/x-raw,format=GRAY8,width=4,height=1,framerate=10/1");
  GstSegment s;
  GstEvent *events[5];

  gst_segment_init (&s, GST_FORMAT_TIME);
  s.start = GST_SECOND;
  events[0] = gst_event_new_tag (tags);
  events[1] = gst_event_new_caps (caps);
  events[2] = gst_event_new_segment (&s);
  events[3] = gst_event_new_gap (300 * GST_MSECOND, GST_SECOND);
  events[4] = gst_event_new_eos ();
  for (guint i = 0; i < G_N_ELEMENTS (events); i++) {
    fail_unless (gst_harness_push_event (f->h, events[i]));
    fail_unless_equals_int (
        sampler_push_at (f, 200 * GST_MSECOND, 100 * GST_MSECOND),
        GST_FLOW_EOS);
  }
  gst_caps_unref (caps);
}

GST_START_TEST (test_events_after_an_early_end_are_no_error)
{
  Sampler f = sampler_start ("mode=first", "10/1");
  g_autoptr (GstCaps) caps = NULL;
  gint width = 0;
  GstSegment s;

  fail_unless_equals_int (
      sampler_push_at (&f, 0, 100 * GST_MSECOND), GST_FLOW_EOS);
  push_what_comes_late (&f);
  sampler_expect (&f, "0*0:0/1! [0 1/1 0-100] EOS");

  /* another play: with the caps that came meanwhile */
  gst_harness_push_event (f.h, gst_event_new_flush_start ());
  gst_harness_push_event (f.h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&s, GST_FORMAT_TIME);
  fail_unless (gst_harness_push_event (f.h, gst_event_new_segment (&s)));
  caps = gst_pad_get_current_caps (f.h->sinkpad);
  fail_unless (gst_structure_get_int (
      gst_caps_get_structure (caps, 0), "width", &width));
  fail_unless_equals_int (width, 4);
  fail_unless_equals_int (
      sampler_push_at (&f, 0, 100 * GST_MSECOND), GST_FLOW_EOS);
  sampler_expect (&f, "6*1:0/1! [1 1/1 0-100] EOS");
  sampler_stop (&f);
}
GST_END_TEST;

static Suite *
framesampler_events_suite (void)
{
  Suite *s = suite_create ("framesampler_events");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_flush_forgets_the_clip_and_starts_anew);
  tcase_add_test (tc, test_new_segment_gap_and_caps_cut_the_window);
  tcase_add_test (tc, test_same_caps_and_segment_again_do_not_cut);
  tcase_add_test (tc, test_reconnect_after_a_jump_cuts);
  tcase_add_test (tc, test_windows_without_frames_are_skipped);
  tcase_add_test (tc, test_bad_timestamps_are_survived_with_a_warning);
  tcase_add_test (tc, test_dropped_frames_do_not_shift_the_choice);
  tcase_add_test (tc, test_latency_is_reported_on_live_only);
  tcase_add_test (tc, test_qos_does_not_reach_the_decoder_unless_all_passes);
  tcase_add_test (tc, test_settings_change_while_playing_ends_the_clip);
  tcase_add_test (tc, test_gap_events_keep_downstream_informed);
  tcase_add_test (tc, test_state_cycles_start_from_scratch);
  tcase_add_test (tc, test_events_after_an_early_end_are_no_error);
  return s;
}

GST_CHECK_MAIN (framesampler_events);
