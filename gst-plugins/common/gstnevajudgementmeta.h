/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* GstNevaJudgementMeta: what a judge said of the captions of one window. A
 * GstCustomMeta, as GstNevaCaptionMeta is; the same fields make the element
 * message `neva-judgement`. Times are in nanoseconds, running times unless it
 * says otherwise, GST_CLOCK_TIME_NONE where unknown.
 *
 *   clip           uint64   counts the judged windows of a stream from 0
 *   start, end     uint64   the window, [start, end)
 *   best           int      index of the best of the arrays below; -1: no
 *                           scores
 *   score          double   of the best; -1: no scores
 *   pads           array of string    the candidates' pads, in their order
 *   candidates     array of string    their texts
 *   models         array of string    who wrote them; "" where unknown
 *   scores         array of double    -1: no scores
 *   starts, ends   array of uint64    each candidate's own window
 *   reason         string   the reply behind its first line
 *   reply          string   the whole reply; "" if none came
 *   error          string   why there are no scores; "" if there are
 *   complete       boolean  FALSE: a candidate did not come in time
 *   judge          string   who judged
 *   judge-time     uint64   how long it took */
#ifndef GST_NEVA_JUDGEMENT_META_H
#define GST_NEVA_JUDGEMENT_META_H

#include <gst/gst.h>

G_BEGIN_DECLS

#define GST_NEVA_JUDGEMENT_META_NAME "GstNevaJudgementMeta"
#define GST_NEVA_JUDGEMENT_MESSAGE_NAME "neva-judgement"

/* Registers the meta; any number of times, any thread. Call before use. */
void gst_neva_judgement_meta_init (void);

/* Adds the meta with the fields of `judgement` (borrowed).
 * buffer: must be writable. */
void gst_buffer_add_neva_judgement_meta (
    GstBuffer *buffer, const GstStructure *judgement);

/* Returns: (transfer none) (nullable): the first judgement on the buffer. */
const GstStructure *gst_buffer_get_neva_judgement (GstBuffer *buffer);

G_END_DECLS

#endif /* GST_NEVA_JUDGEMENT_META_H */
