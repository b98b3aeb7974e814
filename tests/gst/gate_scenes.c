/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "gate_scenes.h"
#include <math.h>
#include <string.h>

#define NOISE_SIZE 65536
#define MAX_EVENTS 8

typedef struct {
  GateEvent when;
  double x0, y0, x1, y1; /* centre at its start and end, pixels */
  double w, h;
  int shade;       /* luma, added to the ground's at the middle of its way */
  gboolean stripe; /* brighter and darker halves */
  double until;    /* drawn until then; = when.end unless it stays */
} Thing;

struct _GateScene {
  GateKind kind;
  GRand *rand;
  guint width, height, fps;
  double seconds, noise;
  guint8 *ground; /* [height][width] */
  GArray *events; /* GateEvent */
  Thing things[MAX_EVENTS];
  guint n_things;
  gint8 *grain; /* [NOISE_SIZE] normal numbers times 16 */
  double wander_hz, wander_depth, wander_phase;
  guint next_cut;
};

const char *
gate_kind_name (GateKind kind)
{
  static const char *names[GATE_N_KINDS] = {"small", "slow", "visitor",
      "appears", "exposure", "flicker", "night", "cut"};

  return names[kind];
}

static double
between (GateScene *s, double a, double b)
{
  return g_rand_double_range (s->rand, a, b);
}

static double
normal (GRand *rand)
{
  return sqrt (-2 * log (1 - g_rand_double (rand))) *
         cos (2 * G_PI * g_rand_double (rand));
}

/* Walls, a gradient, furniture, and texture. */
static void
paint_ground (GateScene *s, guint8 *ground, double level, double contrast)
{
  const guint n_waves = 10, n_boxes = 12;
  double fx[10], fy[10], ph[10], am[10];
  int box[12][5];

  for (guint i = 0; i < n_waves; i++) {
    fx[i] = between (s, -0.3, 0.3) / (1 + i % 4 * 4);
    fy[i] = between (s, -0.3, 0.3) / (1 + i % 4 * 4);
    ph[i] = between (s, 0, 6.28);
    am[i] = between (s, 1, 6) * contrast;
  }
  for (guint i = 0; i < n_boxes; i++) {
    box[i][0] = (int) between (s, -20, s->width);
    box[i][1] = (int) between (s, -20, s->height);
    box[i][2] = box[i][0] + (int) between (s, 5, s->width / 3.0);
    box[i][3] = box[i][1] + (int) between (s, 5, s->height / 3.0);
    box[i][4] = (int) (between (s, -60, 60) * contrast);
  }
  for (int y = 0; y < (int) s->height; y++)
    for (int x = 0; x < (int) s->width; x++) {
      double v = level + contrast * 30 * ((double) y / s->height - 0.5);

      for (guint i = 0; i < n_waves; i++)
        v += am[i] * sin (fx[i] * x + fy[i] * y + ph[i]);
      for (guint i = 0; i < n_boxes; i++)
        if (x >= box[i][0] && x < box[i][2] && y >= box[i][1] && y < box[i][3])
          v += box[i][4];
      ground[y * (int) s->width + x] = (guint8) CLAMP (v, 18, 233);
    }
}

static void
add_event (GateScene *s, double start, double end)
{
  const GateEvent e = {start, end};

  g_array_append_val (s->events, e);
}

static double
ground_at (const GateScene *s, double x, double y)
{
  const int u = CLAMP ((int) x, 0, (int) s->width - 1);
  const int v = CLAMP ((int) y, 0, (int) s->height - 1);

  return s->ground[v * (int) s->width + u];
}

static Thing *
add_thing (
    GateScene *s, double start, double end, double size_from, double size_to)
{
  Thing *t = &s->things[s->n_things++];
  double shade = between (s, 25, 110);

  t->when = (GateEvent){start, end};
  t->until = end;
  t->h = between (s, size_from, size_to) * s->height;
  t->w = t->h * between (s, 0.5, 1.6);
  t->y0 = between (s, 0.15, 0.85) * s->height;
  t->y1 = between (s, 0.15, 0.85) * s->height;
  t->x0 = -t->w / 2;
  t->x1 = s->width + t->w / 2;
  if (g_rand_boolean (s->rand)) {
    t->x0 = t->x1;
    t->x1 = -t->w / 2;
  }
  /* Towards the side where there is room. */
  if (ground_at (s, (t->x0 + t->x1) / 2, (t->y0 + t->y1) / 2) > 125)
    shade = -shade;
  t->shade = (int) shade;
  t->stripe = g_rand_boolean (s->rand);
  return t;
}

