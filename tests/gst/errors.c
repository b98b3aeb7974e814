/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole pipelines that go wrong: one error message, which names the cause, and
 * an end of stream after it. Needs the system's plugins. */
#include "config.h"
#include <gio/gio.h>
#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>
#include <unistd.h>

#define SOON (120 * GST_SECOND)
#define SOURCE                                                                 \
  "videotestsrc num-buffers=40 ! "                                             \
  "video/x-raw,format=%s,width=64,height=64,framerate=10/1 ! "
#define SAMPLER "nevaframesampler num-frames=2 window=400000000 ! "

static GstElement *
launch (const char *format, ...)
{
  va_list args;
  g_autofree char *line = NULL;
  GError *error = NULL;
  GstElement *pipeline;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  pipeline = gst_parse_launch (line, &error);
  fail_unless (error == NULL, "%s: %s", line, error ? error->message : "");
  return pipeline;
}

static void
stop (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

static GstPadProbeReturn
on_event (GstPad *pad, GstPadProbeInfo *info, gpointer bus)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) == GST_EVENT_EOS)
    gst_bus_post (bus, gst_message_new_application (
                           GST_OBJECT (pad), gst_structure_new_empty ("end")));
  return GST_PAD_PROBE_OK;
}

/* Pipelines that fail before PAUSED was reached never say EOS, and a sink that
 * prerolls waits for ever; told not to, it gets the event all the same.
 * Returns: how many there are. */
static guint
watch_sinks (GstElement *pipeline, GstBus *bus)
{
  GstIterator *sinks = gst_bin_iterate_sinks (GST_BIN (pipeline));
  GValue item = G_VALUE_INIT;
  guint n = 0;

  while (gst_iterator_next (sinks, &item) == GST_ITERATOR_OK) {
    g_autoptr (GstPad) pad =
        gst_element_get_static_pad (g_value_get_object (&item), "sink");

    g_object_set (g_value_get_object (&item), "async", FALSE, NULL);
    gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, on_event,
        gst_object_ref (bus), gst_object_unref);
    g_value_reset (&item);
    n++;
  }
  g_value_unset (&item);
  gst_iterator_free (sinks);
  return n;
}

/* Plays to the end. All errors and warnings, in order, each a line "E …" or
 * "W …". */
static char *
play (GstElement *pipeline)
{
  const GstMessageType wanted =
      GST_MESSAGE_APPLICATION | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING;
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GString *lines = g_string_new (NULL);
  guint left = watch_sinks (pipeline, bus);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while (left > 0) {
    GstMessage *m = gst_bus_timed_pop_filtered (bus, SOON, wanted);
    g_autoptr (GError) error = NULL;

    fail_unless (m != NULL, "no end; so far: %s", lines->str);
    if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_ERROR) {
      gst_message_parse_error (m, &error, NULL);
      g_string_append_printf (lines, "E %s\n", error->message);
    } else if (GST_MESSAGE_TYPE (m) == GST_MESSAGE_WARNING) {
      gst_message_parse_warning (m, &error, NULL);
      g_string_append_printf (lines, "W %s\n", error->message);
    } else {
      left--;
    }
    gst_message_unref (m);
  }
  return g_string_free (lines, FALSE);
}

/* One line of that kind, with this in it. */
static void
expect_one (const char *lines, char kind, const char *part)
{
  fail_unless (lines[0] == kind && strchr (lines, '\n') &&
                   !strchr (lines, '\n')[1] && strstr (lines, part),
      "'%s' expected, got:\n%s", part, lines);
}

static void
expect_error (GstElement *pipeline, const char *part)
{
  g_autofree char *lines = play (pipeline);

  expect_one (lines, 'E', part);
  stop (pipeline);
}

static guint64
captions_of (GstElement *pipeline)
{
  g_autoptr (GstElement) llm = gst_bin_get_by_name (GST_BIN (pipeline), "n");
  g_autoptr (GstStructure) stats = NULL;
  guint64 captions = 0;

  g_object_get (llm, "stats", &stats, NULL);
  gst_structure_get_uint64 (stats, "captions", &captions);
  return captions;
}

/* ---- Models that do not load, or break ---- */

GST_START_TEST (test_a_model_that_fails_while_data_flows)
{
  static const char *const middle[] = {
      "nevaencoder model=\"fake:x?load=50&fail=load\" ! nevallm ! fakesink",
      "nevaencoder model=\"fake:x?load=50&fail=load\" ! queue ! nevallm ! "
      "fakesink",
      "nevallm model=\"fake:x?load=50&fail=load\" ! fakesink",
      "nevallm timing=aligned model=\"fake:x?load=50&fail=load\" ! fakesink",
      "nevaencoder model=\"fake:x?fail=encode\" ! nevallm ! fakesink",
      "nevaencoder model=\"fake:x?fail=answer\" ! nevallm name=n ! fakesink "
      "n.text ! queue ! fakesink",
  };

  for (guint i = 0; i < G_N_ELEMENTS (middle); i++) {
    expect_error (launch (SOURCE SAMPLER "%s", "RGB", middle[i]), "fail");
    expect_error (
        launch (SOURCE "queue ! " SAMPLER "%s", "RGB", middle[i]), "fail");
  }
}
GST_END_TEST;

