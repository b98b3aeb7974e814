/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The judgement meta; see gstnevajudgementmeta.h. */
#include "config.h"
#include "gstnevacustommeta.h"
#include "gstnevajudgementmeta.h"

void
gst_neva_judgement_meta_init (void)
{
  static gsize once = 0;

  if (g_once_init_enter (&once)) {
    gst_neva_custom_meta_register (GST_NEVA_JUDGEMENT_META_NAME);
    g_once_init_leave (&once, 1);
  }
}

void
gst_buffer_add_neva_judgement_meta (
    GstBuffer *buffer, const GstStructure *judgement)
{
  gst_buffer_add_neva_custom_meta (
      buffer, GST_NEVA_JUDGEMENT_META_NAME, judgement);
}

const GstStructure *
gst_buffer_get_neva_judgement (GstBuffer *buffer)
{
  gst_neva_judgement_meta_init ();
  return gst_buffer_get_neva_custom_meta (buffer, GST_NEVA_JUDGEMENT_META_NAME);
}
