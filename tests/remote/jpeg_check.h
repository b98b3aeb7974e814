/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NEVA_JPEG_CHECK_H
#define NEVA_JPEG_CHECK_H

#include <glib.h>

/* Decodes the JPEG of a data URL. Returns: (transfer full): "WxH/RGB", where R,
 * G and B are the mean of the channel in quarters of its range, 0 to 3; or what
 * is wrong with it. */
char *neva_jpeg_check_url (const char *url);

#endif /* NEVA_JPEG_CHECK_H */
