/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "text/py_text.h"

static void
append_escaped (GString *out, gunichar c)
{
  if (c >= 0x10000) {
    c -= 0x10000;
    g_string_append_printf (
        out, "\\u%04x\\u%04x", 0xd800 + (c >> 10), 0xdc00 + (c & 0x3ff));
  } else {
    g_string_append_printf (out, "\\u%04x", c);
  }
}

void
neva_py_append_string (GString *out, const char *text)
{
  static const char plain[] = "\"\\\n\r\t\b\f", letter[] = "\"\\nrtbf";
  const char *end = text + strlen (text);

  g_string_append_c (out, '"');
  while (text < end) {
    const gunichar c = g_utf8_get_char_validated (text, end - text);
    const char *special;

    if (c == (gunichar) -1 || c == (gunichar) -2) {
      append_escaped (out, 0xfffd);
      text++;
      continue;
    }
    if (c < 0x80 && (special = strchr (plain, (int) c)) && c) {
      g_string_append_c (out, '\\');
      g_string_append_c (out, letter[special - plain]);
    } else if (c < 0x20 || c > 0x7e) {
      append_escaped (out, c);
    } else {
      g_string_append_c (out, (char) c);
    }
    text = g_utf8_next_char (text);
  }
  g_string_append_c (out, '"');
}

void
neva_py_append_float (GString *out, double value)
{
  char digits[G_ASCII_DTOSTR_BUF_SIZE], *e;
  int precision = 1, exponent;

  if (isnan (value) || isinf (value)) {
    g_string_append (out, isnan (value) ? "NaN"
                          : value > 0   ? "Infinity"
                                        : "-Infinity");
    return;
  }
  /* the fewest significant digits that read back the same */
  do {
    char format[8];

    g_snprintf (format, sizeof format, "%%.%de", precision - 1);
    g_ascii_formatd (digits, sizeof digits, format, value);
  } while (g_ascii_strtod (digits, NULL) != value && ++precision <= 17);

  e = strchr (digits, 'e');
  exponent = atoi (e + 1);
  if (exponent < -4 || exponent >= 16) {
    *e = 0;
    g_string_append_printf (
        out, "%se%c%02d", digits, exponent < 0 ? '-' : '+', abs (exponent));
    return;
  }
  {
    char format[8];

    g_snprintf (
        format, sizeof format, "%%.%df", MAX (precision - 1 - exponent, 1));
    g_ascii_formatd (digits, sizeof digits, format, value);
    g_string_append (out, digits);
  }
}

/* Digits with single underscores between them; FALSE when there is none. */
static gboolean
take_digits (const char **at, GString *clean)
{
  const char *p = *at;

  if (!g_ascii_isdigit (*p))
    return FALSE;
  while (g_ascii_isdigit (*p) || (*p == '_' && g_ascii_isdigit (p[1]))) {
    if (*p != '_')
      g_string_append_c (clean, *p);
    p++;
  }
  *at = p;
  return TRUE;
}

gboolean
neva_py_parse_float (const char *text, double *value)
{
  g_autofree char *stripped = g_strstrip (g_strdup (text));
  g_autoptr (GString) clean = g_string_new (NULL);
  const char *p = stripped;
  gboolean digits;

  if (*p == '+' || *p == '-')
    g_string_append_c (clean, *p++);
  if (!g_ascii_strcasecmp (p, "nan") || !g_ascii_strcasecmp (p, "inf") ||
      !g_ascii_strcasecmp (p, "infinity")) {
    *value = g_ascii_strcasecmp (p, "nan") ? INFINITY : NAN;
    if (*stripped == '-')
      *value = -*value;
    return TRUE;
  }
  digits = take_digits (&p, clean);
  if (*p == '.') {
    g_string_append_c (clean, *p++);
    digits |= take_digits (&p, clean);
  }
  if (!digits)
    return FALSE;
  if (*p == 'e' || *p == 'E') {
    g_string_append_c (clean, *p++);
    if (*p == '+' || *p == '-')
      g_string_append_c (clean, *p++);
    if (!take_digits (&p, clean))
      return FALSE;
  }
  if (*p)
    return FALSE;
  *value = g_ascii_strtod (clean->str, NULL);
  return TRUE;
}

double
neva_py_round (double value, int digits)
{
  /* glibc prints the exact binary value, rounded to even on a tie */
  char format[8], text[400];

  if (!isfinite (value))
    return value;
  g_snprintf (format, sizeof format, "%%.%df", digits);
  g_ascii_formatd (text, sizeof text, format, value);
  return g_ascii_strtod (text, NULL);
}

/* What str.strip () takes away; a byte that is no UTF-8 stays. */
static gboolean
is_space (const char *at, const char *end)
{
  const gunichar c = g_utf8_get_char_validated (at, end - at);

  if (c == (gunichar) -1 || c == (gunichar) -2)
    return FALSE;
  return g_unichar_isspace (c) || c == 0x0b || c == 0x85 ||
         (c >= 0x1c && c <= 0x1f);
}

char *
neva_py_strip (char *text)
{
  char *start = text, *end = text + strlen (text), *last;

  while (start < end && is_space (start, end))
    start = g_utf8_next_char (start);
  while ((last = g_utf8_find_prev_char (start, end)) && is_space (last, end))
    end = last;
  *end = '\0';
  memmove (text, start, strlen (start) + 1);
  return text;
}
