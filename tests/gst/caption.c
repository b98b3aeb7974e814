/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevacaption by fake models. It needs GStreamer's queue. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>

#define CAPS "video/x-raw,format=RGB,width=4,height=4,framerate=10/1"
#define FRAME_BYTES (4 * 4 * 3)

static GstHarness *
start (const char *properties)
{
  g_autofree char *description = g_strdup_printf ("nevacaption %s", properties);
  GstHarness *h = gst_harness_new_parse (description);

  gst_harness_set_src_caps_str (h, CAPS);
  return h;
}

static GstElement *
bin_of (GstHarness *h)
{
  return gst_harness_find_element (h, "nevacaption");
}

static void
push (GstHarness *h, guint n, guint n_frames)
{
  for (guint i = 0; i < n_frames; i++) {
    GstBuffer *buffer = gst_harness_create_buffer (h, FRAME_BYTES);

    GST_BUFFER_PTS (buffer) = (n + i) * 100 * GST_MSECOND;
    GST_BUFFER_DURATION (buffer) = 100 * GST_MSECOND;
    fail_unless_equals_int (gst_harness_push (h, buffer), GST_FLOW_OK);
  }
}

static guint
drain (GstHarness *h)
{
  GstBuffer *buffer;
  guint n = 0;

  while ((buffer = gst_harness_try_pull (h))) {
    gst_buffer_unref (buffer);
    n++;
  }
  return n;
}

static void
wait_for_eos (GstHarness *h)
{
  GstEventType type;

  do {
    GstEvent *event = gst_harness_pull_event (h);

    fail_unless (event != NULL);
    type = GST_EVENT_TYPE (event);
    gst_event_unref (event);
  } while (type != GST_EVENT_EOS);
}

/* A harness is live. */
static void
never_drop (GstElement *bin)
{
  GstElement *encoder = gst_bin_get_by_name (GST_BIN (bin), "encoder");

  gst_util_set_object_arg (G_OBJECT (bin), "overflow", "block");
  gst_util_set_object_arg (G_OBJECT (encoder), "overflow", "block");
  gst_object_unref (encoder);
}

static guint
count_messages (GstBus *bus, GstMessageType type)
{
  GstMessage *message;
  guint n = 0;

  while ((message = gst_bus_pop_filtered (bus, type))) {
    gst_message_unref (message);
    n++;
  }
  return n;
}

GST_START_TEST (test_video_goes_on_and_every_window_is_captioned)
{
  GstHarness *h = start ("model=fake:echo window=1000000000 num-frames=4 "
                         "text-time=window");
  GstHarness *text;
  GstElement *bin = bin_of (h);
  GstBus *bus = gst_bus_new ();
  GstBuffer *buffer;
  GstMapInfo map;

  gst_element_set_bus (bin, bus);
  text = gst_harness_new_with_element (bin, NULL, "text");
  never_drop (bin);
  push (h, 0, 25);
  gst_harness_push_event (h, gst_event_new_eos ());
  wait_for_eos (h);
  fail_unless_equals_int (drain (h), 25);

  for (guint window = 0; window < 3; window++) {
    buffer = gst_harness_pull (text);
    fail_unless (buffer != NULL);
    fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), window * GST_SECOND);
    gst_buffer_map (buffer, &map, GST_MAP_READ);
    fail_unless (g_strstr_len ((char *) map.data, (gssize) map.size,
                     "frames=4; times=") != NULL,
        "%.*s", (int) map.size, (char *) map.data);
    gst_buffer_unmap (buffer, &map);
    gst_buffer_unref (buffer);
  }
  fail_unless_equals_int (count_messages (bus, GST_MESSAGE_ELEMENT), 3);
  gst_harness_teardown (text);
  gst_element_set_bus (bin, NULL);
  gst_object_unref (bus);
  gst_object_unref (bin);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_properties_reach_the_parts)
{
  GstElement *bin = gst_element_factory_make ("nevacaption", NULL);
  static const char *const settings[][2] = {{"model", "fake:x"},
      {"prompt", "Why?"}, {"temperature", "0.5"}, {"num-frames", "3"},
      {"window", "77"}, {"weights", "int8"}, {"mode", "middle"}, {"seed", "9"},
      {"top-k", "4"}, {"partial", "true"}, {"overflow", "drop-newest"},
      {"base-model", "b.nemo"}, {"vision-tower", "v"}, {"lora", "l.nemo"},
      {"output", "text"}};
  static const char *const of_sampler[] = {
      "num-frames", "window", "mode", NULL};

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    gst_util_set_object_arg (G_OBJECT (bin), settings[i][0], settings[i][1]);

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++) {
    const char *name = settings[i][0];
    GstElement *child = gst_bin_get_by_name (
        GST_BIN (bin), g_strv_contains (of_sampler, name) ? "sampler" : "llm");
    GParamSpec *spec =
        g_object_class_find_property (G_OBJECT_GET_CLASS (child), name);
    GValue of_bin = G_VALUE_INIT, of_child = G_VALUE_INIT;

    g_value_init (&of_bin, spec->value_type);
    g_value_init (&of_child, spec->value_type);
    g_object_get_property (G_OBJECT (bin), name, &of_bin);
    g_object_get_property (G_OBJECT (child), name, &of_child);
    fail_unless (gst_value_compare (&of_bin, &of_child) == GST_VALUE_EQUAL ||
                     g_param_values_cmp (spec, &of_bin, &of_child) == 0,
        "%s", name);
    fail_if (g_param_value_defaults (spec, &of_child), "%s is unchanged", name);
    g_value_unset (&of_bin);
    g_value_unset (&of_child);
    gst_object_unref (child);
  }

  /* The model goes to both that need it. */
  {
    GstElement *encoder = gst_bin_get_by_name (GST_BIN (bin), "encoder");
    g_autofree char *model = NULL;

    g_object_get (encoder, "model", &model, NULL);
    fail_unless_equals_string (model, "fake:x");
    gst_object_unref (encoder);
  }
  gst_object_unref (bin);
}
GST_END_TEST;

