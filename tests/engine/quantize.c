/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* AWQ's search, SmoothQuant's scales and the rounding to codes against the
 * formulas of the publications, written out here in double precision. */
#include "config.h"
#include <math.h>
#include <string.h>
#include "backend/backend.h"
#include "check.h"
#include "quantize/codes.h"
#include "quantize/search.h"

enum { N = 40, K = 256, ROWS = 300, GROUPS = K / NEVA_QUANT_GROUP };

static NevaBackend *backend;
static GRand *source;

static float
draw (double width)
{
  double sum = 0;

  for (int i = 0; i < 4; i++)
    sum += g_rand_double (source) - 0.5;
  return (float) (width * sum);
}

static NevaInput *
new_input (gsize k)
{
  NevaInput *input = g_new0 (NevaInput, 1);

  input->k = k;
  input->sum = g_new0 (double, k);
  input->max = g_new0 (float, k);
  input->state = 88172645463325252;
  return input;
}

static void
free_input (NevaInput *input)
{
  g_free (input->sum);
  g_free (input->max);
  g_free (input->sample);
  g_free (input);
}

/* ---- What was seen ------------------------------------------------------ */

/* Every fourth channel is larger than the others, the last one is silent. */
static void
draw_inputs (float *x, gsize rows)
{
  for (gsize r = 0; r < rows; r++) {
    for (gsize i = 0; i < K; i++)
      x[r * K + i] = i + 1 == K ? 0 : draw (i % 16 == 3 ? 40 : 1);
  }
}

static void
test_statistics (void)
{
  g_autofree float *x = g_new (float, ROWS *K);
  NevaInput *whole = new_input (K), *pieces = new_input (K);
  gsize found = 0;

  draw_inputs (x, ROWS);
  neva_input_look (whole, x, K, ROWS);
  for (gsize r = 0; r < ROWS; r += 50)
    neva_input_look (pieces, x + r * K, K, MIN (50, ROWS - r));
  CHECK (whole->rows == ROWS && whole->n_sample == NEVA_SAMPLE_ROWS, "rows");
  CHECK (!memcmp (whole->sample, pieces->sample,
             NEVA_SAMPLE_ROWS * K * sizeof (float)),
      "a sample depends on how rows arrive");
  for (gsize i = 0; i < K; i += 17) {
    double sum = 0, max = 0;

    for (gsize r = 0; r < ROWS; r++) {
      sum += fabs (x[r * K + i]);
      max = fmax (max, fabs (x[r * K + i]));
    }
    CHECK (fabs (whole->sum[i] - sum) <= 1e-9 * sum, "sum of %zu", i);
    CHECK (whole->max[i] == (float) max, "maximum of %zu", i);
  }
  for (gsize s = 0; s < NEVA_SAMPLE_ROWS; s++) {
    for (gsize r = 0; r < ROWS; r++)
      found += !memcmp (whole->sample + s * K, x + r * K, K * sizeof *x);
  }
  CHECK (found == NEVA_SAMPLE_ROWS, "%zu rows of the sample were seen", found);
  free_input (whole);
  free_input (pieces);
}

/* ---- AWQ ---------------------------------------------------------------- */

/* What w s becomes, in units of w. */
static void
round_reference (const float *w, const double *s, double *out)
{
  double low = 0, high = 0, scale, zero;

  for (int i = 0; i < NEVA_QUANT_GROUP; i++) {
    low = fmin (low, (float) (w[i] * s[i]));
    high = fmax (high, (float) (w[i] * s[i]));
  }
  scale = neva_f16_to_f32 (
      neva_f32_to_f16 ((float) (fmax (high - low, 1e-5) / 15)));
  zero = fmin (fmax (nearbyint (-low / scale), 0), 15);
  for (int i = 0; i < NEVA_QUANT_GROUP; i++) {
    const double code = nearbyint ((float) (w[i] * s[i]) / scale) + zero;

    out[i] = (fmin (fmax (code, 0), 15) - zero) * scale / s[i];
  }
}

/* mean |x| ^ alpha, over the root of the largest times the smallest. */
static void
scales_reference (const NevaInput *input, double alpha, double *s)
{
  double low = INFINITY, high = 0;

  for (gsize i = 0; i < input->k; i++) {
    const double mean = input->sum[i] / (double) input->rows;

    if (!(mean > 0))
      continue;
    s[i] = fmax (pow (mean, alpha), 1e-4);
    low = fmin (low, s[i]);
    high = fmax (high, s[i]);
  }
  for (gsize i = 0; i < input->k; i++)
    s[i] = input->sum[i] > 0 ? s[i] / sqrt (low * high) : 1;
}

