/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevaframesampler inside whole pipelines: what its seeks must not disturb, and
 * what must not disturb its seeks. One clip of 300 frames with sound, made
 * here: frame i is shown at i/30 s. */
#include "config.h"

#include <glib/gstdio.h>
#include <gst/check/gstcheck.h>
#include <stdlib.h>
#include <unistd.h>

#include "gstnevasamplemeta.h"

#define FRAMES 300

static gchar *dir, *clip;
static guint32 seed;
static guint seeks_to_lose;
static guint warnings; /* seen by await_eos () since launch () */

/* What left the sampler. Written by the streaming thread. */
typedef struct {
  GMutex lock;
  GArray *frames; /* guint: number by PTS, of marked frames */
  guint decoded;  /* frames that reached the sampler */
  guint segments, flushes, eos, clips, complete;
  GstClockTime last_pts;
  gboolean disordered;
} Seen;

static void
seen_init (Seen *s)
{
  *s = (Seen){.frames = g_array_new (FALSE, FALSE, sizeof (guint)),
      .last_pts = GST_CLOCK_TIME_NONE};
  g_mutex_init (&s->lock);
}

static void
seen_clear (Seen *s)
{
  g_array_unref (s->frames);
  g_mutex_clear (&s->lock);
}

static void
see_event (Seen *s, GstEvent *event)
{
  GstNevaClip c;

  switch ((gint) GST_EVENT_TYPE (event)) {
    case GST_EVENT_SEGMENT:
      s->segments++;
      s->last_pts = GST_CLOCK_TIME_NONE;
      break;
    case GST_EVENT_FLUSH_STOP:
      s->flushes++;
      g_array_set_size (s->frames, 0);
      s->last_pts = GST_CLOCK_TIME_NONE;
      s->eos = s->clips = s->complete = 0;
      break;
    case GST_EVENT_EOS:
      s->eos++;
      break;
  }
  if (gst_neva_clip_event_parse (event, &c)) {
    s->clips++;
    s->complete += c.complete;
    gst_neva_clip_clear (&c);
  }
}

static GstPadProbeReturn
on_src (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Seen *s = data;

  g_mutex_lock (&s->lock);
  if (GST_PAD_PROBE_INFO_TYPE (info) &
      (GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM | GST_PAD_PROBE_TYPE_EVENT_FLUSH))
    see_event (s, GST_PAD_PROBE_INFO_EVENT (info));
  else {
    GstBuffer *b = GST_PAD_PROBE_INFO_BUFFER (info);
    const guint number = (guint) gst_util_uint64_scale_round (
        GST_BUFFER_PTS (b), 30, GST_SECOND);

    s->disordered |= GST_CLOCK_TIME_IS_VALID (s->last_pts) &&
                     GST_BUFFER_PTS (b) <= s->last_pts;
    s->last_pts = GST_BUFFER_PTS (b);
    if (gst_buffer_get_neva_sample_meta (b))
      g_array_append_val (s->frames, number);
  }
  g_mutex_unlock (&s->lock);
  return GST_PAD_PROBE_OK;
}

static GstPadProbeReturn
on_sink (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Seen *s = data;

  g_mutex_lock (&s->lock);
  s->decoded++;
  g_mutex_unlock (&s->lock);
  return GST_PAD_PROBE_OK;
}

/* A lost seek flushes, and then nothing comes of it. */
static GstPadProbeReturn
on_seek (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  GstEvent *seek = GST_PAD_PROBE_INFO_EVENT (info), *flush;

  if (GST_EVENT_TYPE (seek) != GST_EVENT_SEEK || seeks_to_lose == 0)
    return GST_PAD_PROBE_OK;
  seeks_to_lose--;
  flush = gst_event_new_flush_start ();
  gst_event_set_seqnum (flush, gst_event_get_seqnum (seek));
  gst_pad_send_event (pad, flush);
  flush = gst_event_new_flush_stop (TRUE);
  gst_event_set_seqnum (flush, gst_event_get_seqnum (seek));
  gst_pad_send_event (pad, flush);
  return GST_PAD_PROBE_DROP;
}

