/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A question's way from neva_model_ask () to its one `done`.
 *
 *   queued -> running -> settled -> done () returns -> finished
 *
 * Whoever settles a request, the worker or a canceller, is the one who calls
 * `done`; `calling` keeps callbacks of one request from overlapping. */
#include "config.h"
#include "runtime/runtime.h"
#include "runtime/wait.h"
#include <string.h>

#define DEFAULT_MAX_TOKENS 256
/* Of text that an unknown tokenizer will read: more than most need. */
#define BYTES_PER_TOKEN 3

static void
request_free (NevaRequest *request)
{
  for (gsize i = 0; i < request->question.n_frames; i++)
    neva_embedding_unref (request->question.frames[i]);
  g_free ((gpointer) request->question.frames);
  g_free ((gpointer) request->question.prompt);
  g_free ((gpointer) request->question.system_prompt);
  g_free ((gpointer) request->question.conv_template);
  g_strfreev ((char **) request->question.stop);
  g_clear_pointer (&request->question.grammar, neva_grammar_unref);
  neva_prompt_clear (&request->prompt);
  g_free (request->text);
  g_free (request->full_text);
  g_free (request->prompt_scores);
  g_free (request->tokens);
  g_free (request->full_logprob);
  g_clear_error (&request->error);
  g_mutex_clear (&request->lock);
  g_cond_clear (&request->cond);
  neva_model_unref (request->model);
  g_free (request);
}

/* (transfer full) */
static char *
prompt_text (const NevaModelInfo *info, const NevaQuestion *question)
{
  const char *text = question->prompt ? question->prompt : info->prompt;
  const char *type = info->media_type ? info->media_type
                     : question->media_type == NEVA_MEDIA_IMAGE ? "image"
                                                                : "video";
  const char *sep = question->add_media_sep ? " \n" : "";

  if (question->n_frames == 0 || question->insert_media == NEVA_INSERT_NONE)
    return g_strdup (text);
  return question->insert_media == NEVA_INSERT_LEFT
             ? g_strdup_printf ("<%s>%s%s", type, sep, text)
             : g_strdup_printf ("%s<%s>%s", text, type, sep);
}

static NevaRequest *
request_new (NevaModel *model, const NevaQuestion *question)
{
  NevaRequest *request = g_new0 (NevaRequest, 1);
  NevaQuestion *copy = &request->question;
  NevaEmbedding **frames = g_new0 (NevaEmbedding *, question->n_frames);

  for (gsize i = 0; i < question->n_frames; i++)
    frames[i] = neva_embedding_ref (question->frames[i]);
  *copy = *question;
  copy->frames = frames;
  copy->prompt = prompt_text (&model->driver->info, question);
  copy->system_prompt = g_strdup (question->system_prompt);
  copy->conv_template = g_strdup (question->conv_template);
  copy->stop = (const char *const *) g_strdupv ((char **) question->stop);
  copy->grammar =
      question->grammar ? neva_grammar_ref (question->grammar) : NULL;
  if (copy->max_tokens == 0)
    copy->max_tokens = DEFAULT_MAX_TOKENS;

  request->refs = 1;
  request->model = neva_model_ref (model);
  request->link.data = request;
  g_mutex_init (&request->lock);
  g_cond_init (&request->cond);
  return request;
}

static gboolean
check_frames (NevaModel *model, const NevaQuestion *question, GError **error)
{
  for (gsize i = 0; i < question->n_frames; i++)
    if (question->frames[i]->model != model) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "frame %" G_GSIZE_FORMAT " was encoded by the model '%s', not '%s'",
          i, question->frames[i]->model->driver->info.name,
          model->driver->info.name);
      return FALSE;
    }
  return TRUE;
}

static gboolean
check_length (NevaRequest *request, GError **error)
{
  const NevaModelInfo *info = &request->model->driver->info;
  const NevaPrompt *prompt = &request->prompt;

  /* The last token of an answer is never fed, so it needs no place. */
  if (prompt->ids->len <= info->context_length)
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_TOO_LONG,
      "the prompt of %u tokens (%" G_GSIZE_FORMAT
      " frames × %u, and %" G_GSIZE_FORMAT
      " of text) leaves no room in the context of %u tokens",
      prompt->ids->len, request->question.n_frames, info->tokens_per_frame,
      prompt->ids->len - prompt->media_len, info->context_length);
  return FALSE;
}

NevaRequest *
neva_model_ask (NevaModel *model, const NevaQuestion *question,
    NevaPartialFunc partial, NevaDoneFunc done, gpointer user_data,
    GDestroyNotify destroy, GCancellable *wait, GError **error)
{
  NevaDriver *driver;
  NevaRequest *request;

  g_return_val_if_fail (model && question, NULL);
  g_return_val_if_fail (question->frames || !question->n_frames, NULL);
  driver = model->driver;

  if (!check_frames (model, question, error))
    return NULL;
  request = request_new (model, question);
  if (!driver->klass->prompt (
          driver, &request->question, &request->prompt, error) ||
      !check_length (request, error)) {
    request_free (request);
    return NULL;
  }
  request->partial = partial;
  request->done = done;
  request->user_data = user_data;
  request->destroy = destroy;
  if (!neva_worker_queue_question (model->worker, request, wait, error)) {
    request_free (request);
    return NULL;
  }
  return request;
}

