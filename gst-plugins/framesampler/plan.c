/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "plan.h"

static void
add_target (NevaPlan *plan, guint64 at, guint64 tolerance)
{
  NevaTarget t = {at, tolerance};

  g_array_append_val (plan->targets, t);
}

static GstClockTime
time_at (const GArray *index, guint i)
{
  return g_array_index (index, GstNevaSampleTime, i).running_time;
}

/* First entry at or after `time`. */
static guint
lower_bound (const GArray *index, GstClockTime time)
{
  guint lo = 0, hi = index->len;

  while (lo < hi) {
    guint mid = lo + (hi - lo) / 2;

    if (time_at (index, mid) < time)
      lo = mid + 1;
    else
      hi = mid;
  }
  return lo;
}

/* The entry closest to `time`; index is not empty. */
static guint
nearest (const GArray *index, GstClockTime time)
{
  guint i = lower_bound (index, time);

  if (i == index->len)
    return i - 1;
  if (i > 0 && time - time_at (index, i - 1) <= time_at (index, i) - time)
    return i - 1;
  return i;
}

static void
add_indexed (NevaPlan *plan, const GArray *index, guint i)
{
  GstNevaSampleTime t = g_array_index (index, GstNevaSampleTime, i);
  guint64 before = i > 0 ? t.running_time - time_at (index, i - 1) : 0;

  /* Timestamps that a filter rounded still match; the frame before does not,
   * even if a seek half way between the two clipped its beginning. */
  add_target (plan, t.running_time, before / 4);
  g_array_append_val (plan->times, t);
}

/* align=time: the clip is cut into n equal parts; each part's first moment. */
static GstClockTime
part_start (GstClockTime start, GstClockTime end, guint64 k, guint64 n)
{
  return start + gst_util_uint64_scale (end - start, k, n);
}

static void
plan_from_index (NevaPlan *plan, const NevaSamplerConfig *c,
    const GArray *index, guint lo, guint hi, GstClockTime start,
    GstClockTime end)
{
  guint64 length = hi - lo;
  guint64 m = neva_choice_distinct (c->choice, length, c->num_frames);
  guint last = G_MAXUINT;

  plan->kind = NEVA_PLAN_TIMES;
  plan->length = length;
  plan->times = g_array_new (FALSE, FALSE, sizeof (GstNevaSampleTime));
  for (guint64 k = 0; k < m; k++) {
    guint i =
        lo + (guint) neva_choice_index (c->choice, length, c->num_frames, k);

    if (c->by_time && c->choice == NEVA_CHOICE_UNIFORM)
      i = CLAMP (nearest (index, part_start (start, end, k, m)), lo, hi - 1);
    if (i != last)
      add_indexed (plan, index, i);
    last = i;
  }
}

static void
plan_numbers (NevaPlan *plan, const NevaSamplerConfig *c, guint64 length)
{
  guint64 m = neva_choice_distinct (c->choice, length, c->num_frames);

  plan->kind = NEVA_PLAN_NUMBERS;
  plan->length = length;
  for (guint64 k = 0; k < m; k++)
    add_target (
        plan, neva_choice_index (c->choice, length, c->num_frames, k), 0);
}

static void
plan_grid (NevaPlan *plan, const NevaSamplerConfig *c,
    const NevaStreamFacts *facts, GstClockTime first, GstClockTime end)
{
  const guint64 half =
      neva_choice_grid_offset (1, facts->fps_n, facts->fps_d) / 2;
  guint64 length, m;

  /* Containers round durations: no frame begins just before the end. */
  if (end == facts->end && end - first > half)
    end -= half;
  length = neva_choice_grid_length (first, end, facts->fps_n, facts->fps_d);
  m = neva_choice_distinct (c->choice, length, c->num_frames);

  plan->kind = NEVA_PLAN_TIMES;
  plan->length = length;
  plan->predicted = TRUE;
  for (guint64 k = 0; k < m; k++) {
    guint64 i = neva_choice_index (c->choice, length, c->num_frames, k);

    add_target (plan,
        first + neva_choice_grid_offset (i, facts->fps_n, facts->fps_d), half);
  }
}

