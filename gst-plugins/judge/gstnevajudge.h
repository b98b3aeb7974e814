/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_NEVA_JUDGE_H
#define GST_NEVA_JUDGE_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_NEVA_JUDGE (gst_neva_judge_get_type ())
G_DECLARE_FINAL_TYPE (GstNevaJudge, gst_neva_judge, GST, NEVA_JUDGE, GstElement)

GST_ELEMENT_REGISTER_DECLARE (nevajudge);

G_END_DECLS

#endif /* GST_NEVA_JUDGE_H */
