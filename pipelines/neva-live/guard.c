/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "guard.h"

/* ---- What is read ------------------------------------------------------- */

/* Counts bytes, and lets no more of them through than a request has. */
#define NEVA_TYPE_GUARD_INPUT (neva_guard_input_get_type ())
G_DECLARE_FINAL_TYPE (
    NevaGuardInput, neva_guard_input, NEVA, GUARD_INPUT, GFilterInputStream)

struct _NevaGuardInput {
  GFilterInputStream parent;

  gsize left;
};

static void neva_guard_input_pollable (GPollableInputStreamInterface *iface);

G_DEFINE_FINAL_TYPE_WITH_CODE (NevaGuardInput, neva_guard_input,
    G_TYPE_FILTER_INPUT_STREAM,
    G_IMPLEMENT_INTERFACE (
        G_TYPE_POLLABLE_INPUT_STREAM, neva_guard_input_pollable))

static GPollableInputStream *
pollable_base (gpointer self)
{
  return G_POLLABLE_INPUT_STREAM (
      g_filter_input_stream_get_base_stream (G_FILTER_INPUT_STREAM (self)));
}

static gboolean
may_read (const NevaGuardInput *self, GError **error)
{
  if (self->left > 0)
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_MESSAGE_TOO_LARGE,
      "the request has more than %u bytes", GUARD_REQUEST_BYTES);
  return FALSE;
}

static gssize
count (NevaGuardInput *self, gssize n)
{
  if (n > 0)
    self->left -= (gsize) n;
  return n;
}

static gssize
neva_guard_input_read (GInputStream *stream, void *buffer, gsize size,
    GCancellable *cancellable, GError **error)
{
  NevaGuardInput *self = NEVA_GUARD_INPUT (stream);

  if (!may_read (self, error))
    return -1;
  return count (
      self, g_input_stream_read (G_INPUT_STREAM (pollable_base (self)), buffer,
                MIN (size, self->left), cancellable, error));
}

static gssize
neva_guard_input_read_nonblocking (
    GPollableInputStream *stream, void *buffer, gsize size, GError **error)
{
  NevaGuardInput *self = NEVA_GUARD_INPUT (stream);

  if (!may_read (self, error))
    return -1;
  return count (
      self, g_pollable_input_stream_read_nonblocking (pollable_base (self),
                buffer, MIN (size, self->left), NULL, error));
}

static gboolean
neva_guard_input_can_poll (GPollableInputStream *stream)
{
  return g_pollable_input_stream_can_poll (pollable_base (stream));
}

static gboolean
neva_guard_input_is_readable (GPollableInputStream *stream)
{
  return g_pollable_input_stream_is_readable (pollable_base (stream));
}

static GSource *
neva_guard_input_create_source (
    GPollableInputStream *stream, GCancellable *cancellable)
{
  g_autoptr (GSource) base = g_pollable_input_stream_create_source (
      pollable_base (stream), cancellable);

  return g_pollable_source_new_full (stream, base, NULL);
}

static void
neva_guard_input_pollable (GPollableInputStreamInterface *iface)
{
  iface->can_poll = neva_guard_input_can_poll;
  iface->is_readable = neva_guard_input_is_readable;
  iface->create_source = neva_guard_input_create_source;
  iface->read_nonblocking = neva_guard_input_read_nonblocking;
}

static void
neva_guard_input_init (NevaGuardInput *self)
{
  self->left = GUARD_REQUEST_BYTES;
}

static void
neva_guard_input_class_init (NevaGuardInputClass *klass)
{
  G_INPUT_STREAM_CLASS (klass)->read_fn = neva_guard_input_read;
}

/* ---- The connection ----------------------------------------------------- */

struct _NevaGuard {
  GIOStream parent;

  GSocketConnection *connection;
  NevaGuardInput *input;
  GuardPhase phase;
  gint64 since;
};

G_DEFINE_FINAL_TYPE (NevaGuard, neva_guard, G_TYPE_IO_STREAM)

NevaGuard *
neva_guard_new (GSocketConnection *connection)
{
  NevaGuard *self = g_object_new (NEVA_TYPE_GUARD, NULL);

  self->connection = g_object_ref (connection);
  self->input = g_object_new (NEVA_TYPE_GUARD_INPUT, "base-stream",
      g_io_stream_get_input_stream (G_IO_STREAM (connection)),
      "close-base-stream", FALSE, NULL);
  neva_guard_set_phase (self, GUARD_REQUEST);
  return self;
}

void
neva_guard_set_phase (NevaGuard *self, GuardPhase phase)
{
  self->phase = phase;
  self->since = g_get_monotonic_time ();
  if (phase == GUARD_REQUEST)
    self->input->left = GUARD_REQUEST_BYTES;
}

GuardPhase
neva_guard_get_phase (const NevaGuard *self)
{
  return self->phase;
}

gint64
neva_guard_since (const NevaGuard *self)
{
  return self->since;
}

gboolean
neva_guard_is_late (const NevaGuard *self, gint64 now)
{
  switch (self->phase) {
    case GUARD_REQUEST:
      return now - self->since > GUARD_REQUEST_US;
    case GUARD_ANSWER:
      return now - self->since > GUARD_ANSWER_US;
    case GUARD_PIECE:
      return now - self->since > GUARD_PIECE_US;
    case GUARD_IDLE:
      return FALSE;
  }
  return FALSE;
}

void
neva_guard_shut (NevaGuard *self)
{
  g_socket_shutdown (
      g_socket_connection_get_socket (self->connection), TRUE, TRUE, NULL);
}

static GInputStream *
neva_guard_get_input_stream (GIOStream *stream)
{
  return G_INPUT_STREAM (NEVA_GUARD (stream)->input);
}

static GOutputStream *
neva_guard_get_output_stream (GIOStream *stream)
{
  return g_io_stream_get_output_stream (
      G_IO_STREAM (NEVA_GUARD (stream)->connection));
}

static gboolean
neva_guard_close (GIOStream *stream, GCancellable *cancellable, GError **error)
{
  NevaGuard *self = NEVA_GUARD (stream);

  return g_io_stream_close (G_IO_STREAM (self->connection), cancellable, error);
}

static void
neva_guard_finalize (GObject *object)
{
  NevaGuard *self = NEVA_GUARD (object);

  g_clear_object (&self->input);
  g_clear_object (&self->connection);
  G_OBJECT_CLASS (neva_guard_parent_class)->finalize (object);
}

static void
neva_guard_init (NevaGuard *self)
{
}

static void
neva_guard_class_init (NevaGuardClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = neva_guard_finalize;
  G_IO_STREAM_CLASS (klass)->get_input_stream = neva_guard_get_input_stream;
  G_IO_STREAM_CLASS (klass)->get_output_stream = neva_guard_get_output_stream;
  G_IO_STREAM_CLASS (klass)->close_fn = neva_guard_close;
}
