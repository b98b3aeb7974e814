/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The page of neva-live (argv[1]: the program) by its protocol: what is
 * answered, to whom, and that what follows grows and goes on where it broke. */
#include "config.h"
#include <string.h>
#include "check.h"
#include "live_client.h"

#define SOURCE "test://ball?width=64&height=48&framerate=10"

static const char *program;

static const char *
text_of (GBytes *body)
{
  return g_bytes_get_data (body, NULL);
}

static const char *
header (SoupMessage *message, const char *name)
{
  const char *value = soup_message_headers_get_one (
      soup_message_get_response_headers (message), name);

  return value ? value : "";
}

/* ---- The page's files --------------------------------------------------- */

static void
check_file (
    const Live *live, const char *path, const char *type, const char *part)
{
  g_autoptr (GBytes) body = NULL;
  g_autoptr (SoupMessage) message = NULL;
  const guint status = live_get (live, "GET", path, NULL, &body, &message);

  CHECK (status == 200, "%s: %u", path, status);
  CHECK (g_str_has_prefix (header (message, "Content-Type"), type), "%s: %s",
      path, header (message, "Content-Type"));
  CHECK (strstr (text_of (body), part), "%s: no %s", path, part);
  CHECK (strstr (
             header (message, "Content-Security-Policy"), "default-src 'none'"),
      "%s", path);
  CHECK_STR (header (message, "X-Content-Type-Options"), "nosniff");
}

/* Nothing that lies elsewhere is named, but namespaces. */
static void
check_own (const Live *live, const char *path)
{
  g_autoptr (GBytes) body = NULL;

  live_get (live, "GET", path, NULL, &body, NULL);
  for (const char *p = text_of (body); (p = strstr (p, "://")); p += 3)
    CHECK (g_str_has_prefix (p, "://www.w3.org/"), "%s: %.40s", path, p);
}

static void
test_files (const Live *live)
{
  static const char *const paths[] = {
      "", "live.js", "plot.js", "style.css", "icon.svg"};

  check_file (live, "", "text/html", "aria-live=\"polite\"");
  check_file (live, "live.js", "text/javascript", "EventSource");
  check_file (live, "plot.js", "text/javascript", "class Plot");
  check_file (live, "style.css", "text/css", "prefers-color-scheme");
  check_file (live, "icon.svg", "image/svg+xml", "<svg");
  for (gsize i = 0; i < G_N_ELEMENTS (paths); i++)
    check_own (live, paths[i]);
}

static void
test_refusals (const Live *live)
{
  static const struct {
    const char *method, *path, *headers;
    guint status;
  } rows[] = {
      {"GET", "nothing", NULL, 404},
      {"GET", "../../etc/passwd", NULL, 404},
      {"GET", "..%2f..%2fetc%2fpasswd", NULL, 404},
      {"GET", "%2e%2e/%2e%2e/etc/passwd", NULL, 404},
      {"GET", "streams/../../etc/passwd", NULL, 404},
      {"GET", "page.gresource.xml", NULL, 404},
      {"GET", "streams/0/picture.jpg", NULL, 404},
      {"GET", "streams/2/picture.jpg", NULL, 404},
      {"GET", "streams/-1/picture.jpg", NULL, 404},
      {"GET", "streams/99999999999999999999/captions.vtt", NULL, 404},
      {"GET", "streams/1/", NULL, 404},
      {"GET", "streams/1/picture.jpg/x", NULL, 404},
      {"GET", "streams//picture.jpg", NULL, 404},
      {"POST", "", NULL, 405},
      {"PUT", "state", NULL, 405},
      {"DELETE", "streams/1/captions.vtt", NULL, 405},
      {"OPTIONS", "events", NULL, 405},
      {"GET", "state", "Host: evil.example", 403},
      {"GET", "state", "Host: 127.0.0.1.evil.example:80", 403},
      {"GET", "state", "Host: localhost:1", 200},
      {"HEAD", "", NULL, 200},
      {"HEAD", "events", NULL, 200},
      {"HEAD", "streams/1/video.mjpg", NULL, 200},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const guint status = live_get (
        live, rows[i].method, rows[i].path, rows[i].headers, NULL, NULL);

    /* libsoup itself finds some of them malformed */
    CHECK (status == rows[i].status || (rows[i].status == 404 && status == 400),
        "%s %s %s: %u", rows[i].method, rows[i].path,
        rows[i].headers ? rows[i].headers : "", status);
  }
}

