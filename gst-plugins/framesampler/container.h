/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Whether a file is as long as its container says. */
#ifndef NEVA_CONTAINER_H
#define NEVA_CONTAINER_H

#include <glib.h>

G_BEGIN_DECLS

/* How many bytes the file lacks of what the sizes in it announce: ISO media
 * (MP4, MOV), by its top-level boxes, and Matroska (WebM), by its segment. 0 if
 * the file is whole, cannot be read, is something else, or does not say. */
guint64 neva_container_missing (const gchar *path);

G_END_DECLS

#endif /* NEVA_CONTAINER_H */
