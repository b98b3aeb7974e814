/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an answer of a NeMo model ends (spec 4.5): one that is a token ends it
 * as that token alone, any other where the text of prompt and answer ends with
 * it after a token. */
#include "config.h"
#include <string.h>
#include <neva/neva.h>
#include "check.h"

enum { MOST = 24, ASKED = 200 };

typedef struct {
  char *text; /* prompt and answer */
  guint tokens;
  gint32 last; /* id */
  NevaFinish finish;
} Answer;

static Answer
ask (NevaModel *model, guint64 seed, guint max_tokens, const char *end)
{
  const char *const ends[] = {end, NULL};
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  g_autoptr (NevaRequest) request = NULL;
  const NevaAnswer *a = NULL;
  g_autoptr (GError) error = NULL;
  Answer answer = {NULL};

  question.prompt = "What happens?";
  question.stop = ends;
  question.own_stops_only = question.full_text = TRUE;
  question.max_tokens = max_tokens;
  question.sampling.greedy = FALSE;
  question.sampling.temperature = 1.5;
  question.sampling.top_p = 0;
  question.sampling.seed = seed;
  request =
      neva_model_ask (model, &question, NULL, NULL, NULL, NULL, wait, &error);
  if (request)
    a = neva_request_wait (request, NULL, &error);
  CHECK (a != NULL, "%s", error ? error->message : "");
  if (a)
    answer = (Answer){g_strdup (a->full_text), a->generated_tokens,
        a->tokens[a->generated_tokens - 1].id, a->finish};
  return answer;
}

/* Whatever follows, one id ends answers for the letter, and eos. */
static void
test_token (NevaModel *model, guint64 seed)
{
  gint32 ids[2] = {-1, -1};
  guint ended = 0;

  for (guint i = 0; i < ASKED; i++) {
    Answer a = ask (model, seed + i, MOST, "e");

    if (a.finish == NEVA_FINISH_STOP) {
      ended++;
      if (ids[0] < 0 || ids[0] == a.last)
        ids[0] = a.last;
      else if (ids[1] < 0)
        ids[1] = a.last;
      CHECK (a.last == ids[0] || a.last == ids[1],
          "seed %" G_GUINT64_FORMAT ": ended by %d", seed + i, a.last);
    }
    g_free (a.text);
  }
  /* about one in twelve does */
  CHECK (ended > 0, "none of %d ended", ASKED);
}

/* The end of what n tokens gave, more than any token has, which begins
 * in the prompt for the first token. The answer ends at the first place where
 * its text ends so. */
static void
test_text (NevaModel *model, guint64 seed)
{
  char *texts[MOST + 1] = {NULL};
  guint made = 0;

  for (guint n = 1; n <= MOST && made + 1 == n; n++) {
    Answer a = ask (model, seed, n, NULL);

    texts[n] = a.text;
    made = a.finish == NEVA_FINISH_LENGTH ? n : made;
  }
  for (guint n = 1; n <= made; n += 3) {
    const gsize length = strlen (texts[n]);
    const char *end =
        g_utf8_offset_to_pointer (texts[n], g_utf8_strlen (texts[n], -1) - 12);
    guint first = 1;
    Answer a;

    while (first < n && !g_str_has_suffix (texts[first], end))
      first++;
    a = ask (model, seed, MOST, end);
    CHECK (length > 12 && a.tokens == first && a.finish == NEVA_FINISH_STOP,
        "\"%s\" after %u tokens, not %u", end, a.tokens, first);
    g_free (a.text);
  }
  for (guint n = 0; n <= MOST; n++)
    g_free (texts[n]);
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc, argv);
  const char *source = g_getenv ("NEVA_SOURCE");
  g_autofree char *path = g_build_filename (source ? source : ".", "tests",
      "data", "reference", "nemo-gpt2bpe", "model.nemo", NULL);
  g_autofree char *tower = g_build_filename (source ? source : ".", "tests",
      "data", "reference", "nemo-gpt2bpe", "tower", NULL);
  const NevaModelOptions options = {.vision_tower = tower};
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaModel) model =
      neva_model_open (path, &options, NULL, NULL, NULL, &error);

  CHECK (model != NULL, "%s", error ? error->message : "");
  if (model) {
    test_token (model, seed);
    for (guint i = 0; i < 3; i++)
      test_text (model, seed + i);
  }
  return check_finish ();
}
