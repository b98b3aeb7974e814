/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "text/clean.h"
#include "text/py_text.h"

#define UNKNOWN " \xe2\x81\x87 " /* how sentencepiece writes id 0 */

/* Bytes of `unit` repeated at least once at `at`, followed by `end`; 0: not. */
static gsize
match_run (const char *at, const char *unit, const char *end)
{
  const gsize n = strlen (unit);
  gsize length = 0;

  while (strncmp (at + length, unit, n) == 0)
    length += n;
  if (length == 0 || !g_str_has_prefix (at + length, end))
    return 0;
  return length + strlen (end);
}

static char *
replace_runs (const char *text, const char *start, const char *unit,
    const char *end, const char *marker)
{
  GString *out = g_string_new (NULL);
  const char *found;

  while ((found = strstr (text, start))) {
    const char *run = found + strlen (start);
    const gsize length = match_run (run, unit, end);

    g_string_append_len (out, text, found - text);
    g_string_append (out, length ? marker : start);
    text = run + length;
  }
  g_string_append (out, text);
  return g_string_free (out, FALSE);
}

/* The regular expression START.+END, which takes as much as it can. */
static char *
replace_lines (
    const char *text, const char *start, const char *end, const char *marker)
{
  GString *out = g_string_new (NULL);
  const char *found;

  while ((found = strstr (text, start))) {
    const char *inner = found + strlen (start);
    const gsize line = strcspn (inner, "\n");
    const char *last = g_strrstr_len (inner, (gssize) line, end);

    g_string_append_len (out, text, found - text);
    g_string_append (out, last > inner ? marker : start);
    text = last > inner ? last + strlen (end) : inner;
  }
  g_string_append (out, text);
  return g_string_free (out, FALSE);
}

char *
neva_clean_full_text (
    const char *raw, gboolean llama3_tokens, gboolean lita, const char *marker)
{
  const char *start =
      llama3_tokens ? "<|reserved_special_token_4|>" : "<extra_id_4>";
  const char *patch =
      llama3_tokens ? "<|reserved_special_token_3|>" : "<extra_id_3>";
  const char *end =
      llama3_tokens ? "<|reserved_special_token_5|>" : "<extra_id_5>";
  g_autofree char *once = NULL;

  if (lita)
    return replace_lines (raw, start, end, marker);
  once = replace_runs (raw, start, UNKNOWN, end, marker);
  return replace_runs (once, start, patch, end, marker);
}

/* The text behind the last `marker`, or all of it. */
static const char *
after_last (const char *text, const char *marker)
{
  const char *found = g_strrstr (text, marker);

  return found ? found + strlen (marker) : text;
}

/* Behind the last whole line with a label. */
static const char *
after_labels (const char *text)
{
  const char *last = strrchr (text, '\n');
  const char *label =
      last ? g_strrstr_len (text, last - text, "<extra_id_2>quality:") : NULL;

  return label ? strchr (label, '\n') + 1 : text;
}

/* Python's str.strip (set), set of ASCII characters. (transfer full) */
static char *
strip_set (const char *text, const char *set)
{
  gsize length;

  text += strspn (text, set);
  for (length = strlen (text); length > 0; length--)
    if (!strchr (set, text[length - 1]))
      break;
  return g_strndup (text, length);
}

static char *
llama3_clean (const char *text)
{
  char *answer = g_strdup (after_last (text, "assistant<|end_header_id|>\n\n"));

  while (g_str_has_suffix (answer, "<|eot_id|>"))
    answer[strlen (answer) - strlen ("<|eot_id|>")] = '\0';
  return answer;
}

char *
neva_clean_nemo (const char *conv_template, const char *full_text)
{
  const char *t = conv_template;
  char *answer;

  if (!strcmp (t, "nvgpt") || !strcmp (t, "nv_steerlm"))
    answer = strip_set (after_labels (full_text), "<extra_id_1>");
  else if (!strcmp (t, "nv_dpo"))
    answer = strip_set (
        after_last (full_text, "<extra_id_1>Assistant\n"), "<extra_id_1>");
  else if (!strcmp (t, "llama_2"))
    answer = g_strdup (after_last (full_text, "[/INST] "));
  else if (!strcmp (t, "llama_3"))
    answer = llama3_clean (full_text);
  else if (!strcmp (t, "yi_34b"))
    answer = strip_set (
        after_last (full_text, "<|im_start|>assistant\n"), "<|im_end|>");
  else if (!strcmp (t, "v1"))
    answer = g_strdup (after_last (full_text, "ASSISTANT: "));
  else
    answer = g_strdup (full_text);
  return neva_py_strip (answer);
}
