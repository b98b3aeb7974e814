/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevaframesampler fed by hand: windows, timestamps, events, queries. */
#include "config.h"

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#include "gstnevasamplemeta.h"

#define CAPS "video/x-raw,format=GRAY8,width=2,height=2,framerate="

/* A harness around one sampler, with a bus. */
typedef struct {
  GstHarness *h;
  GstBus *bus;
  guint next; /* number of the next frame, in its offset */
} Fixture;

static Fixture
start (const gchar *properties, const gchar *framerate)
{
  g_autofree gchar *line = g_strdup_printf ("nevaframesampler %s", properties);
  g_autofree gchar *caps = g_strconcat (CAPS, framerate, NULL);
  Fixture f = {gst_harness_new_parse (line), gst_bus_new (), 0};

  gst_element_set_bus (f.h->element, f.bus);
  gst_harness_set_src_caps_str (f.h, caps);
  return f;
}

static void
stop (Fixture *f)
{
  gst_element_set_bus (f->h->element, NULL);
  gst_bus_set_flushing (f->bus, TRUE);
  gst_object_unref (f->bus);
  gst_harness_teardown (f->h);
}

static GstFlowReturn
push_at (Fixture *f, GstClockTime pts, GstClockTime duration)
{
  GstBuffer *b = gst_buffer_new_allocate (NULL, 4, NULL);

  gst_buffer_memset (b, 0, 0, 4);
  GST_BUFFER_PTS (b) = pts;
  GST_BUFFER_DURATION (b) = duration;
  GST_BUFFER_OFFSET (b) = f->next++;
  return gst_harness_push (f->h, b);
}

/* n frames of a 10/1 stream from frame `first`. */
static void
push_tenths (Fixture *f, guint first, guint n)
{
  for (guint i = first; i < first + n; i++)
    fail_unless_equals_int (
        push_at (f, i * 100 * GST_MSECOND, 100 * GST_MSECOND), GST_FLOW_OK);
}

/* Everything that came out, as text: "3" a frame's number, "*" after it per
 * meta "clip:index/count", "+r" its repeat, "!" last; "[clip frames/count
 * start-end]" a clip's end in ms, "x" if incomplete; "EOS", "GAP" off. */
static gchar *
drain (Fixture *f)
{
  GString *s = g_string_new (NULL);
  GstEvent *e;
  GstBuffer *b;

  while ((b = gst_harness_try_pull (f->h))) {
    gpointer state = NULL;
    GstNevaSampleMeta *m;

    g_string_append_printf (s, "%u", (guint) GST_BUFFER_OFFSET (b));
    while ((m = gst_buffer_iterate_neva_sample_meta (b, &state))) {
      g_string_append_printf (
          s, "*%u:%u/%u", (guint) m->clip, m->index, m->count);
      if (m->repeat)
        g_string_append_printf (s, "+%u", m->repeat);
      if (m->last)
        g_string_append (s, "!");
      if (m->count > 0)
        fail_unless (m->times->len > m->index);
      fail_unless (m->start <= m->end);
    }
    g_string_append_c (s, ' ');
    gst_buffer_unref (b);
  }
  while ((e = gst_harness_try_pull_event (f->h))) {
    GstNevaClip c;

    if (gst_neva_clip_event_parse (e, &c)) {
      g_string_append_printf (s, "[%u %u/%u %u-%u%s] ", (guint) c.clip,
          c.frames, c.count, (guint) (c.start / GST_MSECOND),
          (guint) (c.end / GST_MSECOND), c.complete ? "" : " x");
      gst_neva_clip_clear (&c);
    } else if (GST_EVENT_TYPE (e) == GST_EVENT_EOS)
      g_string_append (s, "EOS ");
    gst_event_unref (e);
  }
  g_strchomp (s->str);
  return g_string_free (s, FALSE);
}

static void
expect (Fixture *f, const gchar *want)
{
  g_autofree gchar *got = drain (f);

  fail_unless_equals_string (got, want);
}

/* Counts messages of a type; the text of the last one is matched if given. */
static guint
count_messages (Fixture *f, GstMessageType type, const gchar *contains)
{
  GstMessage *m;
  guint n = 0;

  while ((m = gst_bus_pop_filtered (f->bus, type))) {
    g_autoptr (GError) error = NULL;

    if (type == GST_MESSAGE_WARNING)
      gst_message_parse_warning (m, &error, NULL);
    else if (type == GST_MESSAGE_ERROR)
      gst_message_parse_error (m, &error, NULL);
    if (contains)
      fail_unless (
          strstr (error->message, contains) != NULL, "%s", error->message);
    n++;
    gst_message_unref (m);
  }
  return n;
}

