/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jpeglib.h>
#include "remote/jpeg.h"

static const int qualities[] = {85, 70, 50, 35, 20};

/* libjpeg's default is to end the process. */
typedef struct {
  struct jpeg_error_mgr parent;
  jmp_buf jump;
  char text[JMSG_LENGTH_MAX];
} Errors;

static void
on_error (j_common_ptr info)
{
  Errors *errors = (Errors *) info->err;

  errors->parent.format_message (info, errors->text);
  longjmp (errors->jump, 1);
}

static void
on_message (j_common_ptr info)
{
  (void) info;
}

gboolean
neva_jpeg_is_there (GError **error)
{
  return TRUE;
}

static void
write_rows (struct jpeg_compress_struct *jpeg, const guint8 *rgb, int quality)
{
  const gsize stride = 3 * (gsize) jpeg->image_width;

  jpeg_set_defaults (jpeg);
  jpeg_set_quality (jpeg, quality, TRUE);
  jpeg_start_compress (jpeg, TRUE);
  while (jpeg->next_scanline < jpeg->image_height) {
    JSAMPROW row = (JSAMPROW) (rgb + jpeg->next_scanline * stride);

    jpeg_write_scanlines (jpeg, &row, 1);
  }
  jpeg_finish_compress (jpeg);
}

/* *bytes: malloc'ed by libjpeg, to be freed also after a failure. */
static gboolean
encode (const guint8 *rgb, guint width, guint height, int quality,
    unsigned char **bytes, unsigned long *length, GError **error)
{
  struct jpeg_compress_struct jpeg = {0};
  Errors errors;

  jpeg.err = jpeg_std_error (&errors.parent);
  errors.parent.error_exit = on_error;
  errors.parent.output_message = on_message;
  if (setjmp (errors.jump)) {
    jpeg_destroy_compress (&jpeg);
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "a frame of %u×%u pixels cannot be written as JPEG: %s", width, height,
        errors.text);
    return FALSE;
  }
  jpeg_create_compress (&jpeg);
  jpeg_mem_dest (&jpeg, bytes, length);
  jpeg.image_width = width;
  jpeg.image_height = height;
  jpeg.input_components = 3;
  jpeg.in_color_space = JCS_RGB;
  write_rows (&jpeg, rgb, quality);
  jpeg_destroy_compress (&jpeg);
  return TRUE;
}

gboolean
neva_jpeg_encode (const guint8 *rgb, guint width, guint height, guint8 *out,
    gsize room, gsize *length, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (qualities); i++) {
    unsigned char *bytes = NULL;
    unsigned long n = 0;
    const gboolean ok =
        encode (rgb, width, height, qualities[i], &bytes, &n, error);
    const gboolean fits = ok && n <= room;

    if (fits) {
      memcpy (out, bytes, n);
      *length = n;
    }
    free (bytes);
    if (!ok || fits)
      return ok;
  }
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "a frame of %u×%u pixels takes more than %" G_GSIZE_FORMAT
      " bytes as JPEG",
      width, height, room);
  return FALSE;
}
