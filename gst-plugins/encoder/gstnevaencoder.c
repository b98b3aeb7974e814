/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-nevaencoder
 * @title: nevaencoder
 *
 * Hands frames to a model's vision tower as they come, and attaches a handle on
 * the result (a GstNevaEmbeddingMeta) while the video goes on. With a
 * nevaframesampler before it only the frames that were chosen are encoded, each
 * once, even if several clips share it.
 *
 * The model is loaded on a thread of its own; PROGRESS messages tell how far it
 * is. Files wait for it, and wait again when the model's queue of frames is
 * full. Live streams wait for nothing: what comes too early or too fast goes by
 * without a handle and is counted (#GstNevaEncoder:stats); a QoS message is
 * posted when the queue was full.
 *
 * Video in a GPU's memory (memory:CUDAMemory) is looked at where it lies, with
 * device=cuda; the GPU's context is shared with neighbours.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 -m filesrc location=v.mp4 ! decodebin ! videoconvert !
 *     nevaframesampler ! nevaencoder model=models/demo ! nevallm ! fakesink
 * ]|
 */
#include "config.h"
#include "gstnevaencoder.h"
#include <gst/video/video.h>
#include <neva/request.h>
#include "common/gstnevaembeddingmeta.h"
#include "common/gstnevaerror.h"
#include "common/gstnevacuda.h"
#include "common/gstnevaframe.h"
#include "common/gstnevamodel.h"
#include "common/gstnevaregionsmeta.h"
#include "common/gstnevasamplemeta.h"
#include "encoder.h"

GST_DEBUG_CATEGORY (neva_encoder_debug);
#define GST_CAT_DEFAULT neva_encoder_debug

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE ("sink",
    GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_NEVA_VIDEO_CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (GST_NEVA_VIDEO_CAPS));

G_DEFINE_TYPE (GstNevaEncoder, gst_neva_encoder, GST_TYPE_BASE_TRANSFORM)
GST_ELEMENT_REGISTER_DEFINE (
    nevaencoder, "nevaencoder", GST_RANK_NONE, GST_TYPE_NEVA_ENCODER)

/* ---- Waiting, and ending it --------------------------------------------- */

static void
set_flushing (GstNevaEncoder *self, gboolean flushing)
{
  GST_OBJECT_LOCK (self);
  if (flushing) {
    GCancellable *waiting = g_object_ref (self->waiting);

    GST_OBJECT_UNLOCK (self);
    g_cancellable_cancel (waiting);
    g_object_unref (waiting);
  } else {
    g_object_unref (self->waiting);
    self->waiting = g_cancellable_new ();
    GST_OBJECT_UNLOCK (self);
  }
  gst_neva_model_loader_set_flushing (&self->loader, flushing);
}

static GstStateChangeReturn
gst_neva_encoder_change_state (GstElement *element, GstStateChange transition)
{
  /* The streaming thread has to come out before its pads can stop. */
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY)
    set_flushing (GST_NEVA_ENCODER (element), TRUE);

  if (transition == GST_STATE_CHANGE_READY_TO_NULL)
    gst_neva_cuda_clear (&GST_NEVA_ENCODER (element)->cuda, element);
  return GST_ELEMENT_CLASS (gst_neva_encoder_parent_class)
      ->change_state (element, transition);
}

/* ---- gate=embedding ---- */

/* With the gate's settings as they are now, if there is one. */
static gboolean
has_gate (GstNevaEncoder *self)
{
  GstNevaEncoderGate gate;
  GstClockTime heartbeat;
  double threshold;

  GST_OBJECT_LOCK (self);
  gate = self->gate;
  threshold = self->gate_threshold;
  heartbeat = self->heartbeat;
  GST_OBJECT_UNLOCK (self);
  if (gate == GST_NEVA_ENCODER_GATE_NONE)
    return FALSE;
  gst_neva_novelty_set (self->novelty, threshold, heartbeat);
  return TRUE;
}

