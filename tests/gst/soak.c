/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A long stream, and many short ones: memory stays what it was. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include <stdio.h>
#include <unistd.h>

#define FRAMES 100000 /* at 10/s, two windows begin each second */
#define CAPTIONS (FRAMES / 5)
/* What the allocator may keep for itself; a leak of 200 bytes for each caption
 * would be more. */
#define SLACK (3 << 20)

static gsize
resident_bytes (void)
{
  unsigned long total, resident = 0;
  FILE *f = fopen ("/proc/self/statm", "r");

  if (f) {
    if (fscanf (f, "%lu %lu", &total, &resident) != 2)
      resident = 0;
    fclose (f);
  }
  return resident * (gsize) sysconf (_SC_PAGESIZE);
}

typedef struct {
  guint captions, errors;
  gsize after_warm_up; /* resident when a quarter of the captions was there */
} Seen;

static GstBusSyncReply
on_message (GstBus *bus, GstMessage *message, gpointer user_data)
{
  Seen *seen = user_data;

  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT &&
      gst_message_has_name (message, "neva-caption") &&
      ++seen->captions == CAPTIONS / 4)
    seen->after_warm_up = resident_bytes ();
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR)
    seen->errors++;
  if (GST_MESSAGE_TYPE (message) & (GST_MESSAGE_EOS | GST_MESSAGE_ERROR))
    return GST_BUS_PASS;
  gst_message_unref (message);
  return GST_BUS_DROP;
}

static void
run (const char *description, Seen *seen)
{
  GstElement *pipeline = gst_parse_launch (description, NULL);
  GstBus *bus = gst_element_get_bus (pipeline);

  gst_bus_set_sync_handler (bus, on_message, seen, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  gst_message_unref (gst_bus_timed_pop_filtered (
      bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (bus);
  gst_object_unref (pipeline);
}

GST_START_TEST (test_hours_of_captions_takes_no_memory)
{
  g_autofree char *description = g_strdup_printf (
      "videotestsrc num-buffers=%d pattern=ball ! "
      "video/x-raw,format=I420,width=32,height=32,framerate=10/1 ! "
      "nevacaption name=c model=fake:echo window=1000000000 num-frames=4 "
      "overlap=500000000 partial=true ! fakesink c.text ! fakesink async=false",
      FRAMES);
  Seen seen = {0};
  gsize end;

  run (description, &seen);
  end = resident_bytes ();
  fail_unless_equals_int (seen.errors, 0);
  fail_unless (seen.captions >= CAPTIONS - 1, "%u captions", seen.captions);
  fprintf (stderr,
      "%u captions, resident %zu KiB after a quarter, %zu at the end\n",
      seen.captions, seen.after_warm_up >> 10, end >> 10);
  fail_unless (seen.after_warm_up > 0);
  fail_unless (end <= seen.after_warm_up + SLACK, "memory grew");
}
GST_END_TEST;

GST_START_TEST (test_starting_and_stopping_takes_no_memory)
{
  gsize before = 0;

  for (guint i = 0; i < 200; i++) {
    Seen seen = {0};

    run ("videotestsrc num-buffers=12 ! "
         "video/x-raw,format=RGB,width=64,height=64,framerate=10/1 ! "
         "nevacaption model=fake:x window=500000000 num-frames=2 ! fakesink",
        &seen);
    fail_unless_equals_int (seen.errors, 0);
    fail_unless (seen.captions >= 2, "%u captions", seen.captions);
    if (i == 50)
      before = resident_bytes ();
  }
  fprintf (stderr, "resident %zu KiB after 50 runs, %zu after 200\n",
      before >> 10, resident_bytes () >> 10);
  fail_unless (before > 0 && resident_bytes () <= before + SLACK);
}
GST_END_TEST;

static Suite *
soak_suite (void)
{
  Suite *s = suite_create ("soak");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_set_timeout (tc, 300);
  tcase_add_test (tc, test_hours_of_captions_takes_no_memory);
  tcase_add_test (tc, test_starting_and_stopping_takes_no_memory);
  return s;
}

GST_CHECK_MAIN (soak);
