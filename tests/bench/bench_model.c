/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-model [NAME-PART [TPxPP]]: prefill and decode of a 1.1B Llama shape,
 * one stream and several, ViT-L/14 on 8 frames, with synthetic weights in a
 * folder that is removed at the end.
 *
 * NEVA_BENCH_DEVICE=cuda[:N] measures a GPU; limits then are its own: cuBLAS in
 * bf16 for all arithmetic, and a copy on the device for what is read.
 *
 * Limits: the arithmetic of the weights alone (no attention, no output head) at
 * the peak rate of the machine; or the bytes of weights, and of keys and
 * values, at its read bandwidth. Both are measured in this run. */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include "attention.h"
#include "device_limits.h"
#include "machine_limits.h"
#include "matmul.h"
#include "model/llava.h"
#include "peer.h"
#include "report.h"
#include "synthetic.h"

enum { FRAMES = 8, DECODED = 8, REPEATS = 3, ROWS = 257, STREAMS = 16 };

typedef struct {
  const char *name, *peer;
  NevaWeights weights;
  NevaDType type;
} Form;

static const Form forms[] = {
    {"bf16", "bf16", NEVA_WEIGHTS_BF16, NEVA_DTYPE_BF16},
    {"int8", "q8_0", NEVA_WEIGHTS_INT8, NEVA_DTYPE_I8},
    {"int4", "q4_0", NEVA_WEIGHTS_INT4, NEVA_DTYPE_I4},
};

typedef struct {
  const char *only;
  unsigned threads;
  Limits limits;
  const char *device; /* NULL: the CPU */
  DeviceLimits device_limits;
  NevaLlava *llava;
  const Form *form;
  gint32 *ids;
  guint tp, pp; /* ranks that share the model */
} Bench;

static const SyntheticShape *const shape = &synthetic_1b;
static char *temporary; /* the folder to remove at the end, whatever it is */

static void
remove_temporary (void)
{
  if (temporary)
    synthetic_remove (temporary);
}

static gboolean
wanted (const Bench *b, const char *name)
{
  return !b->only || strstr (name, b->only) != NULL;
}

static G_GNUC_NORETURN void
die (GError *error)
{
  g_printerr ("bench-model: %s\n", error->message);
  exit (EXIT_FAILURE);
}

static double
arithmetic_limit (const Bench *b)
{
  if (b->device)
    return b->device_limits.bf16;
  return b->form->type == NEVA_DTYPE_BF16 ? limits_bf16 (&b->limits)
                                          : limits_int8 (&b->limits);
}

/* GB/s, now. */
static double
read_limit (const Bench *b)
{
  return b->device ? b->device_limits.copy : limits_read (b->threads);
}

static void
measure_limits (Bench *b)
{
  const char *why, *colon;

  if (!b->device) {
    b->limits = limits_measure (b->threads);
    limits_print (&b->limits, b->threads);
    return;
  }
  colon = strchr (b->device, ':');
  why = device_limits_measure (
      &b->device_limits, colon ? atoi (colon + 1) : 0, 1024, 8192);
  if (why) {
    g_printerr ("bench-model: %s: %s\n", b->device, why);
    exit (EXIT_FAILURE);
  }
  printf ("%s: copies %.0f GB/s, cuBLAS bf16 %.1f TFLOP/s\n", b->device,
      b->device_limits.copy, b->device_limits.bf16 / 1e3);
}

static void
step (const Bench *b, NevaSequence *sequence, gsize n, float *logits)
{
  const NevaStepItem item = {
      .sequence = sequence, .ids = b->ids, .n = n, .logits = logits};
  GError *error = NULL;

  if (!neva_llava_step (b->llava, &item, 1, &error))
    die (error);
}

static NevaSequence *
new_sequence (const Bench *b)
{
  GError *error = NULL;
  NevaSequence *sequence = neva_sequence_new (b->llava, &error);

  if (!sequence)
    die (error);
  return sequence;
}

static void
bench_prefill (const Bench *b, guint tokens)
{
  g_autofree char *name =
      g_strdup_printf ("prefill-%u-%s", tokens, b->form->name);
  g_autofree float *logits = g_new (float, shape->vocab);
  double best = 0;

  if (!wanted (b, name))
    return;
  for (int i = 0; i < REPEATS; i++) {
    NevaSequence *sequence = new_sequence (b);
    const double start = bench_seconds ();

    step (b, sequence, tokens, logits);
    best = MAX (best, tokens / (bench_seconds () - start));
    neva_sequence_free (sequence);
  }
  bench_report (name, best, "tokens/s",
      arithmetic_limit (b) / (2 * synthetic_layer_weights (shape) / 1e9),
      peer_rate (b->form->peer, tokens, 0, b->threads));
}

