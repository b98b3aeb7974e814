/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An answer in the making: where it ends, what it may look like, its text. */
#include "config.h"
#include <neva/error.h>
#include <string.h>
#include "runtime/llava_driver.h"
#include "text/clean.h"
#include "text/nemo_prompt.h"
#include "text/py_text.h"
#include "text/stop.h"
#include "text/utf8.h"

struct _NevaDriverAnswer {
  NevaLlavaDriver *driver;
  NevaSampler *sampler;
  NevaConstraint *constraint; /* or NULL: any text */
  gboolean yes_no;            /* of the next token */
  NevaDetokenizer *detokenizer;
  NevaStop *stop;
  GArray *stop_ids; /* gint32 */
  char **ends;      /* NeMo's rules: texts that the answer stops behind, or NULL
                     */
  GArray *ids;      /* gint32, of prompt and answer; with `ends` */
  char *conv_template;
  NevaClean clean;
  NevaTimes times;
  const char *marker;           /* of full_text; NULL: not wanted */
  gsize media_start, media_len; /* of the prompt */
  float *logits;                /* [vocab] */
  NevaSampleRow sample;         /* of the next step, which chooses */
  NevaSampled sampled;
  gboolean prepared; /* they are used */
  float *logprobs;   /* [n_ids]; NULL: not wanted */
  GString *piece;    /* scratch */
  GString *text;     /* certain, before the final cleaning */
  GString *shown;    /* scratch of answer_text () */
  gboolean stopped;
};

void
neva_llava_answer_free (NevaDriverAnswer *answer)
{
  g_clear_pointer (&answer->sampler, neva_sampler_free);
  g_clear_pointer (&answer->constraint, neva_constraint_free);
  g_clear_pointer (&answer->detokenizer, neva_detokenizer_free);
  g_clear_pointer (&answer->stop, neva_stop_free);
  g_array_unref (answer->stop_ids);
  g_strfreev (answer->ends);
  g_clear_pointer (&answer->ids, g_array_unref);
  g_free (answer->conv_template);
  g_free (answer->logits);
  g_free (answer->logprobs);
  g_string_free (answer->piece, TRUE);
  g_string_free (answer->text, TRUE);
  g_string_free (answer->shown, TRUE);
  g_free (answer);
}

/* The template's and the caller's strings, and the ids that mean the same. */
static void
set_stops (NevaDriverAnswer *answer, const NevaQuestion *question,
    const NevaPrompt *prompt)
{
  const NevaLlavaDriver *self = answer->driver;
  const NevaConfig *config = neva_llava_config (self->llava);
  const gint32 eos = neva_tokenizer_eos (self->tokenizer);
  g_autoptr (GPtrArray) strings = g_ptr_array_new ();

  for (const char *const *s = neva_prompt_stops (answer->conv_template);
       !question->own_stops_only && *s; s++)
    g_ptr_array_add (strings, (gpointer) *s);
  for (const char *const *s = question->stop; s && *s; s++)
    if (**s)
      g_ptr_array_add (strings, (gpointer) *s);
  g_ptr_array_add (strings, NULL);
  answer->stop = neva_stop_new (
      question->own_stops_only ? NULL : (const char *const *) strings->pdata);

  answer->stop_ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_array_append_vals (answer->stop_ids, config->eos, config->n_eos);
  if (!config->n_eos && eos >= 0)
    g_array_append_val (answer->stop_ids, eos);
  if (question->own_stops_only) {
    answer->ends = neva_nemo_stop_ids (self->tokenizer,
        (const char *const *) strings->pdata, answer->stop_ids);
    if (answer->ends)
      answer->ids = g_array_copy (prompt->ids);
  } else {
    neva_prompt_stop_ids (self->tokenizer, (const char *const *) strings->pdata,
        answer->stop_ids);
  }
}

static void
set_full_text (NevaDriverAnswer *answer, const NevaQuestion *question,
    const NevaPrompt *prompt)
{
  if (!question->full_text && question->clean != NEVA_CLEAN_NEMO)
    return;
  answer->marker =
      question->media_type == NEVA_MEDIA_IMAGE ? "<image>" : "<video>";
  answer->clean = question->clean;
  answer->media_start = prompt->media_start;
  answer->media_len = prompt->media_len;
}

/* The grammar knows where the answer ends. */
static gboolean
set_grammar (NevaDriverAnswer *answer, const NevaQuestion *question,
    const NevaPrompt *prompt, GError **error)
{
  NevaLlavaDriver *self = answer->driver;
  const guint context = self->parent.info.context_length;
  const guint room = context - MIN (context, prompt->ids->len);

  if (!question->grammar)
    return TRUE;
  if (!self->constrainer)
    self->constrainer = neva_constrainer_new (self->tokenizer, self->n_ids);
  g_clear_pointer (&answer->stop, neva_stop_free);
  answer->stop = neva_stop_new (NULL);
  answer->constraint = neva_constraint_new (self->constrainer,
      question->grammar, MIN (question->max_tokens, room),
      (const gint32 *) (void *) answer->stop_ids->data, answer->stop_ids->len,
      error);
  return answer->constraint != NULL;
}

