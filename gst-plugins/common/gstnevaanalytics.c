/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Captions as an analytics Mtd, and detections; see gstnevaanalytics.h. */
#include "config.h"
#include <string.h>
#include "gstnevaanalytics.h"
#include "gstnevaregion.h"

#if HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>

/* Without pointers in the data there is nothing to transform or to clear. */
static const GstAnalyticsMtdImpl text_impl = {
    .name = GST_NEVA_ANALYTICS_TYPE_NAME};

static GstNevaRegion *
from_detection (GstAnalyticsODMtd *mtd)
{
  GstNevaRegion *region;
  gint x, y, width, height;
  gfloat confidence = -1;

  if (!gst_analytics_od_mtd_get_location (
          mtd, &x, &y, &width, &height, &confidence))
    return NULL;
  region = gst_neva_region_new (
      g_quark_to_string (gst_analytics_od_mtd_get_obj_type (mtd)), x, y, width,
      height);
  region->mtd = (gint) mtd->id;
  region->confidence = confidence;
  return region;
}

void
gst_neva_analytics_find (GstBuffer *buffer, GPtrArray *regions)
{
  GstAnalyticsRelationMeta *meta =
      gst_buffer_get_analytics_relation_meta (buffer);
  gpointer state = NULL;
  GstAnalyticsODMtd mtd;

  while (meta &&
         gst_analytics_relation_meta_iterate (meta, &state,
             gst_analytics_od_mtd_get_mtd_type (), (GstAnalyticsMtd *) &mtd)) {
    GstNevaRegion *region = from_detection (&mtd);

    if (region)
      g_ptr_array_add (regions, region);
  }
}

/* The detection that the caption speaks of, or -1. */
static gint
find_subject (GstBuffer *buffer, const GstStructure *caption)
{
  GstNevaRegion *region = gst_neva_region_from_structure (caption);
  g_autoptr (GPtrArray) detections =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_neva_region_unref);
  double best_likeness = 0;
  gint best = -1;

  if (!region)
    return -1;
  gst_neva_analytics_find (buffer, detections);
  for (guint i = 0; i < detections->len; i++) {
    const GstNevaRegion *other = detections->pdata[i];
    const double likeness = gst_neva_region_likeness (region, other);

    if (likeness > best_likeness) {
      best_likeness = likeness;
      best = other->mtd;
    }
  }
  gst_neva_region_unref (region);
  return best;
}

void
gst_neva_analytics_add_caption (GstBuffer *buffer, const GstStructure *caption)
{
  GstAnalyticsRelationMeta *meta =
      gst_buffer_get_analytics_relation_meta (buffer);
  const char *text = gst_structure_get_string (caption, "text");
  const gsize size = strlen (text) + 1;
  const gint subject = find_subject (buffer, caption);
  GstAnalyticsMtd mtd;
  gpointer data;

  if (!meta)
    meta = gst_buffer_add_analytics_relation_meta (buffer);
  data = gst_analytics_relation_meta_add_mtd (meta, &text_impl, size, &mtd);
  if (!data)
    return;
  memcpy (data, text, size);
  if (subject >= 0)
    gst_analytics_relation_meta_set_relation (
        meta, GST_ANALYTICS_REL_TYPE_RELATE_TO, (guint) subject, mtd.id);
}
#else
void
gst_neva_analytics_add_caption (GstBuffer *buffer, const GstStructure *caption)
{
  (void) buffer;
  (void) caption;
}

void
gst_neva_analytics_find (GstBuffer *buffer, GPtrArray *regions)
{
  (void) buffer;
  (void) regions;
}
#endif
