/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The sampler against the tables of spec 4.4, against distributions that the
 * original arithmetic computed (../shared/reference/sampling.json), and against
 * its own contract: seeds, boundaries, broken logits. */
#include "config.h"
#include <json-glib/json-glib.h>
#include <math.h>
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "model/sampler.h"

#define MAX_VOCAB 1024

static const NevaSampling base = {
    .temperature = 1.0, .repetition_penalty = 1.0, .seed = 1};

/* Ids that survive, as "0 1 2", in order of probability. */
static char *
kept (NevaSampling options, const float *logits, gsize n)
{
  g_autoptr (NevaSampler) sampler = neva_sampler_new (&options, n, -1, NULL);
  g_autofree float *scratch = g_memdup2 (logits, n * sizeof *logits);
  g_autoptr (GString) out = g_string_new (NULL);
  gint32 ids[16];
  double p[16];
  const gsize count =
      neva_sampler_distribution (sampler, scratch, n, ids, p, 16);

  for (gsize i = 0; i < count; i++)
    g_string_append_printf (out, i ? " %d" : "%d", ids[i]);
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static void
check_kept (
    NevaSampling options, const float *logits, gsize n, const char *want)
{
  g_autofree char *got = kept (options, logits, n);

  CHECK_STR (got, want);
}

static void
test_spec_table (void)
{
  static const float logits[] = {2.0f, 1.0f, 0.5f, -1.0f};
  static const double want[] = {0.842, 0.114, 0.0419, 0.0021};
  static const struct {
    double p;
    const char *kept;
  } rows[] = {{0.84, "0"}, {0.85, "0 1"}, {0.9, "0 1"}, {0.97, "0 1 2"},
      {0.0, "0 1 2 3"}, {1.0, "0 1 2 3"}, {-1.0, "0 1 2 3"}};
  NevaSampling o = base;
  float scratch[4];
  gint32 ids[4];
  double p[4];

  o.temperature = 0.5;
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    o.top_p = rows[i].p;
    check_kept (o, logits, 4, rows[i].kept);
  }
  o.top_p = 0;
  g_autoptr (NevaSampler) sampler = neva_sampler_new (&o, 4, -1, NULL);
  memcpy (scratch, logits, sizeof scratch);
  CHECK (neva_sampler_distribution (sampler, scratch, 4, ids, p, 4) == 4, "n");
  for (gsize i = 0; i < 4; i++) /* the table is rounded to 3 digits */
    CHECK (fabs (p[i] - want[i]) <= 0.0005, "p[%zu] = %g", i, p[i]);
}

static void
test_boundaries (void)
{
  static const float ties[] = {1.0f, 3.0f, 2.0f, 3.0f, 2.0f, 0.0f};
  static const float even[] = {0.0f, 0.0f, 0.0f, 0.0f};
  NevaSampling o = base;

  o.top_k = 1; /* ties at the boundary survive */
  check_kept (o, ties, 6, "1 3");
  o.top_k = 3;
  check_kept (o, ties, 6, "1 3 2 4");
  o.top_k = 6;
  check_kept (o, ties, 6, "1 3 2 4 0 5");
  o.top_k = 0;
  o.top_p = 0.5; /* c(1) = 0.5 does not exceed 0.5: the third survives */
  check_kept (o, even, 4, "0 1 2");
  o.top_p = 0.4999;
  check_kept (o, even, 4, "0 1");
  o.top_p = 1e-9; /* the first always survives */
  check_kept (o, even, 4, "0");
  o.top_p = 0.6; /* of what top-k left: two of one half each */
  o.top_k = 1;
  check_kept (o, ties, 6, "1 3");
}

