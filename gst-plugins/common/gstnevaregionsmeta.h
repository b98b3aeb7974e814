/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nevaencoder attaches with region=roi, also to a frame in which nothing
 * was found: the objects of the frame, each with a handle on the visual tokens
 * of its picture. nevallm asks about each object, and not about the frame. */
#ifndef GST_NEVA_REGIONS_META_H
#define GST_NEVA_REGIONS_META_H

#include <neva/request.h>
#include "gstnevaregion.h"

G_BEGIN_DECLS

typedef struct {
  GstNevaRegion *region;
  NevaEmbedding *embedding;
} GstNevaRegionHandle;

/* (element-type GstNevaRegionHandle), which own what they point at. (transfer
 * full) */
GArray *gst_neva_region_handles_new (void);
/* References are taken. */
void gst_neva_region_handles_add (
    GArray *handles, GstNevaRegion *region, NevaEmbedding *embedding);

typedef struct {
  GstMeta meta;

  GArray *handles; /* GstNevaRegionHandle; read only */
} GstNevaRegionsMeta;

#define GST_NEVA_REGIONS_META_API_TYPE (gst_neva_regions_meta_api_get_type ())
#define GST_NEVA_REGIONS_META_INFO (gst_neva_regions_meta_get_info ())

/* No tags: the meta survives conversion and scaling; boxes stay those of the
 * picture that was looked at. */
GType gst_neva_regions_meta_api_get_type (void);
const GstMetaInfo *gst_neva_regions_meta_get_info (void);

/* handles: a reference is taken. buffer: must be writable. */
GstNevaRegionsMeta *gst_buffer_add_neva_regions_meta (
    GstBuffer *buffer, GArray *handles);
/* (transfer none) (nullable): the first meta's handles. */
GArray *gst_buffer_get_neva_regions (GstBuffer *buffer);

G_END_DECLS

#endif /* GST_NEVA_REGIONS_META_H */
