/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Captions for readers of GstAnalyticsRelationMeta, and detections of its
 * writers (GStreamer 1.24 or later). Without it the calls do nothing. */
#ifndef GST_NEVA_ANALYTICS_H
#define GST_NEVA_ANALYTICS_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_NEVA_ANALYTICS_TYPE_NAME "neva-caption"

/* Adds the caption's text to the buffer's relation meta, made if it has none,
 * as an Mtd of the type named above. GStreamer has no Mtd for free text, and a
 * classification's label would be a GQuark, whose memory never comes back; so
 * the Mtd's data is the text itself, UTF-8, NUL-terminated. If the caption
 * speaks of a region and a detection of the buffer is it, the two are related
 * (GST_ANALYTICS_REL_TYPE_RELATE_TO, from the detection to the caption).
 * buffer: must be writable. */
void gst_neva_analytics_add_caption (
    GstBuffer *buffer, const GstStructure *caption);

/* Appends the buffer's object detections. (element-type GstNevaRegion) */
void gst_neva_analytics_find (GstBuffer *buffer, GPtrArray *regions);

G_END_DECLS

#endif /* GST_NEVA_ANALYTICS_H */
