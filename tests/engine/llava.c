/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model under its own contract: results do not depend on batches, pieces or
 * what was forgotten; quantised weights stay near; limits and broken tensors
 * are errors by name. That the numbers are right is check-reference's business.
 */
#include "config.h"
#include <float.h>
#include <math.h>
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "checkpoint/safetensors.h"
#include "model/llava.h"

#define PROMPT 90

static NevaLlava *
load (const char *folder, NevaModelOptions options)
{
  g_autoptr (GError) error = NULL;
  NevaLlava *l = neva_llava_load (folder, &options, NULL, NULL, NULL, &error);

  CHECK (l != NULL, "%s", error ? error->message : "");
  return l;
}

static void
step (NevaLlava *l, const NevaStepItem *items, gsize n)
{
  g_autoptr (GError) error = NULL;

  CHECK (
      neva_llava_step (l, items, n, &error), "%s", error ? error->message : "");
}

static double
difference (const float *a, const float *b, gsize n)
{
  double max = 0;

  for (gsize i = 0; i < n; i++) {
    const double d = fabs ((double) a[i] - b[i]);

    if (!(d <= max))
      max = d;
  }
  return max;
}

static double
rms (const float *a, gsize n)
{
  double sum = 0;

  for (gsize i = 0; i < n; i++)
    sum += (double) a[i] * a[i];
  return sqrt (sum / (double) n);
}

/* Random ids, every fifth a random feature row. */
typedef struct {
  gint32 ids[PROMPT];
  const float *rows[PROMPT];
  float *features;
} Prompt;

static Prompt
random_prompt (GRand *rand, const NevaConfig *c)
{
  Prompt p = {.features = g_new (float, PROMPT * c->text.hidden)};

  for (gsize i = 0; i < PROMPT * c->text.hidden; i++)
    p.features[i] = (float) g_rand_double_range (rand, -2, 2);
  for (gsize i = 0; i < PROMPT; i++) {
    p.ids[i] = g_rand_int_range (rand, 0, (gint32) c->text.vocab);
    p.rows[i] = i % 5 == 3 ? p.features + i * c->text.hidden : NULL;
  }
  return p;
}

/* Logits of every prompt row, the prompt given in pieces of `piece`. */
static float *
run_in_pieces (NevaLlava *l, const Prompt *p, gsize piece)
{
  const gsize vocab = neva_llava_config (l)->text.vocab;
  float *logits = g_new (float, PROMPT *vocab);
  NevaSequence *s = neva_sequence_new (l, NULL);

  for (gsize i = 0; i < PROMPT; i += piece) {
    const NevaStepItem item = {s, p->ids + i, p->rows + i,
        MIN (piece, PROMPT - i), logits + i * vocab, TRUE};

    step (l, &item, 1);
  }
  CHECK (neva_sequence_length (s) == PROMPT, "length %zu",
      neva_sequence_length (s));
  neva_sequence_free (s);
  return logits;
}

/* Other row counts may take other kernels, which add in another order: f32 sums
 * of some hundred terms over a few layers, so some hundred ulps. */
static void
test_pieces (NevaLlava *l, GRand *rand)
{
  static const gsize pieces[] = {1, 7, 63, 64, 65};
  const NevaConfig *c = neva_llava_config (l);
  const gsize n = PROMPT * c->text.vocab;
  Prompt p = random_prompt (rand, c);
  g_autofree float *whole = run_in_pieces (l, &p, PROMPT);
  const double bound = 256 * FLT_EPSILON * rms (whole, n);

  for (gsize i = 0; i < G_N_ELEMENTS (pieces); i++) {
    g_autofree float *got = run_in_pieces (l, &p, pieces[i]);
    const double d = difference (got, whole, n);

    CHECK (d <= bound, "pieces of %zu: %g > %g", pieces[i], d, bound);
  }
  CHECK (neva_llava_kv_bytes (l) == 0, "all blocks came back");
  g_free (p.features);
}

/* Three sequences in one step, of different lengths and wishes, and a decode
 * step beside a prompt: as each alone. Forgetting and going on another way must
 * give what never knowing gives. */
