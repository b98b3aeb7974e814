/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevallm among the elements that people put around it: textoverlay, subtitle
 * encoders, muxers, converters, decoders. Needs the system's plugins. */
#include "config.h"
#include <math.h>
#include <glib/gstdio.h>
#include <gst/app/gstappsink.h>
#include <gst/check/gstcheck.h>
#include "gstnevacaptionmeta.h"

#define SOON (120 * GST_SECOND)
#define SOURCE                                                                 \
  "videotestsrc name=src num-buffers=16 pattern=black ! "                      \
  "video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! "

/* ---- Pipelines ---- */

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
check_message (GstMessage *message, const char *what)
{
  GError *error = NULL;
  g_autofree char *debug = NULL;

  fail_unless (message != NULL, "%s did not come", what);
  if (GST_MESSAGE_TYPE (message) != GST_MESSAGE_ERROR)
    return;
  gst_message_parse_error (message, &error, &debug);
  fail ("%s (%s)", error->message, debug);
}

static void
wait_for_eos (GstElement *pipeline)
{
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *message = gst_bus_timed_pop_filtered (
      bus, SOON, GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

  check_message (message, "EOS");
  gst_message_unref (message);
  gst_object_unref (bus);
}

static void
stop (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

static void
run (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_eos (pipeline);
  stop (pipeline);
}

/* All that the appsink `name` gets until EOS, as one string. */
static char *
read_text (GstElement *pipeline, const char *name)
{
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), name);
  GString *text = g_string_new (NULL);
  GstSample *sample;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), SOON))) {
    GstBuffer *buffer = gst_sample_get_buffer (sample);
    GstMapInfo map;

    gst_buffer_map (buffer, &map, GST_MAP_READ);
    g_string_append_len (text, (char *) map.data, (gssize) map.size);
    gst_buffer_unmap (buffer, &map);
    gst_sample_unref (sample);
  }
  fail_unless (gst_app_sink_is_eos (GST_APP_SINK (sink)), "no EOS");
  gst_object_unref (sink);
  return g_string_free (text, FALSE);
}

/* ---- textoverlay ---- */

typedef struct {
  GMutex lock;
  GCond cond;
  guint frames, drawn;
} Seen;

static void
on_frame (GstElement *sink, GstBuffer *buffer, GstPad *pad, gpointer user_data)
{
  Seen *seen = user_data;
  gboolean drawn = FALSE;
  GstMapInfo map;

  gst_buffer_map (buffer, &map, GST_MAP_READ);
  for (gsize i = 0; i < 160 * 120 && !drawn; i++)
    drawn = map.data[i] > 100; /* black is 16 */
  gst_buffer_unmap (buffer, &map);
  g_mutex_lock (&seen->lock);
  seen->frames++;
  seen->drawn += drawn;
  g_cond_broadcast (&seen->cond);
  g_mutex_unlock (&seen->lock);
}

static GstElement *
overlay (const char *source_options, const char *llm_options, Seen *seen)
{
  GstElement *pipeline = launch (SOURCE
      "nevaframesampler output=all num-frames=2 window=400000000 ! "
      "nevallm name=n %s ! textoverlay name=o wait-text=true ! "
      "fakesink name=sink signal-handoffs=true sync=false n.text ! o.text_sink",
      llm_options);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  GstElement *src = gst_bin_get_by_name (GST_BIN (pipeline), "src");

  if (*source_options)
    gst_util_set_object_arg (G_OBJECT (src), source_options, "true");
  g_mutex_init (&seen->lock);
  g_cond_init (&seen->cond);
  g_signal_connect (sink, "handoff", G_CALLBACK (on_frame), seen);
  gst_object_unref (sink);
  gst_object_unref (src);
  return pipeline;
}

static void
wait_for_frames (Seen *seen, guint n)
{
  const gint64 end = g_get_monotonic_time () + GST_TIME_AS_USECONDS (SOON);

  g_mutex_lock (&seen->lock);
  while (seen->frames < n)
    fail_unless (g_cond_wait_until (&seen->cond, &seen->lock, end),
        "the overlay holds the video: %u frames of %u", seen->frames, n);
  g_mutex_unlock (&seen->lock);
}

