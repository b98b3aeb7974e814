/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "likeness.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* A cell's vector is folded to so many numbers, which keeps distances to a few
 * hundredths. */
#define FLOATS 256
/* Differences within states, the latest; light moves along few of them. */
#define LIGHTS 48
/* Frames of which noise is measured. */
#define NOISES 32
/* The state is the mean of its first frames: later ones would let it creep. */
#define ANCHORS 4
/* Noise is beyond this factor of what is usual in one of many windows. */
#define UNUSUAL 2.0
/* A cell's own noise is this quantile of what was seen there. */
#define OWN 0.6
/* Of cells that light moves, the most moves so many times as far as the middle
 * one; what it may have of a learned difference. */
#define LOCAL 3.5
#define SHARE 3.0
/* Fewer cells do not tell light from things. */
#define FEW_CELLS 8
/* Energy of the difference to that of the pictures, from which on nothing is
 * left of the old one: 2 when they have nothing in common. */
#define CUT 0.4

struct _GstNevaLikeness {
  gsize n_cells, n_in;   /* of frames, 0 before the first */
  gsize n, size;         /* floats of a cell, of a frame */
  float *state, *before; /* [size]: the state; the frame before */
  guint n_state;         /* frames in it */
  float *frame, *rest;   /* [size], scratch */

  float *lights; /* [LIGHTS][size], a ring */
  double gram[LIGHTS][LIGHTS];
  guint64 n_lights;

  double *noise; /* [NOISES][n_cells] squares, a ring */
  double noise_most[NOISES], noise_sum[NOISES], noise_whole[NOISES];
  guint64 n_noises;
  double *squares; /* [n_cells], scratch */
};

static void
clear (GstNevaLikeness *self)
{
  g_free (self->state);
  g_free (self->before);
  g_free (self->frame);
  g_free (self->rest);
  g_free (self->lights);
  g_free (self->noise);
  g_free (self->squares);
  *self = (GstNevaLikeness){0};
}

GstNevaLikeness *
gst_neva_likeness_new (void)
{
  return g_new0 (GstNevaLikeness, 1);
}

void
gst_neva_likeness_free (GstNevaLikeness *self)
{
  clear (self);
  g_free (self);
}

void
gst_neva_likeness_reset (GstNevaLikeness *self)
{
  clear (self);
}

static double
dot (const float *a, const float *b, gsize n)
{
  double sum = 0;

  for (gsize i = 0; i < n; i++)
    sum += (double) a[i] * b[i];
  return sum;
}

static int
compare (const void *a, const void *b)
{
  const double *x = a, *y = b;

  return (*x > *y) - (*x < *y);
}

/* 0 of none. */
static double
quantile (const double *values, gsize n, gsize step, double q)
{
  g_autofree double *sorted = g_new (double, MAX (n, 1));

  if (n == 0)
    return 0;
  for (gsize i = 0; i < n; i++)
    sorted[i] = values[i * step];
  qsort (sorted, n, sizeof *sorted, compare);
  return sorted[(gsize) (q * (double) (n - 1))];
}

/* ---- Frames ---- */

static void
begin (GstNevaLikeness *self, gsize n_cells, gsize n)
{
  clear (self);
  self->n_cells = n_cells;
  self->n_in = n;
  self->n = MIN (n, FLOATS);
  self->size = n_cells * self->n;
  self->state = g_new (float, self->size);
  self->before = g_new (float, self->size);
  self->frame = g_new (float, self->size);
  self->rest = g_new (float, self->size);
  self->lights = g_new (float, LIGHTS * self->size);
  self->noise = g_new (double, NOISES *n_cells);
  self->squares = g_new (double, n_cells);
}