static gboolean
set_yes_no (
    NevaDriverAnswer *answer, const NevaQuestion *question, GError **error)
{
  NevaLlavaDriver *self = answer->driver;

  answer->yes_no = question->yes_no;
  if (question->yes_no && !self->yes_no)
    self->yes_no = neva_yes_no_new (self->tokenizer, self->n_ids, error);
  return !question->yes_no || self->yes_no;
}

NevaDriverAnswer *
neva_llava_answer_new (NevaDriver *driver, const NevaQuestion *question,
    const NevaPrompt *prompt, GError **error)
{
  NevaLlavaDriver *self = (NevaLlavaDriver *) driver;
  NevaDriverAnswer *answer = g_new0 (NevaDriverAnswer, 1);

  answer->driver = self;
  answer->piece = g_string_new (NULL);
  answer->text = g_string_new (NULL);
  answer->shown = g_string_new (NULL);
  answer->conv_template = g_strdup (neva_llava_template (self, question));
  answer->times = neva_llava_times (self, question);
  set_stops (answer, question, prompt);
  set_full_text (answer, question, prompt);
  answer->logits =
      g_try_new (float, neva_llava_config (self->llava)->text.vocab);
  if (question->all_probs)
    answer->logprobs = g_new (float, self->n_ids);
  answer->detokenizer = neva_detokenizer_new (self->tokenizer);
  answer->sampler = neva_llava_sampler (self, question, error);
  if (answer->sampler && answer->logits) {
    if (!set_grammar (answer, question, prompt, error) ||
        !set_yes_no (answer, question, error)) {
      neva_llava_answer_free (answer);
      return NULL;
    }
    neva_sampler_accept_prompt (answer->sampler,
        (const gint32 *) (void *) prompt->ids->data, prompt->ids->len);
    return answer;
  }
  if (answer->sampler)
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_DEVICE, "no memory for an answer");
  neva_llava_answer_free (answer);
  return NULL;
}

static gboolean
is_stop_id (const NevaDriverAnswer *answer, gint32 token)
{
  for (guint i = 0; i < answer->stop_ids->len; i++)
    if (g_array_index (answer->stop_ids, gint32, i) == token)
      return TRUE;
  return FALSE;
}

/* Prompt and answer, as the original decodes them. (transfer full) */
static char *
decode_all (const NevaLlavaDriver *self, const gint32 *ids, gsize n_ids)
{
  return neva_llava_config (self->llava)->legacy_tokenizer
             ? neva_tokenizer_decode_legacy (self->tokenizer, ids, n_ids)
             : neva_tokenizer_decode_unnamed (self->tokenizer, ids, n_ids);
}

/* NeMo's rule: an end string may begin in the prompt, and counts only where a
 * token ends with it. What of it is in the answer's text goes. */
static void
find_end (NevaDriverAnswer *answer, gint32 token)
{
  g_autofree char *all = NULL;

  g_array_append_val (answer->ids, token);
  all = decode_all (answer->driver, (const gint32 *) (void *) answer->ids->data,
      answer->ids->len);
  for (char **end = answer->ends; *end && !answer->stopped; end++) {
    const char *part = *end;

    if (!g_str_has_suffix (all, part))
      continue;
    while (!g_str_has_suffix (answer->text->str, part))
      part++;
    g_string_truncate (answer->text, answer->text->len - strlen (part));
    answer->stopped = TRUE;
  }
}

gboolean
neva_llava_answer_push (NevaDriverAnswer *answer, gint32 token)
{
  if (is_stop_id (answer, token))
    return TRUE;
  g_string_truncate (answer->piece, 0);
  neva_detokenizer_push (answer->detokenizer, token, answer->piece);
  neva_utf8_replace_nul (answer->piece);
  answer->stopped = neva_stop_push (answer->stop, answer->piece->str,
      (gssize) answer->piece->len, answer->text);
  if (answer->constraint)
    return neva_constraint_accept (answer->constraint, token);
  if (answer->ends)
    find_end (answer, token);
  return answer->stopped;
}

/* White space at the end may turn out to be the end, which is cleaned away. */
const char *
neva_llava_answer_text (NevaDriverAnswer *answer)
{
  if (answer->constraint)
    return answer->text->str;
  g_string_assign (
      answer->shown, answer->clean == NEVA_CLEAN_NEMO ? "" : answer->text->str);
  if (answer->times.seconds > 0) {
    g_autofree char *decoded = NULL;

    g_string_truncate (answer->shown, neva_times_certain (answer->shown->str));
    decoded = neva_times_decode (&answer->times, answer->shown->str);
    g_string_assign (answer->shown, decoded);
  }
  g_strstrip (answer->shown->str);
  return answer->shown->str;
}

