/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Captions as text, SRT, WebVTT or JSON lines. */
#ifndef NEVA_CAPTION_FORMAT_H
#define NEVA_CAPTION_FORMAT_H

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

/* Appended to `out`; number: counts from 1 within a file. windows: text lines
 * begin with their time. several: with the file's name. */
void format_caption (Format format, const Caption *caption, guint number,
    gboolean windows, gboolean several, GString *out);

/* What a file in this format begins with. */
const char *format_header (Format format);
/* Of a file's name, without the dot. */
const char *format_suffix (Format format);

/* Text that cannot end a subtitle early: no blank line, no "-->". (transfer
 * full) */
char *format_subtitle_text (const char *text);

/* "name": "value"; bytes that are no UTF-8 are replaced, NULL is "". */
void format_json_string (GString *out, const char *name, const char *value);

#endif /* NEVA_CAPTION_FORMAT_H */
