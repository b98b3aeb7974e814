/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whole random models of many shapes through calibration and neva_quantize ():
 * what the codes in the folder are, that the scales are taken back where they
 * must, and what is an error. */
#include "config.h"
#include <ftw.h>
#include <glib/gstdio.h>
#include <math.h>
#include <neva/neva.h>
#include <string.h>
#include "check.h"
#include "convert/origin.h"
#include "model/llava.h"
#include "quantize/calibration.h"
#include "quantize/sites.h"
#include "random_model.h"

enum { N_WORDS = 12, LIKE_IDS = 200, GROUP = NEVA_QUANT_GROUP };

static char *folder, *demo;
static guint32 seed;
static double gain; /* of the search: log of what it leaves of the error */

static const RandomModel shapes[] = {
    {"llama-gqa", "llama", NULL, FALSE, 256, 2, 4, 2, 64, 512, 0, FALSE, 128, 2,
        256, 2, 4, "BF16"},
    {"llama-biases", "llama", NULL, TRUE, 128, 2, 4, 4, 32, 256, 0, TRUE, 128,
        4, 128, 2, 2, "F32"},
    {"qwen2", "qwen2", NULL, FALSE, 128, 2, 4, 1, 64, 128, 0, FALSE, 128, 4,
        128, 2, 2, "F16"},
    {"nemotron", "nemotron", NULL, FALSE, 128, 2, 4, 2, 32, 256, 0, FALSE, 128,
        4, 128, 2, 2, "BF16"},
    {"ungated-gelu", "nemotron", "gelu", TRUE, 128, 2, 4, 2, 32, 256, 0, FALSE,
        128, 4, 128, 2, 2, "F32"},
    {"mixtral", "mixtral", NULL, FALSE, 128, 2, 4, 2, 32, 128, 4, FALSE, 128, 4,
        128, 2, 2, "BF16"},
    /* widths that groups of 128 do not divide, but the decoder's */
    {"odd-widths", "llama", NULL, FALSE, 128, 2, 3, 3, 32, 200, 0, TRUE, 72, 4,
        100, 2, 2, "BF16"},
};

static int
remove_one (
    const char *path, const struct stat *st, int kind, struct FTW *where)
{
  (void) st, (void) kind, (void) where;
  return remove (path);
}

static char *
below (const char *name, const char *part)
{
  g_autofree char *both = g_strconcat (name, part, NULL);

  return g_build_filename (folder, both, NULL);
}

/* ---- What a model computes ---------------------------------------------- */

/* Noise in, logits of all words of a prompt with pictures out: [n][vocab]. */
static float *
compute (const char *path, NevaWeights weights, guint ranks,
    NevaCalibration *calibration, gsize *count)
{
  const NevaModelOptions options = {.weights = weights,
      .threads = 2,
      .tensor_parallel = ranks,
      .calibration = calibration};
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_autoptr (GError) error = NULL;
  NevaLlava *l = neva_llava_load (path, &options, NULL, NULL, NULL, &error);
  const guint8 *frames[RANDOM_MODEL_FRAMES];
  NevaSequence *sequence;
  float *logits;

  CHECK (l, "%s", error ? error->message : "");
  if (!l)
    return NULL;
  const NevaConfig *c = neva_llava_config (l);
  const gsize n_rows = RANDOM_MODEL_FRAMES * neva_llava_tokens_per_frame (l);
  const gsize n = n_rows + N_WORDS;
  const gsize picture = 3 * (gsize) c->preprocess.width * c->preprocess.height;
  g_autofree guint8 *pixels = g_malloc (RANDOM_MODEL_FRAMES * picture);
  g_autofree float *features = g_new (float, n_rows * c->text.hidden);
  g_autofree gint32 *ids = g_new0 (gint32, n);
  g_autofree const float **rows = g_new0 (const float *, n);

  for (gsize i = 0; i < RANDOM_MODEL_FRAMES * picture; i++)
    pixels[i] = (guint8) g_rand_int_range (rand, 0, 256);
  for (gsize i = 0; i < RANDOM_MODEL_FRAMES; i++)
    frames[i] = pixels + i * picture;
  CHECK (neva_llava_encode (
             l, frames, RANDOM_MODEL_FRAMES, features, NULL, &error),
      "encode");
  for (gsize i = 0; i < n; i++) {
    if (i < n_rows)
      rows[i] = features + i * c->text.hidden;
    else
      ids[i] = g_rand_int_range (rand, 0, LIKE_IDS);
  }
  *count = n * c->text.vocab;
  logits = g_new (float, *count);
  sequence = neva_sequence_new (l, NULL);
  CHECK (neva_llava_step (l,
             &(NevaStepItem){.sequence = sequence,
                 .ids = ids,
                 .rows = rows,
                 .n = n,
                 .logits = logits,
                 .all_logits = TRUE},
             1, &error),
      "step");
  neva_sequence_free (sequence);
  neva_llava_free (l);
  return logits;
}

