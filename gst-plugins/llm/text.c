/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Caption formatting and prompt placeholders; see text.h. */
#include "config.h"
#include <string.h>
#include "text.h"

/* Marks that change the direction of everything after them, or join and split
 * text invisibly, come from models now and then and break overlays. */
static gboolean
is_dropped (gunichar c)
{
  return c == 0xfeff || (c >= 0x202a && c <= 0x202e) ||
         (c >= 0x2066 && c <= 0x2069);
}

static gboolean
is_space (gunichar c)
{
  return g_unichar_isspace (c) || g_unichar_iscntrl (c) || c == 0x2028 ||
         c == 0x2029;
}

/* `-->` separates the times of an SRT or WebVTT cue. Dropping all but one of
 * the dashes leaves an arrow that reads the same. */
static void
defuse_arrows (GString *s)
{
  char *arrow;

  while ((arrow = strstr (s->str, "-->")))
    g_string_erase (s, arrow - s->str, 1);
}

static GString *
fold (const char *valid)
{
  GString *s = g_string_sized_new (strlen (valid) + 1);
  gboolean space = FALSE;

  for (const char *p = valid; *p; p = g_utf8_next_char (p)) {
    const gunichar c = g_utf8_get_char (p);

    if (is_dropped (c))
      continue;
    if (is_space (c)) {
      space = s->len > 0;
      continue;
    }
    if (space)
      g_string_append_c (s, ' ');
    space = FALSE;
    g_string_append_unichar (s, c);
  }
  return s;
}

/* Turns the last space that fits into a line break, line after line; a word
 * longer than the line stands alone. */
static void
wrap_lines (GString *s, guint wrap)
{
  gssize last_space = -1;
  guint column = 0, after_space = 0;

  for (gsize i = 0; i < s->len;) {
    if (s->str[i] == ' ') {
      if (column > wrap && last_space >= 0) {
        s->str[last_space] = '\n';
        column = after_space;
      }
      last_space = (gssize) i;
      after_space = 0;
    } else {
      after_space++;
    }
    column++;
    i = (gsize) (g_utf8_next_char (s->str + i) - s->str);
  }
  if (column > wrap && last_space >= 0)
    s->str[last_space] = '\n';
}

char *
gst_neva_text_format (const char *answer, guint wrap)
{
  g_autofree char *valid = g_utf8_make_valid (answer ? answer : "", -1);
  GString *s = fold (valid);

  defuse_arrows (s);
  if (wrap > 0)
    wrap_lines (s, wrap);
  return g_string_free (s, FALSE);
}

char *
gst_neva_text_to_markup (const char *text)
{
  return g_markup_escape_text (text, -1);
}

static void
append_seconds (GString *s, GstClockTime time)
{
  char number[G_ASCII_DTOSTR_BUF_SIZE];

  if (!GST_CLOCK_TIME_IS_VALID (time)) {
    g_string_append_c (s, '?');
    return;
  }
  g_ascii_formatd (
      number, sizeof number, "%.1f", (double) time / (double) GST_SECOND);
  g_string_append (s, number);
}

static void
append_clock (GString *s, GstClockTime time)
{
  const guint64 seconds = time / GST_SECOND;

  if (!GST_CLOCK_TIME_IS_VALID (time))
    g_string_append_c (s, '?');
  else
    g_string_append_printf (s, "%" G_GUINT64_FORMAT ":%02u:%02u",
        seconds / 3600, (guint) (seconds / 60 % 60), (guint) (seconds % 60));
}

static GstClockTime
clip_duration (const GstNevaTextClip *clip)
{
  if (!GST_CLOCK_TIME_IS_VALID (clip->start) ||
      !GST_CLOCK_TIME_IS_VALID (clip->end) || clip->end < clip->start)
    return GST_CLOCK_TIME_NONE;
  return clip->end - clip->start;
}

static void
append_times (GString *s, const GstNevaTextClip *clip)
{
  for (gsize i = 0; i < clip->n_times; i++) {
    if (i > 0)
      g_string_append (s, ", ");
    append_seconds (s, clip->times[i]);
  }
}

