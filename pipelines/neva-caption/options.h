/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The command line of neva-caption. */
#ifndef NEVA_CAPTION_OPTIONS_H
#define NEVA_CAPTION_OPTIONS_H

#include <gst/gst.h>

/* What the program ends with; also in --help. */
typedef enum {
  EXIT_DONE = 0,
  EXIT_FAILED = 1,       /* anything else */
  EXIT_USAGE = 2,        /* the command line makes no sense */
  EXIT_INPUT = 3,        /* a video cannot be read */
  EXIT_MODEL = 4,        /* the model cannot be used */
  EXIT_OUTPUT = 5,       /* the result cannot be written */
  EXIT_INTERRUPTED = 130 /* Ctrl-C; what was done is kept */
} ExitCode;

typedef enum { FORMAT_TEXT, FORMAT_SRT, FORMAT_VTT, FORMAT_JSON } Format;

/* One question about one file. */
typedef struct {
  char *file;   /* as given: a path or a URI */
  char *prompt; /* NULL: the model's own */
} Job;

typedef struct {
  GPtrArray *jobs;                        /* Job */
  char *model;                            /* never NULL after parsing */
  char *base_model, *vision_tower, *lora; /* NULL: none */
  Format format;
  char *output, *mux; /* NULL: none */
  GstClockTime window, overlap;
  gboolean quiet;

  /* Passed to the elements where set: NULL and negative mean the default. */
  char *system_prompt, *conv_template, *device, *weights, *mode;
  gint num_frames, threads, max_tokens, top_k, context_length;
  gint tensor_parallel, pipeline_parallel;
  gdouble temperature, top_p;
  gint64 seed;
} Options;

/* Parses and checks. FALSE: *code is what to end with, and a message was
 * printed (help and version end with EXIT_DONE). */
gboolean options_parse (
    Options *options, int argc, char **argv, ExitCode *code);
void options_clear (Options *options);

/* "4s", "500ms", "2m", "1h", "90", "1.5", "1:30", "0:01:30.5".
 * Returns: FALSE when it is none of these. */
gboolean options_parse_time (const char *text, GstClockTime *time);

#endif /* NEVA_CAPTION_OPTIONS_H */
