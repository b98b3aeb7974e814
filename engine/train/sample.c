/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "eval/prompts.h"
#include "labels.h"
#include "sample.h"

#define PAD_TO 64

/* A record's text in the making: what became of the turns, markers replaced. */
typedef struct {
  char **values; /* [n_turns], NULL-terminated */
  char *text;    /* all of it */
  guint markers;
} Draft;

static void
draft_clear (Draft *draft)
{
  g_strfreev (draft->values);
  g_free (draft->text);
}

G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Draft, draft_clear)

static gboolean
fail (GError **error, const char *what)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "%s", what);
  return FALSE;
}

/* ---- Markers ------------------------------------------------------------ */

/* `text` with the runs for its markers, which are counted. (transfer full) */
static char *
expand (const char *text, const char *marker, const char *run, guint *n)
{
  GString *out = g_string_new (text);

  *n += g_string_replace (out, marker, run, 0);
  return g_string_free (out, FALSE);
}

/* sep_image_conv_front, and plain, which keeps the marker alone. (transfer
 * full) */
static char *
first_value (const NevaSampleRules *rules, const char *value,
    const char *marker, GError **error)
{
  const gboolean plain = !strcmp (rules->conv_template, "plain");

  if (!plain && !rules->media_front)
    return g_strdup (value);
  if (!strstr (value, marker)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the first turn holds no %s, which %s wants there", marker,
        plain ? "the template plain" : "sep_image_conv_front");
    return NULL;
  }
  return plain ? g_strdup (marker) : neva_prompt_media_front (value, marker);
}

static gboolean
expand_turns (const NevaSampleRules *rules, const NevaRecord *record,
    const char *marker, const char *run, Draft *draft, GError **error)
{
  draft->values = g_new0 (char *, record->n_turns + 1);
  for (gsize i = 0; i < record->n_turns; i++) {
    const char *value = record->turns[i].value;
    g_autofree char *first =
        i ? NULL : first_value (rules, value, marker, error);

    if (i == 0 && !first)
      return FALSE;
    draft->values[i] =
        expand (first ? first : value, marker, run, &draft->markers);
  }
  return TRUE;
}

static gboolean
expand_record (const NevaSampleRules *rules, const NevaRecord *record,
    Draft *draft, GError **error)
{
  g_autofree char *marker =
      g_strdup_printf ("<%s>", neva_media_type_name (rules->media_type));
  g_autofree char *run = NULL;

  if (rules->media_tokens < 2)
    return fail (error, "media of fewer than two tokens have no ends");
  run = neva_nemo_media_text (&rules->media, rules->media_tokens);
  if (record->text)
    draft->text = expand (record->text, marker, run, &draft->markers);
  else if (!expand_turns (rules, record, marker, run, draft, error))
    return FALSE;
  if (draft->markers == record->n_media)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "%u times %s for %" G_GSIZE_FORMAT " files", draft->markers, marker,
      record->n_media);
  return FALSE;
}

/* ---- Texts and tokens --------------------------------------------------- */

static char *
conversation_text (const char *conv_template, const NevaRecord *record,
    char **values, GError **error)
{
  g_autofree NevaTurn *turns =
      g_memdup2 (record->turns, record->n_turns * sizeof (NevaTurn));
  const NevaConversation conversation = {
      conv_template, record->system, turns, record->n_turns};

  for (gsize i = 0; values[i]; i++)
    turns[i].value = values[i];
  return neva_conversation_text (&conversation, error);
}

static gboolean
write_text (const NevaSampleRules *rules, const NevaRecord *record,
    Draft *draft, GError **error)
{
  const gboolean raw = !strcmp (rules->conv_template, "interleaved");

  if (raw != (record->text != NULL))
    return fail (error, raw ? "'conversations' is no text, as interleaved has"
                            : "'conversations' is a text, not turns");
  if (rules->multimodal) {
    if (!expand_record (rules, record, draft, error))
      return FALSE;
  } else if (!raw) {
    draft->values = g_new0 (char *, record->n_turns + 1);
    for (gsize i = 0; i < record->n_turns; i++)
      draft->values[i] = g_strdup (record->turns[i].value);
  }
  if (raw && !draft->text)
    draft->text = g_strdup (record->text);
  if (raw)
    return TRUE;
  if (strcmp (rules->conv_template, "plain")) {
    draft->text =
        conversation_text (rules->conv_template, record, draft->values, error);
    return draft->text != NULL;
  }
  if (record->n_turns != 2)
    return fail (error, "the template plain wants exactly two turns");
  draft->text = g_strconcat (draft->values[0], draft->values[1], "\n", NULL);
  return TRUE;
}

