/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevaframesampler fed by hand: which frames of windows and whole streams are
 * chosen. */
#include "config.h"

#include "framesampler-fixture.h"

GST_START_TEST (test_windows_choose_by_index_and_take_the_first_frame)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=4", "10/1");

  sampler_push_tenths (&f, 0, 20);
  sampler_expect (&f, "0*0:0/4 3*0:1/4 6*0:2/4 9*0:3/4! "
                      "10*1:0/4 13*1:1/4 16*1:2/4 19*1:3/4! "
                      "[0 4/4 0-1000] [1 4/4 1000-2000]");
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "EOS");
  fail_unless_equals_int (
      sampler_count_messages (&f, GST_MESSAGE_WARNING, NULL), 0);
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_partial_last_window_leaves_at_eos)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=4", "10/1");

  sampler_push_tenths (&f, 0, 15);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "0*0:0/4 3*0:1/4 6*0:2/4 9*0:3/4! "
                      "10*1:0/4 13*1:1/4 14*1:2/4+1! "
                      "[0 4/4 0-1000] [1 3/4 1000-1500] EOS");
  sampler_stop (&f);
}
GST_END_TEST;

/* A segment that says where it ends makes the last window shorter, and its
 * frames are spread over what there is. */
GST_START_TEST (test_known_end_spreads_the_last_window)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=3", "10/1");
  GstSegment s;

  gst_segment_init (&s, GST_FORMAT_TIME);
  s.stop = 1500 * GST_MSECOND;
  gst_harness_push_event (f.h, gst_event_new_segment (&s));
  sampler_push_tenths (&f, 0, 15);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "0*0:0/3 4*0:1/3 9*0:2/3! 10*1:0/3 12*1:1/3 14*1:2/3! "
                      "[0 3/3 0-1000] [1 3/3 1000-1500] EOS");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_overlapping_windows_share_frames)
{
  Sampler f = sampler_start (
      "window=1000000000 overlap=500000000 num-frames=3", "10/1");

  sampler_push_tenths (&f, 0, 16);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "0*0:0/3 4*0:1/3 5*1:0/3 9*0:2/3!*1:1/3 10*2:0/3 "
                      "14*1:2/3!*2:1/3 15*3:0/3 "
                      "[0 3/3 0-1000] [1 3/3 500-1500] [2 2/3 1000-1600] "
                      "[3 1/3 1500-1600] EOS");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_modes_in_windows)
{
  static const struct {
    const gchar *mode, *want;
  } t[] = {
      {"first", "0*0:0/1! 10*1:0/1! [0 1/1 0-1000] [1 1/1 1000-2000] EOS"},
      {"middle", "5*0:0/1! 14*1:0/1! [0 1/1 0-1000] [1 1/1 1000-1500] EOS"},
      {"last", "9*0:0/1! 14*1:0/1! [0 1/1 0-1000] [1 1/1 1000-1500] EOS"},
  };

  for (guint i = 0; i < G_N_ELEMENTS (t); i++) {
    g_autofree gchar *p =
        g_strdup_printf ("window=1000000000 mode=%s", t[i].mode);
    Sampler f = sampler_start (p, "10/1");
    g_autofree gchar *got = NULL;

    sampler_push_tenths (&f, 0, 15);
    gst_harness_push_event (f.h, gst_event_new_eos ());
    /* mode=first is complete at once: the window's end is not cut. */
    got = sampler_drain (&f);
    fail_unless_equals_string (got, t[i].want);
    sampler_stop (&f);
  }
}
GST_END_TEST;