/* rms of the difference, in parts of the rms of what is wanted. */
static double
error_of (const char *path, NevaWeights weights, guint ranks, const float *want)
{
  gsize n = 0;
  g_autofree float *got = compute (path, weights, ranks, NULL, &n);
  double difference = 0, size = 0;

  for (gsize i = 0; got && i < n; i++) {
    difference += ((double) got[i] - want[i]) * ((double) got[i] - want[i]);
    size += (double) want[i] * want[i];
  }
  return got ? sqrt (difference / size) : INFINITY;
}

static gboolean
quantise (const char *from, const char *to, NevaQuantization algorithm,
    NevaCalibration *calibration)
{
  const NevaQuantizeOptions options = {.algorithm = algorithm, .threads = 2};
  g_autoptr (GError) error = NULL;
  const gboolean ok = neva_quantize (from, to, calibration, &options, &error);

  CHECK (ok, "%s", error ? error->message : "");
  return ok;
}

/* ---- Scales that differ widely ------------------------------------------ */

/* A calibration that saw channels of sizes from 0.3 to 3.3 at each place, so
 * that a scale which is not taken back ruins the model. */
static NevaCalibration *
wide_calibration (const char *path)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  NevaCalibration *c = neva_calibration_new ();
  NevaBackend *backend = neva_backend_new ("cpu", 1, NULL), *observer;
  g_autoptr (GPtrArray) sites = NULL;
  const NevaCheckpointParts none = {0};
  g_auto (NevaCheckpoint) from = {0};

  CHECK (neva_checkpoint_open (&from, path, &none, NULL), "%s", path);
  sites = neva_sites_new (&from.config);
  observer = neva_calibration_attach (c, &from.config, backend);
  for (guint i = 0; i < sites->len; i++) {
    static const char *const prefixes[] = {
        NEVA_TOWER_PREFIX, NEVA_PROJECTOR_PREFIX, NEVA_TEXT_PREFIX};
    const NevaSite *s = sites->pdata[i];
    g_autofree float *x = g_new (float, s->k);
    const NevaMatrix m = {0};

    for (int part = NEVA_PART_TOWER; part <= NEVA_PART_TEXT; part++) {
      g_autofree char *name = g_strconcat (s->watched, ".weight", NULL);

      if (g_str_has_prefix (name, prefixes[part]))
        neva_calibration_watch (
            (NevaPart) part, name + strlen (prefixes[part]), &m, c);
    }
    for (gsize j = 0; j < s->k; j++)
      x[j] = (float) exp (g_rand_double_range (rand, -1.2, 1.2));
    neva_calibration_look (c, backend, &m, x, s->k, 1);
    neva_calibration_detach (c);
  }
  neva_backend_free (observer);
  return c;
}

static void
check_folds (
    const char *path, const char *name, const float *want, double bound)
{
  g_autofree char *to = below (name, "-wide");
  g_autoptr (NevaCalibration) c = wide_calibration (path);
  double error;

  if (!quantise (path, to, NEVA_QUANTIZE_INT8_SQ, c))
    return;
  error = error_of (to, NEVA_WEIGHTS_F32, 1, want);
  printf ("  wide scales, 8 bits: %.1f %%\n", 100 * error);
  /* 8 bits for columns that differ by up to 3 within a row: two per cent.
   * Scales that are not taken back give 10 to 100 */
  CHECK (error < bound, "%s: %.3f", name, error);
}

/* ---- Codes -------------------------------------------------------------- */

static float *
read_tensor (const NevaOrigin *o, const char *name, gsize *n, gsize *k)
{
  const NevaTensorView *v = neva_origin_find (o, "%s.weight", name);
  const guint16 *half;
  float *w;

  CHECK (v, "%s", name);
  *n = v->shape[0];
  *k = v->n_elements / v->shape[0];
  half = neva_tensor_source_data (o->checkpoint.tensors, v, NULL);
  w = g_new (float, v->n_elements);
  for (gsize i = 0; i < v->n_elements; i++)
    w[i] = !strcmp (v->dtype, "F32") ? ((const float *) (gconstpointer) half)[i]
           : !strcmp (v->dtype, "BF16") ? neva_bf16_to_f32 (half[i])
                                        : neva_f16_to_f32 (half[i]);
  neva_tensor_source_release (o->checkpoint.tensors, v);
  return w;
}

