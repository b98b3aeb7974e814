/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <string.h>
#include "convert/tar_writer.h"

#define BLOCK 512u
#define OCTAL_LIMIT ((guint64) 1 << 33) /* of eleven octal digits */
#define RECORD (20 * BLOCK)             /* archives are whole records */

/* Offsets of the fields of a header. */
enum {
  NAME = 0,
  MODE = 100,
  UID = 108,
  GID = 116,
  SIZE = 124,
  MTIME = 136,
  CHECKSUM = 148,
  TYPE = 156,
  MAGIC = 257,
  USER = 265,
  GROUP = 297
};

guint64
neva_tar_begin (NevaSink *sink, const char *name)
{
  const guint64 at = neva_sink_at (sink);

  g_assert (strlen (name) <= MODE - NAME); /* names are made here */
  neva_sink_zeros (sink, BLOCK);
  return at;
}

static void
put_size (char *field, guint64 size)
{
  if (size < OCTAL_LIMIT) {
    g_snprintf (field, 12, "%011" G_GINT64_MODIFIER "o", size);
    return;
  }
  field[0] = (char) 0x80;
  for (guint i = 0; i < 8; i++)
    field[11 - i] = (char) (size >> (8 * i));
}

void
neva_tar_end (NevaSink *sink, guint64 header, const char *name)
{
  const guint64 size = neva_sink_at (sink) - header - BLOCK;
  char block[BLOCK] = {0};
  guint sum = 0;

  memcpy (block + NAME, name, strlen (name));
  memcpy (block + MODE, "0000644", 8);
  memcpy (block + UID, "0000000", 8);
  memcpy (block + GID, "0000000", 8);
  put_size (block + SIZE, size);
  memcpy (block + MTIME, "00000000000", 12);
  memset (block + CHECKSUM, ' ', 8);
  block[TYPE] = '0';
  memcpy (block + MAGIC, "ustar\00000", 8);
  memcpy (block + USER, "root", 4);
  memcpy (block + GROUP, "root", 4);
  for (guint i = 0; i < BLOCK; i++)
    sum += (guint8) block[i];
  g_snprintf (block + CHECKSUM, 8, "%06o", sum);
  neva_sink_zeros (sink, (BLOCK - size % BLOCK) % BLOCK);
  neva_sink_patch (sink, header, block, BLOCK);
}

void
neva_tar_add (NevaSink *sink, const char *name, const void *data, gsize length)
{
  const guint64 header = neva_tar_begin (sink, name);

  neva_sink_write (sink, data, length);
  neva_tar_end (sink, header, name);
}

void
neva_tar_finish (NevaSink *sink)
{
  neva_sink_zeros (sink, 2 * BLOCK);
  neva_sink_zeros (sink, (RECORD - neva_sink_at (sink) % RECORD) % RECORD);
}
