/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "hub_private.h"
#include "common/subtitle.h"

#define MAX_EVENTS 4096
#define MAX_EVENT_BYTES (1u << 20)
/* A day of a caption every four seconds. */
#define MAX_CUES 21600
#define MAX_CUE_BYTES (4u << 20)
/* A piece for one reader. */
#define MAX_PIECE (64u << 10)
#define MAX_TEXT 4096
/* Between two states of a caption that grows; the last one always goes out. */
#define PARTIAL_US (80 * 1000)
/* The state of everything is not made for every client that asks. */
#define STATE_US (500 * 1000)
#define WATCHED_S 3

/* ---- Life --------------------------------------------------------------- */

static void
said_free (gpointer data)
{
  g_free (((Said *) data)->text);
  g_free (data);
}

static void
note_free (gpointer data)
{
  g_free (((Note *) data)->text);
  g_free (data);
}

const char *
hub_state_name (HubState state)
{
  switch (state) {
    case HUB_STARTING:
      return "starting";
    case HUB_LIVE:
      return "live";
    case HUB_LOST:
      return "lost";
    case HUB_ENDED:
      return "ended";
    case HUB_FAILED:
      return "failed";
  }
  return "";
}

Hub *
hub_new (const Options *options)
{
  Hub *self = g_new0 (Hub, 1);

  g_mutex_init (&self->lock);
  self->options = options;
  self->n = options->sources->len;
  self->streams = g_new0 (StreamInfo, self->n);
  self->began = g_get_real_time () / 1000;
  self->wall = g_get_real_time () - g_get_monotonic_time ();
  self->run = g_strdup_printf ("%" G_GINT64_MODIFIER "x", self->began);
  self->sampled = g_get_monotonic_time ();
  ring_init (&self->events, MAX_EVENTS, MAX_EVENT_BYTES);
  for (guint i = 0; i < self->n; i++) {
    StreamInfo *s = &self->streams[i];

    ring_init (&s->cues, MAX_CUES, MAX_CUE_BYTES);
    s->watched = -WATCHED_S;
    s->latency = -1;
    for (guint k = 0; k < MAX_ALERTS; k++)
      s->alerts[k].probability = -1;
    for (guint k = 0; k < SERIES; k++)
      s->latencies[k] = -1;
  }
  return self;
}

void
hub_free (Hub *self)
{
  for (guint i = 0; i < self->n; i++) {
    StreamInfo *s = &self->streams[i];

    g_free (s->message);
    g_free (s->last_note);
    g_free (s->now.text);
    g_queue_clear_full (&s->history, said_free);
    g_clear_pointer (&s->picture, g_bytes_unref);
    ring_clear (&s->cues);
  }
  g_queue_clear_full (&self->alert_log, g_free);
  g_queue_clear_full (&self->notes, note_free);
  g_clear_pointer (&self->state, g_bytes_unref);
  ring_clear (&self->events);
  g_mutex_clear (&self->lock);
  g_free (self->streams);
  g_free (self->run);
  g_free (self);
}

const Options *
hub_options (const Hub *self)
{
  return self->options;
}

void
hub_set_changed (Hub *self, void (*changed) (gpointer data), gpointer data)
{
  g_mutex_lock (&self->lock);
  self->changed = changed;
  self->changed_data = data;
  g_mutex_unlock (&self->lock);
}

/* The lock is held, so that nobody is called who has just taken leave. */
static void
tell (Hub *self)
{
  if (self->changed)
    self->changed (self->changed_data);
}

static void
unlock_and_tell (Hub *self)
{
  tell (self);
  g_mutex_unlock (&self->lock);
}

static gint64
wall_ms (const Hub *self, gint64 monotonic)
{
  return (monotonic + self->wall) / 1000;
}

/* ---- Alerts ------------------------------------------------------------- */

/* It rose or fell. The lock is held. */
static void
change_alert (Hub *self, guint stream, guint alert, gboolean active)
{
  AlertState *state = &self->streams[stream].alerts[alert];
  AlertChange *change = g_new (AlertChange, 1);
  const gint64 at = g_get_real_time () / 1000;

  state->active = active;
  if (active)
    state->since = at;
  *change = (AlertChange){stream, alert, active, state->probability, at};
  g_queue_push_tail (&self->alert_log, change);
  if (self->alert_log.length > ALERT_LOG)
    g_free (g_queue_pop_head (&self->alert_log));
  ring_add (
      &self->events, report_alert (self, change, ring_next (&self->events)));
}

