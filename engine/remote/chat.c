/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Every wait runs a main context of the client's own, so that one source can
 * end it at the deadline and another when the caller cancels. */
#include "config.h"
#include <libsoup/soup.h>
#include <string.h>
#include "remote/chat_body.h"
#include "remote/chat_private.h"

#define DEFAULT_TIMEOUT_S 120
#define MAX_REPLY                                                              \
  (16u << 20) /* bytes of one reply; an answer is far shorter                  \
               */
#define FIRST_BACKOFF_MS 500u
#define MAX_BACKOFF_MS 60000u

struct _NevaChat {
  char *url, *model, *key, *host; /* host: for messages */
  guint timeout_s, retries, retried;
  GMainContext *context;
  SoupSession *session;
};

/* One try. */
typedef struct {
  NevaChat *chat;
  GCancellable *cancellable; /* of this try: the caller's or the deadline */
  gboolean timed_out;
  guint status; /* HTTP, 0: none came */
  guint retry_after_ms;
  gboolean started; /* a piece reached the caller: no second try */
  NevaChatFunc piece;
  gpointer user_data;
} Try;

/* ---- Waiting ---------------------------------------------------------------
 */

static void
on_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *
wait_for (NevaChat *chat, GAsyncResult **slot)
{
  while (!*slot)
    g_main_context_iteration (chat->context, TRUE);
  return *slot;
}

static gboolean
on_deadline (gpointer user_data)
{
  Try *try = user_data;

  try->timed_out = TRUE;
  g_cancellable_cancel (try->cancellable);
  return G_SOURCE_REMOVE;
}

static gboolean
on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  g_cancellable_cancel (((Try *) user_data)->cancellable);
  return G_SOURCE_REMOVE;
}

static GSource *
attach (NevaChat *chat, GSource *source, GSourceFunc func, gpointer data)
{
  g_source_set_callback (source, func, data, NULL);
  g_source_attach (source, chat->context);
  return source;
}

static void
detach (GSource *source)
{
  if (!source)
    return;
  g_source_destroy (source);
  g_source_unref (source);
}