/* Outside of NeMo the media have one id that decodes to nothing, or to as many
 * words as there are tokens: the marker stands where they stood. */
static char *
text_with_marker (
    const NevaDriverAnswer *answer, const gint32 *ids, gsize n_ids)
{
  const NevaTokenizer *tokenizer = answer->driver->tokenizer;
  const gsize start = answer->media_start, behind = start + answer->media_len;
  g_autoptr (GArray) rest = g_array_new (FALSE, FALSE, sizeof (gint32));
  g_autofree char *before = NULL, *all = NULL;

  g_array_append_vals (rest, ids, (guint) start);
  before = neva_tokenizer_decode_text (tokenizer, ids, start, TRUE);
  g_array_append_vals (rest, ids + behind, (guint) (n_ids - behind));
  all = neva_tokenizer_decode_text (
      tokenizer, (const gint32 *) (void *) rest->data, rest->len, TRUE);
  if (answer->media_len == 0)
    return g_steal_pointer (&all);
  if (!g_str_has_prefix (all, before))
    return g_strconcat (answer->marker, all, NULL);
  return g_strconcat (before, answer->marker, all + strlen (before), NULL);
}

static char *
make_full_text (const NevaDriverAnswer *answer, const gint32 *ids, gsize n_ids)
{
  const NevaLlavaDriver *self = answer->driver;
  const NevaConfig *config = neva_llava_config (self->llava);
  g_autofree char *raw = NULL;

  if (!config->nemo)
    return text_with_marker (answer, ids, n_ids);
  raw = decode_all (self, ids, n_ids);
  return neva_clean_full_text (raw, config->llama3_tokens,
      config->lita != NEVA_LITA_NONE, answer->marker);
}

const float *
neva_llava_answer_logprobs (NevaDriverAnswer *answer, gsize *n)
{
  neva_sampler_logprobs (answer->sampler, answer->logits, answer->logprobs);
  *n = answer->driver->n_ids;
  return answer->logprobs;
}

/* (transfer full) both */
static char *
take_nemo (const NevaDriverAnswer *answer, char *text)
{
  g_autofree char *given = text;

  if (!(answer->times.seconds > 0))
    return g_steal_pointer (&given);
  return neva_py_strip (
      neva_times_decode_ids (&answer->times, answer->driver->tokenizer, given));
}

char *
neva_llava_answer_finish (
    NevaDriverAnswer *answer, const gint32 *ids, gsize n_ids, char **full_text)
{
  g_autofree char *full =
      answer->marker ? make_full_text (answer, ids, n_ids) : NULL;
  g_autofree char *clean = NULL;
  char *nemo = answer->clean == NEVA_CLEAN_NEMO
                   ? neva_clean_nemo (answer->conv_template, full)
                   : NULL;

  if (full)
    *full_text = g_steal_pointer (&full);
  if (nemo)
    return take_nemo (answer, nemo);
  if (!answer->stopped) {
    g_string_truncate (answer->piece, 0);
    neva_detokenizer_flush (answer->detokenizer, answer->piece);
    neva_utf8_replace_nul (answer->piece);
    if (!neva_stop_push (answer->stop, answer->piece->str,
            (gssize) answer->piece->len, answer->text))
      neva_stop_flush (answer->stop, answer->text);
  }
  if (answer->constraint)
    return g_strdup (answer->text->str);
  clean = neva_prompt_clean (answer->conv_template, answer->text->str);
  return neva_times_decode (&answer->times, clean);
}

float *
neva_llava_answer_logits (NevaDriverAnswer *answer)
{
  answer->prepared = FALSE;
  return answer->logits;
}

gboolean
neva_llava_answer_prepare (NevaDriverAnswer *answer, NevaStepItem *item)
{
  const guint64 *allowed = NULL;

  answer->prepared = neva_llava_samples (answer->driver->llava) &&
                     !answer->yes_no && !answer->logprobs;
  if (!answer->prepared)
    return FALSE;
  if (answer->constraint)
    allowed = neva_constraint_allowed (answer->constraint);
  neva_sampler_prepare (answer->sampler, allowed, &answer->sample);
  item->sample = &answer->sample;
  item->sampled = &answer->sampled;
  return TRUE;
}

void
neva_llava_answer_choose (NevaDriverAnswer *answer, NevaDriverItem *item)
{
  const NevaLlavaDriver *self = answer->driver;
  const gsize vocab = neva_llava_config (self->llava)->text.vocab;

  if (answer->prepared) {
    item->token =
        neva_sampler_commit (answer->sampler, &answer->sampled, &item->logprob);
    return;
  }
  if (answer->yes_no)
    item->yes = neva_yes_no_probability (self->yes_no, answer->logits);
  answer->yes_no = FALSE;
  if (answer->constraint)
    neva_constraint_apply (answer->constraint, answer->logits, vocab);
  item->token = neva_sampler_next (
      answer->sampler, answer->logits, vocab, &item->logprob);
}
