/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "nemo_prompt.h"

typedef struct {
  const char *patch, *start, *end;
} MediaTokens;

static const MediaTokens default_tokens = {
    "<extra_id_3>", "<extra_id_4>", "<extra_id_5>"};
static const MediaTokens llama3_tokens = {"<|reserved_special_token_3|>",
    "<|reserved_special_token_4|>", "<|reserved_special_token_5|>"};

static const MediaTokens *
tokens_of (const NevaNemoMedia *media)
{
  return media->llama3_tokens ? &llama3_tokens : &default_tokens;
}

/* Llama's unk, bos and eos in place of what has no meaning to a Llama. */
static const struct {
  const char *piece;
  gint32 id;
} rewritten[] = {{"<extra_id_3>", 0}, {"<extra_id_6>", 1}, {"<extra_id_7>", 2}};

static gboolean
rewrites (const char *conv_template)
{
  static const char *const names[] = {"v1", "llama_2", "mistral", NULL};

  return g_strv_contains (names, conv_template);
}

static const char *
find_marker (const char *text)
{
  const char *image = strstr (text, "<image>");

  return image ? image : strstr (text, "<video>");
}

static gint32
need (const NevaTokenizer *tokenizer, const char *piece, GError **error)
{
  const gint32 id = neva_tokenizer_find (tokenizer, piece);

  if (id < 0)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "the tokenizer has no '%s', which NeVA needs to place pictures", piece);
  return id;
}

char *
neva_nemo_media_text (const NevaNemoMedia *media, gsize media_tokens)
{
  const MediaTokens *tokens = tokens_of (media);
  const gsize patches =
      media->use_im_start_end ? media_tokens : media_tokens - 2;
  GString *run = g_string_new (tokens->start);

  g_return_val_if_fail (media_tokens >= 2, NULL);

  for (gsize i = 0; i < patches; i++)
    g_string_append (run, tokens->patch);
  g_string_append (run, tokens->end);
  return g_string_free (run, FALSE);
}

gint32
neva_nemo_end_id (
    const NevaTokenizer *tokenizer, const NevaNemoMedia *media, GError **error)
{
  return need (tokenizer, tokens_of (media)->end, error);
}

/* The run by its END token, as the original finds it. */
static gboolean
find_run (const GArray *ids, gint32 start, gint32 end, gsize between,
    gboolean outside, NevaPrompt *prompt, GError **error)
{
  guint ends = 0, at = 0;

  for (guint i = 0; i < ids->len; i++) {
    if (g_array_index (ids, gint32, i) == end)
      ends++, at = i;
  }
  if (ends != 1 || at < between + 1 ||
      g_array_index (ids, gint32, at - between - 1) != start) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the media tokens do not come out of the tokenizer as one run: the "
        "prompt holds some of their strings, or the tokenizer splits them");
    return FALSE;
  }
  prompt->media_start = outside ? at - between : at - between - 1;
  prompt->media_len = outside ? between : between + 2;
  return TRUE;
}

static void
replace_id (GArray *ids, gint32 from, gint32 to)
{
  for (guint i = 0; from >= 0 && i < ids->len; i++) {
    if (g_array_index (ids, gint32, i) == from)
      g_array_index (ids, gint32, i) = to;
  }
}

gboolean
neva_nemo_rewrite (const NevaTokenizer *tokenizer, const char *conv_template,
    const NevaNemoMedia *media, const char *text, GArray *ids, GError **error)
{
  if (!strcmp (conv_template, "interleaved"))
    replace_id (
        ids, neva_tokenizer_find (tokenizer, tokens_of (media)->patch), 0);
  for (gsize r = 0; rewrites (conv_template) && r < G_N_ELEMENTS (rewritten);
       r++) {
    const char *piece = rewritten[r].piece;
    const gint32 from = neva_tokenizer_find (tokenizer, piece);

    if (from < 0 && strstr (text, piece)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
          "the tokenizer has no '%s', which the prompt template %s needs",
          piece, conv_template);
      return FALSE;
    }
    replace_id (ids, from, rewritten[r].id);
  }
  return TRUE;
}

gboolean
neva_nemo_prompt_build (const NevaTokenizer *tokenizer, const char *text,
    const char *conv_template, const NevaNemoMedia *media, gsize media_tokens,
    NevaPrompt *prompt, GError **error)
{
  const MediaTokens *tokens = tokens_of (media);
  const char *marker = find_marker (text);
  const gsize patches =
      media->use_im_start_end ? media_tokens : media_tokens - 2;
  g_autofree char *run = NULL, *whole = NULL;
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  NevaPrompt built = {0};
  gint32 start, end;

  if (media_tokens == 1 || !marker != !media_tokens) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        media_tokens == 1 ? "a picture of one token has no room for its ends"
        : media_tokens    ? "the prompt has no place for the video"
                       : "the prompt has a place for a video, there is none");
    return FALSE;
  }
  if (!media_tokens) {
    if (!neva_tokenizer_encode (tokenizer, text, -1, ids, error))
      return FALSE;
  } else {
    if (need (tokenizer, tokens->patch, error) < 0 ||
        (start = need (tokenizer, tokens->start, error)) < 0 ||
        (end = need (tokenizer, tokens->end, error)) < 0)
      return FALSE;
    run = neva_nemo_media_text (media, media_tokens);
    whole = g_strdup_printf ("%.*s%s%s", (int) (marker - text), text, run,
        marker + strlen ("<image>"));
    if (!neva_tokenizer_encode (tokenizer, whole, -1, ids, error) ||
        !find_run (
            ids, start, end, patches, media->use_im_start_end, &built, error))
      return FALSE;
  }
  if (!neva_nemo_rewrite (tokenizer, conv_template, media, text, ids, error))
    return FALSE;
  built.ids = g_steal_pointer (&ids);
  *prompt = built;
  return TRUE;
}

static GArray *
encoded (const NevaTokenizer *tokenizer, const char *text)
{
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  neva_tokenizer_encode (tokenizer, text, -1, ids, NULL);
  return ids;
}

void
neva_nemo_stop_ids (
    const NevaTokenizer *tokenizer, const char *const *strings, GArray *ids)
{
  const gint32 eos = neva_tokenizer_eos (tokenizer);
  g_autoptr (GArray) before = encoded (tokenizer, "<extra_id_1>");
  const gsize size = before->len * sizeof (gint32);

  for (; strings && *strings; strings++) {
    g_autofree char *text = g_strconcat ("<extra_id_1>", *strings, NULL);
    g_autoptr (GArray) all = encoded (tokenizer, text);

    if (strcmp (*strings, "<|endoftext|>") == 0) {
      if (eos >= 0)
        g_array_append_val (ids, eos);
    } else if (before->len && all->len == before->len + 1 &&
               !memcmp (all->data, before->data, size)) {
      g_array_append_val (ids, g_array_index (all, gint32, before->len));
    }
  }
}
