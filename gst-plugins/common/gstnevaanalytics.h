/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Captions for readers of GstAnalyticsRelationMeta (GStreamer 1.24 or later).
 * Without it the call does nothing. */
#ifndef GST_NEVA_ANALYTICS_H
#define GST_NEVA_ANALYTICS_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_NEVA_ANALYTICS_TYPE_NAME "neva-caption"

/* Adds to the buffer's relation meta, made if it has none, an Mtd of the type
 * named above. GStreamer has no Mtd for free text, and a classification's label
 * would be a GQuark, whose memory never comes back; so the Mtd's data is the
 * text itself, UTF-8, NUL-terminated.
 * buffer: must be writable. */
void gst_neva_analytics_add_text (GstBuffer *buffer, const char *text);

G_END_DECLS

#endif /* GST_NEVA_ANALYTICS_H */