static double
loss_reference (const NevaInput *input, const float *w, const double *s)
{
  g_autofree double *q = g_new (double, K);
  double loss = 0;

  for (gsize r = 0; r < N; r++) {
    for (gsize g = 0; g < K; g += NEVA_QUANT_GROUP)
      round_reference (w + r * K + g, s + g, q + g);
    for (gsize t = 0; t < input->n_sample; t++) {
      double sum = 0;

      for (gsize i = 0; i < K; i++)
        sum += (q[i] - w[r * K + i]) * input->sample[t * K + i];
      loss += sum * sum;
    }
  }
  return loss;
}

/* Two layers share the input. */
static void
test_search (void)
{
  const NevaSite site = {.k = K, .fold = NEVA_FOLD_NORM};
  g_autofree float *x = g_new (float, ROWS *K), *w = g_new (float, 2 * N * K);
  NevaInput *input = new_input (K);
  g_auto (NevaAwqSearch) search = {0};
  guint best = 0;
  double losses[NEVA_AWQ_STEPS], s[K];

  draw_inputs (x, ROWS);
  neva_input_look (input, x, K, ROWS);
  for (gsize i = 0; i < 2 * N * K; i++)
    w[i] = draw (0.05);
  neva_awq_search_init (&search, &site, input, backend);
  CHECK (neva_awq_search_add (&search, w, N, NULL) &&
             neva_awq_search_add (&search, w + N * K, N, NULL),
      "search");
  for (guint step = 0; step < NEVA_AWQ_STEPS; step++) {
    scales_reference (input, step / 10.0, s);
    for (gsize i = 0; i < K; i++)
      CHECK (fabs (search.scales[step * K + i] - s[i]) <= 1e-5 * s[i],
          "scale %zu of alpha 0.%u: %g, want %g", i, step,
          search.scales[step * K + i], s[i]);
    losses[step] =
        loss_reference (input, w, s) + loss_reference (input, w + N * K, s);
    /* a scale that is rounded to another f16 moves a few codes */
    CHECK (fabs (search.loss[step] - losses[step]) <= 0.01 * losses[step],
        "alpha 0.%u: loss %g, want %g", step, search.loss[step], losses[step]);
    best = losses[step] < losses[best] ? step : best;
  }
  CHECK (neva_awq_search_best (&search) == best, "alpha 0.%u, want 0.%u",
      neva_awq_search_best (&search), best);
  CHECK (best > 0 && losses[best] < 0.7 * losses[0],
      "with outliers, alpha 0.%u leaves %.2f of the loss", best,
      losses[best] / losses[0]);
  printf (
      "alpha 0.%u leaves %.3f of the loss\n", best, losses[best] / losses[0]);
  free_input (input);
}

/* Heads that share a value head share a scale. */
static void
test_shared_heads (void)
{
  const NevaSite site = {.k = 8,
      .fold = NEVA_FOLD_VALUE,
      .heads = 4,
      .kv_heads = 2,
      .head_dim = 2};
  float mean[8] = {1, 2, 3, 4, 5, 6, 7, 8}, most[8] = {1, 9, 3, 4, 5, 6, 2, 1};
  const float means[8] = {2, 3, 2, 3, 6, 7, 6, 7};
  const float mosts[8] = {3, 9, 3, 9, 5, 6, 5, 6};

  neva_site_share (&site, mean, FALSE);
  neva_site_share (&site, most, TRUE);
  CHECK (!memcmp (mean, means, sizeof mean), "means");
  CHECK (!memcmp (most, mosts, sizeof most), "maxima");
}

/* ---- SmoothQuant -------------------------------------------------------- */

