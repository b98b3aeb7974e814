/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The questions about a clip: what they say, and what the model's thread tells
 * of them. See llm.h. */
#include "config.h"
#include "llm.h"
#include "scores.h"
#include "text.h"

GST_DEBUG_CATEGORY_EXTERN (gst_neva_llm_debug);
#define GST_CAT_DEFAULT gst_neva_llm_debug

/* ---- Answers, on the model's thread ---- */

/* Whoever stops the element waits until there is none. */
typedef struct {
  GstNevaLlm *self;
  GstNevaLlmClip *clip;
  GstNevaLlmQuestion *question; /* the clip's */
} Call;

static Call *
call_new (GstNevaLlm *self, GstNevaLlmClip *clip, GstNevaLlmQuestion *question)
{
  Call *call = g_new0 (Call, 1);

  call->self = self;
  call->clip = gst_neva_llm_clip_ref (clip);
  call->question = question;
  g_mutex_lock (&self->lock);
  self->n_calls++;
  g_mutex_unlock (&self->lock);
  return call;
}

static void
call_free (gpointer user_data)
{
  Call *call = user_data;
  GstNevaLlm *self = call->self;

  gst_neva_llm_clip_unref (call->clip);
  g_free (call);
  g_mutex_lock (&self->lock);
  self->n_calls--;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

static void
on_partial (NevaRequest *request, const char *text, gpointer user_data)
{
  Call *call = user_data;
  GstNevaLlm *self = call->self;

  (void) request;
  g_mutex_lock (&self->lock);
  if (call->clip->state == GST_NEVA_LLM_CLIP_ASKED) {
    g_free (call->question->partial);
    call->question->partial = g_strdup (text);
    g_cond_broadcast (&self->cond);
  }
  g_mutex_unlock (&self->lock);
}

/* Lock held. The question has an answer, or error (transfer full). */
static void
settle (GstNevaLlm *self, GstNevaLlmClip *clip, GstNevaLlmQuestion *question,
    const NevaAnswer *answer, GError *error)
{
  if (clip->state != GST_NEVA_LLM_CLIP_ASKED) {
    g_clear_error (&error);
    return;
  }
  if (answer) {
    question->answer = *answer;
    question->answer.text = g_strdup (answer->text);
    if (question->scored)
      question->scores = gst_neva_llm_scores_new (answer);
    question->state = GST_NEVA_LLM_QUESTION_ANSWERED;
  } else {
    question->error = error;
    question->state = GST_NEVA_LLM_QUESTION_FAILED;
  }
  g_clear_pointer (&question->partial, g_free);
  if (--clip->n_open == 0) {
    clip->state = GST_NEVA_LLM_CLIP_ANSWERED;
    self->n_asked--;
  }
  g_cond_broadcast (&self->cond);
}

static void
on_done (NevaRequest *request, const NevaAnswer *answer, const GError *error,
    gpointer user_data)
{
  Call *call = user_data;

  (void) request;
  g_mutex_lock (&call->self->lock);
  settle (call->self, call->clip, call->question, answer,
      error ? g_error_copy (error) : NULL);
  g_mutex_unlock (&call->self->lock);
}

/* ---- What is asked ---- */

static GstClockTime
stream_time (const GstNevaLlmClip *clip, GstClockTime running_time)
{
  if (!GST_CLOCK_TIME_IS_VALID (running_time))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_to_stream_time (&clip->segment, GST_FORMAT_TIME,
      gst_segment_position_from_running_time (
          &clip->segment, GST_FORMAT_TIME, running_time));
}

static char *
expand_prompt (const GstNevaLlmClip *clip, const GstNevaLlmObject *object,
    const char *prompt, const char *memory)
{
  g_autofree GstClockTime *times = g_new (GstClockTime, clip->times->len);
  const GstNevaTextClip text = {.clip = clip->number,
      .start = stream_time (clip, clip->start),
      .end = stream_time (clip, clip->end),
      .times = times,
      .n_times = clip->times->len,
      .memory = memory,
      .objects = object ? object->objects : clip->objects,
      .object = object ? object->region->label : NULL};

  for (guint i = 0; i < clip->times->len; i++)
    times[i] = gst_segment_to_stream_time (&clip->segment, GST_FORMAT_TIME,
        g_array_index (clip->times, GstNevaSampleTime, i).pts);
  return gst_neva_text_expand (prompt, &text);
}

/* Everything of the question but its text. */
static NevaQuestion
make_question (const GstNevaLlmSettings *settings, const GstNevaLlmClip *clip,
    const GstNevaLlmPrompt *prompt, const GstNevaLlmObject *object,
    const GPtrArray *frames)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;

  question.frames =
      object ? &object->embedding : (NevaEmbedding *const *) frames->pdata;
  question.n_frames = object ? 1 : frames->len;
  if (GST_CLOCK_TIME_IS_VALID (clip->start) &&
      GST_CLOCK_TIME_IS_VALID (clip->end) && clip->end > clip->start)
    question.duration_ns = (gint64) (clip->end - clip->start);
  question.system_prompt = settings->system_prompt;
  question.conv_template = settings->conv_template;
  question.stop = (const char *const *) settings->end_strings;
  question.grammar =
      prompt->grammar ? prompt->grammar : settings->form.compiled;
  question.yes_no = prompt->alert;
  question.max_tokens =
      prompt->max_tokens ? prompt->max_tokens : settings->max_tokens;
  question.clean = settings->clean;
  question.insert_media = settings->insert_media;
  question.add_media_sep = settings->add_media_sep;
  question.sampling = settings->sampling;
  question.all_probs = settings->all_probs;
  return question;
}

