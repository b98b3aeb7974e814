/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of neva-live. */
#ifndef NEVA_LIVE_OPTIONS_H
#define NEVA_LIVE_OPTIONS_H

#include <gst/gst.h>
#include "common/exit_code.h"
#include "common/model_options.h"
#include "source.h"

#define MAX_STREAMS 64
#define MAX_ALERTS 8

typedef struct {
  GPtrArray *sources; /* Source */
  ModelOptions model;
  AnswerOptions answer;

  char *prompt;  /* NULL: the model's own */
  char **alerts; /* NULL, or questions of yes and no */
  gdouble alert_threshold;
  GstClockTime window, overlap;
  char *mode;                   /* NULL: the sampler's default */
  gint num_frames, max_pending; /* max_pending: windows that may wait */
  gboolean loop;
  GstClockTime timeout; /* without a picture a source is lost */
  GstClockTime latency; /* of network cameras */

  gboolean http, quiet;
  guint16 port; /* 0: any */
  char *listen; /* an address, never NULL */
  char *token;  /* NULL: none is asked for */
  gint picture_width;
  gdouble picture_rate; /* a second, with somebody watching */
} Options;

/* Parses and checks. FALSE: *code is what to end with, and a message was
 * printed (help and version end with EXIT_DONE). */
gboolean options_parse (
    Options *options, int argc, char **argv, ExitCode *code);
void options_clear (Options *options);

#endif /* NEVA_LIVE_OPTIONS_H */
