/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <gst/app/gstappsink.h>
#include <string.h>
#include "pipeline.h"
#include "picture.h"
#include "said.h"
#include "common/missing.h"

/* Frames between the clock and the sampler, which never waits. */
#define QUEUE_FRAMES 8
/* Frames come a little early or late; what they show does not. */
#define JITTER_US (100 * 1000)

static GstElement *
add (Pipeline *self, const char *factory, GError **error)
{
  GstElement *element = gst_element_factory_make (factory, NULL);

  if (!element)
    g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
        "no element '%s': install %s", factory,
        missing_element_package (factory));
  else
    gst_bin_add (GST_BIN (self->pipeline), element);
  return element;
}

/* Adds and links a row of elements behind `first`, or nothing where it is NULL;
 * `made` gets them. FALSE with error set. */
static gboolean
add_row (Pipeline *self, GstElement *first, const char *const *factories,
    GstElement **made, GError **error)
{
  for (guint i = 0; factories[i]; i++) {
    GstElement *before = i ? made[i - 1] : first;

    if (!(made[i] = add (self, factories[i], error)))
      return FALSE;
    if (before && !gst_element_link (before, made[i])) {
      g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_NEGOTIATION,
          "%s and %s do not fit together", GST_OBJECT_NAME (before),
          factories[i]);
      return FALSE;
    }
  }
  return TRUE;
}

/* ---- The source --------------------------------------------------------- */

static gboolean
has_property (GstElement *element, const char *name)
{
  return g_object_class_find_property (G_OBJECT_GET_CLASS (element), name) !=
         NULL;
}

/* RTSP cameras: little buffering, and no old pictures. */
static void
on_source_setup (GstElement *bin, GstElement *source, gpointer data)
{
  const Pipeline *self = data;
  const Options *o = hub_options (self->hub);

  if (has_property (source, "drop-on-latency")) /* rtspsrc */
    g_object_set (source, "latency", (guint) (o->latency / GST_MSECOND),
        "drop-on-latency", TRUE, NULL);
}

/* A camera that sends JPEGs over HTTP says nothing about time: a frame is of
 * when it came. */
static GstPadProbeReturn
on_untimed_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Pipeline *self = data;
  const GstClockTime now =
      gst_element_get_current_running_time (self->pipeline);
  g_autoptr (GstEvent) event =
      gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;
  GstBuffer *buffer;

  if (!GST_CLOCK_TIME_IS_VALID (now) || !event)
    return GST_PAD_PROBE_DROP; /* before the clock runs */
  gst_event_parse_segment (event, &segment);
  buffer = gst_buffer_make_writable (info->data);
  GST_BUFFER_PTS (buffer) =
      gst_segment_position_from_running_time (segment, GST_FORMAT_TIME, now);
  GST_BUFFER_DURATION (buffer) = GST_CLOCK_TIME_NONE;
  info->data = buffer;
  return GST_PAD_PROBE_OK;
}

static void
on_inner_element (
    GstBin *bin, GstBin *where, GstElement *element, gpointer data)
{
  Pipeline *self = data;
  GstElementFactory *factory = gst_element_get_factory (element);
  g_autoptr (GstPad) pad = NULL;

  if (!factory || !g_str_equal (GST_OBJECT_NAME (factory), "multipartdemux"))
    return;
  /* or a second stream is waited for */
  g_object_set (element, "single-stream", TRUE, NULL);
  pad = gst_element_get_static_pad (self->video.entry, "sink");
  gst_pad_add_probe (
      pad, GST_PAD_PROBE_TYPE_BUFFER, on_untimed_frame, self, NULL);
}

static gboolean
add_test (Pipeline *self, GError **error)
{
  GstElement *test = source_make_test (self->source, error);

  if (!test)
    return FALSE;
  gst_bin_add (GST_BIN (self->pipeline), test);
  self->video.linked = gst_element_link (test, self->video.entry);
  return TRUE;
}

static gboolean
add_source (Pipeline *self, GError **error)
{
  g_autoptr (GstCaps) caps = gst_caps_from_string ("video/x-raw(ANY)");
  GstElement *source;

  if (self->source->kind == SOURCE_TEST)
    return add_test (self, error);
  if (!(source = add (self, "uridecodebin", error)))
    return FALSE;
  /* only what leads to video is decoded */
  g_object_set (source, "uri", self->source->uri, "caps", caps,
      "expose-all-streams", FALSE, NULL);
  video_pad_watch (&self->video, source);
  g_signal_connect (source, "source-setup", G_CALLBACK (on_source_setup), self);
  g_signal_connect (
      source, "deep-element-added", G_CALLBACK (on_inner_element), self);
  return TRUE;
}

/* ---- Frames ------------------------------------------------------------- */

static gboolean
running_time (GstPad *pad, GstBuffer *buffer, gint64 *us)
{
  g_autoptr (GstEvent) event =
      gst_pad_get_sticky_event (pad, GST_EVENT_SEGMENT, 0);
  const GstSegment *segment;
  GstClockTime time;

  if (!event || !GST_BUFFER_PTS_IS_VALID (buffer))
    return FALSE;
  gst_event_parse_segment (event, &segment);
  time = gst_segment_to_running_time (
      segment, GST_FORMAT_TIME, GST_BUFFER_PTS (buffer));
  *us = (gint64) (time / GST_USECOND);
  return GST_CLOCK_TIME_IS_VALID (time);
}