GST_START_TEST (test_no_property_of_a_part_is_left_out)
{
  GstElement *bin = gst_element_factory_make ("nevacaption", NULL);
  static const char *const parts[] = {"llm", "sampler", "encoder"};

  for (guint i = 0; i < G_N_ELEMENTS (parts); i++) {
    GstElement *child = gst_bin_get_by_name (GST_BIN (bin), parts[i]);
    guint n;
    GParamSpec **specs =
        g_object_class_list_properties (G_OBJECT_GET_CLASS (child), &n);

    fail_unless (n > 3);
    for (guint k = 0; k < n; k++)
      fail_unless (g_object_class_find_property (
                       G_OBJECT_GET_CLASS (bin), specs[k]->name) != NULL ||
                       g_str_equal (specs[k]->name, "frames"),
          "%s of %s", specs[k]->name, parts[i]);
    g_free (specs);
    gst_object_unref (child);
  }
  gst_object_unref (bin);
}
GST_END_TEST;

GST_START_TEST (test_text_pad_comes_and_goes_while_playing)
{
  GstHarness *h = start ("model=fake:x window=1000000000 num-frames=2");
  GstElement *bin = bin_of (h);

  for (guint i = 0; i < 10; i++) {
    GstPad *pad =
        gst_element_request_pad_simple (bin, i % 2 ? "text_0" : "text");

    fail_unless (pad != NULL);
    push (h, i * 12, 12);
    gst_element_release_request_pad (bin, pad);
    gst_object_unref (pad);
  }
  push (h, 120, 1);
  gst_harness_push_event (h, gst_event_new_eos ());
  wait_for_eos (h);
  fail_unless_equals_int (drain (h), 121);
  gst_object_unref (bin);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_prompts_and_their_pads_are_the_bins_too)
{
  GstHarness *h = start ("model=fake:echo window=1000000000 num-frames=2 "
                         "prompts=\"<one,[q,id=b,text=two]>\"");
  GstElement *bin = bin_of (h);
  GstHarness *text = gst_harness_new_with_element (bin, NULL, "text_b");

  never_drop (bin);
  push (h, 0, 25);
  gst_harness_push_event (h, gst_event_new_eos ());
  for (guint i = 0; i < 3; i++) {
    GstBuffer *buffer = gst_harness_pull (text);
    char got[10] = "";

    fail_unless (buffer != NULL);
    gst_buffer_extract (buffer, 0, got, 10);
    fail_unless (memcmp (got, "prompt=two", 10) == 0);
    gst_buffer_unref (buffer);
  }
  wait_for_eos (text);
  fail_unless_equals_int (drain (text), 0);
  g_signal_emit_by_name (bin, "forget");
  wait_for_eos (h);
  gst_object_unref (bin);
  gst_harness_teardown (text);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_missing_model_is_one_error)
{
  GstElement *bin = gst_element_factory_make ("nevacaption", NULL);
  GstBus *bus = gst_bus_new ();

  g_object_set (bin, "model", "/nonexistent/model", NULL);
  gst_element_set_bus (bin, bus);
  fail_unless (gst_element_set_state (bin, GST_STATE_PAUSED) ==
               GST_STATE_CHANGE_FAILURE);
  fail_unless_equals_int (count_messages (bus, GST_MESSAGE_ERROR), 1);
  gst_element_set_state (bin, GST_STATE_NULL);
  gst_element_set_bus (bin, NULL);
  gst_object_unref (bus);
  gst_object_unref (bin);
}
GST_END_TEST;