static void
test_smooth (void)
{
  const NevaSite site = {.k = K, .fold = NEVA_FOLD_NORM};
  g_autofree float *w = g_new (float, N *K), *x = g_new (float, ROWS *K);
  g_autofree float *s = g_new0 (float, K);
  NevaInput *input = new_input (K);

  draw_inputs (x, ROWS);
  neva_input_look (input, x, K, ROWS);
  for (gsize i = 0; i < N * K; i++)
    w[i] = i % K == 5 ? 0 : draw (0.05);
  neva_column_max (s, w, N / 2, K);
  neva_column_max (s, w + N / 2 * K, N / 2, K);
  neva_smooth_scales (&site, s, input);
  for (gsize i = 0; i < K; i++) {
    double most = 0, want;

    for (gsize r = 0; r < N; r++)
      most = fmax (most, fabs (w[r * K + i]));
    want = most > 0 && input->max[i] > 0 ? sqrt (input->max[i] / most) : 1;
    CHECK (fabs (s[i] - want) <= 1e-5 * want, "channel %zu: %g, want %g", i,
        s[i], want);
  }
  free_input (input);
}

/* ---- Codes -------------------------------------------------------------- */

static void
check_group (const float *w, const char *what)
{
  guint8 codes[NEVA_QUANT_GROUP], zero = 99;
  guint16 half;
  float low = 0, high = 0, scale;

  CHECK (neva_awq_round_group (w, codes, &half, &zero), "%s", what);
  scale = neva_f16_to_f32 (half);
  CHECK (zero <= 15, "%s: zero %u", what, zero);
  for (int i = 0; i < NEVA_QUANT_GROUP; i++) {
    low = fminf (low, w[i]);
    high = fmaxf (high, w[i]);
  }
  for (int i = 0; i < NEVA_QUANT_GROUP; i++) {
    const double back = (double) scale * ((int) codes[i] - zero);
    /* half a step; where the zero was rounded an end may be cut by as much
     * again, and 15 steps of an f16 are shorter than the range by 2^-11 */
    const double bound = scale + 15 * scale * 0x1p-11;

    CHECK (codes[i] <= 15 && fabs (back - w[i]) <= bound,
        "%s: %g became %g in [%g, %g]", what, w[i], back, low, high);
  }
}

static void
test_groups (void)
{
  float w[NEVA_QUANT_GROUP];
  guint8 codes[NEVA_QUANT_GROUP], zero;
  guint16 half;

  for (int round = 0; round < 200; round++) {
    const double width = exp (g_rand_double_range (source, -8, 3));

    for (int i = 0; i < NEVA_QUANT_GROUP; i++)
      w[i] = draw (width);
    check_group (w, "random");
    for (int i = 0; i < NEVA_QUANT_GROUP; i++)
      w[i] = (float) width * (3 + draw (1)); /* one sign: 0 stays in range */
    check_group (w, "positive");
    for (int i = 0; i < NEVA_QUANT_GROUP; i++)
      w[i] = -w[i];
    check_group (w, "negative");
  }
  memset (w, 0, sizeof w);
  check_group (w, "zeros");
  w[7] = NAN;
  CHECK (!neva_awq_round_group (w, codes, &half, &zero), "NaN");
  w[7] = INFINITY;
  CHECK (!neva_awq_round_group (w, codes, &half, &zero), "infinity");
  w[7] = 2e6f;
  CHECK (!neva_awq_round_group (w, codes, &half, &zero), "beyond f16");
}

static void
test_rows (void)
{
  float w[K];
  gint8 codes[K];
  guint16 half;

  for (int round = 0; round < 200; round++) {
    const double width = exp (g_rand_double_range (source, -20, 20));
    float scale;

    for (int i = 0; i < K; i++)
      w[i] = draw (width);
    CHECK (neva_int8_round_row (w, K, codes, &half), "row");
    scale = neva_bf16_to_f32 (half);
    for (int i = 0; i < K; i++)
      CHECK (codes[i] >= -127 &&
                 fabs (scale * (double) codes[i] - w[i]) <= 0.5001 * scale,
          "%g became %g", w[i], scale * codes[i]);
  }
  memset (w, 0, sizeof w);
  CHECK (neva_int8_round_row (w, K, codes, &half) && !codes[0], "zeros");
  w[9] = NAN;
  CHECK (!neva_int8_round_row (w, K, codes, &half), "NaN");
  w[9] = -INFINITY;
  CHECK (!neva_int8_round_row (w, K, codes, &half), "infinity");
}

int
main (int argc, char **argv)
{
  source = g_rand_new_with_seed ((guint32) check_seed (argc, argv));
  backend = neva_backend_new ("cpu", 2, NULL);
  test_statistics ();
  test_search ();
  test_shared_heads ();
  test_smooth ();
  test_groups ();
  test_rows ();
  neva_backend_free (backend);
  g_rand_free (source);
  return check_finish ();
}
