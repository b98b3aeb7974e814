/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Does anything happen in a video? Luma, averaged over cells of the picture, is
 * compared with a model of the background that follows exposure and noise, and
 * with the pictures before. Costs well under a millisecond per 1080p frame and
 * needs no model. One object per stream; one thread at a time. */
#ifndef NEVA_MOTION_H
#define NEVA_MOTION_H

#include <neva/error.h>
#include <neva/frame.h>

G_BEGIN_DECLS

typedef struct _NevaMotion NevaMotion;

typedef enum {
  NEVA_MOTION_OBJECTS, /* whatever moves */
  NEVA_MOTION_SCENES   /* only where one scene ends and another begins */
} NevaMotionKind;

typedef struct {
  NevaMotionKind kind;
  double threshold; /* luma steps of 255 by which a cell must differ, however
                       quiet the picture; > 0 */
  double area;      /* part of the picture, 0..1, that must move at least */
  double cut;       /* 0..1: how unlike must pictures be at a cut, as 1 less
                       their correlation */
} NevaMotionSettings;

#define NEVA_MOTION_DEFAULT                                                    \
  {                                                                            \
    .kind = NEVA_MOTION_OBJECTS, .threshold = 6.0, .area = 0.0, .cut = 0.5     \
  }

/* What a frame shows. A cut is believed once pictures stay different, 2 frames
 * after it; a dissolve half a second after. */
typedef struct {
  gboolean happens; /* something moves, appeared or went away just now; or the
                       scene has changed */
  gint64 since_ns;  /* if so: when, at or before this frame */
  gboolean maybe;   /* at this frame, if the next ones are like it */
  double area;      /* part of the picture, 0..1, that moves */
} NevaMotionFrame;

/* settings: copied. Returns: (transfer full) */
NevaMotion *neva_motion_new (const NevaMotionSettings *settings);
void neva_motion_free (NevaMotion *motion);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaMotion, neva_motion_free)

/* Hold from the next frame on; what was learnt stays. */
void neva_motion_set (NevaMotion *motion, const NevaMotionSettings *settings);
/* The next frame is the first one: nothing before it is known. */
void neva_motion_reset (NevaMotion *motion);

/* frame: borrowed for the call. time_ns: rises from frame to frame. The first
 * frame, and one of another size than the last, shows nothing.
 * Returns: FALSE with NEVA_ERROR_BAD_INPUT or NEVA_ERROR_DEVICE. */
gboolean neva_motion_push (NevaMotion *motion, const NevaFrame *frame,
    gint64 time_ns, NevaMotionFrame *out, GError **error);

G_END_DECLS

#endif /* NEVA_MOTION_H */
