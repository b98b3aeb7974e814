/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <neva/error.h>
#include "convert/sink.h"

#define BUFFER_BYTES ((gsize) 1 << 20)
#define CRC_POLYNOMIAL 0xedb88320u /* 0x04c11db7 with its bits reversed */

struct _NevaSink {
  int fd;
  char *path;
  guint8 *buffer; /* [BUFFER_BYTES] */
  gsize fill;
  guint64 flushed; /* bytes of the file before the buffer */
  gboolean counting;
  guint32 crc;
  int error; /* errno of the first failure; 0: none */
};

guint8 *
neva_put_le (guint8 *to, guint64 value, guint bytes)
{
  for (guint i = 0; i < bytes; i++)
    *to++ = i < 8 ? (guint8) (value >> (8 * i)) : 0;
  return to;
}

/* ---- CRC: eight bytes at a time ----------------------------------------- */

static guint32 crc_table[8][256];

static gpointer
fill_crc_table (gpointer unused)
{
  for (guint32 i = 0; i < 256; i++) {
    guint32 c = i;

    for (guint bit = 0; bit < 8; bit++)
      c = c & 1 ? c >> 1 ^ CRC_POLYNOMIAL : c >> 1;
    crc_table[0][i] = c;
  }
  for (guint32 i = 0; i < 256; i++) {
    for (guint k = 1; k < 8; k++)
      crc_table[k][i] =
          crc_table[k - 1][i] >> 8 ^ crc_table[0][crc_table[k - 1][i] & 0xff];
  }
  return unused;
}

static guint32
crc_add (guint32 crc, const guint8 *p, gsize n)
{
  static GOnce once = G_ONCE_INIT;

  g_once (&once, fill_crc_table, NULL);
  crc = ~crc;
  for (; n >= 8; n -= 8, p += 8) {
    guint32 lo, hi;

    memcpy (&lo, p, 4), memcpy (&hi, p + 4, 4);
    lo = GUINT32_FROM_LE (lo) ^ crc, hi = GUINT32_FROM_LE (hi);
    crc = crc_table[7][lo & 0xff] ^ crc_table[6][lo >> 8 & 0xff] ^
          crc_table[5][lo >> 16 & 0xff] ^ crc_table[4][lo >> 24] ^
          crc_table[3][hi & 0xff] ^ crc_table[2][hi >> 8 & 0xff] ^
          crc_table[1][hi >> 16 & 0xff] ^ crc_table[0][hi >> 24];
  }
  while (n--)
    crc = crc >> 8 ^ crc_table[0][(crc ^ *p++) & 0xff];
  return ~crc;
}

/* ---- Writing ------------------------------------------------------------ */

NevaSink *
neva_sink_new (const char *path, GError **error)
{
  const int fd = open (path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  NevaSink *sink;

  if (fd < 0) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE, "%s: %s", path,
        g_strerror (errno));
    return NULL;
  }
  sink = g_new0 (NevaSink, 1);
  sink->fd = fd;
  sink->path = g_strdup (path);
  sink->buffer = g_malloc (BUFFER_BYTES);
  return sink;
}

static void
write_out (NevaSink *sink, const guint8 *data, gsize length)
{
  while (length && !sink->error) {
    const gssize n = write (sink->fd, data, MIN (length, (gsize) 1 << 30));

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0) {
      sink->error = errno;
      return;
    }
    data += n, length -= (gsize) n, sink->flushed += (guint64) n;
  }
}

static void
flush (NevaSink *sink)
{
  write_out (sink, sink->buffer, sink->fill);
  sink->fill = 0;
}

void
neva_sink_write (NevaSink *sink, const void *data, gsize length)
{
  if (sink->error || !length)
    return;
  if (sink->counting)
    sink->crc = crc_add (sink->crc, data, length);
  if (length > BUFFER_BYTES - sink->fill)
    flush (sink);
  if (length >= BUFFER_BYTES) {
    write_out (sink, data, length);
    return;
  }
  memcpy (sink->buffer + sink->fill, data, length);
  sink->fill += length;
}

void
neva_sink_zeros (NevaSink *sink, gsize length)
{
  static const guint8 zeros[4096];

  while (length && !sink->error) {
    const gsize n = MIN (length, sizeof zeros);

    neva_sink_write (sink, zeros, n);
    length -= n;
  }
}

guint64
neva_sink_at (const NevaSink *sink)
{
  return sink->flushed + sink->fill;
}

void
neva_sink_patch (NevaSink *sink, guint64 at, const void *data, gsize length)
{
  const guint8 *p = data;

  flush (sink);
  while (length && !sink->error) {
    const gssize n = pwrite (sink->fd, p, length, (off_t) at);

    if (n < 0 && errno == EINTR)
      continue;
    if (n < 0)
      sink->error = errno;
    else
      p += n, at += (guint64) n, length -= (gsize) n;
  }
}

void
neva_sink_start_crc (NevaSink *sink)
{
  sink->counting = TRUE;
  sink->crc = 0;
}

guint32
neva_sink_crc (const NevaSink *sink)
{
  return sink->crc;
}

gboolean
neva_sink_failed (const NevaSink *sink)
{
  return sink->error != 0;
}

gboolean
neva_sink_close (NevaSink *sink, GError **error)
{
  int code;

  flush (sink);
  if (!sink->error && fsync (sink->fd) != 0 && errno != EINVAL)
    sink->error = errno;
  if (close (sink->fd) != 0 && !sink->error)
    sink->error = errno;
  sink->fd = -1;
  code = sink->error;
  if (code)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
        "%s: cannot be written: %s", sink->path, g_strerror (code));
  neva_sink_abandon (sink);
  return code == 0;
}

void
neva_sink_abandon (NevaSink *sink)
{
  if (!sink)
    return;
  if (sink->fd >= 0)
    close (sink->fd);
  g_free (sink->buffer);
  g_free (sink->path);
  g_free (sink);
}
