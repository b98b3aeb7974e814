/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uridecodebin ! nevaframesampler ! videoconvert ! videoflip ! nevaencoder !
 *     nevallm ! fakesink
 *
 * Captions come as element messages. Conversion and rotation stand behind the
 * sampler, so that only chosen frames pay for them. */
#include "config.h"
#include <gst/pbutils/pbutils.h>
#include <string.h>
#include "app.h"
#include "common/missing.h"
#include "common/subtitle.h"

#define PROGRESS_MS 150

typedef struct {
  App *app;
  const Job *job;
  GstElement *pipeline, *sampler;
  gboolean linked;  /* a video stream was found */
  gboolean loading; /* the model */
  guint captions;
  GstClockTime done; /* end of the last window that was captioned */
  char *missing;     /* what the missing-plugin message said */
  ExitCode code;
} Run;

/* ---- The pipeline ------------------------------------------------------- */

static void
set_question (GstElement *llm, const Options *o, const Job *job)
{
  model_options_set_string (llm, "output", "text");
  /* properties of type string are set as they are: quotes stay quotes */
  if (job->prompt)
    g_object_set (llm, "prompt", job->prompt, NULL);
  answer_options_apply (&o->answer, llm);
}

static void
on_pad (GstElement *source, GstPad *pad, gpointer data)
{
  Run *run = data;
  g_autoptr (GstPad) sink = gst_element_get_static_pad (run->sampler, "sink");
  g_autoptr (GstCaps) caps = gst_pad_get_current_caps (pad);
  const char *name =
      caps && gst_caps_get_size (caps) > 0
          ? gst_structure_get_name (gst_caps_get_structure (caps, 0))
          : "";

  if (!gst_pad_is_linked (sink) && g_str_equal (name, "video/x-raw") &&
      gst_pad_link (pad, sink) == GST_PAD_LINK_OK)
    run->linked = TRUE;
}

static void
on_no_more_pads (GstElement *source, gpointer data)
{
  Run *run = data;

  if (!run->linked)
    gst_element_post_message (
        run->pipeline, gst_message_new_application (GST_OBJECT (run->pipeline),
                           gst_structure_new_empty ("no-video")));
}

static gboolean
build (Run *run, const char *uri)
{
  static const char *const names[] = {"uridecodebin", "nevaframesampler",
      "videoconvert", "videoflip", "nevaencoder", "nevallm", "fakesink"};
  const Options *o = run->app->options;
  GstElement *e[G_N_ELEMENTS (names)] = {NULL};
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw(ANY)");

  run->pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (!(e[i] = missing_make (names[i])))
      return FALSE;
    gst_bin_add (GST_BIN (run->pipeline), e[i]);
  }
  if (!gst_element_link_many (e[1], e[2], e[3], e[4], e[5], e[6], NULL)) {
    app_complain (run->app, "the elements do not fit together");
    return FALSE;
  }
  run->sampler = e[1];
  /* only what leads to video is decoded */
  g_object_set (
      e[0], "uri", uri, "caps", caps, "expose-all-streams", FALSE, NULL);
  g_signal_connect (e[0], "pad-added", G_CALLBACK (on_pad), run);
  g_signal_connect (e[0], "no-more-pads", G_CALLBACK (on_no_more_pads), run);
  g_object_set (e[1], "window", o->window, "overlap", o->overlap, NULL);
  model_options_set_string (e[1], "mode", o->mode);
  model_options_set_number (e[1], "num-frames", o->num_frames);
  model_options_set_string (e[3], "video-direction", "auto");
  model_options_apply (&o->model, e[4]);
  model_options_apply (&o->model, e[5]);
  set_question (e[5], o, run->job);
  g_object_set (e[6], "sync", FALSE, "async", FALSE, NULL);
  return TRUE;
}

/* ---- Messages ----------------------------------------------------------- */