static char *
copy_model (void)
{
  static const char *const files[] = {"config.json", "generation_config.json",
      "preprocessor_config.json", "tokenizer.model", "tokenizer_config.json",
      "model.safetensors"};
  const char *source = g_getenv ("NEVA_SOURCE");
  char *folder = g_dir_make_tmp ("neva-errors-XXXXXX", NULL);

  for (guint i = 0; i < G_N_ELEMENTS (files); i++) {
    g_autofree char *from = g_build_filename (
        source ? source : ".", "models", "demo", files[i], NULL);
    g_autofree char *to = g_build_filename (folder, files[i], NULL);
    g_autofree char *bytes = NULL;
    gsize length;

    fail_unless (g_file_get_contents (from, &bytes, &length, NULL), "%s", from);
    g_file_set_contents (to, bytes, (gssize) length, NULL);
  }
  return folder;
}

static void
remove_model (const char *folder)
{
  GDir *dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while ((name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    g_unlink (path);
  }
  g_dir_close (dir);
  g_rmdir (folder);
}

/* Called behind nevaencoder, which has loaded the model to take the frame; no
 * caption was asked for yet. */
static void
cut_weights (GstElement *identity, GstBuffer *buffer, char *weights)
{
  (void) identity, (void) buffer;
  if (truncate (weights, 8) != 0)
    g_warning ("cannot truncate %s", weights);
}

GST_START_TEST (test_a_model_file_cut_short_while_it_is_used)
{
  g_autofree char *folder = copy_model ();
  g_autofree char *weights =
      g_build_filename (folder, "model.safetensors", NULL);
  GstElement *pipeline = launch (SOURCE
      "nevaframesampler num-frames=8 window=1000000000 ! nevaencoder model=%s "
      "! identity name=i signal-handoffs=true ! nevallm ! fakesink",
      "RGB", folder);
  g_autoptr (GstElement) identity =
      gst_bin_get_by_name (GST_BIN (pipeline), "i");

  g_signal_connect (identity, "handoff", G_CALLBACK (cut_weights), weights);
  expect_error (pipeline, "model.safetensors: was truncated while in use");
  remove_model (folder);
}
GST_END_TEST;

/* ---- Elements that do not fit together ---- */

GST_START_TEST (test_nevallm_alone_says_what_is_missing)
{
  expect_error (
      launch (SOURCE SAMPLER "nevallm ! fakesink", "RGB"), "nevaencoder");
  expect_error (
      launch (SOURCE SAMPLER "nevallm model=fake:x ! fakesink", "GRAY16_LE"),
      "GRAY16_LE. Put videoconvert ! nevaencoder before nevallm");
}
GST_END_TEST;

GST_START_TEST (test_two_models_where_one_was_meant_are_a_warning)
{
  static const char *const models[][2] = {
      {"fake:x", "fake:x context-length=512"},
      /* the one of nevallm is there when the first frame comes, or is not */
      {"fake:x", "\"fake:x?load=300\""}, {"\"fake:x?load=300\"", "fake:y"}};

  for (guint i = 0; i < G_N_ELEMENTS (models); i++) {
    GstElement *pipeline = launch (SOURCE SAMPLER
        "nevaencoder model=%s ! nevallm name=n model=%s ! "
        "fakesink",
        "RGB", models[i][0], models[i][1]);
    g_autofree char *lines = play (pipeline);

    expect_one (lines, 'W', "same model options");
    fail_unless_equals_uint64 (captions_of (pipeline), 10);
    stop (pipeline);
  }
}
GST_END_TEST;

GST_START_TEST (test_streams_without_times_are_one_error)
{
  static const char *const takers[] = {
      "video/x-raw,format=GRAY8,width=4,height=4,framerate=10/1 ! "
      "nevaframesampler",
      "video/x-raw,format=GRAY8,width=4,height=4,framerate=10/1 ! "
      "nevallm model=fake:x",
      "video/x-raw,format=GRAY8,width=4,height=4,framerate=10/1 ! "
      "nevallm model=fake:x output=text",
      "text/x-raw,format=utf8 ! nevajudge judge=fake:8"};

  for (guint i = 0; i < G_N_ELEMENTS (takers); i++)
    expect_error (launch ("fakesrc num-buffers=3 sizetype=fixed sizemax=16 "
                          "format=bytes ! %s ! fakesink",
                      takers[i]),
        "times");
}
GST_END_TEST;

/* ---- Video that is damaged ---- */

/* Breaks the length of the first NAL unit, or marks the frame, of every packet
 * or frame whose number is a multiple of *user_data, and of none before 20. */
static GstPadProbeReturn
on_buffer (GstPad *pad, GstPadProbeInfo *info, gpointer user_data)
{
  static const guint8 broken[4] = {0xff, 0xff, 0xff, 0xff};
  const guint every = GPOINTER_TO_UINT (user_data);
  const guint n = GPOINTER_TO_UINT (g_object_get_data (G_OBJECT (pad), "n"));
  GstBuffer *buffer = gst_buffer_copy_deep (GST_PAD_PROBE_INFO_BUFFER (info));
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);

  g_object_set_data (G_OBJECT (pad), "n", GUINT_TO_POINTER (n + 1));
  if (n >= 20 && n % every == 0) {
    if (gst_structure_has_name (
            gst_caps_get_structure (caps, 0), "video/x-h264"))
      gst_buffer_fill (buffer, 0, broken, sizeof broken);
    else
      GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_CORRUPTED);
  }
  gst_buffer_unref (GST_PAD_PROBE_INFO_BUFFER (info));
  GST_PAD_PROBE_INFO_DATA (info) = buffer;
  return GST_PAD_PROBE_OK;
}

