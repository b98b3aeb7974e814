/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "nemo_prompt.h"

typedef enum { PATCH, START, END, VIDEO_START, VIDEO_END, N_TOKENS } Token;

static const char *const default_tokens[N_TOKENS] = {"<extra_id_3>",
    "<extra_id_4>", "<extra_id_5>", "<extra_id_8>", "<extra_id_9>"};
/* the last two are the same with all models */
static const char *const llama3_tokens[N_TOKENS] = {
    "<|reserved_special_token_3|>", "<|reserved_special_token_4|>",
    "<|reserved_special_token_5|>", "<extra_id_8>", "<extra_id_9>"};

/* The media run: its tokens, and what is embedded in place of each. */
typedef struct {
  GArray *tokens;  /* Token */
  GArray *slots;   /* gint32: a row, or ~Token */
  gsize from, len; /* the part that NevaPrompt calls the run */
} Run;

static const char *const *
tokens_of (const NevaNemoMedia *media)
{
  return media->llama3_tokens ? llama3_tokens : default_tokens;
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

static void
run_clear (Run *run)
{
  g_array_unref (run->tokens);
  g_array_unref (run->slots);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Run, run_clear)

static void
put (Run *run, Token token, gint32 slot)
{
  g_array_append_val (run->tokens, token);
  g_array_append_val (run->slots, slot);
}

/* n rows, some of which stand where `first` and `last` are. */
static void
put_rows (Run *run, Token first, gsize n, Token last, gint32 *row)
{
  for (gsize i = 0; i < n; i++)
    put (run,
        i + 1 == n && last != PATCH ? last
        : i == 0                    ? first
                                    : PATCH,
        (*row)++);
}

static void
plan_one_run (Run *run, gsize rows, gboolean outside)
{
  gint32 row = 0;

  if (outside)
    put (run, START, ~START);
  put_rows (run, outside ? PATCH : START, rows, outside ? PATCH : END, &row);
  if (outside)
    put (run, END, ~END);
  run->from = outside ? 1 : 0;
  run->len = rows;
}

static void
plan_frames (Run *run, const NevaNemoMedia *media, gsize rows)
{
  const gboolean outside = media->use_im_start_end;
  const gsize per_frame = (rows - media->times) / media->lita_frames;
  gint32 row = 0;

  put (run, START, ~START);
  for (gsize i = 0; i < media->lita_frames; i++) {
    const gboolean first = i == 0 && !outside;

    if (!first)
      put (run, START, ~START);
    put_rows (run, first ? START : PATCH, per_frame, PATCH, &row);
    put (run, END, ~END);
  }
  put (run, VIDEO_START, ~VIDEO_START);
  put_rows (run, PATCH, media->times, outside ? PATCH : VIDEO_END, &row);
  if (outside)
    put (run, VIDEO_END, ~VIDEO_END);
  put (run, END, outside ? ~END : ~VIDEO_END);
  run->len = run->tokens->len;
}

static Run
plan (const NevaNemoMedia *media, gsize rows)
{
  Run run = {g_array_new (FALSE, FALSE, sizeof (Token)),
      g_array_new (FALSE, FALSE, sizeof (gint32)), 0, 0};

  if (media->lita_frames)
    plan_frames (&run, media, rows);
  else
    plan_one_run (&run, rows, media->use_im_start_end);
  return run;
}

char *
neva_nemo_media_text (const NevaNemoMedia *media, gsize media_tokens)
{
  g_auto (Run) run = plan (media, media_tokens);
  GString *text = g_string_new (NULL);

  for (guint i = 0; i < run.tokens->len; i++)
    g_string_append (
        text, tokens_of (media)[g_array_index (run.tokens, Token, i)]);
  return g_string_free (text, FALSE);
}

gint32
neva_nemo_end_id (
    const NevaTokenizer *tokenizer, const NevaNemoMedia *media, GError **error)
{
  return need (tokenizer, tokens_of (media)[END], error);
}

/* The run among the ids, which hold its START and END nowhere else. */
static gboolean
find_run (const GArray *ids, const Run *run, const gint32 *tokens, gsize *at,
    GError **error)
{
  const gsize n = run->tokens->len;
  gboolean good;

  *at = 0;
  while (*at < ids->len && g_array_index (ids, gint32, *at) != tokens[START])
    ++*at;
  good = *at + n <= ids->len;
  for (gsize i = 0; good && i < n; i++)
    good = g_array_index (ids, gint32, *at + i) ==
           tokens[g_array_index (run->tokens, Token, i)];
  for (gsize i = 0; good && i < ids->len; i++) {
    const gint32 id = g_array_index (ids, gint32, i);

    good =
        (i >= *at && i < *at + n) || (id != tokens[START] && id != tokens[END]);
  }
  if (!good)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the media tokens do not come out of the tokenizer as one run: the "
        "prompt holds some of their strings, or the tokenizer splits them");
  return good;
}

