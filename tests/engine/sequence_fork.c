/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Sequences that begin alike share pages: whatever is appended, forgotten,
 * forked and freed in whatever order, each says what it would say alone, and
 * all pages come back. */
#include "config.h"
#include <float.h>
#include <math.h>
#include <neva/error.h>
#include <string.h>
#include "check.h"
#include "model/llava.h"

#define MAX_SEQUENCES 6
#define ROUNDS 200
#define MOST 150 /* tokens of a sequence */

typedef struct {
  NevaSequence *s; /* NULL: none */
  gint32 ids[MOST];
  gsize n;
} Known;

static void
append (NevaLlava *l, Known *k, const gint32 *ids, gsize n, float *logits)
{
  const NevaStepItem item = {k->s, ids, NULL, n, logits, FALSE};
  g_autoptr (GError) error = NULL;

  CHECK (
      neva_llava_step (l, &item, 1, &error), "%s", error ? error->message : "");
  memcpy (k->ids + k->n, ids, n * sizeof *ids);
  k->n += n;
}

static double
rms (const float *a, gsize n)
{
  double sum = 0;

  for (gsize i = 0; i < n; i++)
    sum += (double) a[i] * a[i];
  return sqrt (sum / (double) n);
}

/* The logits after one more token, beside those of a sequence that was given
 * the same tokens in one piece. */
static void
check_alone (NevaLlava *l, Known *k, gint32 id)
{
  const gsize vocab = neva_llava_config (l)->text.vocab;
  g_autofree float *got = g_new (float, vocab), *want = g_new (float, vocab);
  Known alone = {.s = neva_sequence_new (l, NULL)};
  double most = 0, bound;

  append (l, k, &id, 1, got);
  append (l, &alone, k->ids, k->n, want);
  for (gsize i = 0; i < vocab; i++) {
    const double d = fabs ((double) got[i] - want[i]);

    if (!(d <= most))
      most = d;
  }
  /* f32 in other pieces: as in tests/engine/llava.c */
  bound = 256 * FLT_EPSILON * rms (want, vocab);
  CHECK (most <= bound, "%zu tokens: %g > %g", k->n, most, bound);
  neva_sequence_free (alone.s);
}

/* A fork goes on with the bits that a truncated sequence goes on with. */
static void
check_bits (NevaLlava *l, GRand *rand, gsize length)
{
  const guint vocab = neva_llava_config (l)->text.vocab;
  g_autofree float *a = g_new (float, vocab), *b = g_new (float, vocab);
  Known one = {.s = neva_sequence_new (l, NULL)}, other = {NULL};
  gint32 ids[100];
  guint64 bytes;

  for (guint i = 0; i < 100; i++)
    ids[i] = g_rand_int_range (rand, 0, (gint32) vocab);
  append (l, &one, ids, 90, NULL);
  bytes = neva_llava_kv_bytes (l);
  other.s = neva_sequence_fork (one.s, length);
  CHECK (neva_llava_kv_bytes (l) == bytes, "a fork took pages");
  CHECK (neva_sequence_length (other.s) == length, "wrong length");
  append (l, &other, ids + 90, 5, a);
  /* what it left is not changed by that */
  append (l, &one, ids + 90, 1, NULL);
  neva_sequence_truncate (one.s, length);
  append (l, &one, ids + 90, 5, b);
  CHECK (memcmp (a, b, vocab * sizeof *a) == 0, "forked at %zu", length);
  neva_sequence_free (one.s);
  append (l, &other, ids + 95, 1, NULL);
  neva_sequence_free (other.s);
  CHECK (neva_llava_kv_bytes (l) == 0, "all pages came back");
}

