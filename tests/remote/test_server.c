/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <json-glib/json-glib.h>
#include <libsoup/soup.h>
#include <string.h>
#include "jpeg_check.h"
#include "test_server.h"

struct _NevaTestServer {
  GThread *thread;
  GMainContext *context;
  GMainLoop *loop;
  SoupServer *server;
  guint port;
  GMutex lock; /* everything below */
  GCond requested;
  guint requests, faults;
  char *body, *key;
  GChecksum *prompts;
  GHashTable *replies;
  GPtrArray *paused; /* SoupServerMessage that never get an answer */
};

/* Of the last message, which is text, or a list of texts and pictures. */
typedef struct {
  GString *text, *pictures;
  guint n_pictures;
} Question;

static void
read_part (JsonArray *array, guint index, JsonNode *node, gpointer user_data)
{
  Question *q = user_data;
  JsonObject *part = json_node_get_object (node);
  const char *url;
  g_autofree char *seen = NULL;

  if (!strcmp (json_object_get_string_member (part, "type"), "text")) {
    g_string_append (q->text, json_object_get_string_member (part, "text"));
    return;
  }
  url = json_object_get_string_member (
      json_object_get_object_member (part, "image_url"), "url");
  seen = neva_jpeg_check_url (url);
  g_string_append_printf (
      q->pictures, "%s%s", q->n_pictures++ ? "," : "", seen);
}

static Question
read_question (const char *body)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  Question q = {g_string_new (NULL), g_string_new (NULL), 0};
  JsonArray *messages;
  JsonObject *last;
  JsonNode *content;

  if (!json_parser_load_from_data (parser, body, -1, NULL))
    return q;
  messages = json_object_get_array_member (
      json_node_get_object (json_parser_get_root (parser)), "messages");
  last = json_array_get_object_element (
      messages, json_array_get_length (messages) - 1);
  content = json_object_get_member (last, "content");
  if (JSON_NODE_HOLDS_ARRAY (content))
    json_array_foreach_element (json_node_get_array (content), read_part, &q);
  else
    g_string_assign (q.text, json_node_get_string (content));
  return q;
}

static char *
quoted (const char *text)
{
  g_autoptr (JsonNode) node = json_node_new (JSON_NODE_VALUE);

  json_node_set_string (node, text);
  return json_to_string (node, FALSE);
}

static void
respond (SoupServerMessage *m, guint status, const char *type, const char *body)
{
  soup_server_message_set_status (m, status, NULL);
  soup_server_message_set_response (
      m, type, SOUP_MEMORY_COPY, body, strlen (body));
}

/* Two scores and a reason from the message's SHA-256; one reply in five holds
 * no scores that can be read. tests/make_judge_reference.py does the same. */
static char *
scores_of (const char *text)
{
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  guint8 h[32];
  gsize length = sizeof h;
  g_autofree char *second = NULL;

  g_checksum_update (sum, (const guchar *) text, (gssize) strlen (text));
  g_checksum_get_digest (sum, h, &length);
  if (h[2] % 10 == 0)
    return g_strdup ("I cannot say.");
  if (h[2] % 10 == 1)
    return g_strdup ("Score: 8 7");
  second = h[1] % 2 ? g_strdup_printf ("%d.5", h[1] % 10)
                    : g_strdup_printf ("%d", h[1] % 10);
  return g_strdup_printf ("%d%s%s\nBecause é %02x%02x", 1 + h[0] % 10,
      h[3] % 2 ? ", " : " ", second, h[4], h[5]);
}

/* The text in events of a few characters each, as servers send it. */
static void
respond_stream (SoupServerMessage *m, const char *text, gboolean whole)
{
  g_autoptr (GString) events = g_string_new (": hello\n\n");
  const char *p = text;

  while (*p) {
    const char *end = p;
    g_autofree char *piece = NULL, *json = NULL;

    for (guint i = 0; i < 5 && *end; i++)
      end = g_utf8_next_char (end);
    piece = g_strndup (p, end - p);
    json = quoted (piece);
    g_string_append_printf (events,
        "data: {\"choices\": [{\"index\": 0, \"delta\": {\"content\": %s}, "
        "\"finish_reason\": null}]}\n\n",
        json);
    p = end;
  }
  if (whole)
    g_string_append (events, "data: {\"choices\": [{\"delta\": {}, "
                             "\"finish_reason\": \"stop\"}]}\n\n"
                             "data: [DONE]\n\n");
  respond (m, 200, "text/event-stream", events->str);
}

