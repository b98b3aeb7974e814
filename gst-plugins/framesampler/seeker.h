/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Flushing seeks upstream from an element in the middle of the stream, and
 * leaving out pictures that nothing needs. Downstream sees neither the flushes
 * nor the new segments.
 *
 *   streaming thread           seek thread (gst_element_call_async)
 *   neva_seeker_seek () ─────► SEEK to the peer
 *     waits              ◄──── FLUSH_START arrives: ours, swallowed
 *     returns FLUSHING
 *                              FLUSH_STOP, swallowed
 *   SEGMENT, swallowed
 *   the wanted frame
 *
 * A flush that somebody else sends, or the element's stop, interrupts the wait.
 * All fields are the seeker's own; functions say which thread may call them. */
#ifndef NEVA_SEEKER_H
#define NEVA_SEEKER_H

#include <gst/gst.h>

#include "packet.h"

G_BEGIN_DECLS

typedef struct {
  GstElement *element; /* borrowed */
  GstPad *sinkpad;     /* borrowed */

  GMutex lock;
  GCond cond;
  gboolean active;  /* may seek; segments from upstream are ours once sought */
  gboolean sought;  /* at least one seek was sent since activation */
  gboolean stopped; /* the pads are being deactivated */
  gboolean pending; /* it is not answered yet */
  gboolean flushed; /* a flush arrived while it was pending */
  gboolean
      own_flush;   /* a FLUSH_START was kept here: so will its FLUSH_STOP be */
  GThread *thread; /* sends a seek right now, or NULL */
  guint32 seqnum;  /* of the newest seek */
  gboolean moved;  /* data arrived after it */
  GstClockTime start, stop; /* stream time, of the newest request */

  GstPad *decoder_pad; /* probed; owned, or NULL */
  gulong probe;
  GstClockTime skip_before; /* PTS: earlier disposable packets are dropped */
  NevaPacketFormat format;  /* of decoder_pad */
} NevaSeeker;

void neva_seeker_init (NevaSeeker *s, GstElement *element, GstPad *sinkpad);
void neva_seeker_clear (NevaSeeker *s);

/* READY→PAUSED. Allows requests again. */
void neva_seeker_start (NevaSeeker *s);
/* PAUSED→READY, before the pads are deactivated: wakes the streaming thread. */
void neva_seeker_interrupt (NevaSeeker *s);
/* Any thread but the streaming thread: no seeks any more, and none on its way
 * when this returns. */
void neva_seeker_join (NevaSeeker *s);

/* Streaming thread. decoder_pad may be NULL. */
void neva_seeker_activate (NevaSeeker *s, GstPad *decoder_pad);
/* Any thread: no seeks any more; a request in progress is withdrawn. */
void neva_seeker_deactivate (NevaSeeker *s);
gboolean neva_seeker_is_active (NevaSeeker *s);

/* Streaming thread. Seeks so that decoding starts at or before the stream time
 * and frames leave from there on. stop: as in the user's segment, or NONE.
 * Returns GST_FLOW_FLUSHING, to be returned upstream, or GST_FLOW_OK if
 * the seek was not possible: then the stream simply goes on. */
GstFlowReturn neva_seeker_seek (
    NevaSeeker *s, GstClockTime start, GstClockTime stop);

/* Streaming thread. Disposable packets that are shown before pts need not be
 * decoded; 0 = decode everything. */
void neva_seeker_skip_before (NevaSeeker *s, GstClockTime pts);

/* Any event on the sink pad. TRUE: the event belongs to a seek of ours and must
 * be dropped. A foreign FLUSH_START deactivates. */
gboolean neva_seeker_owns (NevaSeeker *s, GstEvent *event);

G_END_DECLS

#endif /* NEVA_SEEKER_H */