/* The answer never comes; a consumer that waits for text must not wait. */
GST_START_TEST (test_textoverlay_does_not_hold_live_video)
{
  Seen seen = {.frames = 0};
  GstElement *pipeline =
      overlay ("is-live", "model=fake:x?delay=1000000", &seen);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_frames (&seen, 16);
  stop (pipeline);
  fail_unless_equals_int (seen.drawn, 0);
}
GST_END_TEST;

GST_START_TEST (test_textoverlay_does_not_hold_a_file)
{
  Seen seen = {.frames = 0};
  GstElement *pipeline =
      overlay ("", "max-pending=8 model=fake:x?delay=1000000", &seen);

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_frames (&seen, 16);
  stop (pipeline);
}
GST_END_TEST;

GST_START_TEST (test_textoverlay_shows_late_text_on_live_video)
{
  Seen seen = {.frames = 0};
  GstElement *pipeline = overlay ("is-live", "model=fake:x?delay=50", &seen);

  run (pipeline);
  fail_unless_equals_int (seen.frames, 16);
  /* Each of the first three captions is shown over the next window. */
  fail_unless (seen.drawn >= 8, "%u frames", seen.drawn);
  fail_unless (seen.drawn <= 12, "%u frames", seen.drawn);
}
GST_END_TEST;

GST_START_TEST (test_textoverlay_shows_aligned_text_on_every_frame)
{
  for (guint i = 0; i < 2; i++) {
    Seen seen = {.frames = 0};
    GstElement *pipeline = overlay (i ? "is-live" : "",
        "timing=aligned max-delay=2000000000 model=fake:x?delay=50", &seen);

    run (pipeline);
    fail_unless_equals_int (seen.frames, 16);
    fail_unless_equals_int (seen.drawn, 16);
  }
}
GST_END_TEST;

/* ---- Subtitle encoders ---- */

GST_START_TEST (test_srtenc_writes_cues_that_parse)
{
  GstElement *pipeline =
      launch (SOURCE "nevaframesampler num-frames=2 window=800000000 ! "
                     "nevallm model=\"fake:x\" ! srtenc ! "
                     "appsink name=out sync=false");
  g_autofree char *text = read_text (pipeline, "out");

  fail_unless_equals_string (text, "1\n00:00:00,000 --> 00:00:00,800\nx\n\n"
                                   "2\n00:00:00,800 --> 00:00:01,600\nx\n\n");
  stop (pipeline);
}
GST_END_TEST;

/* Text that would break a cue if it were written as it is. */
static GstElement *
nasty (const char *encoder)
{
  GstElement *pipeline =
      launch (SOURCE "nevaframesampler num-frames=2 window=1600000000 ! "
                     "nevallm name=n ! %s ! appsink name=out sync=false",
          encoder);
  GstElement *llm = gst_bin_get_by_name (GST_BIN (pipeline), "n");

  g_object_set (
      llm, "model", "fake:one\n\n2\n00:00 --> 00:01\ntwo\r\n\n", NULL);
  gst_object_unref (llm);
  return pipeline;
}

GST_START_TEST (test_text_cannot_break_a_cue)
{
  GstElement *srt = nasty ("srtenc"), *vtt = nasty ("webvttenc");
  g_autofree char *srt_text = read_text (srt, "out");
  g_autofree char *vtt_text = read_text (vtt, "out");

  fail_unless_equals_string (srt_text,
      "1\n00:00:00,000 --> 00:00:01,600\none 2 00:00 -> 00:01 two\n\n");
  fail_unless_equals_string (vtt_text,
      "WEBVTT\n\n00:00:00.000 --> 00:00:01.600\none 2 00:00 -> 00:01 two\n\n");
  stop (srt);
  stop (vtt);
}
GST_END_TEST;

/* ---- Muxers, and back ---- */

static void
check_cue (GstSample *sample, const char *text, GstClockTime pts,
    GstClockTime duration)
{
  GstBuffer *buffer = gst_sample_get_buffer (sample);
  g_autofree char *got = g_malloc0 (gst_buffer_get_size (buffer) + 1);

  gst_buffer_extract (buffer, 0, got, gst_buffer_get_size (buffer));
  fail_unless_equals_string (got, text);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), pts);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), duration);
  gst_sample_unref (sample);
}

