/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Captions as an analytics Mtd; see gstnevaanalytics.h. */
#include "config.h"
#include <string.h>
#include "gstnevaanalytics.h"

#if HAVE_GST_ANALYTICS
#include <gst/analytics/analytics.h>

/* Without pointers in the data there is nothing to transform or to clear. */
static const GstAnalyticsMtdImpl text_impl = {
    .name = GST_NEVA_ANALYTICS_TYPE_NAME};

void
gst_neva_analytics_add_text (GstBuffer *buffer, const char *text)
{
  GstAnalyticsRelationMeta *meta =
      gst_buffer_get_analytics_relation_meta (buffer);
  const gsize size = strlen (text) + 1;
  GstAnalyticsMtd mtd;
  gpointer data;

  if (!meta)
    meta = gst_buffer_add_analytics_relation_meta (buffer);
  data = gst_analytics_relation_meta_add_mtd (meta, &text_impl, size, &mtd);
  if (data)
    memcpy (data, text, size);
}
#else
void
gst_neva_analytics_add_text (GstBuffer *buffer, const char *text)
{
  (void) buffer;
  (void) text;
}
#endif
