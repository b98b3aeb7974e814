/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Windows that are waiting to be judged, and which texts belong to which. Times
 * are running times, ns. Not thread-safe; the element's lock guards it. */
#ifndef GST_NEVA_JUDGE_CLIPS_H
#define GST_NEVA_JUDGE_CLIPS_H

#include <gst/gst.h>

G_BEGIN_DECLS

/* One candidate's or the reference's text. */
typedef struct {
  char *pad; /* name */
  guint id;  /* of the pad; unique in the element's life */
  char *text;
  GstStructure *caption; /* what its caption meta said, or NULL */
  GstClockTime start, end;
} GstNevaJudgeText;

void gst_neva_judge_text_free (GstNevaJudgeText *text);

typedef enum {
  GST_NEVA_JUDGE_CLIP_GATHERING,
  GST_NEVA_JUDGE_CLIP_READY,
  GST_NEVA_JUDGE_CLIP_ASKED,
  GST_NEVA_JUDGE_CLIP_JUDGED
} GstNevaJudgeClipState;

typedef struct {
  gint refs;
  GstNevaJudgeClipState state; /* element's lock */
  guint64 number;              /* in the order in which windows were begun */
  guint64 judged;              /* in the order in which they leave */
  GstClockTime start, end;     /* of the first text */
  gint64 deadline_us;          /* monotonic */
  gboolean complete;           /* no candidate is missing */
  GPtrArray *texts;            /* GstNevaJudgeText, by pad number; immutable
                                  once the clip is no longer gathering */
  GstNevaJudgeText *reference; /* or NULL; the same */
  char *context;               /* or NULL; the same */

  /* The worker that judges it. */
  char *reply, *error; /* one of them */
  double *scores;      /* [texts->len], in [0, texts->len) all -1 if none */
  gint best;           /* index, or -1 */
  GstClockTime judge_time;
} GstNevaJudgeClip;

GstNevaJudgeClip *gst_neva_judge_clip_ref (GstNevaJudgeClip *clip);
void gst_neva_judge_clip_unref (GstNevaJudgeClip *clip);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (GstNevaJudgeClip, gst_neva_judge_clip_unref)

/* TRUE if two windows are of the same part: they share more than half of what
 * they cover together. */
gboolean gst_neva_judge_same_window (GstClockTime start, GstClockTime end,
    GstClockTime start2, GstClockTime end2);

gboolean gst_neva_judge_clip_has (const GstNevaJudgeClip *clip, guint pad_id);

/* The queue is in the order of start. Finds the gathering clip that shares most
 * with the window and has no text of that pad; NULL: there is none. */
GstNevaJudgeClip *gst_neva_judge_clips_find (
    GQueue *clips, guint pad_id, GstClockTime start, GstClockTime end);
/* (transfer none): a new gathering clip in its place in the queue. */
GstNevaJudgeClip *gst_neva_judge_clips_begin (
    GQueue *clips, guint64 number, GstClockTime start, GstClockTime end);
/* Takes the text. */
void gst_neva_judge_clip_add (GstNevaJudgeClip *clip, GstNevaJudgeText *text);

G_END_DECLS

#endif /* GST_NEVA_JUDGE_CLIPS_H */