GST_START_TEST (test_windows_choose_by_index_and_take_the_first_frame)
{
  Fixture f = start ("window=1000000000 num-frames=4", "10/1");

  push_tenths (&f, 0, 20);
  expect (&f, "0*0:0/4 3*0:1/4 6*0:2/4 9*0:3/4! "
              "10*1:0/4 13*1:1/4 16*1:2/4 19*1:3/4! "
              "[0 4/4 0-1000] [1 4/4 1000-2000]");
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "EOS");
  fail_unless_equals_int (count_messages (&f, GST_MESSAGE_WARNING, NULL), 0);
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_partial_last_window_leaves_at_eos)
{
  Fixture f = start ("window=1000000000 num-frames=4", "10/1");

  push_tenths (&f, 0, 15);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/4 3*0:1/4 6*0:2/4 9*0:3/4! "
              "10*1:0/4 13*1:1/4 14*1:2/4+1! "
              "[0 4/4 0-1000] [1 3/4 1000-1500] EOS");
  stop (&f);
}
GST_END_TEST;

/* A segment that says where it ends makes the last window shorter, and its
 * frames are spread over what there is. */
GST_START_TEST (test_known_end_spreads_the_last_window)
{
  Fixture f = start ("window=1000000000 num-frames=3", "10/1");
  GstSegment s;

  gst_segment_init (&s, GST_FORMAT_TIME);
  s.stop = 1500 * GST_MSECOND;
  gst_harness_push_event (f.h, gst_event_new_segment (&s));
  push_tenths (&f, 0, 15);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/3 4*0:1/3 9*0:2/3! 10*1:0/3 12*1:1/3 14*1:2/3! "
              "[0 3/3 0-1000] [1 3/3 1000-1500] EOS");
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_overlapping_windows_share_frames)
{
  Fixture f =
      start ("window=1000000000 overlap=500000000 num-frames=3", "10/1");

  push_tenths (&f, 0, 16);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/3 4*0:1/3 5*1:0/3 9*0:2/3!*1:1/3 10*2:0/3 "
              "14*1:2/3!*2:1/3 15*3:0/3 "
              "[0 3/3 0-1000] [1 3/3 500-1500] [2 2/3 1000-1600] "
              "[3 1/3 1500-1600] EOS");
  stop (&f);
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
    Fixture f = start (p, "10/1");
    g_autofree gchar *got = NULL;

    push_tenths (&f, 0, 15);
    gst_harness_push_event (f.h, gst_event_new_eos ());
    /* mode=first is complete at once: the window's end is not cut. */
    got = drain (&f);
    fail_unless_equals_string (got, t[i].want);
    stop (&f);
  }
}
GST_END_TEST;

