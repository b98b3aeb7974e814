/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this folder know of the element.
 *
 *   gstnevallm.c  class, properties, states
 *   pads.c        the pads, their queries and events from downstream
 *   sink.c        the streaming thread: frames into clips, overflow
 *   events.c      the streaming thread: events, EOS, flushing
 *   worker.c      the element's thread: encode, ask, wait for answers
 *   ask.c         what is asked about a clip: prompts.c, question.c, memory.c
 *   handles.c     what nevaencoder left on the frames, or did not
 *   regions.c     the objects of frames, which are asked about one by one
 *   deliver.c     an answer becomes message, text and meta
 *   aligned.c     video held back until its captions are known
 *   textstream.c  the text pads; clips.c the pending clips; text.c formatting
 *
 *        frame with sample meta          model's thread: done, partial
 *                |                                  |
 *   sink ---> clips: collecting, waiting, asked, answered ---> worker thread
 *     |                                                      /     |      \
 *     |  timing=late                                    message   text caption
 *     +---------------------------------> src            (bus)   stream     |
 *     +--> delay queue (timing=aligned) --> src <---------------------------+
 *
 * Locks: `lock` guards everything marked so below; it is never held while a pad
 * is pushed to, a message posted or the engine called. The object lock guards
 * the settings and is never held together with `lock`. */
#ifndef GST_NEVA_LLM_PRIVATE_H
#define GST_NEVA_LLM_PRIVATE_H

#include <gst/video/video.h>
#include "clips.h"
#include "common/gstnevamodel.h"
#include "common/gstnevashare.h"
#include "gstnevallm.h"
#include "settings.h"
#include "textstream.h"

G_BEGIN_DECLS

/* A custom event of this name, from upstream or downstream, makes nevallm
 * forget; it is passed on. */
#define GST_NEVA_LLM_FORGET_EVENT "neva-forget"

/* What leaves on the src pad; decided when the first CAPS come. */
typedef enum {
  GST_NEVA_LLM_MODE_UNDECIDED,
  GST_NEVA_LLM_MODE_TEXT,
  GST_NEVA_LLM_MODE_VIDEO,  /* at once */
  GST_NEVA_LLM_MODE_DELAYED /* through the delay queue */
} GstNevaLlmMode;

/* A clip that has been decided while frames of it are still held. */
typedef struct {
  GstClockTime start, end; /* running time */
  GstStructure *caption;   /* NULL: there will be none */
} GstNevaLlmDecision;

typedef struct {
  guint64 clips, answered, dropped, failed, skipped, late, gated, empty;
  guint64 frames,
      reused; /* chosen frames; places in clips beside their first */
} GstNevaLlmCounts;

struct _GstNevaLlm {
  GstElement parent;

  GstPad *sinkpad, *srcpad;
  GstNevaModelLoader loader;

  /* Object lock. */
  GstNevaModelOptions options;
  GstNevaShare share;
  GstNevaLlmSettings settings;

  GMutex lock;
  GCond cond; /* something under `lock` has changed */

  /* Under lock. */
  GstNevaLlmMode mode;
  GstNevaTextStream *src_text; /* on the src pad; used when mode is TEXT */
  GPtrArray *texts;            /* GstNevaTextStream, of the request pads */
  GstFlowReturn src_flow;      /* the last one */
  GstNevaLlmClips clips;
  guint n_asked;
  guint n_calls;      /* requests whose callbacks may still come */
  guint serial;       /* changes with every flush */
  GHashTable *alerts; /* prompt id -> GstNevaLlmAlert */
  guint alert_serial; /* that they belong to */
  GstNevaLlmMemory memory;
  guint epoch; /* of clips that begin now */
  gboolean running, flushing, failed, delivering;
  gboolean reported; /* an error was posted, or is being */
  gboolean foreign_warned;
  gboolean live;
  GCancellable *cancel; /* waiting for the engine; replaced after a flush */
  GstNevaLlmCounts counts;
  NevaModel *model;   /* that was asked last, or NULL */
  GPtrArray *current; /* GstStructure: captions for passing frames,
                         timing=late; at most one of each prompt */
  GstEvent *stream_start;
  GstEvent *segment_event; /* the last one, in time */
  guint32 last_seek;       /* seqnum */
  GstClockTime max_delay;  /* of the settings */
  GThread *worker;

  /* Under lock; see aligned.c. */
  GQueue delayed;
  gboolean delay_running, delay_eos, delay_warned;
  GstFlowReturn delay_flow;
  /* Running times: of the last frame that came, of the end of the last one that
   * left, of the beginning of the clip that began last. 0: none yet. */
  GstClockTime newest, delay_left;
  GstClockTime newest_clip_start; /* GST_CLOCK_TIME_NONE: none yet */
  GQueue decisions;               /* GstNevaLlmDecision, in order */

