/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A model that threads share is the model that one thread has: the same tokens,
 * through batches, pieces, forgetting, reuse, cancelling and full caches. The
 * demo model, and what of it fits: four of its five layers, so that they divide
 * by two. */
#include "config.h"
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <neva/neva.h>
#include <string.h>
#include <unistd.h>
#include "check.h"
#include "model/llava.h"

#define PROMPT 70
#define STEPS 12
#define FRAMES 3

typedef struct {
  guint tp, pp;
} Split;

static const Split splits[] = {{2, 1}, {1, 2}, {2, 2}, {1, 4}};

static NevaModelOptions
options_of (Split s)
{
  return (NevaModelOptions){.weights = NEVA_WEIGHTS_F32,
      .threads = 2,
      .tensor_parallel = s.tp,
      .pipeline_parallel = s.pp};
}

static NevaLlava *
load (const char *folder, Split s)
{
  const NevaModelOptions options = options_of (s);
  g_autoptr (GError) error = NULL;
  NevaLlava *l = neva_llava_load (folder, &options, NULL, NULL, NULL, &error);

  CHECK (l != NULL, "%ux%u: %s", s.tp, s.pp, error ? error->message : "");
  return l;
}

/* ---- A folder with four layers ------------------------------------------ */

static void
write_config (const char *from, const char *to)
{
  g_autofree char *in = g_build_filename (from, "config.json", NULL);
  g_autofree char *out = g_build_filename (to, "config.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autoptr (JsonGenerator) generator = json_generator_new ();
  JsonNode *root;

  if (!json_parser_load_from_file (parser, in, NULL))
    g_error ("%s cannot be read", in);
  root = json_parser_get_root (parser);
  json_object_set_int_member (json_object_get_object_member (
                                  json_node_get_object (root), "text_config"),
      "num_hidden_layers", 4);
  json_generator_set_root (generator, root);
  if (!json_generator_to_file (generator, out, NULL))
    g_error ("%s cannot be written", out);
}

static char *
make_folder (const char *demo)
{
  char *folder = g_dir_make_tmp ("neva-ranks-XXXXXX", NULL);
  g_autoptr (GDir) dir = g_dir_open (demo, 0, NULL);
  const char *name;

  g_assert (folder && dir);
  while ((name = g_dir_read_name (dir))) {
    g_autofree char *from = g_build_filename (demo, name, NULL);
    g_autofree char *to = g_build_filename (folder, name, NULL);

    if (!strchr (name, '.') || g_str_equal (name, "config.json"))
      continue;
    if (symlink (from, to) != 0)
      g_error ("%s cannot be linked", to);
  }
  write_config (demo, folder);
  return folder;
}

static void
remove_folder (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    g_unlink (path);
  }
  g_rmdir (folder);
}

/* ---- Frames and steps --------------------------------------------------- */

/* What one run of everything gives. */
typedef struct {
  float *features; /* [FRAMES * tokens][H] */
  float *hidden;
  float *logits; /* [PROMPT][vocab] */
  gint32 ids[2][STEPS];
} Results;

static void
results_clear (Results *r)
{
  g_free (r->features);
  g_free (r->hidden);
  g_free (r->logits);
}

static void
step (NevaLlava *l, const NevaStepItem *items, gsize n)
{
  g_autoptr (GError) error = NULL;

  CHECK (
      neva_llava_step (l, items, n, &error), "%s", error ? error->message : "");
}

static gint32
argmax (const float *x, gsize n)
{
  gsize best = 0;

  for (gsize i = 1; i < n; i++) {
    if (x[i] > x[best])
      best = i;
  }
  return (gint32) best;
}

static void
encode (NevaLlava *l, GRand *rand, Results *r)
{
  const NevaConfig *c = neva_llava_config (l);
  const gsize bytes = 3 * (gsize) c->tower.image_size * c->tower.image_size;
  g_autofree guint8 *pixels = g_malloc (FRAMES * bytes);
  const guint8 *frames[FRAMES];
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < FRAMES * bytes; i++)
    pixels[i] = (guint8) g_rand_int (rand);
  for (gsize i = 0; i < FRAMES; i++)
    frames[i] = pixels + i * bytes;
  r->features =
      g_new0 (float, FRAMES *neva_llava_tokens_per_frame (l) * c->text.hidden);
  r->hidden =
      g_new0 (float, FRAMES *neva_llava_tower_rows (l) * c->tower.hidden);
  CHECK (neva_llava_encode (l, frames, FRAMES, r->features, r->hidden, &error),
      "%s", error ? error->message : "");
  /* one frame: a rank may have none */
  CHECK (neva_llava_encode (l, frames, 1, r->features, NULL, &error), "%s",
      error ? error->message : "");
}

/* Two prompts, the second one in pieces and with features, of which a part is
 * forgotten and fed again; then both decode together. */
