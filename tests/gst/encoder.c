/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevaencoder by fake models. The harness says that it is live, so tests of
 * files ask for overflow=block. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include <gst/video/video.h>
#include "gstnevasamplemeta.h"

#define CAPS "video/x-raw,format=RGB,width=4,height=4,framerate=25/1"
#define FRAME_BYTES (4 * 4 * 3)

typedef struct {
  GstHarness *harness;
  GstElement *encoder; /* the only one */
  GstBus *bus;
} Fixture;

static Fixture
start (const char *description)
{
  Fixture f;

  f.harness = gst_harness_new_parse (description);
  f.encoder = gst_harness_find_element (f.harness, "nevaencoder");
  f.bus = gst_bus_new ();
  /* The harness plays before anybody can listen: once more. */
  gst_element_set_state (f.harness->element, GST_STATE_NULL);
  gst_element_set_bus (f.harness->element, f.bus);
  gst_element_set_state (f.harness->element, GST_STATE_PLAYING);
  return f;
}

static void
play (Fixture *f)
{
  gst_harness_set_src_caps_str (f->harness, CAPS);
}

static void
finish (Fixture *f)
{
  gst_element_set_bus (f->harness->element, NULL);
  gst_object_unref (f->bus);
  gst_object_unref (f->encoder);
  gst_harness_teardown (f->harness);
}

static GstBuffer *
frame (Fixture *f, GstClockTime pts)
{
  GstBuffer *buffer = gst_harness_create_buffer (f->harness, FRAME_BYTES);

  GST_BUFFER_PTS (buffer) = pts;
  return buffer;
}

static void
mark (GstBuffer *buffer, guint64 clip)
{
  const GstNevaSampleTime t = {
      GST_BUFFER_PTS (buffer), GST_BUFFER_PTS (buffer)};
  GArray *times = g_array_new (FALSE, FALSE, sizeof t);

  g_array_append_val (times, t);
  gst_buffer_add_neva_sample_meta (buffer, clip, 0, 1, 0, GST_SECOND, times);
  g_array_unref (times);
}

static guint
handles (GstBuffer *buffer)
{
  const GType api = g_type_from_name ("GstNevaEmbeddingMetaAPI");

  return api ? gst_buffer_get_n_meta (buffer, api) : 0;
}

static guint64
stat (GstElement *element, const char *name)
{
  GstStructure *stats;
  guint64 value = G_MAXUINT64;

  g_object_get (element, "stats", &stats, NULL);
  fail_unless (gst_structure_get_uint64 (stats, name, &value), "no %s", name);
  gst_structure_free (stats);
  return value;
}

static guint
count_errors (GstBus *bus, GQuark *domain, gint *code)
{
  GstMessage *message;
  guint n = 0;

  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR))) {
    GError *error;

    gst_message_parse_error (message, &error, NULL);
    if (domain)
      *domain = error->domain;
    if (code)
      *code = error->code;
    g_error_free (error);
    gst_message_unref (message);
    n++;
  }
  return n;
}

/* Until the bus says that loading went this way. */
static void
wait_for_progress (GstBus *bus, GstProgressType wanted)
{
  GstProgressType type;

  do {
    GstMessage *message = gst_bus_timed_pop_filtered (
        bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_PROGRESS);

    gst_message_parse_progress (message, &type, NULL, NULL);
    gst_message_unref (message);
  } while (type != wanted);
}

