/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Captions as text, SRT, WebVTT or JSON lines, written as they come so that an
 * interrupted run keeps what is done. */
#ifndef NEVA_CAPTION_WRITER_H
#define NEVA_CAPTION_WRITER_H

#include <gst/gst.h>
#include "options.h"

/* One caption. Times in ns of the file's stream time. Borrowed. */
typedef struct {
  const char *file, *text, *prompt, *model, *finish;
  GstClockTime start, end;   /* [start, end); end may be GST_CLOCK_TIME_NONE */
  const GstClockTime *times; /* [n_times]; of the frames the model saw */
  gsize n_times;
  guint prompt_tokens, tokens;
  double mean_logprob;
} Caption;

typedef struct _Writer Writer;

/* path: file, or folder for a subtitle file per video; NULL: standard output.
 * windows: text lines begin with their time. several: with the file's name.
 * Returns: (transfer full): NULL with error set. */
Writer *writer_new (Format format, const char *path, gboolean windows,
    gboolean several, GError **error);
/* A video begins. */
gboolean writer_begin (Writer *writer, const char *file, GError **error);
gboolean writer_add (Writer *writer, const Caption *caption, GError **error);
/* Ends the last video and closes; frees in any case. */
gboolean writer_close (Writer *writer, GError **error);

/* One caption in a format, appended; `number` counts from 1 within a file. */
void writer_format (Format format, const Caption *caption, guint number,
    gboolean windows, gboolean several, GString *out);

#endif /* NEVA_CAPTION_WRITER_H */
