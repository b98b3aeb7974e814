/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "encoder.h"

enum {
  PROP_0,
  PROP_FRAMES,
  PROP_OVERFLOW,
  PROP_GATE,
  PROP_GATE_THRESHOLD,
  PROP_HEARTBEAT,
  PROP_PRIORITY,
  PROP_REGION,
  PROP_MAX_REGIONS,
  PROP_STATS,
  PROP_MODEL_FIRST /* … and the others of GstNevaModelOptions */
};

static GstStructure *
make_stats (GstNevaEncoder *self)
{
  NevaModel *model = gst_neva_model_loader_peek (&self->loader);
  GstStructure *of_model = gst_neva_model_stats (model), *stats;
  const GstNevaNoveltyCounts c = gst_neva_novelty_get_counts (self->novelty);

  GST_OBJECT_LOCK (self);
  stats = gst_structure_new ("neva-encoder-stats", "frames", G_TYPE_UINT64,
      self->n_frames, "submitted", G_TYPE_UINT64, self->n_submitted,
      "not-chosen", G_TYPE_UINT64, self->n_not_chosen, "dropped-loading",
      G_TYPE_UINT64, self->n_loading, "dropped-full", G_TYPE_UINT64,
      self->n_full, "refused", G_TYPE_UINT64, self->n_refused, "undecided",
      G_TYPE_UINT64, self->n_undecided, "frames-downloaded", G_TYPE_UINT64,
      self->n_downloaded, "frames-reused", G_TYPE_UINT64, self->n_reused,
      "windows", G_TYPE_UINT64, c.windows, "windows-gated", G_TYPE_UINT64,
      c.gated, "heartbeats", G_TYPE_UINT64, c.heartbeats, "regions",
      G_TYPE_UINT64, self->n_regions, "regions-dropped", G_TYPE_UINT64,
      self->n_regions_dropped, "regions-outside", G_TYPE_UINT64,
      self->n_regions_outside, "model", GST_TYPE_STRUCTURE, of_model, NULL);
  GST_OBJECT_UNLOCK (self);
  gst_structure_free (of_model);
  if (model)
    neva_model_unref (model);
  return stats;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstNevaEncoder *self = GST_NEVA_ENCODER (object);

  switch (id) {
    case PROP_FRAMES:
      GST_OBJECT_LOCK (self);
      self->frames = (GstNevaEncoderFrames) g_value_get_enum (value);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_OVERFLOW:
      GST_OBJECT_LOCK (self);
      self->overflow = (GstNevaEncoderOverflow) g_value_get_enum (value);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_GATE:
      GST_OBJECT_LOCK (self);
      self->gate = (GstNevaEncoderGate) g_value_get_enum (value);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_GATE_THRESHOLD:
      GST_OBJECT_LOCK (self);
      self->gate_threshold = g_value_get_double (value);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_HEARTBEAT:
      GST_OBJECT_LOCK (self);
      self->heartbeat = g_value_get_uint64 (value);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_PRIORITY:
      gst_neva_share_set (&self->share, value);
      break;
    case PROP_REGION:
      GST_OBJECT_LOCK (self);
      self->region = (GstNevaEncoderRegion) g_value_get_enum (value);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_MAX_REGIONS:
      GST_OBJECT_LOCK (self);
      self->max_regions = g_value_get_uint (value);
      GST_OBJECT_UNLOCK (self);
      break;
    default:
      if (!gst_neva_model_options_set (
              &self->options, GST_ELEMENT (self), id - PROP_MODEL_FIRST, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstNevaEncoder *self = GST_NEVA_ENCODER (object);

  switch (id) {
    case PROP_FRAMES:
      GST_OBJECT_LOCK (self);
      g_value_set_enum (value, (gint) self->frames);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_OVERFLOW:
      GST_OBJECT_LOCK (self);
      g_value_set_enum (value, (gint) self->overflow);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_GATE:
      GST_OBJECT_LOCK (self);
      g_value_set_enum (value, (gint) self->gate);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_GATE_THRESHOLD:
      GST_OBJECT_LOCK (self);
      g_value_set_double (value, self->gate_threshold);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_HEARTBEAT:
      GST_OBJECT_LOCK (self);
      g_value_set_uint64 (value, self->heartbeat);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_PRIORITY:
      gst_neva_share_get (&self->share, value);
      break;
    case PROP_REGION:
      GST_OBJECT_LOCK (self);
      g_value_set_enum (value, (gint) self->region);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_MAX_REGIONS:
      GST_OBJECT_LOCK (self);
      g_value_set_uint (value, self->max_regions);
      GST_OBJECT_UNLOCK (self);
      break;
    case PROP_STATS:
      g_value_take_boxed (value, make_stats (self));
      break;
    default:
      if (!gst_neva_model_options_get (
              &self->options, GST_ELEMENT (self), id - PROP_MODEL_FIRST, value))
        G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
}

void
gst_neva_encoder_install_properties (GObjectClass *klass)
{
  klass->set_property = set_property;
  klass->get_property = get_property;
  g_object_class_install_property (klass, PROP_FRAMES,
      g_param_spec_enum ("frames", "Frames", "Which frames are encoded",
          GST_TYPE_NEVA_ENCODER_FRAMES, GST_NEVA_ENCODER_FRAMES_AUTO,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
              GST_PARAM_MUTABLE_PLAYING | GST_PARAM_DOC_SHOW_DEFAULT));
  g_object_class_install_property (klass, PROP_OVERFLOW,
      g_param_spec_enum ("overflow", "Overflow",
          "What happens while the model is loading or its queue is full",
          GST_TYPE_NEVA_ENCODER_OVERFLOW, GST_NEVA_ENCODER_OVERFLOW_AUTO,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
              GST_PARAM_MUTABLE_PLAYING | GST_PARAM_DOC_SHOW_DEFAULT));
  g_object_class_install_property (klass, PROP_GATE,
      g_param_spec_enum ("gate", "Gate",
          "Which clips are captioned; of the others there is only a GAP",
          GST_TYPE_NEVA_ENCODER_GATE, GST_NEVA_ENCODER_GATE_NONE,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
              GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_GATE_THRESHOLD,
      g_param_spec_double ("gate-threshold", "Gate threshold",
          "gate=embedding: by how much a part of the picture must at least "
          "differ from what was there, as a part of what sets the picture's "
          "parts apart",
          0, 2, GST_NEVA_ENCODER_GATE_THRESHOLD,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
              GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_HEARTBEAT,
      g_param_spec_uint64 ("heartbeat", "Heartbeat",
          "With a gate: from one captioned clip to the next it is never "
          "longer, ns, even if nothing happens; 0 = no limit",
          0, G_MAXINT64, 0,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
              GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_REGION,
      g_param_spec_enum ("region", "Region",
          "What of a chosen frame is shown to the model: all of it, or, one by "
          "one, the objects that GstVideoRegionOfInterestMeta or GstAnalytics "
          "name",
          GST_TYPE_NEVA_ENCODER_REGION, GST_NEVA_ENCODER_REGION_FULL_FRAME,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
              GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_MAX_REGIONS,
      g_param_spec_uint ("max-regions", "Most regions",
          "region=roi: objects of a frame that are shown, the largest ones; "
          "the "
          "others are counted",
          1, 1024, GST_NEVA_ENCODER_MAX_REGIONS,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
              GST_PARAM_MUTABLE_PLAYING));
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Frames since the start: all, submitted, not chosen, dropped "
          "(loading, full), refused; and the model's sums, durations in ns",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  gst_neva_share_install (klass, PROP_PRIORITY);
  gst_neva_model_options_install (klass, PROP_MODEL_FIRST);
}
