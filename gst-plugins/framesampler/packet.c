/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NAL units as in ITU-T H.264 7.4.1 (nal_ref_idc) and H.265 7.4.2 (sub-layer
 * non-reference pictures); lengths as in ISO/IEC 14496-15. */
#include "config.h"

#include "packet.h"

static void
read_codec_data (NevaPacketFormat *format, const GstStructure *s)
{
  const GValue *v = gst_structure_get_value (s, "codec_data");
  const gboolean h265 = format->codec == NEVA_CODEC_H265;
  GstBuffer *b =
      v && GST_VALUE_HOLDS_BUFFER (v) ? gst_value_get_buffer (v) : NULL;
  const gsize at = h265 ? 21 : 4;
  guint8 byte;

  if (!b || gst_buffer_extract (b, at, &byte, 1) != 1) {
    format->codec = NEVA_CODEC_OTHER;
    return;
  }
  format->length_size = (byte & 3) + 1;
  /* With temporal layers a sub-layer non-reference picture of a low layer is
   * still a reference for higher ones. numTemporalLayers is in this byte. */
  if (h265 && ((byte >> 3) & 7) != 1)
    format->codec = NEVA_CODEC_OTHER;
}

void
neva_packet_format_init (NevaPacketFormat *format, const GstCaps *caps)
{
  const GstStructure *s = caps ? gst_caps_get_structure (caps, 0) : NULL;
  const gchar *stream;

  *format = (NevaPacketFormat){NEVA_CODEC_OTHER, 0};
  if (!s)
    return;
  if (gst_structure_has_name (s, "video/x-h264"))
    format->codec = NEVA_CODEC_H264;
  else if (gst_structure_has_name (s, "video/x-h265"))
    format->codec = NEVA_CODEC_H265;
  else
    return;

  stream = gst_structure_get_string (s, "stream-format");
  if (g_strcmp0 (stream, "avc") == 0 || g_strcmp0 (stream, "hvc1") == 0)
    read_codec_data (format, s);
  else if (g_strcmp0 (stream, "byte-stream") != 0 ||
           format->codec == NEVA_CODEC_H265)
    format->codec = NEVA_CODEC_OTHER;
}

/* 1 a slice that nothing refers to, 0 a slice that is needed, -1 no slice. */
static gint
slice_is_disposable (NevaCodec codec, guint8 header)
{
  if (codec == NEVA_CODEC_H264) {
    const guint type = header & 0x1f;

    return type < 1 || type > 5 ? -1 : (header & 0x60) == 0;
  } else {
    const guint type = (header >> 1) & 0x3f;

    /* 0..15: even ones are not referred to within their sub-layer */
    return type > 31 ? -1 : type < 16 && type % 2 == 0;
  }
}

static gsize
next_start_code (const guint8 *data, gsize size, gsize at)
{
  for (; at + 3 <= size; at++)
    if (data[at] == 0 && data[at + 1] == 0 && data[at + 2] == 1)
      return at + 3;
  return size;
}

/* Moves *at to the next NAL unit's header; *end is where the unit ends. */
static gboolean
next_unit (const NevaPacketFormat *format, const guint8 *data, gsize size,
    gsize *at, gsize *end)
{
  gsize length = 0;

  if (format->length_size == 0) {
    *at = next_start_code (data, size, *end);
    *end = *at;
    return TRUE;
  }
  *at = *end;
  if (*at == size)
    return TRUE;
  if (size - *at < format->length_size)
    return FALSE;
  for (guint i = 0; i < format->length_size; i++)
    length = length << 8 | data[(*at)++];
  if (length > size - *at)
    return FALSE;
  *end = *at + length;
  return TRUE;
}