static void
test_penalty (void)
{
  static const float logits[] = {2.0f, -2.0f, 0.0f};
  static const gint32 prompt[] = {2, 1, 0, 99, -1};
  NevaSampling o = base;
  float scratch[3];
  gint32 ids[3];
  double p[3];

  o.repetition_penalty = 2.0;
  g_autoptr (NevaSampler) documented = neva_sampler_new (&o, 3, -1, NULL);
  neva_sampler_accept_prompt (documented, prompt, 5);
  memcpy (scratch, logits, sizeof scratch);
  neva_sampler_distribution (documented, scratch, 3, ids, p, 3);
  CHECK (scratch[0] == 1.0f && scratch[1] == -4.0f, "%g %g", scratch[0],
      scratch[1]);

  o.penalty_mode = NEVA_PENALTY_NEMO; /* no list without compute_logprob */
  o.compute_logprob = FALSE;
  for (int round = 0; round < 2; round++) {
    g_autoptr (NevaSampler) nemo = neva_sampler_new (&o, 3, -1, NULL);

    neva_sampler_accept_prompt (nemo, prompt, 2);
    for (int step = 0; step < 2; step++) {
      const gboolean on = o.compute_logprob && step > 0;
      float force[] = {-INFINITY, -INFINITY, 0.0f};

      memcpy (scratch, logits, sizeof scratch);
      neva_sampler_distribution (nemo, scratch, 3, ids, p, 3);
      CHECK (scratch[0] == 2.0f, "0 is unseen: %g", scratch[0]);
      CHECK (scratch[1] == (on ? -1.0f : -2.0f), "%g", scratch[1]);
      CHECK (neva_sampler_next (nemo, force, 3, NULL) == 2, "forced");
    }
    o.compute_logprob = TRUE;
  }
}

static void
test_masks (void)
{
  static const float logits[] = {5.0f, 4.0f, 1.0f, 9.0f};
  NevaSampling o = base;
  float scratch[4];

  o.greedy = TRUE;
  o.min_tokens = 1;
  g_autoptr (NevaSampler) sampler = neva_sampler_new (&o, 3, 0, NULL);
  double logprob = 1.0;
  memcpy (scratch, logits, sizeof scratch);
  CHECK (neva_sampler_next (sampler, scratch, 4, &logprob) == 1,
      "neither eos before min-tokens nor padding beyond the vocabulary");
  /* f32 exponentials of two terms, summed in f64 */
  CHECK (fabs (logprob + log (1.0 + exp (-3.0))) <= 4e-7, "%g", logprob);
  memcpy (scratch, logits, sizeof scratch);
  CHECK (neva_sampler_next (sampler, scratch, 4, NULL) == 0, "eos afterwards");
}

static void
test_broken_logits (void)
{
  static const float rows[][3] = {{0.0f, NAN, 1.0f}, {NAN, NAN, NAN},
      {INFINITY, 0.0f, 0.0f}, {-INFINITY, -INFINITY, -INFINITY}};

  for (int greedy = 0; greedy < 2; greedy++) {
    for (gsize r = 0; r < G_N_ELEMENTS (rows); r++) {
      NevaSampling o = base;
      float scratch[3];

      o.greedy = greedy;
      o.top_p = 0.9;
      o.top_k = 2;
      g_autoptr (NevaSampler) sampler = neva_sampler_new (&o, 3, -1, NULL);
      memcpy (scratch, rows[r], sizeof scratch);
      CHECK (neva_sampler_next (sampler, scratch, 3, NULL) == -1, "row %zu", r);
    }
  }
  /* overflow by a tiny temperature is the largest logit's win, not a NaN */
  NevaSampling o = base;
  float scratch[] = {1e10f, 2.0f, -1e10f};
  o.temperature = 1e-37;
  g_autoptr (NevaSampler) sampler = neva_sampler_new (&o, 3, -1, NULL);
  CHECK (neva_sampler_next (sampler, scratch, 3, NULL) == 0, "overflow");
}

static void
test_options (void)
{
  static const struct {
    double temperature, penalty, p;
    int k;
    const char *names;
  } bad[] = {{0, 1, 0, 0, "temperature"}, {-1, 1, 0, 0, "temperature"},
      {NAN, 1, 0, 0, "temperature"}, {1e300, 1, 0, 0, "temperature"},
      {1, 0, 0, 0, "penalty"}, {1, NAN, 0, 0, "penalty"},
      {1, 1, NAN, 0, "top-p"}, {1, 1, 0, 11, "top-k 11"}};

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    NevaSampling o = base;
    g_autoptr (GError) error = NULL;

    o.temperature = bad[i].temperature;
    o.repetition_penalty = bad[i].penalty;
    o.top_p = bad[i].p;
    o.top_k = bad[i].k;
    CHECK (!neva_sampler_new (&o, 10, -1, &error), "row %zu", i);
    CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, bad[i].names);
    o.greedy = TRUE;
    NevaSampler *sampler = neva_sampler_new (&o, 10, -1, &error);
    CHECK (sampler != NULL, "greedy reads none of them");
    neva_sampler_free (sampler);
  }
}

