/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Stands in for jpeg.c in a build without libjpeg. */
#include "config.h"
#include "remote/jpeg.h"

gboolean
neva_jpeg_is_there (GError **error)
{
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED,
      "this build cannot send frames to an endpoint: libsoup 3 or libjpeg was "
      "not there when it was made");
  return FALSE;
}

gboolean
neva_jpeg_encode (const guint8 *rgb, guint width, guint height, guint8 *out,
    gsize room, gsize *length, GError **error)
{
  return neva_jpeg_is_there (error);
}