gboolean
hub_alert (Hub *self, guint stream, const HubAlert *alert)
{
  AlertState *state = &self->streams[stream].alerts[alert->alert];
  gboolean changed;

  g_mutex_lock (&self->lock);
  changed = state->active != alert->active;
  state->probability = alert->probability;
  if (changed) {
    change_alert (self, stream, alert->alert, alert->active);
    tell (self);
  }
  g_mutex_unlock (&self->lock);
  return changed;
}

/* What will not be looked at again raises no alarm. A lost camera does. */
static void
end_alerts (Hub *self, guint stream)
{
  for (guint i = 0; i < MAX_ALERTS; i++)
    if (self->streams[stream].alerts[i].active)
      change_alert (self, stream, i, FALSE);
}

/* ---- States and frames -------------------------------------------------- */

void
hub_begin (Hub *self, guint stream)
{
  StreamInfo *s = &self->streams[stream];

  g_mutex_lock (&self->lock);
  s->clips_done = 0;
  /* what was not finished never will be */
  if (s->now.text && !s->now.final) {
    s->now.final = TRUE;
    ring_add (&self->events,
        report_caption (self, stream, ring_next (&self->events)));
  }
  unlock_and_tell (self);
}

void
hub_set_state (Hub *self, guint stream, HubState state, const char *message)
{
  StreamInfo *s = &self->streams[stream];

  g_mutex_lock (&self->lock);
  if (state == HUB_LIVE && s->epoch == 0)
    s->epoch = g_get_monotonic_time ();
  if (s->state != state || g_strcmp0 (s->message, message) != 0) {
    s->state = state;
    g_free (s->message);
    s->message = message ? g_utf8_make_valid (message, -1) : NULL;
    if (state == HUB_ENDED || state == HUB_FAILED)
      end_alerts (self, stream);
    ring_add (
        &self->events, report_stream (self, stream, ring_next (&self->events)));
  }
  unlock_and_tell (self);
}

void
hub_count_frame (Hub *self, guint stream)
{
  g_atomic_int_inc (&self->streams[stream].frames);
}

void
hub_set_dropped (Hub *self, guint stream, guint64 dropped)
{
  g_mutex_lock (&self->lock);
  self->streams[stream].dropped = dropped;
  g_mutex_unlock (&self->lock);
}

void
hub_note (Hub *self, guint stream, const char *text)
{
  StreamInfo *s = &self->streams[stream];

  g_mutex_lock (&self->lock);
  if (g_strcmp0 (s->last_note, text) != 0) {
    Note *note = g_new (Note, 1);

    *note = (Note){stream, g_utf8_make_valid (text, -1)};
    g_free (s->last_note);
    s->last_note = g_strdup (text);
    g_queue_push_tail (&self->notes, note);
    if (self->notes.length > NOTES)
      note_free (g_queue_pop_head (&self->notes));
  }
  unlock_and_tell (self);
}

char *
hub_take_note (Hub *self, guint *stream)
{
  g_autofree Note *note = NULL;

  g_mutex_lock (&self->lock);
  note = g_queue_pop_head (&self->notes);
  g_mutex_unlock (&self->lock);
  if (note)
    *stream = note->stream;
  return note ? note->text : NULL;
}

/* ---- Captions ----------------------------------------------------------- */

/* Whole characters, and no more of them than anybody reads. */
static char *
bounded_text (const char *text)
{
  char *valid = g_utf8_make_valid (text, -1);

  if (strlen (valid) > MAX_TEXT)
    *g_utf8_find_prev_char (valid, valid + MAX_TEXT) = '\0';
  return valid;
}

static void
add_cue (StreamInfo *s)
{
  GString *cue = g_string_new (NULL);

  g_string_append_printf (cue, "%" G_GUINT64_FORMAT "\n", s->now.number);
  subtitle_append_clock (cue, (GstClockTime) s->now.start * GST_MSECOND, '.');
  g_string_append (cue, " --> ");
  subtitle_append_clock (cue, (GstClockTime) s->now.end * GST_MSECOND, '.');
  g_string_append_c (cue, '\n');
  subtitle_append_vtt_text (cue, s->now.text);
  g_string_append (cue, "\n\n");
  ring_add (&s->cues, g_string_free_to_bytes (cue));
}

