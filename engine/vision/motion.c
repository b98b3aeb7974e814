/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The background model. Per cell of the grid:
 *
 *   back      what the cell shows when nothing happens; slow mean
 *   spread    how much it strays from that; slow mean of the magnitude
 *   recent    what it shows now; fast mean
 *   anchor    `recent` when it last changed, `still` how long ago that was
 *
 * A frame is first freed of what exposure did to it (tone.h). A cell differs
 * when it strays from `back` by more than noise explains; it moves when it
 * differs and has just changed. What differs and has come to rest becomes
 * background. Neighbouring cells that move together, or ones that keep moving,
 * are motion; a single cell that jumps once is coding noise. */
#include "config.h"
#include <math.h>
#include <neva/motion.h>
#include <string.h>
#include "color.h"
#include "luma.h"
#include "scene.h"
#include "tone.h"

/* Seconds. */
#define BACK_TIME 3.0    /* `back` and `spread` follow the picture */
#define DIFFER_TIME 30.0 /* the same where the cell differs */
#define BUSY_TIME 4.0    /* what moves for most of that is how the cell is: */
#define BUSY 0.4         /* leaves, water, a screen; its `spread` follows */
#define RECENT_TIME 0.05
#define MOVING_TIME 0.25 /* a change is `just now` for so long */
#define REST_TIME 1.5    /* after which what differs is background */
#define TINY_TIME 0.5    /* a few cells that move for so long are no noise */
#define SPARSE_TIME 0.3  /* frames further apart must do alone */
#define LEARN_TIME 0.3   /* of the first picture */
/* In standard deviations of the cell, or of all cells in this frame. */
#define SIGMAS 5.0
/* Cells that, moving together, are motion: at once; if the frame before had
 * such a group too, for a coder's key frame makes some in one frame; if there
 * are such groups for TINY_TIME. */
#define BIG 40 /* and the better part of all that move */
#define TOGETHER 6
#define TINY 2
/* A coder's errors sit at edges: more of them stray far than noise would have
 * it. But an object that fills a tenth of the picture looks the same. */
#define TAILED 3.0
/* How much less is believed in the first second, while rate control settles. */
#define SETTLING 1.0
/* More of the picture than an object covers: a pan, a cut, the light. */
#define GLOBAL 0.5
#define GLOBAL_NOISE 12.0
/* Mean magnitude of a normal variable, in standard deviations. */
#define MAGNITUDE 0.8

typedef struct {
  float back, spread, recent, anchor;
  float still; /* s */
  float moved; /* s that it has been moving */
  float busy;  /* part of the last seconds in which it moved */
} Cell;

struct _NevaMotion {
  NevaMotionSettings settings;
  NevaLumaGrid grid;
  NevaScene scene;
  gint64 time_ns;    /* of the last frame */
  double age;        /* s since the first */
  double together_s; /* since a frame with a group of TOGETHER */
  double tiny_s;     /* that there have been groups of TINY, more or less */
  gboolean begun;
  guint n;
  float *now, *before; /* [n] of this frame; of `back` */
  Cell *cells;         /* [n] */
  guint8 *moving;      /* [n] 0, 1; 2 when counted */
  guint32 *stack;      /* [n] */
};

NevaMotion *
neva_motion_new (const NevaMotionSettings *settings)
{
  NevaMotion *motion = g_new0 (NevaMotion, 1);

  motion->settings = *settings;
  return motion;
}

static void
free_cells (NevaMotion *motion)
{
  g_clear_pointer (&motion->now, g_free);
  g_clear_pointer (&motion->before, g_free);
  g_clear_pointer (&motion->cells, g_free);
  g_clear_pointer (&motion->moving, g_free);
  g_clear_pointer (&motion->stack, g_free);
  neva_scene_clear (&motion->scene);
  motion->n = 0;
}

void
neva_motion_free (NevaMotion *motion)
{
  if (!motion)
    return;
  free_cells (motion);
  g_free (motion);
}

void
neva_motion_set (NevaMotion *motion, const NevaMotionSettings *settings)
{
  motion->settings = *settings;
}

void
neva_motion_reset (NevaMotion *motion)
{
  motion->begun = FALSE;
  neva_scene_reset (&motion->scene);
}