/* ---- Events ------------------------------------------------------------- */

/* HTTP/1.0, so that lines are as they were written. */
static GDataInputStream *
open_stream (const Live *live, const char *path, const char *headers,
    GSocketConnection **connection)
{
  g_autofree char *request = g_strdup_printf (
      "GET /%s HTTP/1.0\r\nHost: localhost\r\n%s\r\n", path, headers);
  GDataInputStream *in;

  *connection = live_connect (live);
  live_send (*connection, request, -1);
  in = g_data_input_stream_new (
      g_io_stream_get_input_stream (G_IO_STREAM (*connection)));
  g_data_input_stream_set_newline_type (in, G_DATA_STREAM_NEWLINE_TYPE_ANY);
  return in;
}

/* "id: RUN-NUMBER"; -1 when it is none. */
static gint64
number_of (const char *line)
{
  const char *dash = line ? strrchr (line, '-') : NULL;

  return dash ? g_ascii_strtoll (dash + 1, NULL, 10) : -1;
}

/* Reads `n` events; their numbers are checked to follow `from`. (transfer
 * full): the last id line. */
static char *
read_events (GDataInputStream *in, guint n, gint64 from)
{
  char *id = NULL;

  for (guint i = 0; i < n; i++) {
    g_free (id);
    id = live_read_line (in, "id: ");
    CHECK (id && number_of (id) == from + 1 + (gint64) i, "%s after %d", id,
        (int) from);
  }
  return id;
}

static void
test_events (const Live *live)
{
  g_autoptr (GSocketConnection) connection = NULL, again = NULL;
  g_autoptr (GDataInputStream) in =
      open_stream (live, "events", "", &connection);
  g_autofree char *type = live_read_line (in, "Content-Type: ");
  g_autofree char *retry = live_read_line (in, "retry: ");
  g_autofree char *id = live_read_line (in, "id: ");
  g_autofree char *state = live_read_line (in, "event: ");
  g_autofree char *partial = NULL, *final = NULL, *last = NULL;

  CHECK (type && strstr (type, "text/event-stream"), "%s", type);
  CHECK (retry != NULL, "how soon to come back");
  CHECK_STR (state, "event: state");
  partial = live_read_line (in, "\"final\":false");
  CHECK (partial && strstr (partial, "\"stream\":1"), "%s", partial);
  final = live_read_line (in, "\"final\":true");
  CHECK (
      final && strstr (final, "\"text\":\"one two three four\""), "%s", final);

  /* who comes back goes on behind the event that was seen last */
  last = live_read_line (in, "id: ");
  g_autofree char *header = g_strdup_printf (
      "Last-Event-ID: %s\r\n", last ? last + strlen ("id: ") : "");
  g_autoptr (GDataInputStream) more =
      open_stream (live, "events", header, &again);
  g_autofree char *end = read_events (more, 3, number_of (last));
}

/* An id of another run, or nonsense, begins with the state. */
static void
test_strange_ids (const Live *live)
{
  static const char *const ids[] = {
      "0-3", "", "-", "x-99999999999999999999", "1a2b-1", "🙂", "%s%n-5"};

  for (gsize i = 0; i < G_N_ELEMENTS (ids); i++) {
    g_autoptr (GSocketConnection) connection = NULL;
    g_autofree char *header = g_strdup_printf ("Last-Event-ID: %s\r\n", ids[i]);
    g_autoptr (GDataInputStream) in =
        open_stream (live, "events", header, &connection);
    g_autofree char *event = live_read_line (in, "event: ");

    CHECK_STR (event, "event: state");
  }
}

