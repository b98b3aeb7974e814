/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A sparse stream of captions on a source pad, pushed by the pad's own task so
 * that a text consumer that waits for video can never hold up that video.
 *
 *   streaming thread  begin, segment, advance, finish --+
 *   worker            push -----------------------------+--> queue --> task
 *
 * What leaves the pad: STREAM_START (own stream-id, SPARSE, the video's
 * group-id), CAPS, SEGMENT (the video's, moved so that positions are stream
 * times), then captions, and a GAP whenever the video's position moves, EOS.
 * After a caption that lies before the position, the last GAP is sent again:
 * muxers take a buffer's time for the position of the stream, and would wait
 * for text that is not due.
 *
 * Times are running times, ns. All functions may be called from any thread
 * unless they say otherwise. */
#ifndef GST_NEVA_TEXT_STREAM_H
#define GST_NEVA_TEXT_STREAM_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct _GstNevaTextStream GstNevaTextStream;

/* A pad was pushed to; called on its task, with no lock held. */
typedef void (*GstNevaTextFlowFunc) (
    GstElement *element, GstPad *pad, GstFlowReturn flow);

/* Everything is borrowed. */
typedef struct {
  const GstStructure *caption;   /* see gstnevacaptionmeta.h; rides on the
                                    buffer; NULL: none */
  const GstStructure *judgement; /* see gstnevajudgementmeta.h; the same */
  const char *text;              /* NULL: the caption's */
  guint64 clip;
  gboolean final;          /* FALSE: a later one of the same clip replaces it */
  GstClockTime start, end; /* the window */
  /* Show it when it comes: from the video's position on where that has passed
   * `start` already. FALSE: the window's own time, whatever the position. */
  gboolean arrival;
  /* Wait for room in the queue; FALSE: push out the oldest caption. */
  gboolean wait;
} GstNevaTextCaption;

/* Keeps a reference on the pad, none on the element that it is or will be
 * on. */
GstNevaTextStream *gst_neva_text_stream_new (
    GstPad *pad, GstElement *element, GstNevaTextFlowFunc flow);
GstNevaTextStream *gst_neva_text_stream_ref (GstNevaTextStream *stream);
void gst_neva_text_stream_unref (GstNevaTextStream *stream);
/* (transfer none) */
GstPad *gst_neva_text_stream_get_pad (GstNevaTextStream *stream);

/* `serial` names the time between two flushes: captions pushed with another
 * one are late answers of an old segment and are ignored. */
void gst_neva_text_stream_start (GstNevaTextStream *stream, guint serial);
/* Discards what is queued, but for a STREAM_START, and wakes everyone; the task
 * ends or pauses. */
void gst_neva_text_stream_stop (GstNevaTextStream *stream);
/* After stop, with the task ended: nothing is left of the stream. */
void gst_neva_text_stream_clear (GstNevaTextStream *stream);

/* A new stream begins with the video's STREAM_START (borrowed). */
void gst_neva_text_stream_begin (
    GstNevaTextStream *stream, GstEvent *stream_start);
/* The video's SEGMENT, in time (borrowed). */
void gst_neva_text_stream_segment (
    GstNevaTextStream *stream, GstEvent *segment);
/* The video has come to `position`, and no caption before it is due. */
void gst_neva_text_stream_advance (
    GstNevaTextStream *stream, GstClockTime position);
/* Returns: FALSE if the stream is stopped or was flushed since `serial`. */
gboolean gst_neva_text_stream_push (
    GstNevaTextStream *stream, guint serial, const GstNevaTextCaption *caption);
/* The video's EOS (borrowed). */
void gst_neva_text_stream_finish (GstNevaTextStream *stream, GstEvent *eos);
/* Waits until EOS has left, but not beyond end_time (monotonic, us) and not
 * when the stream is stopped. */
void gst_neva_text_stream_settle (GstNevaTextStream *stream, gint64 end_time);

/* The last result of pushing a caption. */
GstFlowReturn gst_neva_text_stream_get_flow (GstNevaTextStream *stream);

G_END_DECLS

#endif /* GST_NEVA_TEXT_STREAM_H */
