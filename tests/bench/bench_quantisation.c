/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-quantisation [--clips N] [--random] MODEL…: what weights of fewer bits
 * do to a model's logits and to its greedy answers.
 *
 * N (24) clips of a disc or a square that moves over a plain background, drawn
 * from a fixed seed, are described greedily with bf16 weights. The others are
 * then given those very answers token by token, so that all look at the same
 * contexts:
 *
 *   error    rms of what their logits differ by, in parts of the rms of bf16's
 *            (both less their mean over the vocabulary, which changes nothing)
 *   tokens   how many of bf16's tokens they would have chosen, too
 *   answers  how many of their own answers are bf16's to the last token
 *
 *   int8, int4     quantised at load (weights=)
 *   int8_sq, awq   calibrated on N other clips, saved and opened as they are
 *   awq, no search the same files, rounded to nearest
 *
 * --random: random models of several shapes, too, in which some channels are 20
 * times as large as the others, as in large models. Of a checkpoint that is
 * quantised already, all but "as stored" start from what the codes stand for.
 */
#include "config.h"
#include <ftw.h>
#include <glib/gstdio.h>
#include <math.h>
#include <neva/quantize.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "model/lita.h"
#include "model/llava.h"
#include "random_model.h"
#include "text/prompt.h"

enum { MAX_ANSWER = 40, SEED = 20240607, OTHER_SEED = 20240608 };

typedef struct {
  guint8 **frames;        /* [n_frames][height][width][3] */
  gint32 ids[MAX_ANSWER]; /* bf16's answer */
  gsize n;
  float *logits; /* [n][vocab]: bf16's, less their mean */
} Clip;

typedef struct {
  NevaLlava *model;
  const NevaConfig *config;
  NevaPrompt prompt;
  const float **rows; /* [prompt]: features or NULL */
  float *features;
} Run;

typedef struct {
  double error2, size2;
  gsize equal, tokens, same;
} Sum;

static G_GNUC_NORETURN void
die (const char *path, GError *error)
{
  g_printerr ("bench-quantisation: %s: %s\n", path, error->message);
  exit (EXIT_FAILURE);
}

/* ---- Clips -------------------------------------------------------------- */

static guint8 *
draw_frame (const NevaPreprocess *p, const double *scene, double time)
{
  guint8 *rgb = g_malloc (3 * (gsize) p->width * p->height);
  const double radius = 0.12 + 0.1 * scene[0];
  const double cx = 0.25 + 0.5 * (scene[1] > 0.5 ? time : scene[2]);
  const double cy = 0.25 + 0.5 * (scene[1] > 0.5 ? scene[2] : time);

  for (gsize y = 0; y < p->height; y++) {
    for (gsize x = 0; x < p->width; x++) {
      const double dx = fabs (((double) x + 0.5) / p->width - cx);
      const double dy = fabs (((double) y + 0.5) / p->height - cy);
      const gboolean in = scene[3] > 0.5 ? dx * dx + dy * dy < radius * radius
                                         : MAX (dx, dy) < radius;

      for (int c = 0; c < 3; c++)
        rgb[3 * (y * p->width + x) + (gsize) c] =
            in ? (scene[4 + c] > 0.5 ? 230 : 20) : 128;
    }
  }
  return rgb;
}

static Clip *
draw_clips (const NevaConfig *c, guint n, guint32 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed (seed);
  Clip *clips = g_new0 (Clip, n);

  for (guint i = 0; i < n; i++) {
    double scene[7];

    for (int k = 0; k < 7; k++)
      scene[k] = g_rand_double (rand);
    clips[i].frames = g_new (guint8 *, c->num_frames);
    for (guint f = 0; f < c->num_frames; f++)
      clips[i].frames[f] =
          draw_frame (&c->preprocess, scene, f / MAX (c->num_frames - 1.0, 1));
  }
  return clips;
}

static void
free_clips (Clip *clips, guint n, guint n_frames)
{
  for (guint i = 0; i < n; i++) {
    for (guint f = 0; f < n_frames; f++)
      g_free (clips[i].frames[f]);
    g_free (clips[i].frames);
    g_free (clips[i].logits);
  }
  g_free (clips);
}