static gboolean
make_grid (NevaMotion *motion, const NevaFrame *frame, GError **error)
{
  NevaLumaGrid grid;
  guint n;

  neva_luma_grid_init (&grid, frame->width, frame->height);
  if (motion->n > 0 && grid.width == motion->grid.width &&
      grid.height == motion->grid.height)
    return TRUE;
  n = grid.columns * grid.rows;
  free_cells (motion);
  motion->begun = FALSE;
  motion->now = g_try_new (float, n);
  motion->before = g_try_new (float, n);
  motion->cells = g_try_new0 (Cell, n);
  motion->moving = g_try_new (guint8, n);
  motion->stack = g_try_new (guint32, n);
  if (!motion->now || !motion->before || !motion->cells || !motion->moving ||
      !motion->stack ||
      !neva_scene_init (&motion->scene, grid.columns, grid.rows)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "no memory to look for motion in %u×%u pixels", frame->width,
        frame->height);
    free_cells (motion);
    return FALSE;
  }
  motion->grid = grid;
  motion->n = n;
  return TRUE;
}

static void
begin (NevaMotion *motion)
{
  for (guint i = 0; i < motion->n; i++) {
    const float x = motion->now[i];

    motion->cells[i] = (Cell){x, 0, x, x, REST_TIME, 0, 0};
  }
  motion->age = motion->tiny_s = 0;
  motion->together_s = G_MAXDOUBLE;
  motion->begun = TRUE;
}

/* ---- One frame ---- */

static float
weight (double dt, double time)
{
  return (float) (1 - exp (-dt / time));
}

/* Follows exposure; everything that is remembered of the picture does. */
static void
follow (NevaMotion *motion, const NevaTone *tone)
{
  for (guint i = 0; i < motion->n; i++) {
    Cell *c = &motion->cells[i];

    c->back = neva_tone_apply (tone, c->back);
    c->recent = neva_tone_apply (tone, c->recent);
    c->anchor = neva_tone_apply (tone, c->anchor);
  }
}

/* Marks the cells that move; returns how many differ. */
static guint
judge_cells (NevaMotion *motion, double noise, double dt)
{
  const double doubt = 1 + SETTLING * exp (-motion->age);
  const float floor_ =
      (float) (doubt * MAX (motion->settings.threshold, SIGMAS * noise));
  const float recent = weight (dt, MIN (RECENT_TIME, dt * 2));
  const float busy = weight (dt, BUSY_TIME);
  const float slow = weight (dt, BACK_TIME), slower = weight (dt, DIFFER_TIME);
  /* At first the mean of all there was. */
  const float learn = MAX (slow, (float) MIN (1.0, dt / (motion->age + dt)));
  const gboolean learning = motion->age < LEARN_TIME;
  guint differing = 0;

  for (guint i = 0; i < motion->n; i++) {
    Cell *c = &motion->cells[i];
    const float x = motion->now[i], d = x - c->back, a = fabsf (d);
    const float limit = MAX (floor_, (float) (SIGMAS / MAGNITUDE) * c->spread);
    const gboolean differs = a > limit;
    float w = differs ? slower : slow;

    c->recent += recent * (x - c->recent);
    if (fabsf (c->recent - c->anchor) > limit / 2) {
      c->anchor = c->recent;
      c->still = 0;
    } else {
      c->still += (float) dt;
    }
    motion->moving[i] = differs && c->still < MOVING_TIME;
    c->busy += busy * ((float) motion->moving[i] - c->busy);
    c->moved = motion->moving[i] ? c->moved + (float) dt : 0;
    differing += differs;
    if (differs && c->still >= REST_TIME) {
      c->back = c->recent;
      continue;
    }
    if (learning && !differs)
      w = learn;
    c->back += w * d;
    if (c->busy > (float) BUSY)
      w = slow;
    c->spread += w * (MIN (a, 3 * limit) - c->spread);
  }
  return differing;
}

/* A group of cells that touch. */
typedef struct {
  guint n;
  float newest; /* s since the last change */
} Group;