GST_START_TEST (test_mode_all_marks_every_frame)
{
  Sampler f = sampler_start ("window=300000000 mode=all", "10/1");

  sampler_push_tenths (&f, 0, 5);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "0*0:0/0 1*0:1/0 2*0:2/0 3*1:0/0 4*1:1/0 "
                      "[0 3/3 0-300] [1 2/2 300-500] EOS");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_output_all_passes_everything_and_marks_the_same)
{
  Sampler f =
      sampler_start ("window=1000000000 num-frames=3 output=all", "10/1");

  sampler_push_tenths (&f, 0, 13);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "0*0:0/3 1 2 3 4*0:1/3 5 6 7 8 9*0:2/3! 10*1:0/3 11 "
                      "12*1:1/3+1! [0 3/3 0-1000] [1 2/3 1000-1300] EOS");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_align_time_takes_equal_steps)
{
  Sampler f =
      sampler_start ("window=1000000000 num-frames=4 align=time", "10/1");

  sampler_push_tenths (&f, 0, 10);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  /* parts begin at 0, 250, 500, 750 ms; of two equally near the earlier */
  sampler_expect (&f, "0*0:0/4 2*0:1/4 5*0:2/4 7*0:3/4! [0 4/4 0-1000] EOS");
  fail_unless_equals_int (
      sampler_count_messages (&f, GST_MESSAGE_WARNING, NULL), 0);
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_variable_rate_windows_choose_exact_indices)
{
  Sampler f = sampler_start ("window=1000000000 num-frames=3", "0/1");
  static const guint ms[] = {0, 10, 20, 30, 900, 1000, 1900};

  for (guint i = 0; i < G_N_ELEMENTS (ms); i++)
    sampler_push_at (&f, ms[i] * GST_MSECOND, GST_CLOCK_TIME_NONE);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "0*0:0/3 2*0:1/3 4*0:2/3! 5*1:0/3 6*1:1/3+1! "
                      "[0 3/3 0-1000] [1 2/3 1000-2000] EOS");
  fail_unless_equals_int (
      sampler_count_messages (&f, GST_MESSAGE_WARNING, NULL), 0);
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_variable_rate_with_overlap_goes_by_time_and_says_so)
{
  Sampler f =
      sampler_start ("window=1000000000 overlap=500000000 num-frames=2", "0/1");

  for (guint i = 0; i < 20; i++)
    sampler_push_at (&f, i * 100 * GST_MSECOND, GST_CLOCK_TIME_NONE);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f,
      "0*0:0/2 5*0:1/2!*1:0/2 10*1:1/2!*2:0/2 15*2:1/2!*3:0/2 "
      "19*3:1/2! [0 2/2 0-1000] [1 2/2 500-1500] [2 2/2 1000-2000] "
      "[3 2/2 1500-2000] EOS");
  fail_unless_equals_int (
      sampler_count_messages (&f, GST_MESSAGE_WARNING, "equal steps of time"),
      1);
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_whole_stream_of_unknown_length_is_exact_while_short)
{
  Sampler f = sampler_start ("num-frames=4", "0/1");

  sampler_push_tenths (&f, 0, 30);
  sampler_expect (&f, "");
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "0*0:0/4 9*0:1/4 19*0:2/4 29*0:3/4! [0 4/4 0-3000] EOS");
  fail_unless_equals_int (
      sampler_count_messages (&f, GST_MESSAGE_WARNING, NULL), 0);
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_whole_stream_of_unknown_length_stays_bounded_and_warns)
{
  Sampler f = sampler_start ("num-frames=4", "10/1");

  sampler_push_tenths (&f, 0, 1000);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  /* asked: 0 333 666 999; held: multiples of 32, and the newest */
  sampler_expect (
      &f, "0*0:0/4 320*0:1/4 672*0:2/4 999*0:3/4! [0 4/4 0-100000] EOS");
  fail_unless_equals_int (
      sampler_count_messages (&f, GST_MESSAGE_WARNING, "nearest"), 1);
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_short_streams_repeat_the_last_frame)
{
  Sampler f = sampler_start ("num-frames=8", "10/1");

  sampler_push_tenths (&f, 0, 1);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "0*0:0/8+7! [0 1/8 0-100] EOS");
  sampler_stop (&f);

  f = sampler_start ("num-frames=8", "10/1");
  sampler_push_tenths (&f, 0, 3);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "0*0:0/8 1*0:1/8 2*0:2/8+5! [0 3/8 0-300] EOS");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_known_length_chooses_on_the_fly_and_checks)
{
  Sampler f = sampler_start ("num-frames=3", "10/1");
  GstSegment s;

  gst_segment_init (&s, GST_FORMAT_TIME);
  s.stop = 2 * GST_SECOND;
  gst_harness_push_event (f.h, gst_event_new_segment (&s));
  sampler_push_tenths (&f, 0, 10);
  sampler_expect (&f, "0*0:0/3 9*0:1/3");
  sampler_push_tenths (&f, 10, 5);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "14*0:2/3! [0 3/3 0-1500] EOS");
  fail_unless_equals_int (
      sampler_count_messages (&f, GST_MESSAGE_WARNING, "approximate"), 1);
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_mode_first_ends_the_stream_at_once)
{
  Sampler f = sampler_start ("mode=first", "10/1");

  fail_unless_equals_int (
      sampler_push_at (&f, 0, GST_CLOCK_TIME_NONE), GST_FLOW_EOS);
  sampler_expect (&f, "0*0:0/1! [0 1/1 0-100] EOS");
  fail_unless_equals_int (
      sampler_push_at (&f, 1, GST_CLOCK_TIME_NONE), GST_FLOW_EOS);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  sampler_expect (&f, "");
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_output_all_without_a_length_is_an_error)
{
  Sampler f = sampler_start ("output=all", "10/1");

  fail_unless_equals_int (
      sampler_push_at (&f, 0, GST_CLOCK_TIME_NONE), GST_FLOW_EOS);
  fail_unless_equals_int (
      sampler_count_messages (&f, GST_MESSAGE_ERROR, "length of this stream"),
      1);
  sampler_stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_overlap_as_long_as_window_is_an_error)
{
  Sampler f = sampler_start ("window=1000 overlap=1000", "10/1");

  fail_unless_equals_int (
      sampler_push_at (&f, 0, GST_CLOCK_TIME_NONE), GST_FLOW_EOS);
  fail_unless_equals_int (
      sampler_count_messages (&f, GST_MESSAGE_ERROR, "overlap"), 1);
  sampler_stop (&f);
}
GST_END_TEST;

