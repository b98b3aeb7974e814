/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* gate=embedding: does a clip hold a frame that looks new to the model?
 *
 *   streaming thread   frames ---> clips in progress
 *                      clip event -> queue, with an open verdict on the event
 *   model's thread     frame encoded: the first clips of the queue whose frames
 *                      are all encoded are compared, in order
 *
 * Every function takes the object's own lock, which is held for no longer than
 * comparing the frames of a clip, each 64 vectors at most. */
#ifndef GST_NEVA_NOVELTY_H
#define GST_NEVA_NOVELTY_H

#include <neva/request.h>
#include "common/gstnevasamplemeta.h"

G_BEGIN_DECLS

typedef struct _GstNevaNovelty GstNevaNovelty;

typedef struct {
  guint64 windows, gated, heartbeats;
} GstNevaNoveltyCounts;

GstNevaNovelty *gst_neva_novelty_new (void);
GstNevaNovelty *gst_neva_novelty_ref (GstNevaNovelty *novelty);
void gst_neva_novelty_unref (GstNevaNovelty *novelty);

/* threshold: of gst_neva_likeness_is_new (). heartbeat: ns, 0 =
 * none. Hold from the next clip that is compared. */
void gst_neva_novelty_set (
    GstNevaNovelty *novelty, double threshold, GstClockTime heartbeat);
/* A flush, a new stream: clips in progress and queued ones are let pass; the
 * next one is the first. */
void gst_neva_novelty_reset (GstNevaNovelty *novelty);
/* Also forgets what was counted. */
void gst_neva_novelty_clear_counts (GstNevaNovelty *novelty);
GstNevaNoveltyCounts gst_neva_novelty_get_counts (GstNevaNovelty *novelty);

/* The frame was shown to the model; it belongs to the clips of its metas. */
void gst_neva_novelty_add_frame (
    GstNevaNovelty *novelty, GstBuffer *buffer, NevaEmbedding *embedding);
/* The clip is over: sets clip->verdict. A clip that is gated already, or is not
 * complete, has none. */
void gst_neva_novelty_end_clip (GstNevaNovelty *novelty, GstNevaClip *clip);

G_END_DECLS

#endif /* GST_NEVA_NOVELTY_H */
