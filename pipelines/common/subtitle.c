/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "subtitle.h"

void
subtitle_append_clock (GString *out, GstClockTime time, char point)
{
  const guint64 ms = (time + GST_MSECOND / 2) / GST_MSECOND;

  g_string_append_printf (out, "%02u:%02u:%02u%c%03u", (guint) (ms / 3600000),
      (guint) (ms / 60000 % 60), (guint) (ms / 1000 % 60), point,
      (guint) (ms % 1000));
}

char *
subtitle_text (const char *text)
{
  g_autoptr (GString) out = g_string_new (NULL);

  for (const char *p = text; *p; p++) {
    if (*p == '\r' ||
        (*p == '\n' && (out->len == 0 || out->str[out->len - 1] == '\n')))
      continue;
    if (g_str_has_prefix (p, "-->")) {
      g_string_append (out, "->");
      p += 2;
      continue;
    }
    g_string_append_c (out, *p);
  }
  return g_strchomp (g_string_free (g_steal_pointer (&out), FALSE));
}

void
subtitle_append_vtt_text (GString *out, const char *text)
{
  g_autofree char *safe = subtitle_text (text);

  for (const char *p = safe; *p; p++) {
    if (*p == '&')
      g_string_append (out, "&amp;");
    else if (*p == '<')
      g_string_append (out, "&lt;");
    else if (*p == '>')
      g_string_append (out, "&gt;");
    else
      g_string_append_c (out, *p);
  }
}
