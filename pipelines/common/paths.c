/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <gst/gst.h>
#include "paths.h"

#define MAX_LEVELS 4

/* (transfer full) The folder of the running program, or NULL. */
static char *
own_folder (void)
{
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);

  return self ? g_path_get_dirname (self) : NULL;
}

/* The first folder above the program's in which `relative` is. (transfer full)
 */
static char *
find_upwards (const char *relative)
{
  g_autofree char *folder = own_folder ();

  for (guint i = 0; folder && i < MAX_LEVELS; i++) {
    g_autofree char *path = g_build_filename (folder, relative, NULL);
    char *parent;

    if (g_file_test (path, G_FILE_TEST_EXISTS))
      return g_steal_pointer (&path);
    parent = g_path_get_dirname (folder);
    g_free (folder);
    folder = parent;
  }
  return NULL;
}

static char *
folder_of (const char *file)
{
  return file ? g_path_get_dirname (file) : NULL;
}

char *
paths_find_model (const char *named)
{
  const char *environment = g_getenv ("NEVA_MODEL");
  g_autofree char *installed = g_build_filename (
      NEVA_DATADIR, "gst-neva", "models", "demo", "config.json", NULL);
  g_autofree char *relative = NULL;

  if (named)
    return g_strdup (named);
  if (environment && *environment)
    return g_strdup (environment);

  relative = find_upwards ("models/demo/config.json");
  if (!relative) /* an installation that was moved */
    relative = find_upwards ("share/gst-neva/models/demo/config.json");
  if (!relative && g_file_test (installed, G_FILE_TEST_EXISTS))
    relative = g_steal_pointer (&installed);
  return folder_of (relative);
}

static gboolean
known (void)
{
  g_autoptr (GstElementFactory) factory = gst_element_factory_find ("nevallm");

  return factory != NULL;
}

gboolean
paths_find_plugin (GError **error)
{
  g_autofree char *built = find_upwards ("gst-plugins/libgstneva.so");
  const char *file = built ? built : NEVA_PLUGIN_DIR "/libgstneva.so";
  g_autoptr (GError) fault = NULL;
  g_autoptr (GstPlugin) plugin = NULL;

  if (known ())
    return TRUE;
  if (g_file_test (file, G_FILE_TEST_EXISTS)) /* loading also registers it */
    plugin = gst_plugin_load_file (file, &fault);
  if (plugin && known ())
    return TRUE;

  g_set_error (error, GST_CORE_ERROR, GST_CORE_ERROR_MISSING_PLUGIN,
      "GStreamer does not know the neva elements%s%s; install the plugin or "
      "set GST_PLUGIN_PATH",
      fault ? ": " : "", fault ? fault->message : "");
  return FALSE;
}