/* Returns: FALSE if the name between the braces is none of ours. */
static gboolean
append_placeholder (GString *s, const char *name, const GstNevaTextClip *clip)
{
  if (g_str_equal (name, "clip"))
    g_string_append_printf (s, "%" G_GUINT64_FORMAT, clip->clip);
  else if (g_str_equal (name, "frames"))
    g_string_append_printf (s, "%" G_GSIZE_FORMAT, clip->n_times);
  else if (g_str_equal (name, "start"))
    append_seconds (s, clip->start);
  else if (g_str_equal (name, "end"))
    append_seconds (s, clip->end);
  else if (g_str_equal (name, "duration"))
    append_seconds (s, clip_duration (clip));
  else if (g_str_equal (name, "times"))
    append_times (s, clip);
  else if (g_str_equal (name, "start-clock"))
    append_clock (s, clip->start);
  else if (g_str_equal (name, "end-clock"))
    append_clock (s, clip->end);
  else if (g_str_equal (name, "objects"))
    g_string_append (s, clip->objects ? clip->objects : "none");
  else if (g_str_equal (name, "object"))
    g_string_append (s, clip->object ? clip->object : "");
  else if (g_str_equal (name, "memory"))
    g_string_append (s, clip->memory ? clip->memory : "");
  else
    return FALSE;
  return TRUE;
}

char *
gst_neva_text_expand (const char *prompt, const GstNevaTextClip *clip)
{
  GString *s;

  if (!prompt)
    return NULL;
  s = g_string_sized_new (strlen (prompt) + 64);
  while (*prompt) {
    const gsize plain = strcspn (prompt, "{");
    const char *close = strchr (prompt + plain, '}');

    g_string_append_len (s, prompt, (gssize) plain);
    prompt += plain;
    if (*prompt && close) {
      g_autofree char *name = g_strndup (prompt + 1, close - prompt - 1);

      if (append_placeholder (s, name, clip)) {
        prompt = close + 1;
        continue;
      }
    }
    if (*prompt)
      g_string_append_c (s, *prompt++);
  }
  return g_string_free (s, FALSE);
}

static const char *const markers[] = {"<video>", "<image>"};

char *
gst_neva_text_remember (GstClockTime start, GstClockTime end, const char *text)
{
  GString *s = g_string_new (NULL);
  gsize begin;

  append_seconds (s, start);
  g_string_append (s, " s to ");
  append_seconds (s, end);
  g_string_append (s, " s: ");
  begin = s->len;
  g_string_append (s, text);
  for (gsize i = 0; i < G_N_ELEMENTS (markers);) {
    char *at = strstr (s->str + begin, markers[i]);

    /* what is left and right of one may make another */
    if (at) {
      g_string_erase (s, at - s->str, (gssize) strlen (markers[i]));
      i = 0;
    } else {
      i++;
    }
  }
  return g_string_free (s, FALSE);
}

char *
gst_neva_text_place_memory (const char *prompt)
{
  gsize behind = 0;

  if (strstr (prompt, "{memory}"))
    return g_strdup (prompt);
  for (gsize i = 0; i < G_N_ELEMENTS (markers); i++)
    if (g_str_has_prefix (prompt, markers[i]))
      behind = strlen (markers[i]);
  if (behind > 0)
    behind += strspn (prompt + behind, "\n");
  return g_strdup_printf ("%.*sEarlier captions:\n{memory}\n\n%s", (int) behind,
      prompt, prompt + behind);
}

GstEvent *
gst_neva_text_move_segment (GstEvent *event)
{
  GstSegment segment;
  GstEvent *moved;

  gst_event_copy_segment (event, &segment);
  if (segment.applied_rate != 1.0 || segment.start == segment.time ||
      !GST_CLOCK_TIME_IS_VALID (segment.time) ||
      (GST_CLOCK_TIME_IS_VALID (segment.stop) && segment.stop < segment.start))
    return gst_event_ref (event);

  if (GST_CLOCK_TIME_IS_VALID (segment.stop)) {
    const guint64 length = segment.stop - segment.start;

    if (length >= GST_CLOCK_TIME_NONE - segment.time)
      return gst_event_ref (event);
    segment.stop = segment.time + length;
  }
  segment.start = segment.position = segment.time;
  moved = gst_event_new_segment (&segment);
  gst_event_set_seqnum (moved, gst_event_get_seqnum (event));
  gst_event_set_running_time_offset (
      moved, gst_event_get_running_time_offset (event));
  return moved;
}
