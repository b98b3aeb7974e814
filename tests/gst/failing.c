/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Fails while a pipeline runs, from a thread of the pipeline, or without one.
 * Must not hang, with and without CK_FORK=no: see fail_at_once.c. */
#include "config.h"
#include <gst/check/gstcheck.h>

static GstPadProbeReturn
on_buffer (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  (void) pad, (void) info, (void) user_data;
  fail_unless_equals_int (1, 2);
  return GST_PAD_PROBE_OK;
}

static void
fail_in (gboolean streaming_thread)
{
  GstElement *pipeline =
      gst_parse_launch ("fakesrc name=src ! queue ! fakesink", NULL);
  GstElement *src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  GstPad *pad = gst_element_get_static_pad (src, "src");

  if (streaming_thread)
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer, NULL, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_element_get_state (pipeline, NULL, NULL, GST_CLOCK_TIME_NONE);
  fail_unless (pipeline == NULL, "planned failure %d", 1);
}

GST_START_TEST (test_here)
{
  fail_in (FALSE);
}
GST_END_TEST;

GST_START_TEST (test_in_a_streaming_thread)
{
  fail_in (TRUE);
}
GST_END_TEST;

static Suite *
failing_suite (void)
{
  Suite *s = suite_create ("failing");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_here);
  tcase_add_test (tc, test_in_a_streaming_thread);
  return s;
}

GST_CHECK_MAIN (failing);