/* The draws of a seed repeat, and follow the distribution. */
static void
test_draws (guint64 seed)
{
  enum { N = 20000 };
  static const float logits[] = {1.0f, 0.0f, -1.0f, 0.5f};
  NevaSampling o = base;
  double p[4], chi = 0;
  gint32 ids[4];
  guint counts[4] = {0}, differs = 0;
  float scratch[4];

  o.seed = seed;
  g_autoptr (NevaSampler) a = neva_sampler_new (&o, 4, -1, NULL);
  g_autoptr (NevaSampler) b = neva_sampler_new (&o, 4, -1, NULL);
  o.seed = seed + 1;
  g_autoptr (NevaSampler) c = neva_sampler_new (&o, 4, -1, NULL);
  for (int i = 0; i < N; i++) {
    gint32 got[3];
    NevaSampler *samplers[] = {a, b, c};

    for (int s = 0; s < 3; s++) {
      memcpy (scratch, logits, sizeof scratch);
      got[s] = neva_sampler_next (samplers[s], scratch, 4, NULL);
    }
    CHECK (got[0] == got[1] && got[0] >= 0, "draw %d", i);
    if (got[0] < 0)
      return;
    differs += got[0] != got[2];
    counts[got[0]]++;
  }
  CHECK (differs > N / 4, "another seed, other draws: %u", differs);
  memcpy (scratch, logits, sizeof scratch);
  neva_sampler_distribution (a, scratch, 4, ids, p, 4);
  for (int i = 0; i < 4; i++)
    chi += pow (counts[ids[i]] - N * p[i], 2) / (N * p[i]);
  /* chi-squared with 3 degrees of freedom exceeds 33.1 once in 3e6 runs */
  CHECK (chi <= 33.1, "chi-squared %g", chi);
}

/* Large random vocabularies: top-p by heap and top-k by selection against a
 * plain sort of everything. */
static const float *sort_logits;

static int
by_logit (const void *a, const void *b)
{
  const gint32 x = *(const gint32 *) a, y = *(const gint32 *) b;

  if (sort_logits[x] != sort_logits[y])
    return sort_logits[x] > sort_logits[y] ? -1 : 1;
  return x < y ? -1 : 1;
}

static void
test_against_sort (guint64 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) seed);

  for (int round = 0; round < 200; round++) {
    const gsize n = (gsize) g_rand_int_range (rand, 1, MAX_VOCAB);
    float logits[MAX_VOCAB], scratch[MAX_VOCAB], total = 0, mass = 0;
    gint32 order[MAX_VOCAB], ids[MAX_VOCAB];
    double p[MAX_VOCAB];
    gsize want = 0, got;
    NevaSampling o = base;

    for (gsize i = 0; i < n; i++) { /* coarse, so that ties happen */
      logits[i] = (float) g_rand_int_range (rand, -64, 64) / 8.0f;
      order[i] = (gint32) i;
    }
    sort_logits = logits;
    qsort (order, n, sizeof *order, by_logit);
    o.top_k = round % 2 ? g_rand_int_range (rand, 1, (gint32) n + 1) : 0;
    o.top_p = round % 4 < 2 ? g_rand_double_range (rand, 0.05, 0.999) : 0;
    g_autoptr (NevaSampler) sampler = neva_sampler_new (&o, n, -1, NULL);
    memcpy (scratch, logits, sizeof scratch);
    got = neva_sampler_distribution (sampler, scratch, n, ids, p, MAX_VOCAB);

    gsize last = o.top_k ? (gsize) o.top_k : n;
    while (last < n && logits[order[last]] == logits[order[last - 1]])
      last++;
    for (gsize i = 0; i < last; i++)
      total += expf (logits[order[i]] - logits[order[0]]);
    for (want = 0; want < last; want++) {
      if (o.top_p > 0 && want > 0 && mass > (float) o.top_p)
        break;
      mass += expf (logits[order[want]] - logits[order[0]]) / total;
    }
    /* the sums differ in the last bits: one candidate may fall either way */
    CHECK (
        got + 1 >= want && got <= want + 1, "%zu kept, %zu wanted", got, want);
    CHECK (o.top_p > 0 || got == want, "%zu kept, %zu wanted", got, want);
    for (gsize i = 0; i < MIN (got, want); i++)
      CHECK (ids[i] == order[i], "round %d place %zu", round, i);
  }
}

