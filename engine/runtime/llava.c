/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The driver of a model folder: vision tower, decoder, tokenizer, templates. */
#include "config.h"
#include <neva/error.h>
#include <string.h>
#include "model/lita.h"
#include "runtime/llava_driver.h"
#include "text/nemo_prompt.h"

static NevaSequence *
sequence_of (NevaDriverSequence *sequence)
{
  return (NevaSequence *) sequence;
}

static void
llava_free (NevaDriver *driver)
{
  NevaLlavaDriver *self = (NevaLlavaDriver *) driver;

  neva_llava_free (self->llava);
  g_clear_pointer (&self->constrainer, neva_constrainer_free);
  g_clear_pointer (&self->yes_no, neva_yes_no_free);
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
  return neva_llava_preprocess (
      ((NevaLlavaDriver *) driver)->llava, frame, rgb, error);
}

static void
llava_frame_stats (NevaDriver *driver, NevaStats *stats)
{
  neva_llava_frame_stats (((NevaLlavaDriver *) driver)->llava, stats);
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
  NevaLlavaDriver *self = (NevaLlavaDriver *) driver;
  GError *fault = NULL;
  const gboolean ok =
      neva_llava_encode (self->llava, rgb, n, features, NULL, &fault);

  return passed (driver, ok, fault, error);
}

/* ---- Questions ---------------------------------------------------------- */

const char *
neva_llava_template (const NevaLlavaDriver *self, const NevaQuestion *question)
{
  return question->conv_template && *question->conv_template
             ? question->conv_template
             : self->parent.info.conv_template;
}

NevaTimes
neva_llava_times (const NevaLlavaDriver *self, const NevaQuestion *question)
{
  const NevaConfig *config = neva_llava_config (self->llava);
  const gboolean known =
      config->lita && config->time_tokens > 1 && question->n_frames > 0;

  return (NevaTimes){known ? (double) question->duration_ns / 1e9 : 0,
      MAX (config->time_tokens, 2), config->legacy_tokenizer};
}

NevaSampler *
neva_llava_sampler (
    const NevaLlavaDriver *self, const NevaQuestion *question, GError **error)
{
  const NevaConfig *config = neva_llava_config (self->llava);
  const gint32 eos =
      config->n_eos ? config->eos[0] : neva_tokenizer_eos (self->tokenizer);

  return neva_sampler_new (&question->sampling, self->n_ids, eos, error);
}

/* What is embedded at a position; *media: a row of the frames. */
static gint32
embedded_id (const NevaPrompt *prompt, gsize position, gboolean *media)
{
  const gsize at = position - prompt->media_start;

  *media = position >= prompt->media_start && at < prompt->media_len;
  if (*media && prompt->slots) {
    const gint32 slot = g_array_index (prompt->slots, gint32, at);

    *media = slot >= 0;
    if (slot < 0)
      return ~slot;
  }
  return g_array_index (prompt->ids, gint32, position);
}