/* ---- Running ------------------------------------------------------------ */

static void
open_run (
    Run *r, const char *path, NevaWeights weights, NevaCalibration *calibration)
{
  const NevaModelOptions options = {
      .weights = weights, .calibration = calibration};
  g_autoptr (NevaTokenizer) tokenizer = NULL;
  NevaPromptSpec spec = {0};
  GError *error = NULL;
  gsize tokens, next = 0;

  *r = (Run){0};
  r->model = neva_llava_load (path, &options, NULL, NULL, NULL, &error);
  if (!r->model || !(tokenizer = neva_tokenizer_open_files (
                         neva_llava_tokenizer (r->model), FALSE, &error)))
    die (path, error);
  r->config = neva_llava_config (r->model);
  tokens = neva_llava_tokens_per_frame (r->model);
  spec = (NevaPromptSpec){.conv_template = r->config->conv_template,
      .text = r->config->prompt,
      .media_tokens = r->config->num_frames * tokens,
      .media_token = r->config->media_token,
      .bos = neva_tokenizer_prompt_bos (tokenizer)};
  if (!neva_prompt_build (tokenizer, &spec, &r->prompt, &error))
    die (path, error);
  r->features = g_new (float, spec.media_tokens * r->config->text.hidden);
  r->rows = g_new0 (const float *, r->prompt.ids->len);
  for (gsize i = 0; i < r->prompt.media_len; i++)
    r->rows[r->prompt.media_start + i] =
        r->features + next++ * r->config->text.hidden;
}

static void
close_run (Run *r)
{
  neva_llava_free (r->model);
  neva_prompt_clear (&r->prompt);
  g_free (r->rows);
  g_free (r->features);
}

/* Of the clip that was encoded last: the logits behind the prompt. */
static NevaSequence *
ask (Run *r, float *logits)
{
  GError *error = NULL;
  NevaSequence *s = neva_sequence_new (r->model, &error);
  const NevaStepItem item = {s, (const gint32 *) (void *) r->prompt.ids->data,
      r->rows, r->prompt.ids->len, logits, FALSE, FALSE};

  if (!s || !neva_llava_step (r->model, &item, 1, &error))
    die ("prompt", error);
  return s;
}

static void
encode (Run *r, const Clip *clip)
{
  GError *error = NULL;

  if (!neva_llava_encode (r->model, (const guint8 *const *) clip->frames,
          r->config->num_frames, r->features, NULL, &error))
    die ("frames", error);
}

static gboolean
is_end (const NevaConfig *c, gint32 id)
{
  for (guint i = 0; i < c->n_eos; i++) {
    if (c->eos[i] == id)
      return TRUE;
  }
  return FALSE;
}

static gint32
best (const float *x, gsize n)
{
  gsize at = 0;

  for (gsize i = 1; i < n; i++)
    at = x[i] > x[at] ? i : at;
  return (gint32) at;
}

/* Greedy when `given` is 0, else those tokens whatever it would choose. All
 * logits to `logits` [MAX_ANSWER][vocab]; returns the number of tokens. */
static gsize
answer (Run *r, gint32 *ids, gsize given, float *logits)
{
  const gsize vocab = r->config->text.vocab;
  NevaSequence *s = ask (r, logits);
  GError *error = NULL;
  gsize n = 0;

  for (;;) {
    if (!given)
      ids[n] = best (logits + n * vocab, vocab);
    n++;
    if (n == (given ? given : MAX_ANSWER) ||
        (!given && is_end (r->config, ids[n - 1])))
      break;
    if (!neva_llava_step (r->model,
            &(NevaStepItem){.sequence = s,
                .ids = ids + n - 1,
                .n = 1,
                .logits = logits + n * vocab},
            1, &error))
      die ("answer", error);
  }
  neva_sequence_free (s);
  return n;
}

/* ---- Comparing ---------------------------------------------------------- */

static void
center (float *x, gsize n)
{
  double mean = 0;

  for (gsize i = 0; i < n; i++)
    mean += x[i] / (double) n;
  for (gsize i = 0; i < n; i++)
    x[i] -= (float) mean;
}

