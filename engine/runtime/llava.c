/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver of a model folder: vision tower, decoder, tokenizer, templates. */
#include "config.h"
#include "runtime/driver.h"
#include <neva/error.h>
#include <string.h>
#include "model/llava.h"
#include "model/sampler.h"
#include "text/clean.h"
#include "text/nemo_prompt.h"
#include "text/grammar/constraint.h"
#include "text/stop.h"

typedef struct {
  NevaDriver parent;
  NevaLlava *llava;
  NevaTokenizer *tokenizer;
  NevaConstrainer *constrainer; /* worker's thread; NULL until needed */
  char *name, *architecture;
  gsize n_ids; /* ids from here on are never chosen */
} LlavaDriver;

struct _NevaDriverAnswer {
  LlavaDriver *driver;
  NevaSampler *sampler;
  NevaConstraint *constraint; /* or NULL: any text */
  NevaDetokenizer *detokenizer;
  NevaStop *stop;
  GArray *stop_ids; /* gint32 */
  char **ends;      /* NeMo's rules: texts that the answer stops behind, or NULL
                     */
  char *conv_template;
  NevaClean clean;
  const char *marker;           /* of full_text; NULL: not wanted */
  gsize media_start, media_len; /* of the prompt */
  float *logits;                /* [vocab] */
  float *logprobs;              /* [n_ids]; NULL: not wanted */
  GString *piece;               /* scratch */
  GString *text;                /* certain, before the final cleaning */
  GString *shown;               /* scratch of answer_text () */
  gboolean stopped;
};

static NevaSequence *
sequence_of (NevaDriverSequence *sequence)
{
  return (NevaSequence *) sequence;
}

static void
llava_free (NevaDriver *driver)
{
  LlavaDriver *self = (LlavaDriver *) driver;

  neva_llava_free (self->llava);
  g_clear_pointer (&self->constrainer, neva_constrainer_free);
  if (self->tokenizer)
    neva_tokenizer_free (self->tokenizer);
  g_free (self->name);
  g_free (self->architecture);
  g_free (self);
}

/* ---- Frames ------------------------------------------------------------- */

static gboolean
llava_preprocess (
    NevaDriver *driver, const NevaFrame *frame, guint8 *rgb, GError **error)
{
  const LlavaDriver *self = (LlavaDriver *) driver;

  return neva_preprocess_frame (
      &neva_llava_config (self->llava)->preprocess, frame, rgb, error);
}

/* A file that is damaged now fails every later pass, too; a model opened from
 * the file that will be put in its place does not. */
static gboolean
passed (NevaDriver *driver, gboolean ok, GError *fault, GError **error)
{
  if (ok)
    return TRUE;
  if (g_error_matches (fault, NEVA_ERROR, NEVA_ERROR_BAD_FILE))
    g_atomic_int_set (&driver->broken, TRUE);
  g_propagate_error (error, fault);
  return FALSE;
}

static gboolean
llava_encode (NevaDriver *driver, const guint8 *const *rgb, gsize n,
    float *features, GError **error)
{
  LlavaDriver *self = (LlavaDriver *) driver;
  GError *fault = NULL;
  const gboolean ok =
      neva_llava_encode (self->llava, rgb, n, features, NULL, &fault);

  return passed (driver, ok, fault, error);
}

/* ---- Questions ---------------------------------------------------------- */

static const char *
template_of (const LlavaDriver *self, const NevaQuestion *question)
{
  return question->conv_template && *question->conv_template
             ? question->conv_template
             : self->parent.info.conv_template;
}

static NevaSampler *
make_sampler (
    const LlavaDriver *self, const NevaQuestion *question, GError **error)
{
  const NevaConfig *config = neva_llava_config (self->llava);
  const gint32 eos =
      config->n_eos ? config->eos[0] : neva_tokenizer_eos (self->tokenizer);

  return neva_sampler_new (&question->sampling, self->n_ids, eos, error);
}

