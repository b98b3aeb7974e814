/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element's debug category, for its parts. */
#ifndef NEVA_SAMPLER_DEBUG_H
#define NEVA_SAMPLER_DEBUG_H

#include <gst/gst.h>

GST_DEBUG_CATEGORY_EXTERN (gst_neva_frame_sampler_debug);
#define GST_CAT_DEFAULT gst_neva_frame_sampler_debug

#endif /* NEVA_SAMPLER_DEBUG_H */
