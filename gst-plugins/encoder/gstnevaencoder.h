/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_NEVA_ENCODER_H
#define GST_NEVA_ENCODER_H

#include <gst/base/gstbasetransform.h>

G_BEGIN_DECLS

#define GST_TYPE_NEVA_ENCODER (gst_neva_encoder_get_type ())
G_DECLARE_FINAL_TYPE (
    GstNevaEncoder, gst_neva_encoder, GST, NEVA_ENCODER, GstBaseTransform)

GST_ELEMENT_REGISTER_DECLARE (nevaencoder);

G_END_DECLS

#endif /* GST_NEVA_ENCODER_H */