static void
add_history (StreamInfo *s)
{
  Said *said = g_new (Said, 1);

  *said = s->now;
  said->text = g_strdup (s->now.text);
  g_queue_push_tail (&s->history, said);
  if (s->history.length > HISTORY)
    said_free (g_queue_pop_head (&s->history));
}

static void
set_now (Hub *self, StreamInfo *s, const HubCaption *c)
{
  const gint64 now = g_get_monotonic_time ();
  const gint64 start = MAX (c->start - s->epoch, 0) / 1000;

  if (s->now.number == 0 || s->now.final)
    s->now.number++;
  g_free (s->now.text);
  s->now.text = bounded_text (c->text);
  s->now.start = start;
  s->now.end = MAX (MAX (c->end - s->epoch, 0) / 1000, start + 1);
  s->now.at = wall_ms (self, now);
  s->now.final = c->final;
  if (!c->final)
    return;
  s->clips_done = c->clip + 1;
  s->captions++;
  s->latency = (double) MAX (now - c->end, 0) / 1e6;
  if (*s->now.text) {
    add_cue (s);
    add_history (s);
  }
}

gboolean
hub_caption (Hub *self, guint stream, const HubCaption *caption)
{
  StreamInfo *s = &self->streams[stream];
  const gint64 now = g_get_monotonic_time ();
  gboolean taken;

  g_mutex_lock (&self->lock);
  taken = caption->clip >= s->clips_done;
  if (taken) {
    set_now (self, s, caption);
    if (caption->final || now - s->partial_sent >= PARTIAL_US) {
      s->partial_sent = now;
      ring_add (&self->events,
          report_caption (self, stream, ring_next (&self->events)));
      tell (self);
    }
  }
  g_mutex_unlock (&self->lock);
  return taken;
}

/* ---- Pictures ----------------------------------------------------------- */

void
hub_set_picture (Hub *self, guint stream, GBytes *jpeg)
{
  StreamInfo *s = &self->streams[stream];
  GBytes *old;

  g_mutex_lock (&self->lock);
  old = s->picture;
  s->picture = jpeg;
  s->picture_number++;
  unlock_and_tell (self);
  if (old)
    g_bytes_unref (old);
}

GBytes *
hub_picture (Hub *self, guint stream, guint64 *number)
{
  StreamInfo *s = &self->streams[stream];
  GBytes *picture;

  g_atomic_int_set (
      &s->watched, (gint) (g_get_monotonic_time () / G_USEC_PER_SEC));
  g_mutex_lock (&self->lock);
  picture = s->picture ? g_bytes_ref (s->picture) : NULL;
  *number = s->picture_number;
  g_mutex_unlock (&self->lock);
  return picture;
}

gboolean
hub_is_watched (Hub *self, guint stream)
{
  const gint now = (gint) (g_get_monotonic_time () / G_USEC_PER_SEC);

  return now - g_atomic_int_get (&self->streams[stream].watched) < WATCHED_S;
}

/* ---- Rates -------------------------------------------------------------- */

static void
shift_in (float *series, double value)
{
  memmove (series, series + 1, (SERIES - 1) * sizeof *series);
  series[SERIES - 1] = (float) value;
}

void
hub_sample (Hub *self, const HubLoad *load)
{
  const gint64 now = g_get_monotonic_time ();

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->n; i++) {
    StreamInfo *s = &self->streams[i];
    const gint frames = g_atomic_int_get (&s->frames);
    const guint passed = (guint) frames - (guint) s->frames_before;

    s->fps = passed * 1e6 / (double) MAX (now - self->sampled, 1);
    s->frames_before = frames;
    s->n_frames += passed;
    shift_in (s->latencies, s->latency);
  }
  self->sampled = now;
  self->load = *load;
  self->n_samples = MIN (self->n_samples + 1, SERIES);
  shift_in (self->cpu, load->cpu);
  shift_in (self->memory, (double) load->memory);
  shift_in (self->tokens, load->tokens);
  ring_add (&self->events, report_load (self, ring_next (&self->events)));
  unlock_and_tell (self);
}

