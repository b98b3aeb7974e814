/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole models through neva_convert () and back: from Hugging Face's folders to
 * .nemo archives of one and of several ranks, from those to folders again. What
 * the model computes stays the same to the last bit, and its answers the same
 * text. Targets that are there, ranks that do not divide and an interrupted run
 * leave what was there as it was. */
#include "config.h"
#include <ftw.h>
#include <glib/gstdio.h>
#include <neva/neva.h>
#include <string.h>
#include "check.h"
#include "model/llava.h"

#define N_FRAMES 2
#define N_WORDS 24
#define N_IDS 100 /* the words are below; every vocabulary has more */
#define SIDE 80   /* of the picture that is described */

static char *folder; /* everything is made here */

static int
remove_one (
    const char *path, const struct stat *st, int kind, struct FTW *where)
{
  (void) st, (void) kind, (void) where;
  return remove (path);
}

static char *
below (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

/* ---- What a model computes ---------------------------------------------- */

typedef struct {
  float *features, *logits;
  gsize n_features, vocab;
  guint context;
  char *answer;
} Result;

static void
result_clear (Result *r)
{
  g_free (r->features);
  g_free (r->logits);
  g_free (r->answer);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Result, result_clear)

/* Noise in, logits of the last word of a prompt with pictures out. */
static void
compute (const char *path, guint32 seed, Result *r)
{
  const NevaModelOptions options = {.weights = NEVA_WEIGHTS_F32};
  g_autoptr (GError) error = NULL;
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  NevaLlava *l = neva_llava_load (path, &options, NULL, NULL, NULL, &error);
  const NevaConfig *c;
  NevaSequence *sequence;
  gsize picture, n_rows, n;

  CHECK (l, "%s", error ? error->message : "");
  if (!l)
    return;
  c = neva_llava_config (l);
  picture = 3 * (gsize) c->preprocess.width * c->preprocess.height;
  n_rows = N_FRAMES * neva_llava_tokens_per_frame (l);
  n = n_rows + N_WORDS;
  g_autofree guint8 *pixels = g_malloc (N_FRAMES * picture);
  g_autofree gint32 *ids = g_new0 (gint32, n);
  g_autofree const float **rows = g_new0 (const float *, n);
  const guint8 *frames[N_FRAMES];

  r->context = c->text.context_length;
  r->vocab = c->text.vocab;
  r->n_features = n_rows * c->text.hidden;
  r->features = g_new (float, r->n_features);
  r->logits = g_new (float, r->vocab);
  for (gsize i = 0; i < N_FRAMES * picture; i++)
    pixels[i] = (guint8) g_rand_int_range (rand, 0, 256);
  for (gsize i = 0; i < N_FRAMES; i++)
    frames[i] = pixels + i * picture;
  CHECK (neva_llava_encode (l, frames, N_FRAMES, r->features, NULL, &error),
      "encode");
  for (gsize i = 0; i < n; i++) {
    if (i < n_rows)
      rows[i] = r->features + i * c->text.hidden;
    else
      ids[i] = g_rand_int_range (rand, 0, N_IDS);
  }
  sequence = neva_sequence_new (l, NULL);
  CHECK (neva_llava_step (l,
             &(NevaStepItem){.sequence = sequence,
                 .ids = ids,
                 .rows = rows,
                 .n = n,
                 .logits = r->logits},
             1, &error),
      "step");
  neva_sequence_free (sequence);
  neva_llava_free (l);
}

/* The answer about a striped picture. */
static char *
ask (const char *path)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaModel) model =
      neva_model_open (path, NULL, NULL, NULL, NULL, &error);
  g_autoptr (NevaSession) session = NULL;
  g_autoptr (GString) text = g_string_new (NULL);
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  guint8 rgb[SIDE * SIDE * 3];
  const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = SIDE,
      .height = SIDE,
      .plane = {rgb},
      .stride = {SIDE * 3},
      .pts_ns = -1};
  const char *piece;
  NevaStep step;

  CHECK (model, "%s", error ? error->message : "");
  if (!model)
    return NULL;
  for (guint i = 0; i < sizeof rgb; i++)
    rgb[i] = (guint8) (i / 3 % SIDE / 10 % 2 ? 200 : 20 * (i % 3));
  session = neva_session_new (model, &error);
  question.max_tokens = 12;
  neva_session_set_options (session, &question);
  CHECK (neva_session_push_frame (session, &frame, &error) &&
             neva_session_push_text (session, "What is this?", &error),
      "push");
  while ((step = neva_session_next (session, &piece, &error)) == NEVA_STEP_TEXT)
    g_string_append (text, piece);
  CHECK (step == NEVA_STEP_END, "%s", error ? error->message : "");
  return g_string_free (g_steal_pointer (&text), FALSE);
}

/* Padding of the vocabulary comes behind what was there. */
static void
check_same (const char *path, guint32 seed, const Result *want)
{
  g_auto (Result) got = {0};

  compute (path, seed, &got);
  CHECK (got.vocab >= want->vocab, "%s: vocabulary", path);
  CHECK (got.context == want->context, "%s: context", path);
  CHECK (got.n_features == want->n_features &&
             !memcmp (got.features, want->features,
                 want->n_features * sizeof (float)),
      "%s: features differ", path);
  CHECK (got.logits &&
             !memcmp (got.logits, want->logits, want->vocab * sizeof (float)),
      "%s: logits differ", path);
  got.answer = ask (path);
  CHECK_STR (got.answer, want->answer);
}