/* matroskamux of GStreamer 1.26 writes an empty block for each gap. */
static GstSample *
pull_cue (GstAppSink *sink)
{
  GstSample *sample;

  while ((sample = gst_app_sink_try_pull_sample (sink, SOON)) &&
         gst_buffer_get_size (gst_sample_get_buffer (sample)) == 0)
    gst_sample_unref (sample);
  return sample;
}

static void
read_back (const char *path, guint clips, GstClockTime window)
{
  GstElement *pipeline =
      launch ("filesrc location=%s ! matroskademux name=d "
              "d.subtitle_0 ! queue ! appsink name=text sync=false "
              "d.video_0 ! queue ! appsink name=video sync=false max-buffers=1 "
              "drop=true",
          path);
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "text");

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  for (guint i = 0; i < clips; i++) {
    GstSample *sample = pull_cue (GST_APP_SINK (sink));

    fail_unless (sample != NULL, "caption %u is not in the file", i);
    check_cue (sample, "a red car", i * window, window);
  }
  fail_unless (pull_cue (GST_APP_SINK (sink)) == NULL);
  fail_unless (gst_app_sink_is_eos (GST_APP_SINK (sink)));
  gst_object_unref (sink);
  stop (pipeline);
}

static void
mux_and_read_back (const char *llm_options)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *dir = g_dir_make_tmp ("neva-llm-XXXXXX", &error);
  g_autofree char *path = g_build_filename (dir, "captions.mkv", NULL);

  run (launch (SOURCE
      "nevaframesampler output=all num-frames=2 window=400000000 ! nevallm "
      "name=n %s ! queue max-size-time=100000000 ! matroskamux name=mux ! "
      "filesink location=%s n.text ! queue ! mux.",
      llm_options, path));
  read_back (path, 4, 400 * GST_MSECOND);
  g_unlink (path);
  g_rmdir (dir);
}

GST_START_TEST (test_matroska_keeps_late_captions)
{
  mux_and_read_back ("model=\"fake:a red car\"");
  mux_and_read_back ("model=\"fake:a red car?delay=50\"");
}
GST_END_TEST;

GST_START_TEST (test_matroska_keeps_aligned_captions)
{
  mux_and_read_back ("timing=aligned model=\"fake:a red car?delay=50\"");
}
GST_END_TEST;

/* ---- Converters, seeks, real files ---- */

GST_START_TEST (test_meta_survives_conversion_and_scaling)
{
  GstElement *pipeline = launch (SOURCE
      "nevaframesampler output=all num-frames=2 window=400000000 ! "
      "nevallm timing=aligned model=fake:x ! videoconvert ! videoscale ! "
      "video/x-raw,format=RGB,width=32,height=32 ! "
      "appsink name=out sync=false");
  GstElement *sink = gst_bin_get_by_name (GST_BIN (pipeline), "out");
  GstSample *sample;
  guint n = 0;

  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((sample = gst_app_sink_try_pull_sample (GST_APP_SINK (sink), SOON))) {
    const GstStructure *s =
        gst_buffer_get_neva_caption (gst_sample_get_buffer (sample));

    fail_unless (s != NULL, "frame %u has no caption", n);
    fail_unless_equals_string (gst_structure_get_string (s, "text"), "x");
    gst_sample_unref (sample);
    n++;
  }
  fail_unless_equals_int (n, 16);
  gst_object_unref (sink);
  stop (pipeline);
}
GST_END_TEST;

/* Waits for a caption; returns its stream time and its message's seqnum. */
static GstClockTime
wait_for_caption (GstBus *bus, guint32 *seqnum)
{
  while (TRUE) {
    GstMessage *message = gst_bus_timed_pop_filtered (
        bus, SOON, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);
    guint64 time = GST_CLOCK_TIME_NONE;
    gboolean ours;

    check_message (message, "a caption");
    ours = gst_message_has_name (message, GST_NEVA_CAPTION_MESSAGE_NAME);
    if (ours)
      gst_structure_get_uint64 (
          gst_message_get_structure (message), "stream-time", &time);
    *seqnum = gst_message_get_seqnum (message);
    gst_message_unref (message);
    if (ours)
      return time;
  }
}