static void
generate (NevaLlava *l, GRand *rand, Results *r)
{
  const NevaConfig *c = neva_llava_config (l);
  const gsize vocab = c->text.vocab;
  gint32 ids[PROMPT], next[2];
  const float *rows[PROMPT] = {NULL};
  g_autofree float *logits = g_new (float, 2 * vocab);
  NevaSequence *s[2] = {
      neva_sequence_new (l, NULL), neva_sequence_new (l, NULL)};

  for (gsize i = 0; i < PROMPT; i++) {
    ids[i] = g_rand_int_range (rand, 0, (gint32) vocab);
    if (i >= 10 && i < 46)
      rows[i] = r->features + (i - 10) * c->text.hidden;
  }
  r->logits = g_new (float, PROMPT *vocab);
  step (l, &(NevaStepItem){s[0], ids, NULL, PROMPT, r->logits, TRUE}, 1);
  memcpy (logits, r->logits + (PROMPT - 1) * vocab, vocab * sizeof (float));
  step (l, &(NevaStepItem){s[1], ids, rows, 30, NULL, FALSE}, 1);
  step (l, &(NevaStepItem){s[1], ids + 30, NULL, 20, NULL, FALSE}, 1);
  neva_sequence_truncate (s[1], 30);
  step (l,
      &(NevaStepItem){
          s[1], ids + 30, rows + 30, PROMPT - 30, logits + vocab, FALSE},
      1);
  for (gsize i = 0; i < STEPS; i++) {
    NevaStepItem items[2];

    for (gsize k = 0; k < 2; k++) {
      next[k] = r->ids[k][i] = argmax (logits + k * vocab, vocab);
      items[k] =
          (NevaStepItem){s[k], &next[k], NULL, 1, logits + k * vocab, FALSE};
    }
    step (l, items, 2);
  }
  CHECK (neva_llava_kv_bytes (l) > 0, "the cache is in use");
  neva_sequence_free (s[0]);
  neva_sequence_free (s[1]);
  CHECK (neva_llava_kv_bytes (l) == 0, "all blocks came back");
}

static Results
run_all (NevaLlava *l, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  Results r = {0};

  encode (l, rand, &r);
  generate (l, rand, &r);
  return r;
}

/* Sums are added in another order: a few hundred ulps of the largest. */
static gboolean
alike (const float *a, const float *b, gsize n)
{
  double largest = 0, worst = 0;

  for (gsize i = 0; i < n; i++) {
    const double d = fabs ((double) a[i] - b[i]);

    largest = fmax (largest, fabs (b[i]));
    if (!(d <= worst))
      worst = d;
  }
  return worst <= 512 * 0x1p-23 * largest;
}

static void
check_split (const char *folder, Split s, const Results *want, guint32 seed)
{
  NevaLlava *l = load (folder, s);
  const NevaConfig *c;
  Results got;

  if (!l)
    return;
  c = neva_llava_config (l);
  got = run_all (l, seed);
  CHECK (alike (got.features, want->features,
             FRAMES * neva_llava_tokens_per_frame (l) * c->text.hidden),
      "%ux%u: features", s.tp, s.pp);
  CHECK (alike (got.hidden, want->hidden,
             FRAMES * neva_llava_tower_rows (l) * c->tower.hidden),
      "%ux%u: tower rows", s.tp, s.pp);
  CHECK (alike (got.logits, want->logits, PROMPT * c->text.vocab),
      "%ux%u: logits", s.tp, s.pp);
  CHECK (!memcmp (got.ids, want->ids, sizeof got.ids), "%ux%u: greedy ids",
      s.tp, s.pp);
  results_clear (&got);
  neva_llava_free (l);
}

/* ---- Errors ------------------------------------------------------------- */

static void
check_refusals (const char *folder)
{
  static const struct {
    Split split;
    const char *part;
  } cases[] = {
      {{4, 1}, "tensor parallel 4: the model's 6 attention heads"},
      {{1, 3}, "pipeline parallel 3: the model's 4 layers"},
      {{100, 1}, "tensor parallel 100: the model's 6"},
  };
  g_autoptr (GError) error = NULL;
  NevaModelOptions options;

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++) {
    options = options_of (cases[i].split);
    CHECK (!neva_llava_load (folder, &options, NULL, NULL, NULL, &error),
        "accepted");
    CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, cases[i].part);
  }
  /* what each rank finds out by itself is one error */
  options = options_of ((Split){2, 2});
  options.kv_cache_bytes = 10;
  CHECK (
      !neva_llava_load (folder, &options, NULL, NULL, NULL, &error), "no room");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "KV cache of 10 bytes");
  options = options_of ((Split){2, 1});
  options.device = "abacus";
  CHECK (
      !neva_llava_load (folder, &options, NULL, NULL, NULL, &error), "device");
  CHECK_ERROR (error, NEVA_ERROR_UNSUPPORTED, "abacus");
}

/* A full cache and a token that is none are errors after which all ranks go on
 * alike. */
