/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A judge is a local model or a chat endpoint; the caller does not see which.
 */
#include "config.h"
#include <string.h>
#include <neva/judge.h>
#include <neva/request.h>
#include "remote/chat_pool.h"

#define DEFAULT_MAX_TOKENS 1024
#define TEMPERATURE 0.2
#define TOP_P 0.7
#define SEED 42

struct _NevaJudge {
  NevaModel *model;   /* local, or NULL */
  NevaChatPool *pool; /* of an endpoint, or NULL */
  guint max_tokens;
};

static gboolean
is_endpoint (const char *judge)
{
  return g_str_has_prefix (judge, "openai:") ||
         g_str_has_prefix (judge, "http://") ||
         g_str_has_prefix (judge, "https://");
}

static gboolean
open_endpoint (NevaJudge *self, const NevaJudgeOptions *o, GError **error)
{
  const NevaChatOptions options = {.key_file = o->key_file,
      .timeout_s = o->timeout_s,
      .retries = o->retries};

  self->pool = neva_chat_pool_new (o->judge, &options, error);
  return self->pool != NULL;
}

NevaJudge *
neva_judge_open (
    const NevaJudgeOptions *o, GCancellable *cancellable, GError **error)
{
  g_autoptr (NevaJudge) self = NULL;

  if (!o->judge || !*o->judge) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "no judge was named");
    return NULL;
  }
  self = g_new0 (NevaJudge, 1);
  self->max_tokens = o->max_tokens ? o->max_tokens : DEFAULT_MAX_TOKENS;
  if (is_endpoint (o->judge)) {
    if (!open_endpoint (self, o, error))
      return NULL;
  } else {
    self->model =
        neva_model_open (o->judge, &o->model, NULL, NULL, cancellable, error);
    if (!self->model)
      return NULL;
  }
  return g_steal_pointer (&self);
}

const char *
neva_judge_notice (const NevaJudge *self)
{
  return self->model ? neva_model_get_info (self->model)->notice : NULL;
}

void
neva_judge_close (NevaJudge *self)
{
  if (!self)
    return;
  g_clear_pointer (&self->model, neva_model_unref);
  g_clear_pointer (&self->pool, neva_chat_pool_unref);
  g_free (self);
}

static char *
ask_model (NevaJudge *self, const char *prompt, GCancellable *cancellable,
    GError **error)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (NevaRequest) request = NULL;
  g_autoptr (GCancellable) wait =
      cancellable ? g_object_ref (cancellable) : g_cancellable_new ();
  const NevaAnswer *answer;

  question.prompt = prompt;
  question.system_prompt = NEVA_JUDGE_SYSTEM;
  question.max_tokens = self->max_tokens;
  question.sampling.greedy = FALSE;
  question.sampling.temperature = TEMPERATURE;
  question.sampling.top_p = TOP_P;
  question.sampling.seed = SEED;
  request = neva_model_ask (
      self->model, &question, NULL, NULL, NULL, NULL, wait, error);
  if (!request)
    return NULL;
  answer = neva_request_wait (request, cancellable, error);
  if (!answer) {
    neva_request_cancel (request);
    return NULL;
  }
  return g_strdup (answer->text);
}

static char *
ask_endpoint (NevaJudge *self, const char *prompt, GCancellable *cancellable,
    GError **error)
{
  const NevaChatMessage messages[] = {
      {.role = "system", .text = NEVA_JUDGE_SYSTEM},
      {.role = "user", .text = prompt}};
  const NevaChatParameters parameters = {.temperature = TEMPERATURE,
      .top_p = TOP_P,
      .max_tokens = self->max_tokens,
      .seed = SEED,
      .stream = TRUE};

  return neva_chat_pool_complete (self->pool, messages, G_N_ELEMENTS (messages),
      &parameters, NULL, NULL, cancellable, error);
}

char *
neva_judge_ask (NevaJudge *self, const char *prompt, GCancellable *cancellable,
    GError **error)
{
  return self->model ? ask_model (self, prompt, cancellable, error)
                     : ask_endpoint (self, prompt, cancellable, error);
}