/* The same event with a verdict on it, where there is to be one. */
static GstEvent *
add_verdict (GstNevaEncoder *self, GstEvent *event)
{
  GstEvent *judged;
  GstNevaClip clip;

  if (GST_EVENT_TYPE (event) != GST_EVENT_CUSTOM_DOWNSTREAM ||
      !has_gate (self) || !gst_neva_clip_event_parse (event, &clip))
    return event;
  gst_neva_novelty_end_clip (self->novelty, &clip);
  judged = gst_neva_clip_event_new (&clip);
  gst_event_set_seqnum (judged, gst_event_get_seqnum (event));
  gst_neva_clip_clear (&clip);
  gst_event_unref (event);
  return judged;
}

static gboolean
gst_neva_encoder_sink_event (GstBaseTransform *trans, GstEvent *event)
{
  GstNevaEncoder *self = GST_NEVA_ENCODER (trans);
  const GstEventType type = GST_EVENT_TYPE (event);

  if (type == GST_EVENT_FLUSH_START) {
    set_flushing (self, TRUE);
  } else if (type == GST_EVENT_FLUSH_STOP) {
    set_flushing (self, FALSE);
    gst_neva_novelty_reset (self->novelty);
  } else if (type == GST_EVENT_STREAM_START) {
    self->live_known = FALSE;
    self->seen_mark = FALSE;
    gst_neva_novelty_reset (self->novelty);
  }
  event = add_verdict (self, event);
  return GST_BASE_TRANSFORM_CLASS (gst_neva_encoder_parent_class)
      ->sink_event (trans, event);
}

static gboolean
gst_neva_encoder_query (
    GstBaseTransform *trans, GstPadDirection direction, GstQuery *query)
{
  GstNevaEncoder *self = GST_NEVA_ENCODER (trans);

  if (gst_neva_model_loader_query (&self->loader, query))
    return TRUE;
  return GST_BASE_TRANSFORM_CLASS (gst_neva_encoder_parent_class)
             ->query (trans, direction, query) ||
         gst_neva_encoder_gpu_query (self, query);
}

static gboolean
gst_neva_encoder_start (GstBaseTransform *trans)
{
  GstNevaEncoder *self = GST_NEVA_ENCODER (trans);

  set_flushing (self, FALSE);
  GST_OBJECT_LOCK (self);
  self->n_frames = self->n_submitted = self->n_not_chosen = 0;
  self->n_loading = self->n_full = self->n_refused = self->n_undecided = 0;
  self->n_reused = self->n_regions = 0;
  self->n_regions_dropped = self->n_regions_outside = 0;
  self->n_downloaded = 0;
  self->outside_warned = FALSE;
  GST_OBJECT_UNLOCK (self);
  gst_neva_novelty_clear_counts (self->novelty);
  self->seen_mark = FALSE;
  self->live_known = FALSE;
  return gst_neva_model_loader_start (&self->loader, &self->options);
}

static gboolean
gst_neva_encoder_stop (GstBaseTransform *trans)
{
  GstNevaEncoder *self = GST_NEVA_ENCODER (trans);

  gst_neva_novelty_reset (self->novelty);
  g_clear_pointer (&self->model, neva_model_unref);
  gst_neva_model_loader_stop (&self->loader);
  return TRUE;
}

/* ---- A GPU's memory: gpu.c ---- */

static void
gst_neva_encoder_set_context (GstElement *element, GstContext *context)
{
  gst_neva_encoder_gpu_set_context (GST_NEVA_ENCODER (element), context);
  GST_ELEMENT_CLASS (gst_neva_encoder_parent_class)
      ->set_context (element, context);
}

/* ---- Frames ------------------------------------------------------------- */

static gboolean
gst_neva_encoder_set_caps (GstBaseTransform *trans, GstCaps *in, GstCaps *out)
{
  GstNevaEncoder *self = GST_NEVA_ENCODER (trans);

  return gst_video_info_from_caps (&self->info, in);
}

static gboolean
gst_neva_encoder_propose_allocation (
    GstBaseTransform *trans, GstQuery *decide_query, GstQuery *query)
{
  if (!GST_BASE_TRANSFORM_CLASS (gst_neva_encoder_parent_class)
           ->propose_allocation (trans, decide_query, query))
    return FALSE;
  if (decide_query)
    gst_query_add_allocation_meta (query, GST_VIDEO_META_API_TYPE, NULL);
  return TRUE;
}

