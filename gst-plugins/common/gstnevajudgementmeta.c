/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The judgement meta; see gstnevajudgementmeta.h. */
#include "config.h"
#include "gstnevajudgementmeta.h"

void
gst_neva_judgement_meta_init (void)
{
  static gsize once = 0;
  static const char *tags[] = {NULL};

  if (g_once_init_enter (&once)) {
    /* Linked into a process twice, whoever comes second finds it. */
    if (!gst_meta_get_info (GST_NEVA_JUDGEMENT_META_NAME))
      gst_meta_register_custom (
          GST_NEVA_JUDGEMENT_META_NAME, tags, NULL, NULL, NULL);
    g_once_init_leave (&once, 1);
  }
}

static gboolean
copy_field (GQuark field, const GValue *value, gpointer user_data)
{
  gst_structure_id_set_value (user_data, field, value);
  return TRUE;
}

void
gst_buffer_add_neva_judgement_meta (
    GstBuffer *buffer, const GstStructure *judgement)
{
  GstCustomMeta *meta;

  g_return_if_fail (gst_buffer_is_writable (buffer));

  meta = gst_buffer_add_custom_meta (buffer, GST_NEVA_JUDGEMENT_META_NAME);
  g_return_if_fail (meta != NULL);
  gst_structure_foreach (
      judgement, copy_field, gst_custom_meta_get_structure (meta));
}

const GstStructure *
gst_buffer_get_neva_judgement (GstBuffer *buffer)
{
  GstCustomMeta *meta;

  gst_neva_judgement_meta_init ();
  meta = gst_buffer_get_custom_meta (buffer, GST_NEVA_JUDGEMENT_META_NAME);
  return meta ? gst_custom_meta_get_structure (meta) : NULL;
}