  /* Streaming thread. */
  GstVideoInfo info;
  gboolean have_info, asked_live;
  gboolean bare_checked; /* see handles.c; anew for each caps */
  GstSegment segment;
  guint32 segment_seqnum;
  guint64 frames_seen, chosen_seen;
};

/* ---- gstnevallm.c ---- */

/* A copy; clear it. */
void gst_neva_llm_get_settings (GstNevaLlm *self, GstNevaLlmSettings *out);
/* After one of the form's properties was set: compiles without a lock. While
 * the stream runs, what cannot be compiled is a warning, and answers keep the
 * form that they had. */
void gst_neva_llm_update_form (GstNevaLlm *self);
/* FALSE, with the error posted, when the form cannot be used. */
gboolean gst_neva_llm_check_form (GstNevaLlm *self);
/* Remembers what a pad returned. Returns: what upstream is to be told. */
GstFlowReturn gst_neva_llm_combine (
    GstNevaLlm *self, GstPad *pad, GstFlowReturn flow);
/* What was said is forgotten: of clips that begin from now on, or, if
 * `at_once`, of those that were not asked about yet, too. */
void gst_neva_llm_forget (GstNevaLlm *self, gboolean at_once);
/* The active text streams. (transfer full) (element-type GstNevaTextStream) */
GPtrArray *gst_neva_llm_ref_texts (GstNevaLlm *self);
/* Tells the text streams where the video that leaves (or would) is. */
void gst_neva_llm_advance (GstNevaLlm *self, GstClockTime position);
/* Begin to push what the mode asks for on the src pad; on the text pad. */
void gst_neva_llm_start_src (GstNevaLlm *self);
void gst_neva_llm_start_text (GstNevaLlm *self);

/* ---- prompts.c ---- */

/* While the stream runs, what cannot be used is a warning, and what was asked
 * is asked on. No lock held. */
void gst_neva_llm_set_prompts (GstNevaLlm *self, const GValue *value);
/* FALSE, with the error posted, when they cannot be used. */
gboolean gst_neva_llm_check_prompts (GstNevaLlm *self);

/* ---- pads.c ---- */

void gst_neva_llm_add_pads (GstNevaLlm *self);
void gst_neva_llm_add_pad_templates (GstElementClass *klass);
/* The prompt whose answers a text pad carries, by its name `text_ID`; NULL:
 * those of all. */
const char *gst_neva_llm_text_prompt (GstPad *pad);
GstPad *gst_neva_llm_request_new_pad (GstElement *element,
    GstPadTemplate *template, const char *name, const GstCaps *caps);
void gst_neva_llm_release_pad (GstElement *element, GstPad *pad);

/* ---- sink.c ---- */

GstFlowReturn gst_neva_llm_chain (
    GstPad *pad, GstObject *parent, GstBuffer *buffer);
/* The running time at which the picture is over, or GST_CLOCK_TIME_NONE. */
GstClockTime gst_neva_llm_buffer_end (GstNevaLlm *self, GstBuffer *buffer);
/* Video has come in up to this running time. */
void gst_neva_llm_passed (GstNevaLlm *self, GstClockTime position);
/* Lock held. Clips numbered below `before` that will not end any more. */
void gst_neva_llm_remove_unfinished (GstNevaLlm *self, guint64 before);
void gst_neva_llm_finish_clip (GstNevaLlm *self, const GstNevaClip *end);

/* ---- events.c ---- */

gboolean gst_neva_llm_sink_event (
    GstPad *pad, GstObject *parent, GstEvent *event);
/* FLUSH_START, and on the way to READY: nothing waits any more, and no question
 * is left. Then, when streams may flow again, resume. */
void gst_neva_llm_interrupt (GstNevaLlm *self);
void gst_neva_llm_resume (GstNevaLlm *self);

/* ---- worker.c ---- */

void gst_neva_llm_worker_start (GstNevaLlm *self);
/* After gst_neva_llm_interrupt (). */
void gst_neva_llm_worker_stop (GstNevaLlm *self);

/* No lock held. The model that answers: the one that is named, else the one
 * that looked at the clip's frames. NULL: interrupted, or the stream has
 * failed. */
NevaModel *gst_neva_llm_wait_for_model (GstNevaLlm *self, GstNevaLlmClip *clip);

/* ---- ask.c ---- */

