/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* More than a hundred clients that read slowly or not at all, that send
 * garbage, halves, floods: the streams of neva-live (argv[1]: the program) lose
 * no frame, window or caption, memory stays, and a decent client is answered
 * all the time. argv[2]: a seed. */
#include "config.h"
#include <string.h>
#include "check.h"
#include "live_client.h"

/* A busy machine may be slow to answer: windows may wait, so that only a
 * pipeline that was held up, or a caption that was lost, is seen. */
#define RATE 30
#define SECONDS 12
#define CLIENTS_EACH 16
/* What the server may keep for all of them; the kernel's buffers are not in
 * it. */
#define MEMORY_BYTES (96 << 20)

typedef struct {
  const Live *live;
  guint kind;
  GRand *random;
} Client;

static gint stop; /* atomic */

static gboolean
going (void)
{
  return !g_atomic_int_get (&stop);
}

static void
nap (guint ms)
{
  for (guint i = 0; i < ms / 20 && going (); i++)
    g_usleep (20 * 1000);
}

/* ---- Kinds -------------------------------------------------------------- */

/* Asks for what never ends, and never reads. */
static void
ask_and_sleep (GSocketConnection *c, GRand *random)
{
  static const char *const paths[] = {"events", "streams/1/video.mjpg",
      "streams/2/video.mjpg", "streams/1/captions.vtt?follow=1"};
  g_autofree char *request =
      g_strdup_printf ("GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n",
          paths[g_rand_int_range (random, 0, G_N_ELEMENTS (paths))]);

  live_send (c, request, -1);
  nap (10000);
}

/* A byte now and then. */
static void
read_slowly (GSocketConnection *c, GRand *random)
{
  GInputStream *in = g_io_stream_get_input_stream (G_IO_STREAM (c));
  char byte;

  live_send (
      c, "GET /streams/1/video.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n", -1);
  for (guint i = 0; i < 200 && going (); i++) {
    if (g_input_stream_read (in, &byte, 1, NULL, NULL) <= 0)
      return;
    nap (40);
  }
}

/* Half a request, a letter at a time. */
static void
write_slowly (GSocketConnection *c, GRand *random)
{
  static const char request[] = "GET /state HTTP/1.1\r\nHost: localhost\r\n"
                                "X-Long: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";

  for (gsize i = 0; i < sizeof request - 1 && going (); i++) {
    live_send (c, request + i, 1);
    nap (100);
  }
}

static void
send_garbage (GSocketConnection *c, GRand *random)
{
  char bytes[4096];

  for (guint n = 0; n < 8 && going (); n++) {
    for (gsize i = 0; i < sizeof bytes; i++)
      bytes[i] = (char) g_rand_int (random);
    live_send (c, bytes, sizeof bytes);
  }
}

/* Headers without an end, as fast as they go. */
static void
send_giant (GSocketConnection *c, GRand *random)
{
  g_autofree char *line = g_strnfill (64 << 10, 'a');

  live_send (c, "GET / HTTP/1.1\r\nHost: localhost\r\nX: ", -1);
  for (guint i = 0; i < 64 && going (); i++)
    live_send (c, line, -1);
}

/* A body that was never asked for. */
static void
send_body (GSocketConnection *c, GRand *random)
{
  g_autofree char *line = g_strnfill (64 << 10, 'b');

  live_send (c,
      "GET /state HTTP/1.1\r\nHost: localhost\r\n"
      "Content-Length: 99999999999\r\n\r\n",
      -1);
  for (guint i = 0; i < 64 && going (); i++)
    live_send (c, line, -1);
}

/* As many questions as go, no answer read. */
static void
flood (GSocketConnection *c, GRand *random)
{
  g_autoptr (GString) many = g_string_new (NULL);

  for (guint i = 0; i < 200; i++)
    g_string_append (many, "GET /state HTTP/1.1\r\nHost: localhost\r\n\r\n");
  live_send (c, many->str, -1);
  nap (500);
}

