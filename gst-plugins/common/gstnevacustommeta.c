/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "gstnevacustommeta.h"

void
gst_neva_custom_meta_register (const char *name)
{
  static const char *tags[] = {NULL};

  /* Linked into a process twice, whoever comes second finds it. */
  if (!gst_meta_get_info (name))
    gst_meta_register_custom (name, tags, NULL, NULL, NULL);
}

static gboolean
copy_field (GQuark field, const GValue *value, gpointer user_data)
{
  gst_structure_id_set_value (user_data, field, value);
  return TRUE;
}

void
gst_buffer_add_neva_custom_meta (
    GstBuffer *buffer, const char *name, const GstStructure *fields)
{
  GstCustomMeta *meta;

  g_return_if_fail (gst_buffer_is_writable (buffer));

  meta = gst_buffer_add_custom_meta (buffer, name);
  g_return_if_fail (meta != NULL);
  gst_structure_foreach (
      fields, copy_field, gst_custom_meta_get_structure (meta));
}

const GstStructure *
gst_buffer_get_neva_custom_meta (GstBuffer *buffer, const char *name)
{
  GstCustomMeta *meta = gst_buffer_get_custom_meta (buffer, name);

  return meta ? gst_custom_meta_get_structure (meta) : NULL;
}