/* What a step reads: weights as they lie in memory, the output head's too, once
 * for all streams; and the caches. */
static double
bytes_per_step (const Bench *b, guint streams, guint depth)
{
  /* every row of every matrix is a multiple of a panel here */
  const double per_weight =
      b->form->type == NEVA_DTYPE_BF16
          ? 2
          : (double) neva_packed_bytes (b->form->type, 64, shape->hidden) / 64 /
                shape->hidden;

  return synthetic_head_weights (shape) * per_weight +
         2.0 * shape->layers * synthetic_kv_width (shape) * 2 * depth * streams;
}

static void
bench_decode (const Bench *b, guint depth)
{
  g_autofree char *name =
      g_strdup_printf ("decode-%u-%s", depth, b->form->name);
  g_autofree float *logits = g_new (float, shape->vocab);
  NevaSequence *sequence;
  double best = 0;

  if (!wanted (b, name))
    return;
  sequence = new_sequence (b);
  if (depth)
    step (b, sequence, depth, NULL);
  for (int i = 0; i < REPEATS; i++) {
    const double start = bench_seconds ();

    for (int j = 0; j < DECODED; j++)
      step (b, sequence, 1, logits);
    best = MAX (best, DECODED / (bench_seconds () - start));
    neva_sequence_truncate (sequence, depth);
  }
  neva_sequence_free (sequence);
  bench_report (name, best, "tokens/s",
      read_limit (b) * 1e9 / bytes_per_step (b, 1, depth),
      peer_rate (b->form->peer, 0, depth, b->threads));
}

/* Tokens per second of the first n sequences together, each `depth` long. */
static double
stream_rate (const Bench *b, NevaSequence **sequences, guint n, guint depth)
{
  g_autofree float *logits = g_new (float, shape->vocab *n);
  NevaStepItem items[STREAMS];
  GError *error = NULL;
  double best = 0;

  for (guint i = 0; i < n; i++)
    items[i] = (NevaStepItem){.sequence = sequences[i],
        .ids = b->ids + i,
        .n = 1,
        .logits = logits + (gsize) i * shape->vocab};
  for (int i = 0; i < REPEATS; i++) {
    const double start = bench_seconds ();

    for (int j = 0; j < DECODED; j++)
      if (!neva_llava_step (b->llava, items, n, &error))
        die (error);
    best = MAX (best, n * DECODED / (bench_seconds () - start));
    for (guint j = 0; j < n; j++)
      neva_sequence_truncate (sequences[j], depth);
  }
  return best;
}

/* Every sequence has a cache of its own: nothing is shared but the weights. */
static void
bench_streams (const Bench *b, guint depth)
{
  NevaSequence *sequences[STREAMS];
  guint filled = 0;

  for (guint n = STREAMS; n; n /= 2) {
    g_autofree char *name =
        g_strdup_printf ("streams-%u-%u-%s", n, depth, b->form->name);

    if (!wanted (b, name))
      continue;
    for (; filled < n; filled++) {
      sequences[filled] = new_sequence (b);
      step (b, sequences[filled], depth, NULL);
    }
    bench_report (name, stream_rate (b, sequences, n, depth), "tokens/s",
        n * read_limit (b) * 1e9 / bytes_per_step (b, n, depth),
        peer_streams (b->form->peer, n, depth, b->threads));
  }
  for (guint i = 0; i < filled; i++)
    neva_sequence_free (sequences[i]);
}

static void
bench_tower (const Bench *b)
{
  g_autofree char *name = g_strdup_printf ("vit-l14-224x8-%s", b->form->name);
  const gsize bytes = shape->vit_image * shape->vit_image * 3;
  const gsize tokens = neva_llava_tokens_per_frame (b->llava);
  const double projector =
      (double) tokens * synthetic_projector_weights (shape);
  const double work = 2 * (ROWS * synthetic_tower_weights (shape) + projector);
  g_autofree guint8 *pixels = g_malloc (bytes);
  g_autofree float *features = g_new (float, FRAMES *tokens * shape->hidden);
  const guint8 *frames[FRAMES];
  GError *error = NULL;
  double best = 0;

  if (!wanted (b, name))
    return;
  for (gsize i = 0; i < bytes; i++)
    pixels[i] = (guint8) (i * 2654435761u >> 16);
  for (int i = 0; i < FRAMES; i++)
    frames[i] = pixels;
  for (int i = 0; i < REPEATS; i++) {
    const double start = bench_seconds ();

    if (!neva_llava_encode (b->llava, frames, FRAMES, features, NULL, &error))
      die (error);
    best = MAX (best, FRAMES / (bench_seconds () - start));
  }
  bench_report (name, best, "frames/s", arithmetic_limit (b) / (work / 1e9), 0);
}

