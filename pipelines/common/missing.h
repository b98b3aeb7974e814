/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which Debian package brings what GStreamer lacks. */
#ifndef NEVA_COMMON_MISSING_H
#define NEVA_COMMON_MISSING_H

#include <gst/gst.h>

/* detail: GStreamer's installer detail, such as
 * "gstreamer|1.0|app|AV1 decoder|decoder-video/x-av1".
 * Returns: (transfer none): package names, never NULL. */
const char *missing_package (const char *detail);
/* The same for an element's name. */
const char *missing_element_package (const char *element);

/* "no AV1 decoder: install gstreamer1.0-plugins-bad", for a missing-plugin
 * message. (transfer full) */
char *missing_describe (GstMessage *message);

/* The same; NULL if the plugin is one for sound or subtitles, without which
 * the video can be seen. (transfer full) (nullable) */
char *missing_describe_for_video (GstMessage *message);

/* Makes the element; without it prints which package to install and gives NULL.
 */
GstElement *missing_make (const char *element);

#endif /* NEVA_COMMON_MISSING_H */