static GstElement *
launch (const gchar *line, Seen *s)
{
  GError *error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);
  GstElement *sampler, *src;
  GstPad *pad;

  fail_unless (pipeline && !error, "%s", error ? error->message : "");
  warnings = 0;
  sampler = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  src = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  if (src)
    g_object_set (src, "location", clip, NULL);
  gst_clear_object (&src);
  pad = gst_element_get_static_pad (sampler, "src");
  gst_pad_add_probe (pad,
      GST_PAD_PROBE_TYPE_BUFFER | GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM |
          GST_PAD_PROBE_TYPE_EVENT_FLUSH,
      on_src, s, NULL);
  gst_object_unref (pad);
  pad = gst_element_get_static_pad (sampler, "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_sink, s, NULL);
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_EVENT_UPSTREAM, on_seek, NULL, NULL);
  gst_object_unref (pad);
  gst_object_unref (sampler);
  return pipeline;
}

/* Waits for EOS. Returns NULL, or what came instead. */
static gchar *
await_eos (GstElement *pipeline)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (pipeline);
  GstMessage *m;

  while ((m = gst_bus_timed_pop_filtered (bus, 120 * GST_SECOND,
              GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_WARNING))) {
    const GstMessageType type = GST_MESSAGE_TYPE (m);
    g_autoptr (GError) error = NULL;

    if (type == GST_MESSAGE_ERROR)
      gst_message_parse_error (m, &error, NULL);
    gst_message_unref (m);
    if (error)
      return g_strdup (error->message);
    if (type == GST_MESSAGE_EOS)
      return NULL;
    warnings++;
  }
  return g_strdup ("no end after 120 s");
}

static void
wait_eos (GstElement *pipeline)
{
  g_autofree gchar *problem = await_eos (pipeline);

  fail_unless (problem == NULL, "%s", problem);
}

