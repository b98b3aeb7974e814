/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element's parts. Texts come in on any number of pads, each on its own
 * streaming thread; what belongs to one window is gathered; workers have it
 * judged and send it out in order.
 *
 *   sink_%u, reference, context --sink.c, events.c--> clips.c
 *   clips --worker.c--> judge --report.c--> text stream --> src
 *
 * A streaming thread never waits for the judge if the source is live. */
#ifndef GST_NEVA_JUDGE_PRIVATE_H
#define GST_NEVA_JUDGE_PRIVATE_H

#include <gio/gio.h>
#include <neva/judge.h>
#include "clips.h"
#include "gstnevajudge.h"
#include "llm/textstream.h"
#include "settings.h"

G_BEGIN_DECLS

/* A text longer than this is no caption. */
#define GST_NEVA_JUDGE_MAX_TEXT (64u << 10)
/* Windows that may be incomplete at once; then the oldest is judged as it is:
 * a pad that stays silent must not make the others' texts pile up. */
#define GST_NEVA_JUDGE_MAX_GATHERING 64
/* Closed windows that are remembered, to know a late text by. */
#define GST_NEVA_JUDGE_MAX_CLOSED 16

typedef enum {
  GST_NEVA_JUDGE_CANDIDATE,
  GST_NEVA_JUDGE_REFERENCE,
  GST_NEVA_JUDGE_CONTEXT
} GstNevaJudgeRole;

/* Ids above those of candidates, which are their numbers. */
#define GST_NEVA_JUDGE_REFERENCE_ID (G_MAXUINT - 1)
#define GST_NEVA_JUDGE_CONTEXT_ID G_MAXUINT

/* What a pad has come to. Lock of the element. */
typedef struct {
  GstPad *pad; /* owned */
  GstNevaJudgeRole role;
  guint id;
  gint refs;          /* atomic */
  GstSegment segment; /* streaming thread */
  GstEvent *stream_start, *segment_event;
  gboolean eos, flushing;
  gboolean stale; /* before the flush of a seek that others had already */
  gboolean asked_live, markup; /* streaming thread */
  guint64 joined;              /* clips before this number do not wait for it */
  GstClockTime position;       /* of texts and gaps */
  GstClockTime newest;         /* start of the last text; NONE: none came */
  NevaJudgeSummary *scores;    /* candidates: of one */
  guint64 n_judged, n_best;
  char *model; /* of the last text */
} GstNevaJudgeInput;

typedef struct {
  guint64 windows, judged, failed, unscored, dropped, late, incomplete;
} GstNevaJudgeCounts;

struct _GstNevaJudge {
  GstElement parent;

  GstPad *srcpad;
  GstNevaTextStream *out;
  GstNevaJudgeSettings settings; /* object lock */

  GMutex lock;
  GCond cond;
  /* Under lock. */
  GPtrArray *inputs;          /* GstNevaJudgeInput, by id */
  GQueue clips;               /* GstNevaJudgeClip, by start */
  GQueue closed;              /* the last that left gathering, for late texts */
  GstNevaJudgeInput *leader;  /* whose stream and segment are those of src */
  GstNevaJudgeInput *flusher; /* whose flush is under way downstream */
  guint seek_seqnum;          /* of the last flushing seek that went up */
  guint flush_seqnum;         /* of the last flush */
  guint64 next_number, next_judged;
  guint serial; /* changes with each flush */
  GstNevaJudgeCounts counts;
  gboolean running, flushing, failed, live;
  gboolean delivering, finished;
  gboolean begun;       /* src has its STREAM_START */
  gboolean reported;    /* the one error was posted */
  gboolean complaining; /* the last window could not be judged either */
  char *context;        /* the last that came on the context pad */
  GstClockTime last_end;
  GstEvent *eos; /* the last one that came */
  GCancellable *cancel;
  GstFlowReturn flow; /* of src */
  NevaJudge *judge;
  NevaJudgeRules *rules; /* NULL: the built-in one */

  /* State changes. */
  GPtrArray *threads;    /* GThread */
  GCancellable *opening; /* a flush does not stop loading */
};

/* ---- gstnevajudge.c ---- */

void gst_neva_judge_get_settings (
    GstNevaJudge *self, GstNevaJudgeSettings *out);
GstNevaJudgeInput *gst_neva_judge_input_ref (GstNevaJudgeInput *input);
void gst_neva_judge_input_unref (GstNevaJudgeInput *input);
/* (transfer full): NULL when the pad was released. */
GstNevaJudgeInput *gst_neva_judge_input_of (GstNevaJudge *self, GstPad *pad);

/* ---- sink.c ---- */

GstFlowReturn gst_neva_judge_chain (
    GstPad *pad, GstObject *parent, GstBuffer *buffer);
/* Lock held: which clips are complete by now? To be called when anything
 * changed that could tell. Dropped clips are added to `dropped`. */
void gst_neva_judge_review (GstNevaJudge *self, GPtrArray *dropped);
/* Without the lock: says what was dropped, and lets downstream go on. */
void gst_neva_judge_after_review (GstNevaJudge *self, GPtrArray *dropped);

/* ---- events.c ---- */

gboolean gst_neva_judge_sink_event (
    GstPad *pad, GstObject *parent, GstEvent *event);
/* Wakes everyone, cancels what is being judged and forgets the rest. */
void gst_neva_judge_interrupt (GstNevaJudge *self);
void gst_neva_judge_resume (GstNevaJudge *self);
/* Something changed: review, and what follows from it. */
void gst_neva_judge_update (GstNevaJudge *self);
/* Lock held: no candidate will send anything more. */
gboolean gst_neva_judge_is_over (GstNevaJudge *self);

/* ---- worker.c ---- */

void gst_neva_judge_workers_start (GstNevaJudge *self);
/* After interrupt (). */
void gst_neva_judge_workers_stop (GstNevaJudge *self);
/* Without the lock. Posts the stream's one error: nothing is judged any more.
 */
void gst_neva_judge_fail (
    GstNevaJudge *self, const char *what, const GError *error);

/* ---- report.c ---- */

/* (transfer full): see gstnevajudgementmeta.h. */
GstStructure *gst_neva_judge_judgement (
    const GstNevaJudgeClip *clip, const char *judge);
/* (transfer full): one line of JSON, with its newline: what is written to a
 * file one after the other is JSON lines. */
char *gst_neva_judge_clip_json (
    const GstNevaJudgeClip *clip, const char *judge);
/* Lock held. (transfer full) */
GstStructure *gst_neva_judge_summary (GstNevaJudge *self, const char *judge);
char *gst_neva_judge_summary_json (GstNevaJudge *self, const char *judge);

G_END_DECLS

#endif /* GST_NEVA_JUDGE_PRIVATE_H */
