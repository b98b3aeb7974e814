/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "window.h"

#include "reservoir.h"

/* Frames held per frame asked for, where the length of a clip is not known:
 * the nearest held frame is then at most 1/(4n) of the clip away. */
#define HELD_PER_FRAME 4
#define MIN_HELD 32

typedef struct {
  guint64 number;
  NevaSamplerConfig config;
  GstClockTime start, end; /* end NONE: the end of the stream */
  gboolean passed;         /* the gate; without one from the beginning */
  guint64 seen;            /* frames of the window so far */
  NevaPlan plan;
  guint next;              /* first target that is not met */
  GArray *times;           /* GstNevaSampleTime of the chosen frames */
  NevaReservoir reservoir; /* NEVA_PLAN_HOLD only */
} Clip;

struct _NevaWindows {
  NevaSamplerConfig config;
  NevaStreamFacts facts;

  GPtrArray *clips;        /* open ones, by start; owns */
  GstClockTime next_start; /* NONE: the next frame is an anchor */
  guint64 next_number;
  GstClockTime last_passed;  /* start of the last clip that did, or NONE */
  GstClockTime passed_until; /* end of it */
  NevaHappening happening;   /* the last of each */
  NevaWindowCounts counts;
  guint notes;

  /* The newest frame that no clip has chosen: an early end makes it the last
   * one of the clip. With pass_all it is one frame late. */
  GstBuffer *newest;
  GstClockTime newest_time;
  GstClockTime position; /* end of the newest frame of all */

  gboolean whole_done;
  guint64 whole_seen, whole_predicted; /* predicted 0: nothing to check */
};

static void
clip_free (gpointer data)
{
  Clip *c = data;

  neva_plan_clear (&c->plan);
  g_array_unref (c->times);
  neva_reservoir_clear (&c->reservoir);
  g_free (c);
}

NevaWindows *
neva_windows_new (void)
{
  NevaWindows *w = g_new0 (NevaWindows, 1);

  w->clips = g_ptr_array_new_with_free_func (clip_free);
  w->config =
      (NevaSamplerConfig){.choice = NEVA_CHOICE_UNIFORM, .num_frames = 8};
  w->facts.end = GST_CLOCK_TIME_NONE;
  neva_windows_reset (w);
  return w;
}

void
neva_windows_reset (NevaWindows *w)
{
  g_ptr_array_set_size (w->clips, 0);
  gst_clear_buffer (&w->newest);
  w->next_start = w->position = w->last_passed = GST_CLOCK_TIME_NONE;
  w->passed_until = 0;
  w->happening = NEVA_NOTHING_HAPPENS;
  w->whole_done = FALSE;
  w->whole_seen = w->whole_predicted = 0;
}

void
neva_windows_free (NevaWindows *w)
{
  if (!w)
    return;
  neva_windows_reset (w);
  g_ptr_array_unref (w->clips);
  g_free (w);
}

void
neva_windows_set_config (NevaWindows *w, const NevaSamplerConfig *config)
{
  w->config = *config;
}

void
neva_windows_set_facts (NevaWindows *w, const NevaStreamFacts *facts)
{
  w->facts = *facts;
}

guint
neva_windows_take_notes (NevaWindows *w)
{
  guint notes = w->notes;

  w->notes = 0;
  return notes;
}

static guint
reservoir_size (const NevaSamplerConfig *c)
{
  return MAX (MIN_HELD, HELD_PER_FRAME * c->num_frames);
}

guint
neva_windows_max_held (const NevaSamplerConfig *c)
{
  return 2 + (c->pass_all ? 0 : reservoir_size (c));
}

/* ---- The gate ---- */

static void
pass (NevaWindows *w, Clip *c)
{
  c->passed = TRUE;
  if (!GST_CLOCK_TIME_IS_VALID (w->last_passed) || w->last_passed < c->start)
    w->last_passed = c->start;
  w->passed_until = MAX (w->passed_until, c->end);
}

/* No caption for longer than that, if this clip has none? */
static gboolean
is_due (const NevaWindows *w, const Clip *c)
{
  const GstClockTime beat = c->config.gate.heartbeat;
  const GstClockTime hop = c->config.window - c->config.overlap;

  return beat > 0 && (!GST_CLOCK_TIME_IS_VALID (w->last_passed) ||
                         c->start + hop - w->last_passed > beat);
}

static gboolean
holds (const Clip *c, GstClockTime time)
{
  /* NONE is the largest. */
  return GST_CLOCK_TIME_IS_VALID (time) && time >= c->start && time < c->end;
}

/* What happened lets the clips pass that hold it. If they are over, and did not
 * pass, those that hold the frame at which it was noticed take their place. */
