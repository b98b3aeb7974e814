/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <neva/error.h>
#include "log.h"
#include "py_text.h"
#include "times.h"

typedef struct {
  const NevaTimes *times;
  const NevaTokenizer *tokenizer;
  GError **error;
  gboolean failed;
} Encoding;

/* The match as its token; what is no number stays. */
static gboolean
replace_time (const GMatchInfo *match, GString *out, gpointer data)
{
  Encoding *e = data;
  g_autofree char *number = g_match_info_fetch (match, 1);
  g_autofree char *whole = g_match_info_fetch (match, 0);
  g_autofree char *token = NULL;
  double value, n;

  if (!neva_py_parse_float (number, &value)) {
    g_string_append (out, whole);
    return FALSE;
  }
  /* halves to even */
  n = nearbyint ((e->times->tokens - 1.0) * (value / e->times->seconds));
  token = g_strdup_printf ("<t%.0f>", n);
  if (n >= e->times->tokens) {
    neva_warning ("the time %s s is beyond the video's end at %.2f s", number,
        e->times->seconds);
  } else if (neva_tokenizer_find (e->tokenizer, token) < 0) {
    e->failed = TRUE;
    g_set_error (e->error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "the tokenizer has no '%s', which LITA needs for the time %s s", token,
        number);
    return TRUE;
  }
  g_string_append (out, token);
  return FALSE;
}

char *
neva_times_encode (const NevaTimes *times, const NevaTokenizer *tokenizer,
    const char *text, GError **error)
{
  /* one after another, each over all of the text; white space is Unicode's */
  static const char *const patterns[] = {"(*UCP)<([0-9.]{1,20})s>",
      "(*UCP)\\s([0-9.]{1,20})s[\\s|.,>]", "(*UCP)\\s([0-9.]{1,20}) seconds",
      "(*UCP)\\s([0-9.]{1,20}) second"};
  Encoding e = {times, tokenizer, error, FALSE};
  g_autofree char *now = g_strdup (text);

  if (!(times->seconds > 0))
    return g_steal_pointer (&now);
  for (gsize i = 0; i < G_N_ELEMENTS (patterns); i++) {
    g_autoptr (GRegex) regex = g_regex_new (patterns[i], 0, 0, NULL);
    char *next =
        g_regex_replace_eval (regex, now, -1, 0, 0, replace_time, &e, NULL);

    if (e.failed || !next) {
      g_free (next);
      if (!e.failed)
        g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
            "times cannot be found in the prompt '%s'", text);
      return NULL;
    }
    g_free (now);
    now = next;
  }
  return neva_py_strip (g_steal_pointer (&now));
}

/* N of a "<tN>" at text[0], or -1; *length: of its bytes. */
static gint
token_at (const NevaTimes *times, const char *text, gsize *length)
{
  char *end;
  gulong n;

  if (!g_str_has_prefix (text, "<t") || !g_ascii_isdigit (text[2]) ||
      (text[2] == '0' && text[3] != '>'))
    return -1;
  n = strtoul (text + 2, &end, 10);
  if (*end != '>' || n >= times->tokens)
    return -1;
  *length = (gsize) (end + 1 - text);
  return (gint) n;
}

static void
append_time (GString *out, const NevaTimes *times, gint n)
{
  double time = n * times->seconds / (times->tokens - 1.0);

  time = neva_py_round (MIN (time, times->seconds), 2);
  g_string_append_c (out, '<');
  neva_py_append_float (out, time);
  g_string_append_c (out, '>');
}

char *
neva_times_decode (const NevaTimes *times, const char *text)
{
  GString *out = g_string_new (NULL);

  while (times->seconds > 0 && *text) {
    gsize length = 0;
    const gint n = token_at (times, text, &length);

    if (n >= 0)
      append_time (out, times, n);
    else
      g_string_append_c (out, *text);
    text += n >= 0 ? length : 1;
  }
  g_string_append (out, text);
  return g_string_free (out, FALSE);
}

gsize
neva_times_certain (const char *text)
{
  const gsize length = strlen (text);
  const char *open = strrchr (text, '<');
  const char *at;

  if (!open || (open[1] && open[1] != 't'))
    return length;
  for (at = open + (open[1] ? 2 : 1); g_ascii_isdigit (*at); at++)
    ;
  return *at ? length : (gsize) (open - text);
}

char *
neva_times_decode_ids (
    const NevaTimes *times, const NevaTokenizer *tokenizer, const char *text)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autoptr (GArray) out = g_array_new (FALSE, FALSE, sizeof (gint32));

  if (!(times->seconds > 0) ||
      !neva_tokenizer_encode (tokenizer, text, -1, ids, NULL))
    return g_strdup (text);
  for (guint i = 0; i < ids->len; i++) {
    const gint32 id = g_array_index (ids, gint32, i);
    const char *piece = neva_tokenizer_piece (tokenizer, id);
    gsize length = 0;
    const gint n = piece ? token_at (times, piece, &length) : -1;
    g_autoptr (GString) time = g_string_new (NULL);

    if (n < 0 || piece[length]) {
      g_array_append_val (out, id);
      continue;
    }
    append_time (time, times, n);
    neva_tokenizer_encode (tokenizer, time->str, -1, out, NULL);
  }
  if (times->legacy)
    return neva_tokenizer_decode_legacy (
        tokenizer, (const gint32 *) (void *) out->data, out->len);
  return neva_tokenizer_decode_unnamed (
      tokenizer, (const gint32 *) (void *) out->data, out->len);
}
