/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model that ships, under a grammar: its answers are sentences of it, end
 * in time, and do not change what is answered beside them. */
#include "config.h"
#include <neva/neva.h>
#include <string.h>
#include "accepts.h"
#include "check.h"

enum { SIDE = 64, FRAMES = 8 };

/* One red picture, eight times. */
static void
encode (NevaModel *model, NevaEmbedding **frames)
{
  static guint8 rgb[SIDE * SIDE * 3];
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = SIDE,
      .height = SIDE,
      .plane = {rgb},
      .stride = {SIDE * 3},
      .pts_ns = -1};

  for (guint i = 0; i < sizeof rgb; i += 3)
    rgb[i] = 255;
  for (guint i = 0; i < FRAMES; i++) {
    g_autoptr (GError) error = NULL;

    frames[i] = neva_model_encode (model, &frame, wait, &error);
    if (!frames[i])
      g_error ("%s", error->message);
  }
}

static NevaRequest *
ask (NevaModel *model, NevaEmbedding *const *frames, NevaGrammar *grammar,
    guint max_tokens, guint64 seed)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  NevaRequest *request;

  question.frames = frames;
  question.n_frames = FRAMES;
  question.prompt = "Describe the video.";
  question.grammar = grammar;
  question.max_tokens = max_tokens;
  question.sampling.greedy = seed == 0;
  question.sampling.temperature = 5.0;
  question.sampling.top_p = 1.0;
  question.sampling.seed = seed;
  request =
      neva_model_ask (model, &question, NULL, NULL, NULL, NULL, wait, &error);
  if (!request)
    g_error ("%s", error->message);
  return request;
}

static char *
text_of (NevaRequest *request)
{
  g_autoptr (GError) error = NULL;
  const NevaAnswer *answer = neva_request_wait (request, NULL, &error);

  CHECK (answer, "%s", error ? error->message : "");
  return g_strdup (answer ? answer->text : "");
}

static void
test_answers (NevaModel *model, NevaEmbedding *const *frames, guint64 seed)
{
  g_autoptr (NevaGrammar) json = neva_grammar_new_json_schema (
      "{\"type\":\"object\",\"properties\":{\"shape\":{\"type\":\"string\"},"
      "\"count\":{\"type\":\"integer\",\"minimum\":0,\"maximum\":4}},"
      "\"required\":[\"shape\",\"count\"]}",
      NULL);
  static const char *const colours[] = {"red", "blue", NULL};
  g_autoptr (NevaGrammar) choice = neva_grammar_new_choices (colours, NULL);
  g_autoptr (NevaRequest) alone = ask (model, frames, NULL, 30, 0);
  g_autofree char *before = text_of (alone), *after = NULL;

  for (guint i = 0; i < 6; i++) {
    /* 24 bytes at least: { "shape":"","count":0 } */
    g_autoptr (NevaRequest) a = ask (model, frames, json, 24 + 7 * i, seed + i);
    g_autoptr (NevaRequest) b = ask (model, frames, choice, 10, i);
    g_autoptr (NevaRequest) c = ask (model, frames, NULL, 30, 0);
    g_autofree char *object = text_of (a), *colour = text_of (b);

    CHECK (accepts (json, object), "%s", object);
    CHECK (accepts (choice, colour), "%s", colour);
    after = text_of (c);
    CHECK_STR (after, before);
    g_clear_pointer (&after, g_free);
  }
}

static void
test_too_few (NevaModel *model, NevaEmbedding *const *frames)
{
  static const char *const long_one[] = {"a rather long answer", NULL};
  g_autoptr (NevaGrammar) grammar = neva_grammar_new_choices (long_one, NULL);
  g_autoptr (NevaRequest) request = ask (model, frames, grammar, 5, 0);
  GError *error = NULL;

  CHECK (!neva_request_wait (request, NULL, &error), "five tokens");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "max-tokens 5");
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc, argv);
  const char *root = g_getenv ("NEVA_SOURCE") ? g_getenv ("NEVA_SOURCE") : ".";
  g_autofree char *demo = g_build_filename (root, "models", "demo", NULL);
  NevaEmbedding *frames[FRAMES];
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaModel) model = NULL;

  model = neva_model_open (demo, NULL, NULL, NULL, NULL, &error);
  if (!model)
    g_error ("%s", error->message);
  encode (model, frames);
  test_answers (model, frames, seed);
  test_too_few (model, frames);
  for (guint i = 0; i < FRAMES; i++)
    neva_embedding_unref (frames[i]);
  return check_finish ();
}
