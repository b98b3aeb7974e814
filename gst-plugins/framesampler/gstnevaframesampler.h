/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_NEVA_FRAME_SAMPLER_H
#define GST_NEVA_FRAME_SAMPLER_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_NEVA_FRAME_SAMPLER (gst_neva_frame_sampler_get_type ())
G_DECLARE_FINAL_TYPE (GstNevaFrameSampler, gst_neva_frame_sampler, GST,
    NEVA_FRAME_SAMPLER, GstElement)

GST_ELEMENT_REGISTER_DECLARE (nevaframesampler);

G_END_DECLS

#endif /* GST_NEVA_FRAME_SAMPLER_H */