/* A tokenizer may know more words than the model has rows for. */
static gboolean
check_ids (const LlavaDriver *self, const NevaPrompt *prompt, GError **error)
{
  const guint vocab = neva_llava_config (self->llava)->text.vocab;

  for (guint i = 0; i < prompt->ids->len; i++) {
    const gint32 id = g_array_index (prompt->ids, gint32, i);
    const gboolean media =
        i >= prompt->media_start && i - prompt->media_start < prompt->media_len;

    if (!media && (id < 0 || (guint) id >= vocab)) {
      const char *piece = neva_tokenizer_piece (self->tokenizer, id);

      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "the prompt's token '%s' has number %d, the model knows %u",
          piece ? piece : "?", id, vocab);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
build_prompt (const LlavaDriver *self, const NevaPromptSpec *spec,
    NevaPrompt *prompt, GError **error)
{
  const NevaConfig *config = neva_llava_config (self->llava);
  const NevaNemoMedia media = {config->llama3_tokens, config->use_im_start_end};
  g_autofree char *text = NULL;

  if (!config->nemo)
    return neva_prompt_build (self->tokenizer, spec, prompt, error);
  text = neva_prompt_text (spec, error);
  return text &&
         neva_nemo_prompt_build (self->tokenizer, text, spec->conv_template,
             &media, spec->media_tokens, prompt, error);
}

static gboolean
llava_prompt (NevaDriver *driver, const NevaQuestion *question,
    NevaPrompt *prompt, GError **error)
{
  const LlavaDriver *self = (LlavaDriver *) driver;
  const NevaConfig *config = neva_llava_config (self->llava);
  const NevaPromptSpec spec = {.conv_template = template_of (self, question),
      .system = question->system_prompt,
      .text = question->prompt,
      .media_tokens = question->n_frames * driver->info.tokens_per_frame,
      .media_token = config->media_token,
      .bos = neva_tokenizer_prompt_bos (self->tokenizer)};
  /* Refused here rather than by the worker. */
  g_autoptr (NevaSampler) sampler = make_sampler (self, question, error);
  NevaPrompt built = {0};

  if (!sampler || !build_prompt (self, &spec, &built, error))
    return FALSE;
  if (!check_ids (self, &built, error)) {
    neva_prompt_clear (&built);
    return FALSE;
  }
  *prompt = built;
  return TRUE;
}

/* ---- Sequences and steps ------------------------------------------------ */

static NevaDriverSequence *
llava_sequence_new (NevaDriver *driver, GError **error)
{
  return (NevaDriverSequence *) neva_sequence_new (
      ((LlavaDriver *) driver)->llava, error);
}

static void
llava_sequence_free (NevaDriver *driver, NevaDriverSequence *sequence)
{
  neva_sequence_free (sequence_of (sequence));
}

static void
llava_sequence_truncate (
    NevaDriver *driver, NevaDriverSequence *sequence, gsize length)
{
  neva_sequence_truncate (sequence_of (sequence), length);
}

static guint64
llava_kv_bytes (NevaDriver *driver)
{
  return neva_llava_kv_bytes (((LlavaDriver *) driver)->llava);
}

static void
llava_idle (NevaDriver *driver)
{
  neva_llava_keep_alive (((LlavaDriver *) driver)->llava);
}

/* Logits of all of the item's tokens, kept in `rows`. */
static gboolean
want_all_logits (
    NevaStepItem *item, gsize vocab, GPtrArray *rows, GError **error)
{
  item->all_logits = TRUE;
  item->logits = g_try_malloc_n (item->n, vocab * sizeof (float));
  g_ptr_array_add (rows, item->logits);
  if (!item->logits)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "no memory for the logits of %" G_GSIZE_FORMAT " tokens", item->n);
  return item->logits != NULL;
}

static void
score (const LlavaDriver *self, NevaDriverItem *item, const float *logits)
{
  const gsize vocab = neva_llava_config (self->llava)->text.vocab;

  for (gsize i = 0; i < item->n_scores; i++)
    item->scores[i].logprob = neva_sampler_logprob (
        logits + i * vocab, self->n_ids, item->scores[i].id);
  if (item->answer)
    memcpy (item->answer->logits, logits + (item->n - 1) * vocab,
        vocab * sizeof (float));
}

static gboolean
llava_step (
    NevaDriver *driver, NevaDriverItem *items, gsize n_items, GError **error)
{
  LlavaDriver *self = (LlavaDriver *) driver;
  const gsize vocab = neva_llava_config (self->llava)->text.vocab;
  NevaStepItem step[NEVA_MAX_RUNNING];
  g_autoptr (GPtrArray) scored = g_ptr_array_new_with_free_func (g_free);
  GError *fault = NULL;
  gboolean ok;

  g_return_val_if_fail (n_items <= NEVA_MAX_RUNNING, FALSE);
  for (gsize i = 0; i < n_items; i++) {
    step[i] = (NevaStepItem){.sequence = sequence_of (items[i].sequence),
        .ids = items[i].ids,
        .rows = items[i].rows,
        .n = items[i].n,
        .logits = items[i].answer ? items[i].answer->logits : NULL};
    if (items[i].n_scores && !want_all_logits (&step[i], vocab, scored, error))
      return FALSE;
  }
  ok = neva_llava_step (self->llava, step, n_items, &fault);
  if (!passed (driver, ok, fault, error))
    return FALSE;
  for (gsize i = 0; i < n_items; i++)
    if (items[i].n_scores)
      score (self, &items[i], step[i].logits);
  for (gsize i = 0; i < n_items; i++)
    if (items[i].answer) {
      if (items[i].answer->constraint)
        neva_constraint_apply (
            items[i].answer->constraint, items[i].answer->logits, vocab);
      items[i].token = neva_sampler_next (items[i].answer->sampler,
          items[i].answer->logits, vocab, &items[i].logprob);
    }
  return TRUE;
}

/* ---- Answers ------------------------------------------------------------ */

static void
llava_answer_free (NevaDriverAnswer *answer)
{
  g_clear_pointer (&answer->sampler, neva_sampler_free);
  g_clear_pointer (&answer->constraint, neva_constraint_free);
  g_clear_pointer (&answer->detokenizer, neva_detokenizer_free);
  g_clear_pointer (&answer->stop, neva_stop_free);
  g_array_unref (answer->stop_ids);
  g_strfreev (answer->ends);
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
set_stops (NevaDriverAnswer *answer, const NevaQuestion *question)
{
  const LlavaDriver *self = answer->driver;
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
    answer->ends = g_strdupv ((char **) strings->pdata);
    neva_nemo_stop_ids (self->tokenizer, (const char *const *) strings->pdata,
        answer->stop_ids);
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
  LlavaDriver *self = answer->driver;
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

static NevaDriverAnswer *
llava_answer_new (NevaDriver *driver, const NevaQuestion *question,
    const NevaPrompt *prompt, GError **error)
{
  LlavaDriver *self = (LlavaDriver *) driver;
  NevaDriverAnswer *answer = g_new0 (NevaDriverAnswer, 1);

  answer->driver = self;
  answer->piece = g_string_new (NULL);
  answer->text = g_string_new (NULL);
  answer->shown = g_string_new (NULL);
  answer->conv_template = g_strdup (template_of (self, question));
  set_stops (answer, question);
  set_full_text (answer, question, prompt);
  answer->logits =
      g_try_new (float, neva_llava_config (self->llava)->text.vocab);
  if (question->all_probs)
    answer->logprobs = g_new (float, self->n_ids);
  answer->detokenizer = neva_detokenizer_new (self->tokenizer);
  answer->sampler = make_sampler (self, question, error);
  if (answer->sampler && answer->logits) {
    if (!set_grammar (answer, question, prompt, error)) {
      llava_answer_free (answer);
      return NULL;
    }
    neva_sampler_accept_prompt (answer->sampler,
        (const gint32 *) (void *) prompt->ids->data, prompt->ids->len);
    return answer;
  }
  if (answer->sampler)
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_DEVICE, "no memory for an answer");
  llava_answer_free (answer);
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

static gboolean
llava_answer_push (NevaDriverAnswer *answer, gint32 token)
{
  if (is_stop_id (answer, token))
    return TRUE;
  g_string_truncate (answer->piece, 0);
  neva_detokenizer_push (answer->detokenizer, token, answer->piece);
  answer->stopped = neva_stop_push (answer->stop, answer->piece->str,
      (gssize) answer->piece->len, answer->text);
  if (answer->constraint)
    return neva_constraint_accept (answer->constraint, token);
  for (char **end = answer->ends; end && *end && !answer->stopped; end++) {
    if (!g_str_has_suffix (answer->text->str, *end))
      continue;
    g_string_truncate (answer->text, answer->text->len - strlen (*end));
    answer->stopped = TRUE;
  }
  return answer->stopped;
}

/* White space at the end may turn out to be the end, which is cleaned away. */
static const char *
llava_answer_text (NevaDriverAnswer *answer)
{
  if (answer->constraint)
    return answer->text->str;
  g_string_assign (
      answer->shown, answer->clean == NEVA_CLEAN_NEMO ? "" : answer->text->str);
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
  before = neva_tokenizer_decode (tokenizer, ids, start, TRUE, NULL);
  g_array_append_vals (rest, ids + behind, (guint) (n_ids - behind));
  all = neva_tokenizer_decode (
      tokenizer, (const gint32 *) (void *) rest->data, rest->len, TRUE, NULL);
  if (answer->media_len == 0)
    return g_steal_pointer (&all);
  if (!g_str_has_prefix (all, before))
    return g_strconcat (answer->marker, all, NULL);
  return g_strconcat (before, answer->marker, all + strlen (before), NULL);
}

static char *
make_full_text (const NevaDriverAnswer *answer, const gint32 *ids, gsize n_ids)
{
  const LlavaDriver *self = answer->driver;
  const NevaConfig *config = neva_llava_config (self->llava);
  g_autofree char *raw = NULL;

  if (!config->nemo)
    return text_with_marker (answer, ids, n_ids);
  raw = neva_tokenizer_decode (self->tokenizer, ids, n_ids, TRUE, NULL);
  return neva_clean_full_text (raw, config->llama3_tokens, answer->marker);
}

static const float *
llava_answer_logprobs (NevaDriverAnswer *answer, gsize *n)
{
  neva_sampler_logprobs (answer->sampler, answer->logprobs);
  *n = answer->driver->n_ids;
  return answer->logprobs;
}

static char *
llava_answer_finish (
    NevaDriverAnswer *answer, const gint32 *ids, gsize n_ids, char **full_text)
{
  g_autofree char *full =
      answer->marker ? make_full_text (answer, ids, n_ids) : NULL;
  char *nemo = answer->clean == NEVA_CLEAN_NEMO
                   ? neva_clean_nemo (answer->conv_template, full)
                   : NULL;

  if (full)
    *full_text = g_steal_pointer (&full);
  if (nemo)
    return nemo;
  if (!answer->stopped) {
    g_string_truncate (answer->piece, 0);
    neva_detokenizer_flush (answer->detokenizer, answer->piece);
    if (!neva_stop_push (answer->stop, answer->piece->str,
            (gssize) answer->piece->len, answer->text))
      neva_stop_flush (answer->stop, answer->text);
  }
  if (answer->constraint)
    return g_strdup (answer->text->str);
  return neva_prompt_clean (answer->conv_template, answer->text->str);
}

/* ---- Opening ------------------------------------------------------------ */

static const NevaDriverClass llava_class = {
    .free = llava_free,
    .preprocess = llava_preprocess,
    .encode = llava_encode,
    .prompt = llava_prompt,
    .sequence_new = llava_sequence_new,
    .sequence_free = llava_sequence_free,
    .sequence_truncate = llava_sequence_truncate,
    .kv_bytes = llava_kv_bytes,
    .idle = llava_idle,
    .step = llava_step,
    .answer_new = llava_answer_new,
    .answer_free = llava_answer_free,
    .answer_push = llava_answer_push,
    .answer_text = llava_answer_text,
    .answer_finish = llava_answer_finish,
    .answer_logprobs = llava_answer_logprobs,
};

static void
fill_info (LlavaDriver *self, const char *path)
{
  const NevaConfig *config = neva_llava_config (self->llava);
  NevaDriver *driver = &self->parent;

  self->name = g_path_get_basename (path);
  self->architecture = g_strdup_printf ("llava: %s tower, %u-layer decoder",
      config->tower.kind == NEVA_TOWER_CLIP ? "clip" : "siglip",
      config->text.layers);
  self->n_ids = MIN (neva_tokenizer_size (self->tokenizer), config->text.vocab);
  if (config->sampled_vocab)
    self->n_ids = MIN (self->n_ids, config->sampled_vocab);
  driver->klass = &llava_class;
  driver->rgb_bytes =
      (gsize) config->preprocess.width * config->preprocess.height * 3;
  driver->row_floats = config->text.hidden;
  driver->info = (NevaModelInfo){.name = self->name,
      .architecture = self->architecture,
      .weights = neva_llava_weights_name (self->llava),
      .image_width = config->preprocess.width,
      .image_height = config->preprocess.height,
      .num_frames = config->num_frames,
      .tokens_per_frame = neva_llava_tokens_per_frame (self->llava),
      .context_length = config->text.context_length,
      .vocab_size = config->text.vocab,
      .weight_bytes = neva_llava_weight_bytes (self->llava),
      .prompt = config->prompt,
      .conv_template = config->conv_template,
      .media_type =
          config->nemo && *config->media_type ? config->media_type : NULL,
      .frame_choice = *config->frame_choice ? config->frame_choice : NULL};
}

NevaDriver *
neva_llava_driver_open (const char *path, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  LlavaDriver *self = g_new0 (LlavaDriver, 1);

  self->llava =
      neva_llava_load (path, options, progress, user_data, cancellable, error);
  if (self->llava)
    self->tokenizer =
        neva_tokenizer_open_files (neva_llava_tokenizer (self->llava),
            neva_config_whole_texts (neva_llava_config (self->llava)), error);
  if (!self->tokenizer) {
    llava_free (&self->parent);
    return NULL;
  }
  fill_info (self, path);
  return &self->parent;
}
