/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Boxes as in ISO/IEC 14496-12 4.2, elements as in RFC 8794 4 and 5. */
#include "config.h"

#include "container.h"

#include <gio/gio.h>

/* A fragmented file has two top-level boxes a fragment; a file with more is not
 * followed to its end. */
#define MAX_BOXES 100000

#define EBML_HEADER 0x1a45dfa3u
#define MATROSKA_SEGMENT 0x18538067u

static gboolean
read_at (GFileInputStream *in, guint64 at, guint8 *data, gsize size)
{
  gsize got = 0;

  return at <= G_MAXINT64 &&
         g_seekable_seek (
             G_SEEKABLE (in), (goffset) at, G_SEEK_SET, NULL, NULL) &&
         g_input_stream_read_all (
             G_INPUT_STREAM (in), data, size, &got, NULL, NULL) &&
         got == size;
}

static guint64
read_big_endian (const guint8 *data, guint bytes)
{
  guint64 v = 0;

  for (guint i = 0; i < bytes; i++)
    v = v << 8 | data[i];
  return v;
}

static gboolean
is_box (const guint8 *header, const gchar *type)
{
  return memcmp (header + 4, type, 4) == 0;
}

/* Only of media and of fragments can it be said that frames are missing. */
static guint64
boxes_missing (GFileInputStream *in, guint64 size)
{
  guint8 header[16];
  guint64 at = 0;

  for (guint i = 0; i < MAX_BOXES && read_at (in, at, header, 8); i++) {
    guint64 length = read_big_endian (header, 4);

    if (length == 1) {
      if (!read_at (in, at, header, 16))
        return 0;
      length = read_big_endian (header + 8, 8);
    }
    if (length < 8) /* 0: to the end of the file; else no box at all */
      return 0;
    if (length > size - at)
      return is_box (header, "mdat") || is_box (header, "moof")
                 ? length - (size - at)
                 : 0;
    at += length;
  }
  return 0;
}

/* The size of the element whose identifier of four bytes is at `at`; *data:
 * where its content begins. G_MAXUINT64 if it is not said. */
static guint64
element_size (GFileInputStream *in, guint64 at, guint32 id, guint64 *data)
{
  guint8 head[12];
  guint64 value, mask;
  guint bytes = 1;

  if (!read_at (in, at, head, sizeof head) || read_big_endian (head, 4) != id ||
      head[4] == 0)
    return G_MAXUINT64;
  while (!(head[4] & 0x80 >> (bytes - 1)))
    bytes++;
  *data = at + 4 + bytes;
  mask = (G_GUINT64_CONSTANT (1) << (7 * bytes)) - 1;
  value = read_big_endian (head + 4, bytes) & mask;
  return value == mask ? G_MAXUINT64 : value;
}

static guint64
segment_missing (GFileInputStream *in, guint64 size)
{
  guint64 data = 0;
  guint64 length = element_size (in, 0, EBML_HEADER, &data);

  if (length > size)
    return 0;
  length = element_size (in, data + length, MATROSKA_SEGMENT, &data);
  return length != G_MAXUINT64 && length > size - data ? length - (size - data)
                                                       : 0;
}

guint64
neva_container_missing (const gchar *path)
{
  g_autoptr (GFile) file = g_file_new_for_path (path);
  g_autoptr (GFileInputStream) in = g_file_read (file, NULL, NULL);
  g_autoptr (GFileInfo) info =
      in ? g_file_input_stream_query_info (
               in, G_FILE_ATTRIBUTE_STANDARD_SIZE, NULL, NULL)
         : NULL;
  guint8 start[4];
  guint64 size;

  if (!info || !read_at (in, 0, start, sizeof start))
    return 0;
  size = (guint64) g_file_info_get_size (info);
  return read_big_endian (start, 4) == EBML_HEADER ? segment_missing (in, size)
                                                   : boxes_missing (in, size);
}