static Suite *
framesampler_windows_suite (void)
{
  Suite *s = suite_create ("framesampler_windows");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_windows_choose_by_index_and_take_the_first_frame);
  tcase_add_test (tc, test_partial_last_window_leaves_at_eos);
  tcase_add_test (tc, test_known_end_spreads_the_last_window);
  tcase_add_test (tc, test_overlapping_windows_share_frames);
  tcase_add_test (tc, test_modes_in_windows);
  tcase_add_test (tc, test_mode_all_marks_every_frame);
  tcase_add_test (tc, test_output_all_passes_everything_and_marks_the_same);
  tcase_add_test (tc, test_align_time_takes_equal_steps);
  tcase_add_test (tc, test_variable_rate_windows_choose_exact_indices);
  tcase_add_test (tc, test_variable_rate_with_overlap_goes_by_time_and_says_so);
  tcase_add_test (tc, test_whole_stream_of_unknown_length_is_exact_while_short);
  tcase_add_test (
      tc, test_whole_stream_of_unknown_length_stays_bounded_and_warns);
  tcase_add_test (tc, test_short_streams_repeat_the_last_frame);
  tcase_add_test (tc, test_known_length_chooses_on_the_fly_and_checks);
  tcase_add_test (tc, test_mode_first_ends_the_stream_at_once);
  tcase_add_test (tc, test_output_all_without_a_length_is_an_error);
  tcase_add_test (tc, test_overlap_as_long_as_window_is_an_error);
  return s;
}

GST_CHECK_MAIN (framesampler_windows);