static void
plan_parts (NevaPlan *plan, const NevaSamplerConfig *c, GstClockTime start,
    GstClockTime end)
{
  plan->kind = NEVA_PLAN_TIMES;
  switch (c->choice) {
    case NEVA_CHOICE_UNIFORM:
      for (guint k = 0; k < c->num_frames; k++)
        add_target (plan, part_start (start, end, k, c->num_frames), 0);
      break;
    case NEVA_CHOICE_MIDDLE:
      add_target (plan, part_start (start, end, 1, 2), 0);
      break;
    case NEVA_CHOICE_LAST:
      add_target (plan, end, 0); /* never met: the newest frame is taken */
      break;
    case NEVA_CHOICE_FIRST:
    case NEVA_CHOICE_ALL:
      break; /* planned without times */
  }
}

void
neva_plan_init (NevaPlan *plan, const NevaSamplerConfig *c,
    const NevaStreamFacts *facts, GstClockTime start, GstClockTime end,
    GstClockTime first)
{
  const gboolean by_time = c->by_time && c->choice == NEVA_CHOICE_UNIFORM;
  GstClockTime known_end = MIN (end, facts->end); /* NONE is the largest */

  *plan = (NevaPlan){.kind = NEVA_PLAN_EVERY};
  if (c->choice == NEVA_CHOICE_ALL)
    return;

  plan->targets = g_array_new (FALSE, FALSE, sizeof (NevaTarget));
  if (c->choice == NEVA_CHOICE_FIRST) {
    plan->kind = NEVA_PLAN_NUMBERS;
    add_target (plan, 0, 0);
    return;
  }

  if (facts->index && facts->index->len > 0) {
    guint lo = lower_bound (facts->index, start);
    guint hi = GST_CLOCK_TIME_IS_VALID (end) ? lower_bound (facts->index, end)
                                             : facts->index->len;

    if (lo < hi) {
      GstClockTime until = GST_CLOCK_TIME_IS_VALID (known_end)
                               ? known_end
                               : time_at (facts->index, hi - 1);

      plan_from_index (
          plan, c, facts->index, lo, hi, start, MAX (until, start));
      return;
    }
  }
  if (facts->frames > 0 && !GST_CLOCK_TIME_IS_VALID (end) && !by_time) {
    plan_numbers (plan, c, facts->frames);
    return;
  }
  if (!GST_CLOCK_TIME_IS_VALID (known_end) || known_end <= first) {
    plan->kind = NEVA_PLAN_HOLD;
    if (c->choice == NEVA_CHOICE_LAST) {
      plan->kind = NEVA_PLAN_TIMES;
      add_target (plan, G_MAXUINT64, 0); /* never met, see plan_parts () */
    }
    return;
  }

  if (by_time)
    plan_parts (plan, c, start, known_end);
  else if (facts->fps_n > 0)
    plan_grid (plan, c, facts, first, known_end);
  else if (c->pass_all || (c->window > 0 && c->overlap > 0)) {
    /* Nothing may be held until the clip's end: frames that pass cannot be
     * marked later, and those of overlapping clips would leave unordered. */
    plan_parts (plan, c, start, known_end);
    plan->fallback = c->choice != NEVA_CHOICE_LAST;
  } else
    plan->kind = NEVA_PLAN_HOLD;
}

void
neva_plan_clear (NevaPlan *plan)
{
  g_clear_pointer (&plan->targets, g_array_unref);
  g_clear_pointer (&plan->times, g_array_unref);
}

gboolean
neva_plan_meets (const NevaPlan *plan, guint k, GstClockTime time,
    GstClockTime duration, guint64 number)
{
  const NevaTarget *t = &g_array_index (plan->targets, NevaTarget, k);
  guint64 tolerance = t->tolerance;

  if (plan->kind == NEVA_PLAN_NUMBERS)
    return number >= t->at;
  /* Of two frames around an equally spaced time the nearer one is meant. */
  if (!plan->predicted && !plan->times)
    tolerance = duration / 2;
  return time >= t->at || t->at - time <= tolerance;
}
