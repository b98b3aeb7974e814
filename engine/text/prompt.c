/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "log.h"
#include "prompt.h"
#include "py_text.h"
#include "template.h"

#define MAX_MEDIA_TOKENS ((gsize) 1 << 24)

const char *const *
neva_prompt_templates (void)
{
  static const char **names;
  static gsize done;
  gsize n = 0;

  if (g_once_init_enter (&done)) {
    while (neva_template_nth (n))
      n++;
    names = g_new0 (const char *, n + 1);
    while (n--)
      names[n] = neva_template_nth (n)->name;
    g_once_init_leave (&done, 1);
  }
  return names;
}

/* First <image> or <video> in text. */
static const char *
find_marker (const char *text, gsize *length)
{
  const char *image = strstr (text, "<image>");
  const char *video = strstr (text, "<video>");

  *length = strlen ("<image>");
  return !image || (video && video < image) ? video : image;
}

char *
neva_prompt_media_front (const char *text, const char *marker)
{
  g_autoptr (GString) rest = g_string_new (text);

  g_string_replace (rest, marker, "", 0);
  return g_strconcat (marker, " USER: ", neva_py_strip (rest->str), NULL);
}

/* The user's text with exactly the markers that the media need. (transfer
 * full) */
static char *
place_media (const NevaTemplate *t, const NevaPromptSpec *spec, GError **error)
{
  const char *text = spec->text ? spec->text : "";
  gsize length;
  const char *marker = find_marker (text, &length);

  if (marker && find_marker (marker + length, &length)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the prompt names media more than once, there is one video");
    return NULL;
  }
  if (marker && spec->media_tokens == 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the prompt holds %.7s, but there is no picture", marker);
    return NULL;
  }
  if (marker && t->nemo && g_str_has_prefix (marker, "<image>"))
    return g_strdup_printf (
        "%.*s<image>\n%s", (int) (marker - text), text, marker + length);
  if (marker || spec->media_tokens == 0)
    return g_strdup (text);
  return g_strconcat (
      strcmp (t->name, "none") == 0 ? "<image>" : "<image>\n", text, NULL);
}

char *
neva_prompt_text (const NevaPromptSpec *spec, GError **error)
{
  const NevaTemplate *t = neva_template_find (spec->conv_template, error);
  const char *system = t && spec->system && t->system ? spec->system
                       : t && t->system               ? t->system
                                                      : "";
  g_autofree char *text = t ? place_media (t, spec, error) : NULL;
  gboolean block;
  gsize length;

  if (!text)
    return NULL;
  if (find_marker (system, &length)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the system prompt holds a media marker");
    return NULL;
  }
  if (spec->media_front && spec->media_tokens) {
    char *moved = neva_prompt_media_front (
        text, strstr (text, "<image>") ? "<image>" : "<video>");

    g_free (text);
    text = moved;
  }
  block = *system || t->even_empty;
  if (t->trim)
    neva_py_strip (text);
  return g_strconcat (t->start, block ? t->system_before : "", system,
      block ? t->system_after : "", t->user_before, text, t->user_after,
      t->answer_role, t->label, NULL);
}

/* ---- Ids ---------------------------------------------------------------- */

/* The tokenizer sees the marker as the model's own placeholder, in one text, so
 * that what it does around a special token is what it does in training. FALSE
 * without error when the placeholder is not one token of this tokenizer. */
static gboolean
encode_with_placeholder (const NevaTokenizer *tokenizer, const char *before,
    const char *after, gint32 media_token, GArray *ids, guint *at)
{
  const char *piece = neva_tokenizer_piece (tokenizer, media_token);
  g_autofree char *whole = NULL;
  guint found = 0;

  if (!piece)
    return FALSE;

  whole = g_strconcat (before, piece, after, NULL);
  if (!neva_tokenizer_encode (tokenizer, whole, -1, ids, NULL))
    return FALSE;
  for (guint i = 0; i < ids->len; i++) {
    if (g_array_index (ids, gint32, i) == media_token) {
      *at = i;
      found++;
    }
  }
  if (found == 1) {
    g_array_remove_index (ids, *at);
    return TRUE;
  }
  g_array_set_size (ids, 0);
  return FALSE;
}