static void
test_batches (NevaLlava *l, GRand *rand)
{
  const NevaConfig *c = neva_llava_config (l);
  const gsize vocab = c->text.vocab;
  Prompt p[3];
  float *alone[3];
  g_autofree float *logits = g_new (float, 3 * vocab);
  NevaSequence *s[3];
  double bound;

  for (int i = 0; i < 3; i++) {
    p[i] = random_prompt (rand, c);
    alone[i] = run_in_pieces (l, &p[i], PROMPT);
    s[i] = neva_sequence_new (l, NULL);
  }
  bound = 256 * FLT_EPSILON * rms (alone[0], PROMPT * vocab);
  {
    const NevaStepItem first[] = {{s[0], p[0].ids, p[0].rows, 30, NULL, FALSE},
        {s[1], p[1].ids, p[1].rows, 70, logits, FALSE},
        {s[2], p[2].ids, p[2].rows, 1, logits + vocab, FALSE}};
    const NevaStepItem second[] = {
        {s[1], p[1].ids + 70, p[1].rows + 70, 1, logits + 2 * vocab, FALSE},
        {s[0], p[0].ids + 30, p[0].rows + 30, 50, NULL, FALSE}};

    step (l, first, 3);
    CHECK (difference (logits, alone[1] + 69 * vocab, vocab) <= bound, "1");
    CHECK (difference (logits + vocab, alone[2], vocab) <= bound, "2");
    step (l, second, 2);
    CHECK (
        difference (logits + 2 * vocab, alone[1] + 70 * vocab, vocab) <= bound,
        "decode beside a prompt");
  }
  neva_sequence_truncate (s[1], 20);
  {
    const NevaStepItem other = {
        s[1], p[1].ids + 20, p[1].rows + 20, 10, logits, FALSE};

    step (l, &other, 1);
    CHECK (difference (logits, alone[1] + 29 * vocab, vocab) <= bound,
        "after truncation");
  }
  for (int i = 0; i < 3; i++) {
    neva_sequence_free (s[i]);
    g_free (alone[i]);
    g_free (p[i].features);
  }
}

/* The same bits twice, and the same bits for frames in any company. */
static void
test_frames (NevaLlava *l, GRand *rand)
{
  const NevaConfig *c = neva_llava_config (l);
  const gsize bytes = 3 * (gsize) c->tower.image_size * c->tower.image_size;
  const gsize n = neva_llava_tokens_per_frame (l) * c->text.hidden;
  g_autofree guint8 *pixels = g_malloc (5 * bytes);
  g_autofree float *five = g_new (float, 5 * n), *one = g_new (float, n);
  const guint8 *frames[5];
  g_autoptr (GError) error = NULL;
  double bound;

  for (gsize i = 0; i < 5 * bytes; i++)
    pixels[i] = (guint8) g_rand_int (rand);
  for (gsize i = 0; i < 5; i++)
    frames[i] = pixels + i * bytes;
  CHECK (neva_llava_encode (l, frames, 5, five, NULL, &error), "encode");
  bound = 256 * FLT_EPSILON * rms (five, 5 * n);
  for (gsize i = 0; i < 5; i++) {
    CHECK (neva_llava_encode (l, frames + i, 1, one, NULL, &error), "encode");
    CHECK (difference (one, five + i * n, n) <= bound, "frame %zu", i);
  }
}

/* Signal to noise of the logits. 8 bits: weights and activations are off by at
 * most 1/254 of a group's maximum, about 1 % of its rms each; 4 bits: 1/30 of
 * the range of the weights, about 10 %. A few layers add up. */
static void
test_quantised (const char *folder, guint64 seed)
{
  static const struct {
    NevaWeights weights;
    const char *name;
    double noise; /* rms error over rms */
  } rows[] = {{NEVA_WEIGHTS_BF16, "bf16", 0.05},
      {NEVA_WEIGHTS_INT8, "int8", 0.1}, {NEVA_WEIGHTS_INT4, "int4", 0.6}};
  NevaLlava *l = load (folder, (NevaModelOptions){.weights = NEVA_WEIGHTS_F32});
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) seed);
  const gsize n = PROMPT * neva_llava_config (l)->text.vocab;
  Prompt p = random_prompt (rand, neva_llava_config (l));
  g_autofree float *exact = run_in_pieces (l, &p, PROMPT);

  CHECK_STR (neva_llava_weights_name (l), "f32");
  neva_llava_free (l);
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree float *got = NULL;
    double noise;

    l = load (folder, (NevaModelOptions){.weights = rows[i].weights});
    CHECK_STR (neva_llava_weights_name (l), rows[i].name);
    got = run_in_pieces (l, &p, PROMPT);
    for (gsize k = 0; k < n; k++)
      got[k] -= exact[k];
    noise = rms (got, n) / rms (exact, n);
    CHECK (noise <= rows[i].noise, "%s: %g", rows[i].name, noise);
    printf ("%s: noise %.3g of the logits\n", rows[i].name, noise);
    neva_llava_free (l);
  }
  g_free (p.features);
}

