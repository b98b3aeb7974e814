/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* source ! parsebin =streams=> queue ! matroskamux ! filesink
 *                  appsrc (captions) ! queue ---^
 *
 * Nothing is decoded. The captions are linked behind the first stream, whose
 * data the muxer waits for, and are all queued at once. */
#include "config.h"
#include <glib/gstdio.h>
#include <gst/app/gstappsrc.h>
#include <gst/pbutils/pbutils.h>
#include <string.h>
#include "app.h"
#include "common/console.h"
#include "common/missing.h"

#define DEFAULT_SHOWN (4 * GST_SECOND)

typedef struct {
  App *app;
  const char *file;
  GstElement *pipeline, *mux;
  guint linked;  /* streams; parsebin's thread */
  char *missing; /* what the missing-plugin message said */
  ExitCode code;
} Mux;

/* Puts a queue between a pad and one of the muxer's (taken). */
static gboolean
link_queued (Mux *self, GstPad *pad, GstPad *wanted)
{
  GstElement *queue = gst_element_factory_make ("queue", NULL);
  g_autoptr (GstPad) in = gst_element_get_static_pad (queue, "sink");
  g_autoptr (GstPad) out = gst_element_get_static_pad (queue, "src");

  g_object_set (queue, "max-size-bytes", 0, "max-size-buffers", 0,
      "max-size-time", 10 * GST_SECOND, NULL);
  gst_bin_add (GST_BIN (self->pipeline), queue);
  gst_element_sync_state_with_parent (queue);
  return gst_pad_link (out, wanted) == GST_PAD_LINK_OK &&
         gst_pad_link (pad, in) == GST_PAD_LINK_OK;
}

/* FALSE when the muxer does not take such a stream. Its template has unknown
 * subtitles, which it then refuses while the data flows. */
static gboolean
link_stream (Mux *self, GstPad *pad)
{
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);
  g_autoptr (GstCaps) refused =
      gst_caps_new_empty_simple ("application/x-subtitle-unknown");
  g_autoptr (GstPad) wanted = NULL;

  if (gst_caps_is_subset (caps, refused))
    return FALSE;
  wanted = gst_element_get_compatible_pad (self->mux, pad, caps);
  return wanted && link_queued (self, pad, wanted);
}

static void
leave_out (Mux *self, GstPad *pad)
{
  GstElement *sink = gst_element_factory_make ("fakesink", NULL);
  g_autoptr (GstPad) in = gst_element_get_static_pad (sink, "sink");
  g_autoptr (GstCaps) caps = gst_pad_query_caps (pad, NULL);
  g_autofree char *what = gst_pb_utils_get_codec_description (caps);

  console_complain (
      "%s: a stream of %s does not go into Matroska and is left out",
      self->file, what ? what : "unknown type");
  g_object_set (sink, "sync", FALSE, "async", FALSE, NULL);
  gst_bin_add (GST_BIN (self->pipeline), sink);
  gst_element_sync_state_with_parent (sink);
  gst_pad_link (pad, in);
}

static void
push_subtitles (Mux *self, GstAppSrc *source)
{
  for (guint i = 0; i < self->app->subtitles->len; i++) {
    const Subtitle *s = &g_array_index (self->app->subtitles, Subtitle, i);
    GstBuffer *buffer;

    if (!*s->text)
      continue;
    buffer = gst_buffer_new_memdup (s->text, strlen (s->text));
    GST_BUFFER_PTS (buffer) = s->start;
    GST_BUFFER_DURATION (buffer) =
        GST_CLOCK_TIME_IS_VALID (s->end) && s->end > s->start
            ? s->end - s->start
            : DEFAULT_SHOWN;
    gst_app_src_push_buffer (source, buffer);
  }
  gst_app_src_end_of_stream (source);
}

static void
link_captions (Mux *self)
{
  GstElement *source;
  g_autoptr (GstCaps) caps = gst_caps_from_string ("text/x-raw, format=utf8");
  g_autoptr (GstPad) pad = NULL, wanted = NULL;

  if (!(source = missing_make ("appsrc"))) {
    self->code = EXIT_FAILED;
    return;
  }
  g_object_set (source, "caps", caps, "format", GST_FORMAT_TIME, "max-bytes",
      (guint64) 0, NULL);
  gst_bin_add (GST_BIN (self->pipeline), source);
  pad = gst_element_get_static_pad (source, "src");
  wanted = gst_element_request_pad_simple (self->mux, "subtitle_%u");
  if (!wanted || !link_queued (self, pad, wanted))
    console_complain ("matroskamux takes no subtitles");
  push_subtitles (self, GST_APP_SRC (source));
  gst_element_sync_state_with_parent (source);
}