static GArray *
frame_times (const GstStructure *s, gint64 shift)
{
  const GValue *array = gst_structure_get_value (s, "frame-times");
  GArray *times = g_array_new (FALSE, FALSE, sizeof (GstClockTime));

  for (guint i = 0; array && GST_VALUE_HOLDS_ARRAY (array) &&
                    i < gst_value_array_get_size (array);
       i++) {
    const GstClockTime t =
        g_value_get_uint64 (gst_value_array_get_value (array, i)) +
        (guint64) shift;

    g_array_append_val (times, t);
  }
  return times;
}

static void
keep_subtitle (App *app, const Caption *c)
{
  const Subtitle subtitle = {c->start, c->end, subtitle_text (c->text)};

  if (app->subtitles)
    g_array_append_val (app->subtitles, subtitle);
}

static void
on_caption (Run *run, const GstStructure *s)
{
  App *app = run->app;
  GstClockTime start = 0, end = GST_CLOCK_TIME_NONE,
               stream = GST_CLOCK_TIME_NONE;
  gboolean final = TRUE;
  gint64 shift = 0;
  g_autoptr (GArray) times = NULL;
  g_autoptr (GError) error = NULL;
  Caption c = {.file = run->job->file};

  gst_structure_get_boolean (s, "final", &final);
  if (!final)
    return;

  gst_structure_get_uint64 (s, "start", &start);
  gst_structure_get_uint64 (s, "end", &end);
  gst_structure_get_uint64 (s, "stream-time", &stream);
  if (GST_CLOCK_TIME_IS_VALID (stream) && GST_CLOCK_TIME_IS_VALID (start))
    shift = (gint64) (stream - start);
  times = frame_times (s, shift);
  c.text = gst_structure_get_string (s, "text");
  c.text = c.text ? c.text : "";
  c.prompt = gst_structure_get_string (s, "prompt");
  c.model = gst_structure_get_string (s, "model");
  c.finish = gst_structure_get_string (s, "finish");
  c.start = GST_CLOCK_TIME_IS_VALID (start) ? start + (guint64) shift : 0;
  c.end = GST_CLOCK_TIME_IS_VALID (end) ? end + (guint64) shift : end;
  c.times = (const GstClockTime *) times->data;
  c.n_times = times->len;
  gst_structure_get_uint (s, "prompt-tokens", &c.prompt_tokens);
  gst_structure_get_uint (s, "tokens", &c.tokens);
  gst_structure_get_double (s, "mean-logprob", &c.mean_logprob);

  progress_hide (&app->progress);
  run->captions++;
  app->captions++;
  if (GST_CLOCK_TIME_IS_VALID (c.end))
    run->done = c.end;
  keep_subtitle (app, &c);
  if (!writer_add (app->writer, &c, &error)) {
    app_complain (app, "%s", error->message);
    run->code = EXIT_OUTPUT;
    g_main_loop_quit (app->loop);
  }
}

static void
on_no_video (Run *run)
{
  app_complain (run->app, "%s: %s", run->job->file,
      run->missing ? run->missing : "there is no video in it");
  run->code = EXIT_INPUT;
  g_main_loop_quit (run->app->loop);
}

/* The model's elements can only fail by the model or the question. */
static gboolean
is_from_model (GstMessage *message)
{
  GstElementFactory *factory =
      GST_IS_ELEMENT (GST_MESSAGE_SRC (message))
          ? gst_element_get_factory (GST_ELEMENT (GST_MESSAGE_SRC (message)))
          : NULL;
  const char *name = factory ? GST_OBJECT_NAME (factory) : "";

  return g_str_equal (name, "nevallm") || g_str_equal (name, "nevaencoder");
}

static void
on_error (Run *run, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  const gboolean model = is_from_model (message);

  gst_message_parse_error (message, &error, NULL);
  /* GStreamer calls a sound file, of which nothing is wanted, a missing plugin
   */
  if (!model && !run->missing && !run->linked &&
      g_error_matches (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN)) {
    on_no_video (run);
    return;
  }
  app_complain (run->app, "%s: %s", run->job->file,
      run->missing && !model ? run->missing : error->message);
  run->code = model ? EXIT_MODEL : EXIT_INPUT;
  g_main_loop_quit (run->app->loop);
}

