/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <gst/pbutils/pbutils.h>
#include <string.h>
#include "stream.h"
#include "pipeline.h"
#include "said.h"
#include "common/missing.h"

#define TICK_MS 500
#define NO_VIDEO "there is no video in it"
#define LONGEST_WAIT_S 30
/* A run that was shorter than this did not show that the source is back. */
#define GOOD_RUN_US (5 * G_USEC_PER_SEC)

typedef enum {
  RUN_GOING,
  RUN_ENDED, /* a video with an end came to it */
  RUN_LOST,  /* worth another try */
  RUN_FAILED
} Outcome;

struct _Stream {
  Hub *hub;
  const Source *source;
  guint index;
  StreamDone done;
  gpointer done_data;

  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  gint stopping; /* atomic */

  /* The stream's thread, for one run. */
  Pipeline *pipeline;
  gint64 began;
  gboolean has_end; /* the duration is known */
  char *missing;    /* what the missing-plugin message said */
  Outcome outcome;
  ExitCode code; /* of RUN_FAILED */
  char *reason;  /* of RUN_LOST and RUN_FAILED */

  /* The stream's thread. */
  guint attempts; /* without a good run */
  guint64 dropped_before;
};

static gboolean
is_stopping (Stream *self)
{
  return g_atomic_int_get (&self->stopping);
}

/* The first outcome counts: errors have followers. */
static void
end_run (Stream *self, Outcome outcome, ExitCode code, const char *reason)
{
  if (self->outcome != RUN_GOING)
    return;
  self->outcome = outcome;
  self->code = code;
  self->reason = source_conceal (self->source, reason ? reason : "");
  if (g_str_has_suffix (self->reason, "."))
    self->reason[strlen (self->reason) - 1] = '\0';
  g_main_loop_quit (self->loop);
}

/* ---- Messages ----------------------------------------------------------- */

/* Captions need not wait until the stream's thread has time. */
static GstBusSyncReply
on_sync_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Stream *self = data;

  if (!said_message (self->pipeline, message))
    return GST_BUS_PASS;
  gst_message_unref (message);
  return GST_BUS_DROP;
}

static gboolean
is_from_model (const Stream *self, GstMessage *message)
{
  const Pipeline *p = self->pipeline;
  GstObject *source = GST_MESSAGE_SRC (message);

  if (source == GST_OBJECT (p->encoder))
    return TRUE;
  for (guint i = 0; i < p->n_llms; i++)
    if (source == GST_OBJECT (p->llms[i]))
      return TRUE;
  return FALSE;
}

/* "Internal data stream error." says nothing to anybody. */
static const char *
reason_of (Stream *self, const GError *error)
{
  if (!g_error_matches (error, GST_STREAM_ERROR, GST_STREAM_ERROR_FAILED))
    return error->message;
  return pipeline_last_frame (self->pipeline) > 0
             ? "the source broke off"
             : "the source cannot be reached or read";
}

static void
on_error (Stream *self, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  const gboolean plugin = self->missing && !self->pipeline->video.linked;

  gst_message_parse_error (message, &error, NULL);
  if (is_from_model (self, message))
    end_run (self, RUN_FAILED, EXIT_MODEL, error->message);
  else if (plugin)
    end_run (self, RUN_FAILED, EXIT_INPUT, self->missing);
  /* GStreamer calls a sound file, of which nothing is wanted, a missing plugin
   */
  else if (!self->pipeline->video.linked &&
           g_error_matches (
               error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN))
    end_run (self, RUN_FAILED, EXIT_INPUT, NO_VIDEO);
  else
    end_run (self, self->source->kind == SOURCE_FILE ? RUN_FAILED : RUN_LOST,
        EXIT_INPUT, reason_of (self, error));
}

static void
on_warning (Stream *self, GstMessage *message)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  gst_message_parse_warning (message, &error, NULL);
  /* a decoder that is needed becomes an error with its own words */
  if (g_error_matches (
          error, GST_STREAM_ERROR, GST_STREAM_ERROR_CODEC_NOT_FOUND))
    return;
  text = source_conceal (self->source, error->message);
  hub_note (self->hub, self->index, text);
}

static void
on_end (Stream *self)
{
  if (pipeline_last_frame (self->pipeline) == 0)
    end_run (self, self->source->kind == SOURCE_FILE ? RUN_FAILED : RUN_LOST,
        EXIT_INPUT, "no picture in it could be decoded");
  else if (self->source->kind == SOURCE_FILE || self->has_end)
    end_run (self, RUN_ENDED, EXIT_DONE, NULL);
  else if (self->source->kind == SOURCE_TEST)
    end_run (self, RUN_ENDED, EXIT_DONE, NULL);
  else
    end_run (self, RUN_LOST, EXIT_INPUT, "the source ended");
}

static gboolean
on_message (GstBus *bus, GstMessage *message, gpointer data)
{
  Stream *self = data;

  if (gst_is_missing_plugin_message (message)) {
    if (!self->missing)
      self->missing = missing_describe_for_video (message);
  } else if (gst_message_has_name (message, "no-video")) {
    end_run (
        self, RUN_FAILED, EXIT_INPUT, self->missing ? self->missing : NO_VIDEO);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    on_error (self, message);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_WARNING) {
    on_warning (self, message);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_EOS) {
    on_end (self);
  } else if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_LATENCY) {
    gst_bin_recalculate_latency (GST_BIN (self->pipeline->pipeline));
  }
  return G_SOURCE_CONTINUE;
}

/* ---- One run ------------------------------------------------------------ */

static void
report_dropped (Stream *self)
{
  hub_set_dropped (self->hub, self->index,
      self->dropped_before + pipeline_dropped (self->pipeline));
}

