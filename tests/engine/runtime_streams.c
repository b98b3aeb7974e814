/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sixteen streams on one real model in little KV memory, with frames, questions
 * and priorities of chance: every token is the one that the question gets when
 * it is alone. */
#include "config.h"
#include <neva/neva.h>
#include <string.h>
#include "check.h"

#define STREAMS 16
#define QUESTIONS 3 /* each */
#define MAX_FRAMES 3
#define SIDE 24 /* pixels */

typedef struct {
  guint8 pixels[MAX_FRAMES][SIDE * SIDE * 3];
  guint n_frames, max_tokens;
  gint priority;
  char *prompt;
  GArray *ids; /* gint32, what came */
} Case;

typedef struct {
  NevaModel *model;
  guint64 stream;
  Case *cases; /* [QUESTIONS] */
} Stream;

static void
make_case (Case *c, GRand *rand)
{
  static const char *const words[] = {"what", " moves", " here", " and",
      " where", " is", " the", " red", " one", "?"};
  GString *prompt = g_string_new (NULL);

  c->n_frames = (guint) g_rand_int_range (rand, 1, MAX_FRAMES + 1);
  for (guint i = 0; i < c->n_frames; i++)
    for (gsize k = 0; k < sizeof c->pixels[i]; k++)
      c->pixels[i][k] = (guint8) g_rand_int_range (rand, 0, 256);
  for (gint n = g_rand_int_range (rand, 1, 30); n > 0; n--)
    g_string_append (
        prompt, words[g_rand_int_range (rand, 0, G_N_ELEMENTS (words))]);
  c->prompt = g_string_free (prompt, FALSE);
  c->max_tokens = (guint) g_rand_int_range (rand, 1, 160);
  c->priority = g_rand_int_range (rand, -1, 2);
  c->ids = g_array_new (FALSE, FALSE, sizeof (gint32));
}

static void
clear_case (Case *c)
{
  g_free (c->prompt);
  g_array_unref (c->ids);
}

/* Waits for the answer. */
static GArray *
ask (NevaModel *model, guint64 stream, const Case *c)
{
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaRequest) request = NULL;
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  NevaEmbedding *frames[MAX_FRAMES];
  const NevaAnswer *answer;
  GArray *ids = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (guint i = 0; i < c->n_frames; i++) {
    const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
        .width = SIDE,
        .height = SIDE,
        .plane = {c->pixels[i]},
        .stride = {SIDE * 3},
        .pts_ns = i,
        .stream = stream,
        .priority = c->priority};

    frames[i] = neva_model_encode (model, &frame, wait, &error);
    if (!frames[i])
      g_error ("%s", error->message);
  }
  question.frames = frames;
  question.n_frames = c->n_frames;
  question.prompt = c->prompt;
  question.max_tokens = question.sampling.min_tokens = c->max_tokens;
  question.stream = stream;
  question.priority = c->priority;
  request =
      neva_model_ask (model, &question, NULL, NULL, NULL, NULL, wait, &error);
  for (guint i = 0; i < c->n_frames; i++)
    neva_embedding_unref (frames[i]);
  answer = request ? neva_request_wait (request, NULL, &error) : NULL;
  if (!answer)
    g_error ("\"%s\": %s", c->prompt, error->message);
  for (guint i = 0; i < answer->generated_tokens; i++)
    g_array_append_val (ids, answer->tokens[i].id);
  return ids;
}

static gpointer
run_stream (gpointer data)
{
  Stream *s = data;

  for (guint i = 0; i < QUESTIONS; i++) {
    g_array_unref (s->cases[i].ids);
    s->cases[i].ids = ask (s->model, s->stream, &s->cases[i]);
  }
  return NULL;
}

static NevaModel *
open_model (const char *folder, guint64 kv_cache_bytes)
{
  const NevaModelOptions options = {
      .weights = NEVA_WEIGHTS_F32, .kv_cache_bytes = kv_cache_bytes};
  g_autoptr (GError) error = NULL;
  NevaModel *model =
      neva_model_open (folder, &options, NULL, NULL, NULL, &error);

  if (!model)
    g_error ("%s: %s", folder, error->message);
  return model;
}

static void
check_together (const char *folder, Case cases[STREAMS][QUESTIONS], guint64 kv)
{
  g_autoptr (NevaModel) model = open_model (folder, kv);
  Stream streams[STREAMS];
  GThread *threads[STREAMS];
  NevaStats stats;

  for (guint i = 0; i < STREAMS; i++) {
    streams[i] = (Stream){model, neva_stream_new (), cases[i]};
    threads[i] = g_thread_new ("stream", run_stream, &streams[i]);
  }
  for (guint i = 0; i < STREAMS; i++)
    g_thread_join (threads[i]);
  neva_model_get_stats (model, &stats);
  CHECK (stats.answers == STREAMS * QUESTIONS && stats.failed == 0,
      "%d answers", (int) stats.answers);
  CHECK (stats.kv_bytes_peak <= kv, "beyond the bound");
  CHECK (stats.paused > 0, "there was room for all");
  printf ("%s: %d times paused\n", folder, (int) stats.paused);
}

static void
check_folder (const char *folder, GRand *rand)
{
  Case cases[STREAMS][QUESTIONS];
  g_autoptr (NevaModel) alone = open_model (folder, 0);
  NevaStats stats;

  for (guint i = 0; i < STREAMS; i++)
    for (guint k = 0; k < QUESTIONS; k++)
      make_case (&cases[i][k], rand);
  g_array_unref (ask (alone, 0, &cases[0][0]));
  neva_model_get_stats (alone, &stats);
  g_assert (stats.kv_bytes_peak > 0);
  check_together (folder, cases, stats.kv_bytes_peak * 6);
  for (guint i = 0; i < STREAMS; i++) {
    for (guint k = 0; k < QUESTIONS; k++) {
      Case *c = &cases[i][k];
      g_autoptr (GArray) ids = ask (alone, 0, c);

      CHECK (ids->len == c->ids->len && ids->len > 0 &&
                 !memcmp (ids->data, c->ids->data, ids->len * sizeof (gint32)),
          "stream %u, question %u: other tokens than alone", i, k);
      clear_case (c);
    }
  }
}

int
main (int argc, char **argv)
{
  GRand *rand = g_rand_new_with_seed ((guint32) check_seed (argc, argv));
  const char *source = g_getenv ("NEVA_SOURCE");
  static const char *const names[] = {
      "clip-llama3-bf16-shards", "siglip-qwen2-tied"};

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *folder = g_build_filename (
        source ? source : ".", "tests", "data", "reference", names[i], NULL);

    check_folder (folder, rand);
  }
  g_rand_free (rand);
  return check_finish ();
}
