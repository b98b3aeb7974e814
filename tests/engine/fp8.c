/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* FP8 from the calibration to the GPU: a random model is looked at, written in
 * E4M3 and loaded on a GPU; each of its products against a simulation in double
 * precision of both roundings, then its logits; and devices without FP8. */
#include "config.h"
#include <ftw.h>
#include <glib/gstdio.h>
#include <math.h>
#include <neva/neva.h>
#include <string.h>
#include "check.h"
#include "convert/origin.h"
#include "fp8.h"
#include "model/llava.h"
#include "quantize/calibration.h"
#include "quantize/sites.h"
#include "random_model.h"

enum { N_WORDS = 12, LIKE_IDS = 200, ROWS = 3 };

static char *folder, *demo;
static guint32 seed;

static const RandomModel shapes[] = {
    {"llama", "llama", NULL, FALSE, 128, 2, 4, 2, 32, 200, 0, FALSE, 64, 2, 100,
        2, 2, "F32"},
    {"mixtral", "mixtral", NULL, FALSE, 64, 1, 2, 1, 32, 72, 4, TRUE, 72, 2, 80,
        2, 2, "F32"},
};

static int
remove_one (
    const char *path, const struct stat *st, int kind, struct FTW *where)
{
  (void) st, (void) kind, (void) where;
  return remove (path);
}

/* ---- What a model computes ---------------------------------------------- */

static gboolean
encode_noise (NevaLlava *l, GRand *rand, float *features, GError **error)
{
  const NevaConfig *c = neva_llava_config (l);
  const gsize picture = 3 * (gsize) c->preprocess.width * c->preprocess.height;
  g_autofree guint8 *pixels = g_malloc (RANDOM_MODEL_FRAMES * picture);
  const guint8 *frames[RANDOM_MODEL_FRAMES];

  for (gsize i = 0; i < RANDOM_MODEL_FRAMES * picture; i++)
    pixels[i] = (guint8) g_rand_int_range (rand, 0, 256);
  for (gsize i = 0; i < RANDOM_MODEL_FRAMES; i++)
    frames[i] = pixels + i * picture;
  return neva_llava_encode (
      l, frames, RANDOM_MODEL_FRAMES, features, NULL, error);
}

/* Logits [*count] of a prompt with pictures; NULL with error. */
static float *
compute (const char *path, const NevaModelOptions *options, gsize *count,
    GError **error)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  NevaLlava *l = neva_llava_load (path, options, NULL, NULL, NULL, error);
  NevaSequence *sequence;
  float *logits;

  if (!l)
    return NULL;
  const NevaConfig *c = neva_llava_config (l);
  const gsize n_rows = RANDOM_MODEL_FRAMES * neva_llava_tokens_per_frame (l);
  const gsize n = n_rows + N_WORDS;
  g_autofree float *features = g_new (float, n_rows * c->text.hidden);
  g_autofree gint32 *ids = g_new0 (gint32, n);
  g_autofree const float **rows = g_new0 (const float *, n);

  *count = n * c->text.vocab;
  logits = g_new (float, *count);
  for (gsize i = 0; i < n; i++)
    ids[i] = i < n_rows ? 0 : g_rand_int_range (rand, 0, LIKE_IDS);
  for (gsize i = 0; i < n_rows; i++)
    rows[i] = features + i * c->text.hidden;
  sequence = neva_sequence_new (l, NULL);
  if (!encode_noise (l, rand, features, error) ||
      !neva_llava_step (l,
          &(NevaStepItem){.sequence = sequence,
              .ids = ids,
              .rows = rows,
              .n = n,
              .logits = logits,
              .all_logits = TRUE},
          1, error))
    g_clear_pointer (&logits, g_free);
  neva_sequence_free (sequence);
  neva_llava_free (l);
  return logits;
}

/* rms of the difference to `want`, in parts of its rms. */
static double
error_of (const char *path, const char *device, NevaWeights weights,
    guint ranks, const float *want)
{
  const NevaModelOptions options = {.weights = weights,
      .threads = 2,
      .device = device,
      .tensor_parallel = ranks};
  g_autoptr (GError) error = NULL;
  gsize n = 0;
  g_autofree float *got = compute (path, &options, &n, &error);
  double difference = 0, size = 0;

  CHECK (got, "%s", error ? error->message : "");
  for (gsize i = 0; got && i < n; i++) {
    difference += ((double) got[i] - want[i]) * ((double) got[i] - want[i]);
    size += (double) want[i] * want[i];
  }
  return got ? sqrt (difference / size) : INFINITY;
}