GST_START_TEST (test_mode_all_marks_every_frame)
{
  Fixture f = start ("window=300000000 mode=all", "10/1");

  push_tenths (&f, 0, 5);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/0 1*0:1/0 2*0:2/0 3*1:0/0 4*1:1/0 "
              "[0 3/3 0-300] [1 2/2 300-500] EOS");
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_output_all_passes_everything_and_marks_the_same)
{
  Fixture f = start ("window=1000000000 num-frames=3 output=all", "10/1");

  push_tenths (&f, 0, 13);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/3 1 2 3 4*0:1/3 5 6 7 8 9*0:2/3! 10*1:0/3 11 "
              "12*1:1/3+1! [0 3/3 0-1000] [1 2/3 1000-1300] EOS");
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_align_time_takes_equal_steps)
{
  Fixture f = start ("window=1000000000 num-frames=4 align=time", "10/1");

  push_tenths (&f, 0, 10);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  /* parts begin at 0, 250, 500, 750 ms; of two equally near the earlier */
  expect (&f, "0*0:0/4 2*0:1/4 5*0:2/4 7*0:3/4! [0 4/4 0-1000] EOS");
  fail_unless_equals_int (count_messages (&f, GST_MESSAGE_WARNING, NULL), 0);
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_variable_rate_windows_choose_exact_indices)
{
  Fixture f = start ("window=1000000000 num-frames=3", "0/1");
  static const guint ms[] = {0, 10, 20, 30, 900, 1000, 1900};

  for (guint i = 0; i < G_N_ELEMENTS (ms); i++)
    push_at (&f, ms[i] * GST_MSECOND, GST_CLOCK_TIME_NONE);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/3 2*0:1/3 4*0:2/3! 5*1:0/3 6*1:1/3+1! "
              "[0 3/3 0-1000] [1 2/3 1000-2000] EOS");
  fail_unless_equals_int (count_messages (&f, GST_MESSAGE_WARNING, NULL), 0);
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_variable_rate_with_overlap_goes_by_time_and_says_so)
{
  Fixture f = start ("window=1000000000 overlap=500000000 num-frames=2", "0/1");

  for (guint i = 0; i < 20; i++)
    push_at (&f, i * 100 * GST_MSECOND, GST_CLOCK_TIME_NONE);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/2 5*0:1/2!*1:0/2 10*1:1/2!*2:0/2 15*2:1/2!*3:0/2 "
              "19*3:1/2! [0 2/2 0-1000] [1 2/2 500-1500] [2 2/2 1000-2000] "
              "[3 2/2 1500-2000] EOS");
  fail_unless_equals_int (
      count_messages (&f, GST_MESSAGE_WARNING, "equal steps of time"), 1);
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_whole_stream_of_unknown_length_is_exact_while_short)
{
  Fixture f = start ("num-frames=4", "0/1");

  push_tenths (&f, 0, 30);
  expect (&f, "");
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/4 9*0:1/4 19*0:2/4 29*0:3/4! [0 4/4 0-3000] EOS");
  fail_unless_equals_int (count_messages (&f, GST_MESSAGE_WARNING, NULL), 0);
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_whole_stream_of_unknown_length_stays_bounded_and_warns)
{
  Fixture f = start ("num-frames=4", "10/1");

  push_tenths (&f, 0, 1000);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  /* asked: 0 333 666 999; held: multiples of 32, and the newest */
  expect (&f, "0*0:0/4 320*0:1/4 672*0:2/4 999*0:3/4! [0 4/4 0-100000] EOS");
  fail_unless_equals_int (
      count_messages (&f, GST_MESSAGE_WARNING, "nearest"), 1);
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_short_streams_repeat_the_last_frame)
{
  Fixture f = start ("num-frames=8", "10/1");

  push_tenths (&f, 0, 1);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/8+7! [0 1/8 0-100] EOS");
  stop (&f);

  f = start ("num-frames=8", "10/1");
  push_tenths (&f, 0, 3);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/8 1*0:1/8 2*0:2/8+5! [0 3/8 0-300] EOS");
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_known_length_chooses_on_the_fly_and_checks)
{
  Fixture f = start ("num-frames=3", "10/1");
  GstSegment s;

  gst_segment_init (&s, GST_FORMAT_TIME);
  s.stop = 2 * GST_SECOND;
  gst_harness_push_event (f.h, gst_event_new_segment (&s));
  push_tenths (&f, 0, 10);
  expect (&f, "0*0:0/3 9*0:1/3");
  push_tenths (&f, 10, 5);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "14*0:2/3! [0 3/3 0-1500] EOS");
  fail_unless_equals_int (
      count_messages (&f, GST_MESSAGE_WARNING, "approximate"), 1);
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_mode_first_ends_the_stream_at_once)
{
  Fixture f = start ("mode=first", "10/1");

  fail_unless_equals_int (push_at (&f, 0, GST_CLOCK_TIME_NONE), GST_FLOW_EOS);
  expect (&f, "0*0:0/1! [0 1/1 0-100] EOS");
  fail_unless_equals_int (push_at (&f, 1, GST_CLOCK_TIME_NONE), GST_FLOW_EOS);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "");
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_output_all_without_a_length_is_an_error)
{
  Fixture f = start ("output=all", "10/1");

  fail_unless_equals_int (push_at (&f, 0, GST_CLOCK_TIME_NONE), GST_FLOW_EOS);
  fail_unless_equals_int (
      count_messages (&f, GST_MESSAGE_ERROR, "length of this stream"), 1);
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_overlap_as_long_as_window_is_an_error)
{
  Fixture f = start ("window=1000 overlap=1000", "10/1");

  fail_unless_equals_int (push_at (&f, 0, GST_CLOCK_TIME_NONE), GST_FLOW_EOS);
  fail_unless_equals_int (count_messages (&f, GST_MESSAGE_ERROR, "overlap"), 1);
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_flush_forgets_the_clip_and_starts_anew)
{
  Fixture f = start ("window=1000000000 num-frames=3", "10/1");
  GstSegment s;

  push_tenths (&f, 0, 6);
  expect (&f, "0*0:0/3 4*0:1/3");
  gst_harness_push_event (f.h, gst_event_new_flush_start ());
  gst_harness_push_event (f.h, gst_event_new_flush_stop (TRUE));
  gst_segment_init (&s, GST_FORMAT_TIME);
  s.start = s.time = s.position = 5 * GST_SECOND;
  gst_harness_push_event (f.h, gst_event_new_segment (&s));
  push_tenths (&f, 50, 10);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  /* nothing of clip 0 is ended, mixed or reused */
  expect (&f, "6*1:0/3 10*1:1/3 15*1:2/3! [1 3/3 0-1000] EOS");
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_new_segment_gap_and_caps_cut_the_window)
{
  Fixture f = start ("window=1000000000 num-frames=3", "10/1");
  GstSegment s;

  push_tenths (&f, 0, 3);
  gst_harness_push_event (
      f.h, gst_event_new_gap (300 * GST_MSECOND, GST_SECOND));
  expect (&f, "0*0:0/3 2*0:1/3+1! [0 2/3 0-300]");
  push_tenths (&f, 13, 2);
  gst_harness_set_src_caps_str (
      f.h, "video/x-raw,format=GRAY8,width=4,height=1,framerate=10/1");
  expect (&f, "3*1:0/3 4*1:1/3+1! [1 2/3 1300-1500]");
  push_tenths (&f, 15, 2);
  gst_segment_init (&s, GST_FORMAT_TIME);
  s.base = 10 * GST_SECOND;
  gst_harness_push_event (f.h, gst_event_new_segment (&s));
  expect (&f, "5*2:0/3 6*2:1/3+1! [2 2/3 1500-1700]");
  push_tenths (&f, 0, 2);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "7*3:0/3 8*3:1/3+1! [3 2/3 10000-10200] EOS");
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_same_caps_and_segment_again_do_not_cut)
{
  Fixture f = start ("window=1000000000 num-frames=3", "10/1");
  GstSegment s;

  push_tenths (&f, 0, 5);
  gst_harness_set_src_caps_str (f.h, CAPS "10/1");
  gst_segment_init (&s, GST_FORMAT_TIME);
  gst_harness_push_event (f.h, gst_event_new_segment (&s));
  push_tenths (&f, 5, 5);
  expect (&f, "0*0:0/3 4*0:1/3 9*0:2/3! [0 3/3 0-1000]");
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_reconnect_after_a_jump_cuts)
{
  Fixture f = start ("window=10000000000 num-frames=3", "10/1");
  GstBuffer *b;

  push_tenths (&f, 0, 3);
  b = gst_buffer_new_allocate (NULL, 4, NULL);
  GST_BUFFER_PTS (b) = 5 * GST_SECOND;
  GST_BUFFER_OFFSET (b) = f.next++;
  GST_BUFFER_FLAG_SET (b, GST_BUFFER_FLAG_DISCONT);
  gst_harness_push (f.h, b);
  expect (&f, "0*0:0/3 2*0:1/3+1! 3*1:0/3 [0 2/3 0-300]");
  /* back in time, as from a camera that restarted */
  push_tenths (&f, 1, 1);
  expect (&f, "4*2:0/3 [1 1/3 5000-5100]");
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_windows_without_frames_are_skipped)
{
  Fixture f = start ("window=1000000000 num-frames=2", "10/1");

  push_tenths (&f, 0, 1);
  push_tenths (&f, 1000000, 2); /* 100,000 s later, not flagged */
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/2 1*1:0/2 2*1:1/2! [0 1/2 0-1000] "
              "[1 2/2 100000000-100000200] EOS");
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_bad_timestamps_are_survived_with_a_warning)
{
  Fixture f = start ("window=1000000000 num-frames=3", "10/1");

  push_tenths (&f, 0, 3);
  push_tenths (&f, 2, 1); /* again */
  push_tenths (&f, 1, 1); /* late */
  push_tenths (&f, 3, 1);
  push_at (&f, GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE); /* 400 ms */
  push_tenths (&f, 5, 5);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, "0*0:0/3 6*0:1/3 11*0:2/3! [0 3/3 0-1000] EOS");
  fail_unless_equals_int (count_messages (&f, GST_MESSAGE_WARNING, NULL), 2);
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_dropped_frames_do_not_shift_the_choice)
{
  Fixture f = start ("window=1000000000 num-frames=4", "10/1");

  push_tenths (&f, 0, 2);
  push_tenths (&f, 4, 4); /* 2 and 3 are missing */
  push_tenths (&f, 9, 2);
  expect (&f, "0*0:0/4 2*0:1/4 4*0:2/4 6*0:3/4! 7*1:0/4 [0 4/4 0-1000]");
  stop (&f);
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
    Fixture f = start (t[i].properties, t[i].rate);
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
    stop (&f);
  }
}
GST_END_TEST;