static void
stop (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

static void
expect (Seen *s, const gchar *want)
{
  GString *got = g_string_new (NULL);

  g_mutex_lock (&s->lock);
  for (guint i = 0; i < s->frames->len; i++)
    g_string_append_printf (
        got, "%s%u", i ? " " : "", g_array_index (s->frames, guint, i));
  fail_unless_equals_string (got->str, want);
  fail_if (s->disordered);
  fail_unless_equals_int (s->eos, 1);
  fail_unless_equals_int (s->clips, 1);
  fail_unless_equals_int (s->complete, 1);
  g_mutex_unlock (&s->lock);
  g_string_free (got, TRUE);
}

#define EIGHT "0 42 85 128 170 213 256 299"

/* Plays to the end; returns how many frames were decoded. */
static guint
play (const gchar *line, const gchar *want, guint wanted_warnings)
{
  Seen s;
  GstElement *pipeline;
  guint decoded;

  seen_init (&s);
  pipeline = launch (line, &s);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_eos (pipeline);
  expect (&s, want);
  fail_unless_equals_int (s.segments, 1);
  fail_unless_equals_int (s.flushes, 0);
  fail_unless_equals_int (warnings, wanted_warnings);
  decoded = s.decoded;
  stop (pipeline);
  seen_clear (&s);
  return decoded;
}

GST_START_TEST (test_only_what_is_needed_is_decoded)
{
  guint few = play ("filesrc name=src ! decodebin ! nevaframesampler name=s ! "
                    "fakesink",
      EIGHT, 0);

  /* one or two frames leave the decoder per chosen one; a few are under way
   * when the seek is sent */
  fail_unless (few < FRAMES / 3, "%u frames", few);
}
GST_END_TEST;

GST_START_TEST (test_seek_never_decodes_everything)
{
  fail_unless_equals_int (
      play ("filesrc name=src ! decodebin ! nevaframesampler seek=never "
            "name=s ! fakesink",
          EIGHT, 0),
      FRAMES);
}
GST_END_TEST;

GST_START_TEST (test_converters_and_queues_between_are_sought_through)
{
  guint few = play ("filesrc name=src ! decodebin ! queue ! videoconvert ! "
                    "videoscale ! video/x-raw,format=RGB,width=32,height=32 ! "
                    "queue ! nevaframesampler name=s ! queue ! fakesink",
      EIGHT, 0);

  fail_unless (few < FRAMES / 3, "%u frames", few);
}
GST_END_TEST;

GST_START_TEST (test_a_seek_of_which_nothing_comes_is_sent_again)
{
  seeks_to_lose = 1;
  fail_unless (play ("filesrc name=src ! decodebin ! nevaframesampler name=s ! "
                     "fakesink",
                   EIGHT, 0) < FRAMES / 3);
  fail_unless_equals_int (seeks_to_lose, 0);
}
GST_END_TEST;

GST_START_TEST (test_playbin_style_source)
{
  g_autofree gchar *uri = g_filename_to_uri (clip, NULL, NULL);
  g_autofree gchar *line = g_strdup_printf (
      "uridecodebin uri=\"%s\" ! nevaframesampler name=s ! fakesink", uri);

  fail_unless (play (line, EIGHT, 0) < FRAMES / 3);
}
GST_END_TEST;

GST_START_TEST (test_a_tee_before_the_sampler_forbids_seeks)
{
  fail_unless_equals_int (
      play ("filesrc name=src ! decodebin ! tee name=t ! queue ! fakesink "
            "t. ! queue ! nevaframesampler name=s ! fakesink",
          EIGHT, 0),
      FRAMES);
}
GST_END_TEST;

GST_START_TEST (test_sound_that_plays_forbids_seeks)
{
  fail_unless_equals_int (
      play ("filesrc name=src ! decodebin name=d ! queue ! audioconvert ! "
            "fakesink d. ! queue ! nevaframesampler name=s ! fakesink",
          EIGHT, 0),
      FRAMES);
}
GST_END_TEST;

/* Bytes from a pipe: no second reading, no seek, and Matroska does not tell its
 * duration then. A bounded set is held, and the user hears of it. */
GST_START_TEST (test_a_pipe_is_approximated_and_says_so)
{
  g_autofree gchar *line = NULL;
  g_autofree gchar *cat = g_strdup_printf ("cat '%s'", clip);
  FILE *pipe = popen (cat, "r");

  fail_unless (pipe != NULL);
  line = g_strdup_printf ("fdsrc fd=%d ! decodebin ! "
                          "nevaframesampler name=s ! fakesink",
      fileno (pipe));
  fail_unless_equals_int (
      play (line, "0 48 80 128 176 208 256 299", 1), FRAMES);
  pclose (pipe);
}
GST_END_TEST;

GST_START_TEST (test_last_frame_prerolls_a_paused_pipeline)
{
  Seen s;
  GstElement *pipeline;

  seen_init (&s);
  pipeline = launch ("filesrc name=src ! decodebin ! nevaframesampler name=s "
                     "mode=last ! fakesink",
      &s);
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  fail_unless_equals_int (
      gst_element_get_state (pipeline, NULL, NULL, 120 * GST_SECOND),
      GST_STATE_CHANGE_SUCCESS);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_eos (pipeline);
  expect (&s, "299");
  stop (pipeline);
  seen_clear (&s);
}
GST_END_TEST;

/* The application's own seek: frames are spread over what it asked for. */
GST_START_TEST (test_an_application_seek_restricts_the_clip)
{
  Seen s;
  GstElement *pipeline;

  seen_init (&s);
  pipeline = launch ("filesrc name=src ! decodebin ! nevaframesampler name=s "
                     "num-frames=4 ! fakesink",
      &s);
  gst_element_set_state (pipeline, GST_STATE_PAUSED);
  gst_element_get_state (pipeline, NULL, NULL, 120 * GST_SECOND);
  fail_unless (gst_element_seek (pipeline, 1.0, GST_FORMAT_TIME,
      GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, GST_SEEK_TYPE_SET,
      4 * GST_SECOND, GST_SEEK_TYPE_SET, 5 * GST_SECOND));
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_eos (pipeline);
  expect (&s, "120 129 139 149");
  /* and once more, after the end */
  fail_unless (gst_element_seek_simple (pipeline, GST_FORMAT_TIME,
      GST_SEEK_FLAG_FLUSH | GST_SEEK_FLAG_ACCURATE, 0));
  wait_eos (pipeline);
  expect (&s, "0 99 199 299");
  stop (pipeline);
  seen_clear (&s);
}
GST_END_TEST;

GST_START_TEST (test_windows_on_a_file)
{
  Seen s;
  GstElement *pipeline;

  seen_init (&s);
  pipeline = launch ("filesrc name=src ! decodebin ! nevaframesampler name=s "
                     "window=4000000000 num-frames=3 ! fakesink",
      &s);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_eos (pipeline);
  s.clips -= 2;
  s.complete -= 2;
  expect (&s, "0 59 119 120 179 239 240 269 299");
  stop (pipeline);
  seen_clear (&s);
}
GST_END_TEST;

/* gst_parse_launch () links a decodebin's pad once; it comes back after each
 * visit to READY. */
static void
link_again (GstElement *decodebin, GstPad *pad, gpointer data)
{
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  g_autoptr (GstPad) sink = gst_element_get_static_pad (data, "sink");

  if (caps && !gst_pad_is_linked (sink) &&
      gst_structure_has_name (gst_caps_get_structure (caps, 0), "video/x-raw"))
    gst_pad_link (pad, sink);
}

/* States and seeks at random while the sampler seeks on its own. */
GST_START_TEST (test_a_storm_of_states_and_seeks)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  Seen s;
  GstElement *pipeline, *d, *q;

  g_print ("seed %u\n", seed);
  seen_init (&s);
  pipeline = launch ("filesrc name=src ! decodebin name=d queue name=q ! "
                     "nevaframesampler name=s ! queue ! fakesink sync=false",
      &s);
  d = gst_bin_get_by_name (GST_BIN (pipeline), "d");
  q = gst_bin_get_by_name (GST_BIN (pipeline), "q");
  g_signal_connect (d, "pad-added", G_CALLBACK (link_again), q);
  for (guint i = 0; i < 120; i++) {
    switch (g_rand_int_range (rand, 0, 6)) {
      case 0:
        gst_element_set_state (pipeline, GST_STATE_PAUSED);
        break;
      case 1:
        gst_element_set_state (pipeline, GST_STATE_PLAYING);
        break;
      case 2:
        gst_element_set_state (pipeline, GST_STATE_READY);
        break;
      case 3:
        gst_element_get_state (
            pipeline, NULL, NULL, g_rand_int_range (rand, 0, 30) * GST_MSECOND);
        break;
      case 4:
        g_usleep (g_rand_int_range (rand, 0, 20000));
        break;
      case 5:
        gst_element_seek_simple (pipeline, GST_FORMAT_TIME, GST_SEEK_FLAG_FLUSH,
            g_rand_int_range (rand, 0, 9000) * GST_MSECOND);
        break;
    }
  }
  gst_element_set_state (pipeline, GST_STATE_NULL); /* empties the bus */
  g_mutex_lock (&s.lock);
  g_array_set_size (s.frames, 0);
  s.eos = s.clips = s.complete = 0;
  s.disordered = FALSE;
  s.last_pts = GST_CLOCK_TIME_NONE;
  g_mutex_unlock (&s.lock);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_eos (pipeline);
  expect (&s, EIGHT);
  gst_object_unref (d);
  gst_object_unref (q);
  stop (pipeline);
  seen_clear (&s);
}
GST_END_TEST;

