/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* bench-gpu [SHAPE [NAME-PART]]: what a GPU does with a model of LLaVA-7B's
 * shape (7b), synthetic weights in a folder that is removed at the end: decode
 * in bf16 and in int4 as AWQ stores it, frames to first token, the tower, many
 * streams. Each beside the limit measured in this run and the goal, as lines of
 * JSON (report.h) and a table at the end. Exit status: 77 without a GPU; 1 with
 * NEVA_REQUIRE_DEVICE=1. tiny: for tests.
 *
 * NEVA_BENCH_DEVICE=cuda:N measures another GPU than the first.
 *
 * Limits: the arithmetic of the weights alone at the rate of cuBLAS in bf16; or
 * the bytes of weights, and of keys and values, at the rate of a copy on the
 * device. */
#include "config.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include "attention.h"
#include "device_limits.h"
#include "matmul.h"
#include "model/llava.h"
#include "report.h"
#include "synthetic.h"

#define SHARED_MEMORY "/dev/shm"

enum { FRAMES = 8, STREAMS = 16 };

/* A shape and how much of it is done. */
typedef struct {
  const char *name;
  const SyntheticShape *shape;
  guint depth, shallow; /* tokens of a cache */
  guint decoded;        /* tokens at a time */
  int repeats;
  guint limit_mb, limit_side;
  gboolean judged; /* goals are for this one */
} Plan;

static const Plan plans[] = {
    {"7b", &synthetic_7b, 2048, 256, 48, 4, 1024, 8192, TRUE},
    {"tiny", &synthetic_tiny, 96, 24, 4, 1, 1, 64, FALSE},
};

typedef struct {
  char *name;
  const char *unit;
  double value, limit, goal; /* goal 0: none */
  gboolean time;             /* less is better */
} Line;

typedef struct {
  const Plan *plan;
  const char *only, *device;
  DeviceLimits limits;
  NevaLlava *llava;
  gboolean awq;
  gint32 *ids;     /* [depth] */
  float *logits;   /* [STREAMS][vocab] */
  float *features; /* [FRAMES][tokens per frame][hidden] */
  GArray *lines;
} Bench;

static char *temporary; /* the folder to remove at the end */

static void
remove_temporary (void)
{
  if (temporary)
    synthetic_remove (temporary);
}

static G_GNUC_NORETURN void
die (GError *error)
{
  g_printerr ("bench-gpu: %s\n", error->message);
  exit (EXIT_FAILURE);
}

/* ---- Lines -------------------------------------------------------------- */

static gboolean
wanted (const Bench *b, const char *name)
{
  return !b->only || strstr (name, b->only) != NULL;
}

static void
add_line (Bench *b, const Line *line)
{
  Line own = *line;

  own.name = g_strdup (line->name);
  g_array_append_val (b->lines, own);
  bench_report (own.name, own.value, own.unit, own.limit, 0);
}

static gboolean
reaches (const Line *l, double value)
{
  return l->time ? value <= l->goal : value >= l->goal;
}

static void
print_table (const Bench *b)
{
  printf ("\n%s, %s: copies %.0f GB/s, cuBLAS bf16 %.1f TFLOP/s\n\n",
      b->plan->name, b->device, b->limits.copy, b->limits.bf16 / 1e3);
  printf ("| | measured | limit | share of the limit | goal | reached |\n"
          "|---|---|---|---|---|---|\n");
  for (guint i = 0; i < b->lines->len; i++) {
    const Line *l = &g_array_index (b->lines, Line, i);
    const double share = l->time ? l->limit / l->value : l->value / l->limit;
    const gboolean judged = b->plan->judged && l->goal > 0;
    const gboolean reached = reaches (l, l->value);

    printf ("| %s | %.4g %s | %.4g | %.0f %% |", l->name, l->value, l->unit,
        l->limit, 100 * share);
    if (judged)
      printf (" %s %g | %s |\n", l->time ? "≤" : "≥", l->goal,
          reached                 ? "yes"
          : reaches (l, l->limit) ? "**no**"
                                  : "**no**, nor does the limit");
    else
      printf (" | |\n");
  }
}

/* ---- Limits ------------------------------------------------------------- */

