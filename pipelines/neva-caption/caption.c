/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* uridecodebin ! nevaframesampler ! videoconvert ! videoflip ! nevaencoder !
 *     nevallm ! fakesink
 *
 * All prompts of a file are asked together; captions come as element messages.
 * Conversion and rotation stand behind the sampler, so that only chosen frames
 * pay for them. */
#include "config.h"
#include <gst/pbutils/pbutils.h>
#include <string.h>
#include "app.h"
#include "common/console.h"
#include "common/missing.h"
#include "common/subtitle.h"
#include "common/video_pad.h"
#include "format.h"
#include "gstnevamodel.h"
#include "work.h"

#define PROGRESS_MS 150
/* That nevallm takes; further ones are asked by another one behind it. */
#define MOST_PROMPTS 64

/* A job of this file. */
typedef struct {
  guint index;
  const Job *job;
  GstElement *llm; /* in this pass; borrowed */
  char id[16];     /* of its prompt there */
  gboolean ended;
  guint captions;    /* that were told */
  guint in_pass;     /* that came in this pass: the first ones may be known */
  guint with_text;   /* of those that were told */
  GstClockTime done; /* end of the last window that was captioned */
} Question;

typedef struct {
  App *app;
  const char *file;
  Question *questions; /* [n_questions] */
  guint n_questions;
  GstElement *pipeline;
  VideoPad video;   /* into the sampler */
  gboolean loading; /* the model */
  gboolean over;    /* this pass */
  char *missing;    /* what the missing-plugin message said */
} Run;

/* ---- The pipeline ------------------------------------------------------- */

/* A prompt as nevallm takes it: without `text` the model's own. */
static void
append_prompt (GValue *prompts, const Question *q)
{
  GstStructure *s =
      gst_structure_new ("prompt", "id", G_TYPE_STRING, q->id, NULL);
  GValue item = G_VALUE_INIT;

  /* an empty one is the model's own, too, as it is for the property prompt */
  if (q->job->prompt && *q->job->prompt)
    gst_structure_set (s, "text", G_TYPE_STRING, q->job->prompt, NULL);
  g_value_init (&item, GST_TYPE_STRUCTURE);
  g_value_take_boxed (&item, s);
  gst_value_array_append_and_take_value (prompts, &item);
}

/* nevallm for the questions from *next on. */
static GstElement *
make_llm (Run *run, guint *next)
{
  const Options *o = run->app->options;
  GstElement *llm = missing_make ("nevallm");
  GValue prompts = G_VALUE_INIT;

  if (!llm)
    return NULL;
  g_value_init (&prompts, GST_TYPE_ARRAY);
  for (; *next < run->n_questions &&
         gst_value_array_get_size (&prompts) < MOST_PROMPTS;
       ++*next) {
    Question *q = &run->questions[*next];

    if (q->ended)
      continue;
    q->llm = llm;
    g_snprintf (q->id, sizeof q->id, "%u", *next);
    append_prompt (&prompts, q);
  }
  g_object_set_property (G_OBJECT (llm), "prompts", &prompts);
  g_value_unset (&prompts);
  model_options_set_string (llm, "output", "meta");
  model_options_apply (&o->model, llm);
  answer_options_apply (&o->answer, llm);
  return llm;
}

static gboolean
is_left (const Run *run, guint from)
{
  while (from < run->n_questions && run->questions[from].ended)
    from++;
  return from < run->n_questions;
}

/* Between nevaencoder and the sink. */
static gboolean
add_questions (Run *run, GstElement *last, GstElement *sink)
{
  for (guint next = 0; is_left (run, next);) {
    GstElement *llm = make_llm (run, &next);

    if (!llm)
      return FALSE;
    gst_bin_add (GST_BIN (run->pipeline), llm);
    if (!gst_element_link (last, llm))
      return FALSE;
    last = llm;
  }
  return gst_element_link (last, sink);
}

