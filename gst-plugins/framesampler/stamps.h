/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When a frame is shown, and whether it continues the frames before it. Copes
 * with timestamps that are missing, repeated, late or from another time. */
#ifndef NEVA_STAMPS_H
#define NEVA_STAMPS_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
  NEVA_STAMP_NEXT,   /* continues the stream */
  NEVA_STAMP_JUMP,   /* another piece of time begins: cut before it */
  NEVA_STAMP_LATE,   /* before the frame before: cannot be placed */
  NEVA_STAMP_OUTSIDE /* not in the segment */
} NevaStamp;

typedef struct {
  GstClockTime pts; /* guessed if the buffer has none, see `guessed` */
  GstClockTime running_time;
  GstClockTime duration; /* ns, 0 = unknown */
  gboolean guessed;
} NevaFrameTime;

/* State between frames. */
typedef struct {
  GstClockTime pts, running_time; /* of the newest frame, or NONE */
  GstClockTime duration;
} NevaStamps;

void neva_stamps_reset (NevaStamps *stamps);

/* Places buffer in segment (TIME). One with the PTS of the frame before (AVI
 * with B-frames) comes 1 ns of running time after it. frame_duration: from the
 * caps, 0 = unknown. The frame is remembered for the next call if it is NEXT or
 * JUMP. */
NevaStamp neva_stamps_place (NevaStamps *stamps, const GstSegment *segment,
    GstBuffer *buffer, GstClockTime frame_duration, NevaFrameTime *time);

G_END_DECLS

#endif /* NEVA_STAMPS_H */