/* Seconds of `operations`, and of reading `bytes`. */
static double
arithmetic (const Bench *b, double operations)
{
  return operations / 1e9 / b->limits.bf16;
}

static double
reading (const Bench *b, double bytes)
{
  return bytes / 1e9 / b->limits.copy;
}

static double
tower_operations (const SyntheticShape *s)
{
  const double tokens = synthetic_tokens_per_frame (s);

  return 2 * FRAMES *
         ((tokens + 1) * synthetic_tower_weights (s) +
             tokens * synthetic_projector_weights (s));
}

/* What a step reads: weights once for all streams, and the caches. */
static double
bytes_per_step (const Bench *b, guint streams, guint depth)
{
  const SyntheticShape *s = b->plan->shape;
  const double layers = synthetic_layer_weights (s);
  const double head = synthetic_head_weights (s) - layers;
  const double per_weight =
      b->awq ? (double) neva_packed_bytes (NEVA_DTYPE_I4, 64, s->hidden) / 64 /
                   s->hidden
             : 2;

  return layers * per_weight + head * 2 +
         4.0 * s->layers * (double) synthetic_kv_width (s) * depth * streams;
}

/* ---- What is measured --------------------------------------------------- */

static void
step (const Bench *b, NevaStepItem *items, gsize n)
{
  GError *error = NULL;

  if (!neva_llava_step (b->llava, items, n, &error))
    die (error);
}

static NevaSequence *
new_sequence (const Bench *b, guint depth)
{
  GError *error = NULL;
  NevaSequence *sequence = neva_sequence_new (b->llava, &error);
  NevaStepItem item = {.sequence = sequence, .ids = b->ids, .n = depth};

  if (!sequence)
    die (error);
  if (depth)
    step (b, &item, 1);
  return sequence;
}

/* Tokens per second of n sequences together, each `depth` long. The first time
 * makes the graph of the step. */
static double
decode_rate (const Bench *b, NevaSequence **sequences, guint n, guint depth)
{
  NevaStepItem items[STREAMS];
  double best = 0;

  for (guint i = 0; i < n; i++)
    items[i] = (NevaStepItem){.sequence = sequences[i],
        .ids = b->ids + i,
        .n = 1,
        .logits = b->logits + (gsize) i * b->plan->shape->vocab};
  for (int i = 0; i < b->plan->repeats; i++) {
    const double start = bench_seconds ();

    for (guint j = 0; j < b->plan->decoded; j++)
      step (b, items, n);
    best = MAX (best, n * b->plan->decoded / (bench_seconds () - start));
    for (guint j = 0; j < n; j++)
      neva_sequence_truncate (sequences[j], depth);
  }
  return best;
}

static const char *
form (const Bench *b)
{
  return b->awq ? "int4" : "bf16";
}

/* One stream, and STREAMS of them, whose caches are their own. */
static void
bench_decode (Bench *b, guint depth, double goal)
{
  g_autofree char *one = g_strdup_printf ("decode-%u-%s", depth, form (b));
  g_autofree char *many =
      g_strdup_printf ("streams-%u-%u-%s", STREAMS, depth, form (b));
  g_autofree char *ratio = g_strconcat (many, "-to-1", NULL);
  const double limit_1 = 1 / reading (b, bytes_per_step (b, 1, depth));
  const double limit_n =
      STREAMS / reading (b, bytes_per_step (b, STREAMS, depth));
  NevaSequence *sequences[STREAMS];
  double rate_1, rate_n;

  if (!wanted (b, one) && !wanted (b, ratio))
    return;
  for (guint i = 0; i < STREAMS; i++)
    sequences[i] = new_sequence (b, depth);
  rate_1 = decode_rate (b, sequences, 1, depth);
  add_line (b, &(Line){one, "tokens/s", rate_1, limit_1, goal, FALSE});
  rate_n = decode_rate (b, sequences, STREAMS, depth);
  add_line (b, &(Line){many, "tokens/s", rate_n, limit_n, 0, FALSE});
  add_line (b, &(Line){ratio, "times", rate_n / rate_1, limit_n / limit_1,
                   b->awq ? 0 : 10, FALSE});
  for (guint i = 0; i < STREAMS; i++)
    neva_sequence_free (sequences[i]);
}