GST_START_TEST (test_qos_does_not_reach_the_decoder_unless_all_passes)
{
  for (guint all = 0; all < 2; all++) {
    Fixture f = start (
        all ? "window=1000000000 output=all" : "window=1000000000", "10/1");
    GstEvent *e;
    guint seen = 0;

    push_tenths (&f, 0, 1);
    gst_harness_push_upstream_event (
        f.h, gst_event_new_qos (GST_QOS_TYPE_UNDERFLOW, 2., 5, 100));
    while ((e = gst_harness_try_pull_upstream_event (f.h))) {
      seen += GST_EVENT_TYPE (e) == GST_EVENT_QOS;
      gst_event_unref (e);
    }
    fail_unless_equals_int (seen, all);
    stop (&f);
  }
}
GST_END_TEST;

GST_START_TEST (test_settings_change_while_playing_ends_the_clip)
{
  Fixture f = start ("window=1000000000 num-frames=3", "10/1");

  push_tenths (&f, 0, 3);
  gst_harness_set (f.h, "nevaframesampler", "num-frames", 2, "window",
      (guint64) 500 * GST_MSECOND, NULL);
  push_tenths (&f, 3, 5);
  expect (&f, "0*0:0/3 2*0:1/3+1! 3*1:0/2 7*1:1/2! "
              "[0 2/3 0-300] [1 2/2 300-800]");
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_gap_events_keep_downstream_informed)
{
  Fixture f = start ("window=2000000000 num-frames=2", "10/1");
  GstClockTime covered = 100 * GST_MSECOND;
  GstEvent *e;
  guint gaps = 0;

  push_tenths (&f, 0, 19);
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
  stop (&f);
}
GST_END_TEST;

