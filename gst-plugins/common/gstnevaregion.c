/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "gstnevaregion.h"
#include "gstnevaanalytics.h"

#define PARAMETER "neva-caption"
/* Two boxes are of one object from this overlap on. */
#define OVERLAP 0.5

GstNevaRegion *
gst_neva_region_new (
    const char *label, gint64 x, gint64 y, gint64 width, gint64 height)
{
  GstNevaRegion *region = g_new0 (GstNevaRegion, 1);

  region->refs = 1;
  region->label = g_utf8_make_valid (label ? label : "", -1);
  region->id = region->mtd = -1;
  region->confidence = -1;
  region->x = x;
  region->y = y;
  region->width = width;
  region->height = height;
  return region;
}

GstNevaRegion *
gst_neva_region_ref (GstNevaRegion *region)
{
  g_atomic_int_inc (&region->refs);
  return region;
}

void
gst_neva_region_unref (GstNevaRegion *region)
{
  if (!g_atomic_int_dec_and_test (&region->refs))
    return;
  g_free (region->label);
  g_free (region);
}

/* ---- Finding ---- */

static GstNevaRegion *
from_meta (GstVideoRegionOfInterestMeta *meta)
{
  GstNevaRegion *region = gst_neva_region_new (
      g_quark_to_string (meta->roi_type), meta->x, meta->y, meta->w, meta->h);

  region->id = meta->id;
  for (GList *l = meta->params; l; l = l->next)
    if (gst_structure_get_double (l->data, "confidence", &region->confidence))
      break;
  return region;
}

static gboolean
same_box (const GstNevaRegion *a, const GstNevaRegion *b)
{
  return a->x == b->x && a->y == b->y && a->width == b->width &&
         a->height == b->height;
}

/* Detections of what is there already only add their number. */
static void
merge (GPtrArray *regions, GPtrArray *detections)
{
  for (guint i = 0; i < detections->len; i++) {
    GstNevaRegion *found = NULL, *d = detections->pdata[i];

    for (guint k = 0; k < regions->len && !found; k++) {
      GstNevaRegion *r = regions->pdata[k];

      if (r->mtd < 0 && same_box (r, d) && g_str_equal (r->label, d->label))
        found = r;
    }
    if (!found) {
      g_ptr_array_add (regions, gst_neva_region_ref (d));
      continue;
    }
    found->mtd = d->mtd;
    if (found->confidence < 0)
      found->confidence = d->confidence;
  }
}

GPtrArray *
gst_neva_regions_find (GstBuffer *buffer)
{
  GPtrArray *regions =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_neva_region_unref);
  g_autoptr (GPtrArray) detections =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_neva_region_unref);
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta_filtered (
              buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE)))
    g_ptr_array_add (
        regions, from_meta ((GstVideoRegionOfInterestMeta *) meta));
  gst_neva_analytics_find (buffer, detections);
  merge (regions, detections);
  return regions;
}

/* ---- Telling ---- */

char *
gst_neva_regions_describe (const GPtrArray *regions)
{
  GString *s = g_string_new (NULL);

  for (guint i = 0; i < regions->len; i++) {
    const GstNevaRegion *r = regions->pdata[i];

    g_string_append_printf (s,
        "%s%s (x %" G_GINT64_FORMAT ", y %" G_GINT64_FORMAT
        ", width %" G_GINT64_FORMAT ", height %" G_GINT64_FORMAT ")",
        i > 0 ? ", " : "", *r->label ? r->label : "object", r->x, r->y,
        r->width, r->height);
  }
  if (regions->len == 0)
    g_string_append (s, "none");
  return g_string_free (s, FALSE);
}

void
gst_neva_region_to_structure (
    const GstNevaRegion *region, GstStructure *caption)
{
  gst_structure_set (caption, "region-id", G_TYPE_INT, region->id, "region-mtd",
      G_TYPE_INT, region->mtd, "region-type", G_TYPE_STRING, region->label,
      "region-x", G_TYPE_INT64, region->x, "region-y", G_TYPE_INT64, region->y,
      "region-width", G_TYPE_INT64, region->width, "region-height",
      G_TYPE_INT64, region->height, "region-confidence", G_TYPE_DOUBLE,
      region->confidence, NULL);
}

GstNevaRegion *
gst_neva_region_from_structure (const GstStructure *caption)
{
  GstNevaRegion *region;
  gint64 x, y, width, height;

  if (!gst_structure_get (caption, "region-x", G_TYPE_INT64, &x, "region-y",
          G_TYPE_INT64, &y, "region-width", G_TYPE_INT64, &width,
          "region-height", G_TYPE_INT64, &height, NULL))
    return NULL;
  region = gst_neva_region_new (
      gst_structure_get_string (caption, "region-type"), x, y, width, height);
  gst_structure_get_int (caption, "region-id", &region->id);
  gst_structure_get_int (caption, "region-mtd", &region->mtd);
  gst_structure_get_double (caption, "region-confidence", &region->confidence);
  return region;
}

/* ---- Relating ---- */

/* Of the area that the two boxes cover together. */
static double
overlap (const GstNevaRegion *a, const GstNevaRegion *b)
{
  const double w = (double) MIN (a->x + a->width, b->x + b->width) -
                   (double) MAX (a->x, b->x);
  const double h = (double) MIN (a->y + a->height, b->y + b->height) -
                   (double) MAX (a->y, b->y);
  double both;

  if (w <= 0 || h <= 0)
    return 0;
  both = (double) a->width * (double) a->height +
         (double) b->width * (double) b->height - w * h;
  return both > 0 ? w * h / both : 0;
}

double
gst_neva_region_likeness (const GstNevaRegion *a, const GstNevaRegion *b)
{
  const double part = overlap (a, b);

  if (!g_str_equal (a->label, b->label))
    return 0;
  if (same_box (a, b))
    return 4 + (a->id == b->id && a->id >= 0);
  /* 0 is what a meta has when nobody numbers. */
  if (a->id > 0 && a->id == b->id && part > 0)
    return 2 + part;
  return part >= OVERLAP ? part : 0;
}

void
gst_neva_region_relate (GstBuffer *buffer, const GstStructure *caption)
{
  GstNevaRegion *region = gst_neva_region_from_structure (caption);
  GstVideoRegionOfInterestMeta *best = NULL;
  double best_likeness = 0;
  gpointer state = NULL;
  GstMeta *meta;

  if (!region)
    return;
  while ((meta = gst_buffer_iterate_meta_filtered (
              buffer, &state, GST_VIDEO_REGION_OF_INTEREST_META_API_TYPE))) {
    GstNevaRegion *other = from_meta ((GstVideoRegionOfInterestMeta *) meta);
    const double likeness = gst_neva_region_likeness (region, other);

    if (likeness > best_likeness) {
      best_likeness = likeness;
      best = (GstVideoRegionOfInterestMeta *) meta;
    }
    gst_neva_region_unref (other);
  }
  gst_neva_region_unref (region);
  if (best) {
    GstStructure *parameter = gst_structure_copy (caption);

    gst_structure_set_name (parameter, PARAMETER);
    gst_video_region_of_interest_meta_add_param (best, parameter);
  }
}