static const guint32 *
words (NevaTensorSource *source, const char *name, const char *part)
{
  g_autofree char *full = g_strconcat (name, part, NULL);
  const NevaTensorView *v = neva_tensor_source_find (source, full);

  CHECK (v, "%s is missing", full);
  return v ? v->data : NULL;
}

/* Rounds W diag (s) as AutoAWQ does and compares with what is in the file. */
static void
check_codes (NevaTensorSource *got, const NevaOrigin *from, const char *name,
    const float *s)
{
  static const int order[8] = {0, 4, 1, 5, 2, 6, 3, 7};
  gsize n, k, bad = 0;
  g_autofree float *w = read_tensor (from, name, &n, &k);
  const guint32 *q = words (got, name, ".qweight");
  const guint32 *z = words (got, name, ".qzeros");
  const guint16 *scales = (const guint16 *) words (got, name, ".scales");

  if (!q || !z || !scales)
    return;
  for (gsize r = 0; r < n; r++) {
    for (gsize g = 0; g < k / GROUP; g++) {
      const int shift = 4 * order[r % 8];
      float low = 0, high = 0, scale, zero;

      for (gsize i = g * GROUP; i < (g + 1) * GROUP; i++) {
        low = fminf (low, w[r * k + i] * s[i]);
        high = fmaxf (high, w[r * k + i] * s[i]);
      }
      scale = neva_f16_to_f32 (neva_f32_to_f16 ((high - low) / 15));
      zero = fminf (rintf (-low / scale), 15);
      bad += neva_f16_to_f32 (scales[g * n + r]) != scale;
      bad += (z[(g * n + r) / 8] >> shift & 15) != (guint32) zero;
      for (gsize i = g * GROUP; i < (g + 1) * GROUP; i++)
        bad +=
            (q[(i * n + r) / 8] >> shift & 15) !=
            (guint32) CLAMP (rintf (w[r * k + i] * s[i] / scale) + zero, 0, 15);
    }
  }
  /* what an ulp of s moves to another code */
  CHECK (bad <= n * k / 500, "%s: %zu of %zu codes", name, bad, n * k);
}

/* The scales of query and gate layers from what the norms were divided by, and
 * codes from those: a search that was not done leaves them all 1. */
static void
check_saved (const char *from_path, const char *to_path)
{
  static const char *const rows[][2] = {
      {NEVA_TEXT_PREFIX "layers.0.input_layernorm",
          NEVA_TEXT_PREFIX "layers.0.self_attn.q_proj"},
      {NEVA_TEXT_PREFIX "layers.1.post_attention_layernorm",
          NEVA_TEXT_PREFIX "layers.1.mlp.gate_proj"},
      {NEVA_TOWER_PREFIX "encoder.layers.0.layer_norm2",
          NEVA_TOWER_PREFIX "encoder.layers.0.mlp.fc1"}};
  const NevaCheckpointParts none = {0};
  g_auto (NevaOrigin) from = {0};
  g_auto (NevaCheckpoint) to = {0};
  gsize moved = 0;

  CHECK (neva_origin_open (&from, from_path, &none, NULL) &&
             neva_checkpoint_open (&to, to_path, &none, NULL),
      "open");
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    gsize n, k;
    g_autofree float *before = read_tensor (&from, rows[i][0], &n, &k);
    const float *after =
        (const float *) words (to.tensors, rows[i][0], ".weight");
    g_autofree float *s = g_new (float, n);

    /* to an ulp or two: s itself is not in the file */
    for (gsize j = 0; after && j < n; j++) {
      s[j] = before[j] / after[j];
      moved += fabsf (s[j] - 1) > 0.01f;
    }
    if (after)
      check_codes (to.tensors, &from, rows[i][1], s);
  }
  CHECK (moved > 0, "no scale was found");
}

/* ---- One model ---------------------------------------------------------- */

/* What codes compute is what they stand for, but for inputs of 8 bits; and
 * ranks that share them compute the same. */
