/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <setjmp.h>
#include <stdio.h>
#include <string.h>
#include <jpeglib.h>
#include "jpeg_check.h"

#define PREFIX "data:image/jpeg;base64,"

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

static char *
decode (const guint8 *bytes, gsize length)
{
  struct jpeg_decompress_struct jpeg = {0};
  guint8 *volatile row = NULL;
  guint64 sum[3] = {0};
  guint64 pixels;
  Errors errors;
  char *seen;

  jpeg.err = jpeg_std_error (&errors.parent);
  errors.parent.error_exit = on_error;
  if (setjmp (errors.jump)) {
    jpeg_destroy_decompress (&jpeg);
    g_free (row);
    return g_strdup (errors.text);
  }
  jpeg_create_decompress (&jpeg);
  jpeg_mem_src (&jpeg, bytes, length);
  jpeg_read_header (&jpeg, TRUE);
  jpeg.out_color_space = JCS_RGB;
  jpeg_start_decompress (&jpeg);
  row = g_malloc (3 * (gsize) jpeg.output_width);
  while (jpeg.output_scanline < jpeg.output_height) {
    JSAMPROW rows = row;

    jpeg_read_scanlines (&jpeg, &rows, 1);
    for (guint x = 0; x < 3 * jpeg.output_width; x++)
      sum[x % 3] += row[x];
  }
  jpeg_finish_decompress (&jpeg);
  pixels = (guint64) jpeg.output_width * jpeg.output_height;
  seen = g_strdup_printf ("%ux%u/%u%u%u", jpeg.output_width, jpeg.output_height,
      (guint) (sum[0] / pixels / 64), (guint) (sum[1] / pixels / 64),
      (guint) (sum[2] / pixels / 64));
  jpeg_destroy_decompress (&jpeg);
  g_free (row);
  return seen;
}

char *
neva_jpeg_check_url (const char *url)
{
  g_autofree guint8 *bytes = NULL;
  gsize length;

  if (!g_str_has_prefix (url, PREFIX))
    return g_strdup ("no data URL of a JPEG");
  bytes = g_base64_decode (url + strlen (PREFIX), &length);
  return decode (bytes, length);
}