/* ---- Each product ------------------------------------------------------- */

/* Both roundings as they are defined, from the weights before and the largest
 * input that was seen. */
static double
simulate (const float *w, gsize k, float w_scale, const float *x, float x_scale,
    double *size)
{
  double sum = 0;

  *size = 0;
  for (gsize i = 0; i < k; i++) {
    const double term =
        (double) neva_e4m3_to_f32 (neva_f32_to_e4m3 (w[i] / w_scale)) *
        neva_e4m3_to_f32 (neva_f32_to_e4m3 (x[i] / x_scale));

    sum += term * w_scale * x_scale;
    *size += fabs (term) * w_scale * x_scale;
  }
  return sum;
}

static float
largest (const float *x, gsize n)
{
  float most = 0;

  for (gsize i = 0; i < n; i++)
    most = fmaxf (most, fabsf (x[i]));
  return most;
}

/* Rows that are partly larger than all that was seen. */
static void
judge (NevaBackend *b, const NevaMatrix *m, const float *w, float seen,
    GRand *rand, const char *name)
{
  const gsize n = m->w.n, k = m->w.k;
  const float w_scale = largest (w, n * k) / 448, x_scale = seen / 448;
  g_autofree float *x = g_new (float, ROWS *k), *y = g_new (float, ROWS *n);
  float *dx = neva_backend_alloc (b, ROWS * k * sizeof *x, NULL);
  float *dy = neva_backend_alloc (b, ROWS * n * sizeof *y, NULL);
  const NevaProduct product = {m, dy, n, {0}};
  gsize bad = 0;

  for (gsize i = 0; i < ROWS * k; i++)
    x[i] = (float) g_rand_double_range (rand, -1.3, 1.3) * seen;
  neva_backend_upload (b, dx, x, ROWS * k * sizeof *x);
  neva_backend_linear (b, dx, k, ROWS, &product, 1);
  neva_backend_download (b, y, dy, ROWS * n * sizeof *y);
  CHECK (neva_backend_synchronize (b, NULL), "%s", name);
  for (gsize r = 0; r < ROWS; r++) {
    for (gsize i = 0; i < n; i++) {
      double size,
          want = simulate (w + i * k, k, w_scale, x + r * k, x_scale, &size);

      bad += !(fabs (y[r * n + i] - want) <= size * 0x1p-12 + 1e-30);
    }
  }
  CHECK (
      !bad, "%s: %" G_GSIZE_FORMAT " of %" G_GSIZE_FORMAT, name, bad, ROWS * n);
  neva_backend_release (b, dx, ROWS * k * sizeof *x);
  neva_backend_release (b, dy, ROWS * n * sizeof *y);
}

static void
check_linear (NevaWeightStore *s, NevaBackend *b, const NevaOrigin *from,
    const char *name, const NevaInput *input, GRand *rand)
{
  static const char *const prefixes[] = {[NEVA_PART_TOWER] = NEVA_TOWER_PREFIX,
      [NEVA_PART_PROJECTOR] = NEVA_PROJECTOR_PREFIX,
      [NEVA_PART_TEXT] = NEVA_TEXT_PREFIX};
  const NevaTensorView *v = neva_origin_find (from, "%s.weight", name);
  NevaMatrix m = {0};

  CHECK (v && input && input->rows, "%s", name);
  for (int part = NEVA_PART_TOWER; v && part <= NEVA_PART_TEXT; part++) {
    if (g_str_has_prefix (name, prefixes[part]))
      neva_weights_matrix (s, &m, NEVA_ROLE_TEXT, v->shape[0], v->shape[1],
          (NevaPart) part, "%s.weight", name + strlen (prefixes[part]));
  }
  CHECK (
      m.w.type == NEVA_DTYPE_E4M3 && m.w.data, "%s: type %d", name, m.w.type);
  if (v && m.w.data && input)
    judge (b, &m, neva_tensor_source_data (from->checkpoint.tensors, v, NULL),
        largest (input->max, input->k), rand, name);
}