/* Bytes of the KV cache that one token takes: a block. */
static guint64
block_bytes (const char *folder)
{
  NevaLlava *l = load (folder, (NevaModelOptions){.threads = 0});
  NevaSequence *s = neva_sequence_new (l, NULL);
  const gint32 id = 0;
  const NevaStepItem item = {s, &id, NULL, 1, NULL, FALSE};
  guint64 bytes;

  step (l, &item, 1);
  bytes = neva_llava_kv_bytes (l);
  neva_sequence_free (s);
  neva_llava_free (l);
  return bytes;
}

static void
test_limits (const char *folder)
{
  g_autoptr (GError) error = NULL;
  NevaLlava *l = load (folder, (NevaModelOptions){.context_length = 300,
                                   .kv_cache_bytes = block_bytes (folder) * 3});
  const NevaConfig *c = neva_llava_config (l);
  NevaSequence *s = neva_sequence_new (l, NULL);
  NevaSequence *t = neva_sequence_new (l, NULL);
  gint32 ids[400] = {0};
  NevaStepItem items[] = {
      {s, ids, NULL, 301, NULL, FALSE}, {t, ids, NULL, 5, NULL, FALSE}};
  gsize fits = 0;

  CHECK (c->text.context_length == 300, "option");
  CHECK (!neva_llava_step (l, items, 1, &error), "too long");
  CHECK_ERROR (error, NEVA_ERROR_TOO_LONG, "301 tokens");
  ids[3] = (gint32) c->text.vocab;
  items[0].n = 5;
  CHECK (!neva_llava_step (l, items, 1, &error), "id outside");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "outside the vocabulary");
  ids[3] = -1;
  CHECK (!neva_llava_step (l, items, 1, &error), "negative id");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "token id -1");
  ids[3] = 0;

  /* fill the cache: the step that does not fit changes neither sequence */
  items[0].n = 64;
  while (fits < 4 && neva_llava_step (l, items, 1, &error))
    fits++;
  CHECK (fits == 3, "%zu blocks", fits);
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, "KV cache is full");
  neva_sequence_truncate (s, neva_sequence_length (s) - 64);
  items[0].n = 64;
  items[1].n = 5;
  CHECK (!neva_llava_step (l, items, 2, &error), "one block for two");
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, "KV cache is full");
  CHECK (neva_sequence_length (s) == (fits - 1) * 64 &&
             neva_sequence_length (t) == 0,
      "nothing changed");
  CHECK (neva_llava_step (l, items + 1, 1, &error), "the block is free again");
  neva_sequence_free (s);
  neva_sequence_free (t);
  neva_llava_free (l);
}

static void
test_options (const char *folder)
{
  static const struct {
    NevaModelOptions options;
    int code;
    const char *part;
  } bad[] = {
      {{.context_length = 1u << 30}, NEVA_ERROR_BAD_INPUT, "context"},
      {{.kv_cache_bytes = 1}, NEVA_ERROR_BAD_INPUT, "KV cache"},
      {{.device = "tpu"}, NEVA_ERROR_UNSUPPORTED, "'tpu'"},
  };
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    CHECK (!neva_llava_load (folder, &bad[i].options, NULL, NULL, NULL, &error),
        "row %zu", i);
    CHECK_ERROR (error, bad[i].code, bad[i].part);
  }
  g_cancellable_cancel (cancellable);
  CHECK (!neva_llava_load (folder, NULL, NULL, NULL, cancellable, &error),
      "cancelled");
  CHECK_ERROR (error, NEVA_ERROR_CANCELLED, "cancelled");
  CHECK (!neva_llava_load ("/nowhere", NULL, NULL, NULL, NULL, &error), "gone");
  CHECK_ERROR (error, NEVA_ERROR_NOT_FOUND, "/nowhere");
}

static void
copy_folder (const char *from, const char *to)
{
  g_autoptr (GDir) dir = g_dir_open (from, 0, NULL);
  const char *name;

  while (dir && (name = g_dir_read_name (dir))) {
    g_autofree char *source = g_build_filename (from, name, NULL);
    g_autofree char *target = g_build_filename (to, name, NULL);
    g_autofree char *bytes = NULL;
    gsize length;

    if (g_file_get_contents (source, &bytes, &length, NULL))
      g_file_set_contents (target, bytes, (gssize) length, NULL);
  }
}

