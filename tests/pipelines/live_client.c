/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "live_client.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>

#define TIMEOUT_S 120 /* a busy machine is no failure */

/* ---- The program -------------------------------------------------------- */

static gboolean
parse_page (Live *self, const char *line)
{
  const char *url = strstr (line, "http://");
  const char *query = url ? strchr (url, '?') : NULL;
  g_autoptr (GUri) uri = url ? g_uri_parse (url, G_URI_FLAGS_NONE, NULL) : NULL;

  if (!uri)
    return FALSE;
  self->port = (guint16) g_uri_get_port (uri);
  self->url = g_strdup_printf ("http://127.0.0.1:%u/", self->port);
  if (query && g_str_has_prefix (query, "?token="))
    self->token = g_strdup (query + strlen ("?token="));
  return TRUE;
}

gboolean
live_start (Live *self, const char *program, const char *format, ...)
{
  g_autofree char *text = NULL, *line = NULL;
  g_auto (GStrv) arguments = NULL;
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  arguments = g_strsplit (text, "|", -1);
  g_ptr_array_add (argv, (gpointer) program);
  g_ptr_array_add (argv, (gpointer) "--http=0");
  for (guint i = 0; arguments[i]; i++)
    g_ptr_array_add (argv, arguments[i]);
  g_ptr_array_add (argv, NULL);
  *self = (Live){NULL};
  self->process = g_subprocess_newv ((const char *const *) argv->pdata,
      G_SUBPROCESS_FLAGS_STDERR_PIPE | G_SUBPROCESS_FLAGS_STDOUT_SILENCE,
      &error);
  if (!self->process) {
    printf ("%s\n", error->message);
    return FALSE;
  }
  self->err =
      g_data_input_stream_new (g_subprocess_get_stderr_pipe (self->process));
  line = live_read_line (self->err, "neva-live: page: ");
  return line && parse_page (self, line);
}

int
live_stop (Live *self)
{
  int code = -1;

  g_subprocess_send_signal (self->process, SIGINT);
  if (g_subprocess_wait (self->process, NULL, NULL) &&
      g_subprocess_get_if_exited (self->process))
    code = g_subprocess_get_exit_status (self->process);
  g_clear_object (&self->process);
  g_clear_object (&self->err);
  g_clear_pointer (&self->url, g_free);
  g_clear_pointer (&self->token, g_free);
  return code;
}

/* ---- Requests ----------------------------------------------------------- */

static void
add_headers (SoupMessage *message, const char *headers)
{
  g_auto (GStrv) lines = g_strsplit (headers ? headers : "", "\n", -1);

  for (guint i = 0; lines[i]; i++) {
    g_auto (GStrv) pair = g_strsplit (lines[i], ": ", 2);

    if (pair[0] && pair[1])
      soup_message_headers_append (
          soup_message_get_request_headers (message), pair[0], pair[1]);
  }
}

guint
live_get (const Live *self, const char *method, const char *path,
    const char *headers, GBytes **body, SoupMessage **out)
{
  g_autofree char *url = g_strconcat (self->url, path, NULL);
  g_autoptr (SoupSession) session =
      soup_session_new_with_options ("timeout", TIMEOUT_S, NULL);
  g_autoptr (SoupMessage) message = soup_message_new (method, url);
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) got = NULL;
  guint status;

  soup_message_add_flags (message, SOUP_MESSAGE_NO_REDIRECT);
  add_headers (message, headers);
  got = soup_session_send_and_read (session, message, NULL, &error);
  status = got ? soup_message_get_status (message) : 0;
  if (!got)
    printf ("%s: %s\n", url, error->message);
  if (body && got) {
    gsize size;
    const char *data = g_bytes_get_data (got, &size);
    char *copy = g_malloc (size + 1);

    if (size)
      memcpy (copy, data, size);
    copy[size] = '\0';
    *body = g_bytes_new_take (copy, size + 1);
  } else if (body) {
    *body = g_bytes_new_static ("", 1);
  }
  if (out)
    *out = g_steal_pointer (&message);
  return status;
}

JsonNode *
live_state (const Live *self)
{
  g_autoptr (GBytes) body = NULL;
  JsonNode *root;

  if (live_get (self, "GET", "state", NULL, &body, NULL) != 200)
    return NULL;
  root = json_from_string (g_bytes_get_data (body, NULL), NULL);
  if (root && !JSON_NODE_HOLDS_OBJECT (root))
    g_clear_pointer (&root, json_node_unref);
  return root;
}

JsonObject *
live_stream (JsonNode *state, guint number)
{
  JsonArray *streams =
      json_object_get_array_member (json_node_get_object (state), "streams");

  return json_array_get_object_element (streams, number - 1);
}

/* ---- Connections -------------------------------------------------------- */

GSocketConnection *
live_connect (const Live *self)
{
  g_autoptr (GSocketClient) client = g_socket_client_new ();

  g_socket_client_set_timeout (client, TIMEOUT_S);
  return g_socket_client_connect_to_host (
      client, "127.0.0.1", self->port, NULL, NULL);
}

void
live_send (GSocketConnection *connection, const char *text, gssize n)
{
  g_output_stream_write_all (
      g_io_stream_get_output_stream (G_IO_STREAM (connection)), text,
      n < 0 ? strlen (text) : (gsize) n, NULL, NULL, NULL);
}

char *
live_read_line (GDataInputStream *stream, const char *part)
{
  char *line;

  while ((line = g_data_input_stream_read_line (stream, NULL, NULL, NULL))) {
    if (strstr (line, part))
      return line;
    g_free (line);
  }
  return NULL;
}
