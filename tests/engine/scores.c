/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What an answer says beside its text, on the model that ships: scores of the
 * prompt and of the answer against a pass of the model alone, full_text,
 * cleaning, the marker. */
#include "config.h"
#include <math.h>
#include <string.h>
#include <neva/neva.h>
#include "check.h"
#include "model/llava.h"
#include "text/clean.h"

static const NevaAnswer *
answer (NevaModel *model, const NevaQuestion *question, NevaRequest **request)
{
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  const NevaAnswer *a = NULL;

  *request =
      neva_model_ask (model, question, NULL, NULL, NULL, NULL, wait, &error);
  if (*request)
    a = neva_request_wait (*request, NULL, &error);
  CHECK (a != NULL, "%s", error ? error->message : "");
  return a;
}

/* Logits [n][vocab] of the ids by one pass. (transfer full) */
static float *
all_logits (const char *folder, const gint32 *ids, gsize n, gsize *vocab)
{
  const NevaModelOptions options = {.weights = NEVA_WEIGHTS_F32};
  g_autoptr (GError) error = NULL;
  NevaLlava *llava =
      neva_llava_load (folder, &options, NULL, NULL, NULL, &error);
  NevaSequence *sequence = llava ? neva_sequence_new (llava, &error) : NULL;
  NevaStepItem item = {
      .sequence = sequence, .ids = ids, .n = n, .all_logits = TRUE};

  if (!sequence)
    g_error ("%s", error->message);
  *vocab = neva_llava_config (llava)->text.vocab;
  item.logits = g_new (float, n **vocab);
  if (!neva_llava_step (llava, &item, 1, &error))
    g_error ("%s", error->message);
  neva_sequence_free (sequence);
  neva_llava_free (llava);
  return item.logits;
}

static double
logprob_of (const float *logits, gsize n, gint32 id)
{
  double sum = 0, max = logits[0];

  for (gsize i = 1; i < n; i++)
    max = MAX (max, (double) logits[i]);
  for (gsize i = 0; i < n; i++)
    sum += exp (logits[i] - max);
  return logits[id] - max - log (sum);
}

static void
test_scores (NevaModel *model, const char *folder)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  NevaRequest *request = NULL;
  const NevaAnswer *a;
  g_autofree gint32 *ids = NULL;
  g_autofree float *logits = NULL;
  gsize n, vocab;

  question.prompt = "A large red circle moves to the right. A small blue "
                    "square stays still on the left; a large green star "
                    "appears on the right. How many shapes are there in all, "
                    "and which of them is it that moves to the other side?";
  question.max_tokens = 5;
  question.all_probs = question.prompt_logprobs = TRUE;
  a = answer (model, &question, &request);
  if (!a)
    return;
  CHECK (a->prompt && a->tokens && a->full_logprob, "nothing is there");
  /* more than one chunk of scores */
  CHECK (a->prompt_tokens > 64, "%u tokens", a->prompt_tokens);
  n = a->prompt_tokens + a->generated_tokens;
  ids = g_new (gint32, n);
  for (guint i = 0; i < n; i++)
    ids[i] = i < a->prompt_tokens ? a->prompt[i].id
                                  : a->tokens[i - a->prompt_tokens].id;
  logits = all_logits (folder, ids, n, &vocab);
  CHECK (a->n_logprobs <= vocab && a->n_logprobs > 0, "%zu", a->n_logprobs);
  CHECK (a->prompt[0].logprob == 0, "%g", a->prompt[0].logprob);
  for (guint i = 1; i < n; i++) {
    const double want =
        logprob_of (logits + (i - 1) * vocab, a->n_logprobs, ids[i]);
    const double got = i < a->prompt_tokens
                           ? a->prompt[i].logprob
                           : a->tokens[i - a->prompt_tokens].logprob;

    /* passes of other lengths add in another order, f32 */
    CHECK (fabs (got - want) <= 2e-4 * (1 + fabs (want)), "%u: %g, not %g", i,
        got, want);
  }
  for (guint i = 0; i < a->generated_tokens; i++) {
    const float *all = a->full_logprob + i * a->n_logprobs;
    double sum = 0;

    for (gsize k = 0; k < a->n_logprobs; k++)
      sum += exp (all[k]);
    CHECK (fabs (sum - 1) <= 1e-4, "sum %g", sum);
    CHECK (fabs (all[a->tokens[i].id] - a->tokens[i].logprob) <= 1e-4, "%u", i);
  }
  neva_request_unref (request);

  /* nobody asked */
  question.all_probs = question.prompt_logprobs = FALSE;
  a = answer (model, &question, &request);
  CHECK (a && !a->prompt && !a->full_logprob && a->tokens && !a->full_text,
      "only what is asked for");
  neva_request_unref (request);
}