static GstPadProbeReturn
on_frame (GstPad *pad, GstPadProbeInfo *info, gpointer data)
{
  Pipeline *self = data;
  const gint64 now = g_get_monotonic_time ();
  gint64 running;
  gboolean first;

  hub_count_frame (self->hub, self->index);
  g_mutex_lock (&self->lock);
  first = self->last_frame == 0;
  self->last_frame = now;
  if (running_time (pad, info->data, &running) &&
      (first || ABS (now - running - self->offset) > JITTER_US))
    self->offset = now - running;
  g_mutex_unlock (&self->lock);
  if (first)
    hub_set_state (self->hub, self->index, HUB_LIVE, NULL);
  return GST_PAD_PROBE_OK;
}

static gboolean
waits_for_clock (const Source *source)
{
  return source->kind == SOURCE_FILE ||
         (source->kind == SOURCE_NETWORK &&
             !g_str_has_prefix (source->uri, "rtsp"));
}

/* The tee that everything else begins at. */
static GstElement *
add_trunk (Pipeline *self, GError **error)
{
  static const char *const row[] = {
      "videoconvert", "videoflip", "clocksync", "tee", NULL};
  GstElement *e[4];
  g_autoptr (GstPad) pad = NULL;

  if (!add_row (self, NULL, row, e, error))
    return NULL;
  self->video = (VideoPad){self->pipeline, e[0], FALSE};
  model_options_set_string (e[1], "video-direction", "auto");
  g_object_set (e[2], "sync", waits_for_clock (self->source), "sync-to-first",
      TRUE, NULL);
  pad = gst_element_get_static_pad (e[3], "sink");
  gst_pad_add_probe (pad, GST_PAD_PROBE_TYPE_BUFFER, on_frame, self, NULL);
  return e[3];
}

/* ---- Captions ----------------------------------------------------------- */

static void
set_llm (Pipeline *self, GstElement *llm, guint question)
{
  const Options *o = hub_options (self->hub);

  self->llms[self->n_llms++] = llm;
  model_options_apply (&o->model, llm);
  answer_options_apply (&o->answer, llm);
  model_options_set_string (llm, "output", "meta");
  model_options_set_string (llm, "overflow", "drop-oldest");
  model_options_set_string (llm, "error-policy", "skip");
  g_object_set (llm, "max-pending", (guint) o->max_pending, NULL);
  if (question == 0) {
    g_object_set (llm, "partial", TRUE, NULL);
    if (o->prompt)
      g_object_set (llm, "prompt", o->prompt, NULL);
  } else {
    g_object_set (llm, "alert", o->alerts[question - 1], "alert-threshold",
        o->alert_threshold, NULL);
  }
}

static gboolean
add_questions (Pipeline *self, GstElement *before, GError **error)
{
  const Options *o = hub_options (self->hub);
  const guint n = 1 + (o->alerts ? g_strv_length (o->alerts) : 0);
  const char *const one[] = {"nevallm", NULL}, *const end[] = {
                                                   "fakesink", NULL};
  GstElement *sink;

  for (guint i = 0; i < n; i++) {
    GstElement *llm;

    if (!add_row (self, before, one, &llm, error))
      return FALSE;
    set_llm (self, llm, i);
    before = llm;
  }
  if (!add_row (self, before, end, &sink, error))
    return FALSE;
  g_object_set (sink, "sync", FALSE, "async", FALSE, NULL);
  return TRUE;
}

static gboolean
add_captions (Pipeline *self, GstElement *tee, GError **error)
{
  static const char *const row[] = {
      "queue", "nevaframesampler", "videoconvert", "nevaencoder", NULL};
  const Options *o = hub_options (self->hub);
  GstElement *e[4];

  if (!add_row (self, tee, row, e, error))
    return FALSE;
  g_object_set (e[0], "max-size-buffers", QUEUE_FRAMES, "max-size-bytes", 0,
      "max-size-time", G_GUINT64_CONSTANT (0), NULL);
  g_object_set (e[1], "window", o->window, "overlap", o->overlap, NULL);
  model_options_set_string (e[1], "mode", o->mode);
  model_options_set_number (e[1], "num-frames", o->num_frames);
  model_options_apply (&o->model, e[3]);
  model_options_set_string (e[3], "overflow", "drop");
  self->encoder = e[3];
  return add_questions (self, e[3], error) && said_attach (self, error);
}

/* ---- All of it ---------------------------------------------------------- */

gboolean
pipeline_init (Pipeline *self, Hub *hub, guint index, GError **error)
{
  const Options *o = hub_options (hub);
  GstElement *tee;

  *self = (Pipeline){.hub = hub,
      .source = o->sources->pdata[index],
      .index = index,
      .pipeline = gst_object_ref_sink (gst_pipeline_new (NULL))};
  g_mutex_init (&self->lock);
  tee = add_trunk (self, error);
  return tee && add_source (self, error) && add_captions (self, tee, error) &&
         (!o->http || picture_attach (self, tee, error));
}

void
pipeline_clear (Pipeline *self)
{
  /* Straight to NULL, uridecodebin of GStreamer 1.22 leaves a decodebin that
   * failed on its way to PAUSED in READY, and complains when it is freed. */
  gst_element_set_state (self->pipeline, GST_STATE_READY);
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  gst_object_unref (self->pipeline);
  g_mutex_clear (&self->lock);
}

gint64
pipeline_last_frame (Pipeline *self)
{
  gint64 last;

  g_mutex_lock (&self->lock);
  last = self->last_frame;
  g_mutex_unlock (&self->lock);
  return last;
}

guint64
pipeline_dropped (Pipeline *self)
{
  static const char *const kinds[] = {"dropped", "skipped", "captions-failed"};
  g_autoptr (GstStructure) stats = NULL;
  guint64 sum = 0;

  g_object_get (self->llms[0], "stats", &stats, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (kinds); i++) {
    guint64 n = 0;

    gst_structure_get_uint64 (stats, kinds[i], &n);
    sum += n;
  }
  return sum;
}