static gboolean
on_tick (gpointer data)
{
  Stream *self = data;
  const GstClockTime timeout = hub_options (self->hub)->timeout;
  const gint64 newest = MAX (pipeline_last_frame (self->pipeline), self->began);
  gint64 duration = 0;

  report_dropped (self);
  if (gst_element_query_duration (
          self->pipeline->pipeline, GST_FORMAT_TIME, &duration) &&
      duration > 0)
    self->has_end = TRUE;
  if (self->source->kind != SOURCE_FILE &&
      g_get_monotonic_time () - newest > (gint64) (timeout / GST_USECOND)) {
    g_autofree char *reason = g_strdup_printf (
        "no picture for %.0f s", (double) timeout / (double) GST_SECOND);

    end_run (self, RUN_LOST, EXIT_INPUT, reason);
  }
  return G_SOURCE_CONTINUE;
}

static void
add_timeout (Stream *self, guint ms, GSourceFunc func)
{
  g_autoptr (GSource) source = g_timeout_source_new (ms);

  g_source_set_callback (source, func, self, NULL);
  g_source_attach (source, self->context);
}

static void
play (Stream *self)
{
  g_autoptr (GstBus) bus = gst_element_get_bus (self->pipeline->pipeline);
  g_autoptr (GSource) tick = g_timeout_source_new (TICK_MS);

  gst_bus_set_sync_handler (bus, on_sync_message, self, NULL);
  gst_bus_add_watch (bus, on_message, self);
  g_source_set_callback (tick, on_tick, self, NULL);
  g_source_attach (tick, self->context);
  /* a failure to start is on the bus, too */
  gst_element_set_state (self->pipeline->pipeline, GST_STATE_PLAYING);
  if (!is_stopping (self))
    g_main_loop_run (self->loop);
  g_source_destroy (tick);
  gst_bus_remove_watch (bus);
  report_dropped (self);
  self->dropped_before += pipeline_dropped (self->pipeline);
}

static void
run (Stream *self)
{
  Pipeline pipeline;
  g_autoptr (GError) error = NULL;
  gint64 last;

  g_clear_pointer (&self->missing, g_free);
  g_clear_pointer (&self->reason, g_free);
  self->outcome = RUN_GOING;
  self->pipeline = &pipeline;
  self->has_end = FALSE;
  self->began = g_get_monotonic_time ();
  hub_begin (self->hub, self->index);
  if (pipeline_init (&pipeline, self->hub, self->index, &error))
    play (self);
  else
    end_run (self, RUN_FAILED, EXIT_INPUT, error->message);
  last = pipeline_last_frame (&pipeline);
  if (last > 0 && last - self->began >= GOOD_RUN_US)
    self->attempts = 0;
  pipeline_clear (&pipeline);
  self->pipeline = NULL;
}

/* ---- All runs ----------------------------------------------------------- */

static gboolean
on_waited (gpointer data)
{
  g_main_loop_quit (((Stream *) data)->loop);
  return G_SOURCE_REMOVE;
}

/* 1, 2, 4, … 30 s */
static void
wait_for_source (Stream *self)
{
  const guint seconds = MIN (1u << MIN (self->attempts, 5), LONGEST_WAIT_S);
  g_autofree char *message =
      g_strdup_printf ("%s; trying again in %u s", self->reason, seconds);

  self->attempts++;
  hub_set_state (self->hub, self->index, HUB_LOST, message);
  add_timeout (self, seconds * 1000, on_waited);
  if (!is_stopping (self))
    g_main_loop_run (self->loop);
}

/* Returns: what the stream ends with. */
static ExitCode
run_until_end (Stream *self)
{
  while (!is_stopping (self)) {
    run (self);
    switch (self->outcome) {
      case RUN_GOING: /* stopped */
        break;
      case RUN_ENDED:
        if (hub_options (self->hub)->loop)
          break;
        hub_set_state (self->hub, self->index, HUB_ENDED, NULL);
        return EXIT_DONE;
      case RUN_LOST:
        wait_for_source (self);
        break;
      case RUN_FAILED:
        hub_set_state (self->hub, self->index, HUB_FAILED, self->reason);
        return self->code;
    }
  }
  return EXIT_INTERRUPTED;
}

static gpointer
thread_main (gpointer data)
{
  Stream *self = data;
  ExitCode code;

  g_main_context_push_thread_default (self->context);
  code = run_until_end (self);
  g_main_context_pop_thread_default (self->context);
  self->done (self->index, code, self->done_data);
  return NULL;
}

Stream *
stream_new (Hub *hub, guint index, StreamDone done, gpointer data)
{
  Stream *self = g_new0 (Stream, 1);

  self->hub = hub;
  self->index = index;
  self->source = hub_options (hub)->sources->pdata[index];
  self->done = done;
  self->done_data = data;
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  self->thread = g_thread_new ("stream", thread_main, self);
  return self;
}

/* Also a loop that is only about to run comes to this. */
static gboolean
on_stop (gpointer data)
{
  g_main_loop_quit (((Stream *) data)->loop);
  return G_SOURCE_CONTINUE;
}

void
stream_stop (Stream *self)
{
  g_autoptr (GSource) source = g_idle_source_new ();

  if (g_atomic_int_exchange (&self->stopping, TRUE))
    return;
  g_source_set_callback (source, on_stop, self, NULL);
  g_source_attach (source, self->context);
}

void
stream_free (Stream *self)
{
  stream_stop (self);
  g_thread_join (self->thread);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_free (self->missing);
  g_free (self->reason);
  g_free (self);
}
