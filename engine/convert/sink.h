/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file that is being written: buffered, with places that are filled in later
 * (sizes and checksums that stand before what they describe). The first failure
 * is kept; later calls do nothing, and close () tells it. One thread. */
#ifndef NEVA_SINK_H
#define NEVA_SINK_H

#include <glib.h>

typedef struct _NevaSink NevaSink;

/* The file must not be there. Returns: (transfer full) */
NevaSink *neva_sink_new (const char *path, GError **error);
void neva_sink_write (NevaSink *sink, const void *data, gsize length);
void neva_sink_zeros (NevaSink *sink, gsize length);
/* Bytes written so far. */
guint64 neva_sink_at (const NevaSink *sink);
/* Overwrites bytes that were written before. */
void neva_sink_patch (
    NevaSink *sink, guint64 at, const void *data, gsize length);
/* CRC-32 (ISO 3309) of what is written from here on. */
void neva_sink_start_crc (NevaSink *sink);
guint32 neva_sink_crc (const NevaSink *sink);
gboolean neva_sink_failed (const NevaSink *sink);
/* Writes everything to the disk and frees the sink. */
gboolean neva_sink_close (NevaSink *sink, GError **error);
/* Frees it without caring; the file stays. */
void neva_sink_abandon (NevaSink *sink);

/* Little-endian helpers for headers: returns what follows. */
guint8 *neva_put_le (guint8 *to, guint64 value, guint bytes);

#endif /* NEVA_SINK_H */