/* parsebin adds its pads one after the other and lets data through when all are
 * there. */
static void
on_pad (GstElement *parser, GstPad *pad, gpointer data)
{
  Mux *self = data;
  const gboolean first = self->linked == 0;

  if (!link_stream (self, pad)) {
    leave_out (self, pad);
    return;
  }
  self->linked++;
  if (first)
    link_captions (self);
}

static gboolean
build (Mux *self, const char *uri, const char *path, GError **error)
{
  GstElement *source, *parser, *sink;

  self->pipeline = gst_object_ref_sink (gst_pipeline_new (NULL));
  if (!(source = gst_element_make_from_uri (GST_URI_SRC, uri, NULL, error)))
    return FALSE;
  gst_bin_add (GST_BIN (self->pipeline), source);
  if (!(parser = missing_make ("parsebin")))
    return FALSE;
  gst_bin_add (GST_BIN (self->pipeline), parser);
  if (!(self->mux = missing_make ("matroskamux")))
    return FALSE;
  gst_bin_add (GST_BIN (self->pipeline), self->mux);
  if (!(sink = missing_make ("filesink")))
    return FALSE;
  gst_bin_add (GST_BIN (self->pipeline), sink);

  g_object_set (sink, "location", path, NULL);
  g_object_set (self->mux, "writing-app", "neva-caption " NEVA_VERSION, NULL);
  g_signal_connect (parser, "pad-added", G_CALLBACK (on_pad), self);
  return gst_element_link (source, parser) &&
         gst_element_link (self->mux, sink);
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Mux *self = data;
  g_autoptr (GError) error = NULL;

  if (gst_is_missing_plugin_message (message) && !self->missing) {
    self->missing = missing_describe (message);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS) {
    g_main_loop_quit (self->app->loop);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    if (self->code == EXIT_DONE)
      console_complain ("%s: %s", self->app->options->mux,
          self->missing && g_error_matches (error, GST_CORE_ERROR,
                               GST_CORE_ERROR_MISSING_PLUGIN)
              ? self->missing
              : error->message);
    self->code = EXIT_OUTPUT;
    g_main_loop_quit (self->app->loop);
  }
  return G_SOURCE_CONTINUE;
}

static void
run (Mux *self)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline);

  console_progress (
      -1, "muxing", self->app->options->mux, self->app->subtitles->len);
  self->app->interrupted = FALSE; /* another Ctrl-C ends this, too */
  gst_bus_add_watch (bus, on_message, self);
  gst_element_set_state (self->pipeline, GST_STATE_PLAYING);
  g_main_loop_run (self->app->loop);
  gst_bus_remove_watch (bus);
  gst_element_set_state (self->pipeline, GST_STATE_NULL);
  console_finish ();
  if (self->app->interrupted)
    self->code = EXIT_INTERRUPTED;
}

ExitCode
mux_file (App *app, const char *file)
{
  Mux self = {.app = app, .file = file};
  g_autoptr (GError) error = NULL;
  g_autofree char *uri = app_uri (file, &error);
  g_autofree char *part = g_strconcat (app->options->mux, ".part", NULL);

  if (!uri) {
    console_complain ("%s: %s", file, error->message);
    return EXIT_INPUT;
  }
  if (build (&self, uri, part, &error)) {
    run (&self);
  } else {
    if (error)
      console_complain ("%s: %s", file, error->message);
    self.code = EXIT_OUTPUT;
  }
  if (self.code == EXIT_DONE && g_rename (part, app->options->mux) != 0) {
    console_complain ("%s cannot be written", app->options->mux);
    self.code = EXIT_OUTPUT;
  }
  if (self.code != EXIT_DONE)
    g_remove (part);
  gst_object_unref (self.pipeline);
  g_free (self.missing);
  return self.code;
}
