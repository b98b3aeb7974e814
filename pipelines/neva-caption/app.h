/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lives as long as the program runs. */
#ifndef NEVA_CAPTION_APP_H
#define NEVA_CAPTION_APP_H

#include <gst/gst.h>
#include <neva/parallel.h>
#include "options.h"

/* A subtitle for --mux. */
typedef struct {
  GstClockTime start, end; /* end may be GST_CLOCK_TIME_NONE */
  char *text;
} Subtitle;

typedef struct _Work Work;

typedef struct {
  const Options *options;
  NevaParallel parallel;
  GMainLoop *loop;
  GCancellable *cancellable; /* writing failed, or process 0 is gone */
  Work *work;
  GstContext *team;  /* of several processes, for elements; else NULL */
  GstContext *model; /* keeps the model between videos; NULL before the first */
  GArray *subtitles; /* Subtitle; with --mux */
  guint captions;    /* so far, of all videos of this process */
  gboolean interrupted;
} App;

/* A path or URI as URI. (transfer full): NULL with error set. */
char *app_uri (const char *file, GError **error);
/* Nothing more is to be captioned. */
gboolean app_stopped (const App *app);

/* Captions one video with the prompts of all these jobs, which name the same
 * file; tells app->work what comes and how each ends. */
void caption_file (App *app, const guint *jobs, guint n_jobs);

/* Copies the streams of the file into a Matroska file and adds app->subtitles
 * as a track. Says what was wrong unless all went well. */
ExitCode mux_file (App *app, const char *file);

#endif /* NEVA_CAPTION_APP_H */
