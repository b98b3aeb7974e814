/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <sys/socket.h>
#include "access.h"
#include "feed.h"
#include "routes.h"
#include "server.h"

#define WATCH_MS 500
/* Pieces are made for all clients together, so often at most. */
#define PUMP_MS 20
/* What the kernel keeps for a client that does not read. */
#define SEND_BUFFER (128 << 10)
/* After a failure to accept, such as too many files. */
#define ACCEPT_AGAIN_MS 200

static void accept_next (Http *self);

/* ---- Connections -------------------------------------------------------- */

#define GUARD_KEY "neva-guard"

NevaGuard *
server_guard (SoupServerMessage *message)
{
  GSocketAddress *address = soup_server_message_get_remote_address (message);

  return address ? g_object_get_data (G_OBJECT (address), GUARD_KEY) : NULL;
}

static void
on_guard_gone (gpointer data, GObject *where)
{
  g_queue_remove (&((Http *) data)->guards, where);
}

/* The connection that has waited longest without asking for anything. */
static NevaGuard *
find_idlest (Http *self)
{
  NevaGuard *found = NULL;

  for (GList *l = self->guards.head; l; l = l->next)
    if (neva_guard_get_phase (l->data) == GUARD_REQUEST &&
        (!found || neva_guard_since (l->data) < neva_guard_since (found)))
      found = l->data;
  return found;
}

/* Room is made at the cost of whoever only holds a connection. */
static gboolean
has_room (Http *self)
{
  NevaGuard *idlest;

  if (self->guards.length < HTTP_CONNECTIONS)
    return TRUE;
  idlest = find_idlest (self);
  if (idlest)
    neva_guard_shut (idlest);
  return idlest && self->guards.length < HTTP_CONNECTIONS + 16;
}

static void
take_connection (Http *self, GSocketConnection *connection)
{
  g_autoptr (GSocketAddress) local =
      g_socket_connection_get_local_address (connection, NULL);
  g_autoptr (GSocketAddress) remote =
      g_socket_connection_get_remote_address (connection, NULL);
  g_autoptr (NevaGuard) guard = NULL;

  if (!local || !remote || !has_room (self))
    return;
  g_socket_set_option (g_socket_connection_get_socket (connection), SOL_SOCKET,
      SO_SNDBUF, SEND_BUFFER, NULL);
  guard = neva_guard_new (connection);
  g_object_weak_ref (G_OBJECT (guard), on_guard_gone, self);
  g_queue_push_tail (&self->guards, guard);
  g_object_set_data_full (
      G_OBJECT (remote), GUARD_KEY, g_object_ref (guard), g_object_unref);
  soup_server_accept_iostream (
      self->server, G_IO_STREAM (guard), local, remote, NULL);
}

static gboolean
on_accept_again (gpointer data)
{
  accept_next (data);
  return G_SOURCE_REMOVE;
}

static void
on_accepted (GObject *listener, GAsyncResult *result, gpointer data)
{
  Http *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocketConnection) connection = g_socket_listener_accept_finish (
      G_SOCKET_LISTENER (listener), result, NULL, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (connection) {
    take_connection (self, connection);
    accept_next (self);
  } else {
    g_autoptr (GSource) later = g_timeout_source_new (ACCEPT_AGAIN_MS);

    g_source_set_callback (later, on_accept_again, self, NULL);
    g_source_attach (later, self->context);
  }
}

static void
accept_next (Http *self)
{
  g_socket_listener_accept_async (
      self->listener, self->stop, on_accepted, self);
}

/* ---- Requests ----------------------------------------------------------- */

static void
set_phase (SoupServerMessage *message, GuardPhase phase)
{
  NevaGuard *guard = server_guard (message);

  if (guard)
    neva_guard_set_phase (guard, phase);
}

static void
on_read (SoupServer *server, SoupServerMessage *message, gpointer data)
{
  set_phase (message, GUARD_ANSWER);
}

static void
on_over (SoupServer *server, SoupServerMessage *message, gpointer data)
{
  g_hash_table_remove (((Http *) data)->feeds, message);
  set_phase (message, GUARD_REQUEST);
}

/* ---- Time --------------------------------------------------------------- */

static void
pump (Http *self)
{
  GHashTableIter iter;
  gpointer feed;
  const gint64 now = g_get_monotonic_time ();

  g_hash_table_iter_init (&iter, self->feeds);
  while (g_hash_table_iter_next (&iter, NULL, &feed))
    feed_pump (feed, now);
}

static gboolean
on_pump (gpointer data)
{
  Http *self = data;

  g_atomic_int_set (&self->pump_due, FALSE);
  pump (self);
  return G_SOURCE_REMOVE;
}

