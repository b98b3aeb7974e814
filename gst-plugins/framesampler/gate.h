/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Looks at every frame for the property `gate`: does anything happen in it? A
 * clip in which nothing does is not captioned. Streaming thread only. */
#ifndef NEVA_SAMPLER_GATE_H
#define NEVA_SAMPLER_GATE_H

#include <gst/video/video.h>
#include <neva/motion.h>

G_BEGIN_DECLS

typedef enum { NEVA_GATE_NONE, NEVA_GATE_MOTION, NEVA_GATE_SCENE } NevaGateKind;

typedef struct {
  NevaGateKind kind;
  double threshold, area, cut; /* see NevaMotionSettings */
  GstClockTime heartbeat;      /* ns; 0 = none */
} NevaGateConfig;

/* Running times, or GST_CLOCK_TIME_NONE. */
typedef struct {
  GstClockTime sure;  /* something happened then */
  GstClockTime maybe; /* the same; the next frames will tell */
} NevaHappening;

#define NEVA_NOTHING_HAPPENS                                                   \
  (NevaHappening)                                                              \
  {                                                                            \
    GST_CLOCK_TIME_NONE, GST_CLOCK_TIME_NONE                                   \
  }

typedef struct {
  NevaMotion *motion; /* or NULL */
  GstVideoInfo info;
  gboolean readable;  /* info is of such frames */
  GstClockTime maybe; /* until it is over */
} NevaGate;

void neva_gate_init (NevaGate *gate);
void neva_gate_clear (NevaGate *gate);
/* The next frame is the first one. */
void neva_gate_reset (NevaGate *gate);
/* The same where pictures have another size or format. */
void neva_gate_set_caps (NevaGate *gate, const GstCaps *caps);

/* time: running time. Returns: FALSE with error set when the frame cannot be
 * looked at. */
gboolean neva_gate_look (NevaGate *gate, const NevaGateConfig *config,
    GstBuffer *buffer, GstClockTime time, NevaHappening *out, GError **error);

G_END_DECLS

#endif /* NEVA_SAMPLER_GATE_H */
