/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How the frames of one clip will be recognised as they pass.
 *
 * What is known when the clip's first frame arrives decides:
 *
 *   every frame's time (packet index)   targets = the chosen frames themselves
 *   number of frames, no times          targets = frame numbers
 *   constant frame rate and the end     targets = slots of the frame grid
 *   only the end                        targets = equally spaced times
 *   nothing                             hold a bounded set, choose at the end
 *
 * A target is met by the first frame at or after it, less a tolerance. */
#ifndef NEVA_PLAN_H
#define NEVA_PLAN_H

#include <gst/gst.h>

#include "choice.h"
#include "gate.h"
#include "gstnevasamplemeta.h"

G_BEGIN_DECLS

/* A copy of the element's properties, taken when a clip begins. */
typedef struct {
  NevaChoice choice;
  guint num_frames;
  GstClockTime window, overlap; /* ns; window 0 = the whole stream */
  gboolean by_time;             /* align=time */
  gboolean pass_all;            /* output=all */
  NevaGateConfig gate;
} NevaSamplerConfig;

/* What is known about the stream. Running times in ns. */
typedef struct {
  guint fps_n, fps_d;  /* fps_n 0: unknown or variable */
  GstClockTime end;    /* where the stream ends, or NONE */
  const GArray *index; /* GstNevaSampleTime of every frame, rising, or NULL;
                          borrowed */
  guint64 frames;      /* number of frames, 0 = unknown */
} NevaStreamFacts;

typedef enum {
  NEVA_PLAN_TIMES,   /* targets are running times */
  NEVA_PLAN_NUMBERS, /* targets are frame numbers within the clip */
  NEVA_PLAN_EVERY,   /* every frame */
  NEVA_PLAN_HOLD     /* not known before the end of the clip */
} NevaPlanKind;

typedef struct {
  guint64 at;
  guint64 tolerance; /* a frame this much before `at` still meets it */
} NevaTarget;

typedef struct {
  NevaPlanKind kind;
  GArray *targets;    /* NevaTarget, rising; TIMES and NUMBERS only */
  GArray *times;      /* GstNevaSampleTime per target if known, else NULL */
  guint64 length;     /* L that the targets were computed from, 0 = none */
  gboolean predicted; /* length follows from rate and duration */
  gboolean fallback;  /* equal times stand in for equal index steps */
} NevaPlan;

/* Plans the clip [start, end); end may be NONE. first: its first frame. */
void neva_plan_init (NevaPlan *plan, const NevaSamplerConfig *config,
    const NevaStreamFacts *facts, GstClockTime start, GstClockTime end,
    GstClockTime first);
void neva_plan_clear (NevaPlan *plan);

/* TRUE if the frame meets target k (k < targets->len). time: its running time;
 * number: its place in the clip, from 0; duration: 0 if unknown. */
gboolean neva_plan_meets (const NevaPlan *plan, guint k, GstClockTime time,
    GstClockTime duration, guint64 number);

G_END_DECLS

#endif /* NEVA_PLAN_H */
