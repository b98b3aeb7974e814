/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "labels.h"
#include "text/template.h"

typedef struct {
  const NevaTokenizer *tokenizer;
  GArray *labels;
  gint64 at; /* where the next round begins, as the original counts */
  GError **error;
  gboolean failed;
} Mask;

/* Tokens of the joined pieces, the last of which is NULL. */
static gint64
count (Mask *m, const char *piece, ...)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autoptr (GArray) ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  va_list pieces;

  va_start (pieces, piece);
  for (; piece; piece = va_arg (pieces, const char *))
    g_string_append (text, piece);
  va_end (pieces);
  if (!m->failed &&
      !neva_tokenizer_encode (m->tokenizer, text->str, -1, ids, m->error))
    m->failed = TRUE;
  return ids->len;
}

static void
mask (Mask *m, gint64 from, gint64 to)
{
  to = MIN (to, (gint64) m->labels->len);
  for (gint64 i = MAX (from, 0); i < to; i++)
    g_array_index (m->labels, gint32, i) = NEVA_LABEL_IGNORE;
}

static void
mask_round (Mask *m, gint64 instruction, gint64 length)
{
  mask (m, m->at, m->at + instruction);
  m->at += length;
}

/* The text before and behind the only `sep`; FALSE: none, or several. */
static gboolean
split_once (const char *round, const char *sep, char **before, char **behind)
{
  const char *found = strstr (round, sep);

  if (!found || strstr (found + strlen (sep), sep))
    return FALSE;
  *before = g_strndup (round, (gsize) (found - round));
  *behind = g_strdup (found + strlen (sep));
  return TRUE;
}

/* ---- v1, llama_2, mistral: rounds end with the stand-in of EOS ---------- */

typedef struct {
  const char *name, *sep;
  int first, later; /* what the instruction's length is corrected by */
} EosRule;

static const EosRule eos_rules[] = {{"v1", " ASSISTANT: ", -1, -2},
    {"llama_2", "[/INST] ", -1, -2}, {"mistral", "[/INST]", 0, -1}};

static void
mask_eos (Mask *m, const char *text, const EosRule *rule)
{
  g_auto (GStrv) rounds = g_strsplit (text, NEVA_EOS_STAND_IN, -1);

  for (guint i = 0; rounds[i] && *rounds[i]; i++) {
    g_autofree char *before = NULL, *behind = NULL;

    if (!split_once (rounds[i], rule->sep, &before, &behind))
      break;
    mask_round (m,
        count (m, before, rule->sep, NULL) + (i ? rule->later : rule->first),
        count (m, rounds[i], NEVA_EOS_STAND_IN, NULL) - (i ? 1 : 0));
  }
}

/* ---- llama_3, yi_34b: rounds begin with the user's header --------------- */

typedef struct {
  const char *name, *round_sep, *sep;
} HeaderRule;