/* A tokenizer may know more words than the model has rows for. */
static gboolean
check_ids (
    const NevaLlavaDriver *self, const NevaPrompt *prompt, GError **error)
{
  const guint vocab = neva_llava_config (self->llava)->text.vocab;

  for (guint i = 0; i < prompt->ids->len; i++) {
    gboolean media;
    const gint32 id = embedded_id (prompt, i, &media);

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
build_prompt (const NevaLlavaDriver *self, const NevaPromptSpec *spec,
    gsize n_frames, NevaPrompt *prompt, GError **error)
{
  const NevaConfig *config = neva_llava_config (self->llava);
  NevaNemoMedia media = {config->llama3_tokens, config->use_im_start_end};
  g_autofree char *text = NULL;

  if (config->lita_ends) {
    media.lita_frames = config->lita_frames;
    media.times = n_frames;
  }

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
  const NevaLlavaDriver *self = (NevaLlavaDriver *) driver;
  const NevaConfig *config = neva_llava_config (self->llava);
  const NevaTimes times = neva_llava_times (self, question);
  g_autofree char *text =
      neva_times_encode (&times, self->tokenizer, question->prompt, error);
  const NevaPromptSpec spec = {
      .conv_template = neva_llava_template (self, question),
      .system = question->system_prompt,
      .text = text,
      .media_front = config->media_front,
      .media_tokens = neva_lita_rows (
          config, question->n_frames, driver->info.tokens_per_frame),
      .media_token = config->media_token,
      .bos = neva_tokenizer_prompt_bos (self->tokenizer)};
  /* Refused here rather than by the worker. */
  g_autoptr (NevaSampler) sampler = neva_llava_sampler (self, question, error);
  NevaPrompt built = {0};

  if (!sampler || !text)
    return FALSE;
  if (!build_prompt (self, &spec, question->n_frames, &built, error))
    return FALSE;
  if (!check_ids (self, &built, error)) {
    neva_prompt_clear (&built);
    return FALSE;
  }
  *prompt = built;
  return TRUE;
}

/* ---- Sequences and steps ------------------------------------------------ */

static float *
llava_combine (NevaDriver *driver, const float *const *features, gsize n)
{
  const NevaLlavaDriver *self = (NevaLlavaDriver *) driver;
  const NevaConfig *config = neva_llava_config (self->llava);
  const gsize tokens = driver->info.tokens_per_frame;
  float *rows;

  if (!config->lita)
    return NULL;
  rows =
      g_new (float, neva_lita_rows (config, n, tokens) * config->text.hidden);
  neva_lita_combine (config, features, n, tokens, config->text.hidden, rows);
  return rows;
}

static NevaDriverSequence *
llava_sequence_new (NevaDriver *driver, GError **error)
{
  return (NevaDriverSequence *) neva_sequence_new (
      ((NevaLlavaDriver *) driver)->llava, error);
}

static NevaDriverSequence *
llava_sequence_fork (
    NevaDriver *driver, NevaDriverSequence *sequence, gsize length)
{
  return (NevaDriverSequence *) neva_sequence_fork (
      sequence_of (sequence), length);
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
  return neva_llava_kv_bytes (((NevaLlavaDriver *) driver)->llava);
}

static gsize
llava_kv_room (NevaDriver *driver)
{
  return neva_llava_kv_room (((NevaLlavaDriver *) driver)->llava);
}

static void
llava_idle (NevaDriver *driver)
{
  neva_llava_keep_alive (((NevaLlavaDriver *) driver)->llava);
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
score (const NevaLlavaDriver *self, NevaDriverItem *item, const float *logits)
{
  const gsize vocab = neva_llava_config (self->llava)->text.vocab;

  for (gsize i = 0; i < item->n_scores; i++)
    item->scores[i].logprob = neva_sampler_logprob (
        logits + i * vocab, self->n_ids, item->scores[i].id);
  if (item->answer)
    memcpy (neva_llava_answer_logits (item->answer),
        logits + (item->n - 1) * vocab, vocab * sizeof (float));
}

static gboolean
llava_step (
    NevaDriver *driver, NevaDriverItem *items, gsize n_items, GError **error)
{
  NevaLlavaDriver *self = (NevaLlavaDriver *) driver;
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
        .n = items[i].n};
    if (items[i].n_scores) {
      if (!want_all_logits (&step[i], vocab, scored, error))
        return FALSE;
    } else if (items[i].answer &&
               !neva_llava_answer_prepare (items[i].answer, &step[i])) {
      step[i].logits = neva_llava_answer_logits (items[i].answer);
    }
  }
  ok = neva_llava_step (self->llava, step, n_items, &fault);
  if (!passed (driver, ok, fault, error))
    return FALSE;
  for (gsize i = 0; i < n_items; i++)
    if (items[i].n_scores)
      score (self, &items[i], step[i].logits);
  for (gsize i = 0; i < n_items; i++)
    if (items[i].answer)
      neva_llava_answer_choose (items[i].answer, &items[i]);
  return TRUE;
}

/* ---- Opening ------------------------------------------------------------ */

static const NevaDriverClass llava_class = {
    .free = llava_free,
    .preprocess = llava_preprocess,
    .frame_stats = llava_frame_stats,
    .encode = llava_encode,
    .combine = llava_combine,
    .prompt = llava_prompt,
    .sequence_new = llava_sequence_new,
    .sequence_fork = llava_sequence_fork,
    .sequence_free = llava_sequence_free,
    .sequence_truncate = llava_sequence_truncate,
    .kv_bytes = llava_kv_bytes,
    .kv_room = llava_kv_room,
    .idle = llava_idle,
    .step = llava_step,
    .answer_new = neva_llava_answer_new,
    .answer_free = neva_llava_answer_free,
    .answer_push = neva_llava_answer_push,
    .answer_text = neva_llava_answer_text,
    .answer_finish = neva_llava_answer_finish,
    .answer_logprobs = neva_llava_answer_logprobs,
};

static void
fill_info (NevaLlavaDriver *self, const char *path)
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
  driver->frame_ranks = neva_llava_frame_ranks (self->llava);
  driver->row_floats = config->text.hidden;
  driver->has_gpu = neva_llava_get_gpu (self->llava, &driver->gpu);
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
      .frame_choice = *config->frame_choice ? config->frame_choice : NULL,
      .notice = neva_llava_notice (self->llava)};
}

NevaDriver *
neva_llava_driver_open (const char *path, const NevaModelOptions *options,
    NevaProgressFunc progress, gpointer user_data, GCancellable *cancellable,
    GError **error)
{
  NevaLlavaDriver *self = g_new0 (NevaLlavaDriver, 1);

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