/* ~Token becomes ~id. */
static GArray *
make_slots (const Run *run, const gint32 *tokens)
{
  GArray *slots = g_array_copy (run->slots);

  for (guint i = 0; i < slots->len; i++) {
    gint32 *slot = &g_array_index (slots, gint32, i);

    if (*slot < 0)
      *slot = ~tokens[~*slot];
  }
  return slots;
}

/* Encodes the text with the marker expanded. ids: appended to. */
static gboolean
place_media (const NevaTokenizer *tokenizer, const char *text,
    const NevaNemoMedia *media, gsize rows, NevaPrompt *built, GError **error)
{
  const char *marker = find_marker (text);
  const gboolean apart = media->lita_frames > 0;
  g_auto (Run) run = plan (media, rows);
  g_autofree char *strings = neva_nemo_media_text (media, rows);
  g_autofree char *whole = g_strdup_printf ("%.*s%s%s", (int) (marker - text),
      text, strings, marker + strlen ("<image>"));
  gint32 tokens[N_TOKENS];
  gsize at;

  for (Token t = PATCH; t < (apart ? N_TOKENS : VIDEO_START); t++) {
    if ((tokens[t] = need (tokenizer, tokens_of (media)[t], error)) < 0)
      return FALSE;
  }
  if (!neva_tokenizer_encode (tokenizer, whole, -1, built->ids, error) ||
      !find_run (built->ids, &run, tokens, &at, error))
    return FALSE;
  built->media_start = at + run.from;
  built->media_len = run.len;
  built->slots = apart ? make_slots (&run, tokens) : NULL;
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
        ids, neva_tokenizer_find (tokenizer, tokens_of (media)[PATCH]), 0);
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
  NevaPrompt built = {0};
  gboolean ok;

  if (media_tokens == 1 || !find_marker (text) != !media_tokens) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        media_tokens == 1 ? "a picture of one token has no room for its ends"
        : media_tokens    ? "the prompt has no place for the video"
                       : "the prompt has a place for a video, there is none");
    return FALSE;
  }
  built.ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  ok = media_tokens
           ? place_media (tokenizer, text, media, media_tokens, &built, error)
           : neva_tokenizer_encode (tokenizer, text, -1, built.ids, error);
  if (!ok || !neva_nemo_rewrite (
                 tokenizer, conv_template, media, text, built.ids, error)) {
    neva_prompt_clear (&built);
    return FALSE;
  }
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

char **
neva_nemo_stop_ids (
    const NevaTokenizer *tokenizer, const char *const *strings, GArray *ids)
{
  const gint32 eos = neva_tokenizer_eos (tokenizer);
  g_autoptr (GArray) before = encoded (tokenizer, "<extra_id_1>");
  const gsize size = before->len * sizeof (gint32);
  g_autoptr (GStrvBuilder) others = g_strv_builder_new ();
  char **texts;

  for (; strings && *strings; strings++) {
    g_autofree char *text = g_strconcat ("<extra_id_1>", *strings, NULL);
    g_autoptr (GArray) all = encoded (tokenizer, text);

    if (strcmp (*strings, "<|endoftext|>") == 0) {
      if (eos >= 0)
        g_array_append_val (ids, eos);
    } else if (before->len && all->len == before->len + 1 &&
               !memcmp (all->data, before->data, size)) {
      g_array_append_val (ids, g_array_index (all, gint32, before->len));
    } else if (**strings) {
      g_strv_builder_add (others, *strings);
    }
  }
  texts = g_strv_builder_end (others);
  if (!*texts)
    g_clear_pointer (&texts, g_strfreev);
  return texts;
}
