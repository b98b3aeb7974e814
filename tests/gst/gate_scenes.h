/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures of a camera that looks at a place where now and then something
 * happens, and what that is is known. Everything follows from the seed. */
#ifndef NEVA_TESTS_GATE_SCENES_H
#define NEVA_TESTS_GATE_SCENES_H

#include <glib.h>

typedef enum {
  GATE_SMALL,    /* a small thing crosses the picture */
  GATE_SLOW,     /* a thing crawls: 1 to 3 hundredths of the width a second */
  GATE_VISITOR,  /* somebody comes, stays, and goes later: two events */
  GATE_APPEARS,  /* a thing is there from one frame to the next, or gone */
  GATE_EXPOSURE, /* exposure wanders all the time; things cross */
  GATE_FLICKER,  /* lamps flicker all the time; things cross */
  GATE_NIGHT,    /* dark, much noise; things cross */
  GATE_CUT,      /* another scene */
  GATE_N_KINDS
} GateKind;

const char *gate_kind_name (GateKind kind);

/* Seconds. */
typedef struct {
  double start, end;
} GateEvent;

typedef struct _GateScene GateScene;

GateScene *gate_scene_new (GateKind kind, guint32 seed, double seconds);
void gate_scene_free (GateScene *scene);

guint gate_scene_width (const GateScene *scene);
guint gate_scene_height (const GateScene *scene);
guint gate_scene_fps (const GateScene *scene);
/* GateEvent, by start; owned by the scene. */
const GArray *gate_scene_events (const GateScene *scene);

/* i420: out, width * height * 3 / 2 bytes, rows without padding. Frames must be
 * asked for in order. */
void gate_scene_render (GateScene *scene, guint frame, guint8 *i420);

#endif /* NEVA_TESTS_GATE_SCENES_H */