static gboolean
convert (const char *from, const char *to, NevaConvertOptions options)
{
  g_autoptr (GError) error = NULL;
  const gboolean ok = neva_convert (from, to, &options, &error);

  CHECK (ok, "%s", error ? error->message : "");
  return ok;
}

/* To .nemo as given, back to a folder, and from there once more. */
static void
check_round (const char *source, const char *name, guint tp, guint pp,
    guint32 seed, const Result *want)
{
  g_autofree char *base = g_strdup_printf ("%s-%u-%u", name, tp, pp);
  g_autofree char *nemo_name = g_strconcat (base, ".nemo", NULL);
  g_autofree char *hf_name = g_strconcat (base, "-hf", NULL);
  g_autofree char *again_name = g_strconcat (base, "-again.nemo", NULL);
  g_autofree char *nemo = below (nemo_name), *hf = below (hf_name);
  g_autofree char *again = below (again_name);

  if (!convert (source, nemo,
          (NevaConvertOptions){.format = NEVA_FORMAT_NEMO,
              .tensor_parallel = tp,
              .pipeline_parallel = pp}))
    return;
  check_same (nemo, seed, want);
  /* small enough to make several shards */
  if (!convert (nemo, hf, (NevaConvertOptions){.shard_bytes = 200000}))
    return;
  check_same (hf, seed, want);
  if (convert (hf, again, (NevaConvertOptions){.format = NEVA_FORMAT_NEMO}))
    check_same (again, seed, want);
}

static void
check_source (
    const char *source, const char *name, guint tp, guint pp, guint32 seed)
{
  g_auto (Result) want = {0};

  printf ("%s: 1 × 1 and %u × %u ranks\n", name, tp, pp);
  compute (source, seed, &want);
  want.answer = ask (source);
  check_round (source, name, 1, 1, seed, &want);
  check_round (source, name, tp, pp, seed, &want);
}

/* ---- What is refused ---------------------------------------------------- */

static guint
count_files (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (g_dir_read_name (dir))
    n++;
  return n;
}

static void
cancel (double fraction, gpointer cancellable)
{
  if (fraction > 0.3)
    g_cancellable_cancel (cancellable);
}

static void
check_refusals (const char *source)
{
  g_autofree char *to = below ("there.nemo");
  g_autofree char *nowhere = below ("no/such/folder");
  g_autofree char *text = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  NevaConvertOptions options = {.format = NEVA_FORMAT_NEMO};
  guint before;

  CHECK (g_file_set_contents (to, "mine", -1, NULL), "set-up");
  before = count_files ();
  CHECK (!neva_convert (source, to, &options, &error), "overwrote");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "is there already");
  options.tensor_parallel = 7;
  CHECK (!neva_convert (source, to, &options, &error), "seven ranks");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "cannot be split over 7");
  options.tensor_parallel = 0;
  CHECK (!neva_convert (source, nowhere, &options, &error), "nowhere");
  CHECK_ERROR (error, NEVA_ERROR_NOT_FOUND, "no/such");
  CHECK (!neva_convert (nowhere, to, &options, &error), "from nowhere");
  g_clear_error (&error);

  options.overwrite = TRUE;
  options.progress = cancel;
  options.user_data = cancellable;
  options.cancellable = cancellable;
  CHECK (!neva_convert (source, to, &options, &error), "went on");
  CHECK_ERROR (error, NEVA_ERROR_CANCELLED, "cancelled");
  CHECK (count_files () == before, "something was left behind");
  CHECK (g_file_get_contents (to, &text, NULL, NULL), "the old file is gone");
  CHECK_STR (text, "mine");

  options = (NevaConvertOptions){.format = NEVA_FORMAT_NEMO, .overwrite = TRUE};
  CHECK (neva_convert (source, to, &options, NULL), "did not overwrite");
  CHECK (neva_convert (source, to, &options, NULL), "not again");
  CHECK (count_files () == before + 1, "more than archive and tower");
}

int
main (int argc, char **argv)
{
  const guint32 seed = (guint32) check_seed (argc, argv);
  const char *root = g_getenv ("NEVA_SOURCE") ? g_getenv ("NEVA_SOURCE") : ".";
  g_autofree char *demo = g_build_filename (root, "models", "demo", NULL);
  g_autofree char *data =
      g_build_filename (root, "tests", "data", "reference", NULL);
  g_autofree char *siglip = g_build_filename (data, "siglip-qwen2-tied", NULL);
  g_autofree char *clip =
      g_build_filename (data, "clip-llama3-bf16-shards", NULL);

  folder = g_dir_make_tmp ("neva-convert-XXXXXX", NULL);
  check_source (demo, "demo", 2, 1, seed);
  check_source (demo, "demo-deep", 2, 5, seed);
  check_source (siglip, "siglip", 1, 2, seed);
  check_source (clip, "clip", 2, 1, seed);
  check_refusals (demo);
  nftw (folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  g_free (folder);
  return check_finish ();
}
