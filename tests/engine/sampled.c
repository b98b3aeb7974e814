/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Tokens chosen on a GPU (the emulation's) are those that the host chooses from
 * the same logits: by the backend in a step that becomes a graph, and by the
 * runtime, where greedy, sampled and masked answers run together. */
#include "config.h"
#include <glib/gstdio.h>
#include <math.h>
#include <neva/neva.h>
#include <string.h>
#include "backend/backend.h"
#include "check.h"
#include "model/sampler.h"
#include "random_model.h"

enum { ROWS = 5, STEPS = 3, MAX_TOKENS = 12 };

static const RandomModel model = {"llama", "llama", NULL, FALSE, 64, 2, 4, 2,
    16, 96, 0, FALSE, 64, 2, 100, 2, 0, "F32"};

/* ---- Backends ----------------------------------------------------------- */

static const NevaSampling settings[ROWS] = {
    {.greedy = TRUE},
    {.temperature = 0.7, .repetition_penalty = 1, .top_p = 0.9, .seed = 3},
    {.temperature = 1,
        .repetition_penalty = 1.3,
        .top_k = 5,
        .seed = 4,
        .min_tokens = 3},
    {.temperature = 3,
        .repetition_penalty = 1.2,
        .top_p = 0.5,
        .top_k = 6,
        .penalty_mode = NEVA_PENALTY_NEMO,
        .compute_logprob = TRUE,
        .seed = 5},
    {.temperature = 1.5, .repetition_penalty = 1, .seed = 6},
};

typedef struct {
  NevaBackend *b;
  gsize vocab;
  float *logits, *uploaded; /* host, device: [ROWS][vocab] */
  NevaSampleRow rows[ROWS];
  NevaSampled *chosen; /* device */
} Step;

static void
queue_step (gpointer data)
{
  const Step *s = data;

  neva_backend_upload (
      s->b, s->uploaded, s->logits, ROWS * s->vocab * sizeof (float));
  neva_backend_sample (s->b, s->chosen, s->uploaded, s->vocab, s->rows, ROWS);
}

/* Coarse ones are often equal. */
static void
fill (GRand *rand, float *logits, gsize n, gboolean coarse)
{
  for (gsize i = 0; i < n; i++) {
    const double x = g_rand_double_range (rand, -8, 8);

    logits[i] = (float) (coarse ? round (x) : x);
    if (g_rand_int_range (rand, 0, 40) == 0)
      logits[i] = -INFINITY;
  }
  logits[n / 2] = 8;
}

static void
check_step (Step *s, NevaSampler **here, NevaSampler **there, GRand *rand)
{
  NevaSampled chosen[ROWS];

  fill (rand, s->logits, ROWS * s->vocab, g_rand_boolean (rand));
  for (int r = 0; r < ROWS; r++)
    neva_sampler_prepare (there[r], NULL, &s->rows[r]);
  neva_backend_step (s->b, 1, queue_step, s);
  neva_backend_download (s->b, chosen, s->chosen, sizeof chosen);
  CHECK (neva_backend_synchronize (s->b, NULL), "synchronize");
  for (int r = 0; r < ROWS; r++) {
    double a = 1, b = 2;
    const gint32 want = neva_sampler_next (
        here[r], s->logits + (gsize) r * s->vocab, s->vocab, &a);
    const gint32 got = neva_sampler_commit (there[r], &chosen[r], &b);

    CHECK (want >= 0 && got == want && memcmp (&a, &b, sizeof a) == 0,
        "vocabulary %zu, row %d: %d (%.17g), not %d (%.17g)", s->vocab, r, got,
        b, want, a);
  }
}

static void
test_backend (const char *device, gsize vocab, guint steps, guint32 seed)
{
  g_autoptr (NevaBackend) b = neva_backend_new (device, 2, NULL);
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  const gsize bytes = ROWS * vocab * sizeof (float);
  Step s = {.b = b, .vocab = vocab};
  NevaSampler *here[ROWS], *there[ROWS];
  const gint32 prompt[] = {1, 5, 3};

  g_assert (b);
  s.logits = g_malloc (bytes);
  s.uploaded = neva_backend_alloc (b, bytes, NULL);
  s.chosen = neva_backend_alloc (b, ROWS * sizeof *s.chosen, NULL);
  for (int r = 0; r < ROWS; r++) {
    here[r] = neva_sampler_new (&settings[r], vocab, 2, NULL);
    there[r] = neva_sampler_new (&settings[r], vocab, 2, NULL);
    neva_sampler_accept_prompt (here[r], prompt, 3);
    neva_sampler_accept_prompt (there[r], prompt, 3);
  }
  for (guint i = 0; i < steps; i++)
    check_step (&s, here, there, rand);
  for (int r = 0; r < ROWS; r++) {
    neva_sampler_free (here[r]);
    neva_sampler_free (there[r]);
  }
  neva_backend_release (b, s.uploaded, bytes);
  neva_backend_release (b, s.chosen, ROWS * sizeof *s.chosen);
  g_free (s.logits);
}

/* ---- The runtime -------------------------------------------------------- */

static NevaEmbedding *
encode (NevaModel *m)
{
  enum { SIDE = RANDOM_MODEL_IMAGE };
  static guint8 rgb[SIDE * SIDE * 3];
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = SIDE,
      .height = SIDE,
      .plane = {rgb},
      .stride = {SIDE * 3},
      .pts_ns = -1};

  for (guint i = 0; i < sizeof rgb; i++)
    rgb[i] = (guint8) (i * 7);
  return neva_model_encode (m, &frame, wait, NULL);
}