static gboolean
is_live (GstNevaEncoder *self)
{
  if (!self->live_known) {
    GstQuery *query = gst_query_new_latency ();

    self->live = FALSE;
    if (gst_pad_peer_query (GST_BASE_TRANSFORM_SINK_PAD (self), query))
      gst_query_parse_latency (query, &self->live, NULL, NULL);
    self->live_known = TRUE;
    gst_query_unref (query);
  }
  return self->live;
}

static gboolean
may_wait (GstNevaEncoder *self)
{
  GstNevaEncoderOverflow overflow;

  GST_OBJECT_LOCK (self);
  overflow = self->overflow;
  GST_OBJECT_UNLOCK (self);

  switch (overflow) {
    case GST_NEVA_ENCODER_OVERFLOW_BLOCK:
      return TRUE;
    case GST_NEVA_ENCODER_OVERFLOW_DROP:
      return FALSE;
    case GST_NEVA_ENCODER_OVERFLOW_AUTO:
      break;
  }
  return !is_live (self);
}

static gboolean
is_chosen (GstNevaEncoder *self, GstBuffer *buffer)
{
  const gboolean marked = gst_buffer_get_neva_sample_meta (buffer) != NULL;
  GstNevaEncoderFrames frames;

  GST_OBJECT_LOCK (self);
  frames = self->frames;
  GST_OBJECT_UNLOCK (self);

  self->seen_mark |= marked;
  switch (frames) {
    case GST_NEVA_ENCODER_FRAMES_ALL:
      return TRUE;
    case GST_NEVA_ENCODER_FRAMES_MARKED:
      return marked;
    case GST_NEVA_ENCODER_FRAMES_AUTO:
      break;
  }
  return marked || !self->seen_mark;
}

/* All clips of the frame may come to nothing: nevallm shows it to the model
 * itself if one does not. */
static gboolean
is_undecided (GstNevaEncoder *self, GstBuffer *buffer)
{
  GstNevaSampleMeta *meta;
  gpointer state = NULL;
  gboolean undecided = FALSE, all;

  GST_OBJECT_LOCK (self);
  all = self->frames == GST_NEVA_ENCODER_FRAMES_ALL;
  GST_OBJECT_UNLOCK (self);
  if (all)
    return FALSE;
  while ((meta = gst_buffer_iterate_neva_sample_meta (buffer, &state))) {
    if (!meta->undecided)
      return FALSE;
    undecided = TRUE;
  }
  return undecided;
}

static void
count (GstNevaEncoder *self, guint64 *counter)
{
  GST_OBJECT_LOCK (self);
  (*counter)++;
  GST_OBJECT_UNLOCK (self);
}

static gboolean
wants_regions (GstNevaEncoder *self)
{
  gboolean wanted;

  GST_OBJECT_LOCK (self);
  wanted = self->region == GST_NEVA_ENCODER_REGION_ROI;
  GST_OBJECT_UNLOCK (self);
  return wanted;
}

/* However many clips hold it. */
static void
count_submitted (GstNevaEncoder *self, GstBuffer *buffer)
{
  gpointer state = NULL;
  guint places = 0;

  while (gst_buffer_iterate_neva_sample_meta (buffer, &state))
    places++;
  GST_OBJECT_LOCK (self);
  self->n_submitted++;
  self->n_reused += MAX (places, 1) - 1;
  GST_OBJECT_UNLOCK (self);
}

/* A frame that should have been encoded goes on without. */
static void
post_drop (GstNevaEncoder *self, GstBuffer *buffer)
{
  GstBaseTransform *trans = GST_BASE_TRANSFORM (self);
  const GstSegment *segment = &trans->segment;
  const GstClockTime pts = GST_BUFFER_PTS (buffer);
  GstMessage *message = gst_message_new_qos (GST_OBJECT (self), is_live (self),
      gst_segment_to_running_time (segment, GST_FORMAT_TIME, pts),
      gst_segment_to_stream_time (segment, GST_FORMAT_TIME, pts), pts,
      GST_BUFFER_DURATION (buffer));
  guint64 submitted, dropped;

  GST_OBJECT_LOCK (self);
  submitted = self->n_submitted;
  dropped = self->n_full + self->n_loading;
  GST_OBJECT_UNLOCK (self);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, submitted, dropped);
  gst_element_post_message (GST_ELEMENT (self), message);
}