/* ---- Memory ---- */

/* The newest n lines. */
static char *
join_last (const GPtrArray *lines, guint n)
{
  GString *s = g_string_new (NULL);

  for (guint i = lines->len - n; i < lines->len; i++) {
    if (s->len > 0)
      g_string_append_c (s, '\n');
    g_string_append (s, lines->pdata[i]);
  }
  return g_string_free (s, FALSE);
}

/* What may be in the prompt when it holds a memory: the answer keeps its room,
 * or, if it may be longer than what there is, half of that. */
static gsize
most_tokens (
    const NevaQuestion *question, gsize without, gsize context, guint most)
{
  const gsize left = context > without ? context - without : 0;
  const gsize room = left - MIN (question->max_tokens, left / 2);

  return without + MIN (room, most);
}

/* The prompt with as many of the lines as fit, the newest ones; *n: how many.
 * base: without any. (transfer full) */
static char *
prompt_with (const GstNevaLlmClip *clip, const GstNevaLlmObject *object,
    NevaModel *model, const NevaQuestion *asked, const char *base,
    const char *prompt, const GPtrArray *lines, guint most, guint *n)
{
  g_autofree char *placed = gst_neva_text_place_memory (prompt);
  g_autofree char *best = g_strdup (base);
  NevaQuestion question = *asked;
  gsize limit;

  *n = 0;
  question.prompt = base;
  limit = most_tokens (&question, neva_model_measure (model, &question, NULL),
      neva_model_get_info (model)->context_length, most);
  while (*n < lines->len) {
    g_autofree char *memory = join_last (lines, *n + 1);
    g_autofree char *text = expand_prompt (clip, object, placed, memory);
    gsize tokens;

    question.prompt = text;
    tokens = neva_model_measure (model, &question, NULL);
    if (tokens == 0 || tokens > limit)
      break;
    g_free (best);
    best = g_steal_pointer (&text);
    ++*n;
  }
  return g_steal_pointer (&best);
}

/* A yes/no question remembers nothing: its earlier answers would weigh. */
static char *
make_text (GstNevaLlm *self, const GstNevaLlmClip *clip, NevaModel *model,
    const GstNevaLlmPrompt *prompt, const GstNevaLlmObject *object,
    const NevaQuestion *question, const GstNevaLlmSettings *settings, guint *n)
{
  const GstNevaLlmMemorySettings *memory = &settings->memory;
  const char *text = prompt->text       ? prompt->text
                     : settings->prompt ? settings->prompt
                                        : neva_model_get_info (model)->prompt;
  g_autofree char *base = expand_prompt (clip, object, text, NULL);
  g_autoptr (GPtrArray) lines = NULL;

  if (memory->captions == 0 || prompt->alert)
    return g_steal_pointer (&base);
  g_mutex_lock (&self->lock);
  lines = gst_neva_llm_memory_recall (
      &self->memory, prompt->id, clip->epoch, memory->captions);
  g_mutex_unlock (&self->lock);
  return prompt_with (
      clip, object, model, question, base, text, lines, memory->tokens, n);
}