GST_START_TEST (test_state_cycles_start_from_scratch)
{
  Fixture f = start ("window=1000000000 num-frames=2", "10/1");

  for (guint i = 0; i < 20; i++) {
    GstElement *e = gst_harness_find_element (f.h, "nevaframesampler");

    f.next = 0;
    push_tenths (&f, 0, 10);
    expect (&f, "0*0:0/2 9*0:1/2! [0 2/2 0-1000]");
    push_tenths (&f, 10, i % 4);
    g_free (drain (&f));
    gst_element_set_state (e, GST_STATE_NULL);
    gst_element_set_state (e, GST_STATE_PLAYING);
    gst_object_unref (e);
    gst_harness_set_src_caps_str (f.h, CAPS "10/1");
    {
      GstSegment s;

      gst_segment_init (&s, GST_FORMAT_TIME);
      gst_harness_push_event (f.h, gst_event_new_stream_start ("again"));
      gst_harness_set_src_caps_str (f.h, CAPS "10/1");
      gst_harness_push_event (f.h, gst_event_new_segment (&s));
    }
    g_free (drain (&f));
  }
  stop (&f);
}
GST_END_TEST;

static Suite *
framesampler_suite (void)
{
  Suite *s = suite_create ("framesampler");
  TCase *tc = tcase_create ("windows");

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

  tc = tcase_create ("whole");
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_whole_stream_of_unknown_length_is_exact_while_short);
  tcase_add_test (
      tc, test_whole_stream_of_unknown_length_stays_bounded_and_warns);
  tcase_add_test (tc, test_short_streams_repeat_the_last_frame);
  tcase_add_test (tc, test_known_length_chooses_on_the_fly_and_checks);
  tcase_add_test (tc, test_mode_first_ends_the_stream_at_once);
  tcase_add_test (tc, test_output_all_without_a_length_is_an_error);
  tcase_add_test (tc, test_overlap_as_long_as_window_is_an_error);

  tc = tcase_create ("cuts");
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_flush_forgets_the_clip_and_starts_anew);
  tcase_add_test (tc, test_new_segment_gap_and_caps_cut_the_window);
  tcase_add_test (tc, test_same_caps_and_segment_again_do_not_cut);
  tcase_add_test (tc, test_reconnect_after_a_jump_cuts);
  tcase_add_test (tc, test_windows_without_frames_are_skipped);
  tcase_add_test (tc, test_bad_timestamps_are_survived_with_a_warning);
  tcase_add_test (tc, test_dropped_frames_do_not_shift_the_choice);

  tc = tcase_create ("behaviour");
  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_latency_is_reported_on_live_only);
  tcase_add_test (tc, test_qos_does_not_reach_the_decoder_unless_all_passes);
  tcase_add_test (tc, test_settings_change_while_playing_ends_the_clip);
  tcase_add_test (tc, test_gap_events_keep_downstream_informed);
  tcase_add_test (tc, test_state_cycles_start_from_scratch);
  return s;
}

GST_CHECK_MAIN (framesampler);