gsize
neva_model_measure (
    NevaModel *model, const NevaQuestion *question, GError **error)
{
  const NevaModelInfo *info = &model->driver->info;
  NevaQuestion whole = *question;
  g_autofree char *text = prompt_text (info, question);
  NevaPrompt prompt = {0};
  gsize tokens;

  whole.prompt = text;
  if (!check_frames (model, question, error) ||
      !model->driver->klass->prompt (model->driver, &whole, &prompt, error))
    return 0;
  tokens = prompt.ids->len;
  if (info->vocab_size == 0)
    tokens += (strlen (text) + BYTES_PER_TOKEN - 1) / BYTES_PER_TOKEN;
  neva_prompt_clear (&prompt);
  return tokens;
}

NevaRequest *
neva_request_ref (NevaRequest *request)
{
  g_atomic_int_inc (&request->refs);
  return request;
}

void
neva_request_unref (NevaRequest *request)
{
  if (g_atomic_int_dec_and_test (&request->refs))
    request_free (request);
}

gboolean
neva_request_is_settled (NevaRequest *request)
{
  return g_atomic_int_get (&request->settled);
}

void
neva_request_call_partial (NevaRequest *request, const char *text)
{
  gboolean destroy;

  if (!request->partial)
    return;

  g_mutex_lock (&request->lock);
  if (request->settled) {
    g_mutex_unlock (&request->lock);
    return;
  }
  request->calling = g_thread_self ();
  request->in_partial = TRUE;
  g_mutex_unlock (&request->lock);

  request->partial (request, text, request->user_data);

  g_mutex_lock (&request->lock);
  request->in_partial = FALSE;
  request->calling = NULL;
  destroy = request->finished && request->destroy;
  g_cond_broadcast (&request->cond);
  g_mutex_unlock (&request->lock);
  if (destroy)
    request->destroy (request->user_data);
}

/* Returns: TRUE if the caller now owes finish (). */
static gboolean
settle (NevaRequest *request)
{
  gboolean mine;

  g_mutex_lock (&request->lock);
  mine = !request->settled;
  g_atomic_int_set (&request->settled, TRUE);
  /* A callback that cancels its own request must not wait for itself. */
  while (mine && request->calling && request->calling != g_thread_self ())
    g_cond_wait (&request->cond, &request->lock);
  if (mine)
    request->calling = g_thread_self ();
  g_mutex_unlock (&request->lock);
  return mine;
}

static void
finish (NevaRequest *request)
{
  if (request->done)
    request->done (request, request->error ? NULL : &request->answer,
        request->error, request->user_data);
  /* A `partial` that cancelled its own request still uses its data; only this
   * thread can be in one now. */
  if (request->destroy && !request->in_partial)
    request->destroy (request->user_data);

  g_mutex_lock (&request->lock);
  request->finished = TRUE;
  request->calling = NULL;
  g_cond_broadcast (&request->cond);
  g_mutex_unlock (&request->lock);
}

void
neva_request_answer (NevaRequest *request, const NevaAnswer *answer)
{
  if (!settle (request)) {
    g_free ((gpointer) answer->text);
    g_free ((gpointer) answer->full_text);
    g_free ((gpointer) answer->prompt);
    g_free ((gpointer) answer->tokens);
    g_free ((gpointer) answer->full_logprob);
    return;
  }
  request->text = (char *) answer->text;
  request->full_text = (char *) answer->full_text;
  request->prompt_scores = (NevaToken *) answer->prompt;
  request->tokens = (NevaToken *) answer->tokens;
  request->full_logprob = (float *) answer->full_logprob;
  request->answer = *answer;
  neva_worker_count (
      request->model->worker, NEVA_OUTCOME_ANSWER, &request->answer);
  finish (request);
}

void
neva_request_fail (NevaRequest *request, GError *error)
{
  if (!settle (request)) {
    g_error_free (error);
    return;
  }
  request->error = error;
  neva_worker_count (request->model->worker, NEVA_OUTCOME_FAILED, NULL);
  finish (request);
}

void
neva_request_cancel (NevaRequest *request)
{
  /* The worker may drop its reference, and done () the caller's. */
  neva_request_ref (request);
  if (settle (request)) {
    g_set_error (&request->error, NEVA_ERROR, NEVA_ERROR_CANCELLED,
        "the question was cancelled");
    neva_worker_count (request->model->worker, NEVA_OUTCOME_CANCELLED, NULL);
    neva_worker_drop_question (request->model->worker, request);
    finish (request);
  } else {
    g_mutex_lock (&request->lock);
    while (!request->finished && request->calling != g_thread_self ())
      g_cond_wait (&request->cond, &request->lock);
    g_mutex_unlock (&request->lock);
  }
  neva_request_unref (request);
}

const NevaAnswer *
neva_request_wait (
    NevaRequest *request, GCancellable *cancellable, GError **error)
{
  gboolean finished;
  NevaWait wait;

  neva_wait_begin (&wait, &request->lock, &request->cond, cancellable);
  g_mutex_lock (&request->lock);
  while (!request->finished && !g_cancellable_is_cancelled (cancellable))
    g_cond_wait (&request->cond, &request->lock);
  finished = request->finished;
  g_mutex_unlock (&request->lock);
  neva_wait_end (&wait);

  if (!finished) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_CANCELLED,
        "waiting for the answer was cancelled");
    return NULL;
  }
  if (request->error) {
    g_propagate_error (error, g_error_copy (request->error));
    return NULL;
  }
  return &request->answer;
}
