/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where one scene ends and another begins: at once, by a cut, or gradually, by
 * a dissolve. Pictures are compared by the correlation of their cells, which no
 * exposure changes. A flash is none: the picture after it is as the one
 * before. */
#ifndef NEVA_VISION_SCENE_H
#define NEVA_VISION_SCENE_H

#include <glib.h>

#define NEVA_SCENE_PAST 5

typedef struct {
  guint n, columns;
  float *past[NEVA_SCENE_PAST]; /* [n]; the newest is first */
  gint64 past_ns[NEVA_SCENE_PAST];
  gboolean jump[NEVA_SCENE_PAST]; /* from the one before to this one */
  guint n_past;
  float *held;      /* [n]: the scene, as it was last stable */
  double noise;     /* of the difference of two pictures of one scene */
  gint64 unlike_ns; /* since when pictures have been unlike `held` */
} NevaScene;

/* FALSE when memory cannot be had; clear () either way. */
gboolean neva_scene_init (NevaScene *scene, guint columns, guint rows);
void neva_scene_clear (NevaScene *scene);
void neva_scene_reset (NevaScene *scene);

typedef enum {
  NEVA_SCENE_SAME,
  NEVA_SCENE_JUMP, /* a cut or a flash */
  NEVA_SCENE_NEW   /* recognised now; *since_ns says when it began */
} NevaSceneStep;

/* cells: [n]. cut: how unlike, 0..1, pictures of two scenes are. */
NevaSceneStep neva_scene_push (NevaScene *scene, const float *cells,
    gint64 time_ns, double cut, gint64 *since_ns);

#endif /* NEVA_VISION_SCENE_H */
