/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "question.h"

static void
question_free (gpointer data)
{
  GstNevaLlmQuestion *question = data;

  gst_neva_llm_prompt_unref (question->prompt);
  if (question->object) {
    gst_neva_region_unref (question->object->region);
    neva_embedding_unref (question->object->embedding);
    g_free (question->object->objects);
    g_free (question->object);
  }
  g_clear_pointer (&question->request, neva_request_unref);
  g_free (question->text);
  g_free (question->partial);
  g_free ((char *) question->answer.text);
  g_clear_pointer (&question->scores, gst_structure_free);
  g_clear_error (&question->error);
  g_free (question);
}

/* prompt: (transfer full) */
static void
add (GPtrArray *questions, GstNevaLlmPrompt *prompt, gboolean scored)
{
  GstNevaLlmQuestion *question = g_new0 (GstNevaLlmQuestion, 1);

  question->prompt = prompt;
  question->scored = scored;
  g_ptr_array_add (questions, question);
}

GPtrArray *
gst_neva_llm_questions_new (const GstNevaLlmSettings *settings)
{
  const GPtrArray *list = settings->prompts ? settings->prompts->list : NULL;
  const char *alert = settings->alert.question;
  const gboolean scored =
      settings->all_probs || settings->sampling.compute_logprob;
  GPtrArray *questions = g_ptr_array_new_with_free_func (question_free);
  GstNevaLlmPrompt *prompt;

  for (guint i = 0; list && i < list->len; i++)
    add (questions, gst_neva_llm_prompt_ref (list->pdata[i]), scored);
  if (alert) {
    prompt = gst_neva_llm_prompt_new (GST_NEVA_LLM_ID_ALERT, alert);
    prompt->alert = TRUE;
    add (questions, prompt, scored);
  }
  if (questions->len == 0)
    add (questions, gst_neva_llm_prompt_new (GST_NEVA_LLM_ID_PROMPT, NULL),
        scored);
  return questions;
}
