/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A nevaencoder that no video ever comes to: it loads the model and keeps it,
 * and the elements of the streams, which name the same one with the same
 * options, share it. */
#include "config.h"
#include "model.h"
#include "common/missing.h"

struct _Model {
  GstElement *holder;
  GstBus *bus;
  int percent;

  /* of the last model_measure () */
  guint64 tokens;
  gint64 measured;
};

Model *
model_new (const Options *options)
{
  Model *self;
  GstElement *holder = missing_make ("nevaencoder");

  if (!holder)
    return NULL;
  self = g_new0 (Model, 1);
  self->holder = gst_object_ref_sink (holder);
  self->bus = gst_bus_new ();
  self->measured = g_get_monotonic_time ();
  model_options_apply (&options->model, self->holder);
  gst_element_set_bus (self->holder, self->bus);
  /* what is wrong with the path is on the bus */
  gst_element_set_state (self->holder, GST_STATE_PAUSED);
  return self;
}

void
model_free (Model *self)
{
  gst_element_set_state (self->holder, GST_STATE_NULL);
  gst_element_set_bus (self->holder, NULL);
  gst_object_unref (self->holder);
  gst_object_unref (self->bus);
  g_free (self);
}

static ModelState
on_progress (Model *self, GstMessage *message)
{
  const GstStructure *s = gst_message_get_structure (message);
  GstProgressType type;

  gst_message_parse_progress (message, &type, NULL, NULL);
  gst_structure_get_int (s, "percent", &self->percent);
  return type == GST_PROGRESS_TYPE_COMPLETE ? MODEL_READY : MODEL_LOADING;
}

ModelState
model_wait (Model *self, GstClockTime wait, int *percent, char **text)
{
  g_autoptr (GstMessage) message = gst_bus_timed_pop_filtered (
      self->bus, wait, GST_MESSAGE_PROGRESS | GST_MESSAGE_ERROR);
  g_autoptr (GError) error = NULL;
  ModelState state = MODEL_LOADING;

  if (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    gst_message_parse_error (message, &error, NULL);
    *text = g_strdup (error->message);
    state = MODEL_UNUSABLE;
  } else if (message) {
    state = on_progress (self, message);
  }
  *percent = self->percent;
  return state;
}

void
model_measure (Model *self, HubLoad *load)
{
  g_autoptr (GstStructure) stats = NULL;
  g_autoptr (GstStructure) of_model = NULL;
  const gint64 now = g_get_monotonic_time ();
  guint64 tokens = self->tokens;

  g_object_get (self->holder, "stats", &stats, NULL);
  if (!gst_structure_get (stats, "model", GST_TYPE_STRUCTURE, &of_model, NULL))
    return;
  gst_structure_get_uint64 (of_model, "generated-tokens", &tokens);
  gst_structure_get_uint (of_model, "running", &load->running);
  gst_structure_get_uint (of_model, "queued-questions", &load->waiting);
  load->tokens = (double) (tokens - self->tokens) * 1e6 /
                 (double) MAX (now - self->measured, 1);
  self->tokens = tokens;
  self->measured = now;
}