static GstPadProbeReturn
unlink_once (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  if (GST_EVENT_TYPE (GST_PAD_PROBE_INFO_EVENT (info)) != GST_EVENT_CAPS)
    return GST_PAD_PROBE_OK;
  g_unlink (data);
  return GST_PAD_PROBE_REMOVE;
}

/* The file goes away between the demuxer's opening it and ours. */
GST_START_TEST (test_a_file_that_vanished_is_decoded_without_an_index)
{
  g_autofree gchar *other = g_build_filename (dir, "gone.mkv", NULL);
  g_autofree gchar *data = NULL;
  gsize size;
  Seen s;
  GstElement *pipeline, *e;
  GstPad *pad;

  fail_unless (g_file_get_contents (clip, &data, &size, NULL));
  fail_unless (g_file_set_contents (other, data, (gssize) size, NULL));
  seen_init (&s);
  pipeline = launch ("filesrc name=src ! decodebin ! nevaframesampler name=s ! "
                     "fakesink",
      &s);
  e = gst_bin_get_by_name (GST_BIN (pipeline), "src");
  g_object_set (e, "location", other, NULL);
  gst_object_unref (e);
  e = gst_bin_get_by_name (GST_BIN (pipeline), "s");
  pad = gst_element_get_static_pad (e, "sink");
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_EVENT_DOWNSTREAM, unlink_once, other, NULL);
  gst_object_unref (pad);
  gst_object_unref (e);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_eos (pipeline);
  expect (&s, EIGHT);
  fail_unless_equals_int (s.decoded, FRAMES);
  stop (pipeline);
  seen_clear (&s);
}
GST_END_TEST;

