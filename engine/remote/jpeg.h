/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pictures as JPEG, for endpoints. */
#ifndef NEVA_JPEG_H
#define NEVA_JPEG_H

#include <glib.h>
#include <neva/error.h>

/* Without libjpeg in the build: FALSE with NEVA_ERROR_UNSUPPORTED. */
gboolean neva_jpeg_is_there (GError **error);

/* rgb: height rows of width pixels, 3 bytes each, without gaps. Writes at most
 * `room` bytes; where the picture does not fit, its quality goes down from 85
 * to 20. *length: bytes written. Any thread. */
gboolean neva_jpeg_encode (const guint8 *rgb, guint width, guint height,
    guint8 *out, gsize room, gsize *length, GError **error);

#endif /* NEVA_JPEG_H */