/* ---- Asking ---- */

/* Returns: FALSE when the clip is gone. */
static gboolean
ask_one (GstNevaLlm *self, GstNevaLlmClip *clip, GstNevaLlmQuestion *q,
    NevaModel *model, const GstNevaLlmSettings *settings, GPtrArray *frames,
    GCancellable *cancel)
{
  NevaQuestion question =
      make_question (settings, clip, q->prompt, q->object, frames);
  Call *call = call_new (self, clip, q);
  NevaRequest *request;
  GError *error = NULL;
  gboolean gone;

  question.stream = self->share.stream;
  question.priority = g_atomic_int_get (&self->share.priority);
  q->text = make_text (
      self, clip, model, q->prompt, q->object, &question, settings, &q->memory);
  question.prompt = q->text;
  request =
      neva_model_ask (model, &question, settings->partial ? on_partial : NULL,
          on_done, call, call_free, cancel, &error);
  if (!request)
    call_free (call);

  g_mutex_lock (&self->lock);
  /* A flush came in between? */
  gone = clip->state == GST_NEVA_LLM_CLIP_REMOVED;
  if (request && !gone)
    q->request = neva_request_ref (request);
  else if (!request &&
           !g_error_matches (error, NEVA_ERROR, NEVA_ERROR_CANCELLED))
    settle (self, clip, q, NULL, g_steal_pointer (&error));
  g_mutex_unlock (&self->lock);
  if (request && gone)
    neva_request_cancel (request);
  g_clear_pointer (&request, neva_request_unref);
  g_clear_error (&error);
  return !gone;
}

/* For the statistics, when no model was named here. */
static void
remember_model (GstNevaLlm *self, NevaModel *model)
{
  NevaModel *old;

  g_mutex_lock (&self->lock);
  old = self->model;
  self->model = neva_model_ref (model);
  g_mutex_unlock (&self->lock);
  if (old)
    neva_model_unref (old);
}

/* Lock held. FALSE when the clip is gone. */
static gboolean
begin (
    GstNevaLlmClip *clip, NevaModel *model, const GstNevaLlmSettings *settings)
{
  if (clip->state != GST_NEVA_LLM_CLIP_ASKED)
    return FALSE;
  clip->model = g_strdup (neva_model_get_info (model)->name);
  clip->questions = gst_neva_llm_clip_questions (clip, settings);
  clip->objects = gst_neva_llm_clip_last_objects (clip);
  clip->n_open = clip->questions->len;
  gst_neva_llm_clip_forget_frames (clip);
  return TRUE;
}

void
gst_neva_llm_ask (GstNevaLlm *self, GstNevaLlmClip *clip, GPtrArray *frames,
    GCancellable *cancel)
{
  g_autoptr (NevaModel) model = gst_neva_llm_wait_for_model (self, clip);
  GstNevaLlmSettings settings;
  gboolean there;

  if (!model)
    return;
  if (!gst_neva_llm_settle_handles (self, clip, model)) {
    g_mutex_lock (&self->lock);
    if (clip->state == GST_NEVA_LLM_CLIP_ASKED) {
      clip->state = GST_NEVA_LLM_CLIP_WAITING;
      self->n_asked--;
    }
    g_mutex_unlock (&self->lock);
    return;
  }
  remember_model (self, model);
  gst_neva_llm_get_settings (self, &settings);
  g_mutex_lock (&self->lock);
  there = begin (clip, model, &settings);
  g_mutex_unlock (&self->lock);
  for (guint i = 0; there && i < clip->questions->len; i++)
    there = ask_one (self, clip, clip->questions->pdata[i], model, &settings,
        frames, cancel);
  gst_neva_llm_settings_clear (&settings);
}
