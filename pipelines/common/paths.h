/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Where an installed program, or one that is run from its build folder, finds
 * the plugin and the demo model. */
#ifndef NEVA_COMMON_PATHS_H
#define NEVA_COMMON_PATHS_H

#include <glib.h>

/* named, else NEVA_MODEL, else the demo model. (transfer full): NULL when there
 * is none; a named one is not checked. */
char *paths_find_model (const char *named);

/* Makes the elements known unless GStreamer knows them already. FALSE with
 * error: they were not found. */
gboolean paths_find_plugin (GError **error);

#endif /* NEVA_COMMON_PATHS_H */
