/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file source for demuxers that pull: bytes are read from the file when a
 * buffer is mapped, and never if it is not. Who only wants to know which
 * packets there are does not pay for their content. */
#ifndef NEVA_LAZYSRC_H
#define NEVA_LAZYSRC_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* A floating element with a pad "src". A file that cannot be opened is an error
 * message of the element, as with filesrc. */
GstElement *neva_lazy_source_new (const gchar *path);

/* Reads the first bytes of a buffer that the source made into `to`, n at most,
 * and returns their number; 0 if it is not such a buffer, or on a read error.
 * Any thread. */
gsize neva_lazy_peek (GstBuffer *buffer, guint8 *to, gsize n);

G_END_DECLS

#endif /* NEVA_LAZYSRC_H */