static void
one_round (NevaLlava *l, GRand *rand, Known *known)
{
  const gint32 vocab = (gint32) neva_llava_config (l)->text.vocab;
  Known *k = &known[g_rand_int_range (rand, 0, MAX_SEQUENCES)];
  Known *other = &known[g_rand_int_range (rand, 0, MAX_SEQUENCES)];
  const gsize n = (gsize) g_rand_int_range (rand, 1, 80);
  gint32 ids[80];

  for (guint i = 0; i < n; i++)
    ids[i] = g_rand_int_range (rand, 0, vocab);
  if (!k->s && other->s && other->n) {
    k->n = (gsize) g_rand_int_range (rand, 1, (gint32) other->n + 1);
    memcpy (k->ids, other->ids, k->n * sizeof *k->ids);
    k->s = neva_sequence_fork (other->s, k->n);
  } else if (!k->s) {
    k->n = 0;
    k->s = neva_sequence_new (l, NULL);
  } else if (k->n + n >= MOST || g_rand_int_range (rand, 0, 8) == 0) {
    neva_sequence_free (k->s);
    k->s = NULL;
  } else if (k->n && g_rand_int_range (rand, 0, 3) == 0) {
    k->n = (gsize) g_rand_int_range (rand, 0, (gint32) k->n);
    neva_sequence_truncate (k->s, k->n);
  } else {
    append (l, k, ids, n, NULL);
  }
}

static void
check_random (NevaLlava *l, GRand *rand)
{
  Known known[MAX_SEQUENCES] = {{NULL}};

  for (guint i = 0; i < ROUNDS; i++)
    one_round (l, rand, known);
  for (guint i = 0; i < MAX_SEQUENCES; i++)
    if (known[i].s && known[i].n + 1 < MOST)
      check_alone (l, &known[i], (gint32) i);
  for (guint i = 0; i < MAX_SEQUENCES; i++)
    neva_sequence_free (known[i].s);
  CHECK (neva_llava_kv_bytes (l) == 0, "all pages came back");
}

/* No page is left for the copy of the page that two share. */
static void
check_full (const char *folder, guint64 page)
{
  const NevaModelOptions options = {
      .weights = NEVA_WEIGHTS_F32, .kv_cache_bytes = 2 * page};
  NevaLlava *l = neva_llava_load (folder, &options, NULL, NULL, NULL, NULL);
  NevaSequence *s = neva_sequence_new (l, NULL), *t;
  gint32 ids[100] = {0};
  NevaStepItem item = {s, ids, NULL, 100, NULL, FALSE};
  g_autoptr (GError) error = NULL;

  CHECK (neva_llava_step (l, &item, 1, &error), "refused");
  t = neva_sequence_fork (s, 70);
  item = (NevaStepItem){t, ids, NULL, 1, NULL, FALSE};
  CHECK (!neva_llava_step (l, &item, 1, &error), "accepted");
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, "KV cache is full");
  CHECK (neva_sequence_length (t) == 70 && neva_sequence_length (s) == 100,
      "something changed");
  neva_sequence_free (s);
  CHECK (neva_llava_step (l, &item, 1, &error), "refused");
  neva_sequence_free (t);
  CHECK (neva_llava_kv_bytes (l) == 0, "all pages came back");
  neva_llava_free (l);
}

int
main (int argc, char **argv)
{
  static const gsize lengths[] = {1, 63, 64, 65, 89, 90};
  g_autoptr (GRand) rand =
      g_rand_new_with_seed ((guint32) check_seed (argc, argv));
  g_autofree char *folder = g_build_filename (g_getenv ("NEVA_SOURCE"), "tests",
      "data", "reference", "siglip-qwen2-tied", NULL);
  const NevaModelOptions options = {.weights = NEVA_WEIGHTS_F32};
  g_autoptr (GError) error = NULL;
  NevaLlava *l = neva_llava_load (folder, &options, NULL, NULL, NULL, &error);
  const gint32 id = 0;
  Known one = {NULL};
  guint64 page;

  if (!l)
    g_error ("%s", error->message);
  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++)
    check_bits (l, rand, lengths[i]);
  for (guint i = 0; i < 5; i++)
    check_random (l, rand);
  one.s = neva_sequence_new (l, NULL);
  append (l, &one, &id, 1, NULL);
  page = neva_llava_kv_bytes (l);
  neva_sequence_free (one.s);
  neva_llava_free (l);
  check_full (folder, page);
  return check_finish ();
}