/* What `device` answers to all settings at once, the last two by a grammar; ids
 * and rounded log-probabilities. (transfer full) */
static char *
answers (const char *path, const char *device, const char *grammar)
{
  const NevaModelOptions options = {
      .device = device, .threads = 2, .weights = NEVA_WEIGHTS_F32};
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaGrammar) g = neva_grammar_new_gbnf (grammar, NULL);
  g_autoptr (GString) all = g_string_new (NULL);
  NevaModel *m = neva_model_open (path, &options, NULL, NULL, NULL, &error);
  NevaRequest *requests[ROWS];
  NevaEmbedding *frames[RANDOM_MODEL_FRAMES];

  if (!m)
    g_error ("%s: %s", path, error->message);
  for (int i = 0; i < RANDOM_MODEL_FRAMES; i++)
    frames[i] = encode (m);
  for (int i = 0; i < ROWS; i++) {
    NevaQuestion question = NEVA_QUESTION_DEFAULT;
    g_autoptr (GCancellable) wait = g_cancellable_new ();

    question.frames = frames;
    question.n_frames = RANDOM_MODEL_FRAMES;
    question.prompt = "What is it?";
    question.max_tokens = MAX_TOKENS;
    question.sampling = settings[i];
    question.grammar = i >= ROWS - 2 ? g : NULL;
    requests[i] =
        neva_model_ask (m, &question, NULL, NULL, NULL, NULL, wait, &error);
    g_assert_no_error (error);
  }
  for (int i = 0; i < ROWS; i++) {
    const NevaAnswer *a = neva_request_wait (requests[i], NULL, &error);

    g_assert_no_error (error);
    g_string_append_printf (all, "%s:", a->text);
    for (guint t = 0; t < a->generated_tokens; t++)
      g_string_append_printf (
          all, " %d (%.2f)", a->tokens[t].id, a->tokens[t].logprob);
    g_string_append_c (all, '\n');
    neva_request_unref (requests[i]);
  }
  for (int i = 0; i < RANDOM_MODEL_FRAMES; i++)
    neva_embedding_unref (frames[i]);
  neva_model_unref (m);
  return g_string_free (g_steal_pointer (&all), FALSE);
}

static void
test_runtime (void)
{
  const char *root = g_getenv ("NEVA_SOURCE") ? g_getenv ("NEVA_SOURCE") : ".";
  g_autofree char *demo = g_build_filename (root, "models", "demo", NULL);
  g_autofree char *folder = g_dir_make_tmp ("neva-sampled-XXXXXX", NULL);
  g_autofree char *quoted = g_shell_quote (folder);
  g_autofree char *remove = g_strdup_printf ("rm -rf %s", quoted);
  g_autofree char *cpu = NULL, *cuda = NULL;
  g_autoptr (GError) error = NULL;

  CHECK (random_model_write (&model, folder, demo, 7, &error), "%s",
      error ? error->message : "");
  if (!error) {
    cpu = answers (folder, "cpu", "root ::= [a-z ]+ \".\"");
    cuda = answers (folder, "cuda", "root ::= [a-z ]+ \".\"");
    CHECK_STR (cuda, cpu);
    CHECK (strchr (cpu, '('), "no tokens: %s", cpu);
  }
  CHECK (system (remove) == 0, "%s", remove);
}

int
main (int argc, char **argv)
{
  const guint32 seed = (guint32) check_seed (argc, argv);

  if (!g_getenv ("NEVA_CUDA_LIBRARY")) {
    printf ("SKIP: NEVA_CUDA_LIBRARY does not name the emulation\n");
    return 77;
  }
  for (int i = 0; i < 2; i++) {
    const char *device = i ? "cuda" : "cpu";

    test_backend (device, 7, 4 * STEPS, seed);
    test_backend (device, 1000, 2 * STEPS, seed);
    test_backend (device, 32000, STEPS, seed);
    test_backend (device, 150000, STEPS, seed);
  }
  test_runtime ();
  return check_finish ();
}