void
server_pump_soon (Http *self)
{
  g_autoptr (GSource) source = NULL;

  if (g_atomic_int_exchange (&self->pump_due, TRUE))
    return;
  source = g_timeout_source_new (PUMP_MS);
  g_source_set_callback (source, on_pump, self, NULL);
  g_source_attach (source, self->context);
}

static void
on_changed (gpointer data)
{
  server_pump_soon (data);
}

static gboolean
on_watch (gpointer data)
{
  Http *self = data;
  const gint64 now = g_get_monotonic_time ();

  for (GList *l = self->guards.head; l; l = l->next)
    if (neva_guard_is_late (l->data, now))
      neva_guard_shut (l->data);
  pump (self); /* heartbeats */
  return G_SOURCE_CONTINUE;
}

/* ---- The thread --------------------------------------------------------- */

static void
attach_watch (Http *self)
{
  g_autoptr (GSource) watch = g_timeout_source_new (WATCH_MS);

  g_source_set_callback (watch, on_watch, self, NULL);
  g_source_attach (watch, self->context);
}

static gpointer
thread_main (gpointer data)
{
  Http *self = data;

  g_main_context_push_thread_default (self->context);
  self->server = soup_server_new (NULL, NULL);
  self->feeds = g_hash_table_new_full (NULL, NULL, NULL, g_free);
  g_signal_connect (self->server, "request-read", G_CALLBACK (on_read), self);
  g_signal_connect (
      self->server, "request-finished", G_CALLBACK (on_over), self);
  g_signal_connect (
      self->server, "request-aborted", G_CALLBACK (on_over), self);
  routes_add (self);
  attach_watch (self);
  accept_next (self);
  hub_set_changed (self->hub, on_changed, self);

  g_main_loop_run (self->loop);

  hub_set_changed (self->hub, NULL, NULL);
  g_cancellable_cancel (self->stop);
  soup_server_disconnect (self->server);
  while (g_main_context_iteration (self->context, FALSE))
    continue;
  g_clear_object (&self->server);
  for (GList *l = self->guards.head; l; l = l->next)
    g_object_weak_unref (l->data, on_guard_gone, self);
  g_queue_clear (&self->guards);
  g_hash_table_unref (self->feeds);
  g_main_context_pop_thread_default (self->context);
  return NULL;
}

/* ---- Life --------------------------------------------------------------- */

static gboolean
listen_there (Http *self, GError **error)
{
  g_autoptr (GSocketAddress) wanted = g_inet_socket_address_new_from_string (
      self->options->listen, self->options->port);
  g_autoptr (GSocketAddress) got = NULL;

  if (!g_socket_listener_add_address (self->listener, wanted,
          G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL, &got, error)) {
    g_prefix_error (
        error, "--http %u at %s: ", self->options->port, self->options->listen);
    return FALSE;
  }
  self->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (got));
  return TRUE;
}

Http *
http_new (Hub *hub, GError **error)
{
  Http *self = g_new0 (Http, 1);

  self->hub = hub;
  self->options = hub_options (hub);
  self->listener = g_socket_listener_new ();
  self->stop = g_cancellable_new ();
  self->context = g_main_context_new ();
  self->loop = g_main_loop_new (self->context, FALSE);
  g_queue_init (&self->guards);
  if (listen_there (self, error))
    self->thread = g_thread_new ("http", thread_main, self);
  if (!self->thread)
    g_clear_pointer (&self, http_free);
  return self;
}

static gboolean
on_quit (gpointer data)
{
  g_main_loop_quit (((Http *) data)->loop);
  return G_SOURCE_REMOVE;
}

void
http_free (Http *self)
{
  if (self->thread) {
    g_autoptr (GSource) quit = g_idle_source_new ();

    g_source_set_callback (quit, on_quit, self, NULL);
    g_source_attach (quit, self->context);
    g_thread_join (self->thread);
  }
  g_socket_listener_close (self->listener);
  g_object_unref (self->listener);
  g_object_unref (self->stop);
  g_main_loop_unref (self->loop);
  g_main_context_unref (self->context);
  g_free (self);
}

/* An address that stands for all of them is no place to go to. */
static const char *
host_to_visit (const char *listen)
{
  if (g_str_equal (listen, "0.0.0.0"))
    return g_get_host_name ();
  return g_str_equal (listen, "::") ? g_get_host_name () : listen;
}

char *
http_url (const Http *self)
{
  const char *host = host_to_visit (self->options->listen);
  const gboolean v6 = strchr (host, ':') != NULL;
  const char *token = self->options->token;

  return g_strdup_printf ("http://%s%s%s:%u/%s%s", v6 ? "[" : "", host,
      v6 ? "]" : "", self->port, token ? "?token=" : "", token ? token : "");
}
