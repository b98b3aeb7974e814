/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Integers of a range, digit by digit. */
#include "config.h"
#include <string.h>
#include "json_rules.h"

enum { MAX_DIGITS = 15 }; /* where there is no bound: exact in a double */

static void
append_digit (GString *out, char lo, char hi)
{
  if (lo == hi)
    g_string_append_printf (out, "\"%c\" ", lo);
  else
    g_string_append_printf (out, "[%c-%c] ", lo, hi);
}

static void
append_any (GString *out, gsize n)
{
  if (n > 0)
    g_string_append_printf (out, "[0-9]{%" G_GSIZE_FORMAT "} ", n);
}

static gboolean
all_are (const char *digits, char digit)
{
  return strspn (digits, (char[]){digit, '\0'}) == strlen (digits);
}

/* Numbers of the same length between lo and hi. */
static void
append_same_length (GString *out, const char *lo, const char *hi)
{
  const gsize rest = strlen (lo) - 1;
  char nines[24], zeros[24];
  char first = lo[0], last = hi[0];
  const char *bar = "";

  if (!rest || (all_are (lo + 1, '0') && all_are (hi + 1, '9'))) {
    append_digit (out, first, last);
    append_any (out, rest);
    return;
  }
  if (first == last) {
    append_digit (out, first, first);
    append_same_length (out, lo + 1, hi + 1);
    return;
  }
  memset (nines, '9', rest);
  memset (zeros, '0', rest);
  nines[rest] = zeros[rest] = '\0';

  g_string_append (out, "( ");
  if (!all_are (lo + 1, '0')) {
    append_digit (out, first, first);
    append_same_length (out, lo + 1, nines);
    first++;
    bar = "| ";
  }
  if (!all_are (hi + 1, '9')) {
    g_string_append (out, bar);
    append_digit (out, last, last);
    append_same_length (out, zeros, hi + 1);
    last--;
    bar = "| ";
  }
  if (first <= last) {
    g_string_append (out, bar);
    append_digit (out, first, last);
    append_any (out, rest);
  }
  g_string_append (out, ") ");
}

/* Numbers from lo to hi, without sign. */
static void
append_between (GString *out, guint64 lo, guint64 hi)
{
  const char *bar = "";

  g_string_append (out, "( ");
  for (;;) {
    char low[24], high[24];
    guint64 longest = 9;

    while (longest < lo && longest < G_MAXUINT64 / 10)
      longest = longest * 10 + 9;
    longest = longest < lo ? hi : MIN (longest, hi);
    g_snprintf (low, sizeof low, "%" G_GUINT64_FORMAT, lo);
    g_snprintf (high, sizeof high, "%" G_GUINT64_FORMAT, longest);
    g_string_append (out, bar);
    append_same_length (out, low, high);
    bar = "| ";
    if (longest == hi)
      break;
    lo = longest + 1;
  }
  g_string_append (out, ") ");
}

/* Numbers from lo on, without sign. */
static void
append_from (GString *out, guint64 lo)
{
  char digits[24];
  guint64 longest = 9;
  int n;

  while (longest < lo && longest < G_MAXUINT64 / 10)
    longest = longest * 10 + 9;
  append_between (out, lo, MAX (longest, lo));
  n = g_snprintf (digits, sizeof digits, "%" G_GUINT64_FORMAT, lo);
  if (n < MAX_DIGITS)
    g_string_append_printf (out, "| [1-9] [0-9]{%d,%d} ", n, MAX_DIGITS - 1);
}

char *
neva_json_rules_integer (
    NevaJsonRules *self, const gint64 *low, const gint64 *high)
{
  g_autoptr (GString) body = g_string_new (NULL);
  const char *bar = "";

  if (!low && !high)
    return g_strdup ("integer");

  if (!low || *low < 0) { /* magnitudes from the side of zero */
    const guint64 least = high && *high < 0 ? -(guint64) *high : 1;

    g_string_append (body, "\"-\" ( ");
    if (low)
      append_between (body, least, -(guint64) *low);
    else
      append_from (body, least);
    g_string_append (body, ") ");
    bar = "| ";
  }
  if (!high || *high >= 0) {
    const guint64 least = low && *low > 0 ? (guint64) *low : 0;

    g_string_append (body, bar);
    if (high)
      append_between (body, least, (guint64) *high);
    else
      append_from (body, least);
  }
  return neva_json_rules_add (self, body->str);
}