static const HeaderRule header_rules[] = {
    {"llama_3", "<|start_header_id|>user<|end_header_id|>\n\n",
        "<|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"yi_34b", "<|im_start|>user\n", "<|im_start|>assistant\n"}};

static void
mask_headers (Mask *m, const char *text, const HeaderRule *rule)
{
  const char *start = text;

  while (*start) {
    /* what is before the first header belongs to the first round */
    const char *header = strstr (start, rule->round_sep);
    const char *next =
        header ? strstr (header + strlen (rule->round_sep), rule->round_sep)
               : NULL;
    g_autofree char *round =
        next ? g_strndup (start, (gsize) (next - start)) : g_strdup (start);
    g_autofree char *before = NULL, *behind = NULL;

    if (!split_once (round, rule->sep, &before, &behind))
      break;
    mask_round (m, count (m, before, rule->sep, NULL), count (m, round, NULL));
    start = next ? next : "";
  }
}

/* ---- nvgpt and its family: rounds of separators ---------------------------
 */

/* The line with labels at the beginning of an answer, or "": nvgpt wants it to
 * name the quality, nv_dpo masks whatever is before it, too. (transfer full) */
static char *
find_labels (const char *answer, gboolean dpo)
{
  const char *wanted = dpo ? NEVA_LABELS : NEVA_LABELS "quality:";
  const char *found = strstr (answer, wanted);
  const char *newline = found ? strchr (found, '\n') : NULL;

  if (!newline)
    return g_strdup ("");
  return g_strndup (
      dpo ? answer : found, (gsize) (newline + 1 - (dpo ? answer : found)));
}

static void
mask_separators (Mask *m, const char *text, gboolean dpo)
{
  static const char sep[] = "<extra_id_1>Assistant\n";
  g_auto (GStrv) parts = g_strsplit (text, "<extra_id_1>", -1);
  const guint n = g_strv_length (parts);

  /* system, user and assistant, then user and assistant */
  for (guint at = 0, size; at < n; at += size) {
    g_autofree char *before = NULL, *behind = NULL, *labels = NULL;
    g_autoptr (GString) round = g_string_new (parts[at]);

    size = MIN (at ? 2 : 3, n - at);
    for (guint i = 1; i < size; i++)
      g_string_append_printf (round, "<extra_id_1>%s", parts[at + i]);
    if (!round->len || !split_once (round->str, sep, &before, &behind))
      break;
    labels = find_labels (behind, dpo);
    mask_round (m, count (m, before, sep, labels, NULL),
        count (m, round->str, "<extra_id_1>", NULL));
  }
}

/* ---- interleaved ----------------------------------------------------------
 */

/* An unknown string is id 0, as it is to the original. */
static void
mask_interleaved (Mask *m, gboolean llama3)
{
  const char *const pieces[] = {
      llama3 ? "<|reserved_special_token_4|>" : "<extra_id_4>",
      llama3 ? "<|reserved_special_token_5|>" : "<extra_id_5>", "<pad>"};

  for (guint i = 0; i < m->labels->len; i++) {
    gint32 *label = &g_array_index (m->labels, gint32, i);

    for (gsize k = 0; k < G_N_ELEMENTS (pieces); k++)
      if (*label == 0 ||
          *label == neva_tokenizer_find (m->tokenizer, pieces[k]))
        *label = NEVA_LABEL_IGNORE;
  }
}

/* ------------------------------------------------------------------------- */

/* FALSE: the template is none of those with rounds. */
static gboolean
mask_rounds (Mask *m, const char *conv_template, const char *text)
{
  static const char *const nv[] = {"nvgpt", "nv_steerlm", "nv_dpo", NULL};
  gboolean known = FALSE;

  for (gsize i = 0; i < G_N_ELEMENTS (eos_rules); i++)
    if (!strcmp (conv_template, eos_rules[i].name)) {
      mask_eos (m, text, &eos_rules[i]);
      known = TRUE;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (header_rules); i++)
    if (!strcmp (conv_template, header_rules[i].name)) {
      mask_headers (m, text, &header_rules[i]);
      known = TRUE;
    }
  if (g_strv_contains (nv, conv_template)) {
    mask_separators (m, text, !strcmp (conv_template, "nv_dpo"));
    known = TRUE;
  }
  mask (m, known ? m->at : G_MAXINT64, G_MAXINT64);
  return known;
}

gboolean
neva_labels_mask (const NevaTokenizer *tokenizer, const char *conv_template,
    const char *text, const char *first_turn, gboolean llama3_tokens,
    GArray *labels, GError **error)
{
  Mask m = {.tokenizer = tokenizer, .labels = labels, .error = error};

  if (!strcmp (conv_template, "plain")) {
    mask_round (&m, count (&m, first_turn, NULL), 0);
  } else if (!strcmp (conv_template, "interleaved")) {
    mask_interleaved (&m, llama3_tokens);
  } else if (!mask_rounds (&m, conv_template, text)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "nothing is learned with the prompt template \"%s\"", conv_template);
    return FALSE;
  }
  return !m.failed;
}

void
neva_labels_shift (GArray *tokens, GArray *labels, gboolean extra_token)
{
  static const gint32 ignore = NEVA_LABEL_IGNORE;

  g_return_if_fail (tokens->len == labels->len);

  if (!labels->len)
    return;
  g_array_remove_index (labels, 0);
  if (extra_token)
    g_array_set_size (tokens, tokens->len - 1);
  else
    g_array_append_val (labels, ignore);
}
