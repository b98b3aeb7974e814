/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The hub as JSON: everything at once, or one event at a time. The page's
 * script (page/live.js) and docs/neva-live.md know the names. */
#include "config.h"
#include <json-glib/json-glib.h>
#include <math.h>
#include "hub_private.h"

/* ---- Pieces ------------------------------------------------------------- */

static void
add_int (JsonBuilder *b, const char *name, gint64 value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_int_value (b, value);
}

static void
add_string (JsonBuilder *b, const char *name, const char *value)
{
  json_builder_set_member_name (b, name);
  if (value)
    json_builder_add_string_value (b, value);
  else
    json_builder_add_null_value (b);
}

static void
add_boolean (JsonBuilder *b, const char *name, gboolean value)
{
  json_builder_set_member_name (b, name);
  json_builder_add_boolean_value (b, value);
}

/* Three decimals are enough to plot; negative: null. */
static void
add_value (JsonBuilder *b, double value)
{
  if (value < 0 || !isfinite (value))
    json_builder_add_null_value (b);
  else
    json_builder_add_double_value (b, floor (value * 1000 + 0.5) / 1000);
}

static void
add_number (JsonBuilder *b, const char *name, double value)
{
  json_builder_set_member_name (b, name);
  add_value (b, value);
}

static void
add_series (JsonBuilder *b, const char *name, const float *values, guint n)
{
  json_builder_set_member_name (b, name);
  json_builder_begin_array (b);
  for (guint i = 0; i < n; i++)
    add_value (b, values[i]);
  json_builder_end_array (b);
}

static void
add_said (JsonBuilder *b, const Said *said)
{
  add_int (b, "number", (gint64) said->number);
  add_number (b, "start", (double) said->start / 1000);
  add_number (b, "end", (double) said->end / 1000);
  add_int (b, "at", said->at);
  add_string (b, "text", said->text);
  add_boolean (b, "final", said->final);
}

static void
add_rates (JsonBuilder *b, const StreamInfo *s)
{
  add_number (b, "fps", s->fps);
  add_number (b, "latency", s->latency);
  add_int (b, "frames", (gint64) s->n_frames);
  add_int (b, "captions", (gint64) s->captions);
  add_int (b, "dropped", (gint64) s->dropped);
}

static void
add_load (JsonBuilder *b, const HubLoad *load)
{
  add_number (b, "cpu", load->cpu);
  add_int (b, "memory", (gint64) load->memory);
  add_number (b, "tokens", load->tokens);
  add_int (b, "running", load->running);
  add_int (b, "waiting", load->waiting);
}