static gboolean
on_wake (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

static gboolean
on_wake_cancelled (GCancellable *cancellable, gpointer user_data)
{
  return on_wake (user_data);
}

/* FALSE when the caller cancelled meanwhile. */
static gboolean
sleep_ms (NevaChat *chat, guint ms, GCancellable *cancellable)
{
  gboolean awake = FALSE;
  GSource *timer = attach (chat, g_timeout_source_new (ms), on_wake, &awake);
  GSource *cancel = cancellable
                        ? attach (chat, g_cancellable_source_new (cancellable),
                              G_SOURCE_FUNC (on_wake_cancelled), &awake)
                        : NULL;

  while (!awake)
    g_main_context_iteration (chat->context, TRUE);
  detach (timer);
  detach (cancel);
  return !g_cancellable_is_cancelled (cancellable);
}

/* ---- One try ----------------------------------------------------------------
 */

static SoupMessage *
new_message (NevaChat *chat, const char *body, gboolean stream)
{
  SoupMessage *message = soup_message_new ("POST", chat->url);
  SoupMessageHeaders *headers = soup_message_get_request_headers (message);
  g_autoptr (GBytes) bytes = g_bytes_new (body, strlen (body));

  if (chat->key) {
    g_autofree char *bearer = g_strconcat ("Bearer ", chat->key, NULL);

    soup_message_headers_replace (headers, "Authorization", bearer);
  }
  soup_message_headers_replace (
      headers, "accept", stream ? "text/event-stream" : "application/json");
  soup_message_set_request_body_from_bytes (message, "application/json", bytes);
  return message;
}

/* Seconds or a date, as RFC 9110 10.2.3 has it. */
static guint
read_retry_after (SoupMessage *message)
{
  const char *text = soup_message_headers_get_one (
      soup_message_get_response_headers (message), "Retry-After");
  g_autoptr (GDateTime) date = NULL, now = NULL;
  gint64 ms;

  if (!text)
    return 0;
  if (g_ascii_isdigit (*text)) {
    ms = MIN (g_ascii_strtoll (text, NULL, 10), MAX_BACKOFF_MS / 1000) * 1000;
  } else {
    date = soup_date_time_new_from_http_string (text);
    if (!date)
      return 0;
    now = g_date_time_new_now_utc ();
    ms = g_date_time_difference (date, now) / 1000;
  }
  return CLAMP (ms, 0, (gint64) MAX_BACKOFF_MS);
}

static void
net_error (Try *try, GError **error, const char *what)
{
  g_set_error (
      error, NEVA_ERROR, NEVA_ERROR_NETWORK, "%s: %s", try->chat->host, what);
}

/* The next line of the reply; NULL at its end or with error. */
static char *
read_line (Try *try, GDataInputStream *lines, GError **error)
{
  GAsyncResult *result = NULL;
  char *line;

  g_data_input_stream_read_line_async (
      lines, G_PRIORITY_DEFAULT, try->cancellable, on_result, &result);
  line = g_data_input_stream_read_line_finish (
      lines, wait_for (try->chat, &result), NULL, error);
  g_object_unref (result);
  return line;
}

/* Server-sent events: pieces until [DONE] or the end. */
static char *
read_events (Try *try, GDataInputStream *lines, GError **error)
{
  g_autoptr (GString) text = g_string_new (NULL);
  g_autofree char *error_text = NULL;
  gboolean done = FALSE, finished = FALSE;
  gsize received = 0;
  GError *local = NULL;
  char *line;

  while (!done && (line = read_line (try, lines, &local))) {
    const gsize before = text->len;

    received += strlen (line);
    neva_chat_parse_line (line, text, &done, &finished, &error_text);
    g_free (line);
    if (received > MAX_REPLY) {
      net_error (try, error, "a reply of more than 16 MiB");
      return NULL;
    }
    if (text->len > before && try->piece) {
      try->started = TRUE;
      try->piece (text->str + before, try->user_data);
    }
  }
  if (local) {
    g_propagate_error (error, local);
    return NULL;
  }
  if (error_text && !text->len) {
    net_error (try, error, error_text);
    return NULL;
  }
  if (!finished) {
    net_error (try, error, "the reply ended before the answer did");
    return NULL;
  }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

static GString *
read_all (Try *try, GDataInputStream *lines, GError **error)
{
  g_autoptr (GString) all = g_string_new (NULL);
  GError *local = NULL;
  char *line;

  while ((line = read_line (try, lines, &local))) {
    g_string_append (all, line);
    g_string_append_c (all, '\n');
    g_free (line);
    if (all->len > MAX_REPLY) {
      net_error (try, error, "a reply of more than 16 MiB");
      return NULL;
    }
  }
  if (local) {
    g_propagate_error (error, local);
    return NULL;
  }
  return g_steal_pointer (&all);
}

static char *
read_whole (Try *try, GDataInputStream *lines, GError **error)
{
  GString *all = read_all (try, lines, error);
  g_autofree char *error_text = NULL;
  char *text;

  if (!all)
    return NULL;
  text = neva_chat_parse_reply (all->str, all->len, &error_text);
  if (!text)
    net_error (
        try, error, error_text ? error_text : "a reply without an answer");
  g_string_free (all, TRUE);
  return text;
}

/* What a server says beside a status that is no success. */
static void
status_error (
    Try *try, SoupMessage *message, GDataInputStream *lines, GError **error)
{
  GString *all = read_all (try, lines, NULL);
  g_autofree char *said = NULL, *unused = NULL;

  if (all) {
    unused = neva_chat_parse_reply (all->str, all->len, &said);
    g_string_free (all, TRUE);
  }
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_NETWORK, "%s: HTTP %u %s%s%s",
      try->chat->host, try->status, soup_message_get_reason_phrase (message),
      said ? ": " : "", said ? said : "");
}

static char *
try_once (Try *try, const char *body, gboolean stream, GError **error)
{
  NevaChat *chat = try->chat;
  g_autoptr (SoupMessage) message = new_message (chat, body, stream);
  g_autoptr (GInputStream) input = NULL;
  g_autoptr (GDataInputStream) lines = NULL;
  GAsyncResult *result = NULL;
  const char *type;

  soup_session_send_async (chat->session, message, G_PRIORITY_DEFAULT,
      try->cancellable, on_result, &result);
  input =
      soup_session_send_finish (chat->session, wait_for (chat, &result), error);
  g_object_unref (result);
  if (!input)
    return NULL;
  lines = g_data_input_stream_new (input);
  g_data_input_stream_set_newline_type (lines, G_DATA_STREAM_NEWLINE_TYPE_ANY);
  try->status = soup_message_get_status (message);
  try->retry_after_ms = read_retry_after (message);
  if (!SOUP_STATUS_IS_SUCCESSFUL (try->status)) {
    status_error (try, message, lines, error);
    return NULL;
  }
  /* servers that cannot stream answer a streaming request in one piece */
  type = soup_message_headers_get_content_type (
      soup_message_get_response_headers (message), NULL);
  if (type && !strcmp (type, "application/json"))
    return read_whole (try, lines, error);
  return stream ? read_events (try, lines, error)
                : read_whole (try, lines, error);
}

/* One try under the deadline; errors become ours. */
static char *
try_in_time (Try *try, const char *body, gboolean stream,
    GCancellable *cancellable, GError **error)
{
  NevaChat *chat = try->chat;
  GSource *deadline, *cancel = NULL;
  g_autoptr (GError) local = NULL;
  char *text;

  try->cancellable = g_cancellable_new ();
  deadline = attach (
      chat, g_timeout_source_new_seconds (chat->timeout_s), on_deadline, try);
  if (cancellable)
    cancel = attach (chat, g_cancellable_source_new (cancellable),
        G_SOURCE_FUNC (on_cancelled), try);
  text = try_once (try, body, stream, &local);
  detach (deadline);
  detach (cancel);
  g_clear_object (&try->cancellable);
  if (text)
    return text;

  if (g_cancellable_is_cancelled (cancellable))
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_CANCELLED, "cancelled");
  else if (try->timed_out)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NETWORK,
        "%s: no complete answer within %u s", chat->host, chat->timeout_s);
  else if (local->domain == NEVA_ERROR)
    g_propagate_error (error, g_steal_pointer (&local));
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_NETWORK, "%s: %s", chat->host,
        local->message);
  return NULL;
}

