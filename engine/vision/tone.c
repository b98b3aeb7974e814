/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Least squares with Tukey's biweight, begun at the median difference, so that
 * an object's cells are outliers from the first step on. */
#include "config.h"
#include "tone.h"
#include <math.h>
#include <string.h>

#define STEPS 4
/* Cells that are looked at; more add nothing to three numbers. */
#define SAMPLES 2048
/* The slope and the curve are held at 0 as by this part of the cells with
 * u = 1: a picture of one grey says nothing of them. */
#define RIDGE 0.002
/* Beyond these, samples are clipped and follow no exposure. */
#define DARKEST 2
#define BRIGHTEST 250
/* Below this, rounding of 8-bit samples is all there is. */
#define LEAST_NOISE 0.25
/* The most that y - x may change over half of the range. */
#define STEEPEST 90
#define TUKEY 4.685
/* Of a normal variable, from its median magnitude and from that which a tenth
 * exceeds. */
#define MAD_TO_SIGMA 1.4826
#define TAIL_TO_SIGMA 0.6080

/* A quantile by counting; values beyond +-256 count as the end. Bins of 1/16.
 */
#define BINS (512 * 16 + 1)

static double
quantile (const float *values, guint n, double part)
{
  static const double scale = 16;
  g_autofree guint32 *bins = g_new0 (guint32, BINS);
  guint seen = 0, bin = 0;

  for (guint i = 0; i < n; i++)
    bins[(guint) (CLAMP (values[i] + 256, 0, 512) * scale)]++;
  while (bin < BINS - 1 && (seen += bins[bin]) < part * n)
    bin++;
  return (bin + 0.5) / scale - 256;
}

/* Solves the symmetric 3x3 system in place; the ridge keeps it regular. */
static void
solve (double m[3][4], double c[3])
{
  for (int i = 0; i < 3; i++)
    for (int r = i + 1; r < 3; r++) {
      const double f = m[r][i] / m[i][i];

      for (int k = i; k < 4; k++)
        m[r][k] -= f * m[i][k];
    }
  for (int i = 2; i >= 0; i--) {
    c[i] = m[i][3];
    for (int k = i + 1; k < 3; k++)
      c[i] -= m[i][k] * c[k];
    c[i] /= m[i][i];
  }
}

typedef struct {
  guint n;
  float u[SAMPLES], d[SAMPLES], left[SAMPLES];
} Samples;

static void
take (Samples *s, const float *from, const float *to, guint n)
{
  const guint step = MAX (1, n / SAMPLES + (n % SAMPLES > 0));

  s->n = 0;
  for (guint i = 0; i < n && s->n < SAMPLES; i += step) {
    if (from[i] < DARKEST || from[i] > BRIGHTEST || to[i] < DARKEST ||
        to[i] > BRIGHTEST)
      continue;
    s->u[s->n] = (from[i] - 128) / 128;
    s->d[s->n++] = to[i] - from[i];
  }
}

/* What is left with the present coefficients, and its scale. */
static void
measure (NevaTone *tone, Samples *s)
{
  float magnitude[SAMPLES];
  guint inliers = 0;

  for (guint i = 0; i < s->n; i++) {
    const double u = s->u[i];

    s->left[i] =
        (float) (s->d[i] - tone->c[0] - tone->c[1] * u - tone->c[2] * u * u);
    magnitude[i] = fabsf (s->left[i]);
  }
  tone->noise =
      MAX (LEAST_NOISE, MAD_TO_SIGMA * quantile (magnitude, s->n, 0.5));
  tone->tail = quantile (magnitude, s->n, 0.9) * TAIL_TO_SIGMA;
  for (guint i = 0; i < s->n; i++)
    inliers += magnitude[i] < TUKEY * tone->noise;
  tone->inliers = (double) inliers / s->n;
}

static void
step (NevaTone *tone, const Samples *s)
{
  double m[3][4] = {{0}};

  for (guint i = 0; i < s->n; i++) {
    const double z = s->left[i] / (TUKEY * tone->noise);
    const double w = fabs (z) < 1 ? (1 - z * z) * (1 - z * z) : 0;
    const double u = s->u[i], row[3] = {1, u, u * u};

    for (int r = 0; r < 3; r++) {
      for (int k = 0; k < 3; k++)
        m[r][k] += w * row[r] * row[k];
      m[r][3] += w * row[r] * s->d[i];
    }
  }
  m[1][1] += RIDGE * s->n;
  m[2][2] += RIDGE * s->n;
  if (m[0][0] > 0)
    solve (m, tone->c);
}

void
neva_tone_fit (NevaTone *tone, const float *from, const float *to, guint n)
{
  Samples s;

  memset (tone, 0, sizeof *tone);
  take (&s, from, to, n);
  if (s.n == 0) {
    tone->noise = tone->tail = LEAST_NOISE;
    tone->inliers = 1;
    return;
  }
  tone->c[0] = tone->median = quantile (s.d, s.n, 0.5);
  measure (tone, &s);
  for (guint i = 0; i < STEPS; i++) {
    step (tone, &s);
    measure (tone, &s);
  }
  /* No exposure turns light into dark. */
  if (fabs (tone->c[1]) + 2 * fabs (tone->c[2]) > STEEPEST) {
    tone->c[0] = tone->median;
    tone->c[1] = tone->c[2] = 0;
    measure (tone, &s);
  }
}