static gboolean
encode (const NevaTokenizer *tokenizer, const char *text, gint32 media_token,
    GArray *ids, guint *at, GError **error)
{
  gsize length;
  const char *marker = find_marker (text, &length);
  g_autofree char *before =
      marker ? g_strndup (text, (gsize) (marker - text)) : NULL;

  *at = 0;
  if (!marker)
    return neva_tokenizer_encode (tokenizer, text, -1, ids, error);
  if (encode_with_placeholder (
          tokenizer, before, marker + length, media_token, ids, at))
    return TRUE;
  if (!neva_tokenizer_encode (tokenizer, before, -1, ids, error))
    return FALSE;
  *at = ids->len;
  return neva_tokenizer_encode (tokenizer, marker + length, -1, ids, error);
}

/* A template made of special tokens means little to a tokenizer without them;
 * said once for each template. */
static void
warn_about_missing_tokens (
    const NevaTokenizer *tokenizer, const NevaTemplate *t)
{
  static gint warned;
  const guint bit = (guint) (t - neva_template_nth (0));

  if (t->stops[0] && neva_tokenizer_find (tokenizer, t->stops[0]) < 0 &&
      !(g_atomic_int_or ((guint *) &warned, 1u << bit) & 1u << bit))
    neva_warning ("the tokenizer has no token \"%s\" of the prompt template %s",
        t->stops[0], t->name);
}

static gboolean
check_spec (const NevaPromptSpec *spec, GError **error)
{
  if (spec->media_tokens > MAX_MEDIA_TOKENS) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_TOO_LONG,
        "%" G_GSIZE_FORMAT " visual tokens", spec->media_tokens);
    return FALSE;
  }
  if (spec->media_tokens > 0 && spec->media_token < 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
        "the model names no token for pictures");
    return FALSE;
  }
  return TRUE;
}

gboolean
neva_prompt_build (const NevaTokenizer *tokenizer, const NevaPromptSpec *spec,
    NevaPrompt *prompt, GError **error)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autofree char *text = neva_prompt_text (spec, error);
  const char *start = text;
  gint32 bos = spec->bos;
  guint at = 0;

  if (!text || !check_spec (spec, error))
    return FALSE;

  warn_about_missing_tokens (
      tokenizer, neva_template_find (spec->conv_template, NULL));
  if (g_str_has_prefix (start, NEVA_BOS_STAND_IN) &&
      neva_tokenizer_find (tokenizer, NEVA_BOS_STAND_IN) < 0) {
    start += strlen (NEVA_BOS_STAND_IN);
    bos = bos >= 0 ? bos : neva_tokenizer_bos (tokenizer);
  }
  if (!encode (tokenizer, start, spec->media_token, ids, &at, error))
    return FALSE;
  if (spec->media_tokens > 0) {
    g_autofree gint32 *run = g_new (gint32, spec->media_tokens);

    for (gsize i = 0; i < spec->media_tokens; i++)
      run[i] = spec->media_token;
    g_array_insert_vals (ids, at, run, (guint) spec->media_tokens);
  }
  if (bos >= 0 && (ids->len == 0 || g_array_index (ids, gint32, 0) != bos)) {
    g_array_prepend_val (ids, bos);
    at++;
  }
  *prompt = (NevaPrompt){g_steal_pointer (&ids),
      spec->media_tokens > 0 ? at : 0, spec->media_tokens};
  return TRUE;
}

void
neva_prompt_clear (NevaPrompt *prompt)
{
  g_clear_pointer (&prompt->ids, g_array_unref);
  g_clear_pointer (&prompt->slots, g_array_unref);
  prompt->media_start = prompt->media_len = 0;
}

/* ---- Answers ------------------------------------------------------------ */

const char *const *
neva_prompt_stops (const char *conv_template)
{
  static const char *const none[] = {NULL};
  const NevaTemplate *t = neva_template_find (conv_template, NULL);

  return t ? t->stops : none;
}

void
neva_prompt_stop_ids (
    const NevaTokenizer *tokenizer, const char *const *strings, GArray *ids)
{
  for (; strings && *strings; strings++) {
    const gint32 id = neva_tokenizer_find (tokenizer, *strings);
    const gint32 eos = neva_tokenizer_eos (tokenizer);

    if (id >= 0)
      g_array_append_val (ids, id);
    if (strcmp (*strings, "<|endoftext|>") == 0 && eos >= 0 && eos != id)
      g_array_append_val (ids, eos);
  }
}

char *
neva_prompt_clean (const char *conv_template, const char *answer)
{
  char *text = g_strstrip (g_strdup (answer));
  const char *const *stops = neva_prompt_stops (conv_template);

  for (guint i = 0; stops[i];) {
    if (g_str_has_suffix (text, stops[i])) {
      text[strlen (text) - strlen (stops[i])] = '\0';
      g_strstrip (text);
      i = 0;
    } else {
      i++;
    }
  }
  return text;
}
