/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Enumerations that are properties of nevaencoder. */
#ifndef NEVA_ENCODER_ENUMS_H
#define NEVA_ENCODER_ENUMS_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum { FRAMES_AUTO, FRAMES_MARKED, FRAMES_ALL } GstNevaEncoderFrames;
typedef enum {
  OVERFLOW_AUTO,
  OVERFLOW_BLOCK,
  OVERFLOW_DROP
} GstNevaEncoderOverflow;

#define GST_TYPE_NEVA_ENCODER_FRAMES (gst_neva_encoder_frames_get_type ())
#define GST_TYPE_NEVA_ENCODER_OVERFLOW (gst_neva_encoder_overflow_get_type ())

GType gst_neva_encoder_frames_get_type (void);
GType gst_neva_encoder_overflow_get_type (void);

G_END_DECLS

#endif /* NEVA_ENCODER_ENUMS_H */