static void
check_as_they_are (const char *path, const float *want, double exact)
{
  const double whole = error_of (path, NEVA_WEIGHTS_AUTO, 1, want);
  const double shared = error_of (path, NEVA_WEIGHTS_AUTO, 2, want);

  printf ("  as they are %.1f %%, on two ranks %.1f %%\n", 100 * whole,
      100 * shared);
  CHECK (whole < exact + 0.1, "%s: %.3f", path, whole);
  CHECK (fabs (shared - whole) < 0.02, "%s: %.3f", path, shared);
}

static void
check_algorithms (const RandomModel *m, const char *path, NevaCalibration *c,
    const float *want)
{
  g_autofree char *awq = below (m->name, "-awq");
  g_autofree char *plain = below (m->name, "-plain");
  g_autofree char *int8 = below (m->name, "-int8");
  double searched, rounded, eight;

  if (!quantise (path, awq, NEVA_QUANTIZE_AWQ, c) ||
      !quantise (path, plain, NEVA_QUANTIZE_AWQ, NULL) ||
      !quantise (path, int8, NEVA_QUANTIZE_INT8_SQ, c))
    return;
  searched = error_of (awq, NEVA_WEIGHTS_F32, 1, want);
  rounded = error_of (plain, NEVA_WEIGHTS_F32, 1, want);
  eight = error_of (int8, NEVA_WEIGHTS_F32, 1, want);
  printf ("  AWQ %.1f %%, 4 bits rounded %.1f %%, SmoothQuant %.1f %%\n",
      100 * searched, 100 * rounded, 100 * eight);
  gain += log (searched / rounded);
  CHECK (searched < 1.3 * rounded, "%s: %.3f, rounded %.3f", m->name, searched,
      rounded);
  /* as above; a mixture may choose another expert for a word */
  CHECK (eight < 0.08, "%s: %.3f", m->name, eight);
  if (m == shapes) {
    check_saved (path, awq);
    check_as_they_are (awq, want, searched);
    check_as_they_are (int8, want, eight);
  }
}

static void
check_shape (const RandomModel *m)
{
  g_autofree char *path = below (m->name, "");
  g_autoptr (NevaCalibration) c = neva_calibration_new ();
  g_autoptr (GError) error = NULL;
  g_autofree float *want = NULL, *watched = NULL;
  gsize n = 0;

  printf ("%s\n", m->name);
  g_mkdir (path, 0700);
  CHECK (random_model_write (m, path, demo, seed, &error), "%s",
      error ? error->message : "");
  want = compute (path, NEVA_WEIGHTS_F32, 1, NULL, &n);
  watched = compute (path, NEVA_WEIGHTS_F32, 1, c, &n);
  CHECK (want && watched && !memcmp (want, watched, n * sizeof *want),
      "%s: a calibration changes what is computed", m->name);
  if (!want)
    return;
  check_algorithms (m, path, c, want);
  check_folds (path, m->name, want, 0.06);
}

/* Checkpoints of NeMo, with all that they have and Hugging Face has not: each
 * becomes a folder of codes, and every scale is taken back. */
static void
check_nemo (const char *root)
{
  g_autofree char *data =
      g_build_filename (root, "tests", "data", "reference", NULL);
  g_autoptr (GDir) dir = g_dir_open (data, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *path = g_build_filename (data, name, "model.nemo", NULL);
    g_autofree float *want = NULL;
    gsize n;

    if (!g_file_test (path, G_FILE_TEST_EXISTS))
      continue;
    printf ("%s\n", name);
    want = compute (path, NEVA_WEIGHTS_F32, 1, NULL, &n);
    if (want)
      check_folds (path, name, want, 0.3); /* narrow: little averages out */
  }
}

/* ---- What is refused ---------------------------------------------------- */

/* Overwrites the first number of a tensor, or renames it when to is not NULL
 * (as long as the name). */
static void
damage (const char *path, const char *name, const char *to)
{
  g_autofree char *file = g_build_filename (path, "model.safetensors", NULL);
  g_autofree char *text = NULL, *quoted = g_strdup_printf ("\"%s\"", name);
  const guint32 nan = 0x7fc07fc0;
  gsize length, offset;
  guint64 header;
  char *at;

  CHECK (g_file_get_contents (file, &text, &length, NULL), "%s", file);
  memcpy (&header, text, sizeof header);
  at = g_strstr_len (text + 8, (gssize) header, quoted);
  CHECK (at, "%s", name);
  if (!at)
    return;
  if (to) {
    memcpy (at + 1, to, strlen (name));
  } else {
    at = strstr (at, "data_offsets");
    offset = g_ascii_strtoull (strchr (at, '[') + 1, NULL, 10);
    memcpy (text + 8 + header + offset, &nan, sizeof nan);
  }
  CHECK (g_file_set_contents (file, text, (gssize) length, NULL), "%s", file);
}

