/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Properties that are a GstValueArray of strings, kept as a string vector. */
#ifndef GST_NEVA_STRING_ARRAY_H
#define GST_NEVA_STRING_ARRAY_H

#include <gst/gst.h>

/* An empty array gives NULL. */
static inline void
gst_neva_string_array_set (char ***field, const GValue *value)
{
  const guint n = gst_value_array_get_size (value);

  g_clear_pointer (field, g_strfreev);
  if (n == 0)
    return;
  *field = g_new0 (char *, n + 1);
  for (guint i = 0; i < n; i++) {
    const GValue *item = gst_value_array_get_value (value, i);
    const char *s =
        G_VALUE_HOLDS_STRING (item) ? g_value_get_string (item) : NULL;

    (*field)[i] = g_strdup (s ? s : "");
  }
}

static inline void
gst_neva_string_array_get (char **strings, GValue *value)
{
  for (; strings && *strings; strings++) {
    GValue item = G_VALUE_INIT;

    g_value_init (&item, G_TYPE_STRING);
    g_value_set_string (&item, *strings);
    gst_value_array_append_and_take_value (value, &item);
  }
}

#endif /* GST_NEVA_STRING_ARRAY_H */
