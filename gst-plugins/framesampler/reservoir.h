/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A bounded, evenly spread set of the frames of a clip whose length is not
 * known before it ends.
 *
 * Every frame is kept until `capacity` are held; then every second one is let
 * go and from there on only multiples of the doubled stride are kept. Besides
 * them the newest frame is always held. At most capacity + 1 references. */
#ifndef NEVA_RESERVOIR_H
#define NEVA_RESERVOIR_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
  GstBuffer *buffer; /* owned */
  GstClockTime running_time;
  guint64 number; /* place in the clip, from 0 */
} NevaHeld;

typedef struct {
  GArray *held;  /* NevaHeld at multiples of stride, rising */
  NevaHeld last; /* the newest frame; buffer NULL while empty */
  guint capacity;
  guint64 stride;
} NevaReservoir;

/* capacity >= 2. */
void neva_reservoir_init (NevaReservoir *r, guint capacity);
void neva_reservoir_clear (NevaReservoir *r);

/* Takes a reference. Numbers must come as 0, 1, 2, ... */
void neva_reservoir_add (NevaReservoir *r, GstBuffer *buffer,
    GstClockTime running_time, guint64 number);

/* The held frame closest to the given number, or to the given time; ties go to
 * the earlier one. Owned by the reservoir; NULL only while it is empty. */
const NevaHeld *neva_reservoir_by_number (NevaReservoir *r, guint64 number);
const NevaHeld *neva_reservoir_by_time (NevaReservoir *r, GstClockTime time);

/* TRUE while every frame that was added is held. */
gboolean neva_reservoir_is_exact (const NevaReservoir *r);

G_END_DECLS

#endif /* NEVA_RESERVOIR_H */