static void
respond_plain (SoupServerMessage *m, const char *text)
{
  g_autofree char *json = quoted (text);
  g_autofree char *body =
      g_strdup_printf ("{\"choices\": [{\"message\": {\"role\": \"assistant\", "
                       "\"content\": %s}}]}",
          json);

  respond (m, 200, "application/json", body);
}

static void
respond_failing (NevaTestServer *s, SoupServerMessage *m, const char *path)
{
  const gboolean busy = g_str_has_prefix (path, "/busy/");
  const guint n = atoi (strrchr (path, '/') + 1);

  if (s->faults >= n) {
    respond_stream (m, "8 7\nafter all", TRUE);
    return;
  }
  s->faults++;
  if (busy)
    soup_message_headers_replace (
        soup_server_message_get_response_headers (m), "Retry-After", "0");
  respond (m, busy ? 429 : 500, "application/json",
      "{\"error\": {\"message\": \"come back later\"}}");
}

/* The behaviour is named by what comes before /chat/completions. */
static const char *
path_end (const char *path)
{
  return g_str_has_suffix (path, "/chat/completions")
             ? path + strlen (path) - strlen ("/chat/completions")
             : path + strlen (path);
}

static void
on_request (SoupServer *server, SoupServerMessage *m, const char *full,
    GHashTable *query, gpointer user_data)
{
  NevaTestServer *s = user_data;
  SoupMessageBody *body = soup_server_message_get_request_body (m);
  g_autofree char *path = g_strndup (full, (gsize) (path_end (full) - full));
  const char *text;
  Question q;

  g_mutex_lock (&s->lock);
  s->requests++;
  g_cond_broadcast (&s->requested);
  g_free (s->body);
  s->body = g_strndup (body->data, body->length);
  g_free (s->key);
  s->key = g_strdup (soup_message_headers_get_one (
      soup_server_message_get_request_headers (m), "Authorization"));
  q = read_question (s->body);
  text = q.text->str;
  g_checksum_update (s->prompts, (const guchar *) text, strlen (text) + 1);

  if (!strcmp (path, "/stream"))
    respond_stream (m, "8 7\nbécause", TRUE);
  else if (!strcmp (path, "/plain"))
    respond_plain (m, "9 6\nplain");
  else if (!strcmp (path, "/echo"))
    respond_stream (m, text, TRUE);
  else if (!strcmp (path, "/vision")) {
    g_autofree char *reply = g_strdup_printf (
        "%u pictures: %s; text: %s", q.n_pictures, q.pictures->str, text);

    respond_stream (m, reply, TRUE);
  } else if (!strcmp (path, "/scores")) {
    g_autofree char *reply = scores_of (text);

    respond_stream (m, reply, TRUE);
  } else if (!strcmp (path, "/refuse"))
    respond (m, 401, "application/json",
        "{\"error\": {\"message\": \"no such key\"}}");
  else if (!strcmp (path, "/error"))
    respond (m, 200, "application/json", "{\"error\": \"overloaded\"}");
  else if (!strcmp (path, "/garbage"))
    respond (m, 200, "text/event-stream", "data: {nonsense\n\n\xff\xfe\n");
  else if (!strcmp (path, "/cut"))
    respond_stream (m, "8 7\nhalf of", FALSE);
  else if (!strcmp (path, "/replay") && s->replies &&
           g_hash_table_contains (s->replies, text))
    respond_stream (m, g_hash_table_lookup (s->replies, text), TRUE);
  else if (!strcmp (path, "/silent")) {
    soup_server_message_pause (m);
    g_ptr_array_add (s->paused, g_object_ref (m));
  } else if (g_str_has_prefix (path, "/busy/") ||
             g_str_has_prefix (path, "/fault/"))
    respond_failing (s, m, path);
  else
    respond (m, 404, "application/json", "{\"error\": \"unknown\"}");
  g_mutex_unlock (&s->lock);
  g_string_free (q.text, TRUE);
  g_string_free (q.pictures, TRUE);
}

