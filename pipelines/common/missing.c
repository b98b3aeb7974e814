/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <gst/pbutils/pbutils.h>
#include <string.h>
#include "missing.h"

#define BASE "gstreamer1.0-plugins-base"
#define GOOD "gstreamer1.0-plugins-good"
#define BAD "gstreamer1.0-plugins-bad"
#define UGLY "gstreamer1.0-plugins-ugly"
#define LIBAV "gstreamer1.0-libav"

/* By the beginning of the last field of a detail; the first that fits. In
 * Debian 12 and 13. */
static const struct {
  const char *what, *package;
} packages[] = {
    {"decoder-video/x-av1", BAD},
    {"decoder-video/x-vp8", GOOD},
    {"decoder-video/x-vp9", GOOD},
    {"decoder-video/x-theora", BASE},
    {"decoder-image/jpeg", GOOD},
    {"decoder-image/png", GOOD},
    {"decoder-image/webp", BAD},
    {"decoder-video/x-dv", GOOD},
    {"decoder-video/x-raw", BASE},
    {"decoder-video/mpegts", BAD},
    {"decoder-video/quicktime", GOOD},
    {"decoder-video/x-matroska", GOOD},
    {"decoder-video/webm", GOOD},
    {"decoder-video/x-flv", GOOD},
    {"decoder-video/x-msvideo", GOOD},
    {"decoder-video/x-ms-asf", UGLY},
    {"decoder-application/vnd.rn-realmedia", UGLY},
    {"decoder-application/ogg", BASE},
    {"decoder-application/x-hls", GOOD},
    {"decoder-application/dash", GOOD},
    {"decoder-application/mxf", BAD},
    {"decoder-application/x-rtp", GOOD},
    {"decoder-", LIBAV},
    {"urisource-http", GOOD},
    {"urisource-rtsp", GOOD},
    {"urisource-rtmp", BAD},
    {"urisource-srt", BAD},
    {"urisource-", GOOD " or " BAD},
};

static const struct {
  const char *element, *package;
} elements[] = {
    {"uridecodebin", BASE},
    {"videoconvert", BASE},
    {"appsrc", BASE},
    {"parsebin", BASE},
    {"videoflip", GOOD},
    {"matroskamux", GOOD},
    {"queue", "libgstreamer1.0-0"},
    {"filesink", "libgstreamer1.0-0"},
    {"fakesink", "libgstreamer1.0-0"},
};

const char *
missing_element_package (const char *element)
{
  for (gsize i = 0; i < G_N_ELEMENTS (elements); i++)
    if (strcmp (element, elements[i].element) == 0)
      return elements[i].package;
  return BASE ", " GOOD ", " BAD " or " LIBAV;
}

const char *
missing_package (const char *detail)
{
  const char *what = detail ? strrchr (detail, '|') : NULL;

  what = what ? what + 1 : "";
  if (g_str_has_prefix (what, "element-"))
    return missing_element_package (what + strlen ("element-"));
  for (gsize i = 0; i < G_N_ELEMENTS (packages); i++)
    if (g_str_has_prefix (what, packages[i].what))
      return packages[i].package;
  return BASE ", " GOOD ", " BAD " or " LIBAV;
}

char *
missing_describe (GstMessage *message)
{
  g_autofree char *what = gst_missing_plugin_message_get_description (message);
  g_autofree char *detail =
      gst_missing_plugin_message_get_installer_detail (message);

  return g_strdup_printf (
      "no %s: install %s", what ? what : "plugin", missing_package (detail));
}

char *
missing_describe_for_video (GstMessage *message)
{
  static const char *const others[] = {"|decoder-audio/", "|decoder-text/",
      "|decoder-subtitle/", "|decoder-subpicture/",
      "|decoder-application/x-subtitle", NULL};
  g_autofree char *detail =
      gst_missing_plugin_message_get_installer_detail (message);

  for (gsize i = 0; detail && others[i]; i++)
    if (strstr (detail, others[i]))
      return NULL;
  return missing_describe (message);
}

GstElement *
missing_make (const char *element)
{
  GstElement *made = gst_element_factory_make (element, NULL);

  if (!made)
    g_printerr ("%s: no element '%s': install %s\n", g_get_prgname (), element,
        missing_element_package (element));
  return made;
}