/* Number i goes to a place, and has a sign there, that look random. */
static void
fold (const GstNevaLikeness *self, const float *cells)
{
  memset (self->frame, 0, self->size * sizeof *self->frame);
  for (gsize i = 0; i < self->n_in; i++) {
    const guint32 hash = ((guint32) i + 1) * 2654435761u;
    const gsize to = self->n == self->n_in ? i : (hash >> 8) % self->n;
    const float sign = self->n < self->n_in && hash >> 31 ? -1 : 1;

    for (gsize cell = 0; cell < self->n_cells; cell++)
      self->frame[cell * self->n + to] += sign * cells[cell * self->n_in + i];
  }
}

/* Takes off what all cells have in common. */
static void
centre (GstNevaLikeness *self)
{
  g_autofree double *mean = g_new0 (double, self->n);

  for (gsize k = 0; k < self->size; k++)
    mean[k % self->n] += (double) self->frame[k] / (double) self->n_cells;
  for (gsize k = 0; k < self->size; k++)
    self->frame[k] -= (float) mean[k % self->n];
}

/* ---- Light ---- */

/* Replaces b, [n], by what solves (gram + ridge) x = b. */
static gboolean
solve (const GstNevaLikeness *self, guint n, double ridge, double *b)
{
  double l[LIGHTS][LIGHTS];

  for (guint i = 0; i < n; i++) {
    for (guint j = 0; j <= i; j++) {
      double v = self->gram[i][j] + (i == j ? ridge : 0);

      for (guint k = 0; k < j; k++)
        v -= l[i][k] * l[j][k];
      if (i == j && !(v > 0))
        return FALSE;
      l[i][j] = i == j ? sqrt (v) : v / l[j][j];
    }
    for (guint k = 0; k < i; k++)
      b[i] -= l[i][k] * b[k];
    b[i] /= l[i][i];
  }
  for (guint i = n; i-- > 0;) {
    for (guint k = i + 1; k < n; k++)
      b[i] -= l[k][i] * b[k];
    b[i] /= l[i][i];
  }
  return TRUE;
}

/* self->rest = frame - from, less what light explains; ridge: the energy of
 * noise. */
static void
subtract (const GstNevaLikeness *self, const float *from, double ridge)
{
  const guint n = (guint) MIN (self->n_lights, LIGHTS);
  double part[LIGHTS];

  for (gsize k = 0; k < self->size; k++)
    self->rest[k] = self->frame[k] - from[k];
  for (guint i = 0; i < n; i++)
    part[i] = dot (self->lights + i * self->size, self->rest, self->size);
  if (!solve (self, n, ridge, part))
    return;
  for (guint i = 0; i < n; i++)
    for (gsize k = 0; k < self->size; k++)
      self->rest[k] -= (float) part[i] * self->lights[i * self->size + k];
}

static void
measure_cells (const GstNevaLikeness *self, const float *frame)
{
  for (gsize cell = 0; cell < self->n_cells; cell++) {
    const float *v = frame + cell * self->n;

    self->squares[cell] = dot (v, v, self->n);
  }
}

/* What the frame differs by from its state, no cell by more than its share. */
static void
learn_light (GstNevaLikeness *self)
{
  const guint at = (guint) (self->n_lights++ % LIGHTS);
  const guint n = (guint) MIN (self->n_lights, LIGHTS);
  float *light = self->lights + at * self->size;
  double most;

  for (gsize k = 0; k < self->size; k++)
    light[k] = self->frame[k] - self->state[k];
  measure_cells (self, light);
  most = SHARE * sqrt (quantile (self->squares, self->n_cells, 1, 0.5));
  for (gsize cell = 0; cell < self->n_cells; cell++) {
    const double length = sqrt (self->squares[cell]);

    for (gsize i = 0; length > most && i < self->n; i++)
      light[cell * self->n + i] *= (float) (most / length);
  }
  for (guint i = 0; i < n; i++)
    self->gram[i][at] = self->gram[at][i] =
        dot (light, self->lights + i * self->size, self->size);
}

/* ---- New or not ---- */

