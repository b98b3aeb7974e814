/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "scene.h"
#include <math.h>
#include <string.h>
#include "tone.h"

/* Luma steps by which a cell has changed, and the part of the picture that has
 * to have: a small thing on an even ground makes up all of its structure. */
#define STEP 8
#define PART 0.15
/* Cells between one and those that it is compared with for details. */
#define RELIEF 2
/* Frames after a jump until it is believed. */
#define LATER 2
/* How long a picture must be unlike the scene. */
#define LASTING_NS 500000000
/* Seconds in which the scene that is held follows the picture. */
#define HELD_TIME 4.0

gboolean
neva_scene_init (NevaScene *scene, guint columns, guint rows)
{
  const guint n = columns * rows;
  gboolean ok;

  memset (scene, 0, sizeof *scene);
  scene->n = n;
  scene->columns = columns;
  scene->held = g_try_new (float, n);
  ok = scene->held != NULL;
  for (guint i = 0; i < NEVA_SCENE_PAST; i++) {
    scene->past[i] = g_try_new (float, n);
    ok = ok && scene->past[i];
  }
  return ok;
}

void
neva_scene_clear (NevaScene *scene)
{
  g_clear_pointer (&scene->held, g_free);
  for (guint i = 0; i < NEVA_SCENE_PAST; i++)
    g_clear_pointer (&scene->past[i], g_free);
}

void
neva_scene_reset (NevaScene *scene)
{
  scene->n_past = 0;
  scene->noise = 0;
}

/* Part of the cells that differ by more than a step once the common change is
 * taken off; all of them where that is more than light does: two even pictures
 * differ in nothing else. noise: standard deviation of the difference, robust.
 */
static double
changed (const float *a, const float *b, guint n, double *noise)
{
  NevaTone tone;
  guint count = 0;

  neva_tone_fit (&tone, a, b, n);
  *noise = tone.noise;
  if (fabs (tone.median) > NEVA_TONE_MOST)
    return 1;
  for (guint i = 0; i < n; i++)
    count += fabs (b[i] - a[i] - tone.median) > STEP;
  return (double) count / n;
}

/* Sums for a correlation. */
typedef struct {
  double n, a, b, aa, bb, ab;
} Sums;

static void
add (Sums *s, double a, double b)
{
  s->n++;
  s->a += a;
  s->b += b;
  s->aa += a * a;
  s->bb += b * b;
  s->ab += a * b;
}

/* 1 less the correlation, 0..1. Two even pictures have nothing to compare, and
 * one that is as even as its noise says nothing: `even` then. */
static double
unlike (const Sums *s, double least, double even)
{
  const double va = s->aa / s->n - s->a / s->n * (s->a / s->n);
  const double vb = s->bb / s->n - s->b / s->n * (s->b / s->n);

  if (s->n < 1 || va < least || vb < least)
    return even;
  return CLAMP (
      1 - (s->ab / s->n - s->a / s->n * (s->b / s->n)) / sqrt (va * vb), 0, 1);
}

/* What a cell is above those around it. */
static double
relief (const NevaScene *scene, const float *cells, guint i)
{
  const guint down = RELIEF * scene->columns;

  return cells[i] - (cells[i - RELIEF] + cells[i + RELIEF] + cells[i - down] +
                        cells[i + down]) /
                        4;
}

/* How unlike two pictures are, 0..1; 0 where too little of the picture changed.
 * Scenes may be alike on the whole (light above, dark below), and their details
 * are not; the details of one scene change as a whole only if all of it
 * moves. */
static double
unlikeness (NevaScene *scene, const float *a, const float *b)
{
  const guint columns = scene->columns, rows = scene->n / columns;
  Sums whole = {0}, details = {0};
  double noise, w, part;

  part = changed (a, b, scene->n, &noise);
  if (part < PART) {
    scene->noise = scene->noise > 0 ? 0.9 * scene->noise + 0.1 * noise : noise;
    return 0;
  }
  for (guint i = 0; i < scene->n; i++)
    add (&whole, a[i], b[i]);
  for (guint y = RELIEF; y + RELIEF < rows; y++)
    for (guint x = RELIEF; x + RELIEF < columns; x++) {
      const guint i = y * columns + x;

      add (&details, relief (scene, a, i), relief (scene, b, i));
    }
  w = unlike (&whole, 1, 1);
  return (w + unlike (&details, 4 * scene->noise * scene->noise + 1, w)) / 2;
}

static void
remember (NevaScene *scene, const float *cells, gint64 time_ns)
{
  float *last = scene->past[NEVA_SCENE_PAST - 1];

  for (guint i = NEVA_SCENE_PAST - 1; i > 0; i--) {
    scene->past[i] = scene->past[i - 1];
    scene->past_ns[i] = scene->past_ns[i - 1];
    scene->jump[i] = scene->jump[i - 1];
  }
  scene->past[0] = last;
  scene->past_ns[0] = time_ns;
  scene->jump[0] = FALSE;
  memcpy (last, cells, scene->n * sizeof *cells);
  scene->n_past = MIN (scene->n_past + 1, NEVA_SCENE_PAST);
}

static void
hold (NevaScene *scene, const float *cells, gint64 time_ns)
{
  memcpy (scene->held, cells, scene->n * sizeof *cells);
  scene->unlike_ns = time_ns;
}

/* past[LATER] is the first frame of the new scene, the one before it the last
 * of the old one. */
static gboolean
is_cut (NevaScene *scene, double cut)
{
  return scene->n_past > LATER + 1 && scene->jump[LATER] &&
         unlikeness (scene, scene->past[LATER + 1], scene->past[0]) >= cut;
}

/* Unlike the scene for long enough? */
static gboolean
is_other (NevaScene *scene, const float *cells, gint64 time_ns, double cut)
{
  const double dt = (double) (time_ns - scene->past_ns[1]) / 1e9;
  const float w = (float) (1 - exp (-CLAMP (dt, 0, 1) / HELD_TIME));

  if (unlikeness (scene, scene->held, cells) >= cut)
    return time_ns - scene->unlike_ns >= LASTING_NS;
  scene->unlike_ns = time_ns;
  for (guint i = 0; i < scene->n; i++)
    scene->held[i] += w * (cells[i] - scene->held[i]);
  return FALSE;
}

NevaSceneStep
neva_scene_push (NevaScene *scene, const float *cells, gint64 time_ns,
    double cut, gint64 *since_ns)
{
  remember (scene, cells, time_ns);
  if (scene->n_past == 1) {
    hold (scene, cells, time_ns);
    return NEVA_SCENE_SAME;
  }
  scene->jump[0] = unlikeness (scene, scene->past[1], scene->past[0]) >= cut;
  if (is_cut (scene, cut)) {
    *since_ns = scene->past_ns[LATER];
    hold (scene, cells, time_ns);
    return NEVA_SCENE_NEW;
  }
  if (is_other (scene, cells, time_ns, cut)) {
    *since_ns = scene->unlike_ns;
    hold (scene, cells, time_ns);
    return NEVA_SCENE_NEW;
  }
  return scene->jump[0] ? NEVA_SCENE_JUMP : NEVA_SCENE_SAME;
}