static void
plan_crossings (
    GateScene *s, double size_from, double size_to, double fast, double slow)
{
  double at = between (s, 4, 9);

  while (s->n_things < MAX_EVENTS && at + slow < s->seconds - 2) {
    const double end = at + between (s, fast, slow);

    add_thing (s, at, end, size_from, size_to);
    add_event (s, at, end);
    at = end + between (s, 8, 16);
  }
}

static void
plan_crawls (GateScene *s)
{
  double at = between (s, 4, 8);

  while (s->n_things < MAX_EVENTS && at + 10 < s->seconds - 2) {
    const double end = at + between (s, 5, 9);
    Thing *t = add_thing (s, at, end, 0.1, 0.25);
    const double way =
        between (s, 0.01, 0.03) * s->width * (end - at) * (t->x0 < 0 ? 1 : -1);

    /* Creeps in from the edge, and is taken away at once. */
    t->x1 = t->x0 + way;
    t->y1 = t->y0;
    add_event (s, at, end + 0.1);
    at = end + between (s, 10, 16);
  }
}

static void
plan_visitors (GateScene *s)
{
  double at = between (s, 4, 8);

  while (s->n_things + 1 < MAX_EVENTS && at + 16 < s->seconds - 2) {
    const double come = at + between (s, 1, 3);
    const double go = come + between (s, 7, 11);
    const double gone = go + between (s, 1, 3);
    Thing *t = add_thing (s, at, come, 0.15, 0.4), *back;

    t->x1 = between (s, 0.2, 0.8) * s->width;
    t->until = go;
    back = &s->things[s->n_things++];
    *back = *t;
    back->when = (GateEvent){go, gone};
    back->until = gone;
    back->x0 = t->x1;
    back->y0 = t->y1;
    back->x1 = t->x0;
    back->y1 = t->y0;
    add_event (s, at, come);
    add_event (s, go, gone);
    at = gone + between (s, 9, 14);
  }
}

static void
plan_appearances (GateScene *s)
{
  double at = between (s, 4, 8);

  while (s->n_things < MAX_EVENTS && at + 12 < s->seconds - 2) {
    const double gone = at + between (s, 7, 11);
    Thing *t = add_thing (s, at, gone, 0.05, 0.2);

    t->x0 = t->x1 = between (s, 0.1, 0.9) * s->width;
    t->y1 = t->y0;
    add_event (s, at, at + 0.1);
    add_event (s, gone, gone + 0.1);
    at = gone + between (s, 8, 12);
  }
}

static void
plan_cuts (GateScene *s)
{
  for (double at = between (s, 5, 12); at < s->seconds - 2;
       at += between (s, 8, 18))
    add_event (s, at, at + 0.1);
}

static void
plan (GateScene *s)
{
  switch (s->kind) {
    case GATE_SMALL:
      plan_crossings (s, 0.04, 0.08, 1.5, 4);
      break;
    case GATE_SLOW:
      plan_crawls (s);
      break;
    case GATE_VISITOR:
      plan_visitors (s);
      break;
    case GATE_APPEARS:
      plan_appearances (s);
      break;
    case GATE_EXPOSURE:
    case GATE_FLICKER:
    case GATE_NIGHT:
      plan_crossings (s, 0.08, 0.25, 1, 5);
      break;
    case GATE_CUT:
      plan_cuts (s);
      break;
    case GATE_N_KINDS:
      break;
  }
}

