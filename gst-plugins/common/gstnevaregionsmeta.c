/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "gstnevaregionsmeta.h"

static void
handle_clear (gpointer data)
{
  GstNevaRegionHandle *handle = data;

  gst_neva_region_unref (handle->region);
  neva_embedding_unref (handle->embedding);
}

GArray *
gst_neva_region_handles_new (void)
{
  GArray *handles = g_array_new (FALSE, FALSE, sizeof (GstNevaRegionHandle));

  g_array_set_clear_func (handles, handle_clear);
  return handles;
}

void
gst_neva_region_handles_add (
    GArray *handles, GstNevaRegion *region, NevaEmbedding *embedding)
{
  const GstNevaRegionHandle handle = {
      gst_neva_region_ref (region), neva_embedding_ref (embedding)};

  g_array_append_val (handles, handle);
}

GType
gst_neva_regions_meta_api_get_type (void)
{
  static gsize type = 0;

  if (g_once_init_enter (&type)) {
    static const gchar *tags[] = {NULL};

    g_once_init_leave (
        &type, gst_meta_api_type_register ("GstNevaRegionsMetaAPI", tags));
  }
  return type;
}

static gboolean
regions_meta_init (GstMeta *meta, gpointer params, GstBuffer *buffer)
{
  ((GstNevaRegionsMeta *) meta)->handles = NULL;
  return TRUE;
}

static void
regions_meta_free (GstMeta *meta, GstBuffer *buffer)
{
  g_clear_pointer (&((GstNevaRegionsMeta *) meta)->handles, g_array_unref);
}

static gboolean
regions_meta_transform (GstBuffer *dest, GstMeta *meta, GstBuffer *buffer,
    GQuark type, gpointer data)
{
  return gst_buffer_add_neva_regions_meta (
             dest, ((GstNevaRegionsMeta *) meta)->handles) != NULL;
}

const GstMetaInfo *
gst_neva_regions_meta_get_info (void)
{
  static gsize info = 0;

  if (g_once_init_enter (&info)) {
    g_once_init_leave (&info,
        (gsize) gst_meta_register (GST_NEVA_REGIONS_META_API_TYPE,
            "GstNevaRegionsMeta", sizeof (GstNevaRegionsMeta),
            regions_meta_init, regions_meta_free, regions_meta_transform));
  }
  return (const GstMetaInfo *) info;
}

GstNevaRegionsMeta *
gst_buffer_add_neva_regions_meta (GstBuffer *buffer, GArray *handles)
{
  GstNevaRegionsMeta *meta = (GstNevaRegionsMeta *) gst_buffer_add_meta (
      buffer, GST_NEVA_REGIONS_META_INFO, NULL);

  if (meta)
    meta->handles = g_array_ref (handles);
  return meta;
}

GArray *
gst_buffer_get_neva_regions (GstBuffer *buffer)
{
  const GstNevaRegionsMeta *meta = (GstNevaRegionsMeta *) gst_buffer_get_meta (
      buffer, GST_NEVA_REGIONS_META_API_TYPE);

  return meta ? meta->handles : NULL;
}