static gboolean
build (Run *run, const char *uri)
{
  static const char *const names[] = {"uridecodebin", "nevaframesampler",
      "videoconvert", "videoflip", "nevaencoder", "fakesink"};
  const Options *o = run->app->options;
  GstElement *e[G_N_ELEMENTS (names)] = {NULL};
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw(ANY)");

  run->pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));
  if (run->app->team)
    gst_element_set_context (run->pipeline, run->app->team);
  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    if (!(e[i] = missing_make (names[i])))
      return FALSE;
    gst_bin_add (GST_BIN (run->pipeline), e[i]);
  }
  if (!gst_element_link_many (e[1], e[2], e[3], e[4], NULL) ||
      !add_questions (run, e[4], e[5]))
    return FALSE;
  run->video = (VideoPad){run->pipeline, e[1], FALSE};
  /* only what leads to video is decoded */
  g_object_set (
      e[0], "uri", uri, "caps", caps, "expose-all-streams", FALSE, NULL);
  video_pad_watch (&run->video, e[0]);
  g_object_set (e[1], "window", o->window, "overlap", o->overlap, NULL);
  model_options_set_string (e[1], "mode", o->mode);
  model_options_set_number (e[1], "num-frames", o->num_frames);
  model_options_set_string (e[3], "video-direction", "auto");
  model_options_apply (&o->model, e[4]);
  g_object_set (e[5], "sync", FALSE, "async", FALSE, NULL);
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
  Subtitle subtitle = {c->start, c->end, NULL};

  if (!app->subtitles)
    return;
  subtitle.text = subtitle_text (c->text);
  g_array_append_val (app->subtitles, subtitle);
}

/* details: the caption, or what an error says beside its text; may be NULL. */
static Question *
question_of (Run *run, GstMessage *message, const GstStructure *details)
{
  const char *id =
      details ? gst_structure_get_string (details, "prompt-id") : NULL;

  for (guint i = 0; id && i < run->n_questions; i++)
    if (GST_MESSAGE_SRC (message) == GST_OBJECT (run->questions[i].llm) &&
        g_str_equal (run->questions[i].id, id))
      return &run->questions[i];
  return NULL;
}

static void
end_question (Run *run, Question *q, ExitCode code, const char *error)
{
  if (q->ended)
    return;
  q->ended = TRUE;
  work_end (run->app->work, q->index, code, error);
}

/* What is left of the file fails, for a reason that is said once. */
static void
end_file (Run *run, ExitCode code, const char *error)
{
  for (guint i = 0; i < run->n_questions; i++) {
    const gboolean says = !run->questions[i].ended;

    end_question (run, &run->questions[i], code, error);
    if (says)
      error = NULL;
  }
}

static void
end_pass (Run *run)
{
  run->over = TRUE;
  g_main_loop_quit (run->app->loop);
}

static void
tell (Run *run, Question *q, const Caption *c)
{
  App *app = run->app;

  if (++q->in_pass <= q->captions) /* from before another prompt failed */
    return;
  console_finish ();
  q->captions++;
  app->captions++;
  if (GST_CLOCK_TIME_IS_VALID (c->end))
    q->done = c->end;
  keep_subtitle (app, c);
  if (work_add (app->work, q->index, c, q->with_text + 1))
    q->with_text++;
}

static void
on_caption (Run *run, GstMessage *message)
{
  const GstStructure *s = gst_message_get_structure (message);
  Question *q = question_of (run, message, s);
  GstClockTime start = 0, end = GST_CLOCK_TIME_NONE,
               stream = GST_CLOCK_TIME_NONE;
  gboolean final = TRUE;
  gint64 shift = 0;
  g_autoptr (GArray) times = NULL;
  Caption c = {.file = run->file};

  gst_structure_get_boolean (s, "final", &final);
  if (!final || !q)
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
  tell (run, q, &c);
}

