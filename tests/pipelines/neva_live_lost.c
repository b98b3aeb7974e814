/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A network camera of neva-live (argv[1]: the program) that breaks off, is
 * silent, and comes back: its stream says so and goes on, the other one never
 * notices, and the camera's password is shown to nobody. */
#include "config.h"
#include <glib/gstdio.h>
#include <gst/gst.h>
#include <string.h>
#include "check.h"
#include "live_client.h"

#define WAIT_S 60

/* ---- The camera --------------------------------------------------------- */

typedef struct {
  GSocketService *service;
  guint16 port;
  GBytes *jpeg;
  gint silent, dead; /* atomic */
} Camera;

/* JPEGs at 10 a second, as many cameras send them. */
static gboolean
on_run (GThreadedSocketService *service, GSocketConnection *connection,
    GObject *source, gpointer data)
{
  Camera *self = data;
  char request[4096];
  gsize size;
  const char *jpeg = g_bytes_get_data (self->jpeg, &size);
  GOutputStream *out = g_io_stream_get_output_stream (G_IO_STREAM (connection));
  g_autofree char *part = g_strdup_printf (
      "\r\n--cam\r\nContent-Type: image/jpeg\r\nContent-Length: %u\r\n\r\n",
      (guint) size);

  g_input_stream_read (g_io_stream_get_input_stream (G_IO_STREAM (connection)),
      request, sizeof request, NULL, NULL);
  live_send (connection,
      "HTTP/1.0 200 OK\r\n"
      "Content-Type: multipart/x-mixed-replace; boundary=cam\r\n\r\n",
      -1);
  while (!g_atomic_int_get (&self->dead)) {
    if (!g_atomic_int_get (&self->silent) &&
        (!g_output_stream_write_all (
             out, part, strlen (part), NULL, NULL, NULL) ||
            !g_output_stream_write_all (out, jpeg, size, NULL, NULL, NULL)))
      break;
    g_usleep (100 * 1000);
  }
  return TRUE;
}

/* port 0: any. */
static gboolean
camera_start (Camera *self, guint16 port)
{
  g_autoptr (GSocketAddress) wanted =
      g_inet_socket_address_new_from_string ("127.0.0.1", port);
  g_autoptr (GSocketAddress) got = NULL;

  g_atomic_int_set (&self->dead, FALSE);
  self->service = g_threaded_socket_service_new (8);
  g_signal_connect (self->service, "run", G_CALLBACK (on_run), self);
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (self->service), wanted,
          G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &got, NULL))
    return FALSE;
  self->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (got));
  g_socket_service_start (self->service);
  return TRUE;
}

static void
camera_stop (Camera *self)
{
  g_atomic_int_set (&self->dead, TRUE);
  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  g_clear_object (&self->service);
}

static GBytes *
make_jpeg (void)
{
  g_autofree char *path = NULL;
  g_autofree char *description = NULL;
  char *data = NULL;
  gsize size = 0;
  g_autoptr (GstElement) pipeline = NULL;
  g_autoptr (GstBus) bus = NULL;
  const int fd = g_file_open_tmp ("neva-live-XXXXXX.jpg", &path, NULL);

  g_close (fd, NULL);
  description = g_strdup_printf (
      "videotestsrc num-buffers=1 pattern=ball ! video/x-raw,width=64,"
      "height=48 ! jpegenc ! filesink location=%s",
      path);
  pipeline = gst_parse_launch (description, NULL);
  if (pipeline) {
    bus = gst_element_get_bus (pipeline);
    gst_element_set_state (pipeline, GST_STATE_PLAYING);
    gst_message_unref (gst_bus_timed_pop_filtered (
        bus, GST_CLOCK_TIME_NONE, GST_MESSAGE_EOS | GST_MESSAGE_ERROR));
    gst_element_set_state (pipeline, GST_STATE_NULL);
    g_file_get_contents (path, &data, &size, NULL);
  }
  g_unlink (path);
  return size ? g_bytes_new_take (data, size) : NULL;
}

/* The service's connections come on the default main context. */
static gpointer
serve (gpointer loop)
{
  g_main_loop_run (loop);
  return NULL;
}

/* ---- The test ----------------------------------------------------------- */

typedef struct {
  char *state, *message;
  gint64 captions;
} View;