static void
on_warning (Run *run, GstMessage *message)
{
  g_autoptr (GError) error = NULL;

  gst_message_parse_warning (message, &error, NULL);
  /* a missing decoder that is needed becomes an error with its own words */
  if (!run->missing)
    app_complain (run->app, "%s: %s", run->job->file, error->message);
}

static void
on_context (Run *run, GstMessage *message)
{
  g_autoptr (GstContext) context = NULL;

  gst_message_parse_have_context (message, &context);
  if (!run->app->model &&
      gst_context_has_context_type (context, "gst.neva.Model"))
    run->app->model = g_steal_pointer (&context);
}

static void
on_end (Run *run)
{
  if (run->captions == 0 && run->code == EXIT_DONE) {
    app_complain (
        run->app, "%s: no picture in it could be decoded", run->job->file);
    run->code = EXIT_INPUT;
  }
  g_main_loop_quit (run->app->loop);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Run *run = data;
  const GstStructure *s = gst_message_get_structure (message);
  GstProgressType progress = GST_PROGRESS_TYPE_COMPLETE;

  if (run->code != EXIT_DONE || run->app->interrupted)
    return G_SOURCE_CONTINUE;

  if (gst_is_missing_plugin_message (message)) {
    if (!run->missing)
      run->missing = missing_describe (message);
  } else if (gst_message_has_name (message, "neva-caption")) {
    on_caption (run, s);
  } else if (gst_message_has_name (message, "no-video")) {
    on_no_video (run);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    on_error (run, message);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
    on_warning (run, message);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS) {
    on_end (run);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_HAVE_CONTEXT) {
    on_context (run, message);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_PROGRESS &&
             is_from_model (message)) {
    gst_message_parse_progress (message, &progress, NULL, NULL);
    run->loading = progress == GST_PROGRESS_TYPE_START ||
                   progress == GST_PROGRESS_TYPE_CONTINUE;
  }
  return G_SOURCE_CONTINUE;
}

/* With windows, what is captioned counts: decoding is far ahead of it. */
static double
fraction_done (const Run *run)
{
  g_autoptr (GstPad) sink = gst_element_get_static_pad (run->sampler, "sink");
  gint64 position = (gint64) run->done, duration = 0;

  if (run->loading ||
      !gst_pad_peer_query_duration (sink, GST_FORMAT_TIME, &duration) ||
      duration <= 0)
    return -1;
  if (run->app->options->window == 0 &&
      !gst_pad_peer_query_position (sink, GST_FORMAT_TIME, &position))
    return -1;
  return (double) position / (double) duration;
}

static gboolean
on_tick (gpointer data)
{
  Run *run = data;
  g_autofree char *name = g_path_get_basename (run->job->file);

  progress_show (&run->app->progress, fraction_done (run),
      run->loading ? "loading the model" : "captioning", name, run->captions);
  return G_SOURCE_CONTINUE;
}

/* ---- A job -------------------------------------------------------------- */

static void
run_pipeline (Run *run)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (run->pipeline);
  guint tick =
      run->app->progress.on ? g_timeout_add (PROGRESS_MS, on_tick, run) : 0;

  gst_bus_add_watch (bus, on_message, run);
  /* a failure to start is on the bus, too */
  gst_element_set_state (run->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (run->app->loop);
  gst_bus_remove_watch (bus);
  if (tick)
    g_source_remove (tick);
  gst_element_set_state (run->pipeline, GST_STATE_NULL);
  progress_hide (&run->app->progress);
}

ExitCode
caption_job (App *app, const Job *job)
{
  Run run = {.app = app, .job = job};
  g_autoptr (GError) error = NULL;
  g_autofree char *uri = app_uri (job->file, &error);

  if (!uri) {
    app_complain (app, "%s: %s", job->file, error->message);
    return EXIT_INPUT;
  }
  if (!writer_begin (app->writer, job->file, &error)) {
    app_complain (app, "%s", error->message);
    return EXIT_OUTPUT;
  }
  if (build (&run, uri))
    run_pipeline (&run);
  else
    run.code = EXIT_FAILED;
  gst_object_unref (run.pipeline);
  g_free (run.missing);
  return app->interrupted ? EXIT_INTERRUPTED : run.code;
}
