/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several questions about one clip, asked at once: what they begin with, the
 * visual tokens included, is computed once, and each answer has the ids that it
 * has when it is asked alone. */
#include "config.h"
#include <string.h>
#include "runtime_helpers.h"
#include "text/prompt.h"

#define FRAMES 2
#define MAX_TOKENS 6

static const char *const prompts[] = {"Describe the video.",
    "How many objects are there, and what colour has each of them?",
    "Describe the video in one word.", "Is anything moving?",
    "Describe the video."};

#define PROMPTS G_N_ELEMENTS (prompts)

typedef struct {
  GArray *ids; /* NevaToken */
  guint prompt, reused;
} Result;

static void
result_clear (Result *r, gsize n)
{
  for (gsize i = 0; i < n; i++)
    g_array_unref (r[i].ids);
}

/* Frames of noise, the same for the same seed. */
static void
encode_noise (NevaModel *model, guint32 seed, NevaEmbedding *frames[FRAMES])
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autofree guint8 *pixels = g_malloc (3 * 40 * 30);

  for (guint f = 0; f < FRAMES; f++) {
    const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
        .width = 40,
        .height = 30,
        .plane = {pixels},
        .stride = {3 * 40},
        .pts_ns = f};
    g_autoptr (GError) error = NULL;

    for (guint i = 0; i < 3 * 40 * 30; i++)
      pixels[i] = (guint8) g_rand_int (rand);
    frames[f] = neva_model_encode (model, &frame, NULL, &error);
    if (!frames[f])
      g_error ("no frame: %s", error->message);
  }
}

static NevaRequest *
ask_prompt (NevaModel *model, const char *template, NevaEmbedding **frames,
    const char *prompt)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GError) error = NULL;
  NevaRequest *request;

  question.frames = frames;
  question.n_frames = FRAMES;
  question.prompt = prompt;
  question.conv_template = template;
  question.max_tokens = MAX_TOKENS;
  request =
      neva_model_ask (model, &question, NULL, NULL, NULL, NULL, NULL, &error);
  if (!request)
    g_error ("%s: %s", template ? template : "", error->message);
  return request;
}

/* All of `which` at once. Returns: the most bytes of KV cache in use. */
static guint64
ask_all (const char *folder, const NevaModelOptions *options,
    const char *template, guint32 seed, const char *const *which, gsize n,
    Result *results)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaModel) model =
      neva_model_open (folder, options, NULL, NULL, NULL, &error);
  NevaEmbedding *frames[FRAMES];
  NevaRequest *requests[PROMPTS];
  NevaStats stats;

  if (!model)
    g_error ("%s: %s", folder, error->message);
  encode_noise (model, seed, frames);
  for (gsize i = 0; i < n; i++)
    requests[i] = ask_prompt (model, template, frames, which[i]);
  for (gsize i = 0; i < n; i++) {
    const NevaAnswer *answer = must_answer (requests[i]);

    results[i].ids = g_array_new (FALSE, FALSE, sizeof (NevaToken));
    g_array_append_vals (
        results[i].ids, answer->tokens, answer->generated_tokens);
    results[i].prompt = answer->prompt_tokens;
    results[i].reused = answer->reused_tokens;
    neva_request_unref (requests[i]);
  }
  neva_model_get_stats (model, &stats);
  for (guint f = 0; f < FRAMES; f++)
    neva_embedding_unref (frames[f]);
  return stats.kv_bytes_peak;
}

static gboolean
same_ids (const GArray *a, const GArray *b)
{
  if (a->len != b->len)
    return FALSE;
  for (guint i = 0; i < a->len; i++)
    if (g_array_index (a, NevaToken, i).id !=
        g_array_index (b, NevaToken, i).id)
      return FALSE;
  return TRUE;
}

/* The first n prompts; media: tokens of the frames in each. Returns: as ask_all
 * (). */
static guint64
check_questions (const char *folder, NevaModelOptions options,
    const char *template, guint32 seed, guint media, gsize n)
{
  static guint64 serial;
  Result together[PROMPTS], alone[PROMPTS];
  const guint64 bound = options.kv_cache_bytes;
  guint64 of_one = 0, peak;
  guint firsts = 0;

  options.weights = NEVA_WEIGHTS_F32; /* the ids are exact in f32 */
  for (gsize i = 0; i < n; i++) {
    /* another number makes another model, which has seen nothing */
    options.kv_cache_bytes = (64u << 20) + serial++;
    peak =
        ask_all (folder, &options, template, seed, prompts + i, 1, alone + i);
    of_one = MAX (of_one, peak);
  }
  options.kv_cache_bytes = bound;
  peak = ask_all (folder, &options, template, seed, prompts, n, together);
  CHECK (peak < n * of_one, "nothing was shared");
  for (gsize i = 0; i < n; i++) {
    CHECK (same_ids (alone[i].ids, together[i].ids), "%s, %s: \"%s\"", folder,
        template ? template : "its own template", prompts[i]);
    CHECK (alone[i].reused == 0 && alone[i].prompt == together[i].prompt,
        "%u reused, %u and %u tokens", alone[i].reused, alone[i].prompt,
        together[i].prompt);
    firsts += together[i].reused < media;
  }
  /* what is short of memory may have to give it up */
  CHECK (firsts == 1 || bound, "%s: visual tokens were computed %u times",
      folder, firsts);
  result_clear (alone, n);
  result_clear (together, n);
  return peak;
}