static void
print_memory (void)
{
  g_autofree char *status = NULL;
  const char *peak;

  if (g_file_get_contents ("/proc/self/status", &status, NULL, NULL) &&
      (peak = strstr (status, "VmHWM:")))
    printf (
        "peak resident so far: %ld MB\n", strtol (peak + 6, NULL, 10) / 1024);
}

/* Lines of every form; ViT has none of int4, streams none of int8. */
static gboolean
has_line (const Form *form, const char *name)
{
  return !(g_str_has_prefix (name, "vit") && form->type == NEVA_DTYPE_I4) &&
         !(g_str_has_prefix (name, "streams") && form->type == NEVA_DTYPE_I8);
}

/* Whether any of a form's lines is asked for: loading takes a while. */
static gboolean
form_wanted (const Bench *b)
{
  static const char *const names[] = {"prefill-512-", "prefill-2048-",
      "decode-0-", "decode-2048-", "vit-l14-224x8-", "streams-1-256-",
      "streams-2-256-", "streams-4-256-", "streams-8-256-", "streams-16-256-",
      "streams-1-2048-", "streams-2-2048-", "streams-4-2048-",
      "streams-8-2048-", "streams-16-2048-"};

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *name = g_strconcat (names[i], b->form->name, NULL);

    if (wanted (b, name) && has_line (b->form, name))
      return TRUE;
  }
  return FALSE;
}

static void
bench_form (Bench *b, const char *folder)
{
  /* room for all streams */
  const NevaModelOptions options = {.weights = b->form->weights,
      .device = b->device,
      .kv_cache_bytes = (guint64) 2 << 30,
      .tensor_parallel = b->tp,
      .pipeline_parallel = b->pp};
  GError *error = NULL;
  const double start = bench_seconds ();

  b->llava = neva_llava_load (folder, &options, NULL, NULL, NULL, &error);
  if (!b->llava)
    die (error);
  printf ("%s: loaded in %.1f s, weights %.0f MB\n", b->form->name,
      bench_seconds () - start,
      (double) neva_llava_weight_bytes (b->llava) / 1e6);
  bench_prefill (b, 512);
  bench_prefill (b, 2048);
  bench_decode (b, 0);
  bench_decode (b, 2048);
  if (has_line (b->form, "vit"))
    bench_tower (b);
  if (has_line (b->form, "streams")) {
    bench_streams (b, 256);
    bench_streams (b, 2048);
  }
  print_memory ();
  neva_llava_free (b->llava);
}

int
main (int argc, char **argv)
{
  Bench b = {.only = argc > 1 ? argv[1] : NULL,
      .threads = (unsigned) sysconf (_SC_NPROCESSORS_ONLN),
      .device = g_getenv ("NEVA_BENCH_DEVICE")};
  const char *ranks = argc > 2 ? argv[2] : "1x1";   /* TPxPP */
  const char *kept = g_getenv ("NEVA_BENCH_MODEL"); /* a folder to keep */
  char *folder;                                     /* lives until exit */
  GError *error = NULL;

  if (sscanf (ranks, "%ux%u", &b.tp, &b.pp) != 2)
    b.tp = b.pp = 1;
  folder =
      kept ? g_strdup (kept) : g_dir_make_tmp ("neva-bench-XXXXXX", &error);
  if (!folder)
    die (error);
  temporary = kept ? NULL : folder;
  atexit (remove_temporary);
  g_autofree char *config = g_build_filename (folder, "config.json", NULL);

  if (kept)
    g_mkdir_with_parents (folder, 0755);
  if (!g_file_test (config, G_FILE_TEST_EXISTS) &&
      !synthetic_write (shape, FALSE, folder, &error))
    die (error);
  measure_limits (&b);
  b.ids = g_new (gint32, 2048);
  for (int i = 0; i < 2048; i++)
    b.ids[i] = (gint32) ((guint32) i * 2654435761u % shape->vocab);
  for (gsize i = 0; i < G_N_ELEMENTS (forms); i++) {
    b.form = &forms[i];
    if (form_wanted (&b))
      bench_form (&b, folder);
  }
  g_free (b.ids);
  return EXIT_SUCCESS;
}