static void
let_pass (NevaWindows *w, GstClockTime time)
{
  const GstClockTime sure = w->happening.sure;
  gboolean told = sure < w->passed_until;

  if (!GST_CLOCK_TIME_IS_VALID (sure))
    return;
  for (guint i = 0; i < w->clips->len; i++)
    told |= holds (g_ptr_array_index (w->clips, i), sure);
  for (guint i = 0; i < w->clips->len; i++) {
    Clip *c = g_ptr_array_index (w->clips, i);

    if (!c->passed && holds (c, told ? sure : time))
      pass (w, c);
  }
}

/* Whether the clip, which is over, passes. What may have been a cut in its last
 * frames cannot be waited for. */
static gboolean
passes_at_end (NevaWindows *w, Clip *c)
{
  if (!c->passed && holds (c, w->happening.maybe))
    pass (w, c);
  return c->passed;
}

NevaWindowCounts
neva_windows_get_counts (NevaWindows *w)
{
  return w->counts;
}

/* ---- Clips ---- */

static void
open_clip (NevaWindows *w, GstClockTime start, GstClockTime first)
{
  Clip *c = g_new0 (Clip, 1);

  c->config = w->config;
  c->number = w->next_number++;
  c->start = start;
  c->end =
      c->config.window > 0 ? start + c->config.window : GST_CLOCK_TIME_NONE;
  c->times = g_array_new (FALSE, FALSE, sizeof (GstNevaSampleTime));
  if (c->config.gate.kind == NEVA_GATE_NONE) {
    c->passed = TRUE;
  } else if (is_due (w, c)) {
    pass (w, c);
    w->counts.heartbeats++;
  }
  neva_plan_init (&c->plan, &c->config, &w->facts, start, c->end, first);
  if (c->plan.kind == NEVA_PLAN_HOLD)
    neva_reservoir_init (&c->reservoir, reservoir_size (&c->config));

  if (c->plan.fallback)
    w->notes |= NEVA_NOTE_BY_TIME;
  if (c->plan.kind == NEVA_PLAN_HOLD && c->config.pass_all)
    w->notes |= NEVA_NOTE_NO_LENGTH;
  if (c->config.window == 0) {
    w->whole_seen = 0;
    w->whole_predicted = c->plan.predicted ? c->plan.length : 0;
  }
  g_ptr_array_add (w->clips, c);
}

/* Opens every window that holds `time` and was not opened yet. */
static void
open_clips (NevaWindows *w, GstClockTime time)
{
  const GstClockTime window = w->config.window;
  const GstClockTime hop = window - w->config.overlap;

  if (window == 0) {
    if (!GST_CLOCK_TIME_IS_VALID (w->next_start))
      open_clip (w, time, time);
    w->next_start = time;
    return;
  }

  if (!GST_CLOCK_TIME_IS_VALID (w->next_start))
    w->next_start = time;
  if (w->next_start + window <= time) /* whole windows without a frame */
    w->next_start += ((time - window - w->next_start) / hop + 1) * hop;
  for (; w->next_start <= time; w->next_start += hop)
    open_clip (w, w->next_start, time);
}

/* Marks a writable buffer as the clip's next frame. */
static void
mark (NevaWindows *w, Clip *c, GstBuffer *buffer, GstClockTime time,
    gboolean last)
{
  const GstNevaSampleTime t = {time, GST_BUFFER_PTS (buffer)};
  const gboolean uniform = c->config.choice == NEVA_CHOICE_UNIFORM;
  const guint count = c->plan.kind == NEVA_PLAN_EVERY ? 0
                      : uniform                       ? c->config.num_frames
                                                      : 1;
  GstClockTime end = MIN (c->end, w->facts.end);
  GstNevaSampleMeta *meta;
  GArray *times;

  g_array_append_val (c->times, t);
  if (c->plan.kind == NEVA_PLAN_EVERY) {
    /* A list that grows with every frame would be quadratic. */
    times = g_array_new (FALSE, FALSE, sizeof (GstNevaSampleTime));
    g_array_append_val (times, t);
  } else if (c->plan.times && !last)
    times = g_array_ref (c->plan.times);
  else
    times = g_array_copy (c->times);

  meta = gst_buffer_add_neva_sample_meta (
      buffer, c->number, c->times->len - 1, count, c->start, end, times);
  g_array_unref (times);
  meta->last = last;
  meta->undecided = !c->passed;
  if (last && count > c->times->len)
    meta->repeat = count - c->times->len;
}

