/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include "camera_process.h"

gboolean
camera_process_start (CameraProcess *self, guint colour)
{
  const char *program = g_getenv ("NEVA_RTSP_CAMERA");
  g_autofree char *port = g_strdup_printf ("%u", self->port);
  g_autofree char *rgb = g_strdup_printf ("%06x", colour);
  g_autoptr (GError) error = NULL;
  char *argv[] = {(char *) program, port, rgb, NULL};
  gboolean listens;
  FILE *f;
  int out;

  if (!program ||
      !g_spawn_async_with_pipes (NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD,
          NULL, NULL, &self->pid, NULL, &out, NULL, &error)) {
    g_printerr ("no camera: %s\n", error ? error->message : "no program");
    return FALSE;
  }
  f = fdopen (out, "r");
  listens = f && fscanf (f, "port %u", &self->port) == 1;
  if (f)
    fclose (f);
  if (!listens)
    camera_process_kill (self);
  return listens;
}

void
camera_process_kill (CameraProcess *self)
{
  if (self->pid <= 0)
    return;
  kill (self->pid, SIGKILL);
  waitpid (self->pid, NULL, 0);
  g_spawn_close_pid (self->pid);
  self->pid = 0;
}
