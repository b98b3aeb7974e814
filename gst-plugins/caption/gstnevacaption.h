/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_NEVA_CAPTION_H
#define GST_NEVA_CAPTION_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_NEVA_CAPTION (gst_neva_caption_get_type ())
G_DECLARE_FINAL_TYPE (
    GstNevaCaption, gst_neva_caption, GST, NEVA_CAPTION, GstBin)

GST_ELEMENT_REGISTER_DECLARE (nevacaption);

G_END_DECLS

#endif /* GST_NEVA_CAPTION_H */