/* The original looks for media by their END tokens. */
static gboolean
check_ends (const NevaTokenizer *tokenizer, const NevaSampleRules *rules,
    const Draft *draft, const GArray *tokens, gboolean cut, GError **error)
{
  const gint32 end = neva_nemo_end_id (tokenizer, &rules->media, error);
  guint ends = 0;

  if (end < 0)
    return FALSE;
  for (guint i = 0; i < tokens->len; i++)
    ends += g_array_index (tokens, gint32, i) == end;
  if (ends == draft->markers)
    return TRUE;
  if (ends > draft->markers || !cut)
    return fail (error, "the media tokens do not come out of the tokenizer as "
                        "they went in, or the text holds some of its own");
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_TOO_LONG,
      "the media tokens go beyond the context of %" G_GSIZE_FORMAT " tokens",
      rules->context_length);
  return FALSE;
}

static gboolean
tokenize (const NevaTokenizer *tokenizer, const NevaSampleRules *rules,
    const Draft *draft, GArray *tokens, GError **error)
{
  const gsize most = rules->context_length + (rules->extra_token ? 1 : 0);
  gboolean cut;

  if (!neva_tokenizer_encode (tokenizer, draft->text, -1, tokens, error))
    return FALSE;
  cut = tokens->len > most;
  if (cut)
    g_array_set_size (tokens, (guint) most);
  if (rules->multimodal &&
      !check_ends (tokenizer, rules, draft, tokens, cut, error))
    return FALSE;
  return neva_nemo_rewrite (tokenizer, rules->conv_template, &rules->media,
      draft->text, tokens, error);
}

gboolean
neva_sample_build (const NevaTokenizer *tokenizer, const NevaSampleRules *rules,
    const NevaRecord *record, NevaSample *sample, GError **error)
{
  g_autoptr (GArray) tokens = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autoptr (GArray) labels = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_auto (Draft) draft = {NULL};

  if (!write_text (rules, record, &draft, error) ||
      !tokenize (tokenizer, rules, &draft, tokens, error))
    return FALSE;
  g_array_append_vals (labels, tokens->data, tokens->len);
  if (!neva_labels_mask (tokenizer, rules->conv_template, draft.text,
          draft.values ? draft.values[0] : NULL, rules->media.llama3_tokens,
          labels, error))
    return FALSE;
  neva_labels_shift (tokens, labels, rules->extra_token);
  *sample = (NevaSample){g_steal_pointer (&tokens), g_steal_pointer (&labels)};
  return TRUE;
}

void
neva_sample_clear (NevaSample *sample)
{
  g_clear_pointer (&sample->tokens, g_array_unref);
  g_clear_pointer (&sample->labels, g_array_unref);
}

/* ---- Batches ------------------------------------------------------------ */

static void
fill_row (NevaBatch *batch, gsize row, const NevaSample *sample, gint32 eos,
    gboolean eod_mask_loss)
{
  for (gsize i = 0; i < sample->tokens->len; i++) {
    const gsize at = row * batch->length + i;
    const gint32 token = g_array_index (sample->tokens, gint32, i);
    const gint32 label = g_array_index (sample->labels, gint32, i);
    const gboolean live = label != NEVA_LABEL_IGNORE;

    batch->tokens[at] = token;
    batch->labels[at] = live ? label : 0;
    batch->loss_mask[at] = live && !(eod_mask_loss && token == eos) ? 1 : 0;
  }
}

void
neva_batch_collate (NevaBatch *batch, const NevaSample *samples, gsize n,
    gint32 eos, gboolean eod_mask_loss)
{
  gsize longest = 1;

  for (gsize i = 0; i < n; i++)
    longest = MAX (longest, samples[i].tokens->len);
  batch->rows = n;
  batch->length = (longest + PAD_TO - 1) / PAD_TO * PAD_TO;
  batch->tokens = g_new0 (gint32, n * batch->length);
  batch->labels = g_new0 (gint32, n * batch->length);
  batch->loss_mask = g_new0 (float, n * batch->length);
  for (gsize i = 0; i < n; i++)
    fill_row (batch, i, &samples[i], eos, eod_mask_loss);
}

void
neva_batch_clear (NevaBatch *batch)
{
  g_clear_pointer (&batch->tokens, g_free);
  g_clear_pointer (&batch->labels, g_free);
  g_clear_pointer (&batch->loss_mask, g_free);
}
