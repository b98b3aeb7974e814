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

static char *
expand (const char *text, const MediaTokens *tokens, gsize n_patches)
{
  const char *marker = find_marker (text);
  GString *whole = g_string_new_len (text, marker - text);

  g_string_append (whole, tokens->start);
  for (gsize i = 0; i < n_patches; i++)
    g_string_append (whole, tokens->patch);
  g_string_append (whole, tokens->end);
  g_string_append (whole, marker + strlen ("<image>"));
  return g_string_free (whole, FALSE);
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
rewrite (const NevaTokenizer *tokenizer, GArray *ids)
{
  for (gsize r = 0; r < G_N_ELEMENTS (rewritten); r++) {
    const gint32 from = neva_tokenizer_find (tokenizer, rewritten[r].piece);

    for (guint i = 0; from >= 0 && i < ids->len; i++) {
      if (g_array_index (ids, gint32, i) == from)
        g_array_index (ids, gint32, i) = rewritten[r].id;
    }
  }
}

gboolean
neva_nemo_prompt_build (const NevaTokenizer *tokenizer, const char *text,
    const char *conv_template, const NevaNemoMedia *media, gsize media_tokens,
    NevaPrompt *prompt, GError **error)
{
  const MediaTokens *tokens =
      media->llama3_tokens ? &llama3_tokens : &default_tokens;
  const gsize patches =
      media->use_im_start_end ? media_tokens : media_tokens - 2;
  g_autofree char *whole = NULL;
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  NevaPrompt built = {0};
  gint32 start, end;

  if (media_tokens == 1 || !find_marker (text) != !media_tokens) {
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
    whole = expand (text, tokens, patches);
    if (!neva_tokenizer_encode (tokenizer, whole, -1, ids, error) ||
        !find_run (
            ids, start, end, patches, media->use_im_start_end, &built, error))
      return FALSE;
  }
  if (rewrites (conv_template))
    rewrite (tokenizer, ids);
  built.ids = g_steal_pointer (&ids);
  *prompt = built;
  return TRUE;
}

/* Tokens of `text`; 0 when it cannot be encoded. *last: the last of them. */
static guint
count_ids (const NevaTokenizer *tokenizer, const char *text, gint32 *last)
{
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  if (!neva_tokenizer_encode (tokenizer, text, -1, ids, NULL) || !ids->len)
    return 0;
  *last = g_array_index (ids, gint32, ids->len - 1);
  return ids->len;
}

void
neva_nemo_stop_ids (
    const NevaTokenizer *tokenizer, const char *const *strings, GArray *ids)
{
  const gint32 eos = neva_tokenizer_eos (tokenizer);
  gint32 last = -1;
  const guint before = count_ids (tokenizer, "<extra_id_1>", &last);

  for (; strings && *strings; strings++) {
    g_autofree char *text = g_strconcat ("<extra_id_1>", *strings, NULL);

    if (strcmp (*strings, "<|endoftext|>") == 0) {
      if (eos >= 0)
        g_array_append_val (ids, eos);
    } else if (count_ids (tokenizer, text, &last) == before + 1) {
      g_array_append_val (ids, last);
    }
  }
}