GST_START_TEST (test_every_frame_gets_a_handle)
{
  Fixture f = start ("nevaencoder model=fake:x overflow=block");
  GstBuffer *out;

  play (&f);
  for (guint i = 0; i < 3; i++) {
    out = gst_harness_push_and_pull (f.harness, frame (&f, i * GST_SECOND));
    fail_unless_equals_int (handles (out), 1);
    fail_unless_equals_uint64 (GST_BUFFER_PTS (out), i * GST_SECOND);
    gst_buffer_unref (out);
  }
  fail_unless_equals_uint64 (stat (f.encoder, "submitted"), 3);
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_only_marked_frames_once_one_was_marked)
{
  Fixture f = start ("nevaencoder model=fake:x overflow=block");
  const guint want[] = {1, 1, 0, 1};
  GstBuffer *buffer;

  play (&f);
  for (guint i = 0; i < 4; i++) {
    buffer = frame (&f, i * GST_SECOND);
    if (i == 1 || i == 3) {
      mark (buffer, 0);
      mark (buffer, 1); /* two clips share it: still encoded once */
    }
    buffer = gst_harness_push_and_pull (f.harness, buffer);
    fail_unless_equals_int (handles (buffer), want[i]);
    gst_buffer_unref (buffer);
  }
  fail_unless_equals_uint64 (stat (f.encoder, "not-chosen"), 1);
  g_object_set (f.encoder, "frames", 1 /* marked */, NULL);
  buffer = gst_harness_push_and_pull (f.harness, frame (&f, 9));
  fail_unless_equals_int (handles (buffer), 0);
  gst_buffer_unref (buffer);
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_handle_survives_conversion_of_the_buffer)
{
  Fixture f = start ("nevaencoder model=fake:x overflow=block ! "
                     "nevaencoder model=fake:y overflow=block ! "
                     "nevaencoder model=fake:x overflow=block");
  GstBuffer *out, *copy;

  play (&f);
  out = gst_harness_push_and_pull (f.harness, frame (&f, 0));
  /* one per model: the third found its own there */
  fail_unless_equals_int (handles (out), 2);
  copy = gst_buffer_copy (out);
  gst_buffer_unref (out);
  fail_unless_equals_int (handles (copy), 2);
  gst_buffer_unref (copy);
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_missing_model_is_an_error_message)
{
  GstElement *element = gst_element_factory_make ("nevaencoder", NULL);
  GstBus *bus = gst_bus_new ();
  GQuark domain = 0;
  gint code = 0;

  gst_element_set_bus (element, bus);
  g_object_set (element, "model", "/nonexistent/model", NULL);
  fail_unless (gst_element_set_state (element, GST_STATE_PAUSED) ==
               GST_STATE_CHANGE_FAILURE);
  fail_unless_equals_int (count_errors (bus, &domain, &code), 1);
  fail_unless (
      domain == GST_RESOURCE_ERROR && code == GST_RESOURCE_ERROR_NOT_FOUND);
  gst_element_set_state (element, GST_STATE_NULL);
  gst_element_set_bus (element, NULL);
  gst_object_unref (element);
  gst_object_unref (bus);
}
GST_END_TEST;

GST_START_TEST (test_no_model_is_one_error)
{
  Fixture f = start ("nevaencoder");
  GQuark domain = 0;
  gint code = 0;

  play (&f);
  fail_unless_equals_int (
      gst_harness_push (f.harness, frame (&f, 0)), GST_FLOW_EOS);
  fail_unless_equals_int (count_errors (f.bus, &domain, &code), 1);
  fail_unless (
      domain == GST_RESOURCE_ERROR && code == GST_RESOURCE_ERROR_NOT_FOUND);
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_failing_load_is_one_error_for_two_elements)
{
  const char *models[] = {
      "model=\"fake:x?load=30&fail=load\"", "model=\"fake:x?colour=red\""};

  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    g_autofree char *description =
        g_strdup_printf ("nevaencoder %s overflow=block ! "
                         "nevaencoder %s overflow=block",
            models[i], models[i]);
    Fixture f = start (description);

    play (&f);
    fail_unless_equals_int (
        gst_harness_push (f.harness, frame (&f, 0)), GST_FLOW_EOS);
    fail_unless_equals_int (count_errors (f.bus, NULL, NULL), 1);
    finish (&f);
  }
}
GST_END_TEST;

GST_START_TEST (test_loading_posts_progress)
{
  Fixture f = start ("nevaencoder model=\"fake:x?load=100\"");
  guint n_start = 0, n_continue = 0;
  GstProgressType type;

  play (&f);
  do {
    GstMessage *message = gst_bus_timed_pop_filtered (
        f.bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_PROGRESS);

    gst_message_parse_progress (message, &type, NULL, NULL);
    n_start += type == GST_PROGRESS_TYPE_START;
    n_continue += type == GST_PROGRESS_TYPE_CONTINUE;
    gst_message_unref (message);
  } while (type != GST_PROGRESS_TYPE_COMPLETE);
  fail_unless_equals_int (n_start, 1);
  fail_unless (n_continue > 0);
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_live_frames_do_not_wait_for_loading)
{
  Fixture f = start ("nevaencoder model=\"fake:x?load=60000\"");
  GstBuffer *out;

  play (&f);
  for (guint i = 0; i < 5; i++) {
    out = gst_harness_push_and_pull (f.harness, frame (&f, i));
    fail_unless_equals_int (handles (out), 0);
    gst_buffer_unref (out);
  }
  fail_unless_equals_uint64 (stat (f.encoder, "dropped-loading"), 5);
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_live_frames_go_by_when_the_queue_is_full)
{
  Fixture f = start ("nevaencoder model=\"fake:x?encode=3\"");
  GPtrArray *out =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_buffer_unref);
  GstMessage *message;
  guint64 dropped = 0, processed = 0;
  GstFormat format;

  play (&f);
  wait_for_progress (f.bus, GST_PROGRESS_TYPE_COMPLETE);
  /* A frame that nobody holds would leave the queue. */
  for (guint i = 0; stat (f.encoder, "dropped-full") == 0; i++)
    g_ptr_array_add (out,
        gst_harness_push_and_pull (f.harness, frame (&f, i * GST_MSECOND)));
  fail_unless_equals_int (handles (out->pdata[0]), 1);
  fail_unless_equals_int (handles (out->pdata[out->len - 1]), 0);
  message = gst_bus_pop_filtered (f.bus, GST_MESSAGE_QOS);
  fail_unless (message != NULL);
  gst_message_parse_qos_stats (message, &format, &processed, &dropped);
  fail_unless_equals_uint64 (dropped, 1);
  fail_unless (processed >= 32);
  gst_message_unref (message);
  g_ptr_array_unref (out);
  finish (&f);
}
GST_END_TEST;