static guint8 *
make_picture (const SyntheticShape *s)
{
  const gsize bytes = (gsize) s->vit_image * s->vit_image * 3;
  guint8 *pixels = g_malloc (bytes);

  for (gsize i = 0; i < bytes; i++)
    pixels[i] = (guint8) (i * 2654435761u >> 16);
  return pixels;
}

static void
encode (const Bench *b, const guint8 *picture)
{
  const guint8 *frames[FRAMES];
  GError *error = NULL;

  for (guint i = 0; i < FRAMES; i++)
    frames[i] = picture;
  if (!neva_llava_encode (b->llava, frames, FRAMES, b->features, NULL, &error))
    die (error);
}

/* Pictures to features in the host's memory. */
static void
bench_tower (Bench *b, const guint8 *picture)
{
  const double limit = arithmetic (b, tower_operations (b->plan->shape));
  double best = G_MAXDOUBLE;

  if (!wanted (b, "vit-8-frames"))
    return;
  for (int i = 0; i < b->plan->repeats; i++) {
    const double start = bench_seconds ();

    encode (b, picture);
    best = MIN (best, bench_seconds () - start);
  }
  add_line (b, &(Line){"vit-8-frames", "ms", best * 1e3, limit * 1e3, 4, TRUE});
}

static guint
best_id (const float *logits, guint n)
{
  guint best = 0;

  for (guint i = 1; i < n; i++)
    if (logits[i] > logits[best])
      best = i;
  return best;
}

/* Pictures to the first id: `depth` positions, frames first, then ids. */
static void
bench_first_token (Bench *b, const guint8 *picture)
{
  const SyntheticShape *s = b->plan->shape;
  const guint n = b->plan->depth;
  const guint seen = MIN (n, FRAMES * synthetic_tokens_per_frame (s));
  const double limit = arithmetic (
      b, tower_operations (s) + 2.0 * n * synthetic_layer_weights (s));
  g_autofree const float **rows = g_new0 (const float *, n);
  g_autofree char *name = g_strdup_printf ("first-token-8-frames-%u", n);
  double best = G_MAXDOUBLE;
  guint id = 0;

  if (!wanted (b, name))
    return;
  for (guint i = 0; i < seen; i++)
    rows[i] = b->features + (gsize) i * s->hidden;
  for (int i = 0; i < b->plan->repeats; i++) {
    NevaSequence *sequence = new_sequence (b, 0);
    NevaStepItem item = {.sequence = sequence,
        .ids = b->ids,
        .rows = rows,
        .n = n,
        .logits = b->logits};
    const double start = bench_seconds ();

    encode (b, picture);
    step (b, &item, 1);
    id = best_id (b->logits, s->vocab);
    best = MIN (best, bench_seconds () - start);
    neva_sequence_free (sequence);
  }
  printf ("first id: %u\n", id);
  add_line (b, &(Line){name, "ms", best * 1e3, limit * 1e3, 60, TRUE});
}

/* ---- The model ---------------------------------------------------------- */

/* Room for a file of 7b in memory, else the usual place. */
static char *
new_folder (const Bench *b)
{
  struct statvfs fs;
  GError *error = NULL;
  char *folder = NULL;

  if (!g_getenv ("TMPDIR") && statvfs (SHARED_MEMORY, &fs) == 0 &&
      (guint64) fs.f_bavail * fs.f_frsize > (guint64) 24 << 30)
    folder = g_strdup (SHARED_MEMORY "/neva-bench-XXXXXX");
  if (folder && g_mkdtemp (folder))
    return folder;
  g_free (folder);
  folder = g_dir_make_tmp ("neva-bench-XXXXXX", &error);
  if (!folder)
    die (error);
  return folder;
}

static void
load (Bench *b)
{
  const SyntheticShape *s = b->plan->shape;
  const guint64 per_token = 4 * s->layers * synthetic_kv_width (s);
  const NevaModelOptions options = {
      .weights = b->awq ? NEVA_WEIGHTS_AUTO : NEVA_WEIGHTS_BF16,
      .device = b->device,
      .kv_cache_bytes = per_token * (STREAMS + 1) *
                        (b->plan->depth + b->plan->decoded + NEVA_KV_PAGE)};
  const double start = bench_seconds ();
  GError *error = NULL;
  double written;

  temporary = new_folder (b);
  if (!synthetic_write (s, b->awq, temporary, &error))
    die (error);
  written = bench_seconds ();
  b->llava = neva_llava_load (temporary, &options, NULL, NULL, NULL, &error);
  if (!b->llava)
    die (error);
  printf ("%s: written in %.1f s, loaded in %.1f s, weights %.0f MB\n",
      form (b), written - start, bench_seconds () - written,
      (double) neva_llava_weight_bytes (b->llava) / 1e6);
  fflush (stdout);
}