static void
check_errors (const char *folder, Split split)
{
  NevaModelOptions options = options_of (split);
  g_autoptr (GError) error = NULL;
  NevaLlava *l;
  NevaSequence *a, *b;
  gint32 ids[200] = {0}, none = -5;
  float *logits;

  options.kv_cache_bytes = 3 * neva_kv_block_bytes (NEVA_DTYPE_F32, 4, 6, 32);
  l = neva_llava_load (folder, &options, NULL, NULL, NULL, &error);
  CHECK (l != NULL, "%s", error ? error->message : "");
  if (!l)
    return;
  a = neva_sequence_new (l, NULL);
  b = neva_sequence_new (l, NULL);
  logits = g_new (float, neva_llava_config (l)->text.vocab);
  step (l, &(NevaStepItem){a, ids, NULL, 100, NULL, FALSE}, 1);
  CHECK (!neva_llava_step (
             l, &(NevaStepItem){b, ids, NULL, 100, logits, FALSE}, 1, &error),
      "the cache holds three pages");
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, "KV cache is full");
  CHECK (!neva_llava_step (
             l, &(NevaStepItem){a, &none, NULL, 1, logits, FALSE}, 1, &error),
      "no such token");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "token id -5");
  step (l, &(NevaStepItem){b, ids, NULL, 50, logits, FALSE}, 1);
  neva_sequence_truncate (a, 10);
  step (l, &(NevaStepItem){b, ids, NULL, 60, logits, FALSE}, 1);
  neva_sequence_free (a);
  neva_sequence_free (b);
  g_free (logits);
  neva_llava_free (l);
}

/* ---- Through the runtime ------------------------------------------------ */

static NevaRequest *
ask (NevaModel *model, GPtrArray *frames, const char *prompt)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  NevaRequest *request;

  question.frames = (NevaEmbedding *const *) frames->pdata;
  question.n_frames = frames->len;
  question.prompt = prompt;
  question.max_tokens = STEPS;
  request =
      neva_model_ask (model, &question, NULL, NULL, NULL, NULL, wait, &error);
  if (!request)
    g_error ("%s", error->message);
  return request;
}

/* (transfer full): six answers to three questions, one of them cancelled. */
static char *
answers (const char *folder, Split split, guint32 seed, guint *reused)
{
  static const char *const prompts[] = {"Describe the video.", "What moves?",
      "Describe the video.", "How many are there?", "What moves?",
      "Which way?"};
  const NevaModelOptions options = options_of (split);
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autoptr (GPtrArray) frames =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_embedding_unref);
  g_autoptr (NevaModel) model =
      neva_model_open (folder, &options, NULL, NULL, NULL, &error);
  g_autoptr (GString) all = g_string_new (NULL);
  g_autofree guint8 *pixels = g_malloc (64 * 64 * 3);
  NevaRequest *requests[G_N_ELEMENTS (prompts)];

  CHECK (model != NULL, "%s", error ? error->message : "");
  if (!model)
    return NULL;
  for (guint f = 0; f < 4; f++) {
    const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
        .width = 64,
        .height = 64,
        .plane = {pixels},
        .stride = {64 * 3},
        .pts_ns = -1};
    g_autoptr (GCancellable) wait = g_cancellable_new ();

    for (gsize i = 0; i < 64 * 64 * 3; i++)
      pixels[i] = (guint8) g_rand_int (rand);
    g_ptr_array_add (frames, neva_model_encode (model, &frame, wait, NULL));
  }
  for (guint round = 0; round < 2; round++) {
    for (guint i = 0; i < G_N_ELEMENTS (prompts); i++)
      requests[i] = ask (model, frames, prompts[i]);
    neva_request_cancel (requests[3]);
    for (guint i = 0; i < G_N_ELEMENTS (prompts); i++) {
      const NevaAnswer *a = neva_request_wait (requests[i], NULL, &error);

      CHECK ((a != NULL) == (i != 3), "question %u", i);
      if (a)
        g_string_append_printf (all, "%s\n", a->text);
      *reused += a ? a->reused_tokens : 0;
      g_clear_error (&error);
      neva_request_unref (requests[i]);
    }
  }
  return g_strdup (all->str);
}

static void
check_runtime (const char *folder, guint32 seed)
{
  guint reused = 0;
  g_autofree char *want = answers (folder, (Split){1, 1}, seed, &reused);

  CHECK (reused > 0, "nothing was reused");
  for (gsize i = 0; i < 3; i++) {
    g_autofree char *got = answers (folder, splits[i], seed, &reused);

    CHECK_STR (got, want);
  }
}

int
main (int argc, char **argv)
{
  const guint32 seed = (guint32) check_seed (argc, argv);
  g_autofree char *demo =
      g_build_filename (g_getenv ("NEVA_SOURCE"), "models", "demo", NULL);
  g_autofree char *folder = make_folder (demo);
  NevaLlava *alone = load (folder, (Split){1, 1});

  if (alone) {
    Results want = run_all (alone, seed);

    neva_llava_free (alone);
    for (gsize i = 0; i < G_N_ELEMENTS (splits); i++)
      check_split (folder, splits[i], &want, seed);
    results_clear (&want);
  }
  check_refusals (folder);
  check_errors (folder, (Split){2, 1});
  check_errors (folder, (Split){2, 2});
  check_runtime (folder, seed);
  remove_folder (folder);
  return check_finish ();
}