/* Comes and goes. */
static void
hang_up (GSocketConnection *c, GRand *random)
{
  if (g_rand_boolean (random))
    live_send (c, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n", -1);
}

static void (*const kinds[]) (GSocketConnection *, GRand *) = {ask_and_sleep,
    read_slowly, write_slowly, send_garbage, send_giant, send_body, flood,
    hang_up};

static gpointer
client_main (gpointer data)
{
  Client *self = data;

  while (going ()) {
    g_autoptr (GSocketConnection) c = live_connect (self->live);

    if (c) {
      g_socket_set_timeout (g_socket_connection_get_socket (c), 2);
      kinds[self->kind](c, self->random);
    }
    nap (200);
  }
  g_rand_free (self->random);
  g_free (self);
  return NULL;
}

/* ---- The test ----------------------------------------------------------- */

static GPtrArray *
start_clients (const Live *live, guint64 seed)
{
  GPtrArray *threads = g_ptr_array_new ();

  for (guint i = 0; i < G_N_ELEMENTS (kinds) * CLIENTS_EACH; i++) {
    Client *client = g_new (Client, 1);

    *client = (Client){live, i % G_N_ELEMENTS (kinds),
        g_rand_new_with_seed ((guint32) seed + i)};
    g_ptr_array_add (threads, g_thread_new ("client", client_main, client));
  }
  return threads;
}

static void
stop_clients (GPtrArray *threads)
{
  g_atomic_int_set (&stop, TRUE);
  for (guint i = 0; i < threads->len; i++)
    g_thread_join (threads->pdata[i]);
  g_ptr_array_unref (threads);
}

static gboolean
all_ended (JsonNode *state)
{
  return g_str_equal (
             json_object_get_string_member (live_stream (state, 1), "state"),
             "ended") &&
         g_str_equal (
             json_object_get_string_member (live_stream (state, 2), "state"),
             "ended");
}

/* What a decent client sees while the others are at it. (transfer full): the
 * last state. */
static JsonNode *
watch (const Live *live, guint64 *least, guint64 *most)
{
  JsonNode *state = NULL;

  *least = G_MAXUINT64;
  *most = 0;
  for (guint i = 0; i < SECONDS * 40; i++) {
    guint64 memory;

    g_clear_pointer (&state, json_node_unref);
    state = live_state (live);
    CHECK (state != NULL, "a decent client is answered");
    if (!state)
      break;
    memory = (guint64) json_object_get_int_member (
        json_object_get_object_member (json_node_get_object (state), "load"),
        "memory");
    if (memory > 0) {
      *least = MIN (*least, memory);
      *most = MAX (*most, memory);
    }
    if (all_ended (state))
      break;
    g_usleep (250 * 1000);
  }
  return state;
}

static gboolean
is_counted (JsonNode *state, guint number)
{
  JsonObject *stream = live_stream (state, number);

  return json_object_get_int_member (stream, "frames") >= RATE * SECONDS &&
         json_object_get_int_member (stream, "captions") >= SECONDS;
}

/* Frames are counted with the next sample. (transfer full): the state then, or
 * after a minute. */
static JsonNode *
wait_for_counts (const Live *live)
{
  JsonNode *state = live_state (live);

  for (guint i = 0; state && i < 240; i++) {
    if (is_counted (state, 1) && is_counted (state, 2))
      break;
    g_usleep (250 * 1000);
    json_node_unref (state);
    state = live_state (live);
  }
  return state;
}

static void
check_stream (JsonNode *state, guint number)
{
  JsonObject *stream = live_stream (state, number);

  CHECK (json_object_get_int_member (stream, "frames") == RATE * SECONDS,
      "stream %u: %d frames", number,
      (int) json_object_get_int_member (stream, "frames"));
  CHECK (json_object_get_int_member (stream, "captions") == SECONDS,
      "stream %u: %d captions", number,
      (int) json_object_get_int_member (stream, "captions"));
  CHECK (json_object_get_int_member (stream, "dropped") == 0,
      "stream %u: %d dropped", number,
      (int) json_object_get_int_member (stream, "dropped"));
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc - 1, argv + 1);
  g_autofree char *source = g_strdup_printf (
      "test://ball?width=320&height=240&framerate=%d&frames=%d", RATE,
      RATE * SECONDS);
  g_autoptr (JsonNode) state = NULL, last = NULL;
  guint64 least, most;
  Live live;
  GPtrArray *clients;
  const char *sanitizer = g_getenv ("ASAN_OPTIONS");
  g_autofree char *modest =
      g_strconcat (sanitizer ? sanitizer : "", ":quarantine_size_mb=8", NULL);

  /* AddressSanitizer keeps what is freed, and would be measured here */
  g_setenv ("ASAN_OPTIONS", modest, TRUE);
  if (!live_start (&live, argv[1],
          "%s|%s|-m|fake:a b c d?delay=20|-w|1s|-n|2|--max-pending|64", source,
          source)) {
    CHECK (FALSE, "no page");
    return check_finish ();
  }
  clients = start_clients (&live, seed);
  state = watch (&live, &least, &most);
  CHECK (state && all_ended (state), "the streams come to their end");
  last = wait_for_counts (&live);
  stop_clients (clients);
  if (last) {
    check_stream (last, 1);
    check_stream (last, 2);
  }
  printf ("%u clients, memory %.0f to %.0f MB\n",
      (guint) (G_N_ELEMENTS (kinds) * CLIENTS_EACH), (double) least / 1e6,
      (double) most / 1e6);
  CHECK (most > 0 && most - least < MEMORY_BYTES, "memory");
  CHECK (live_get (&live, "GET", "", NULL, NULL, NULL) == 200, "afterwards");
  CHECK (live_stop (&live) == 130, "Ctrl-C");
  return check_finish ();
}