static void
learn (const char *path, Clip *clips, guint n)
{
  Run r;

  open_run (&r, path, NEVA_WEIGHTS_BF16, NULL);
  for (guint i = 0; i < n; i++) {
    const gsize vocab = r.config->text.vocab;

    clips[i].logits = g_new (float, MAX_ANSWER *vocab);
    encode (&r, &clips[i]);
    clips[i].n = answer (&r, clips[i].ids, 0, clips[i].logits);
    for (gsize t = 0; t < clips[i].n; t++)
      center (clips[i].logits + t * vocab, vocab);
  }
  close_run (&r);
}

static void
compare_clip (Run *r, Clip *clip, float *logits, Sum *sum)
{
  const gsize vocab = r->config->text.vocab;
  gint32 own[MAX_ANSWER];
  gsize n;

  encode (r, clip);
  answer (r, clip->ids, clip->n, logits);
  for (gsize t = 0; t < clip->n; t++) {
    const float *want = clip->logits + t * vocab;

    center (logits + t * vocab, vocab);
    for (gsize i = 0; i < vocab; i++) {
      const double d = logits[t * vocab + i] - (double) want[i];

      sum->error2 += d * d;
      sum->size2 += (double) want[i] * want[i];
    }
    sum->equal += best (logits + t * vocab, vocab) == clip->ids[t];
  }
  sum->tokens += clip->n;
  n = answer (r, own, 0, logits);
  sum->same += n == clip->n && !memcmp (own, clip->ids, n * sizeof *own);
}

static void
compare (const char *model, const char *path, NevaWeights weights,
    const char *name, Clip *clips, guint n)
{
  g_autofree char *base = g_path_get_basename (model);
  g_autofree float *logits = NULL;
  Sum sum = {0};
  Run r;

  open_run (&r, path, weights, NULL);
  logits = g_new (float, MAX_ANSWER *r.config->text.vocab);
  for (guint i = 0; i < n; i++)
    compare_clip (&r, &clips[i], logits, &sum);
  printf ("%-26s %-17s error %6.2f %%  tokens %4zu of %4zu (%5.1f %%)  answers "
          "%2zu of %2u\n",
      base, name, 100 * sqrt (sum.error2 / sum.size2), sum.equal, sum.tokens,
      100.0 * (double) sum.equal / (double) sum.tokens, sum.same, n);
  close_run (&r);
}

/* ---- Calibrated --------------------------------------------------------- */

static int
remove_one (
    const char *path, const struct stat *st, int kind, struct FTW *where)
{
  (void) st, (void) kind, (void) where;
  return remove (path);
}

