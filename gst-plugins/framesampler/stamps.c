/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "stamps.h"

/* A step back this long, or a step forward on a buffer flagged DISCONT, is a
 * new piece of time (a camera that reconnected); less is jitter or a frame that
 * somebody dropped. */
#define JUMP GST_SECOND
#define JUMP_FRAMES 4

void
neva_stamps_reset (NevaStamps *s)
{
  s->pts = s->running_time = GST_CLOCK_TIME_NONE;
  s->duration = 0;
}

static GstClockTime
guess_pts (const NevaStamps *s, const GstSegment *segment)
{
  if (!GST_CLOCK_TIME_IS_VALID (s->pts))
    return segment->rate < 0 && GST_CLOCK_TIME_IS_VALID (segment->stop)
               ? segment->stop
               : segment->start;
  return segment->rate < 0 ? s->pts - MIN (s->pts, s->duration)
                           : s->pts + s->duration;
}

static gboolean
is_jump (const NevaStamps *s, const NevaFrameTime *t, GstBuffer *buffer)
{
  GstClockTime limit = MAX (JUMP, JUMP_FRAMES * t->duration);

  if (t->running_time <= s->running_time)
    return s->running_time - t->running_time >= JUMP;
  return GST_BUFFER_IS_DISCONT (buffer) &&
         t->running_time - s->running_time >= limit;
}

NevaStamp
neva_stamps_place (NevaStamps *s, const GstSegment *segment, GstBuffer *buffer,
    GstClockTime frame_duration, NevaFrameTime *t)
{
  guint64 start, stop;
  NevaStamp result = NEVA_STAMP_NEXT;

  t->pts = GST_BUFFER_PTS (buffer);
  t->guessed = !GST_CLOCK_TIME_IS_VALID (t->pts);
  if (t->guessed)
    t->pts = guess_pts (s, segment);
  t->duration = GST_BUFFER_DURATION (buffer);
  if (!GST_CLOCK_TIME_IS_VALID (t->duration) || t->duration == 0)
    t->duration = frame_duration > 0 ? frame_duration : s->duration;

  if (!gst_segment_clip (segment, GST_FORMAT_TIME, t->pts,
          t->duration > 0 ? t->pts + t->duration : GST_CLOCK_TIME_NONE, &start,
          &stop))
    return NEVA_STAMP_OUTSIDE;
  t->running_time = gst_segment_to_running_time (
      segment, GST_FORMAT_TIME, segment->rate < 0 ? t->pts : start);
  if (!GST_CLOCK_TIME_IS_VALID (t->running_time))
    return NEVA_STAMP_OUTSIDE;

  if (GST_CLOCK_TIME_IS_VALID (s->running_time)) {
    if (t->pts == s->pts)
      t->running_time = s->running_time + 1;
    if (is_jump (s, t, buffer))
      result = NEVA_STAMP_JUMP;
    else if (t->running_time <= s->running_time)
      return NEVA_STAMP_LATE;
    else if (frame_duration == 0 && !GST_BUFFER_DURATION_IS_VALID (buffer))
      t->duration = t->running_time - s->running_time;
  }
  s->pts = t->pts;
  s->running_time = t->running_time;
  s->duration = t->duration;
  return result;
}