static void
on_no_video (Run *run)
{
  end_file (
      run, EXIT_INPUT, run->missing ? run->missing : "there is no video in it");
  end_pass (run);
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

/* A question that the model refuses does not stop the others: they have another
 * pass. */
static void
on_error (Run *run, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  const gboolean model = is_from_model (message);
  const GstStructure *details = NULL;
  Question *q;

  gst_message_parse_error (message, &error, NULL);
  gst_message_parse_error_details (message, &details);
  q = question_of (run, message, details);
  /* GStreamer calls a sound file, of which nothing is wanted, a missing plugin
   */
  if (!model && !run->missing && !run->video.linked &&
      g_error_matches (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN)) {
    on_no_video (run);
    return;
  }
  if (q && run->app->model)
    end_question (run, q, EXIT_MODEL, error->message);
  else
    end_file (run, model ? EXIT_MODEL : EXIT_INPUT,
        run->missing && !model ? run->missing : error->message);
  end_pass (run);
}

static void
on_warning (Run *run, GstMessage *message)
{
  g_autoptr (GError) error = NULL;

  gst_message_parse_warning (message, &error, NULL);
  /* a missing decoder that is needed becomes an error with its own words */
  if (!run->missing && !g_error_matches (error, GST_STREAM_ERROR,
                           GST_STREAM_ERROR_CODEC_NOT_FOUND))
    console_complain ("%s: %s", run->file, error->message);
}

static void
on_context (Run *run, GstMessage *message)
{
  g_autoptr (GstContext) context = NULL;

  gst_message_parse_have_context (message, &context);
  if (!run->app->model &&
      gst_context_has_context_type (context, GST_NEVA_MODEL_CONTEXT))
    run->app->model = g_steal_pointer (&context);
}

static void
on_end (Run *run)
{
  const char *error = "no picture in it could be decoded";

  for (guint i = 0; i < run->n_questions; i++) {
    Question *q = &run->questions[i];

    if (q->captions > 0)
      end_question (run, q, EXIT_DONE, NULL);
  }
  end_file (run, EXIT_INPUT, error);
  end_pass (run);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Run *run = data;
  GstProgressType progress = GST_PROGRESS_TYPE_COMPLETE;

  if (run->over || app_stopped (run->app))
    return G_SOURCE_CONTINUE;

  if (gst_is_missing_plugin_message (message)) {
    if (!run->missing)
      run->missing = missing_describe_for_video (message);
  } else if (gst_message_has_name (message, "neva-caption")) {
    on_caption (run, message);
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
  g_autoptr (GstPad) sink =
      gst_element_get_static_pad (run->video.entry, "sink");
  gint64 position = G_MAXINT64, duration = 0;

  for (guint i = 0; i < run->n_questions; i++)
    if (!run->questions[i].ended)
      position = MIN (position, (gint64) run->questions[i].done);

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
  g_autofree char *name = g_path_get_basename (run->file);

  console_progress (fraction_done (run),
      run->loading ? "loading the model" : "captioning", name,
      run->app->captions);
  return G_SOURCE_CONTINUE;
}

/* ---- A file ------------------------------------------------------------- */

static gboolean
on_stop (GCancellable *cancellable, gpointer data)
{
  const App *app = data;

  g_main_loop_quit (app->loop);
  return G_SOURCE_REMOVE;
}

static void
run_pipeline (Run *run)
{
  App *app = run->app;
  g_autoptr (GstBus) bus = gst_element_get_bus (run->pipeline);
  g_autoptr (GSource) stop = g_cancellable_source_new (app->cancellable);
  guint tick =
      console_shows_progress () ? g_timeout_add (PROGRESS_MS, on_tick, run) : 0;

  g_source_set_callback (stop, G_SOURCE_FUNC (on_stop), app, NULL);
  g_source_attach (stop, NULL);
  gst_bus_add_watch (bus, on_message, run);
  /* a failure to start is on the bus, too */
  gst_element_set_state (run->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (app->loop);
  gst_bus_remove_watch (bus);
  g_source_destroy (stop);
  if (tick)
    g_source_remove (tick);
  gst_element_set_state (run->pipeline, GST_STATE_NULL);
  console_finish ();
}

/* Decodes the file once for all questions that have not ended. */
static void
pass (Run *run, const char *uri)
{
  run->over = run->video.linked = run->loading = FALSE;
  for (guint i = 0; i < run->n_questions; i++) {
    run->questions[i].llm = NULL;
    run->questions[i].in_pass = 0;
  }
  if (build (run, uri))
    run_pipeline (run);
  else
    end_file (run, EXIT_FAILED, "the elements do not fit together");
  g_clear_pointer (&run->pipeline, gst_object_unref);
  g_clear_pointer (&run->missing, g_free);
}

static gboolean
all_ended (const Run *run)
{
  for (guint i = 0; i < run->n_questions; i++)
    if (!run->questions[i].ended)
      return FALSE;
  return TRUE;
}

void
caption_file (App *app, const guint *jobs, guint n_jobs)
{
  const GPtrArray *all = app->options->jobs;
  g_autofree Question *questions = g_new0 (Question, n_jobs);
  Run run = {.app = app, .questions = questions, .n_questions = n_jobs};
  g_autoptr (GError) error = NULL;
  g_autofree char *uri = NULL;

  for (guint i = 0; i < n_jobs; i++)
    questions[i] = (Question){.index = jobs[i], .job = all->pdata[jobs[i]]};
  run.file = questions[0].job->file;
  uri = app_uri (run.file, &error);
  if (!uri)
    end_file (&run, EXIT_INPUT, error->message);
  while (!all_ended (&run) && !app_stopped (app))
    pass (&run, uri);
}