static void
view_clear (View *view)
{
  g_free (view->state);
  g_free (view->message);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (View, view_clear)

static View
look (const Live *live, guint number)
{
  g_autoptr (JsonNode) state = live_state (live);
  View view = {.captions = -1};
  JsonObject *stream;

  if (!state)
    return view;
  stream = live_stream (state, number);
  view.state = g_strdup (json_object_get_string_member (stream, "state"));
  view.message = g_strdup (
      json_object_get_string_member_with_default (stream, "message", ""));
  view.captions = json_object_get_int_member (stream, "captions");
  return view;
}

/* Until the stream is in that state and has so many captions. */
static gboolean
wait_for (const Live *live, guint number, const char *state, gint64 captions)
{
  for (guint i = 0; i < WAIT_S * 10; i++) {
    g_auto (View) view = look (live, number);

    if (g_strcmp0 (view.state, state) == 0 && view.captions >= captions)
      return TRUE;
    g_usleep (100 * 1000);
  }
  return FALSE;
}

static void
check_secret (const Live *live)
{
  g_autoptr (GBytes) body = NULL;
  const char *text;

  live_get (live, "GET", "state", NULL, &body, NULL);
  text = g_bytes_get_data (body, NULL);
  CHECK (!strstr (text, "secret") && !strstr (text, "hidden"), "%s", text);
}

/* The camera goes away and comes back. */
static void
check_broken_off (const Live *live, Camera *camera)
{
  g_auto (View) lost = {NULL}, other = {NULL};

  camera_stop (camera);
  CHECK (wait_for (live, 1, "lost", 0), "it is lost");
  lost = look (live, 1);
  CHECK (strstr (lost.message, "trying again"), "%s", lost.message);
  check_secret (live);
  other = look (live, 2);
  CHECK (wait_for (live, 2, "live", other.captions + 2), "the other goes on");
  CHECK (camera_start (camera, camera->port), "the same port");
  CHECK (wait_for (live, 1, "live", lost.captions + 1), "it is back");
}

/* It says nothing any more, but does not go. */
static void
check_silent (const Live *live, Camera *camera)
{
  g_auto (View) before = look (live, 1);

  g_atomic_int_set (&camera->silent, TRUE);
  CHECK (wait_for (live, 1, "lost", 0), "silence is noticed");
  g_atomic_int_set (&camera->silent, FALSE);
  CHECK (wait_for (live, 1, "live", before.captions + 1), "it speaks again");
}

static void
run (Camera *camera, const char *program)
{
  Live live;
  g_autofree char *rest = NULL;
  g_auto (View) other = {NULL};

  if (!live_start (&live, program,
          "http://user:secret@127.0.0.1:%u/cam?key=hidden|test://ball?width=64&"
          "height=48&framerate=10|-m|fake:a b|-w|1s|--timeout|3s",
          camera->port)) {
    CHECK (FALSE, "no page");
    return;
  }
  CHECK (wait_for (&live, 1, "live", 1), "the camera is captioned");
  check_secret (&live);
  check_broken_off (&live, camera);
  check_silent (&live, camera);
  other = look (&live, 2);
  CHECK_STR (other.state, "live");
  g_subprocess_send_signal (live.process, 2);
  while ((rest = live_read_line (live.err, ""))) {
    CHECK (!strstr (rest, "secret") && !strstr (rest, "hidden"), "%s", rest);
    g_clear_pointer (&rest, g_free);
  }
  CHECK (live_stop (&live) == 130, "Ctrl-C");
}

int
main (int argc, char **argv)
{
  Camera camera = {NULL};
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  GThread *thread;
  g_autoptr (GstElement) soup = NULL;

  gst_init (&argc, &argv);
  if (argc < 2)
    return EXIT_FAILURE;
  soup = gst_element_factory_make ("souphttpsrc", NULL);
  camera.jpeg = make_jpeg ();
  if (!soup || !camera.jpeg) {
    printf ("SKIP: no souphttpsrc or jpegenc here\n");
    return 77;
  }
  if (!camera_start (&camera, 0))
    return EXIT_FAILURE;
  thread = g_thread_new ("camera", serve, loop);
  run (&camera, argv[1]);
  camera_stop (&camera);
  g_main_loop_quit (loop);
  g_thread_join (thread);
  g_bytes_unref (camera.jpeg);
  return check_finish ();
}
