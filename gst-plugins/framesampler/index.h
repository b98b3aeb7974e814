/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The packets of a video stream, found by reading the file a second time
 * through the same demuxer, without decoding. */
#ifndef NEVA_INDEX_H
#define NEVA_INDEX_H

#include <gst/gst.h>

#include "upstream.h"

G_BEGIN_DECLS

typedef struct {
  GstClockTime pts, duration; /* duration may be NONE */
  guint order;                /* place in decoding order */
  gboolean sync;    /* the container says that decoding may begin here */
  gboolean key;     /* and the picture is whole if it does */
  gboolean hidden;  /* decoded, but never shown */
  gboolean damaged; /* cannot be decoded as it is */
} NevaPacket;

typedef struct {
  GArray *packets;    /* NevaPacket by presentation time, or in decoding order
                         if they are not timed */
  gboolean timed;     /* every packet has a presentation time */
  GstClockTime first; /* PTS of the first one in decoding order, or NONE */
} NevaIndex;

/* Stops a neva_index_new () that is running or about to run. */
typedef struct {
  GMutex lock;
  GstBus *bus; /* of the reading pipeline while it runs */
  gboolean cancelled;
} NevaIndexCancel;

void neva_index_cancel_init (NevaIndexCancel *cancel);
void neva_index_cancel_clear (NevaIndexCancel *cancel);
void neva_index_cancel_set (NevaIndexCancel *cancel, gboolean cancelled);

/* Reads the file to its end in threads of its own; blocks. Returns NULL with an
 * error that names the file if that fails or no packet is found, NULL without
 * error if it was cancelled. A file that does not end (a GIF that loops) is
 * G_FILE_ERROR_LOOP. */
NevaIndex *neva_index_new (
    const NevaUpstream *up, NevaIndexCancel *cancel, GError **error);
void neva_index_free (NevaIndex *index);

/* The last key packet at or before i in presentation order, or 0. */
guint neva_index_key_before (const NevaIndex *index, guint i);

/* The first packet at or after pts; packets->len if there is none. */
guint neva_index_find (const NevaIndex *index, GstClockTime pts);

/* A damaged packet that the decoding of packet i, from its key packet on,
 * passes; packets->len if there is none. */
guint neva_index_damage_before (const NevaIndex *index, guint i);

G_END_DECLS

#endif /* NEVA_INDEX_H */