static guint
media_of (const char *folder)
{
  g_autoptr (NevaModel) model = must_open (folder);

  return FRAMES * neva_model_get_info (model)->tokens_per_frame;
}

static void
check_models (guint32 seed)
{
  static const char *const names[] = {"clip-llama3-bf16-shards",
      "siglip-qwen2-tied", "nemo-sp-legacy", "nemo-lita-pool"};
  const char *source = g_getenv ("NEVA_SOURCE");
  g_autofree char *demo = g_build_filename (source, "models", "demo", NULL);
  const guint demo_media = media_of (demo);
  NevaModelOptions options = {0};

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *folder =
        g_build_filename (source, "tests", "data", "reference", names[i], NULL);
    g_autofree char *nemo = g_build_filename (folder, "model.nemo", NULL);
    g_autofree char *tower = g_build_filename (folder, "tower", NULL);
    const gboolean is_nemo = g_file_test (nemo, G_FILE_TEST_EXISTS);

    options.vision_tower = is_nemo ? tower : NULL;
    /* pooling leaves fewer rows than the frames have */
    check_questions (is_nemo ? nemo : folder, options, NULL, seed, 4, PROMPTS);
  }
  for (const char *const *t = neva_prompt_templates (); *t; t++)
    check_questions (demo, (NevaModelOptions){0}, *t, seed, demo_media, 3);
  for (options = (NevaModelOptions){.tensor_parallel = 1};
       options.tensor_parallel <= 2; options.tensor_parallel++) {
    options.kv_cache_bytes = 0;
    options.kv_cache_bytes =
        check_questions (demo, options, NULL, seed, demo_media, PROMPTS) / 2;
    check_questions (demo, options, NULL, seed, demo_media, PROMPTS);
  }
}

/* ---- Fake models: the order of events ----------------------------------- */

static void
expect_echo (NevaRequest *request, const char *prompt)
{
  const NevaAnswer *answer = must_answer (request);

  CHECK (g_str_has_prefix (answer->text, prompt), "\"%.40s\" is not \"%.40s\"",
      answer->text, prompt);
}

/* The one that feeds what all begin with goes away, at some time or other. */
static void
check_leader_cancelled (guint32 seed)
{
  g_autoptr (NevaModel) model = must_open ("fake:echo");
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autofree char *long_text = g_strnfill (3000, 'x');

  for (guint round = 0; round < 20; round++) {
    NevaEmbedding *frame = encode (model, round, NULL, NULL);
    NevaRequest *requests[4];

    for (guint i = 0; i < 4; i++) {
      g_autofree char *prompt = g_strdup_printf ("%s%u", long_text, i);

      requests[i] = ask (model, prompt, &frame, 1, NULL, NULL, NULL);
    }
    g_usleep ((gulong) g_rand_int_range (rand, 0, 500));
    neva_request_cancel (requests[0]);
    for (guint i = 1; i < 4; i++) {
      g_autofree char *want =
          g_strdup_printf ("prompt=%s%u; frames=1", long_text, i);

      expect_echo (requests[i], want);
    }
    for (guint i = 0; i < 4; i++)
      neva_request_unref (requests[i]);
    neva_embedding_unref (frame);
  }
}

/* All four are admitted in one turn, when the frame is ready. */
static void
check_counts (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:echo?encode=30&delay=20");
  g_autoptr (NevaEmbedding) frame = encode (model, 0, NULL, NULL);
  NevaRequest *requests[4];
  NevaStats stats;

  for (guint i = 0; i < 4; i++) {
    const char text[] = {'A', 'B', (char) ('0' + i), '\0'};

    requests[i] = ask (model, text, &frame, 1, NULL, NULL, NULL);
  }
  for (guint i = 0; i < 4; i++) {
    const NevaAnswer *answer = must_answer (requests[i]);

    /* system end, 4 of the frame, A, B, a digit, the end */
    CHECK (answer->prompt_tokens == 9, "%u", answer->prompt_tokens);
    CHECK (answer->reused_tokens == (i ? 7 : 0), "%u: %u", i,
        answer->reused_tokens);
    neva_request_unref (requests[i]);
  }
  neva_model_get_stats (model, &stats);
  CHECK (stats.prompt_tokens == 36 && stats.reused_tokens == 21,
      "%" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT, stats.reused_tokens,
      stats.prompt_tokens);
}

/* Shared or not, what does not fit is put off, and answered. */
static void
check_short_memory (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:echo?encode=10&kv=260");
  g_autofree char *text = g_strnfill (60, 'y');

  for (guint round = 0; round < 5; round++) {
    g_autoptr (NevaEmbedding) frame = encode (model, round, NULL, NULL);
    NevaRequest *requests[6];

    for (guint i = 0; i < 6; i++) {
      g_autofree char *prompt = g_strdup_printf ("%s%u", text, i);

      requests[i] = ask (model, prompt, &frame, 1, NULL, NULL, NULL);
    }
    for (guint i = 0; i < 6; i++) {
      g_autofree char *want =
          g_strdup_printf ("prompt=%s%u; frames=1", text, i);

      expect_echo (requests[i], want);
      neva_request_unref (requests[i]);
    }
  }
}

int
main (int argc, char **argv)
{
  const guint32 seed = (guint32) check_seed (argc, argv);

  check_counts ();
  check_short_memory ();
  check_leader_cancelled (seed);
  check_models (seed);
  return check_finish ();
}
