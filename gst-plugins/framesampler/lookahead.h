/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Knows the packets of the file that feeds the element, and with them which
 * frames exist, which can be decoded, and how to reach the next one cheaply:
 * by decoding on, or by a seek to the key frame before it. */
#ifndef NEVA_LOOKAHEAD_H
#define NEVA_LOOKAHEAD_H

#include "index.h"
#include "plan.h"
#include "seeker.h"

G_BEGIN_DECLS

typedef struct {
  NevaSeeker seeker;
  NevaIndexCancel cancel;

  /* Streaming thread. */
  gchar *path;      /* of the file that index describes */
  NevaIndex *index; /* kept over flushes while the stream is the same */
  GArray *times;    /* GstNevaSampleTime of the packets in the segment */
  GstSegment segment;
  gboolean usable;  /* times describe this segment */
  gboolean endless; /* the file does not come to an end */
  gboolean retried; /* the wanted frame was sought a second time */
} NevaLookahead;

typedef enum {
  NEVA_LOOK_GO_ON,    /* nothing to do */
  NEVA_LOOK_FLUSHING, /* a seek was sent: drop the frame, return FLUSHING */
  NEVA_LOOK_MISSING,  /* the wanted frame did not come out of the decoder */
  NEVA_LOOK_DAMAGED   /* the next wanted frame cannot be decoded */
} NevaLook;

void neva_lookahead_init (
    NevaLookahead *l, GstElement *element, GstPad *sinkpad);
void neva_lookahead_clear (NevaLookahead *l);

/* Forgets the stream, its index too if `all`. Streaming thread, or stopped. */
void neva_lookahead_reset (NevaLookahead *l, gboolean all);

/* Streaming thread, before the first frame of a segment. Reads the file if it
 * is not known yet, which takes a while; adds to *facts what it learned. With
 * seek, later calls may seek. Returns FALSE if it learned nothing; *why then
 * says why (static), or is NULL after an interruption. */
gboolean neva_lookahead_learn (NevaLookahead *l, const GstSegment *segment,
    gboolean seek, NevaStreamFacts *facts, const gchar **why);

/* Streaming thread, with each frame: is it, or is it before, the wanted one? */
NevaLook neva_lookahead_arrived (
    NevaLookahead *l, GstClockTime pts, const GstNevaSampleTime *wanted);

/* Streaming thread, after a frame was handled: moves on to the wanted one. On
 * DAMAGED *message describes the frame (transfer full). */
NevaLook neva_lookahead_advance (NevaLookahead *l, GstClockTime pts,
    const GstNevaSampleTime *wanted, gchar **message);

/* Streaming thread, once usable. Where the file's last frame ends, PTS. */
GstClockTime neva_lookahead_end (NevaLookahead *l);

/* What is wrong with the wanted frame, for people; transfer full. */
gchar *neva_lookahead_describe (
    NevaLookahead *l, const GstNevaSampleTime *wanted);

G_END_DECLS

#endif /* NEVA_LOOKAHEAD_H */