GST_START_TEST (test_after_a_seek_captions_are_of_the_new_place)
{
  GstElement *pipeline =
      launch (SOURCE "nevaframesampler num-frames=2 window=400000000 ! "
                     "nevallm name=n model=fake:x?delay=20 ! fakesink n.text ! "
                     "fakesink");
  GstElement *src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  GstBus *bus = gst_element_get_bus (pipeline);
  guint32 seqnum;

  g_object_set (src, "num-buffers", -1, NULL);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_for_caption (bus, &seqnum);
  for (guint i = 1; i <= 5; i++) {
    const GstClockTime place = i * 100 * GST_SECOND;
    GstEvent *seek = gst_event_new_seek (1.0, GST_FORMAT_TIME,
        GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, GST_SEEK_TYPE_SET,
        (gint64) place, GST_SEEK_TYPE_NONE, -1);
    const guint32 ours = gst_event_get_seqnum (seek);
    GstClockTime time;

    fail_unless (gst_element_send_event (pipeline, seek));
    /* What was posted before is still on the bus, and says so. */
    do
      time = wait_for_caption (bus, &seqnum);
    while (seqnum != ours);
    fail_unless_equals_uint64 (time, place);
    time = wait_for_caption (bus, &seqnum);
    fail_unless_equals_uint64 (time, place + 400 * GST_MSECOND);
    fail_unless_equals_int (seqnum, ours);
  }
  gst_object_unref (src);
  gst_object_unref (bus);
  stop (pipeline);
}
GST_END_TEST;

GST_START_TEST (test_a_real_file_gets_subtitles)
{
  const char *shared = g_getenv ("NEVA_SHARED");
  g_autofree char *path =
      g_build_filename (shared ? shared : ".", "media", "h264_aac.mp4", NULL);
  g_autofree char *text = NULL;
  GstElement *pipeline;
  guint cues = 0;

  if (!g_file_test (path, G_FILE_TEST_EXISTS)) {
    g_print ("SKIP: there is no %s\n", path);
    return;
  }
  pipeline = launch (
      "filesrc location=%s ! decodebin ! videoconvert ! nevaframesampler "
      "window=1000000000 ! nevallm model=\"fake:a red car\" ! srtenc ! "
      "appsink name=out sync=false",
      path);
  text = read_text (pipeline, "out");
  for (const char *p = text; (p = strstr (p, "a red car")); p++)
    cues++;
  fail_unless (cues > 0, "'%s'", text);
  stop (pipeline);
}
GST_END_TEST;

GST_START_TEST (test_the_answer_is_one_of_the_choices)
{
  g_autofree char *path =
      g_build_filename (g_getenv ("NEVA_SOURCE"), "models", "demo", NULL);
  g_autofree char *line = g_strdup_printf (
      "videotestsrc num-buffers=8 ! video/x-raw,framerate=4/1 ! "
      "nevaframesampler ! nevaencoder model=%s ! nevallm model=%s "
      "choices=<maybe,perhaps> ! text/x-raw ! appsink name=s sync=false",
      path, path);
  GstElement *pipeline = gst_parse_launch (line, NULL);
  g_autofree char *text = read_text (pipeline, "s");

  fail_unless (
      !strcmp (text, "maybe") || !strcmp (text, "perhaps"), "%s", text);
  stop (pipeline);
}
GST_END_TEST;

/* As neva-eval's rows have them: an id and a log-probability of each generated
 * token, and of the whole vocabulary, which add up to one. */
