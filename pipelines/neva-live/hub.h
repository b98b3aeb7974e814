/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is known of all streams now: pipelines write, the terminal and the page
 * read. Everything in it is bounded, and nobody who writes waits for anybody
 * who reads.
 *
 * Every function may be called from any thread. `stream` counts from 0 in the
 * order of the command line. Times are of g_get_monotonic_time (), µs. */
#ifndef NEVA_LIVE_HUB_H
#define NEVA_LIVE_HUB_H

#include "options.h"

typedef struct _Hub Hub;

typedef enum {
  HUB_STARTING, /* no picture yet */
  HUB_LIVE,
  HUB_LOST,  /* will be tried again */
  HUB_ENDED, /* a file has come to its end */
  HUB_FAILED /* will not be tried again */
} HubState;

/* "starting", "live" … */
const char *hub_state_name (HubState state);

/* A caption, whole or as far as it is written. */
typedef struct {
  guint64 clip;      /* counts up within a run of the pipeline */
  gint64 start, end; /* the window; when its pictures passed */
  const char *text;  /* borrowed; "" when the model said nothing */
  gboolean final;
} HubCaption;

/* One answer to the question of an alert. */
typedef struct {
  guint alert;
  double probability; /* of yes */
  gboolean active;
} HubAlert;

typedef struct {
  double cpu;     /* 1: all cores are busy */
  guint64 memory; /* resident bytes */
  double tokens;  /* a second */
  guint running;  /* questions that are being answered */
  guint waiting;  /* questions that wait for the model */
} HubLoad;

/* A stream as the terminal shows it. */
typedef struct {
  HubState state;
  char *message; /* why it is lost or failed, or NULL */
  char *text;    /* newest caption, or NULL */
  gboolean partial;
  double fps, latency; /* latency: s from the end of a window to its caption;
                          negative: not known yet */
  guint64 captions, dropped;
  gboolean alerts[MAX_ALERTS];
  double probabilities[MAX_ALERTS];
} HubView;

/* options: borrowed, must stay. */
Hub *hub_new (const Options *options);
void hub_free (Hub *hub);

/* ---- Written by the pipelines ---- */

/* A pipeline was made anew: its clips count from 0 again. */
void hub_begin (Hub *hub, guint stream);
/* message: borrowed, or NULL. */
void hub_set_state (
    Hub *hub, guint stream, HubState state, const char *message);
/* A frame of video passes. Takes no lock. */
void hub_count_frame (Hub *hub, guint stream);
/* FALSE: partial captions of a clip that is over are ignored. */
gboolean hub_caption (Hub *hub, guint stream, const HubCaption *caption);
/* Returns: whether the alert rose or fell. */
gboolean hub_alert (Hub *hub, guint stream, const HubAlert *alert);
/* jpeg: taken. */
void hub_set_picture (Hub *hub, guint stream, GBytes *jpeg);
/* Whether somebody looked at the stream's pictures lately. Takes no lock. */
gboolean hub_is_watched (Hub *hub, guint stream);
/* Windows without a caption since the program began. */
void hub_set_dropped (Hub *hub, guint stream, guint64 dropped);

/* Something that a person should read, in words; borrowed. The same words again
 * from the same stream are left out. */
void hub_note (Hub *hub, guint stream, const char *text);

/* Once a second: rates are measured and go out to all. */
void hub_sample (Hub *hub, const HubLoad *load);

/* ---- Read by the terminal and the page ---- */

/* changed: called after every change, from the thread that wrote; it must not
 * wait. NULL: nobody. */
void hub_set_changed (Hub *hub, void (*changed) (gpointer data), gpointer data);
const Options *hub_options (const Hub *hub);
void hub_view (Hub *hub, guint stream, HubView *view);
void hub_view_clear (HubView *view);
/* (transfer full): the first finished caption behind number *after, which moves
 * to it; NULL when there is none. The newest ones are kept. */
char *hub_next_caption (Hub *hub, guint stream, guint64 *after);
/* (transfer full): the oldest note that was not taken yet, or NULL. */
char *hub_take_note (Hub *hub, guint *stream);
/* (transfer full): the newest picture, NULL before the first; *number tells
 * pictures apart. Counts as a look. */
GBytes *hub_picture (Hub *hub, guint stream, guint64 *number);

/* Server-sent events. A cursor of 0 begins: the first piece is then the state
 * of everything, as also for whoever comes too late for what is kept.
 * (transfer full): NULL when there is nothing new. */
GBytes *hub_events (Hub *hub, guint64 *cursor);
/* The cursor behind a Last-Event-ID; 0 where it is not of this run. */
guint64 hub_cursor (Hub *hub, const char *last_event_id);
/* (transfer full): the state of everything, as JSON. */
GBytes *hub_state (Hub *hub);
/* WebVTT cues from *cursor on; a cursor of 0 begins.
 * (transfer full): NULL when there is nothing new. */
GBytes *hub_cues (Hub *hub, guint stream, guint64 *cursor);

#endif /* NEVA_LIVE_HUB_H */
