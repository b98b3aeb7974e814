/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Enumerations of properties. */
#ifndef GST_NEVA_ENUM_H
#define GST_NEVA_ENUM_H

#include <gst/gst.h>

/* Defines GType function (void), which registers the type `name` when it is
 * first called. The rest: GEnumValues, each with what it does and its nick. The
 * name carries the plugin's prefix: GTypes are global to the process. */
#define GST_NEVA_DEFINE_ENUM(function, name, ...)                              \
  GType function (void)                                                        \
  {                                                                            \
    static gsize once = 0;                                                     \
    static const GEnumValue values[] = {__VA_ARGS__, {0, NULL, NULL}};         \
    if (g_once_init_enter (&once)) {                                           \
      const GType type = g_enum_register_static (name, values);                \
      gst_type_mark_as_plugin_api (type, 0);                                   \
      g_once_init_leave (&once, type);                                         \
    }                                                                          \
    return once;                                                               \
  }

/* The same, for one file. */
#define GST_NEVA_DEFINE_STATIC_ENUM(...)                                       \
  static GST_NEVA_DEFINE_ENUM (__VA_ARGS__)

#endif /* GST_NEVA_ENUM_H */
