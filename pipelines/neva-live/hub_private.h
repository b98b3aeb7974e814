/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What hub.c keeps and report.c writes as JSON. */
#ifndef NEVA_LIVE_HUB_PRIVATE_H
#define NEVA_LIVE_HUB_PRIVATE_H

#include "hub.h"
#include "ring.h"

#define HISTORY 20 /* captions that a new page sees */
#define SERIES 120 /* seconds of the plots */
#define ALERT_LOG 50
#define NOTES 64

typedef struct {
  guint64 number;    /* of this stream, from 1 */
  gint64 start, end; /* ms since the stream's first picture */
  gint64 at;         /* ms since 1970 */
  char *text;
  gboolean final;
} Said;

typedef struct {
  gboolean active;
  double probability; /* negative: not asked yet */
  gint64 since;       /* ms since 1970, of the last rise */
} AlertState;

typedef struct {
  guint stream, alert;
  gboolean active;
  double probability;
  gint64 at; /* ms since 1970 */
} AlertChange;

typedef struct {
  guint stream;
  char *text;
} Note;

typedef struct {
  gint frames;        /* atomic; wraps */
  gint frames_before; /* at the last sample */
  gint watched;       /* atomic: s of monotonic time of the last look */

  /* Below: under the hub's lock. */
  HubState state;
  char *message;
  char *last_note;
  gint64 epoch;        /* of the first picture, or 0 */
  guint64 clips_done;  /* of this run: clips below have their caption */
  gint64 partial_sent; /* when a partial caption last went out */
  Said now;            /* newest; text NULL before the first */
  GQueue history;      /* Said */
  double fps, latency;
  float latencies[SERIES]; /* negative: none */
  guint64 n_frames, captions, dropped;
  AlertState alerts[MAX_ALERTS];
  GBytes *picture;
  guint64 picture_number;
  Ring cues;
} StreamInfo;

struct _Hub {
  const Options *options;
  GMutex lock;
  void (*changed) (gpointer data);
  gpointer changed_data;

  guint n;
  StreamInfo *streams; /* [n] */
  char *run;           /* tells this run's event numbers from others' */
  gint64 began;        /* ms since 1970 */
  gint64 wall;         /* realtime - monotonic, µs */
  Ring events;
  GQueue alert_log; /* AlertChange */
  GQueue notes;     /* Note */

  HubLoad load;
  gint64 sampled;
  guint n_samples; /* of the series, at most SERIES */
  float cpu[SERIES], memory[SERIES], tokens[SERIES];

  GBytes *state; /* as of the event state_next; cached */
  guint64 state_next;
  gint64 state_made;
};

/* (transfer full): one event with this number. The lock is held. */
GBytes *report_stream (const Hub *hub, guint stream, guint64 number);
GBytes *report_caption (const Hub *hub, guint stream, guint64 number);
GBytes *report_alert (
    const Hub *hub, const AlertChange *change, guint64 number);
GBytes *report_load (const Hub *hub, guint64 number);
/* (transfer full): all of it as one JSON object. */
char *report_state (const Hub *hub);

#endif /* NEVA_LIVE_HUB_PRIVATE_H */