static char *
play_damaged (GstElement *pipeline, guint every)
{
  g_autoptr (GstElement) identity =
      gst_bin_get_by_name (GST_BIN (pipeline), "i");
  g_autoptr (GstPad) pad = gst_element_get_static_pad (identity, "src");

  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_buffer,
      GUINT_TO_POINTER (every), NULL);
  return play (pipeline);
}

#define DAMAGED                                                                \
  "nevaframesampler num-frames=2 window=%u ! nevallm name=n "                  \
  "model=fake:x ! fakesink"

GST_START_TEST (test_damaged_frames_are_told_clip_by_clip)
{
  GstElement *pipeline =
      launch (SOURCE "identity name=i ! " DAMAGED, "RGB", 1000000000u);
  g_autofree char *lines = play_damaged (pipeline, 25);

  expect_one (lines, 'W',
      "Clip 2, from 2.000 s: 1 damaged picture, the first "
      "at 2.500 s");
  fail_unless_equals_uint64 (captions_of (pipeline), 4);
  stop (pipeline);
}
GST_END_TEST;

GST_START_TEST (test_warnings_of_damage_are_bounded)
{
  GstElement *pipeline =
      launch (SOURCE "identity name=i ! " DAMAGED, "RGB", 100000000u);
  g_autofree char *lines = play_damaged (pipeline, 1);
  guint n = 0;

  for (const char *p = lines; (p = strchr (p, '\n')); p++)
    n++;
  fail_unless_equals_int (n, 11);
  fail_unless (strstr (lines, "In all, 20 clips"), "%s", lines);
  fail_unless_equals_uint64 (captions_of (pipeline), 40);
  stop (pipeline);
}
GST_END_TEST;

GST_START_TEST (test_damaged_packets_are_told)
{
  static const char *const needed[] = {"x264enc", "h264parse", "avdec_h264"};
  GstElement *pipeline;
  g_autofree char *lines = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (needed); i++) {
    g_autoptr (GstElementFactory) factory =
        gst_element_factory_find (needed[i]);

    if (!factory) {
      g_print ("SKIP: GStreamer has no %s here\n", needed[i]);
      return;
    }
  }
  pipeline =
      launch (SOURCE "x264enc tune=zerolatency key-int-max=10 ! h264parse ! "
                     "video/x-h264,stream-format=avc ! identity name=i ! "
                     "avdec_h264 max-threads=1 ! " DAMAGED,
          "I420", 1000000000u);
  lines = play_damaged (pipeline, 25);
  expect_one (lines, 'W', "1 damaged picture, the first at 2.500 s");
  fail_unless_equals_uint64 (captions_of (pipeline), 4);
  stop (pipeline);
}
GST_END_TEST;

static Suite *
errors_suite (void)
{
  Suite *s = suite_create ("errors");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_a_model_that_fails_while_data_flows);
  tcase_add_test (tc, test_a_model_file_cut_short_while_it_is_used);
  tcase_add_test (tc, test_nevallm_alone_says_what_is_missing);
  tcase_add_test (tc, test_two_models_where_one_was_meant_are_a_warning);
  tcase_add_test (tc, test_streams_without_times_are_one_error);
  tcase_add_test (tc, test_damaged_frames_are_told_clip_by_clip);
  tcase_add_test (tc, test_warnings_of_damage_are_bounded);
  tcase_add_test (tc, test_damaged_packets_are_told);
  return s;
}

GST_CHECK_MAIN (errors);
