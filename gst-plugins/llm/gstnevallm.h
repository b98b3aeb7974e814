/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef GST_NEVA_LLM_H
#define GST_NEVA_LLM_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_TYPE_NEVA_LLM (gst_neva_llm_get_type ())
G_DECLARE_FINAL_TYPE (GstNevaLlm, gst_neva_llm, GST, NEVA_LLM, GstElement)

GST_ELEMENT_REGISTER_DECLARE (nevallm);

G_END_DECLS

#endif /* GST_NEVA_LLM_H */