static void
check_products (const char *from_path, const char *to_path, NevaCalibration *c)
{
  const NevaCheckpointParts none = {0};
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  g_auto (NevaOrigin) from = {0};
  g_auto (NevaCheckpoint) to = {0};
  g_autoptr (NevaBackend) b = neva_backend_new ("cuda", 1, NULL);
  g_autoptr (NevaWeightStore) s = NULL;
  g_autoptr (GPtrArray) sites = NULL;
  g_autoptr (GError) error = NULL;

  CHECK (b && neva_origin_open (&from, from_path, &none, &error) &&
             neva_checkpoint_open (&to, to_path, &none, &error) &&
             to.config.fp8,
      "%s", error ? error->message : "");
  if (!to.tensors)
    return;
  sites = neva_sites_new (&from.config);
  s = neva_weights_new (
      g_steal_pointer (&to.tensors), NEVA_WEIGHTS_AUTO, b, NULL, NULL, NULL);
  neva_weights_set_codes (s, NEVA_AWQ_NONE, FALSE, TRUE);
  for (guint i = 0; i < sites->len; i++) {
    const NevaSite *site = sites->pdata[i];

    for (guint j = 0; j < site->linears->len; j++)
      check_linear (s, b, &from, site->linears->pdata[j],
          neva_calibration_find (c, site->watched), rand);
  }
  CHECK (neva_weights_finish (s, &error), "%s", error ? error->message : "");
}

/* ---- One model ---------------------------------------------------------- */

static void
refused (const char *path, const char *device, const char *part)
{
  const NevaModelOptions options = {.device = device, .threads = 1};
  g_autoptr (GError) error = NULL;
  gsize n;
  g_autofree float *got = compute (path, &options, &n, &error);

  CHECK (!got, "%s", part);
  CHECK_ERROR (error, NEVA_ERROR_UNSUPPORTED, part);
  g_clear_error (&error);
  CHECK (
      !neva_quantization_check (NEVA_QUANTIZE_FP8, device, &error), "%s", part);
  CHECK_ERROR (error, NEVA_ERROR_UNSUPPORTED, part);
}

static void
check_devices (const char *path)
{
  refused (path, "cpu", "fp8 needs a GPU of compute capability 8.9 or later");
  g_setenv ("NEVA_CUDAEMU_CAPABILITY", "80", TRUE);
  refused (path, "cuda", "GPU 0 is one of 8.0");
  g_setenv ("NEVA_CUDAEMU_CAPABILITY", "89", TRUE);
  CHECK (neva_quantization_check (NEVA_QUANTIZE_FP8, "cuda", NULL), "8.9");
  g_unsetenv ("NEVA_CUDAEMU_CAPABILITY");
}

static void
check_shape (const RandomModel *m)
{
  g_autofree char *path = g_build_filename (folder, m->name, NULL);
  g_autofree char *to = g_strconcat (path, "-fp8", NULL);
  g_autoptr (NevaCalibration) c = neva_calibration_new ();
  const NevaModelOptions watch = {
      .weights = NEVA_WEIGHTS_F32, .threads = 2, .calibration = c};
  const NevaQuantizeOptions options = {.algorithm = NEVA_QUANTIZE_FP8};
  g_autoptr (GError) error = NULL;
  g_autofree float *want = NULL;
  double gpu, cpu, shared;
  gsize n;

  g_mkdir (path, 0700);
  CHECK (random_model_write (m, path, demo, seed, &error) &&
             (want = compute (path, &watch, &n, &error)) &&
             neva_quantize (path, to, c, &options, &error),
      "%s: %s", m->name, error ? error->message : "");
  if (error)
    return;
  CHECK (neva_model_is_quantized (to), "%s", to);
  if (!m->experts) /* an expert may have seen nothing */
    check_products (path, to, c);
  gpu = error_of (to, "cuda", NEVA_WEIGHTS_AUTO, 1, want);
  cpu = error_of (to, "cpu", NEVA_WEIGHTS_F32, 1, want);
  printf ("%s: on the GPU %.1f %%, its weights in f32 %.1f %%\n", m->name,
      100 * gpu, 100 * cpu);
  CHECK (gpu < 0.3 && cpu < 0.3, "%.3f %.3f", gpu, cpu);
  if (!m->experts && m->heads % 2 == 0) {
    shared = error_of (to, "cuda", NEVA_WEIGHTS_AUTO, 2, want);
    CHECK (fabs (shared - gpu) < 0.02, "%.3f %.3f", shared, gpu);
  }
  check_devices (to);
}

int
main (int argc, char **argv)
{
  const char *root = g_getenv ("NEVA_SOURCE") ? g_getenv ("NEVA_SOURCE") : ".";

  seed = (guint32) check_seed (argc, argv);
  demo = g_build_filename (root, "models", "demo", NULL);
  folder = g_dir_make_tmp ("neva-fp8-XXXXXX", NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++)
    check_shape (&shapes[i]);
  nftw (folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
  g_free (folder);
  g_free (demo);
  return check_finish ();
}