static gboolean
worth_a_retry (const Try *try)
{
  if (try->started)
    return FALSE;
  return !try->status || SOUP_STATUS_IS_SUCCESSFUL (try->status) ||
         try->status == 408 || try->status == 429 || try->status >= 500;
}

/* Doubling, with up to a quarter of jitter so that parallel clients spread. */
static guint
backoff_ms (guint attempt, guint retry_after_ms)
{
  const guint base =
      MIN (FIRST_BACKOFF_MS << MIN (attempt, 10u), MAX_BACKOFF_MS);

  if (retry_after_ms)
    return retry_after_ms;
  return base + g_random_int_range (0, base / 4 + 1);
}

char *
neva_chat_complete (NevaChat *chat, const NevaChatMessage *messages,
    gsize n_messages, const NevaChatParameters *parameters, NevaChatFunc piece,
    gpointer user_data, GCancellable *cancellable, GError **error)
{
  g_autofree char *body =
      neva_chat_body_new (chat->model, messages, n_messages, parameters);
  char *text = NULL;

  g_main_context_push_thread_default (chat->context);
  for (guint attempt = 0; !text; attempt++) {
    Try try = {.chat = chat, .piece = piece, .user_data = user_data};
    g_autoptr (GError) local = NULL;

    text = try_in_time (&try, body, parameters->stream, cancellable, &local);
    if (text)
      break;
    if (local->code == NEVA_ERROR_CANCELLED || attempt >= chat->retries ||
        !worth_a_retry (&try)) {
      if (attempt)
        g_prefix_error (&local, "after %u tries: ", attempt + 1);
      g_propagate_error (error, g_steal_pointer (&local));
      break;
    }
    if (!sleep_ms (
            chat, backoff_ms (attempt, try.retry_after_ms), cancellable)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_CANCELLED, "cancelled");
      break;
    }
    chat->retried++;
  }
  g_main_context_pop_thread_default (chat->context);
  return text;
}

