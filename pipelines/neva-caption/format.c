/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>
#include "common/subtitle.h"
#include "format.h"

/* A subtitle without an end would never go: it is shown for a while. */
static GstClockTime
end_of (const Caption *c)
{
  return GST_CLOCK_TIME_IS_VALID (c->end) && c->end > c->start
             ? c->end
             : c->start + 4 * GST_SECOND;
}

static void
format_subtitle (gboolean vtt, const Caption *c, guint number, GString *out)
{
  g_autofree char *text = subtitle_text (c->text);
  const char point = vtt ? '.' : ',';

  if (!*text)
    return;
  if (!vtt)
    g_string_append_printf (out, "%u\n", number);
  subtitle_append_clock (out, c->start, point);
  g_string_append (out, " --> ");
  subtitle_append_clock (out, end_of (c), point);
  g_string_append_c (out, '\n');
  if (vtt)
    subtitle_append_vtt_text (out, text);
  else
    g_string_append (out, text);
  g_string_append (out, "\n\n");
}

static void
format_text (const Caption *c, gboolean windows, gboolean several, GString *out)
{
  g_autofree char *text = g_strdup (c->text);

  if (several)
    g_string_append_printf (out, "%s: ", c->file);
  if (windows) {
    subtitle_append_clock (out, c->start, '.');
    g_string_append (out, " - ");
    subtitle_append_clock (out, end_of (c), '.');
    g_string_append (out, "  ");
  }
  /* a caption is a line */
  g_string_append (out, g_strdelimit (g_strstrip (text), "\r\n", ' '));
  g_string_append_c (out, '\n');
}

/* "name": value, … with numbers that read well, which json-glib's do not. */
void
format_json_string (GString *out, const char *name, const char *value)
{
  g_autofree char *valid = g_utf8_make_valid (value ? value : "", -1);
  g_autoptr (JsonNode) node = json_node_init_string (json_node_alloc (), valid);
  g_autofree char *quoted = json_to_string (node, FALSE);

  g_string_append_printf (out, "\"%s\": %s", name, quoted);
}

static void
append_seconds (GString *out, GstClockTime time)
{
  const gsize before = out->len;

  if (!GST_CLOCK_TIME_IS_VALID (time)) {
    g_string_append (out, "null");
    return;
  }
  g_string_append_printf (out, "%" G_GUINT64_FORMAT ".%09" G_GUINT64_FORMAT,
      time / GST_SECOND, time % GST_SECOND);
  while (out->len > before + 3 && out->str[out->len - 1] == '0' &&
         out->str[out->len - 2] != '.')
    g_string_truncate (out, out->len - 1);
}

static void
format_json (const Caption *c, GString *out)
{
  char logprob[G_ASCII_DTOSTR_BUF_SIZE];

  g_string_append_c (out, '{');
  format_json_string (out, "file", c->file);
  g_string_append (out, ", \"start\": ");
  append_seconds (out, c->start);
  g_string_append (out, ", \"end\": ");
  append_seconds (out, c->end);
  g_string_append (out, ", ");
  format_json_string (out, "text", c->text);
  g_string_append (out, ", \"frames\": [");
  for (gsize i = 0; i < c->n_times; i++) {
    g_string_append (out, i ? ", " : "");
    append_seconds (out, c->times[i]);
  }
  g_string_append (out, "], ");
  format_json_string (out, "prompt", c->prompt);
  g_string_append (out, ", ");
  format_json_string (out, "model", c->model);
  g_string_append (out, ", ");
  format_json_string (out, "finish", c->finish);
  g_ascii_formatd (logprob, sizeof logprob, "%.6g",
      isfinite (c->mean_logprob) ? c->mean_logprob : 0.0);
  g_string_append_printf (out,
      ", \"tokens\": %u, \"prompt_tokens\": %u, \"mean_logprob\": %s}\n",
      c->tokens, c->prompt_tokens, logprob);
}

void
format_caption (Format format, const Caption *caption, guint number,
    gboolean windows, gboolean several, GString *out)
{
  switch (format) {
    case FORMAT_TEXT:
      format_text (caption, windows, several, out);
      break;
    case FORMAT_SRT:
    case FORMAT_VTT:
      format_subtitle (format == FORMAT_VTT, caption, number, out);
      break;
    case FORMAT_JSON:
      format_json (caption, out);
      break;
  }
}

const char *
format_header (Format format)
{
  return format == FORMAT_VTT ? "WEBVTT\n\n" : "";
}

const char *
format_suffix (Format format)
{
  static const char *const suffixes[] = {"txt", "srt", "vtt", "jsonl"};

  return suffixes[format];
}