static gpointer
serve (gpointer data)
{
  NevaTestServer *s = data;

  g_main_context_push_thread_default (s->context);
  g_main_loop_run (s->loop);
  soup_server_disconnect (s->server);
  g_clear_object (&s->server);
  g_main_context_pop_thread_default (s->context);
  return NULL;
}

NevaTestServer *
neva_test_server_new (void)
{
  NevaTestServer *s = g_new0 (NevaTestServer, 1);
  g_autoptr (GError) error = NULL;
  GSList *uris;

  g_mutex_init (&s->lock);
  g_cond_init (&s->requested);
  s->paused = g_ptr_array_new_with_free_func (g_object_unref);
  s->prompts = g_checksum_new (G_CHECKSUM_SHA256);
  s->context = g_main_context_new ();
  s->loop = g_main_loop_new (s->context, FALSE);
  g_main_context_push_thread_default (s->context);
  s->server = soup_server_new (NULL, NULL);
  soup_server_add_handler (s->server, NULL, on_request, s, NULL);
  if (!soup_server_listen_local (
          s->server, 0, SOUP_SERVER_LISTEN_IPV4_ONLY, &error))
    g_error ("test server: %s", error->message);
  g_main_context_pop_thread_default (s->context);
  uris = soup_server_get_uris (s->server);
  s->port = g_uri_get_port (uris->data);
  g_slist_free_full (uris, (GDestroyNotify) g_uri_unref);
  s->thread = g_thread_new ("test-server", serve, s);
  return s;
}

static gboolean
quit (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

void
neva_test_server_free (NevaTestServer *s)
{
  g_main_context_invoke (s->context, quit, s->loop);
  g_thread_join (s->thread);
  g_ptr_array_unref (s->paused);
  g_clear_pointer (&s->replies, g_hash_table_unref);
  g_main_loop_unref (s->loop);
  g_main_context_unref (s->context);
  g_mutex_clear (&s->lock);
  g_cond_clear (&s->requested);
  g_checksum_free (s->prompts);
  g_free (s->body);
  g_free (s->key);
  g_free (s);
}

char *
neva_test_server_url (NevaTestServer *s, const char *path)
{
  return g_strdup_printf ("http://127.0.0.1:%u%s", s->port, path);
}

guint
neva_test_server_requests (NevaTestServer *s)
{
  guint n;

  g_mutex_lock (&s->lock);
  n = s->requests;
  g_mutex_unlock (&s->lock);
  return n;
}

void
neva_test_server_wait (NevaTestServer *s, guint n)
{
  g_mutex_lock (&s->lock);
  while (s->requests < n)
    g_cond_wait (&s->requested, &s->lock);
  g_mutex_unlock (&s->lock);
}

static char *
locked_copy (NevaTestServer *s, char *const *text)
{
  char *copy;

  g_mutex_lock (&s->lock);
  copy = g_strdup (*text);
  g_mutex_unlock (&s->lock);
  return copy;
}

char *
neva_test_server_last_body (NevaTestServer *s)
{
  return locked_copy (s, &s->body);
}

char *
neva_test_server_prompts (NevaTestServer *s)
{
  char *hex;

  g_mutex_lock (&s->lock);
  hex = g_strdup (g_checksum_get_string (s->prompts));
  g_checksum_free (s->prompts);
  s->prompts = g_checksum_new (G_CHECKSUM_SHA256);
  g_mutex_unlock (&s->lock);
  return hex;
}

char *
neva_test_server_last_key (NevaTestServer *s)
{
  return locked_copy (s, &s->key);
}

void
neva_test_server_replay (
    NevaTestServer *s, const char *const *prompts, const char *const *replies)
{
  g_mutex_lock (&s->lock);
  g_clear_pointer (&s->replies, g_hash_table_unref);
  s->replies = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  for (gsize i = 0; prompts[i]; i++)
    g_hash_table_insert (
        s->replies, g_strdup (prompts[i]), g_strdup (replies[i]));
  g_mutex_unlock (&s->lock);
}
