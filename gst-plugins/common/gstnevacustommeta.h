/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Custom metas whose structure is that of a message. They have no tags: they
 * depend on neither size nor colour, so converters and scalers carry them. */
#ifndef GST_NEVA_CUSTOM_META_H
#define GST_NEVA_CUSTOM_META_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* Once for each name, before the functions below. */
void gst_neva_custom_meta_register (const char *name);
/* With copies of the fields. buffer: must be writable. */
void gst_buffer_add_neva_custom_meta (
    GstBuffer *buffer, const char *name, const GstStructure *fields);
/* (transfer none) (nullable) */
const GstStructure *gst_buffer_get_neva_custom_meta (
    GstBuffer *buffer, const char *name);

G_END_DECLS

#endif /* GST_NEVA_CUSTOM_META_H */