NevaPacketKind
neva_packet_kind (
    const NevaPacketFormat *format, const guint8 *data, gsize size)
{
  gboolean slices = FALSE, needed = FALSE;
  gsize at = 0, end = 0;

  if (format->codec == NEVA_CODEC_OTHER || size == 0)
    return NEVA_PACKET_NEEDED;

  for (;;) {
    if (!next_unit (format, data, size, &at, &end))
      return NEVA_PACKET_DAMAGED;
    if (at >= size)
      break;
    if (format->length_size > 0 && end == at)
      continue; /* an empty unit */
    switch (slice_is_disposable (format->codec, data[at])) {
      case 0:
        needed = TRUE;
        break;
      case 1:
        slices = TRUE;
        break;
    }
    if (needed && format->length_size == 0)
      break; /* nothing more to learn: start codes cannot be wrong */
  }
  return slices && !needed ? NEVA_PACKET_DISPOSABLE : NEVA_PACKET_NEEDED;
}

/* Reads a varying number of bytes as SEI types and sizes are coded; G_MAXSIZE
 * at the end of the data. */
static gsize
read_sei_number (const guint8 *data, gsize size, gsize *at)
{
  gsize n = 0;

  for (; *at < size && data[*at] == 0xff; (*at)++)
    n += 0xff;
  return *at < size ? n + data[(*at)++] : G_MAXSIZE;
}

/* A supplemental unit, its header passed: does it hold a recovery point (type
 * 6) with a frame count above 0? The count is coded first, as ue(v): a leading
 * 1 bit means 0. */
static gboolean
has_late_recovery (const guint8 *data, gsize size)
{
  gsize at = 0;

  while (at < size) {
    const gsize type = read_sei_number (data, size, &at);
    const gsize length = read_sei_number (data, size, &at);

    if (length > size - at || length == 0)
      return FALSE;
    if (type == 6)
      return (data[at] & 0x80) == 0;
    at += length;
  }
  return FALSE;
}

gboolean
neva_packet_recovers_late (
    const NevaPacketFormat *format, const guint8 *data, gsize size)
{
  gsize at = 0, end = 0;

  if (format->codec != NEVA_CODEC_H264 || size == 0)
    return FALSE;
  while (next_unit (format, data, size, &at, &end) && at < size) {
    const gsize until = format->length_size > 0 ? end : size;
    const guint type = until > at ? data[at] & 0x1f : 0;

    if (type == 5)
      return FALSE; /* an IDR picture */
    if (type == 6 && has_late_recovery (data + at + 1, until - at - 1))
      return TRUE;
    if (type >= 1 && type <= 4)
      return FALSE; /* supplemental units come before the slices */
  }
  return FALSE;
}

gboolean
neva_packet_is_open (
    const NevaPacketFormat *format, const guint8 *data, gsize size)
{
  gsize at = 0, end = 0;

  if (format->codec == NEVA_CODEC_OTHER || size == 0)
    return FALSE;
  while (next_unit (format, data, size, &at, &end) && at < size) {
    if (format->length_size > 0 && end == at)
      continue;
    if (slice_is_disposable (format->codec, data[at]) < 0)
      continue;
    return format->codec == NEVA_CODEC_H264 ? (data[at] & 0x1f) != 5
                                            : ((data[at] >> 1) & 0x3f) == 21;
  }
  return FALSE;
}

gboolean
neva_packet_head_suffices (
    const NevaPacketFormat *format, const guint8 *data, gsize have, gsize size)
{
  gsize at = 0, end = 0;

  if (have >= size || format->codec == NEVA_CODEC_OTHER)
    return TRUE;
  if (format->length_size == 0)
    return FALSE;
  while (end < size) {
    if (end + format->length_size + 1 > have)
      return FALSE; /* the unit's length and header */
    if (!next_unit (format, data, size, &at, &end))
      return TRUE; /* damaged, and that was seen */
    if (format->codec == NEVA_CODEC_H264 && (data[at] & 0x1f) == 6 &&
        end > have)
      return FALSE; /* a supplemental unit is read as a whole */
  }
  return TRUE;
}
