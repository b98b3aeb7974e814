/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A judge is a local model or a chat endpoint; the caller does not see which.
 */
#include "config.h"
#include <string.h>
#include <neva/judge.h>
#include <neva/request.h>
#include "remote/chat.h"

#define DEFAULT_MAX_TOKENS 1024
#define TEMPERATURE 0.2
#define TOP_P 0.7
#define SEED 42

struct _NevaJudge {
  NevaModel *model; /* local, or NULL */
  /* An endpoint. A client serves one request at a time: `idle` holds those that
   * are free, more are made as callers come. */
  NevaChatOptions chat;
  char *url, *model_name, *key_file;
  GMutex lock;
  GPtrArray *idle; /* under lock */
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
  NevaChat *first;

  if (!neva_chat_parse_spec (o->judge, &self->url, &self->model_name, error))
    return FALSE;
  self->key_file = g_strdup (o->key_file);
  self->chat = (NevaChatOptions){.url = self->url,
      .model = self->model_name,
      .key_file = self->key_file,
      .timeout_s = o->timeout_s,
      .retries = o->retries};
  first = neva_chat_new (&self->chat, error);
  if (!first)
    return FALSE;
  g_ptr_array_add (self->idle, first);
  return TRUE;
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
  g_mutex_init (&self->lock);
  self->idle = g_ptr_array_new_with_free_func ((GDestroyNotify) neva_chat_free);
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

void
neva_judge_close (NevaJudge *self)
{
  if (!self)
    return;
  g_clear_pointer (&self->model, neva_model_unref);
  g_ptr_array_unref (self->idle);
  g_mutex_clear (&self->lock);
  g_free (self->url);
  g_free (self->model_name);
  g_free (self->key_file);
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

static NevaChat *
take_client (NevaJudge *self, GError **error)
{
  NevaChat *chat = NULL;

  g_mutex_lock (&self->lock);
  if (self->idle->len)
    chat = g_ptr_array_steal_index (self->idle, self->idle->len - 1);
  g_mutex_unlock (&self->lock);
  return chat ? chat : neva_chat_new (&self->chat, error);
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
  NevaChat *chat = take_client (self, error);
  char *reply;

  if (!chat)
    return NULL;
  reply = neva_chat_complete (chat, messages, G_N_ELEMENTS (messages),
      &parameters, NULL, NULL, cancellable, error);
  g_mutex_lock (&self->lock);
  g_ptr_array_add (self->idle, chat);
  g_mutex_unlock (&self->lock);
  return reply;
}

char *
neva_judge_ask (NevaJudge *self, const char *prompt, GCancellable *cancellable,
    GError **error)
{
  return self->model ? ask_model (self, prompt, cancellable, error)
                     : ask_endpoint (self, prompt, cancellable, error);
}
