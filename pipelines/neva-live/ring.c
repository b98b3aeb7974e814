/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "ring.h"

void
ring_init (Ring *self, guint most_pieces, gsize most_bytes)
{
  *self = (Ring){.pieces = G_QUEUE_INIT,
      .most_pieces = most_pieces,
      .most_bytes = most_bytes};
}

void
ring_clear (Ring *self)
{
  g_queue_clear_full (&self->pieces, (GDestroyNotify) g_bytes_unref);
}

void
ring_add (Ring *self, GBytes *piece)
{
  g_queue_push_tail (&self->pieces, piece);
  self->bytes += g_bytes_get_size (piece);
  while (self->pieces.length > self->most_pieces ||
         (self->pieces.length > 1 && self->bytes > self->most_bytes)) {
    GBytes *oldest = g_queue_pop_head (&self->pieces);

    self->bytes -= g_bytes_get_size (oldest);
    self->first++;
    g_bytes_unref (oldest);
  }
}

guint64
ring_next (const Ring *self)
{
  return self->first + self->pieces.length;
}

/* From whichever end is nearer: readers are mostly at the newest. */
static GList *
find (const Ring *self, guint64 number)
{
  return g_queue_peek_nth_link (
      (GQueue *) &self->pieces, (guint) (number - self->first));
}

GBytes *
ring_read (const Ring *self, guint64 *cursor, gsize most_bytes)
{
  GByteArray *out;

  if (*cursor < self->first)
    *cursor = self->first;
  if (*cursor >= ring_next (self))
    return NULL;
  out = g_byte_array_new ();
  for (GList *l = find (self, *cursor); l; l = l->next, ++*cursor) {
    gsize size;
    const guint8 *data = g_bytes_get_data (l->data, &size);

    if (out->len > 0 && out->len + size > most_bytes)
      break;
    g_byte_array_append (out, data, (guint) size);
  }
  return g_byte_array_free_to_bytes (out);
}
