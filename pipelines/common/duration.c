/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include <string.h>
#include "duration.h"

static gboolean
parse_seconds (const char *text, gsize length, double *seconds)
{
  g_autofree char *copy = g_strndup (text, length);
  char *end;

  if (!g_ascii_isdigit (*copy) && *copy != '.')
    return FALSE;
  *seconds = g_ascii_strtod (copy, &end);
  return *end == '\0' && end > copy && isfinite (*seconds) &&
         strspn (copy, "0123456789.") == length;
}

gboolean
duration_parse (const char *text, GstClockTime *time)
{
  static const struct {
    const char *unit;
    double seconds;
  } units[] = {{"ms", 1e-3}, {"us", 1e-6}, {"ns", 1e-9}, {"s", 1}, {"m", 60},
      {"min", 60}, {"h", 3600}, {"", 1}};
  double seconds = 0, part;

  if (strchr (text, ':')) {
    g_auto (GStrv) parts = g_strsplit (text, ":", 4);

    if (g_strv_length (parts) > 3)
      return FALSE;
    for (guint i = 0; parts[i]; i++) {
      if (!parse_seconds (parts[i], strlen (parts[i]), &part))
        return FALSE;
      seconds = seconds * 60 + part;
    }
  } else {
    const gsize digits = strspn (text, "0123456789.");
    gsize i = 0;

    while (
        i < G_N_ELEMENTS (units) && strcmp (text + digits, units[i].unit) != 0)
      i++;
    if (i == G_N_ELEMENTS (units) || !parse_seconds (text, digits, &part))
      return FALSE;
    seconds = part * units[i].seconds;
  }
  if (!(seconds < 1e9))
    return FALSE;
  *time = (GstClockTime) (seconds * GST_SECOND + 0.5);
  return TRUE;
}

gboolean
duration_option (const char *name, const char *text, GstClockTime *time)
{
  if (!text || duration_parse (text, time))
    return TRUE;

  g_printerr ("%s: --%s %s: a time such as 4s, 500ms or 1:30 is expected\n",
      g_get_prgname (), name, text);
  return FALSE;
}
