/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "clips.h"

void
gst_neva_judge_text_free (GstNevaJudgeText *text)
{
  if (!text)
    return;
  g_free (text->pad);
  g_free (text->text);
  g_clear_pointer (&text->caption, gst_structure_free);
  g_free (text);
}

GstNevaJudgeClip *
gst_neva_judge_clip_ref (GstNevaJudgeClip *clip)
{
  g_atomic_int_inc (&clip->refs);
  return clip;
}

void
gst_neva_judge_clip_unref (GstNevaJudgeClip *clip)
{
  if (!g_atomic_int_dec_and_test (&clip->refs))
    return;
  g_ptr_array_unref (clip->texts);
  gst_neva_judge_text_free (clip->reference);
  g_free (clip->context);
  g_free (clip->reply);
  g_free (clip->error);
  g_free (clip->scores);
  g_free (clip);
}

static GstClockTime
shared (GstClockTime a, GstClockTime a_end, GstClockTime b, GstClockTime b_end)
{
  const GstClockTime from = MAX (a, b), to = MIN (a_end, b_end);

  return to > from ? to - from : 0;
}

gboolean
gst_neva_judge_same_window (
    GstClockTime a, GstClockTime a_end, GstClockTime b, GstClockTime b_end)
{
  const GstClockTime both = shared (a, a_end, b, b_end);

  if (a == b && a_end == b_end)
    return TRUE;
  return both > (MAX (a_end, b_end) - MIN (a, b)) / 2;
}

gboolean
gst_neva_judge_clip_has (const GstNevaJudgeClip *clip, guint pad_id)
{
  if (clip->reference && clip->reference->id == pad_id)
    return TRUE;
  for (guint i = 0; i < clip->texts->len; i++)
    if (((const GstNevaJudgeText *) clip->texts->pdata[i])->id == pad_id)
      return TRUE;
  return FALSE;
}

GstNevaJudgeClip *
gst_neva_judge_clips_find (
    GQueue *clips, guint pad_id, GstClockTime start, GstClockTime end)
{
  GstNevaJudgeClip *found = NULL;
  GstClockTime most = 0;

  for (GList *l = clips->head; l; l = l->next) {
    GstNevaJudgeClip *clip = l->data;
    const GstClockTime both = shared (clip->start, clip->end, start, end);

    if (clip->state != GST_NEVA_JUDGE_CLIP_GATHERING ||
        gst_neva_judge_clip_has (clip, pad_id) ||
        !gst_neva_judge_same_window (clip->start, clip->end, start, end))
      continue;
    if (!found || both > most) {
      found = clip;
      most = both;
    }
  }
  return found;
}

GstNevaJudgeClip *
gst_neva_judge_clips_begin (
    GQueue *clips, guint64 number, GstClockTime start, GstClockTime end)
{
  GstNevaJudgeClip *clip = g_new0 (GstNevaJudgeClip, 1);
  GList *before = clips->tail;

  clip->refs = 1;
  clip->number = number;
  clip->start = start;
  clip->end = end;
  clip->best = -1;
  clip->texts = g_ptr_array_new_with_free_func (
      (GDestroyNotify) gst_neva_judge_text_free);
  while (before && ((GstNevaJudgeClip *) before->data)->start > start)
    before = before->prev;
  if (before)
    g_queue_insert_after (clips, before, clip);
  else
    g_queue_push_head (clips, clip);
  return clip;
}

void
gst_neva_judge_clip_add (GstNevaJudgeClip *clip, GstNevaJudgeText *text)
{
  guint at = 0;

  while (at < clip->texts->len &&
         ((const GstNevaJudgeText *) clip->texts->pdata[at])->id < text->id)
    at++;
  g_ptr_array_insert (clip->texts, (gint) at, text);
}
