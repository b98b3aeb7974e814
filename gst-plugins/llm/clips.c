/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The list of pending clips; see clips.h. */
#include "config.h"
#include "clips.h"

static void
frame_clear (gpointer data)
{
  GstNevaLlmFrame *frame = data;

  g_clear_pointer (&frame->embedding, neva_embedding_unref);
  gst_clear_buffer (&frame->buffer);
  g_clear_pointer (&frame->regions, g_array_unref);
  g_free (frame->objects);
}

static GstNevaLlmClip *
clip_new (
    const GstNevaSampleMeta *meta, const GstSegment *segment, guint32 seqnum)
{
  GstNevaLlmClip *clip = g_new0 (GstNevaLlmClip, 1);

  clip->refs = 1;
  clip->number = meta->clip;
  clip->start = meta->start;
  clip->end = meta->end;
  clip->count = meta->count;
  clip->times = g_array_ref (meta->times);
  clip->frames = g_array_new (FALSE, FALSE, sizeof (GstNevaLlmFrame));
  g_array_set_clear_func (clip->frames, frame_clear);
  gst_segment_copy_into (segment, &clip->segment);
  clip->seqnum = seqnum;
  return clip;
}

GstNevaLlmClip *
gst_neva_llm_clip_ref (GstNevaLlmClip *clip)
{
  g_atomic_int_inc (&clip->refs);
  return clip;
}

void
gst_neva_llm_clip_unref (GstNevaLlmClip *clip)
{
  if (!g_atomic_int_dec_and_test (&clip->refs))
    return;
  g_array_unref (clip->times);
  g_array_unref (clip->frames);
  g_clear_pointer (&clip->verdict, gst_neva_verdict_unref);
  g_clear_pointer (&clip->questions, g_ptr_array_unref);
  g_free (clip->model);
  g_free (clip->objects);
  g_clear_error (&clip->error);
  g_free (clip);
}

gint
gst_neva_llm_clip_next_to_encode (const GstNevaLlmClip *clip)
{
  gint first = -1;

  /* Of a clip of objects only those are shown. */
  for (guint i = 0; i < clip->frames->len; i++) {
    const GstNevaLlmFrame *frame =
        &g_array_index (clip->frames, GstNevaLlmFrame, i);

    if (frame->regions)
      return -1;
    if (!frame->embedding && first < 0)
      first = (gint) i;
  }
  return first;
}

gboolean
gst_neva_llm_clip_is_encoded (const GstNevaLlmClip *clip)
{
  return gst_neva_llm_clip_next_to_encode (clip) < 0;
}

GstNevaLlmQuestion *
gst_neva_llm_clip_next (const GstNevaLlmClip *clip)
{
  return clip->questions && clip->n_delivered < clip->questions->len
             ? clip->questions->pdata[clip->n_delivered]
             : NULL;
}

void
gst_neva_llm_clip_forget_frames (GstNevaLlmClip *clip)
{
  g_array_set_size (clip->frames, 0);
}

void
gst_neva_llm_clips_init (GstNevaLlmClips *clips)
{
  g_queue_init (&clips->queue);
}

void
gst_neva_llm_clips_clear (GstNevaLlmClips *clips)
{
  GstNevaLlmClip *clip;

  while ((clip = g_queue_peek_head (&clips->queue)))
    gst_neva_llm_clip_unref (gst_neva_llm_clips_remove (clips, clip));
}

GstNevaLlmClip *
gst_neva_llm_clips_find (GstNevaLlmClips *clips, guint64 number)
{
  for (GList *l = clips->queue.head; l; l = l->next) {
    GstNevaLlmClip *clip = l->data;

    if (clip->number == number && clip->state == GST_NEVA_LLM_CLIP_COLLECTING)
      return clip;
  }
  return NULL;
}

GstNevaLlmClip *
gst_neva_llm_clips_collect (GstNevaLlmClips *clips,
    const GstNevaSampleMeta *meta, const GstSegment *segment, guint32 seqnum)
{
  GstNevaLlmClip *clip = gst_neva_llm_clips_find (clips, meta->clip);

  if (clip || meta->index > 0)
    return clip;
  clip = clip_new (meta, segment, seqnum);
  g_queue_push_tail (&clips->queue, clip);
  return clip;
}

GstNevaLlmClip *
gst_neva_llm_clips_first (GstNevaLlmClips *clips, GstNevaLlmClipState state)
{
  for (GList *l = clips->queue.head; l; l = l->next)
    if (((GstNevaLlmClip *) l->data)->state == state)
      return l->data;
  return NULL;
}

guint
gst_neva_llm_clips_count (GstNevaLlmClips *clips, GstNevaLlmClipState state)
{
  guint n = 0;

  for (GList *l = clips->queue.head; l; l = l->next)
    n += ((GstNevaLlmClip *) l->data)->state == state;
  return n;
}

GstNevaLlmClip *
gst_neva_llm_clips_head (GstNevaLlmClips *clips)
{
  return g_queue_peek_head (&clips->queue);
}

GPtrArray *
gst_neva_llm_clips_requests (GstNevaLlmClips *clips)
{
  GPtrArray *requests =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_request_unref);

  for (GList *l = clips->queue.head; l; l = l->next) {
    const GstNevaLlmClip *clip = l->data;

    for (guint i = 0; clip->questions && i < clip->questions->len; i++) {
      const GstNevaLlmQuestion *question = clip->questions->pdata[i];

      if (question->request)
        g_ptr_array_add (requests, neva_request_ref (question->request));
    }
  }
  return requests;
}

GstNevaLlmClip *
gst_neva_llm_clips_remove (GstNevaLlmClips *clips, GstNevaLlmClip *clip)
{
  g_queue_remove (&clips->queue, clip);
  clip->state = GST_NEVA_LLM_CLIP_REMOVED;
  return clip;
}