static void
unload (Bench *b)
{
  neva_llava_free (b->llava);
  synthetic_remove (temporary);
  g_clear_pointer (&temporary, g_free);
}

/* Loading takes a while. */
static gboolean
form_wanted (const Bench *b)
{
  if (!b->only)
    return TRUE;
  return b->awq ? !strstr (b->only, "bf16") && !strstr (b->only, "frames")
                : !strstr (b->only, "int4");
}

static void
bench_form (Bench *b)
{
  g_autofree guint8 *picture = make_picture (b->plan->shape);

  if (!form_wanted (b))
    return;
  load (b);
  if (!b->awq) {
    bench_tower (b, picture);
    bench_first_token (b, picture);
  }
  bench_decode (b, b->plan->depth, b->awq ? 450 : 180);
  bench_decode (b, b->plan->shallow, 0);
  unload (b);
}

/* ---- The device --------------------------------------------------------- */

static int
no_device (const char *why)
{
  const gboolean fail = g_strcmp0 (g_getenv ("NEVA_REQUIRE_DEVICE"), "1") == 0;

  printf ("no device: %s: %s\n", fail ? "FAIL" : "skipped", why);
  return fail ? EXIT_FAILURE : 77;
}

static void
measure_limits (Bench *b)
{
  const char *colon = strchr (b->device, ':');
  const char *why = device_limits_measure (&b->limits,
      colon ? atoi (colon + 1) : 0, b->plan->limit_mb, b->plan->limit_side);

  if (!why)
    return;
  g_printerr ("bench-gpu: %s: %s\n", b->device, why);
  exit (EXIT_FAILURE);
}

static const Plan *
find_plan (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (plans); i++)
    if (g_str_equal (name, plans[i].name))
      return &plans[i];
  g_printerr ("bench-gpu: shape '%s' is unknown (7b, tiny)\n", name);
  exit (EXIT_FAILURE);
}

static gboolean
start (Bench *b, GError **error)
{
  const SyntheticShape *s = b->plan->shape;
  NevaBackend *backend = neva_backend_new (b->device, 0, error);

  if (!backend)
    return FALSE;
  neva_backend_free (backend);
  measure_limits (b);
  b->ids = g_new (gint32, b->plan->depth);
  for (guint i = 0; i < b->plan->depth; i++)
    b->ids[i] = (gint32) (i * 2654435761u % s->vocab);
  b->logits = g_new (float, (gsize) STREAMS * s->vocab);
  b->features =
      g_new (float, (gsize) FRAMES *synthetic_tokens_per_frame (s) * s->hidden);
  b->lines = g_array_new (FALSE, FALSE, sizeof (Line));
  return TRUE;
}

static void
finish (Bench *b)
{
  for (guint i = 0; i < b->lines->len; i++)
    g_free (g_array_index (b->lines, Line, i).name);
  g_array_unref (b->lines);
  g_free (b->ids);
  g_free (b->logits);
  g_free (b->features);
}

int
main (int argc, char **argv)
{
  const char *device = g_getenv ("NEVA_BENCH_DEVICE");
  Bench b = {.plan = find_plan (argc > 1 ? argv[1] : "7b"),
      .only = argc > 2 ? argv[2] : NULL,
      .device = device && *device ? device : "cuda"};
  g_autoptr (GError) error = NULL;
  gboolean some;

  if (!start (&b, &error))
    return no_device (error->message);
  atexit (remove_temporary);
  bench_form (&b);
  b.awq = TRUE;
  bench_form (&b);
  some = b.lines->len > 0;
  if (some)
    print_table (&b);
  else
    g_printerr ("bench-gpu: nothing has '%s' in its name\n", b.only);
  finish (&b);
  return some ? EXIT_SUCCESS : EXIT_FAILURE;
}
