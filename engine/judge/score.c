/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/judge.h>
#include "text/py_text.h"

/* Words as Python's str.split () finds them, commas counted as white space. */
static gsize
split_words (const char *line, gsize length, char **words, gsize max)
{
  const char *p = line, *end = line + length;
  gsize n = 0;

  while (p < end) {
    const char *start = p;

    while (p < end && *p != ',' && !g_unichar_isspace (g_utf8_get_char (p)))
      p = g_utf8_next_char (p);
    if (p > start) {
      if (n < max)
        words[n] = g_strndup (start, p - start);
      n++;
    }
    if (p < end)
      p = g_utf8_next_char (p);
  }
  return n;
}

gboolean
neva_judge_parse_scores (const char *reply, NevaScore *scores, gsize n)
{
  g_autofree char *valid = g_utf8_make_valid (reply, -1);
  const char *newline = strchr (valid, '\n');
  const gsize length = newline ? (gsize) (newline - valid) : strlen (valid);
  char *words[NEVA_JUDGE_MAX_CANDIDATES] = {NULL};
  const gsize found = split_words (valid, length, words, G_N_ELEMENTS (words));
  gboolean ok = found == n && n <= G_N_ELEMENTS (words);

  for (gsize i = 0; ok && i < n; i++) {
    scores[i].is_integer = FALSE;
    ok = neva_py_parse_float (words[i], &scores[i].value);
  }
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    g_free (words[i]);
  for (gsize i = 0; !ok && i < n; i++) {
    scores[i].is_integer = TRUE;
    scores[i].value = -1;
  }
  return ok;
}