static gboolean
make_clip (void)
{
  const gchar *line =
      "videotestsrc num-buffers=300 pattern=ball ! "
      "video/x-raw,width=96,height=64,framerate=30/1 ! "
      "x264enc key-int-max=30 speed-preset=veryfast ! h264parse ! mux. "
      "audiotestsrc num-buffers=430 ! vorbisenc ! mux. "
      "matroskamux name=mux ! filesink name=sink";
  g_autoptr (GError) error = NULL;
  g_autofree gchar *problem = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error), *sink;

  if (error) {
    g_print ("SKIP: %s\n", error->message);
    gst_clear_object (&pipeline);
    return FALSE;
  }
  sink = gst_bin_get_by_name (GST_BIN (pipeline), "sink");
  g_object_set (sink, "location", clip, NULL);
  gst_object_unref (sink);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  problem = await_eos (pipeline);
  if (problem)
    g_print ("making the clip: %s\n", problem);
  stop (pipeline);
  return problem == NULL;
}

static Suite *
pipelines_suite (void)
{
  Suite *s = suite_create ("framesampler-pipelines");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_only_what_is_needed_is_decoded);
  tcase_add_test (tc, test_seek_never_decodes_everything);
  tcase_add_test (tc, test_converters_and_queues_between_are_sought_through);
  tcase_add_test (tc, test_a_seek_of_which_nothing_comes_is_sent_again);
  tcase_add_test (tc, test_playbin_style_source);
  tcase_add_test (tc, test_a_tee_before_the_sampler_forbids_seeks);
  tcase_add_test (tc, test_sound_that_plays_forbids_seeks);
  tcase_add_test (tc, test_a_pipe_is_approximated_and_says_so);
  tcase_add_test (tc, test_last_frame_prerolls_a_paused_pipeline);
  tcase_add_test (tc, test_an_application_seek_restricts_the_clip);
  tcase_add_test (tc, test_windows_on_a_file);
  tcase_add_test (tc, test_a_storm_of_states_and_seeks);
  tcase_add_test (tc, test_a_file_that_vanished_is_decoded_without_an_index);
  return s;
}

/* In a process of its own: the suite forks for each test, and threads that made
 * the clip would be missing from the child, but not from its thread pool. */
static gboolean
spawn_make_clip (const gchar *self)
{
  const gchar *const argv[] = {self, "make", clip, NULL};
  gint status = 1;

  return g_spawn_sync (NULL, (gchar **) argv, NULL, G_SPAWN_DEFAULT, NULL, NULL,
             NULL, NULL, &status, NULL) &&
         g_spawn_check_wait_status (status, NULL);
}

int
main (int argc, char **argv)
{
  Suite *s;
  int ret = 77;

  if (argc == 3 && g_str_equal (argv[1], "make")) {
    gst_init (NULL, NULL);
    clip = g_strdup (argv[2]);
    _exit (make_clip () ? 0 : 1); /* encoders keep what leak checkers see */
  }
  seed = argc > 1 ? (guint32) strtoul (argv[1], NULL, 10) : g_random_int ();
  dir = g_dir_make_tmp ("neva-pipelines-XXXXXX", NULL);
  clip = g_build_filename (dir, "clip.mkv", NULL);
  if (spawn_make_clip (argv[0])) {
    gst_check_init (&argc, &argv);
    s = pipelines_suite ();
    ret = gst_check_run_suite (s, "framesampler-pipelines", __FILE__);
  } else
    g_print ("SKIP: the clip cannot be made\n");
  g_unlink (clip);
  g_rmdir (dir);
  g_free (clip);
  g_free (dir);
  return ret;
}