/* ---- State, captions, pictures ------------------------------------------ */

static guint64
captions_of (const Live *live)
{
  g_autoptr (JsonNode) state = live_state (live);

  return state ? (guint64) json_object_get_int_member (
                     live_stream (state, 1), "captions")
               : 0;
}

static void
wait_for_captions (const Live *live, guint64 n)
{
  for (guint i = 0; i < 300 && captions_of (live) < n; i++)
    g_usleep (100 * 1000);
}

static void
test_state (const Live *live)
{
  g_autoptr (JsonNode) state = NULL;
  JsonObject *stream, *now, *alert;

  wait_for_captions (live, 1);
  state = live_state (live);
  CHECK (state != NULL, "/state");
  if (!state)
    return;
  stream = live_stream (state, 1);
  CHECK_STR (json_object_get_string_member (stream, "name"), "ball");
  CHECK_STR (json_object_get_string_member (stream, "state"), "live");
  CHECK (json_object_get_int_member (stream, "dropped") == 0, "dropped");
  now = json_object_get_object_member (stream, "now");
  CHECK (g_str_has_prefix (
             "one two three four", json_object_get_string_member (now, "text")),
      "%s", json_object_get_string_member (now, "text"));
  alert = json_array_get_object_element (
      json_object_get_array_member (stream, "alerts"), 0);
  CHECK_STR (json_object_get_string_member (alert, "question"), "Is it <b>?");
  CHECK (json_array_get_length (json_object_get_array_member (
             json_node_get_object (state), "streams")) == 1,
      "one stream");
}

static void
test_vtt (const Live *live)
{
  g_autoptr (GSocketConnection) connection = NULL;
  g_autoptr (GBytes) before = NULL, after = NULL;
  g_autoptr (GDataInputStream) in =
      open_stream (live, "streams/1/captions.vtt?follow=1", "", &connection);
  guint cues = 0;

  live_get (live, "GET", "streams/1/captions.vtt", NULL, &before, NULL);
  CHECK (g_str_has_prefix (text_of (before), "WEBVTT\n\n1\n00:00:00."), "%s",
      text_of (before));
  while (cues < 3) {
    g_autofree char *line = live_read_line (in, "");

    if (!line)
      break;
    cues += strstr (line, " --> ") != NULL;
  }
  CHECK (cues == 3, "the one that goes on: %u cues", cues);
  wait_for_captions (live, 4);
  live_get (live, "GET", "streams/1/captions.vtt", NULL, &after, NULL);
  CHECK (g_str_has_prefix (text_of (after), text_of (before)) &&
             g_bytes_get_size (after) > g_bytes_get_size (before),
      "it grows: %s then %s", text_of (before), text_of (after));
}

static void
test_pictures (const Live *live)
{
  g_autoptr (GBytes) body = NULL;
  g_autoptr (SoupMessage) message = NULL;
  g_autoptr (GSocketConnection) connection = NULL;
  g_autoptr (GDataInputStream) in = NULL;
  const guint8 *data;
  guint parts = 0;

  CHECK (live_get (live, "GET", "streams/1/picture.jpg", NULL, &body,
             &message) == 200,
      "a picture");
  data = g_bytes_get_data (body, NULL);
  CHECK (g_bytes_get_size (body) > 100 && data[0] == 0xff && data[1] == 0xd8,
      "%u bytes", (guint) g_bytes_get_size (body));
  CHECK_STR (header (message, "Content-Type"), "image/jpeg");
  CHECK (*header (message, "X-Picture") != '\0', "its number");

  in = open_stream (live, "streams/1/video.mjpg", "", &connection);
  while (parts < 5) {
    g_autofree char *line = live_read_line (in, "Content-Length: ");

    if (!line)
      break;
    CHECK (atoi (line + strlen ("Content-Length: ")) > 100, "%s", line);
    parts++;
  }
  CHECK (parts == 5, "%u pictures", parts);
}

