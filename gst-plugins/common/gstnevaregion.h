/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Objects that somebody upstream has found in a picture:
 * GstVideoRegionOfInterestMeta, and, when built against GStreamer 1.24 or
 * later, GstAnalytics object detections. One that has both is one. */
#ifndef GST_NEVA_REGION_H
#define GST_NEVA_REGION_H

#include <gst/video/video.h>

G_BEGIN_DECLS

/* Immutable once it is shared. */
typedef struct {
  gint refs;         /* atomic */
  char *label;       /* what it is, as upstream says; may be "" */
  gint id;           /* the region's, or -1: only a detection */
  gint mtd;          /* the detection's, or -1: only a region */
  double confidence; /* 0..1, or -1: not known */
  /* The box as upstream has it, which may lie outside of the picture. */
  gint64 x, y, width, height;
} GstNevaRegion;

/* label: copied. (transfer full) */
GstNevaRegion *gst_neva_region_new (
    const char *label, gint64 x, gint64 y, gint64 width, gint64 height);
GstNevaRegion *gst_neva_region_ref (GstNevaRegion *region);
void gst_neva_region_unref (GstNevaRegion *region);

/* All of a buffer, in its order. (transfer full) (element-type GstNevaRegion)
 */
GPtrArray *gst_neva_regions_find (GstBuffer *buffer);

/* "person (x 10, y 20, width 30, height 40), car (…)"; "none". (transfer full)
 */
char *gst_neva_regions_describe (const GPtrArray *regions);

/* Sets the fields region-id, region-mtd, region-type, region-x, region-y,
 * region-width, region-height and region-confidence. */
void gst_neva_region_to_structure (
    const GstNevaRegion *region, GstStructure *caption);
/* (transfer full) (nullable): from those. */
GstNevaRegion *gst_neva_region_from_structure (const GstStructure *caption);

/* How well a found object is the one that a caption speaks of: 0, not at all.
 * The same box is best; then the same id on overlapping boxes, then boxes that
 * overlap by half and more. Labels must be the same. */
double gst_neva_region_likeness (
    const GstNevaRegion *a, const GstNevaRegion *b);

/* If the caption has a region and an object of the buffer is it: that object's
 * GstVideoRegionOfInterestMeta gets the caption's fields as a parameter named
 * "neva-caption". buffer: writable. */
void gst_neva_region_relate (GstBuffer *buffer, const GstStructure *caption);

G_END_DECLS

#endif /* GST_NEVA_REGION_H */
