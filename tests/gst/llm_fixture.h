/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* nevallm between a source that the test plays and sinks that it reads. */
#ifndef NEVA_TESTS_LLM_FIXTURE_H
#define NEVA_TESTS_LLM_FIXTURE_H

#include <gst/check/gstcheck.h>
#include <gst/check/gstharness.h>
#include "gstnevasamplemeta.h"

#define LLM_CAPS "video/x-raw,format=RGB,width=4,height=4,framerate=10/1"
#define LLM_FRAME_BYTES (4 * 4 * 3)
/* Of a frame of LLM_CAPS; clips of llm_push_clip () have LLM_CLIP_FRAMES. */
#define LLM_FRAME (100 * GST_MSECOND)
#define LLM_CLIP_FRAMES 4
#define LLM_CLIP (LLM_CLIP_FRAMES * LLM_FRAME)
/* An answer that takes longer than any test. */
#define LLM_NEVER "fake:never?delay=1000000"
/* How long a test waits for something that must come. */
#define LLM_SOON (120 * GST_SECOND)

typedef struct {
  GstElement *llm;
  GstHarness *h;    /* sink and src */
  GstHarness *text; /* the text pad, or NULL */
  GstBus *bus;
  gboolean live;
} Llm;

typedef enum { LLM_LIVE = 1 << 0, LLM_TEXT_PAD = 1 << 1 } LlmFlags;

/* properties: as in gst-launch. Not playing yet. */
void llm_init (Llm *f, const char *properties, LlmFlags flags);
/* To PLAYING, with caps and segment. src caps of the video sent. */
void llm_play (Llm *f);
/* NULL, nothing left behind; the bus must hold no error. */
void llm_clear (Llm *f);

/* A frame at that time with its duration, of no clip. */
GstBuffer *llm_frame (Llm *f, GstClockTime pts);
/* Marks a frame as k-th of n of a clip [start, end). */
void llm_mark (GstBuffer *buffer, guint64 clip, guint k, guint n,
    GstClockTime start, GstClockTime end);
GstEvent *llm_clip_event (guint64 clip, guint frames, guint count,
    gboolean complete, GstClockTime start, GstClockTime end);
/* Frames and event of clip `number`, [number, number + 1) × LLM_CLIP. */
GstFlowReturn llm_push_clip (Llm *f, guint64 number);
GstFlowReturn llm_push_frames (Llm *f, guint64 number);
void llm_push_clip_event (Llm *f, guint64 number);

/* The next neva-caption message; fails on an error, or if none comes. */
GstMessage *llm_wait_message (Llm *f);
void llm_expect_caption (Llm *f, const char *text, guint64 clip);
/* The next error must come, with this text in it, and be the only one. */
void llm_expect_error (Llm *f, GQuark domain, gint code, const char *text);
guint llm_count_messages (Llm *f, GstMessageType type);
guint64 llm_stat (Llm *f, const char *name);
/* Waits for a stat to have a value, or at least so much. */
void llm_wait_stat (Llm *f, const char *name, guint64 value);
void llm_wait_stat_from (Llm *f, const char *name, guint64 least);

/* The next buffer of the harness must come, with this text. */
GstBuffer *llm_pull (GstHarness *h);
void llm_expect_text (
    GstHarness *h, const char *text, GstClockTime pts, GstClockTime duration);
/* The text of the buffer's caption meta, or NULL. (transfer none) */
const char *llm_caption_of (GstBuffer *buffer);
/* Reads events until one of that type comes; (transfer full). */
GstEvent *llm_wait_event (GstHarness *h, GstEventType type);

/* Another thread that pushes, and may wait: clips [from, to), then the event if
 * there is one. */
typedef struct {
  Llm *f;
  guint64 from, to;
  GstEvent *event;
  gint returned; /* atomic */
  GstFlowReturn flow;
} LlmPusher;
gpointer llm_push_main (gpointer pusher);

void llm_flush (Llm *f);
/* In time, at running time base. */
void llm_new_segment (Llm *f, GstClockTime start, GstClockTime base);

#endif /* NEVA_TESTS_LLM_FIXTURE_H */