static gpointer
push_one (gpointer data)
{
  Fixture *f = data;

  return GINT_TO_POINTER (gst_harness_push (f->harness, frame (f, 0)));
}

GST_START_TEST (test_flush_ends_waiting_for_the_model)
{
  Fixture f = start ("nevaencoder model=\"fake:x?load=60000\" overflow=block");
  GThread *thread;

  play (&f);
  wait_for_progress (f.bus, GST_PROGRESS_TYPE_START);
  thread = g_thread_new ("push", push_one, &f);
  gst_harness_push_event (f.harness, gst_event_new_flush_start ());
  fail_unless_equals_int (
      GPOINTER_TO_INT (g_thread_join (thread)), GST_FLOW_FLUSHING);
  gst_harness_push_event (f.harness, gst_event_new_flush_stop (TRUE));
  fail_unless_equals_int (count_errors (f.bus, NULL, NULL), 0);
  finish (&f);
}
GST_END_TEST;

static gpointer
push_many (gpointer data)
{
  Fixture *f = data;
  GstFlowReturn ret;

  do
    ret = gst_harness_push (f->harness, frame (f, 0));
  while (ret == GST_FLOW_OK);
  return GINT_TO_POINTER (ret);
}

GST_START_TEST (test_flush_ends_waiting_for_room)
{
  Fixture f = start ("nevaencoder model=\"fake:x?encode=20\" overflow=block");
  GThread *thread;

  play (&f);
  thread = g_thread_new ("push", push_many, &f);
  while (stat (f.encoder, "submitted") < 32)
    g_thread_yield ();
  gst_harness_push_event (f.harness, gst_event_new_flush_start ());
  fail_unless_equals_int (
      GPOINTER_TO_INT (g_thread_join (thread)), GST_FLOW_FLUSHING);
  gst_harness_push_event (f.harness, gst_event_new_flush_stop (TRUE));

  /* and after it the stream goes on */
  {
    GstSegment segment;
    GstBuffer *out;

    gst_segment_init (&segment, GST_FORMAT_TIME);
    gst_harness_push_event (f.harness, gst_event_new_segment (&segment));
    out = gst_harness_push_and_pull (f.harness, frame (&f, 0));
    fail_unless_equals_int (handles (out), 1);
    gst_buffer_unref (out);
  }
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_stop_ends_waiting_and_restart_works)
{
  Fixture f = start ("nevaencoder model=\"fake:x?load=60000\" overflow=block");
  GstElement *element = f.harness->element;
  GThread *thread;
  GstBuffer *out;

  play (&f);
  thread = g_thread_new ("push", push_one, &f);
  gst_element_set_state (element, GST_STATE_NULL);
  fail_unless_equals_int (
      GPOINTER_TO_INT (g_thread_join (thread)), GST_FLOW_FLUSHING);

  g_object_set (f.encoder, "model", "fake:x", NULL);
  gst_element_set_state (element, GST_STATE_PLAYING);
  play (&f);
  out = gst_harness_push_and_pull (f.harness, frame (&f, 0));
  fail_unless_equals_int (handles (out), 1);
  gst_buffer_unref (out);
  fail_unless_equals_int (count_errors (f.bus, NULL, NULL), 0);
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_state_storm)
{
  Fixture f = start ("nevaencoder model=\"fake:x?load=3&encode=1\"");

  for (guint i = 0; i < 30; i++) {
    gst_element_set_state (f.harness->element, GST_STATE_PLAYING);
    play (&f);
    for (guint j = 0; j < i % 5; j++)
      gst_harness_push (f.harness, frame (&f, j));
    gst_element_set_state (
        f.harness->element, i % 2 ? GST_STATE_NULL : GST_STATE_READY);
  }
  fail_unless_equals_int (count_errors (f.bus, NULL, NULL), 0);
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_model_is_found_by_context)
{
  Fixture f = start ("nevaencoder model=fake:x overflow=block ! "
                     "nevaencoder name=second overflow=block");
  GstBuffer *out;
  GstElement *second;

  play (&f);
  out = gst_harness_push_and_pull (f.harness, frame (&f, 0));
  fail_unless_equals_int (handles (out), 1);
  gst_buffer_unref (out);
  second = gst_bin_get_by_name (GST_BIN (f.harness->element), "second");
  fail_unless_equals_uint64 (stat (second, "frames"), 1);
  fail_unless_equals_int (count_errors (f.bus, NULL, NULL), 0);
  gst_object_unref (second);
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_model_that_a_neighbour_loads_is_waited_for)
{
  Fixture f = start ("nevaencoder overflow=block name=first ! "
                     "nevaencoder model=\"fake:x?load=50\" overflow=block");
  GstElement *front =
      gst_bin_get_by_name (GST_BIN (f.harness->element), "first");
  GstBuffer *out;

  play (&f);
  out = gst_harness_push_and_pull (f.harness, frame (&f, 0));
  fail_unless_equals_int (handles (out), 1);
  gst_buffer_unref (out);
  fail_unless_equals_uint64 (stat (front, "submitted"), 1);
  fail_unless_equals_int (count_errors (f.bus, NULL, NULL), 0);
  gst_object_unref (front);
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_every_format_and_a_caps_change)
{
  static const char *const formats[] = {"I420", "YV12", "NV12", "RGB", "BGR",
      "RGBA", "RGBx", "BGRA", "BGRx", "ARGB", "xRGB", "ABGR", "xBGR", "GRAY8",
      "I420_10LE", "P010_10LE"};
  Fixture f = start ("nevaencoder model=fake:x overflow=block");

  for (guint i = 0; i < G_N_ELEMENTS (formats); i++) {
    g_autofree char *caps = g_strdup_printf ("video/x-raw,format=%s,width=%u,"
                                             "height=6,framerate=0/1",
        formats[i], 8 + 2 * i);
    GstVideoInfo info;
    GstBuffer *buffer;

    gst_video_info_set_format (
        &info, gst_video_format_from_string (formats[i]), 8 + 2 * i, 6);
    gst_harness_set_src_caps_str (f.harness, caps);
    buffer = gst_buffer_new_allocate (NULL, info.size, NULL);
    gst_buffer_memset (buffer, 0, 128, info.size);
    buffer = gst_harness_push_and_pull (f.harness, buffer);
    fail_unless_equals_int (handles (buffer), 1);
    gst_buffer_unref (buffer);
  }
  finish (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_buffer_that_is_too_small_is_one_error)
{
  Fixture f = start ("nevaencoder model=fake:x overflow=block");

  play (&f);
  fail_unless_equals_int (
      gst_harness_push (f.harness, gst_buffer_new_allocate (NULL, 5, NULL)),
      GST_FLOW_EOS);
  fail_unless_equals_int (count_errors (f.bus, NULL, NULL), 1);
  finish (&f);
}
GST_END_TEST;

static Suite *
encoder_suite (void)
{
  Suite *s = suite_create ("nevaencoder");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_every_frame_gets_a_handle);
  tcase_add_test (tc, test_only_marked_frames_once_one_was_marked);
  tcase_add_test (tc, test_a_handle_survives_conversion_of_the_buffer);
  tcase_add_test (tc, test_missing_model_is_an_error_message);
  tcase_add_test (tc, test_no_model_is_one_error);
  tcase_add_test (tc, test_failing_load_is_one_error_for_two_elements);
  tcase_add_test (tc, test_loading_posts_progress);
  tcase_add_test (tc, test_live_frames_do_not_wait_for_loading);
  tcase_add_test (tc, test_live_frames_go_by_when_the_queue_is_full);
  tcase_add_test (tc, test_flush_ends_waiting_for_the_model);
  tcase_add_test (tc, test_flush_ends_waiting_for_room);
  tcase_add_test (tc, test_stop_ends_waiting_and_restart_works);
  tcase_add_test (tc, test_state_storm);
  tcase_add_test (tc, test_a_model_is_found_by_context);
  tcase_add_test (tc, test_a_model_that_a_neighbour_loads_is_waited_for);
  tcase_add_test (tc, test_every_format_and_a_caps_change);
  tcase_add_test (tc, test_a_buffer_that_is_too_small_is_one_error);
  return s;
}

GST_CHECK_MAIN (encoder);
