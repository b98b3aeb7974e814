/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "access.h"
#include "feed.h"
#include "page.h"
#include "routes.h"

#define POLICY                                                                 \
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' "   \
  "blob:; connect-src 'self'; base-uri 'none'; form-action 'self'; "           \
  "frame-ancestors 'none'"

/* ---- Answers ------------------------------------------------------------ */

static void
set_headers (SoupServerMessage *message)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_response_headers (message);

  soup_message_headers_replace (headers, "Content-Security-Policy", POLICY);
  soup_message_headers_replace (headers, "X-Content-Type-Options", "nosniff");
  soup_message_headers_replace (headers, "Referrer-Policy", "no-referrer");
  soup_message_headers_replace (headers, "Cache-Control", "no-store");
}

static void
answer (
    SoupServerMessage *message, guint status, const char *type, GBytes *body)
{
  gsize size;
  const char *data = g_bytes_get_data (body, &size);

  soup_server_message_set_status (message, status, NULL);
  soup_server_message_set_response (
      message, type, SOUP_MEMORY_COPY, data ? data : "", size);
}

static void
answer_text (SoupServerMessage *message, guint status, const char *text)
{
  g_autoptr (GBytes) body = g_bytes_new_static (text, strlen (text));

  answer (message, status, "text/plain; charset=utf-8", body);
}

static void
answer_page (SoupServerMessage *message, guint status, const char *name,
    const char *type)
{
  g_autofree char *path = g_strconcat ("/neva-live/", name, NULL);
  g_autoptr (GBytes) body = g_resource_lookup_data (
      page_get_resource (), path, G_RESOURCE_LOOKUP_FLAGS_NONE, NULL);

  answer (message, status, type, body);
}

/* ---- Feeds -------------------------------------------------------------- */

static GBytes *
next_events (Feed *feed)
{
  return hub_events (feed->http->hub, &feed->cursor);
}

static GBytes *
next_cues (Feed *feed)
{
  return hub_cues (feed->http->hub, feed->stream, &feed->cursor);
}

/* The boundary is sent behind each picture, or browsers show it one late. */
static GBytes *
next_picture (Feed *feed)
{
  guint64 number;
  g_autoptr (GBytes) jpeg =
      hub_picture (feed->http->hub, feed->stream, &number);
  GString *part;

  if (!jpeg || number == feed->cursor)
    return NULL;
  feed->cursor = number;
  part = g_string_sized_new (g_bytes_get_size (jpeg) + 128);
  g_string_append_printf (part,
      "Content-Type: image/jpeg\r\nContent-Length: %" G_GSIZE_FORMAT "\r\n\r\n",
      g_bytes_get_size (jpeg));
  g_string_append_len (
      part, g_bytes_get_data (jpeg, NULL), (gssize) g_bytes_get_size (jpeg));
  g_string_append (part, "\r\n--picture\r\n");
  return g_string_free_to_bytes (part);
}

static const FeedKind events_kind = {next_events, ": still here\n\n", FALSE};
static const FeedKind pictures_kind = {next_picture, NULL, FALSE};
static const FeedKind cues_kind = {next_cues, NULL, TRUE};
/* a comment of WebVTT */
static const FeedKind follow_kind = {next_cues, "NOTE still here\n\n", FALSE};

static void
start_events (Http *http, SoupServerMessage *message)
{
  Feed *feed = feed_start (http, message, &events_kind,
      "text/event-stream; charset=utf-8", "retry: 1000\n\n");

  if (feed)
    feed->cursor = hub_cursor (
        http->hub, soup_message_headers_get_one (
                       soup_server_message_get_request_headers (message),
                       "Last-Event-ID"));
}

/* ---- Streams ------------------------------------------------------------ */

static const char *
value_of (GHashTable *query, const char *name)
{
  return query ? g_hash_table_lookup (query, name) : NULL;
}

static void
answer_picture (
    Http *http, SoupServerMessage *message, guint stream, GHashTable *query)
{
  guint64 number, after = 0;
  g_autoptr (GBytes) jpeg = hub_picture (http->hub, stream, &number);
  const char *given = value_of (query, "after");
  g_autofree char *text = g_strdup_printf ("%" G_GUINT64_FORMAT, number);

  if (!jpeg || (given &&
                   g_ascii_string_to_unsigned (
                       given, 10, 0, G_MAXUINT64, &after, NULL) &&
                   after == number)) {
    soup_server_message_set_status (message, SOUP_STATUS_NO_CONTENT, NULL);
    return;
  }
  soup_message_headers_replace (
      soup_server_message_get_response_headers (message), "X-Picture", text);
  answer (message, SOUP_STATUS_OK, "image/jpeg", jpeg);
}

