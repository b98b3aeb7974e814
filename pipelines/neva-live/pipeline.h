/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What stands between a source and the hub, for one run:
 *
 *   source ! videoconvert ! videoflip ! clocksync ! tee
 *     tee ! queue ! nevaframesampler ! videoconvert ! nevaencoder ! nevallm !
 *           (a nevallm for each alert) ! fakesink
 *           the first nevallm's text ! appsink      (captions as they grow)
 *     tee ! queue ! videoscale ! jpegenc ! appsink  (with --http)
 *
 * On the way from the source to the tee nobody waits for the model, the hub or
 * a viewer. Files wait for the clock, so that they run as fast as they were
 * filmed. */
#ifndef NEVA_LIVE_PIPELINE_H
#define NEVA_LIVE_PIPELINE_H

#include "hub.h"
#include "common/video_pad.h"

typedef struct {
  Hub *hub; /* borrowed */
  const Source *source;
  guint index;

  GstElement *pipeline; /* owned; the others are its own */
  VideoPad video;       /* and what it goes into */
  GstElement *encoder, *llms[1 + MAX_ALERTS]; /* [0]: the captions */
  guint n_llms;

  GMutex lock;
  /* Under lock. */
  gint64 offset;     /* monotonic time - running time of frames, µs */
  gint64 last_frame; /* monotonic time, or 0 */
  /* The picture branch's thread. */
  gint64 picture_due, picture_last;
} Pipeline;

/* FALSE with error set: an element is missing, or the source's URI is nothing
 * that GStreamer reads. pipeline_clear () either way. */
gboolean pipeline_init (
    Pipeline *pipeline, Hub *hub, guint index, GError **error);
/* To NULL, and frees. */
void pipeline_clear (Pipeline *pipeline);

/* When a frame came last, or 0. */
gint64 pipeline_last_frame (Pipeline *pipeline);
/* Windows of this run that have no caption and will not get one. */
guint64 pipeline_dropped (Pipeline *pipeline);

#endif /* NEVA_LIVE_PIPELINE_H */
