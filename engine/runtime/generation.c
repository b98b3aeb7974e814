/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <math.h>
#include "runtime/generation.h"

/* Tokens whose prompt is scored in one step: each needs the logits of the whole
 * vocabulary. */
#define MAX_SCORED 64

static NevaToken *
list_prompt (const NevaFed *fed)
{
  NevaToken *tokens = g_new (NevaToken, fed->ids->len);

  for (guint i = 0; i < fed->ids->len; i++)
    tokens[i] = (NevaToken){g_array_index (fed->ids, gint32, i), 0.0};
  return tokens;
}

static float *
combine (NevaDriver *driver, const NevaQuestion *question)
{
  g_autofree const float **features =
      g_new (const float *, question->n_frames + 1);

  if (!driver->klass->combine || !question->n_frames)
    return NULL;
  for (gsize i = 0; i < question->n_frames; i++)
    features[i] = question->frames[i]->features;
  return driver->klass->combine (driver, features, question->n_frames);
}

NevaGeneration *
neva_generation_new (NevaDriver *driver, NevaPrefixes *prefixes,
    NevaRequest *request, GError **error)
{
  const NevaQuestion *question = &request->question;
  NevaGeneration *g = g_new0 (NevaGeneration, 1);

  g->request = neva_request_ref (request);
  g->driver = driver;
  g->prefixes = prefixes;
  g->admitted_us = g_get_monotonic_time ();
  g->rows = g_ptr_array_new ();
  g->ids = g_array_new (FALSE, FALSE, sizeof (gint32));
  g->tokens = g_array_new (FALSE, FALSE, sizeof (NevaToken));
  g->logprobs = g_array_new (FALSE, FALSE, sizeof (float));
  g->combined = combine (driver, question);
  g->fed = neva_fed_new (&request->prompt, question->frames, question->n_frames,
      g->combined != NULL);
  g->answer.prompt_tokens = request->prompt.ids->len;
  if (question->prompt_logprobs)
    g->prompt = list_prompt (g->fed);
  g->state =
      driver->klass->answer_new (driver, question, &request->prompt, error);
  if (!g->state) {
    neva_generation_free (g);
    return NULL;
  }
  return g;
}

void
neva_generation_free (NevaGeneration *g)
{
  if (g->state)
    g->driver->klass->answer_free (g->state);
  if (g->sequence && g->n_fed > 0)
    neva_prefixes_put (g->prefixes, g->sequence, g->fed, g->n_fed);
  else {
    if (g->sequence)
      g->driver->klass->sequence_free (g->driver, g->sequence);
    neva_fed_free (g->fed);
  }
  g_ptr_array_unref (g->rows);
  g_array_unref (g->ids);
  g_free (g->combined);
  g_free (g->prompt);
  g_array_unref (g->tokens);
  g_array_unref (g->logprobs);
  neva_request_unref (g->request);
  g_free (g);
}

/* Of those that have begun, the one that has most of `g`'s beginning in what it
 * feeds or has fed: *length tokens. */
static NevaGeneration *
find_leader (const NevaGeneration *g, const GPtrArray *running, gsize *length)
{
  NevaGeneration *leader = NULL;

  *length = 0;
  for (guint i = 0; i < running->len; i++) {
    NevaGeneration *other = running->pdata[i];
    gsize common;

    if (other == g || !other->sequence)
      continue;
    common = neva_fed_common (other->fed, other->fed->ids->len, g->fed);
    if (common > *length) {
      leader = other;
      *length = common;
    }
  }
  return leader;
}

gboolean
neva_generation_begin (
    NevaGeneration *g, const GPtrArray *running, GError **error)
{
  const NevaDriverClass *klass = g->driver->klass;
  NevaGeneration *leader = NULL;
  gsize common = 0;

  if (g->sequence)
    return TRUE;
  if (!g->prompt && klass->sequence_fork) {
    leader = find_leader (g, running, &common);
    g->sequence = neva_prefixes_take (g->prefixes, g->fed, common, &g->n_fed);
  }
  if (!g->sequence && leader) {
    if (leader->n_fed < common)
      return TRUE;
    g->sequence = klass->sequence_fork (g->driver, leader->sequence, common);
    g->n_fed = common;
  }
  if (!g->sequence)
    g->sequence = klass->sequence_new (g->driver, error);
  if (!g->prefilled_us)
    g->answer.reused_tokens = (guint) g->n_fed;
  return g->sequence != NULL;
}

gsize
neva_generation_need (const NevaGeneration *g, const GPtrArray *running)
{
  gsize shared = 0;

  if (!g->prompt) {
    find_leader (g, running, &shared);
    shared = MAX (shared, neva_prefixes_longest (g->prefixes, g->fed));
  }
  return g->fed->ids->len - shared;
}

gsize
neva_generation_pending (const NevaGeneration *g)
{
  return g->fed->ids->len - g->n_fed;
}

/* The feature row at `position`, or NULL outside the media run. */
static const float *
row_at (const NevaGeneration *g, gsize position)
{
  const NevaFed *fed = g->fed;
  const gsize at = position - fed->media_start;
  gsize per_frame;

  if (position < fed->media_start || at >= fed->media_len)
    return NULL;
  if (fed->slots && g_array_index (fed->slots, gint32, at) < 0)
    return NULL;
  if (g->combined)
    return g->combined +
           (fed->slots ? (gsize) g_array_index (fed->slots, gint32, at) : at) *
               g->driver->row_floats;
  per_frame = fed->media_len / fed->frames->len;
  return g->request->question.frames[at / per_frame]->features +
         at % per_frame * g->driver->row_floats;
}

/* The media run's part of an item: rows, and ids that are embedded in place of
 * others. */