/* From what is in squares. energy: that of the two pictures. */
static void
add_noise (GstNevaLikeness *self, double energy)
{
  const guint at = (guint) (self->n_noises++ % NOISES);
  double most = 0, sum = 0;

  for (gsize cell = 0; cell < self->n_cells; cell++) {
    self->noise[at * self->n_cells + cell] = self->squares[cell];
    most = MAX (most, self->squares[cell]);
    sum += self->squares[cell];
  }
  self->noise_most[at] = most;
  self->noise_sum[at] = sum;
  self->noise_whole[at] = energy > 0 ? sum / energy : 0;
}

/* Of the energy of the picture and that from which the rest was measured. */
static double
shared_energy (const GstNevaLikeness *self, const float *from)
{
  return sqrt (dot (self->frame, self->frame, self->size) *
               dot (from, from, self->size));
}

/* How far squares are, as a part of what is allowed. */
static double
judge (const GstNevaLikeness *self, double threshold, double energy)
{
  const gsize n = (gsize) MIN (self->n_noises, NOISES);
  const double middle = self->n_cells < FEW_CELLS
                            ? 0
                            : quantile (self->squares, self->n_cells, 1, 0.5);
  const double spread =
      dot (self->state, self->state, self->size) / (double) self->n_cells;
  const double allowed =
      MAX (MAX (threshold * threshold * spread, LOCAL * LOCAL * middle),
          UNUSUAL * UNUSUAL * quantile (self->noise_most, n, 1, 0.5));
  const double whole =
      MAX (CUT, UNUSUAL * quantile (self->noise_whole, n, 1, 0.5));
  double level = 0, sum = 0;

  for (gsize cell = 0; cell < self->n_cells; cell++) {
    const double own = UNUSUAL * UNUSUAL *
                       quantile (self->noise + cell, n, self->n_cells, OWN);

    sum += self->squares[cell];
    if (self->squares[cell] > 0)
      level = MAX (level, sqrt (self->squares[cell] / MAX (allowed, own)));
  }
  if (sum > 0)
    level = MAX (level, sum / (whole * energy));
  return level;
}

static void
begin_state (GstNevaLikeness *self)
{
  memcpy (self->state, self->frame, self->size * sizeof *self->state);
  self->n_state = 1;
}

static void
go_on (GstNevaLikeness *self)
{
  if (self->n_state < ANCHORS) {
    self->n_state++;
    for (gsize k = 0; k < self->size; k++)
      self->state[k] +=
          (self->frame[k] - self->state[k]) / (float) self->n_state;
  }
  learn_light (self);
}

/* Of a frame that is not the first. */
static double
compare_frame (GstNevaLikeness *self, double threshold)
{
  const double spread = dot (self->state, self->state, self->size);
  const double usual =
      quantile (self->noise_sum, (gsize) MIN (self->n_noises, NOISES), 1, 0.5);
  const double ridge = MAX (usual, MAX (1e-9 * spread, G_MINDOUBLE));
  double energy = shared_energy (self, self->state), level;

  subtract (self, self->state, ridge);
  measure_cells (self, self->rest);
  level = judge (self, threshold, energy);
  /* One that is new says nothing of noise but by its way from the last. */
  if (level > 1) {
    subtract (self, self->before, ridge);
    measure_cells (self, self->rest);
    energy = shared_energy (self, self->before);
  }
  add_noise (self, energy);
  return level;
}

gboolean
gst_neva_likeness_is_new (GstNevaLikeness *self, const float *cells,
    gsize n_cells, gsize n, double threshold, double *level)
{
  const gboolean first = n_cells != self->n_cells || n != self->n_in;

  *level = G_MAXDOUBLE;
  if (!isfinite (dot (cells, cells, n_cells * n)))
    return TRUE;
  if (first)
    begin (self, n_cells, n);
  fold (self, cells);
  if (n_cells >= FEW_CELLS)
    centre (self);
  if (!first)
    *level = compare_frame (self, threshold);
  if (*level > 1)
    begin_state (self);
  else
    go_on (self);
  memcpy (self->before, self->frame, self->size * sizeof *self->before);
  return *level > 1;
}