/* Replaces text of the same length, or the first bytes of a tensor, in the
 * checkpoint; opens it; puts the old bytes back. */
static void
check_damage (const char *folder, const char *find, const char *replace,
    const char *tensor, guint16 value, int code, const char *part)
{
  g_autofree char *path = g_build_filename (folder, "model.safetensors", NULL);
  g_autofree char *bytes = NULL, *damaged = NULL;
  g_autoptr (GError) error = NULL;
  gsize length, at = 0;
  NevaLlava *l;

  g_file_get_contents (path, &bytes, &length, NULL);
  if (find) {
    at = (gsize) ((char *) memmem (bytes, length, find, strlen (find)) - bytes);
  } else {
    g_autoptr (NevaSafetensors) st = neva_safetensors_open (path, NULL);
    const NevaTensorView *last = neva_safetensors_find (st, tensor);
    g_autofree const char **names = neva_safetensors_names (st);
    const NevaTensorView *first = neva_safetensors_find (st, names[0]);
    guint64 header;

    memcpy (&header, bytes, 8);
    at = (gsize) ((const guint8 *) last->data - (const guint8 *) first->data) +
         8 + header;
  }
  damaged = g_memdup2 (bytes, length);
  if (find)
    memcpy (damaged + at, replace, strlen (replace));
  else
    memcpy (damaged + at, &value, 2);
  g_file_set_contents (path, damaged, (gssize) length, NULL);
  l = neva_llava_load (folder, NULL, NULL, NULL, NULL, &error);
  CHECK (!l, "accepted");
  neva_llava_free (l);
  CHECK_ERROR (error, code, part);
  g_file_set_contents (path, bytes, (gssize) length, NULL);
}

#define L0 "language_model.model.layers.0."

static void
test_broken_tensors (const char *folder)
{
  g_autofree char *copy = g_dir_make_tmp ("neva-llava-XXXXXX", NULL);
  g_autofree char *clean = g_strdup_printf ("rm -r '%s'", copy);

  copy_folder (folder, copy);
  check_damage (copy, L0 "mlp.up_proj", L0 "mlp.xx_proj", NULL, 0,
      NEVA_ERROR_BAD_FILE, "'" L0 "mlp.up_proj.weight' is missing");
  check_damage (copy, L0 "mlp.down_proj.weight\":{\"dtype\":\"F16\"",
      L0 "mlp.down_proj.weight\":{\"dtype\":\"I16\"", NULL, 0,
      NEVA_ERROR_UNSUPPORTED, "F32, BF16 or F16 expected, I16 found");
  check_damage (copy, "\"shape\":[24,40]", "\"shape\":[40,24]", NULL, 0,
      NEVA_ERROR_BAD_FILE, "24×40 expected, 40×24 found");
  /* NaN and infinity of f16 */
  check_damage (copy, NULL, NULL, L0 "self_attn.k_proj.weight", 0x7e00,
      NEVA_ERROR_BAD_FILE, L0 "self_attn.k_proj.weight' (file");
  check_damage (copy, NULL, NULL, L0 "input_layernorm.weight", 0xfc00,
      NEVA_ERROR_BAD_FILE, "holds a NaN or an infinity");
  check_damage (copy, NULL, NULL,
      "vision_tower.vision_model.embeddings.position_embedding.weight", 0x7c01,
      NEVA_ERROR_BAD_FILE, "position_embedding.weight");
  g_spawn_command_line_sync (clean, NULL, NULL, NULL, NULL);
}

int
main (int argc, char **argv)
{
  static const char *const names[] = {
      "clip-llama3-bf16-shards", "siglip-qwen2-tied"};
  const guint64 seed = check_seed (argc, argv);
  const char *source = g_getenv ("NEVA_SOURCE");

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++) {
    g_autofree char *folder = g_build_filename (
        source ? source : ".", "tests", "data", "reference", names[i], NULL);
    g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) seed);
    NevaLlava *l =
        load (folder, (NevaModelOptions){.weights = NEVA_WEIGHTS_F32});

    if (!l)
      continue;
    test_pieces (l, rand);
    test_batches (l, rand);
    test_frames (l, rand);
    neva_llava_free (l);
    test_quantised (folder, seed);
    test_limits (folder);
    test_options (folder);
    if (i == 1)
      test_broken_tensors (folder);
  }
  return check_finish ();
}