GST_START_TEST (test_state_storm)
{
  GstHarness *h = start (
      "model=\"fake:x?load=2&delay=5&encode=1\" window=300000000 num-frames=2");
  GstElement *bin = bin_of (h);
  GstPad *pad = gst_element_request_pad_simple (bin, "text");
  GstBus *bus = gst_bus_new ();

  gst_element_set_bus (bin, bus);
  for (guint i = 0; i < 20; i++) {
    gst_element_set_state (bin, i % 3 == 0 ? GST_STATE_NULL : GST_STATE_READY);
    gst_element_set_state (bin, GST_STATE_PLAYING);
    gst_harness_set_src_caps_str (h, CAPS);
    for (guint k = 0; k < i % 7; k++) {
      GstBuffer *buffer = gst_harness_create_buffer (h, FRAME_BYTES);

      GST_BUFFER_PTS (buffer) = k * 100 * GST_MSECOND;
      gst_harness_push (h, buffer);
    }
  }
  fail_unless_equals_int (count_messages (bus, GST_MESSAGE_ERROR), 0);
  gst_element_set_bus (bin, NULL);
  gst_object_unref (bus);
  gst_element_release_request_pad (bin, pad);
  gst_object_unref (pad);
  gst_object_unref (bin);
  gst_harness_teardown (h);
}
GST_END_TEST;

GST_START_TEST (test_one_model_serves_both_parts)
{
  GstHarness *h = start ("model=fake:x window=1000000000 num-frames=2");
  GstElement *bin = bin_of (h);
  const GstStructure *encoder, *model;
  GstStructure *stats;
  guint64 answers = 0, frames = 0;

  never_drop (bin);
  push (h, 0, 30);
  gst_harness_push_event (h, gst_event_new_eos ());
  wait_for_eos (h);
  g_object_get (bin, "stats", &stats, NULL);
  encoder =
      gst_value_get_structure (gst_structure_get_value (stats, "encoder"));
  model = gst_value_get_structure (gst_structure_get_value (encoder, "model"));
  gst_structure_get_uint64 (model, "answers", &answers);
  gst_structure_get_uint64 (model, "frames-encoded", &frames);
  fail_unless_equals_uint64 (answers, 3);
  fail_unless_equals_uint64 (frames, 6);
  gst_structure_free (stats);
  gst_object_unref (bin);
  gst_harness_teardown (h);
}
GST_END_TEST;

static Suite *
caption_suite (void)
{
  Suite *s = suite_create ("nevacaption");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_video_goes_on_and_every_window_is_captioned);
  tcase_add_test (tc, test_properties_reach_the_parts);
  tcase_add_test (tc, test_no_property_of_a_part_is_left_out);
  tcase_add_test (tc, test_text_pad_comes_and_goes_while_playing);
  tcase_add_test (tc, test_prompts_and_their_pads_are_the_bins_too);
  tcase_add_test (tc, test_missing_model_is_one_error);
  tcase_add_test (tc, test_state_storm);
  tcase_add_test (tc, test_one_model_serves_both_parts);
  return s;
}

GST_CHECK_MAIN (caption);