static void
remove_all (const char *folder)
{
  nftw (folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static NevaCalibration *
calibrate (const char *path, guint n)
{
  NevaCalibration *c = neva_calibration_new ();
  g_autofree float *logits = NULL;
  gint32 ids[MAX_ANSWER];
  guint n_frames;
  Clip *clips;
  Run r;

  open_run (&r, path, NEVA_WEIGHTS_BF16, c);
  logits = g_new (float, MAX_ANSWER *r.config->text.vocab);
  n_frames = r.config->num_frames;
  clips = draw_clips (r.config, n, OTHER_SEED);
  for (guint i = 0; i < n; i++) {
    encode (&r, &clips[i]);
    answer (&r, ids, 0, logits);
  }
  close_run (&r);
  free_clips (clips, n, n_frames);
  return c;
}

static void
on_note (const char *text, gpointer unused)
{
  (void) unused;
  printf ("  %s\n", text);
}

static void
compare_saved (const char *path, NevaQuantization algorithm, NevaCalibration *c,
    const char *name, Clip *clips, guint n)
{
  g_autofree char *parent = g_dir_make_tmp ("bench-XXXXXX", NULL);
  g_autofree char *folder = g_build_filename (parent, "model", NULL);
  const NevaQuantizeOptions options = {
      .algorithm = algorithm, .note = c ? on_note : NULL};
  g_autoptr (GError) error = NULL;

  if (neva_quantize (path, folder, c, &options, &error))
    compare (path, folder, NEVA_WEIGHTS_AUTO, name, clips, n);
  else
    printf ("  %s: %s\n", name, error->message);
  remove_all (parent);
}

static void
compare_calibrated (const char *path, Clip *clips, guint n)
{
  g_autoptr (NevaCalibration) c = calibrate (path, n);

  compare_saved (path, NEVA_QUANTIZE_INT8_SQ, c, "int8_sq", clips, n);
  compare (path, path, NEVA_WEIGHTS_INT4, "int4", clips, n);
  compare_saved (path, NEVA_QUANTIZE_AWQ, NULL, "awq, no search", clips, n);
  compare_saved (path, NEVA_QUANTIZE_AWQ, c, "awq", clips, n);
}

/* ---- One model after the other ------------------------------------------ */

static void
report (const char *path, guint n)
{
  NevaLlava *l;
  GError *error = NULL;
  g_autofree char *stored = NULL;
  guint n_frames;
  gboolean coded;
  Clip *clips;

  if (!(l = neva_llava_load (path, NULL, NULL, NULL, NULL, &error)))
    die (path, error);
  stored = g_strdup_printf ("as stored: %s", neva_llava_weights_name (l));
  coded = neva_llava_config (l)->awq || neva_llava_config (l)->int8;
  n_frames = neva_llava_config (l)->num_frames;
  clips = draw_clips (neva_llava_config (l), n, SEED);
  neva_llava_free (l);
  learn (path, clips, n);
  compare (path, path, NEVA_WEIGHTS_F32, "f32", clips, n);
  compare (path, path, NEVA_WEIGHTS_INT8, "int8", clips, n);
  if (coded) {
    compare (path, path, NEVA_WEIGHTS_INT4, "int4", clips, n);
    compare (path, path, NEVA_WEIGHTS_AUTO, stored, clips, n);
  } else {
    compare_calibrated (path, clips, n);
  }
  free_clips (clips, n, n_frames);
}

/* The tokenizer is the demo model's, in the folder where this is run. */
static void
report_random (guint n)
{
  static const RandomModel shapes[] = {
      {"llama-no-outliers", "llama", NULL, FALSE, 512, 4, 8, 8, 64, 1408, 0,
          FALSE, 256, 4, 1024, 3, 0, "BF16"},
      {"llama", "llama", NULL, FALSE, 512, 4, 8, 8, 64, 1408, 0, FALSE, 256, 4,
          1024, 3, 6, "BF16"},
      {"qwen2-gqa", "qwen2", NULL, FALSE, 384, 6, 6, 2, 64, 1024, 0, TRUE, 128,
          4, 512, 3, 6, "BF16"},
      {"nemotron", "nemotron", NULL, FALSE, 512, 4, 8, 2, 64, 2048, 0, FALSE,
          256, 4, 1024, 3, 6, "BF16"},
      {"mixtral", "mixtral", NULL, FALSE, 256, 4, 4, 2, 64, 512, 8, FALSE, 128,
          4, 512, 3, 4, "BF16"},
      {"narrow-tower", "llama", NULL, TRUE, 256, 8, 4, 4, 64, 640, 0, TRUE, 72,
          4, 200, 3, 4, "BF16"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (shapes); i++) {
    g_autofree char *parent = g_dir_make_tmp ("bench-XXXXXX", NULL);
    g_autofree char *path = g_build_filename (parent, shapes[i].name, NULL);
    GError *error = NULL;

    g_mkdir (path, 0700);
    if (!random_model_write (&shapes[i], path, "models/demo", SEED, &error))
      die (path, error);
    report (path, n);
    remove_all (parent);
  }
}

int
main (int argc, char **argv)
{
  guint64 n = 24;
  gboolean random = FALSE;
  int first = 1;

  if (argc > 2 && g_str_equal (argv[1], "--clips")) {
    if (!g_ascii_string_to_unsigned (argv[2], 10, 1, 10000, &n, NULL))
      argc = 0;
    first = 3;
  }
  if (argc > first && g_str_equal (argv[first], "--random")) {
    random = TRUE;
    first++;
  }
  if (argc <= first && !random) {
    fprintf (
        stderr, "usage: bench-quantisation [--clips N] [--random] MODEL...\n");
    return 2;
  }
  for (int i = first; i < argc; i++)
    report (argv[i], (guint) n);
  if (random)
    report_random ((guint) n);
  return EXIT_SUCCESS;
}