/* Worker thread, no lock held. All prompts about a clip that was marked ASKED
 * and counted. frames: NevaEmbedding, repeated ones too. */
void gst_neva_llm_ask (GstNevaLlm *self, GstNevaLlmClip *clip,
    GPtrArray *frames, GCancellable *cancel);

/* ---- handles.c ---- */

/* Streaming thread. If a chosen frame comes without a handle, can it be shown
 * to a model here? If not, the stream fails at once. */
void gst_neva_llm_check_bare (GstNevaLlm *self, GstBuffer *buffer);
/* Streaming thread, lock held. What is kept of a chosen frame. model: the one
 * that answers, or NULL while that is not known. */
void gst_neva_llm_take_handle (GstNevaLlm *self, GstNevaLlmFrame *frame,
    GstBuffer *buffer, NevaModel *model);
/* Worker thread, no lock held: the model is known now. Returns: FALSE when
 * handles are of another model, so that their frames must be encoded. */
gboolean gst_neva_llm_settle_handles (
    GstNevaLlm *self, GstNevaLlmClip *clip, NevaModel *model);

/* ---- regions.c; lock held ---- */

/* What was found in a chosen frame; and the handles that it carries. */
void gst_neva_llm_take_objects (GstNevaLlmFrame *frame, GstBuffer *buffer);
/* Its objects are asked about, not the clip. */
gboolean gst_neva_llm_clip_has_regions (const GstNevaLlmClip *clip);
guint gst_neva_llm_clip_count_objects (const GstNevaLlmClip *clip);
/* (transfer none) (nullable): any */
NevaEmbedding *gst_neva_llm_clip_peek_embedding (const GstNevaLlmClip *clip);
/* What is asked about the clip, or about each of its objects. (transfer full)
 * (element-type GstNevaLlmQuestion) */
GPtrArray *gst_neva_llm_clip_questions (
    const GstNevaLlmClip *clip, const GstNevaLlmSettings *settings);
/* (transfer full) (nullable): for the prompt */
char *gst_neva_llm_clip_last_objects (const GstNevaLlmClip *clip);
/* Sets the caption's fields about the object, if there is one. No lock. */
void gst_neva_llm_tell_object (
    const GstNevaLlmQuestion *question, GstStructure *caption);
/* Captions of objects stay beside others of the same clip, and go with the next
 * clip. caption: (transfer full) (nullable). */
void gst_neva_llm_replace_current_object (GstNevaLlm *self,
    const GstNevaLlmClip *clip, const GstNevaLlmQuestion *question,
    GstStructure *caption);

/* ---- deliver.c ---- */

/* Worker thread, no lock held. With its last question the clip is out of the
 * list. question: NULL when the clip failed before it was asked about; serial:
 * from when it was taken. */
void gst_neva_llm_deliver (GstNevaLlm *self, GstNevaLlmClip *clip,
    GstNevaLlmQuestion *question, guint serial);
void gst_neva_llm_deliver_partial (GstNevaLlm *self, GstNevaLlmClip *clip,
    GstNevaLlmQuestion *question, const char *text, guint serial);
/* The clip will have no caption because there was no time for it: counts it and
 * posts QoS. No lock held. */
void gst_neva_llm_report_drop (GstNevaLlm *self, GstNevaLlmClip *clip);
/* The stream cannot go on. error: NULL when it was posted already. */
void gst_neva_llm_fail (
    GstNevaLlm *self, const char *what, const GError *error);
/* details: (transfer full) (nullable): of the message. */
void gst_neva_llm_fail_with_details (GstNevaLlm *self, const char *what,
    GstStructure *details, const GError *error);

/* ---- aligned.c ---- */

/* Streaming thread. Take the object. */
GstFlowReturn gst_neva_llm_delay_buffer (GstNevaLlm *self, GstBuffer *buffer);
void gst_neva_llm_delay_event (GstNevaLlm *self, GstEvent *event);
void gst_neva_llm_delay_start (GstNevaLlm *self);
/* Discards frames and segments; the task ends or pauses. */
void gst_neva_llm_delay_stop (GstNevaLlm *self);
/* After that, with the task ended: nothing is left of the stream. */
void gst_neva_llm_delay_clear (GstNevaLlm *self);
/* Lock held. caption: transfer full, or NULL. */
void gst_neva_llm_decide (
    GstNevaLlm *self, const GstNevaLlmClip *clip, GstStructure *caption);
/* Lock held: the running time before which every caption is decided. */
GstClockTime gst_neva_llm_horizon (GstNevaLlm *self, GstClockTime position);

G_END_DECLS

#endif /* GST_NEVA_LLM_PRIVATE_H */
