/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "reservoir.h"

static void
held_clear (gpointer data)
{
  gst_clear_buffer (&((NevaHeld *) data)->buffer);
}

void
neva_reservoir_init (NevaReservoir *r, guint capacity)
{
  *r = (NevaReservoir){.capacity = MAX (capacity, 2), .stride = 1};
  r->held = g_array_new (FALSE, FALSE, sizeof (NevaHeld));
  g_array_set_clear_func (r->held, held_clear);
}

void
neva_reservoir_clear (NevaReservoir *r)
{
  g_clear_pointer (&r->held, g_array_unref);
  gst_clear_buffer (&r->last.buffer);
}

static void
double_stride (NevaReservoir *r)
{
  guint kept = 0;

  r->stride *= 2;
  for (guint i = 0; i < r->held->len; i++) {
    NevaHeld *h = &g_array_index (r->held, NevaHeld, i);

    if (h->number % r->stride)
      held_clear (h);
    else
      g_array_index (r->held, NevaHeld, kept++) = *h;
  }
  /* The tail holds stale copies of moved entries: not to be cleared. */
  g_array_set_clear_func (r->held, NULL);
  g_array_set_size (r->held, kept);
  g_array_set_clear_func (r->held, held_clear);
}

void
neva_reservoir_add (NevaReservoir *r, GstBuffer *buffer,
    GstClockTime running_time, guint64 number)
{
  NevaHeld h = {buffer, running_time, number};

  gst_buffer_replace (&r->last.buffer, buffer);
  r->last.running_time = running_time;
  r->last.number = number;

  if (number % r->stride)
    return;
  if (r->held->len == r->capacity)
    double_stride (r);
  if (number % r->stride)
    return;
  gst_buffer_ref (buffer);
  g_array_append_val (r->held, h);
}

static guint64
distance (guint64 a, guint64 b)
{
  return a > b ? a - b : b - a;
}

const NevaHeld *
neva_reservoir_by_number (NevaReservoir *r, guint64 number)
{
  const NevaHeld *best = r->last.buffer ? &r->last : NULL;

  for (guint i = r->held->len; i > 0; i--) {
    const NevaHeld *h = &g_array_index (r->held, NevaHeld, i - 1);

    if (!best ||
        distance (h->number, number) <= distance (best->number, number))
      best = h;
  }
  return best;
}

const NevaHeld *
neva_reservoir_by_time (NevaReservoir *r, GstClockTime time)
{
  const NevaHeld *best = r->last.buffer ? &r->last : NULL;

  for (guint i = r->held->len; i > 0; i--) {
    const NevaHeld *h = &g_array_index (r->held, NevaHeld, i - 1);

    if (!best ||
        distance (h->running_time, time) <= distance (best->running_time, time))
      best = h;
  }
  return best;
}

gboolean
neva_reservoir_is_exact (const NevaReservoir *r)
{
  return r->stride == 1;
}
