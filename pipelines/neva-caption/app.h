/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What lives as long as the program runs. */
#ifndef NEVA_CAPTION_APP_H
#define NEVA_CAPTION_APP_H

#include "options.h"
#include "common/progress.h"
#include "writer.h"

/* A subtitle for --mux. */
typedef struct {
  GstClockTime start, end; /* end may be GST_CLOCK_TIME_NONE */
  char *text;
} Subtitle;

typedef struct {
  const Options *options;
  GMainLoop *loop;
  Progress progress;
  Writer *writer;
  GstContext *model; /* keeps the model between videos; NULL before the first */
  GArray *subtitles; /* Subtitle; with --mux */
  guint captions;    /* so far, of all videos */
  gboolean interrupted;
} App;

/* Printf-like to standard error, as "neva-caption: …", without tearing the
 * progress bar. */
void app_complain (App *app, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* A path or URI as URI. (transfer full): NULL with error set. */
char *app_uri (const char *file, GError **error);

/* Captions one video with one prompt; writes what comes. Says what was wrong
 * unless all went well. */
ExitCode caption_job (App *app, const Job *job);

/* Copies the streams of the file into a Matroska file and adds app->subtitles
 * as a track. */
ExitCode mux_file (App *app, const char *file);

#endif /* NEVA_CAPTION_APP_H */