/* self->model, if it is there or may be waited for. */
static GstFlowReturn
need_model (GstNevaEncoder *self)
{
  GstFlowReturn ret;

  if (self->model)
    return GST_FLOW_OK;
  if (!may_wait (self))
    ret = gst_neva_model_loader_try (&self->loader, &self->model);
  else
    ret = gst_neva_model_loader_wait (&self->loader, &self->model);
  if (ret == GST_FLOW_OK && !self->model &&
      !gst_neva_model_loader_is_named (&self->loader)) {
    GST_ELEMENT_ERROR (self, RESOURCE, NOT_FOUND,
        ("No model: set the property 'model'."), (NULL));
    return GST_NEVA_FLOW_STOPPED;
  }
  if (ret == GST_FLOW_OK && self->model && has_gate (self) &&
      !neva_model_has_features (self->model)) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("gate=embedding compares what a model sees, and a model behind an "
         "endpoint does not show that: set gate of nevaframesampler instead."),
        (NULL));
    return GST_NEVA_FLOW_STOPPED;
  }
  return ret == GST_FLOW_ERROR ? GST_NEVA_FLOW_STOPPED : ret;
}

GstFlowReturn
gst_neva_encoder_encode (GstNevaEncoder *self, GstBuffer *buffer,
    const NevaFrame *frame, NevaEmbedding **embedding)
{
  g_autoptr (GCancellable) waiting = NULL;
  g_autoptr (GError) error = NULL;

  if (may_wait (self)) {
    GST_OBJECT_LOCK (self);
    waiting = g_object_ref (self->waiting);
    GST_OBJECT_UNLOCK (self);
  }
  *embedding = neva_model_encode (self->model, frame, waiting, &error);
  if (*embedding) {
    if (has_gate (self))
      gst_neva_novelty_add_frame (self->novelty, buffer, *embedding);
    return GST_FLOW_OK;
  }
  if (g_error_matches (error, NEVA_ERROR, NEVA_ERROR_CANCELLED))
    return GST_FLOW_FLUSHING;
  if (g_error_matches (error, NEVA_ERROR, NEVA_ERROR_BUSY)) {
    count (self, &self->n_full);
    post_drop (self, buffer);
    return GST_FLOW_OK;
  }
  if (g_error_matches (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT)) {
    count (self, &self->n_refused);
    gst_neva_post_warning (
        GST_ELEMENT (self), "A frame was not encoded", error);
    return GST_FLOW_OK;
  }
  gst_neva_post_error (GST_ELEMENT (self), "Cannot encode a frame", error);
  return GST_NEVA_FLOW_STOPPED;
}

/* The whole picture, or its objects. */
static GstFlowReturn
encode_mapped (GstNevaEncoder *self, GstBuffer *buffer, const NevaFrame *frame)
{
  g_autoptr (NevaEmbedding) embedding = NULL;
  GstFlowReturn ret;

  if (wants_regions (self))
    return gst_neva_encoder_encode_regions (self, buffer, frame);
  ret = gst_neva_encoder_encode (self, buffer, frame, &embedding);
  if (embedding) {
    gst_buffer_add_neva_embedding_meta (buffer, embedding);
    count_submitted (self, buffer);
  }
  return ret;
}

static GstFlowReturn
submit (GstNevaEncoder *self, GstBuffer *buffer)
{
  g_autoptr (GError) error = NULL;
  GstNevaMapped mapped;
  GstFlowReturn ret;

  if (!gst_neva_map (&mapped, &self->info, buffer, self->model, &error)) {
    gst_neva_post_error (GST_ELEMENT (self), "Cannot read a frame", error);
    return GST_NEVA_FLOW_STOPPED;
  }
  if (mapped.downloaded)
    gst_neva_encoder_report_download (self);
  mapped.frame.stream = self->share.stream;
  mapped.frame.priority = g_atomic_int_get (&self->share.priority);
  ret = encode_mapped (self, buffer, &mapped.frame);
  gst_neva_unmap (&mapped);
  return ret;
}