static gboolean
member_has (JsonArray *array, gint32 value)
{
  for (guint i = 0; i < json_array_get_length (array); i++)
    if (json_array_get_int_element (array, i) == value)
      return TRUE;
  return FALSE;
}

static void
check_reference_case (JsonObject *c, guint index)
{
  JsonArray *values = json_object_get_array_member (c, "logits");
  JsonArray *want_p = json_object_get_array_member (c, "probabilities");
  JsonArray *want = json_object_get_array_member (c, "kept");
  JsonArray *seen = json_object_get_array_member (c, "seen");
  const gsize n = json_array_get_length (values);
  NevaSampling o = base;
  g_autofree float *logits = g_new (float, n);
  g_autofree gint32 *ids = g_new (gint32, n), *prompt = g_new0 (gint32, n + 1);
  g_autofree double *p = g_new (double, n);
  gsize got;

  o.temperature = json_object_get_double_member (c, "temperature");
  o.top_k = (gint) json_object_get_int_member (c, "top_k");
  o.top_p = json_object_get_double_member (c, "top_p");
  o.repetition_penalty =
      json_object_get_double_member (c, "nemo_repetition_penalty");
  o.penalty_mode = NEVA_PENALTY_NEMO;
  o.compute_logprob = TRUE;
  g_autoptr (NevaSampler) sampler = neva_sampler_new (&o, n, -1, NULL);
  CHECK (sampler != NULL, "case %u", index);
  if (!sampler)
    return;

  /* position 0 is not counted, and nothing before a token was generated */
  for (guint i = 0; i < json_array_get_length (seen); i++)
    prompt[i + 1] = (gint32) json_array_get_int_element (seen, i);
  if (json_array_get_length (seen) > 0) {
    neva_sampler_accept_prompt (
        sampler, prompt, json_array_get_length (seen) + 1);
    for (gsize i = 0; i < n; i++)
      logits[i] = (gint32) i == prompt[1] ? 0.0f : -INFINITY;
    CHECK (neva_sampler_next (sampler, logits, n, NULL) == prompt[1], "forced");
  }
  for (gsize i = 0; i < n; i++)
    logits[i] = (float) json_array_get_double_element (values, (guint) i);
  got = neva_sampler_distribution (sampler, logits, n, ids, p, n);
  CHECK (got == json_array_get_length (want), "case %u: %zu kept, not %u",
      index, got, json_array_get_length (want));
  for (gsize i = 0; i < got; i++) {
    const double reference =
        json_array_get_double_element (want_p, (guint) ids[i]);

    CHECK (member_has (want, ids[i]), "case %u: id %d", index, ids[i]);
    /* written with 7 decimals; f32 exponentials and division on both sides */
    CHECK (fabs (p[i] - reference) <= 0.5e-7 + 8 * 6e-8 * reference,
        "case %u id %d: %.9g, not %.9g", index, ids[i], p[i], reference);
  }
}

static void
test_reference (void)
{
  const char *shared = check_shared ();
  g_autoptr (JsonParser) parser = json_parser_new ();
  g_autofree char *path =
      shared ? g_build_filename (shared, "reference", "sampling.json", NULL)
             : NULL;
  JsonArray *cases;

  if (!path || !json_parser_load_from_file (parser, path, NULL)) {
    printf ("sampling.json is not beside the checkout: table only\n");
    return;
  }
  cases = json_node_get_array (json_parser_get_root (parser));
  CHECK (json_array_get_length (cases) > 0, "empty file");
  for (guint i = 0; i < json_array_get_length (cases); i++)
    check_reference_case (json_array_get_object_element (cases, i), i);
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc, argv);

  test_spec_table ();
  test_boundaries ();
  test_penalty ();
  test_masks ();
  test_broken_logits ();
  test_options ();
  test_draws (seed);
  test_against_sort (seed);
  test_reference ();
  return check_finish ();
}
