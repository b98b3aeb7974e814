/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What can be told of a coded packet without decoding it (H.264, H.265). */
#ifndef NEVA_PACKET_H
#define NEVA_PACKET_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum { NEVA_CODEC_OTHER, NEVA_CODEC_H264, NEVA_CODEC_H265 } NevaCodec;

typedef struct {
  NevaCodec codec;
  guint length_size; /* bytes of a NAL unit's length; 0: start codes */
} NevaPacketFormat;

void neva_packet_format_init (NevaPacketFormat *format, const GstCaps *caps);

typedef enum {
  NEVA_PACKET_NEEDED,     /* or nothing is known */
  NEVA_PACKET_DISPOSABLE, /* no other picture is predicted from it */
  NEVA_PACKET_DAMAGED     /* its NAL units do not fill the packet */
} NevaPacketKind;

NevaPacketKind neva_packet_kind (
    const NevaPacketFormat *format, const guint8 *data, gsize size);

/* TRUE if decoding may begin here, but pictures are whole only some frames
 * later (H.264 gradual refresh: a recovery point whose frame count is not 0).
 */
gboolean neva_packet_recovers_late (
    const NevaPacketFormat *format, const guint8 *data, gsize size);

/* TRUE if the picture may have followers that are predicted from pictures
 * before it: no IDR picture in H.264, a CRA picture in H.265. */
gboolean neva_packet_is_open (
    const NevaPacketFormat *format, const guint8 *data, gsize size);

/* TRUE if the functions above, called with the whole size, look at none but the
 * first `have` bytes of this packet. */
gboolean neva_packet_head_suffices (
    const NevaPacketFormat *format, const guint8 *data, gsize have, gsize size);

G_END_DECLS

#endif /* NEVA_PACKET_H */