/* With region=roi nevallm must not show the picture to the model itself. */
static void
leave_out (GstNevaEncoder *self, GstBuffer *buffer, guint64 *counter)
{
  count (self, counter);
  if (wants_regions (self)) {
    g_autoptr (GArray) none = gst_neva_region_handles_new ();

    gst_buffer_add_neva_regions_meta (buffer, none);
  }
}

static GstFlowReturn
gst_neva_encoder_transform_ip (GstBaseTransform *trans, GstBuffer *buffer)
{
  GstNevaEncoder *self = GST_NEVA_ENCODER (trans);
  GstFlowReturn ret;

  count (self, &self->n_frames);
  if (!is_chosen (self, buffer)) {
    count (self, &self->n_not_chosen);
    return GST_FLOW_OK;
  }
  ret = need_model (self);
  if (ret != GST_FLOW_OK)
    return ret;
  if (!wants_regions (self) && is_undecided (self, buffer)) {
    count (self, &self->n_undecided);
    return GST_FLOW_OK;
  }
  if (!self->model) {
    GST_LOG_OBJECT (self, "still loading: %" GST_PTR_FORMAT, buffer);
    leave_out (self, buffer, &self->n_loading);
    return GST_FLOW_OK;
  }
  if (gst_buffer_get_neva_embedding (buffer, self->model) ||
      gst_buffer_get_neva_regions (buffer))
    return GST_FLOW_OK;
  return submit (self, buffer);
}

/* ---- Type --------------------------------------------------------------- */

static void
gst_neva_encoder_finalize (GObject *object)
{
  GstNevaEncoder *self = GST_NEVA_ENCODER (object);

  gst_neva_cuda_clear (&self->cuda, GST_ELEMENT (self));
  gst_neva_model_loader_clear (&self->loader);
  gst_neva_model_options_clear (&self->options);
  g_object_unref (self->waiting);
  gst_neva_novelty_unref (self->novelty);
  G_OBJECT_CLASS (gst_neva_encoder_parent_class)->finalize (object);
}

static void
gst_neva_encoder_class_init (GstNevaEncoderClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);
  GstBaseTransformClass *trans_class = GST_BASE_TRANSFORM_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (
      neva_encoder_debug, "nevaencoder", 0, "NeVA vision encoder");

  object_class->finalize = gst_neva_encoder_finalize;
  gst_neva_encoder_install_properties (object_class);

  element_class->change_state = gst_neva_encoder_change_state;
  element_class->set_context = gst_neva_encoder_set_context;
  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "NeVA frame encoder",
      "Filter/Analyzer/Video",
      "Hands video frames to a vision-language model and attaches handles",
      "The NeVA for GStreamer authors");

  trans_class->start = gst_neva_encoder_start;
  trans_class->stop = gst_neva_encoder_stop;
  trans_class->transform_caps = gst_neva_encoder_transform_caps;
  trans_class->set_caps = gst_neva_encoder_set_caps;
  trans_class->sink_event = gst_neva_encoder_sink_event;
  trans_class->query = gst_neva_encoder_query;
  trans_class->propose_allocation = gst_neva_encoder_propose_allocation;
  trans_class->transform_ip = gst_neva_encoder_transform_ip;
  trans_class->transform_ip_on_passthrough = FALSE;
}

static void
gst_neva_encoder_init (GstNevaEncoder *self)
{
  gst_base_transform_set_in_place (GST_BASE_TRANSFORM (self), TRUE);
  gst_base_transform_set_gap_aware (GST_BASE_TRANSFORM (self), TRUE);
  gst_neva_model_options_init (&self->options);
  gst_neva_share_init (&self->share);
  gst_neva_model_loader_init (&self->loader, GST_ELEMENT (self));
  self->waiting = g_cancellable_new ();
  self->novelty = gst_neva_novelty_new ();
  self->gate_threshold = GST_NEVA_ENCODER_GATE_THRESHOLD;
  self->max_regions = GST_NEVA_ENCODER_MAX_REGIONS;
}