GateScene *
gate_scene_new (GateKind kind, guint32 seed, double seconds)
{
  static const guint sizes[][2] = {{320, 240}, {480, 270}, {640, 360}};
  static const guint rates[] = {10, 15, 25, 30};
  GateScene *s = g_new0 (GateScene, 1);
  guint size;

  s->kind = kind;
  s->rand = g_rand_new_with_seed (seed * 31 + kind);
  s->seconds = seconds;
  size = (guint) g_rand_int_range (s->rand, 0, G_N_ELEMENTS (sizes));
  s->width = sizes[size][0];
  s->height = sizes[size][1];
  s->fps = rates[g_rand_int_range (s->rand, 0, G_N_ELEMENTS (rates))];
  s->noise = between (s, 0.5, 5);
  if (kind == GATE_NIGHT)
    s->noise = between (s, 6, 14);
  s->ground = g_malloc ((gsize) s->width * s->height);
  s->grain = g_malloc (NOISE_SIZE);
  for (guint i = 0; i < NOISE_SIZE; i++)
    s->grain[i] = (gint8) CLAMP (normal (s->rand) * 32, -127, 127);
  s->events = g_array_new (FALSE, FALSE, sizeof (GateEvent));
  if (kind == GATE_NIGHT)
    paint_ground (s, s->ground, between (s, 35, 60), 0.35);
  else
    paint_ground (s, s->ground, between (s, 80, 150), between (s, 0.4, 1.2));
  s->wander_phase = between (s, 0, 6.28);
  s->wander_hz = kind == GATE_FLICKER ? between (s, 1.5, 11) : /* aliased */
                     between (s, 0.03, 0.12);
  s->wander_depth =
      kind == GATE_FLICKER ? between (s, 0.02, 0.08) : between (s, 0.1, 0.3);
  plan (s);
  return s;
}

void
gate_scene_free (GateScene *s)
{
  g_rand_free (s->rand);
  g_free (s->ground);
  g_free (s->grain);
  g_array_unref (s->events);
  g_free (s);
}

guint
gate_scene_width (const GateScene *s)
{
  return s->width;
}

guint
gate_scene_height (const GateScene *s)
{
  return s->height;
}

guint
gate_scene_fps (const GateScene *s)
{
  return s->fps;
}

const GArray *
gate_scene_events (const GateScene *s)
{
  return s->events;
}

static void
draw (const GateScene *s, const Thing *t, double time, guint8 *luma)
{
  const double part =
      CLAMP ((time - t->when.start) / (t->when.end - t->when.start), 0, 1);
  const double cx = t->x0 + part * (t->x1 - t->x0);
  const double cy = t->y0 + part * (t->y1 - t->y0);
  const double base = ground_at (s, (t->x0 + t->x1) / 2, (t->y0 + t->y1) / 2);

  if (time < t->when.start || time >= t->until)
    return;
  for (int y = (int) (cy - t->h / 2); y < (int) (cy + t->h / 2); y++)
    for (int x = (int) (cx - t->w / 2); x < (int) (cx + t->w / 2); x++) {
      const double u = 2 * (x - cx) / t->w, v = 2 * (y - cy) / t->h;
      double shade = base + t->shade;

      if (x < 0 || y < 0 || x >= (int) s->width || y >= (int) s->height ||
          u * u + v * v > 1)
        continue;
      if (t->stripe)
        shade += v > 0 ? 12 : -12;
      luma[y * (int) s->width + x] = (guint8) CLAMP (shade, 16, 235);
    }
}

static double
gain (const GateScene *s, double time)
{
  if (s->kind != GATE_EXPOSURE && s->kind != GATE_FLICKER)
    return 1;
  return 1 + s->wander_depth *
                 sin (2 * G_PI * s->wander_hz * time + s->wander_phase);
}

static void
expose (GateScene *s, double time, guint8 *luma)
{
  const gsize n = (gsize) s->width * s->height;
  const double g = gain (s, time);
  guint8 curve[256];
  const int scale = (int) (s->noise * 8); /* grain is 32 a deviation */

  for (int i = 0; i < 256; i++)
    curve[i] = (guint8) CLAMP (16 + (i - 16) * g + 0.5, 16, 235);
  for (gsize i = 0; i < n; i += s->width) {
    guint at =
        (guint) g_rand_int_range (s->rand, 0, NOISE_SIZE - (gint) s->width);

    for (gsize k = i; k < i + s->width; k++, at++)
      luma[k] = (guint8) CLAMP (
          curve[luma[k]] + ((s->grain[at] * scale + 128) >> 8), 0, 255);
  }
}

void
gate_scene_render (GateScene *s, guint frame, guint8 *i420)
{
  const double time = (double) frame / s->fps;
  const gsize n = (gsize) s->width * s->height;

  if (s->kind == GATE_CUT && s->next_cut < s->events->len &&
      time >= g_array_index (s->events, GateEvent, s->next_cut).start) {
    paint_ground (s, s->ground, between (s, 60, 170), between (s, 0.4, 1.2));
    s->next_cut++;
  }
  memcpy (i420, s->ground, n);
  for (guint i = 0; i < s->n_things; i++)
    draw (s, &s->things[i], time, i420);
  expose (s, time, i420);
  memset (i420 + n, 128, n / 2);
}