/* ---- Readers ------------------------------------------------------------ */

void
hub_view (Hub *self, guint stream, HubView *view)
{
  StreamInfo *s = &self->streams[stream];

  g_mutex_lock (&self->lock);
  *view = (HubView){.state = s->state,
      .message = g_strdup (s->message),
      .text = g_strdup (s->now.text),
      .partial = s->now.text && !s->now.final,
      .fps = s->fps,
      .latency = s->latency,
      .captions = s->captions,
      .dropped = s->dropped};
  for (guint i = 0; i < MAX_ALERTS; i++) {
    view->alerts[i] = s->alerts[i].active;
    view->probabilities[i] = s->alerts[i].probability;
  }
  g_mutex_unlock (&self->lock);
}

void
hub_view_clear (HubView *view)
{
  g_free (view->message);
  g_free (view->text);
}

char *
hub_next_caption (Hub *self, guint stream, guint64 *after)
{
  char *text = NULL;

  g_mutex_lock (&self->lock);
  for (GList *l = self->streams[stream].history.head; l && !text; l = l->next) {
    const Said *said = l->data;

    if (said->number > *after) {
      text = g_strdup (said->text);
      *after = said->number;
    }
  }
  g_mutex_unlock (&self->lock);
  return text;
}

/* With the number of the event that comes next. The lock is held. */
static void
make_state (Hub *self)
{
  const gint64 now = g_get_monotonic_time ();
  char *json;

  if (self->state && now - self->state_made < STATE_US &&
      self->state_next >= self->events.first)
    return;
  g_clear_pointer (&self->state, g_bytes_unref);
  json = report_state (self);
  self->state = g_bytes_new_take (json, strlen (json));
  self->state_next = ring_next (&self->events);
  self->state_made = now;
}

GBytes *
hub_state (Hub *self)
{
  GBytes *state;

  g_mutex_lock (&self->lock);
  make_state (self);
  state = g_bytes_ref (self->state);
  g_mutex_unlock (&self->lock);
  return state;
}

/* The id is that of the event before, so that who comes back with it goes on
 * behind the state. */
static GBytes *
state_event (const Hub *self, GBytes *state, guint64 next)
{
  gsize size;
  const char *json = g_bytes_get_data (state, &size);
  GString *text = g_string_sized_new (size + 64);

  if (next > 0)
    g_string_append_printf (
        text, "id: %s-%" G_GUINT64_FORMAT "\n", self->run, next - 1);
  g_string_append (text, "event: state\ndata: ");
  g_string_append_len (text, json, (gssize) size);
  g_string_append (text, "\n\n");
  return g_string_free_to_bytes (text);
}

/* A cursor is the number of the next event plus one. */
GBytes *
hub_events (Hub *self, guint64 *cursor)
{
  GBytes *out = NULL;
  g_autoptr (GBytes) state = NULL;
  guint64 next;

  g_mutex_lock (&self->lock);
  if (*cursor == 0 || *cursor - 1 < self->events.first) {
    make_state (self);
    state = g_bytes_ref (self->state);
    next = self->state_next;
  } else {
    next = *cursor - 1;
    out = ring_read (&self->events, &next, MAX_PIECE);
  }
  g_mutex_unlock (&self->lock);
  if (state)
    out = state_event (self, state, next);
  *cursor = next + 1;
  return out;
}

guint64
hub_cursor (Hub *self, const char *last_event_id)
{
  const gsize length = strlen (self->run);
  guint64 number = 0, cursor = 0;

  if (!last_event_id || strncmp (last_event_id, self->run, length) != 0 ||
      last_event_id[length] != '-' ||
      !g_ascii_string_to_unsigned (
          last_event_id + length + 1, 10, 0, G_MAXINT64, &number, NULL))
    return 0;
  g_mutex_lock (&self->lock);
  if (number < ring_next (&self->events))
    cursor = number + 2;
  g_mutex_unlock (&self->lock);
  return cursor;
}

GBytes *
hub_cues (Hub *self, guint stream, guint64 *cursor)
{
  GBytes *out;

  g_mutex_lock (&self->lock);
  out = ring_read (&self->streams[stream].cues, cursor, MAX_PIECE);
  g_mutex_unlock (&self->lock);
  return out;
}
