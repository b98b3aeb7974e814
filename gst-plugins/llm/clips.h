/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The clips between the first of their frames and their answer, in the order
 * in which they began, which is the order in which they are answered.
 *
 *   COLLECTING --clip event--> WAITING --asked--> ASKED --> ANSWERED
 *        \                        \-----> FAILED
 *         +------------------------+---- removed: dropped, flushed
 *
 * Nothing here locks, posts or calls the engine: the owner's lock guards the
 * list and every clip in it. A clip is referenced by the list, by whoever works
 * on it without the lock, and by its request's callbacks. */
#ifndef GST_NEVA_LLM_CLIPS_H
#define GST_NEVA_LLM_CLIPS_H

#include <gst/video/video.h>
#include "common/gstnevaregionsmeta.h"
#include "common/gstnevasamplemeta.h"
#include "question.h"

G_BEGIN_DECLS

typedef enum {
  GST_NEVA_LLM_CLIP_COLLECTING,
  GST_NEVA_LLM_CLIP_WAITING,
  GST_NEVA_LLM_CLIP_ASKED,
  GST_NEVA_LLM_CLIP_ANSWERED,
  GST_NEVA_LLM_CLIP_FAILED,
  GST_NEVA_LLM_CLIP_REMOVED
} GstNevaLlmClipState;

/* A chosen frame: what the model sees of it, or, until that is submitted, the
 * picture itself. Both while it is not known whether the embedding is of the
 * model that will answer. */
typedef struct {
  NevaEmbedding *embedding;
  GstBuffer *buffer;
  GstVideoInfo info;
  GArray *regions; /* GstNevaRegionHandle: the objects of the frame, of which
                      nothing else is asked then; or NULL */
  char *objects;   /* what was found in it, for the prompt; or NULL */
} GstNevaLlmFrame;

typedef struct {
  gint refs; /* atomic */
  GstNevaLlmClipState state;
  guint64 number;
  GstClockTime start, end; /* running time; end NONE until the clip event */
  guint count;             /* frames, repeats of the last one included */
  GArray *times;           /* GstNevaSampleTime */
  GArray *frames;          /* GstNevaLlmFrame, distinct ones */
  guint next_index;        /* of the next distinct frame */
  gboolean undecided;      /* a gate has not let it pass yet */
  GstNevaVerdict *verdict; /* of a gate that is still looking, or NULL */
  GstSegment segment;      /* of the video that the clip is from */
  guint32 seqnum;          /* of that segment's event */

  guint epoch; /* of memory.h, in which it began */

  GPtrArray *questions; /* GstNevaLlmQuestion; NULL until ASKED */
  guint n_open;         /* of them: the model has not answered yet */
  guint n_delivered;    /* the first ones */
  char *model;          /* that was asked */
  char *objects;        /* of its last frame that has any, or NULL */
  GError *error;        /* when FAILED: nothing could be asked */
} GstNevaLlmClip;

GstNevaLlmClip *gst_neva_llm_clip_ref (GstNevaLlmClip *clip);
void gst_neva_llm_clip_unref (GstNevaLlmClip *clip);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstNevaLlmClip, gst_neva_llm_clip_unref)

/* Every frame has an embedding. */
gboolean gst_neva_llm_clip_is_encoded (const GstNevaLlmClip *clip);
/* The first frame without one, or -1. */
gint gst_neva_llm_clip_next_to_encode (const GstNevaLlmClip *clip);
/* The question whose turn it is to be delivered, or NULL. */
GstNevaLlmQuestion *gst_neva_llm_clip_next (const GstNevaLlmClip *clip);
/* Lets go of pictures and embeddings. */
void gst_neva_llm_clip_forget_frames (GstNevaLlmClip *clip);

typedef struct {
  GQueue queue; /* GstNevaLlmClip, owned */
} GstNevaLlmClips;

void gst_neva_llm_clips_init (GstNevaLlmClips *clips);
void gst_neva_llm_clips_clear (GstNevaLlmClips *clips);

/* The clip that a chosen frame belongs to, begun if this is its first frame;
 * (transfer none). NULL if it is not collecting any more. */
GstNevaLlmClip *gst_neva_llm_clips_collect (GstNevaLlmClips *clips,
    const GstNevaSampleMeta *meta, const GstSegment *segment, guint32 seqnum);
/* The clip of that number if it is COLLECTING; (transfer none). */
GstNevaLlmClip *gst_neva_llm_clips_find (
    GstNevaLlmClips *clips, guint64 number);
/* The first clip in that state; (transfer none) (nullable). */
GstNevaLlmClip *gst_neva_llm_clips_first (
    GstNevaLlmClips *clips, GstNevaLlmClipState state);
guint gst_neva_llm_clips_count (
    GstNevaLlmClips *clips, GstNevaLlmClipState state);
/* (transfer none) (nullable) */
GstNevaLlmClip *gst_neva_llm_clips_head (GstNevaLlmClips *clips);
/* The requests of all questions of all clips. (transfer full) (element-type
 * NevaRequest) */
GPtrArray *gst_neva_llm_clips_requests (GstNevaLlmClips *clips);
/* Takes it out and marks it REMOVED; the list's reference goes to the caller.
 */
GstNevaLlmClip *gst_neva_llm_clips_remove (
    GstNevaLlmClips *clips, GstNevaLlmClip *clip);

G_END_DECLS

#endif /* GST_NEVA_LLM_CLIPS_H */
