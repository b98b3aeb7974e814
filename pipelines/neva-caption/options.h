/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of neva-caption. */
#ifndef NEVA_CAPTION_OPTIONS_H
#define NEVA_CAPTION_OPTIONS_H

#include <gst/gst.h>
#include "common/exit_code.h"
#include "common/model_options.h"

typedef enum { FORMAT_TEXT, FORMAT_SRT, FORMAT_VTT, FORMAT_JSON } Format;

/* One question about one file. */
typedef struct {
  char *file;   /* as given: a path or a URI */
  char *prompt; /* NULL: the model's own */
} Job;

typedef struct {
  GPtrArray *jobs; /* Job */
  ModelOptions model;
  AnswerOptions answer;
  Format format;
  char *output, *mux; /* NULL: none */
  GstClockTime window, overlap;
  gboolean quiet, resume;

  /* Passed to the elements where set: NULL and negative mean the default. */
  char *mode;
  gint num_frames;
} Options;

/* Parses and checks. FALSE: *code is what to end with, and a message was
 * printed (help and version end with EXIT_DONE). */
gboolean options_parse (
    Options *options, int argc, char **argv, ExitCode *code);
void options_clear (Options *options);

/* What captions depend on besides video and prompt, so that those of two runs
 * are not mixed. (transfer full) */
char *options_describe (const Options *options);

#endif /* NEVA_CAPTION_OPTIONS_H */