static void
refuse (
    const char *from, NevaQuantization algorithm, int code, const char *part)
{
  g_autofree char *to = below ("refused", "");
  const NevaQuantizeOptions options = {.algorithm = algorithm};
  g_autoptr (GError) error = NULL;

  CHECK (!neva_quantize (from, to, NULL, &options, &error), "%s", part);
  CHECK_ERROR (error, code, part);
  CHECK (!g_file_test (to, G_FILE_TEST_EXISTS), "something was left behind");
}

static void
check_refusals (void)
{
  g_autofree char *good = below (shapes[0].name, "");
  g_autofree char *done = below (shapes[0].name, "-awq");
  g_autofree char *bad = below (shapes[1].name, "");
  const char *q = NEVA_TEXT_PREFIX "layers.1.self_attn.q_proj.weight";
  const char *other = NEVA_TEXT_PREFIX "layers.1.self_attn.x_proj.weight";
  g_autoptr (GCancellable) cancelled = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  NevaQuantizeOptions options = {.cancellable = cancelled};

  refuse (good, NEVA_QUANTIZE_FP8, NEVA_ERROR_BAD_INPUT, "a calibration");
  refuse (
      done, NEVA_QUANTIZE_AWQ, NEVA_ERROR_UNSUPPORTED, "quantization_config");
  CHECK (!neva_quantize (good, done, NULL, NULL, &error), "overwrote");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "is there already");
  damage (bad, q, NULL);
  refuse (bad, NEVA_QUANTIZE_AWQ, NEVA_ERROR_BAD_FILE, q);
  refuse (bad, NEVA_QUANTIZE_INT8_SQ, NEVA_ERROR_BAD_FILE, q);
  damage (bad, q, other);
  refuse (bad, NEVA_QUANTIZE_AWQ, NEVA_ERROR_BAD_FILE, q);

  g_cancellable_cancel (cancelled);
  CHECK (!neva_quantize (good, bad, NULL, &options, &error), "overwrote");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "is there already");
  options.overwrite = TRUE;
  CHECK (!neva_quantize (good, bad, NULL, &options, &error), "went on");
  CHECK_ERROR (error, NEVA_ERROR_CANCELLED, "cancelled");
}

static void
check_narrow (void)
{
  static const RandomModel narrow = {"narrow", "llama", NULL, FALSE, 96, 1, 3,
      3, 32, 96, 0, FALSE, 64, 4, 64, 2, 0, "BF16"};
  g_autofree char *path = below (narrow.name, "");
  g_autofree char *text = g_strconcat (path, ": none of its linear", NULL);

  g_mkdir (path, 0700);
  CHECK (random_model_write (&narrow, path, demo, seed, NULL), "write");
  refuse (path, NEVA_QUANTIZE_AWQ, NEVA_ERROR_UNSUPPORTED, text);
}

static void
check_models_that_cannot (void)
{
  g_autoptr (NevaCalibration) c = neva_calibration_new ();
  g_autoptr (GError) error = NULL;
  NevaModelOptions options = {.calibration = c};

  CHECK (!neva_model_open ("fake:x", &options, NULL, NULL, NULL, &error),
      "a fake");
  CHECK_ERROR (error, NEVA_ERROR_UNSUPPORTED, "calibrated");
  options.tensor_parallel = 2;
  CHECK (!neva_model_open (demo, &options, NULL, NULL, NULL, &error), "ranks");
  CHECK_ERROR (error, NEVA_ERROR_UNSUPPORTED, "several ranks");
}

int
main (int argc, char **argv)
{
  const char *root = g_getenv ("NEVA_SOURCE") ? g_getenv ("NEVA_SOURCE") : ".";

  seed = (guint32) check_seed (argc, argv);
  demo = g_build_filename (root, "models", "demo", NULL);
  folder = g_dir_make_tmp ("neva-quantize-XXXXXX", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    check_shape (&shapes[i]);
  gain = exp (gain / G_N_ELEMENTS (shapes));
  printf ("the search leaves %.2f of the error\n", gain);
  CHECK (gain < 1, "the search makes the models worse: %.2f", gain);
  check_nemo (root);
  check_refusals ();
  check_narrow ();
  check_models_that_cannot ();
  nftw (folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  g_free (folder);
  g_free (demo);
  return check_finish ();
}
