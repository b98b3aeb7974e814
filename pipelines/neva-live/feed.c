/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include "feed.h"

#define HEARTBEAT_US (10 * G_USEC_PER_SEC)

static void
set_phase (Feed *self, GuardPhase phase)
{
  NevaGuard *guard = server_guard (self->message);

  if (guard)
    neva_guard_set_phase (guard, phase);
}

static void
write_piece (Feed *self, GBytes *piece)
{
  self->writing = TRUE;
  set_phase (self, GUARD_PIECE);
  soup_message_body_append_bytes (
      soup_server_message_get_response_body (self->message), piece);
}

/* libsoup pauses the message by itself when it finds no piece to write. */
void
feed_pump (Feed *self, gint64 now)
{
  g_autoptr (GBytes) piece = NULL;

  if (self->writing)
    return;
  piece = self->kind->next (self);
  if (!piece && self->kind->ends) {
    self->writing = TRUE;
    set_phase (self, GUARD_ANSWER);
    soup_message_body_complete (
        soup_server_message_get_response_body (self->message));
    soup_server_message_unpause (self->message);
    return;
  }
  if (!piece && self->kind->heartbeat && now - self->written > HEARTBEAT_US)
    piece = g_bytes_new_static (
        self->kind->heartbeat, strlen (self->kind->heartbeat));
  if (!piece)
    return;
  write_piece (self, piece);
  soup_server_message_unpause (self->message);
}

static void
on_wrote_chunk (SoupServerMessage *message, gpointer data)
{
  Feed *self = data;

  self->writing = FALSE;
  self->written = g_get_monotonic_time ();
  set_phase (self, GUARD_IDLE);
  server_pump_soon (self->http);
}

Feed *
feed_start (Http *http, SoupServerMessage *message, const FeedKind *kind,
    const char *type, const char *first)
{
  SoupMessageHeaders *headers =
      soup_server_message_get_response_headers (message);
  g_autoptr (GBytes) piece = g_bytes_new (first, strlen (first));
  Feed *self;

  soup_server_message_set_status (message, SOUP_STATUS_OK, NULL);
  soup_message_headers_set_content_type (headers, type, NULL);
  soup_message_headers_set_encoding (
      headers, soup_server_message_get_http_version (message) == SOUP_HTTP_1_0
                   ? SOUP_ENCODING_EOF
                   : SOUP_ENCODING_CHUNKED);
  if (soup_server_message_get_method (message) == SOUP_METHOD_HEAD)
    return NULL;
  self = g_new0 (Feed, 1);
  *self = (Feed){.kind = kind,
      .http = http,
      .message = message,
      .written = g_get_monotonic_time ()};
  soup_message_body_set_accumulate (
      soup_server_message_get_response_body (message), FALSE);
  g_signal_connect (message, "wrote-chunk", G_CALLBACK (on_wrote_chunk), self);
  g_hash_table_insert (http->feeds, message, self);
  write_piece (self, piece);
  return self;
}