static void
queue_end (
    NevaWindows *w, Clip *c, gboolean complete, gboolean cut, GQueue *out)
{
  GstNevaClip clip = {.clip = c->number,
      .frames = c->times->len,
      .count = c->times->len,
      .complete = complete && c->times->len > 0,
      .gated = complete && !passes_at_end (w, c),
      .start = c->start,
      .end = c->end,
      .times = c->times};

  if (c->config.choice == NEVA_CHOICE_UNIFORM)
    clip.count = c->config.num_frames;
  if (GST_CLOCK_TIME_IS_VALID (w->facts.end) && w->facts.end > c->start)
    clip.end = MIN (clip.end, w->facts.end);
  if (!GST_CLOCK_TIME_IS_VALID (clip.end) || cut)
    clip.end = MIN (clip.end, MAX (w->position, c->start));
  w->counts.windows++;
  w->counts.gated += clip.gated;
  g_queue_push_tail (out, gst_neva_clip_event_new (&clip));
}

/* Chooses among the held frames of a clip whose length is known now. */
static void
queue_held (NevaWindows *w, Clip *c, GstClockTime end, GQueue *out)
{
  const NevaSamplerConfig *cfg = &c->config;
  guint64 m = neva_choice_distinct (cfg->choice, c->seen, cfg->num_frames);
  g_autoptr (GArray) chosen = g_array_new (FALSE, FALSE, sizeof (NevaHeld));

  if (!neva_reservoir_is_exact (&c->reservoir))
    w->notes |= NEVA_NOTE_HELD;
  for (guint64 k = 0; k < m; k++) {
    const NevaHeld *h;
    NevaHeld copy;

    if (cfg->by_time && cfg->choice == NEVA_CHOICE_UNIFORM)
      h = neva_reservoir_by_time (&c->reservoir,
          c->start + gst_util_uint64_scale (end - c->start, k, m));
    else
      h = neva_reservoir_by_number (&c->reservoir,
          neva_choice_index (cfg->choice, c->seen, cfg->num_frames, k));
    if (!h || (chosen->len > 0 &&
                  g_array_index (chosen, NevaHeld, chosen->len - 1).number >=
                      h->number))
      continue;
    copy = *h;
    gst_buffer_ref (copy.buffer);
    g_array_append_val (chosen, copy);
  }

  neva_reservoir_clear (&c->reservoir); /* the only references are ours now */
  for (guint i = 0; i < chosen->len; i++) {
    NevaHeld *h = &g_array_index (chosen, NevaHeld, i);
    GstBuffer *buffer = gst_buffer_make_writable (h->buffer);

    mark (w, c, buffer, h->running_time, i + 1 == chosen->len);
    g_queue_push_tail (out, buffer);
  }
}

static gboolean
clip_wants_newest (NevaWindows *w, Clip *c)
{
  guint n = c->times->len;

  return w->newest && c->plan.targets && c->plan.kind != NEVA_PLAN_HOLD &&
         c->next < c->plan.targets->len && w->newest_time >= c->start &&
         w->newest_time < c->end && /* NONE is the largest */
         (n == 0 ||
             g_array_index (c->times, GstNevaSampleTime, n - 1).running_time <
                 w->newest_time);
}

/* Ends the first n clips: what was not chosen in time is completed by the
 * newest frame, which is their last one. */
static void
close_clips (NevaWindows *w, guint n, gboolean cut, GQueue *out)
{
  gboolean wanted = FALSE;

  for (guint i = 0; i < n; i++) {
    Clip *c = g_ptr_array_index (w->clips, i);

    if (clip_wants_newest (w, c)) {
      if (!wanted)
        w->newest = gst_buffer_make_writable (w->newest);
      wanted = TRUE;
      mark (w, c, w->newest, w->newest_time, TRUE);
    }
  }
  if (w->newest && (wanted || w->config.pass_all))
    g_queue_push_tail (out, g_steal_pointer (&w->newest));

  for (guint i = 0; i < n; i++) {
    Clip *c = g_ptr_array_index (w->clips, i);

    if (c->plan.kind == NEVA_PLAN_HOLD && !c->config.pass_all)
      queue_held (w, c, MAX (c->start, MIN (c->end, w->position)), out);
    queue_end (w, c, TRUE, cut, out);
  }
  if (n > 0)
    g_ptr_array_remove_range (w->clips, 0, n);
}

/* Offers a frame to a clip; marks it if it is chosen. Returns whether it was;
 * the clip is complete when no target is left. */
