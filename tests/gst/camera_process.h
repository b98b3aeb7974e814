/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Starts and kills the camera of rtsp_camera.c. */
#ifndef NEVA_TEST_CAMERA_PROCESS_H
#define NEVA_TEST_CAMERA_PROCESS_H

#include <glib.h>

typedef struct {
  GPid pid;   /* 0: not running */
  guint port; /* 0: any, and then what it got */
} CameraProcess;

/* The program that $NEVA_RTSP_CAMERA names. Returns when it listens; FALSE
 * when it cannot. */
gboolean camera_process_start (CameraProcess *self, guint colour);

/* As kill -9. */
void camera_process_kill (CameraProcess *self);

#endif /* NEVA_TEST_CAMERA_PROCESS_H */