/* ---- The client -------------------------------------------------------------
 */

/* http_proxy, https_proxy, all_proxy and no_proxy, in either case of letters.
 */
static GProxyResolver *
proxy_from_environment (void)
{
  static const char *const schemes[] = {"http", "https"};
  const char *all = g_getenv ("all_proxy"), *none = g_getenv ("no_proxy");
  g_auto (GStrv) ignore = NULL;
  GProxyResolver *resolver;

  if (!none)
    none = g_getenv ("NO_PROXY");
  ignore = none ? g_strsplit_set (none, ", ", -1) : NULL;
  resolver =
      g_simple_proxy_resolver_new (all && *all ? all : "direct://", ignore);
  for (gsize i = 0; i < G_N_ELEMENTS (schemes); i++) {
    g_autofree char *lower = g_strconcat (schemes[i], "_proxy", NULL);
    g_autofree char *upper = g_ascii_strup (lower, -1);
    const char *proxy = g_getenv (lower);

    if (!proxy)
      proxy = g_getenv (upper);
    if (proxy && *proxy)
      g_simple_proxy_resolver_set_uri_proxy (
          G_SIMPLE_PROXY_RESOLVER (resolver), schemes[i], proxy);
  }
  return resolver;
}

NevaChat *
neva_chat_new (const NevaChatOptions *options, GError **error)
{
  g_autoptr (GUri) uri = g_uri_parse (options->url, G_URI_FLAGS_NONE, NULL);
  g_autoptr (GProxyResolver) proxy = NULL;
  g_autofree char *key = NULL;
  NevaChat *chat;

  if (!uri || !g_uri_get_host (uri)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "'%s' is no http or https address", options->url);
    return NULL;
  }
  if (!neva_chat_find_key (options->key_file, &key, error))
    return NULL;

  chat = g_new0 (NevaChat, 1);
  chat->url = g_strdup (options->url);
  chat->model = g_strdup (options->model);
  chat->key = g_steal_pointer (&key);
  chat->host = g_strdup (g_uri_get_host (uri));
  chat->timeout_s = options->timeout_s ? options->timeout_s : DEFAULT_TIMEOUT_S;
  chat->retries = options->retries;
  chat->context = g_main_context_new ();
  g_main_context_push_thread_default (chat->context);
  proxy = proxy_from_environment ();
  /* no timeout of its own: on_deadline () bounds a request as a whole */
  chat->session = soup_session_new_with_options ("timeout", 0, "user-agent",
      "gst-neva/" NEVA_VERSION, "proxy-resolver", proxy, NULL);
  g_main_context_pop_thread_default (chat->context);
  return chat;
}

void
neva_chat_free (NevaChat *chat)
{
  if (!chat)
    return;
  g_main_context_push_thread_default (chat->context);
  soup_session_abort (chat->session);
  g_object_unref (chat->session);
  while (g_main_context_iteration (chat->context, FALSE))
    continue;
  g_main_context_pop_thread_default (chat->context);
  g_main_context_unref (chat->context);
  g_free (chat->url);
  g_free (chat->model);
  g_free (chat->key);
  g_free (chat->host);
  g_free (chat);
}

guint
neva_chat_retried (const NevaChat *chat)
{
  return chat->retried;
}