static void
plan_media (NevaGeneration *g, NevaDriverItem *item)
{
  const NevaFed *fed = g->fed;

  g_ptr_array_set_size (g->rows, 0);
  for (gsize i = 0; i < item->n; i++)
    g_ptr_array_add (g->rows, (gpointer) row_at (g, g->n_fed + i));
  item->rows = (const float *const *) g->rows->pdata;
  if (!fed->slots)
    return;
  g_array_set_size (g->ids, 0);
  g_array_append_vals (g->ids, item->ids, (guint) item->n);
  for (gsize i = 0; i < item->n; i++) {
    const gsize at = g->n_fed + i - fed->media_start;

    if (g->n_fed + i >= fed->media_start && at < fed->media_len &&
        g_array_index (fed->slots, gint32, at) < 0)
      g_array_index (g->ids, gint32, i) =
          ~g_array_index (fed->slots, gint32, at);
  }
  item->ids = (const gint32 *) (void *) g->ids->data;
}

void
neva_generation_plan (NevaGeneration *g, gsize max, NevaDriverItem *item)
{
  const NevaFed *fed = g->fed;
  const gsize pending = neva_generation_pending (g);
  const gsize scored = g->prompt && g->n_fed + 1 < g->answer.prompt_tokens
                           ? g->answer.prompt_tokens - 1 - g->n_fed
                           : 0;
  const gsize n = MIN (pending, scored ? MIN (max, MAX_SCORED) : max);

  g->n_planned = n;
  *item = (NevaDriverItem){.sequence = g->sequence,
      .ids = &g_array_index (fed->ids, gint32, g->n_fed),
      .n = n,
      .answer = n == pending ? g->state : NULL};
  if (scored) {
    item->scores = &g->prompt[g->n_fed + 1];
    item->n_scores = MIN (n, scored);
  }

  if (g->n_fed < fed->media_start + fed->media_len &&
      g->n_fed + n > fed->media_start)
    plan_media (g, item);
}

static void
end (NevaGeneration *g, NevaFinish finish)
{
  g->ended = TRUE;
  g->finish = finish;
}

static void
keep_token (NevaGeneration *g, const NevaDriverItem *item)
{
  const NevaDriverClass *klass = g->driver->klass;
  const NevaToken token = {item->token, item->logprob};

  g_array_append_val (g->tokens, token);
  if (g->request->question.all_probs && klass->answer_logprobs) {
    const float *all = klass->answer_logprobs (g->state, &g->answer.n_logprobs);

    g_array_append_vals (g->logprobs, all, (guint) g->answer.n_logprobs);
  }
}

gboolean
neva_generation_advance (
    NevaGeneration *g, const NevaDriverItem *item, GError **error)
{
  const NevaDriverClass *klass = g->driver->klass;
  const NevaQuestion *question = &g->request->question;
  const gint64 now = g_get_monotonic_time ();

  g->n_fed += g->n_planned;
  if (!item->answer)
    return TRUE;
  if (!g->prefilled_us)
    g->prefilled_us = now;
  if (item->token == NEVA_TOKEN_NOT_YET)
    return TRUE;
  if (item->token < 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_FILE,
        "the model '%s' produced no finite value: are its weights intact?",
        g->driver->info.name);
    return FALSE;
  }

  if (!g->first_token_us) {
    g->first_token_us = now;
    g->answer.yes_probability = question->yes_no ? item->yes : NAN;
  }
  g_array_append_val (g->fed->ids, item->token);
  g->answer.generated_tokens++;
  g->sum_logprob += item->logprob;
  keep_token (g, item);

  if (klass->answer_push (g->state, item->token))
    end (g, NEVA_FINISH_STOP);
  else if (g->answer.generated_tokens >= question->max_tokens ||
           g->fed->ids->len > g->driver->info.context_length)
    end (g, NEVA_FINISH_LENGTH);
  else
    neva_request_call_partial (g->request, klass->answer_text (g->state));
  return TRUE;
}

void
neva_generation_rewind (NevaGeneration *g)
{
  g->driver->klass->sequence_truncate (g->driver, g->sequence, g->n_fed);
}

void
neva_generation_restart (NevaGeneration *g)
{
  g->n_fed = 0;
  if (g->sequence)
    g->driver->klass->sequence_free (g->driver, g->sequence);
  g->sequence = NULL;
}

void
neva_generation_fail (NevaGeneration *g, GError *error)
{
  /* Nobody should build on what went wrong. */
  neva_generation_restart (g);
  neva_request_fail (g->request, error);
}

void
neva_generation_settle (NevaGeneration *g)
{
  const gint64 now = g_get_monotonic_time ();
  const NevaRequest *request = g->request;
  NevaAnswer *answer = &g->answer;

  answer->finish = g->finish;
  answer->mean_logprob = g->sum_logprob / answer->generated_tokens;
  answer->encode_ns = (request->encoded_us - request->asked_us) * 1000;
  answer->queue_ns = (g->admitted_us - request->encoded_us) * 1000;
  answer->prefill_ns = (g->prefilled_us - g->admitted_us) * 1000;
  answer->first_token_ns = (g->first_token_us - request->asked_us) * 1000;
  answer->decode_ns = (now - g->prefilled_us) * 1000;
  answer->text = g->driver->klass->answer_finish (g->state,
      (const gint32 *) (void *) g->fed->ids->data, g->fed->ids->len,
      (char **) &answer->full_text);
  answer->prompt = g_steal_pointer (&g->prompt);
  answer->tokens = (const NevaToken *) (void *) g_array_steal (g->tokens, NULL);
  if (g->logprobs->len > 0)
    answer->full_logprob =
        (const float *) (void *) g_array_steal (g->logprobs, NULL);
  neva_request_answer (g->request, answer);
}
