/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A camera on loopback, as a process of its own that can be killed.
 *
 * rtsp-camera PORT COLOUR: serves rtsp://127.0.0.1:PORT/cam, H.264 in one
 * colour (0xRRGGBB), 10 frames/s; PORT 0 is any. Prints "port N" when it
 * listens, and ends with the process that started it. */
#include "config.h"
#include <gst/rtsp-server/rtsp-server.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = NULL;
  g_autoptr (GstRTSPServer) server = NULL;
  g_autoptr (GstRTSPMountPoints) mounts = NULL;
  g_autofree char *launch = NULL;
  GstRTSPMediaFactory *factory;

  if (argc != 3)
    return EXIT_FAILURE;
  prctl (PR_SET_PDEATHSIG, SIGKILL);
  gst_init (NULL, NULL);
  loop = g_main_loop_new (NULL, FALSE);
  server = gst_rtsp_server_new ();
  gst_rtsp_server_set_address (server, "127.0.0.1");
  gst_rtsp_server_set_service (server, argv[1]);
  launch = g_strdup_printf (
      "( videotestsrc is-live=true pattern=solid-color foreground-color=%u ! "
      "video/x-raw,format=I420,width=160,height=120,framerate=10/1 ! "
      "x264enc tune=zerolatency speed-preset=ultrafast key-int-max=10 ! "
      "rtph264pay name=pay0 pt=96 config-interval=1 )",
      0xff000000u | (guint) g_ascii_strtoull (argv[2], NULL, 16));
  factory = gst_rtsp_media_factory_new ();
  gst_rtsp_media_factory_set_launch (factory, launch);
  gst_rtsp_media_factory_set_shared (factory, TRUE);
  mounts = gst_rtsp_server_get_mount_points (server);
  gst_rtsp_mount_points_add_factory (mounts, "/cam", factory);
  if (gst_rtsp_server_attach (server, NULL) == 0)
    return EXIT_FAILURE;
  printf ("port %d\n", gst_rtsp_server_get_bound_port (server));
  fflush (stdout);
  g_main_loop_run (loop);
  return EXIT_SUCCESS;
}