/* Cells that move and touch `first`, itself included. */
static Group
spread_from (NevaMotion *motion, guint first)
{
  const gint columns = (gint) motion->grid.columns;
  const gint rows = (gint) motion->grid.rows;
  Group group = {0, G_MAXFLOAT};
  guint top = 0;

  motion->stack[top++] = first;
  motion->moving[first] = 2;
  while (top > 0) {
    const guint at = motion->stack[--top];
    const gint x = (gint) at % columns, y = (gint) at / columns;
    const Cell *c = &motion->cells[at];

    group.n++;
    group.newest = MIN (group.newest, MIN (c->moved, c->still));
    for (gint v = MAX (y - 1, 0); v <= MIN (y + 1, rows - 1); v++)
      for (gint u = MAX (x - 1, 0); u <= MIN (x + 1, columns - 1); u++) {
        const guint next = (guint) (v * columns + u);

        if (motion->moving[next] == 1) {
          motion->moving[next] = 2;
          motion->stack[top++] = next;
        }
      }
  }
  return group;
}

static void
judge_frame (NevaMotion *motion, double dt, NevaMotionFrame *out)
{
  const double least = MAX (TINY, motion->settings.area * motion->n);
  Group all = {0, G_MAXFLOAT};
  guint largest = 0;

  for (guint i = 0; i < motion->n; i++) {
    Group group;

    if (motion->moving[i] != 1)
      continue;
    group = spread_from (motion, i);
    if (group.n < least)
      continue;
    all.n += group.n;
    all.newest = MIN (all.newest, group.newest);
    largest = MAX (largest, group.n);
  }

  motion->together_s += dt;
  motion->tiny_s =
      CLAMP (motion->tiny_s + (largest > 0 ? dt : -dt), 0, 2 * TINY_TIME);
  out->happens = (largest >= BIG && 2 * largest >= all.n) ||
                 (largest >= TOGETHER &&
                     (motion->together_s < 2.5 * dt || dt > SPARSE_TIME)) ||
                 (largest >= TINY && motion->tiny_s >= TINY_TIME);
  if (largest >= TOGETHER)
    motion->together_s = 0;
  out->area = (double) all.n / motion->n;
  if (out->happens)
    out->since_ns = motion->time_ns - (gint64) (all.newest * 1e9f);
}

static void
look (NevaMotion *motion, double dt, NevaMotionFrame *out)
{
  NevaTone tone;
  guint differing;
  double noise;

  for (guint i = 0; i < motion->n; i++)
    motion->before[i] = motion->cells[i].back;
  neva_tone_fit (&tone, motion->before, motion->now, motion->n);
  follow (motion, &tone);
  noise = CLAMP (tone.tail, tone.noise, TAILED * tone.noise);
  differing = judge_cells (motion, noise, dt);
  if (tone.noise > GLOBAL_NOISE || fabs (tone.median) > NEVA_TONE_MOST ||
      differing > GLOBAL * motion->n) {
    out->happens = TRUE;
    out->area = 1;
    begin (motion);
    return;
  }
  judge_frame (motion, dt, out);
}

static void
look_for_scene (NevaMotion *motion, NevaMotionFrame *out)
{
  switch (neva_scene_push (&motion->scene, motion->now, motion->time_ns,
      motion->settings.cut, &out->since_ns)) {
    case NEVA_SCENE_SAME:
      break;
    case NEVA_SCENE_JUMP:
      out->maybe = TRUE;
      break;
    case NEVA_SCENE_NEW:
      out->happens = TRUE;
      break;
  }
}

gboolean
neva_motion_push (NevaMotion *motion, const NevaFrame *frame, gint64 time_ns,
    NevaMotionFrame *out, GError **error)
{
  double dt;

  g_return_val_if_fail (motion && frame && out, FALSE);
  *out = (NevaMotionFrame){FALSE};
  if (!neva_color_check (frame, error) || !make_grid (motion, frame, error) ||
      !neva_luma_cells (&motion->grid, frame, motion->now, error))
    return FALSE;
  dt = CLAMP ((double) (time_ns - motion->time_ns) / 1e9, 0.001, 10.0);
  motion->time_ns = time_ns;
  out->since_ns = time_ns;
  if (motion->settings.kind == NEVA_MOTION_SCENES) {
    look_for_scene (motion, out);
    return TRUE;
  }
  if (!motion->begun) {
    begin (motion);
    return TRUE;
  }
  look (motion, dt, out);
  motion->age += dt;
  return TRUE;
}