static void
start_cues (
    Http *http, SoupServerMessage *message, guint stream, GHashTable *query)
{
  const gboolean follow = g_strcmp0 (value_of (query, "follow"), "1") == 0;
  Feed *feed = feed_start (http, message, follow ? &follow_kind : &cues_kind,
      "text/vtt; charset=utf-8", "WEBVTT\n\n");

  if (feed)
    feed->stream = stream;
}

static void
start_pictures (Http *http, SoupServerMessage *message, guint stream)
{
  Feed *feed = feed_start (http, message, &pictures_kind,
      "multipart/x-mixed-replace; boundary=picture", "--picture\r\n");

  if (feed)
    feed->stream = stream;
}

/* path: behind "/streams/". FALSE: there is no such thing. */
static gboolean
answer_stream (
    Http *http, SoupServerMessage *message, const char *path, GHashTable *query)
{
  const gsize digits = strspn (path, "0123456789");
  g_autofree char *number = g_strndup (path, digits);
  guint64 n;

  if (path[digits] != '/' || !g_ascii_string_to_unsigned (number, 10, 1,
                                 http->options->sources->len, &n, NULL))
    return FALSE;
  path += digits + 1;
  if (g_str_equal (path, "picture.jpg"))
    answer_picture (http, message, (guint) n - 1, query);
  else if (g_str_equal (path, "video.mjpg"))
    start_pictures (http, message, (guint) n - 1);
  else if (g_str_equal (path, "captions.vtt"))
    start_cues (http, message, (guint) n - 1, query);
  else
    return FALSE;
  return TRUE;
}

/* ---- Routes ------------------------------------------------------------- */

static const struct {
  const char *path, *name, *type;
} files[] = {{"/", "index.html", "text/html; charset=utf-8"},
    {"/live.js", "live.js", "text/javascript; charset=utf-8"},
    {"/plot.js", "plot.js", "text/javascript; charset=utf-8"},
    {"/style.css", "style.css", "text/css; charset=utf-8"},
    {"/icon.svg", "icon.svg", "image/svg+xml"}};

static gboolean
answer_file (SoupServerMessage *message, const char *path)
{
  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    if (g_str_equal (path, files[i].path)) {
      answer_page (message, SOUP_STATUS_OK, files[i].name, files[i].type);
      return TRUE;
    }
  return FALSE;
}

static void
answer_granted (
    Http *http, SoupServerMessage *message, const char *path, GHashTable *query)
{
  if (answer_file (message, path))
    return;
  if (g_str_equal (path, "/events")) {
    start_events (http, message);
  } else if (g_str_equal (path, "/state")) {
    g_autoptr (GBytes) state = hub_state (http->hub);

    answer (message, SOUP_STATUS_OK, "application/json", state);
  } else if (!g_str_has_prefix (path, "/streams/") ||
             !answer_stream (
                 http, message, path + strlen ("/streams/"), query)) {
    answer_text (message, SOUP_STATUS_NOT_FOUND, "There is nothing here.\n");
  }
}

/* Whoever asks for a page gets a form, its style with it. */
static void
answer_denied (SoupServerMessage *message, const char *path)
{
  if (g_str_equal (path, "/style.css") || g_str_equal (path, "/icon.svg"))
    answer_file (message, path);
  else if (g_str_equal (path, "/"))
    answer_page (message, SOUP_STATUS_UNAUTHORIZED, "token.html",
        "text/html; charset=utf-8");
  else
    answer_text (message, SOUP_STATUS_UNAUTHORIZED, "A token is needed.\n");
}

static void
on_request (SoupServer *server, SoupServerMessage *message, const char *path,
    GHashTable *query, gpointer data)
{
  Http *http = data;
  const char *method = soup_server_message_get_method (message);

  set_headers (message);
  if (method != SOUP_METHOD_GET && method != SOUP_METHOD_HEAD) {
    soup_message_headers_replace (
        soup_server_message_get_response_headers (message), "Allow",
        "GET, HEAD");
    answer_text (
        message, SOUP_STATUS_METHOD_NOT_ALLOWED, "Only GET and HEAD.\n");
    return;
  }
  switch (access_check (http, message, query)) {
    case ACCESS_GRANTED:
      answer_granted (http, message, path, query);
      break;
    case ACCESS_ENTERS:
      if (g_str_equal (path, "/")) {
        access_set_cookie (http, message);
        soup_server_message_set_redirect (message, SOUP_STATUS_SEE_OTHER, "/");
      } else {
        answer_granted (http, message, path, query);
      }
      break;
    case ACCESS_TOKEN:
      answer_denied (message, path);
      break;
    case ACCESS_HOST:
      answer_text (message, SOUP_STATUS_FORBIDDEN,
          "Ask for this machine by its address.\n");
      break;
  }
}

void
routes_add (Http *http)
{
  soup_server_add_handler (http->server, NULL, on_request, http, NULL);
}