/* NeMo's rules: a text that is more than one token ends the answer when it has
 * been said. */
static void
test_own_stops (NevaModel *model)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  NevaRequest *request = NULL;
  const NevaAnswer *a;
  g_autofree char *all = NULL, *said = NULL;
  const char *ends[] = {NULL, NULL}, *space;
  guint n;

  question.prompt = "Describe the video.";
  question.max_tokens = 24;
  a = answer (model, &question, &request);
  if (!a)
    return;
  all = g_strdup (a->text);
  n = a->generated_tokens;
  neva_request_unref (request);
  space = strchr (all, ' ');
  space = space ? strchr (space + 1, ' ') : NULL;
  CHECK (space != NULL, "three words are needed: %s", all);
  if (!space)
    return;

  said = g_strndup (all, (gsize) (space - all));
  ends[0] = strchr (said, ' ') - 1; /* from within the first word */
  question.stop = ends;
  question.own_stops_only = TRUE;
  a = answer (model, &question, &request);
  CHECK (a && a->finish == NEVA_FINISH_STOP && a->generated_tokens < n,
      "'%s' does not end '%s'", ends[0], all);
  said[ends[0] - said] = '\0';
  CHECK_STR (a ? a->text : NULL, said);
  neva_request_unref (request);
}

static NevaEmbedding *
gray (NevaModel *model)
{
  static guint8 pixels[32 * 32 * 3];
  const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = 32,
      .height = 32,
      .plane = {memset (pixels, 0x80, sizeof pixels)},
      .stride = {32 * 3},
      .pts_ns = -1};
  g_autoptr (GCancellable) wait = g_cancellable_new ();

  return neva_model_encode (model, &frame, wait, NULL);
}

static void
test_texts (NevaModel *model)
{
  g_autoptr (NevaEmbedding) frame = gray (model);
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  NevaRequest *request = NULL;
  const NevaAnswer *a;
  g_autofree char *cleaned = NULL;

  CHECK (frame != NULL, "no frame");
  question.frames = &frame;
  question.n_frames = 1;
  question.prompt = "Describe it.";
  question.insert_media = NEVA_INSERT_RIGHT;
  question.media_type = NEVA_MEDIA_IMAGE;
  question.full_text = TRUE;
  question.max_tokens = 8;
  a = answer (model, &question, &request);
  CHECK (a && a->full_text &&
             g_str_has_prefix (a->full_text, "Describe it.<image>\n"),
      "%s", a ? a->full_text : "");
  CHECK (a && g_str_has_suffix (a->full_text, a->text), "%s", a->text);
  neva_request_unref (request);

  question.insert_media = NEVA_INSERT_LEFT;
  question.media_type = NEVA_MEDIA_VIDEO;
  question.clean = NEVA_CLEAN_NEMO;
  question.conv_template = "v1";
  question.own_stops_only = TRUE;
  a = answer (model, &question, &request);
  cleaned = a ? neva_clean_nemo ("v1", a->full_text) : NULL;
  CHECK (a && strstr (a->full_text, "USER: <video>Describe it. ASSISTANT:"),
      "%s", a ? a->full_text : "");
  CHECK_STR (a ? a->text : NULL, cleaned);
  neva_request_unref (request);
}

int
main (void)
{
  const char *source = g_getenv ("NEVA_SOURCE");
  g_autofree char *folder =
      source ? g_build_filename (source, "models", "demo", NULL) : NULL;
  const NevaModelOptions options = {.weights = NEVA_WEIGHTS_F32};
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaModel) model =
      folder ? neva_model_open (folder, &options, NULL, NULL, NULL, &error)
             : NULL;

  if (!folder)
    return 77;
  CHECK (model != NULL, "%s", error ? error->message : "");
  if (model) {
    test_scores (model, folder);
    test_texts (model);
    test_own_stops (model);
  }
  return check_finish ();
}