static void
add_alert_states (JsonBuilder *b, const Hub *hub, const StreamInfo *s)
{
  char **questions = hub->options->alerts;

  json_builder_set_member_name (b, "alerts");
  json_builder_begin_array (b);
  for (guint i = 0; questions && questions[i]; i++) {
    json_builder_begin_object (b);
    add_string (b, "question", questions[i]);
    add_boolean (b, "active", s->alerts[i].active);
    add_number (b, "probability", s->alerts[i].probability);
    add_int (b, "since", s->alerts[i].since);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
}

static void
add_change (JsonBuilder *b, const Hub *hub, const AlertChange *c)
{
  add_int (b, "stream", c->stream + 1);
  add_int (b, "alert", c->alert);
  add_string (b, "question", hub->options->alerts[c->alert]);
  add_boolean (b, "active", c->active);
  add_number (b, "probability", c->probability);
  add_int (b, "at", c->at);
}

static void
add_stream (JsonBuilder *b, const Hub *hub, guint i)
{
  const StreamInfo *s = &hub->streams[i];
  const Source *source = hub->options->sources->pdata[i];

  json_builder_begin_object (b);
  add_int (b, "id", i + 1);
  add_string (b, "name", source->name);
  add_string (b, "uri", source->shown);
  add_string (b, "state", hub_state_name (s->state));
  add_string (b, "message", s->message);
  add_rates (b, s);
  add_series (
      b, "latencies", s->latencies + SERIES - hub->n_samples, hub->n_samples);
  add_alert_states (b, hub, s);
  json_builder_set_member_name (b, "now");
  if (s->now.text) {
    json_builder_begin_object (b);
    add_said (b, &s->now);
    json_builder_end_object (b);
  } else {
    json_builder_add_null_value (b);
  }
  json_builder_set_member_name (b, "history");
  json_builder_begin_array (b);
  for (GList *l = s->history.head; l; l = l->next) {
    json_builder_begin_object (b);
    add_said (b, l->data);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  json_builder_end_object (b);
}

/* ---- Whole texts -------------------------------------------------------- */

static char *
finish (JsonBuilder *b)
{
  g_autoptr (JsonNode) root = NULL;

  json_builder_end_object (b);
  root = json_builder_get_root (b);
  return json_to_string (root, FALSE);
}

static GBytes *
event (const Hub *hub, const char *type, guint64 number, JsonBuilder *b)
{
  g_autofree char *json = finish (b);
  char *text =
      g_strdup_printf ("id: %s-%" G_GUINT64_FORMAT "\nevent: %s\ndata: %s\n\n",
          hub->run, number, type, json);

  return g_bytes_new_take (text, strlen (text));
}

GBytes *
report_stream (const Hub *hub, guint stream, guint64 number)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  add_int (b, "stream", stream + 1);
  add_string (b, "state", hub_state_name (hub->streams[stream].state));
  add_string (b, "message", hub->streams[stream].message);
  return event (hub, "stream", number, b);
}

GBytes *
report_caption (const Hub *hub, guint stream, guint64 number)
{
  const StreamInfo *s = &hub->streams[stream];
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  add_int (b, "stream", stream + 1);
  add_said (b, &s->now);
  if (s->now.final)
    add_number (b, "latency", s->latency);
  return event (hub, "caption", number, b);
}

GBytes *
report_alert (const Hub *hub, const AlertChange *change, guint64 number)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  add_change (b, hub, change);
  return event (hub, "alert", number, b);
}

GBytes *
report_load (const Hub *hub, guint64 number)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();

  json_builder_begin_object (b);
  add_load (b, &hub->load);
  json_builder_set_member_name (b, "streams");
  json_builder_begin_array (b);
  for (guint i = 0; i < hub->n; i++) {
    const StreamInfo *s = &hub->streams[i];

    json_builder_begin_object (b);
    add_rates (b, s);
    json_builder_set_member_name (b, "probabilities");
    json_builder_begin_array (b);
    for (guint a = 0; hub->options->alerts && hub->options->alerts[a]; a++)
      add_value (b, s->alerts[a].probability);
    json_builder_end_array (b);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  return event (hub, "load", number, b);
}

char *
report_state (const Hub *hub)
{
  g_autoptr (JsonBuilder) b = json_builder_new ();
  g_autofree char *model = g_path_get_basename (hub->options->model.model);

  json_builder_begin_object (b);
  add_string (b, "version", NEVA_VERSION);
  add_string (b, "model", model);
  add_string (b, "run", hub->run);
  add_int (b, "began", hub->began);
  add_number (b, "window", (double) hub->options->window / (double) GST_SECOND);
  add_number (b, "picture_rate", hub->options->picture_rate);
  json_builder_set_member_name (b, "streams");
  json_builder_begin_array (b);
  for (guint i = 0; i < hub->n; i++)
    add_stream (b, hub, i);
  json_builder_end_array (b);
  json_builder_set_member_name (b, "alerts");
  json_builder_begin_array (b);
  for (GList *l = hub->alert_log.head; l; l = l->next) {
    json_builder_begin_object (b);
    add_change (b, hub, l->data);
    json_builder_end_object (b);
  }
  json_builder_end_array (b);
  json_builder_set_member_name (b, "load");
  json_builder_begin_object (b);
  add_load (b, &hub->load);
  add_series (b, "cpus", hub->cpu + SERIES - hub->n_samples, hub->n_samples);
  add_series (
      b, "memories", hub->memory + SERIES - hub->n_samples, hub->n_samples);
  add_series (
      b, "rates", hub->tokens + SERIES - hub->n_samples, hub->n_samples);
  json_builder_end_object (b);
  return finish (b);
}
