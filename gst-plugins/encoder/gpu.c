/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Video in a GPU's memory: which caps, and whose context. */
#include "config.h"
#include "encoder.h"

GST_DEBUG_CATEGORY_EXTERN (neva_encoder_debug);
#define GST_CAT_DEFAULT neva_encoder_debug

/* (transfer full) */
static char *
get_device (GstNevaEncoder *self)
{
  char *device;

  GST_OBJECT_LOCK (self);
  device = g_strdup (self->options.device);
  GST_OBJECT_UNLOCK (self);
  return device;
}

void
gst_neva_encoder_gpu_set_context (GstNevaEncoder *self, GstContext *context)
{
  g_autofree char *device = get_device (self);

  gst_neva_cuda_set_context (&self->cuda, GST_ELEMENT (self), device, context);
}

gboolean
gst_neva_encoder_gpu_query (GstNevaEncoder *self, GstQuery *query)
{
  g_autofree char *device = get_device (self);

  return gst_neva_cuda_query (&self->cuda, GST_ELEMENT (self), device, query);
}

static gboolean
is_on_host (GstCapsFeatures *features, GstStructure *structure, gpointer data)
{
  return !gst_caps_features_contains (features, GST_NEVA_CUDA_FEATURE);
}

GstCaps *
gst_neva_encoder_transform_caps (GstBaseTransform *trans,
    GstPadDirection direction, GstCaps *caps, GstCaps *filter)
{
  GstNevaEncoder *self = GST_NEVA_ENCODER (trans);
  g_autofree char *device = get_device (self);
  GstCaps *result = gst_caps_copy (caps), *filtered;

  if (!gst_neva_cuda_is_welcome (device)) {
    gst_caps_filter_and_map_in_place (result, is_on_host, NULL);
    if (gst_caps_is_empty (result) && !gst_caps_is_empty (caps))
      GST_WARNING_OBJECT (self,
          "video in a GPU's memory is for device=cuda, and the device is '%s': "
          "put cudadownload before nevaencoder",
          device ? device : "cpu");
  }
  if (!filter)
    return result;
  filtered = gst_caps_intersect_full (filter, result, GST_CAPS_INTERSECT_FIRST);
  gst_caps_unref (result);
  return filtered;
}

void
gst_neva_encoder_report_download (GstNevaEncoder *self)
{
  gboolean first;

  GST_OBJECT_LOCK (self);
  first = self->n_downloaded++ == 0;
  GST_OBJECT_UNLOCK (self);
  if (first)
    GST_ELEMENT_WARNING (self, RESOURCE, SETTINGS,
        ("The video is in a GPU's memory and the model is not on a GPU: each "
         "frame that it is shown is copied to the host first."),
        (NULL));
}
