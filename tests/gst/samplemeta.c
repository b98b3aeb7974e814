/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include <gst/check/gstcheck.h>

#include "gstnevasamplemeta.h"

static GArray *
make_times (guint n)
{
  GArray *a = g_array_new (FALSE, FALSE, sizeof (GstNevaSampleTime));

  for (guint i = 0; i < n; i++) {
    GstNevaSampleTime t = {i * GST_SECOND, i * GST_SECOND + 7};

    g_array_append_val (a, t);
  }
  return a;
}

GST_START_TEST (test_copy_keeps_every_field)
{
  GstBuffer *buf = gst_buffer_new (), *copy;
  GArray *times = make_times (3);
  GstNevaSampleMeta *m;

  m = gst_buffer_add_neva_sample_meta (buf, 5, 2, 8, 1, 9, times);
  m->repeat = 5;
  m->last = TRUE;
  gst_buffer_add_neva_sample_meta (buf, 6, 0, 8, 4, 12, times);
  g_array_unref (times);

  copy = gst_buffer_copy (buf);
  gst_buffer_unref (buf);
  {
    gpointer state = NULL;

    m = gst_buffer_iterate_neva_sample_meta (copy, &state);
    fail_unless (m != NULL && m->clip == 5 && m->index == 2 && m->count == 8);
    fail_unless (m->repeat == 5 && m->last && m->start == 1 && m->end == 9);
    fail_unless_equals_int (m->times->len, 3);
    fail_unless_equals_uint64 (
        g_array_index (m->times, GstNevaSampleTime, 2).pts, 2000000007);
    m = gst_buffer_iterate_neva_sample_meta (copy, &state);
    fail_unless (m != NULL && m->clip == 6 && m->index == 0 && !m->last);
    fail_unless (gst_buffer_iterate_neva_sample_meta (copy, &state) == NULL);
  }
  gst_buffer_unref (copy);
}
GST_END_TEST;

GST_START_TEST (test_clip_event_round_trip)
{
  GArray *times = make_times (2);
  GstNevaClip in = {3, 2, 8, TRUE, TRUE, 10, 20, times}, out = {0};
  GstEvent *event = gst_neva_clip_event_new (&in);

  fail_unless (GST_EVENT_IS_SERIALIZED (event) && !GST_EVENT_IS_STICKY (event));
  fail_unless (gst_neva_clip_event_parse (event, &out));
  fail_unless (out.clip == 3 && out.frames == 2 && out.count == 8);
  fail_unless (out.complete && out.start == 10 && out.end == 20);
  fail_unless_equals_uint64 (
      g_array_index (out.times, GstNevaSampleTime, 1).running_time, GST_SECOND);
  gst_neva_clip_clear (&out);
  gst_event_unref (event);
  g_array_unref (times);
}
GST_END_TEST;

GST_START_TEST (test_foreign_and_malformed_events_are_refused)
{
  GstNevaClip out = {0};
  GstEvent *event = gst_event_new_eos ();

  fail_if (gst_neva_clip_event_parse (event, &out));
  gst_event_unref (event);

  event = gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
      gst_structure_new ("GstNevaClip", "clip", G_TYPE_UINT64, (guint64) 1,
          "frames", G_TYPE_UINT, 9, NULL));
  fail_if (gst_neva_clip_event_parse (event, &out));
  fail_unless (out.times == NULL);
  gst_event_unref (event);
}
GST_END_TEST;

static Suite *
samplemeta_suite (void)
{
  Suite *s = suite_create ("samplemeta");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_copy_keeps_every_field);
  tcase_add_test (tc, test_clip_event_round_trip);
  tcase_add_test (tc, test_foreign_and_malformed_events_are_refused);
  return s;
}

GST_CHECK_MAIN (samplemeta);
