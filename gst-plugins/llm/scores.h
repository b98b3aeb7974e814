/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What compute-logprob and all-probs add to a caption; see
 * gstnevacaptionmeta.h. */
#ifndef GST_NEVA_LLM_SCORES_H
#define GST_NEVA_LLM_SCORES_H

#include <gst/gst.h>
#include <neva/request.h>

G_BEGIN_DECLS

/* A copy of the answer's tokens, in the fields of a caption; what of it is not
 * in the answer is left out. (transfer full) */
GstStructure *gst_neva_llm_scores_new (const NevaAnswer *answer);
/* scores: NULL adds nothing. */
void gst_neva_llm_scores_add (
    GstStructure *caption, const GstStructure *scores);

G_END_DECLS

#endif /* GST_NEVA_LLM_SCORES_H */
