/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The element's state, shared by its three files:
 *
 *   gstnevaframesampler.c   class, properties, pads, states
 *   samplerframes.c         what happens to a frame
 *   samplerevents.c         events and queries
 */
#ifndef NEVA_SAMPLER_PRIV_H
#define NEVA_SAMPLER_PRIV_H

#include "damage.h"
#include "gate.h"
#include "gstnevaframesampler.h"
#include "lookahead.h"
#include "samplerdebug.h"
#include "stamps.h"
#include "window.h"

G_BEGIN_DECLS

struct _GstNevaFrameSampler {
  GstElement parent;

  GstPad *sinkpad, *srcpad;

  /* Object lock. */
  NevaSamplerConfig config; /* the properties */
  gboolean config_changed;
  gboolean seek;               /* seek=auto */
  GstClockTime frame_duration; /* from the caps, 0 = unknown */
  NevaWindowCounts counts;     /* for `stats` */
  guint64 frames;              /* the same */

  /* Sink pad's stream lock. */
  NevaWindows *windows;
  NevaStamps stamps;
  NevaLookahead lookahead;
  NevaDamage damage;
  NevaGate gate;
  NevaSamplerConfig active; /* the copy in use */
  GstSegment segment;
  NevaStreamFacts facts;
  gboolean facts_known; /* about this segment */
  gboolean eos;         /* EOS was sent, or an error posted */
  gboolean discont;     /* frames were dropped since the last one sent */
  GstClockTime sent;    /* PTS up to which downstream has heard of, or NONE */
  guint warned;         /* NevaNotes and WARNED_* that were posted */
  guint damaged_clips;  /* so far, of this stream */
};

/* Pad functions. */
GstFlowReturn neva_sampler_chain (
    GstPad *pad, GstObject *parent, GstBuffer *buffer);
gboolean neva_sampler_sink_event (
    GstPad *pad, GstObject *parent, GstEvent *event);
gboolean neva_sampler_src_event (
    GstPad *pad, GstObject *parent, GstEvent *event);
gboolean neva_sampler_sink_query (
    GstPad *pad, GstObject *parent, GstQuery *query);
gboolean neva_sampler_src_query (
    GstPad *pad, GstObject *parent, GstQuery *query);

/* Stream lock. Ends the clips in progress with what they have. */
GstFlowReturn neva_sampler_cut (GstNevaFrameSampler *self);

/* Stream lock, at EOS. Ends the clips; FALSE if the stream is not over, because
 * a frame that should have come is sought once more. */
gboolean neva_sampler_end (GstNevaFrameSampler *self);

/* Stream lock. The stream ends here, be it that nothing more is wanted or that
 * an error was posted. EOS, not ERROR: upstream stops without a second error,
 * and downstream finishes what it has. Returns: for upstream. */
GstFlowReturn neva_sampler_give_up (GstNevaFrameSampler *self);

/* Stream lock, or stopped. Forgets the stream, as after a flush. */
void neva_sampler_reset (GstNevaFrameSampler *self);

G_END_DECLS

#endif /* NEVA_SAMPLER_PRIV_H */