static void
check_scores (const GstStructure *s)
{
  const GValue *ids = gst_structure_get_value (s, "token-ids");
  const GValue *logprobs = gst_structure_get_value (s, "logprobs");
  g_autoptr (GBytes) all = NULL;
  const float *row;
  guint n, vocabulary;
  gsize bytes;

  fail_unless (ids && logprobs);
  fail_unless (gst_structure_get (s, "full-logprobs", G_TYPE_BYTES, &all,
      "vocabulary", G_TYPE_UINT, &vocabulary, "tokens", G_TYPE_UINT, &n, NULL));
  fail_unless (n > 1 && gst_value_array_get_size (ids) == n);
  fail_unless_equals_int (gst_value_array_get_size (logprobs), n);
  row = g_bytes_get_data (all, &bytes);
  fail_unless_equals_uint64 (bytes, (gsize) n * vocabulary * sizeof (float));
  for (guint i = 0; i < n; i++, row += vocabulary) {
    const gint id = g_value_get_int (gst_value_array_get_value (ids, i));
    const double logprob =
        g_value_get_double (gst_value_array_get_value (logprobs, i));
    double sum = 0;

    for (guint k = 0; k < vocabulary; k++)
      sum += exp (row[k]);
    /* vocabulary roundings of floats below 1 */
    fail_unless (fabs (sum - 1) < vocabulary * 1e-6, "%g", sum);
    fail_unless (id >= 0 && (guint) id < vocabulary);
    fail_unless ((float) logprob == row[id], "%g, %g", logprob, row[id]);
  }
}

GST_START_TEST (test_scores_reach_the_application)
{
  g_autofree char *path =
      g_build_filename (g_getenv ("NEVA_SOURCE"), "models", "demo", NULL);
  g_autofree char *line = g_strdup_printf (
      "videotestsrc num-buffers=8 ! video/x-raw,framerate=4/1 ! "
      "nevaframesampler ! nevaencoder model=%s ! nevallm model=%s "
      "compute-logprob=true all-probs=true max-tokens=4 ! text/x-raw ! "
      "appsink name=s sync=false",
      path, path);
  GstElement *pipeline = gst_parse_launch (line, NULL);
  GstBus *bus = gst_pipeline_get_bus (GST_PIPELINE (pipeline));
  g_autofree char *text = read_text (pipeline, "s");
  gboolean found = FALSE;
  GstMessage *message;

  while ((message = gst_bus_pop_filtered (bus, GST_MESSAGE_ELEMENT))) {
    if (gst_message_has_name (message, "neva-caption")) {
      check_scores (gst_message_get_structure (message));
      found = TRUE;
    }
    gst_message_unref (message);
  }
  fail_unless (found);
  gst_object_unref (bus);
  stop (pipeline);
}
GST_END_TEST;

static Suite *
llm_pipelines_suite (void)
{
  Suite *s = suite_create ("llm_pipelines");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_textoverlay_does_not_hold_live_video);
  tcase_add_test (tc, test_textoverlay_does_not_hold_a_file);
  tcase_add_test (tc, test_textoverlay_shows_late_text_on_live_video);
  tcase_add_test (tc, test_textoverlay_shows_aligned_text_on_every_frame);
  tcase_add_test (tc, test_srtenc_writes_cues_that_parse);
  tcase_add_test (tc, test_text_cannot_break_a_cue);
  tcase_add_test (tc, test_matroska_keeps_late_captions);
  tcase_add_test (tc, test_matroska_keeps_aligned_captions);
  tcase_add_test (tc, test_meta_survives_conversion_and_scaling);
  tcase_add_test (tc, test_after_a_seek_captions_are_of_the_new_place);
  tcase_add_test (tc, test_a_real_file_gets_subtitles);
  tcase_add_test (tc, test_the_answer_is_one_of_the_choices);
  tcase_add_test (tc, test_scores_reach_the_application);
  return s;
}

int
main (int argc, char **argv)
{
  static const char *const needed[] = {"textoverlay", "srtenc", "webvttenc",
      "matroskamux", "matroskademux", "videotestsrc", "videoconvert"};

  gst_check_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (needed); i++) {
    GstElementFactory *factory = gst_element_factory_find (needed[i]);

    if (!factory) {
      g_print ("SKIP: GStreamer has no %s here\n", needed[i]);
      return 77;
    }
    gst_object_unref (factory);
  }
  return gst_check_run_suite (
      llm_pipelines_suite (), "llm_pipelines", __FILE__);
}