static gboolean
offer (NevaWindows *w, Clip *c, GstBuffer **buffer, GstClockTime time,
    GstClockTime duration)
{
  const guint64 number = c->seen++;
  const guint before = c->next;

  switch (c->plan.kind) {
    case NEVA_PLAN_HOLD:
      if (!c->config.pass_all)
        neva_reservoir_add (&c->reservoir, *buffer, time, number);
      return FALSE;
    case NEVA_PLAN_EVERY:
      *buffer = gst_buffer_make_writable (*buffer);
      mark (w, c, *buffer, time, FALSE);
      return TRUE;
    case NEVA_PLAN_TIMES:
    case NEVA_PLAN_NUMBERS:
      break;
  }

  /* After missing frames one frame may meet several targets. */
  while (c->next < c->plan.targets->len &&
         neva_plan_meets (&c->plan, c->next, time, duration, number))
    c->next++;
  if (c->next == before)
    return FALSE;
  *buffer = gst_buffer_make_writable (*buffer);
  mark (w, c, *buffer, time, c->next == c->plan.targets->len);
  return TRUE;
}

static gboolean
clip_is_complete (const Clip *c)
{
  return (c->plan.kind == NEVA_PLAN_TIMES ||
             c->plan.kind == NEVA_PLAN_NUMBERS) &&
         c->next == c->plan.targets->len;
}

static void
queue_complete (NevaWindows *w, GQueue *out)
{
  for (guint i = 0; i < w->clips->len;) {
    Clip *c = g_ptr_array_index (w->clips, i);

    /* Until its end something may happen in it. */
    if (!clip_is_complete (c) || !c->passed) {
      i++;
      continue;
    }
    if (c->config.window == 0)
      w->whole_done = TRUE;
    queue_end (w, c, TRUE, FALSE, out);
    g_ptr_array_remove_index (w->clips, i);
  }
}

void
neva_windows_push (NevaWindows *w, GstBuffer *buffer, GstClockTime time,
    GstClockTime duration, const NevaHappening *happening, GQueue *out)
{
  gboolean chosen = FALSE;
  guint over = 0;

  while (over < w->clips->len &&
         ((Clip *) g_ptr_array_index (w->clips, over))->end <= time)
    over++;
  close_clips (w, over, FALSE, out);
  open_clips (w, time);
  w->happening = *happening;
  let_pass (w, time);
  w->position = time + duration;
  w->whole_seen++;

  for (guint i = 0; i < w->clips->len; i++)
    chosen |=
        offer (w, g_ptr_array_index (w->clips, i), &buffer, time, duration);

  if (w->newest && w->config.pass_all)
    g_queue_push_tail (out, g_steal_pointer (&w->newest));
  gst_clear_buffer (&w->newest);
  if (chosen || (w->config.pass_all && w->clips->len == 0))
    g_queue_push_tail (out, buffer);
  else {
    w->newest = buffer;
    w->newest_time = time;
  }
  queue_complete (w, out);
}

void
neva_windows_cut (NevaWindows *w, GQueue *out)
{
  if (w->whole_predicted > 0 && w->whole_seen != w->whole_predicted)
    w->notes |= NEVA_NOTE_LENGTH;
  close_clips (w, w->clips->len, TRUE, out);
  gst_clear_buffer (&w->newest);
  w->next_start = GST_CLOCK_TIME_NONE;
  w->whole_done = FALSE;
  w->whole_predicted = 0;
}

void
neva_windows_cancel (NevaWindows *w, GQueue *out)
{
  for (guint i = 0; i < w->clips->len; i++)
    queue_end (w, g_ptr_array_index (w->clips, i), FALSE, TRUE, out);
  neva_windows_reset (w);
}

GstClockTime
neva_windows_oldest_pts (NevaWindows *w)
{
  GstClockTime pts =
      w->newest ? GST_BUFFER_PTS (w->newest) : GST_CLOCK_TIME_NONE;

  for (guint i = 0; i < w->clips->len; i++) {
    Clip *c = g_ptr_array_index (w->clips, i);

    if (c->plan.kind == NEVA_PLAN_HOLD && c->reservoir.held->len > 0)
      pts =
          MIN (pts, GST_BUFFER_PTS (
                        g_array_index (c->reservoir.held, NevaHeld, 0).buffer));
  }
  return pts;
}

gboolean
neva_windows_whole_done (NevaWindows *w)
{
  return w->whole_done;
}

gboolean
neva_windows_next_time (NevaWindows *w, GstNevaSampleTime *time)
{
  const Clip *c = w->clips->len > 0 ? g_ptr_array_index (w->clips, 0) : NULL;

  if (!c || c->config.window > 0 || !c->plan.times ||
      c->next >= c->plan.times->len)
    return FALSE;
  *time = g_array_index (c->plan.times, GstNevaSampleTime, c->next);
  return TRUE;
}
