/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The engine from a plain C program, without GStreamer:
 *   describe MODEL [WIDTH HEIGHT FILE.rgb]...  "QUESTION"
 * Each file holds one picture, 3 bytes per pixel, rows from the top. */
#include <neva/neva.h>
#include <stdio.h>
#include <stdlib.h>

static gboolean
push_picture (NevaSession *session, char **args, GError **error)
{
  const guint width = (guint) strtoul (args[0], NULL, 10);
  const guint height = (guint) strtoul (args[1], NULL, 10);
  g_autofree char *rgb = NULL;
  NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = width,
      .height = height,
      .stride = {(gint) width * 3},
      .pts_ns = -1};
  gsize bytes;

  if (!g_file_get_contents (args[2], &rgb, &bytes, error))
    return FALSE;
  if (width == 0 || height == 0 || width > G_MAXINT / 3 ||
      bytes / 3 / width < height) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s: not a picture of %u×%u", args[2], width, height);
    return FALSE;
  }
  frame.plane[0] = (const guint8 *) rgb;
  return neva_session_push_frame (session, &frame, error);
}

static gboolean
describe (int argc, char **argv, GError **error)
{
  g_autoptr (NevaModel) model = NULL;     /* weights: share freely */
  g_autoptr (NevaSession) session = NULL; /* conversation: one thread */
  const char *piece;
  NevaStep step;

  if (!(model = neva_model_open (argv[1], NULL, NULL, NULL, NULL, error)) ||
      !(session = neva_session_new (model, error)))
    return FALSE;
  for (int i = 2; i + 3 < argc; i += 3)
    if (!push_picture (session, argv + i, error))
      return FALSE;
  if (!neva_session_push_text (session, argv[argc - 1], error))
    return FALSE;

  while (
      (step = neva_session_next (session, &piece, error)) == NEVA_STEP_TEXT) {
    fputs (piece, stdout); /* valid until the next call */
    fflush (stdout);
  }
  putchar ('\n');
  return step == NEVA_STEP_END;
}

int
main (int argc, char **argv)
{
  g_autoptr (GError) error = NULL;

  if (argc < 3 || argc % 3 != 0) {
    fprintf (stderr, "usage: %s MODEL [WIDTH HEIGHT FILE.rgb]... QUESTION\n",
        argv[0]);
    return EXIT_FAILURE;
  }
  if (!describe (argc, argv, &error)) {
    fprintf (stderr, "%s\n", error->message);
    return EXIT_FAILURE;
  }
  return EXIT_SUCCESS;
}
