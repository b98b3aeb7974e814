/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What the files of this folder know of the element.
 *
 *   gstnevaencoder.c   class, states, frames
 *   encoderenums.c     the types of enumerations that are properties
 *   encoderproperties.c  properties, statistics
 *   novelty.c          gate=embedding: clips
 *   likeness.c         the same: frames
 *   regions.c          region=roi
 *   gpu.c              video in a GPU's memory
 */
#ifndef GST_NEVA_ENCODER_PRIVATE_H
#define GST_NEVA_ENCODER_PRIVATE_H

#include <gst/video/video.h>
#include "common/gstnevacuda.h"
#include "common/gstnevamodel.h"
#include "common/gstnevashare.h"
#include "gstnevaencoder.h"
#include "novelty.h"

G_BEGIN_DECLS

typedef enum {
  GST_NEVA_ENCODER_FRAMES_AUTO,
  GST_NEVA_ENCODER_FRAMES_MARKED,
  GST_NEVA_ENCODER_FRAMES_ALL
} GstNevaEncoderFrames;

typedef enum {
  GST_NEVA_ENCODER_OVERFLOW_AUTO,
  GST_NEVA_ENCODER_OVERFLOW_BLOCK,
  GST_NEVA_ENCODER_OVERFLOW_DROP
} GstNevaEncoderOverflow;

typedef enum {
  GST_NEVA_ENCODER_GATE_NONE,
  GST_NEVA_ENCODER_GATE_EMBEDDING
} GstNevaEncoderGate;

typedef enum {
  GST_NEVA_ENCODER_REGION_FULL_FRAME,
  GST_NEVA_ENCODER_REGION_ROI
} GstNevaEncoderRegion;

#define GST_NEVA_ENCODER_MAX_REGIONS 4
#define GST_NEVA_ENCODER_GATE_THRESHOLD 0.06

#define GST_TYPE_NEVA_ENCODER_FRAMES (gst_neva_encoder_frames_get_type ())
GType gst_neva_encoder_frames_get_type (void);
#define GST_TYPE_NEVA_ENCODER_OVERFLOW (gst_neva_encoder_overflow_get_type ())
GType gst_neva_encoder_overflow_get_type (void);
#define GST_TYPE_NEVA_ENCODER_GATE (gst_neva_encoder_gate_get_type ())
GType gst_neva_encoder_gate_get_type (void);
#define GST_TYPE_NEVA_ENCODER_REGION (gst_neva_encoder_region_get_type ())
GType gst_neva_encoder_region_get_type (void);

struct _GstNevaEncoder {
  GstBaseTransform parent;

  GstNevaModelLoader loader; /* has its own lock */
  GstNevaNovelty *novelty;   /* the same */
  GstNevaShare share;
  GstNevaCuda cuda;

  /* Object lock */
  GstNevaModelOptions options;
  GstNevaEncoderFrames frames;
  GstNevaEncoderOverflow overflow;
  GstNevaEncoderGate gate;
  double gate_threshold;
  GstClockTime heartbeat;
  GstNevaEncoderRegion region;
  guint max_regions; /* of a frame */
  guint64 n_regions, n_regions_dropped, n_regions_outside;
  GCancellable *waiting; /* replaced after each flush */
  guint64 n_frames, n_submitted, n_not_chosen, n_loading, n_full, n_refused;
  guint64 n_undecided;
  guint64 n_downloaded; /* from a GPU, for a model that is not there */
  guint64 n_reused;     /* places in clips beside a submitted frame's first */

  /* Streaming thread, between start and stop */
  GstVideoInfo info;
  NevaModel *model;
  gboolean seen_mark;
  gboolean live, live_known;
  gboolean outside_warned;
};

/* ---- gstnevaencoder.c; streaming thread ---- */

/* frame: borrowed. *embedding: (transfer full), NULL when the frame goes on
 * without, which is counted and said. Returns: whether the stream goes on. */
GstFlowReturn gst_neva_encoder_encode (GstNevaEncoder *self, GstBuffer *buffer,
    const NevaFrame *frame, NevaEmbedding **embedding);

/* ---- regions.c; streaming thread ---- */

/* region=roi: shows the pictures of the frame's objects to the model and
 * attaches the handles. frame: the whole picture. */
GstFlowReturn gst_neva_encoder_encode_regions (
    GstNevaEncoder *self, GstBuffer *buffer, const NevaFrame *frame);

/* ---- gpu.c ---- */

void gst_neva_encoder_gpu_set_context (
    GstNevaEncoder *self, GstContext *context);
/* For queries that no neighbour answered. */
gboolean gst_neva_encoder_gpu_query (GstNevaEncoder *self, GstQuery *query);
/* All caps, without those of a GPU's memory where the device is none. */
GstCaps *gst_neva_encoder_transform_caps (GstBaseTransform *trans,
    GstPadDirection direction, GstCaps *caps, GstCaps *filter);
/* A frame had to be downloaded: counted, and said once. Streaming thread. */
void gst_neva_encoder_report_download (GstNevaEncoder *self);

/* ---- encoderproperties.c ---- */

/* Also sets the class's functions for properties. */
void gst_neva_encoder_install_properties (GObjectClass *klass);

G_END_DECLS

#endif /* GST_NEVA_ENCODER_PRIVATE_H */
