/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A session is a request whose partial texts are handed over to the caller's
 * thread. The worker writes what is new under the lock; next () takes it. */
#include "config.h"
#include <neva/session.h>
#include "runtime/runtime.h"
#include <string.h>

struct _NevaSession {
  NevaModel *model;
  NevaQuestion options; /* strings owned; no frames, no prompt */
  GPtrArray *frames;    /* NevaEmbedding of the next question */
  char *prompt;
  NevaRequest *request; /* being answered, or NULL */
  char *piece;          /* what the caller was given last */

  GMutex lock;
  GCond cond;
  GString *text; /* lock: the answer so far */
  gsize taken;   /* lock: bytes of it that were given out */
  gboolean done; /* lock */
  GError *error; /* lock */
};

NevaSession *
neva_session_new (NevaModel *model, GError **error)
{
  static const NevaQuestion defaults = NEVA_QUESTION_DEFAULT;
  NevaSession *session;

  g_return_val_if_fail (model, NULL);
  (void) error;

  session = g_new0 (NevaSession, 1);
  session->model = neva_model_ref (model);
  session->options = defaults;
  session->frames =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_embedding_unref);
  session->text = g_string_new (NULL);
  g_mutex_init (&session->lock);
  g_cond_init (&session->cond);
  return session;
}

static void
clear_options (NevaSession *session)
{
  g_free ((gpointer) session->options.system_prompt);
  g_free ((gpointer) session->options.conv_template);
  g_strfreev ((char **) session->options.stop);
}

/* Ends what is being answered; the session is empty afterwards. */
static void
reset (NevaSession *session)
{
  if (session->request)
    neva_request_cancel (session->request);
  g_clear_pointer (&session->request, neva_request_unref);
  g_clear_error (&session->error);
  g_ptr_array_set_size (session->frames, 0);
  g_clear_pointer (&session->prompt, g_free);
  g_string_truncate (session->text, 0);
  session->taken = 0;
  session->done = FALSE;
}

void
neva_session_free (NevaSession *session)
{
  if (!session)
    return;
  reset (session);
  clear_options (session);
  g_free (session->piece);
  g_ptr_array_unref (session->frames);
  g_string_free (session->text, TRUE);
  g_mutex_clear (&session->lock);
  g_cond_clear (&session->cond);
  neva_model_unref (session->model);
  g_free (session);
}

void
neva_session_set_options (NevaSession *session, const NevaQuestion *question)
{
  NevaQuestion copy;

  g_return_if_fail (session && question);

  copy = *question;
  copy.frames = NULL;
  copy.n_frames = 0;
  copy.prompt = NULL;
  copy.system_prompt = g_strdup (question->system_prompt);
  copy.conv_template = g_strdup (question->conv_template);
  copy.stop = (const char *const *) g_strdupv ((char **) question->stop);
  clear_options (session);
  session->options = copy;
}

gboolean
neva_session_push_frame (
    NevaSession *session, const NevaFrame *frame, GError **error)
{
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  NevaEmbedding *embedding;

  g_return_val_if_fail (session && frame, FALSE);

  embedding = neva_model_encode (session->model, frame, wait, error);
  if (!embedding)
    return FALSE;
  g_ptr_array_add (session->frames, embedding);
  return TRUE;
}

gboolean
neva_session_push_text (NevaSession *session, const char *text, GError **error)
{
  g_return_val_if_fail (session && text, FALSE);

  if (!g_utf8_validate (text, -1, NULL)) {
    g_set_error (
        error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "the text is not UTF-8");
    return FALSE;
  }
  g_free (session->prompt);
  session->prompt = g_strdup (text);
  return TRUE;
}

static void
on_partial (NevaRequest *request, const char *text, gpointer user_data)
{
  NevaSession *session = user_data;

  (void) request;
  g_mutex_lock (&session->lock);
  g_string_assign (session->text, text);
  g_cond_signal (&session->cond);
  g_mutex_unlock (&session->lock);
}

static void
on_done (NevaRequest *request, const NevaAnswer *answer, const GError *error,
    gpointer user_data)
{
  NevaSession *session = user_data;

  (void) request;
  g_mutex_lock (&session->lock);
  if (answer)
    g_string_assign (session->text, answer->text);
  else
    session->error = g_error_copy (error);
  session->done = TRUE;
  g_cond_signal (&session->cond);
  g_mutex_unlock (&session->lock);
}

static gboolean
start (NevaSession *session, GError **error)
{
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  NevaQuestion question = session->options;

  question.frames = (NevaEmbedding *const *) session->frames->pdata;
  question.n_frames = session->frames->len;
  question.prompt = session->prompt;
  session->request = neva_model_ask (session->model, &question, on_partial,
      on_done, session, NULL, wait, error);
  return session->request != NULL;
}

NevaStep
neva_session_next (NevaSession *session, const char **piece, GError **error)
{
  NevaStep step = NEVA_STEP_END;

  g_return_val_if_fail (session && piece, NEVA_STEP_ERROR);

  if (!session->request && !start (session, error)) {
    reset (session);
    return NEVA_STEP_ERROR;
  }

  g_mutex_lock (&session->lock);
  while (!session->done && session->text->len == session->taken)
    g_cond_wait (&session->cond, &session->lock);
  if (session->text->len > session->taken) {
    g_free (session->piece);
    session->piece = g_strdup (session->text->str + session->taken);
    session->taken = session->text->len;
    step = NEVA_STEP_TEXT;
  } else if (session->error) {
    g_propagate_error (error, g_steal_pointer (&session->error));
    step = NEVA_STEP_ERROR;
  }
  g_mutex_unlock (&session->lock);

  if (step == NEVA_STEP_TEXT)
    *piece = session->piece;
  else
    reset (session);
  return step;
}