/* ---- The token ---------------------------------------------------------- */

static void
test_token (void)
{
  Live live;
  g_autoptr (GBytes) body = NULL;
  g_autoptr (SoupMessage) message = NULL;
  g_autofree char *query = NULL, *bearer = NULL, *cookie = NULL;

  /* whoever listens on all addresses gets a token */
  if (!live_start (&live, program, SOURCE "|-m|fake:x|--listen|0.0.0.0")) {
    CHECK (FALSE, "no page");
    return;
  }
  CHECK (live.token && strlen (live.token) >= 32, "%s", live.token);
  query = g_strconcat ("?token=", live.token, NULL);
  bearer = g_strconcat ("Authorization: Bearer ", live.token, NULL);

  CHECK (live_get (&live, "GET", "", NULL, &body, NULL) == 401, "no token");
  CHECK (strstr (text_of (body), "name=\"token\""), "%s", text_of (body));
  CHECK (live_get (&live, "GET", "state", NULL, NULL, NULL) == 401, "state");
  CHECK (live_get (&live, "GET", "events", NULL, NULL, NULL) == 401, "events");
  CHECK (live_get (&live, "GET", "live.js", NULL, NULL, NULL) == 401, "script");
  CHECK (
      live_get (&live, "GET", "style.css", NULL, NULL, NULL) == 200, "style");
  CHECK (live_get (&live, "GET", "?token=wrong", NULL, NULL, NULL) == 401,
      "wrong");
  CHECK (live_get (&live, "GET", "state", "Authorization: Bearer x", NULL,
             NULL) == 401,
      "wrong");
  CHECK (live_get (&live, "GET", "state", bearer, NULL, NULL) == 200, "bearer");
  CHECK (live_get (&live, "GET", query, NULL, NULL, &message) == 303, "enters");
  CHECK (g_str_has_suffix (header (message, "Location"), "/"), "%s",
      header (message, "Location"));
  CHECK (strstr (header (message, "Set-Cookie"), "HttpOnly") &&
             strstr (header (message, "Set-Cookie"), "SameSite=Strict"),
      "%s", header (message, "Set-Cookie"));
  cookie = g_strconcat ("Cookie: a=b; ", header (message, "Set-Cookie"), NULL);
  *strchr (strchr (cookie, ';') + 1, ';') = '\0';
  CHECK (live_get (&live, "GET", "state", cookie, NULL, NULL) == 200, "%s",
      cookie);
  CHECK (live_stop (&live) == 130, "Ctrl-C");
}

/* A page that nobody else may have: another program has the port. */
static void
test_port_taken (const Live *live)
{
  g_autofree char *port = g_strdup_printf ("--http=%u", live->port);
  const char *argv[] = {program, SOURCE, "-m", "fake:x", port, NULL};
  g_autofree char *err = NULL;
  int status = 0;

  CHECK (g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL,
             NULL, NULL, NULL, &err, &status, NULL),
      "spawn");
  CHECK (g_spawn_check_wait_status (status, NULL) == FALSE &&
             strstr (err, "in use"),
      "%s", err);
}

int
main (int argc, char **argv)
{
  Live live;

  if (argc < 2)
    return EXIT_FAILURE;
  program = argv[1];
  if (live_start (&live, program,
          SOURCE "|-m|fake:one two three four?delay=400&yes=60|-w|1s|-a|Is it "
                 "<b>?")) {
    test_files (&live);
    test_state (&live);
    test_refusals (&live);
    test_events (&live);
    test_strange_ids (&live);
    test_vtt (&live);
    test_pictures (&live);
    test_port_taken (&live);
    CHECK (live_stop (&live) == 130, "Ctrl-C");
  } else {
    CHECK (FALSE, "no page");
  }
  test_token ();
  return check_finish ();
}
