/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-nevaframesampler
 * @title: nevaframesampler
 *
 * Chooses the video frames that a video language model is shown.
 *
 * A stream is cut into clips: one for the whole stream (#GstNevaFrameSampler
 * :window 0, for files), or one per window of running time. In each clip
 * #GstNevaFrameSampler:num-frames frames are chosen, from its first frame to
 * its last. They leave with a meta that names the clip, the frame's place in it
 * and the times; a serialized event ends each clip. By default the other frames
 * are dropped.
 *
 * For whole files the frames are, index for index, those that Decord and NumPy
 * choose in NVIDIA NeMo's Video NeVA: the number of frames is the number of
 * packets, spacing is by index and never by time, and a clip with too few
 * frames repeats its last one.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=video.mp4 ! decodebin ! nevaframesampler
 * num-frames=8 ! videoconvert ! pngenc ! multifilesink location=frame-%02d.png
 * ]| The eight frames that describe a file.
 * |[
 * gst-launch-1.0 v4l2src ! videoconvert ! nevaframesampler window=4000000000
 * overlap=1000000000 ! nevaencoder model=models/demo ! nevallm
 * model=models/demo ! fakesink dump=true
 * ]| A camera, described in windows of four seconds that overlap by one.
 */
#include "config.h"

#include "samplerenums.h"
#include "samplerpriv.h"

GST_DEBUG_CATEGORY (gst_neva_frame_sampler_debug);

#define DEFAULT_NUM_FRAMES 8
#define MAX_FRAMES 4096

enum {
  PROP_0,
  PROP_MODE,
  PROP_NUM_FRAMES,
  PROP_WINDOW,
  PROP_OVERLAP,
  PROP_OUTPUT,
  PROP_ALIGN,
  PROP_SEEK,
  PROP_GATE,
  PROP_HEARTBEAT,
  PROP_MOTION_THRESHOLD,
  PROP_MOTION_AREA,
  PROP_SCENE_THRESHOLD,
  PROP_STATS
};

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

#define gst_neva_frame_sampler_parent_class parent_class
G_DEFINE_FINAL_TYPE (
    GstNevaFrameSampler, gst_neva_frame_sampler, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (nevaframesampler, "nevaframesampler",
    GST_RANK_NONE, GST_TYPE_NEVA_FRAME_SAMPLER)

static void
gst_neva_frame_sampler_set_property (
    GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstNevaFrameSampler *self = GST_NEVA_FRAME_SAMPLER (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MODE:
      self->config.choice = g_value_get_enum (value);
      break;
    case PROP_NUM_FRAMES:
      self->config.num_frames = g_value_get_uint (value);
      break;
    case PROP_WINDOW:
      self->config.window = g_value_get_uint64 (value);
      break;
    case PROP_OVERLAP:
      self->config.overlap = g_value_get_uint64 (value);
      break;
    case PROP_OUTPUT:
      self->config.pass_all =
          g_value_get_enum (value) == GST_NEVA_SAMPLER_OUTPUT_ALL;
      break;
    case PROP_ALIGN:
      self->config.by_time =
          g_value_get_enum (value) == GST_NEVA_SAMPLER_ALIGN_TIME;
      break;
    case PROP_SEEK:
      self->seek = g_value_get_enum (value) == GST_NEVA_SAMPLER_SEEK_AUTO;
      break;
    case PROP_GATE:
      self->config.gate.kind = g_value_get_enum (value);
      break;
    case PROP_HEARTBEAT:
      self->config.gate.heartbeat = g_value_get_uint64 (value);
      break;
    case PROP_MOTION_THRESHOLD:
      self->config.gate.threshold = g_value_get_double (value);
      break;
    case PROP_MOTION_AREA:
      self->config.gate.area = g_value_get_double (value);
      break;
    case PROP_SCENE_THRESHOLD:
      self->config.gate.cut = g_value_get_double (value);
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  self->config_changed = TRUE;
  GST_OBJECT_UNLOCK (self);
}

static void
gst_neva_frame_sampler_get_property (
    GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstNevaFrameSampler *self = GST_NEVA_FRAME_SAMPLER (object);

  GST_OBJECT_LOCK (self);
  switch (id) {
    case PROP_MODE:
      g_value_set_enum (value, self->config.choice);
      break;
    case PROP_NUM_FRAMES:
      g_value_set_uint (value, self->config.num_frames);
      break;
    case PROP_WINDOW:
      g_value_set_uint64 (value, self->config.window);
      break;
    case PROP_OVERLAP:
      g_value_set_uint64 (value, self->config.overlap);
      break;
    case PROP_OUTPUT:
      g_value_set_enum (value, self->config.pass_all
                                   ? GST_NEVA_SAMPLER_OUTPUT_ALL
                                   : GST_NEVA_SAMPLER_OUTPUT_SELECTED);
      break;
    case PROP_ALIGN:
      g_value_set_enum (value, self->config.by_time
                                   ? GST_NEVA_SAMPLER_ALIGN_TIME
                                   : GST_NEVA_SAMPLER_ALIGN_INDEX);
      break;
    case PROP_SEEK:
      g_value_set_enum (value, self->seek ? GST_NEVA_SAMPLER_SEEK_AUTO
                                          : GST_NEVA_SAMPLER_SEEK_NEVER);
      break;
    case PROP_GATE:
      g_value_set_enum (value, self->config.gate.kind);
      break;
    case PROP_HEARTBEAT:
      g_value_set_uint64 (value, self->config.gate.heartbeat);
      break;
    case PROP_MOTION_THRESHOLD:
      g_value_set_double (value, self->config.gate.threshold);
      break;
    case PROP_MOTION_AREA:
      g_value_set_double (value, self->config.gate.area);
      break;
    case PROP_SCENE_THRESHOLD:
      g_value_set_double (value, self->config.gate.cut);
      break;
    case PROP_STATS:
      g_value_take_boxed (value,
          gst_structure_new ("neva-sampler-stats", "frames", G_TYPE_UINT64,
              self->frames, "windows", G_TYPE_UINT64, self->counts.windows,
              "windows-gated", G_TYPE_UINT64, self->counts.gated, "heartbeats",
              G_TYPE_UINT64, self->counts.heartbeats, NULL));
      break;
    default:
      G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
      break;
  }
  GST_OBJECT_UNLOCK (self);
}

static GstStateChangeReturn
gst_neva_frame_sampler_change_state (
    GstElement *element, GstStateChange transition)
{
  GstNevaFrameSampler *self = GST_NEVA_FRAME_SAMPLER (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    neva_seeker_start (&self->lookahead.seeker);
    neva_index_cancel_set (&self->lookahead.cancel, FALSE);
    GST_OBJECT_LOCK (self);
    self->counts = (NevaWindowCounts){0};
    self->frames = 0;
    GST_OBJECT_UNLOCK (self);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    neva_seeker_interrupt (&self->lookahead.seeker);
    neva_index_cancel_set (&self->lookahead.cancel, TRUE);
  }
  ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    neva_seeker_join (&self->lookahead.seeker);
    neva_lookahead_reset (&self->lookahead, TRUE);
    neva_damage_unwatch (&self->damage);
    neva_windows_free (self->windows);
    self->windows = neva_windows_new ();
    neva_sampler_reset (self);
    GST_OBJECT_LOCK (self);
    self->config_changed = TRUE;
    self->frame_duration = 0;
    GST_OBJECT_UNLOCK (self);
  }
  return ret;
}

static void
gst_neva_frame_sampler_finalize (GObject *object)
{
  neva_windows_free (GST_NEVA_FRAME_SAMPLER (object)->windows);
  neva_lookahead_clear (&GST_NEVA_FRAME_SAMPLER (object)->lookahead);
  neva_damage_clear (&GST_NEVA_FRAME_SAMPLER (object)->damage);
  neva_gate_clear (&GST_NEVA_FRAME_SAMPLER (object)->gate);
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_neva_frame_sampler_init (GstNevaFrameSampler *self)
{
  static const NevaMotionSettings motion = NEVA_MOTION_DEFAULT;

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, neva_sampler_chain);
  gst_pad_set_event_function (self->sinkpad, neva_sampler_sink_event);
  gst_pad_set_query_function (self->sinkpad, neva_sampler_sink_query);
  GST_PAD_SET_PROXY_CAPS (self->sinkpad);
  GST_PAD_SET_PROXY_ALLOCATION (self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->srcpad, neva_sampler_src_event);
  gst_pad_set_query_function (self->srcpad, neva_sampler_src_query);
  GST_PAD_SET_PROXY_CAPS (self->srcpad);
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);

  self->windows = neva_windows_new ();
  self->config = (NevaSamplerConfig){.choice = NEVA_CHOICE_UNIFORM,
      .num_frames = DEFAULT_NUM_FRAMES,
      .gate = {.threshold = motion.threshold,
          .area = motion.area,
          .cut = motion.cut}};
  self->config_changed = TRUE;
  self->seek = TRUE;
  self->facts.fps_d = 1;
  neva_lookahead_init (&self->lookahead, GST_ELEMENT (self), self->sinkpad);
  neva_damage_init (&self->damage);
  neva_gate_init (&self->gate);
  neva_sampler_reset (self);
}

static void
install_properties (GObjectClass *klass)
{
  const GParamFlags flags =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;
  const GParamFlags ready_flags =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_READY;

  g_object_class_install_property (klass, PROP_MODE,
      g_param_spec_enum ("mode", "Mode",
          "Which frames of a clip are chosen. A change while playing ends the "
          "clips in progress",
          GST_TYPE_NEVA_SAMPLER_MODE, NEVA_CHOICE_UNIFORM, flags));
  g_object_class_install_property (klass, PROP_NUM_FRAMES,
      g_param_spec_uint ("num-frames", "Number of frames",
          "Frames per clip with mode=uniform; the last frame of a shorter clip "
          "counts repeatedly. A change while playing ends the clips in "
          "progress",
          1, MAX_FRAMES, DEFAULT_NUM_FRAMES, flags));
  g_object_class_install_property (klass, PROP_WINDOW,
      g_param_spec_uint64 ("window", "Window",
          "Length of a clip in running time, ns; 0 = one clip from the first "
          "frame to the end of the stream, for files. A change while playing "
          "ends the clips in progress",
          0, G_MAXINT64, 0, flags));
  g_object_class_install_property (klass, PROP_OVERLAP,
      g_param_spec_uint64 ("overlap", "Overlap",
          "How much of a window the next one covers again, ns; must be less "
          "than window. A change while playing ends the clips in progress",
          0, G_MAXINT64, 0, flags));
  g_object_class_install_property (klass, PROP_OUTPUT,
      g_param_spec_enum ("output", "Output",
          "Whether frames that are not chosen leave too",
          GST_TYPE_NEVA_SAMPLER_OUTPUT, GST_NEVA_SAMPLER_OUTPUT_SELECTED,
          ready_flags));
  g_object_class_install_property (klass, PROP_ALIGN,
      g_param_spec_enum ("align", "Align",
          "Whether mode=uniform takes equal steps of the frame number or of "
          "time. A change while playing ends the clips in progress",
          GST_TYPE_NEVA_SAMPLER_ALIGN, GST_NEVA_SAMPLER_ALIGN_INDEX, flags));
  g_object_class_install_property (klass, PROP_SEEK,
      g_param_spec_enum ("seek", "Seek",
          "Whether a file that feeds nothing else is sought through, so that "
          "only what the chosen frames need is decoded (window=0, "
          "output=selected)",
          GST_TYPE_NEVA_SAMPLER_SEEK, GST_NEVA_SAMPLER_SEEK_AUTO, ready_flags));
}

static void
install_gate_properties (GObjectClass *klass)
{
  static const NevaMotionSettings motion = NEVA_MOTION_DEFAULT;
  const GParamFlags flags =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_GATE,
      g_param_spec_enum ("gate", "Gate",
          "Which clips are captioned; of the others there is only a GAP. A "
          "change while playing ends the clips in progress",
          GST_TYPE_NEVA_SAMPLER_GATE, NEVA_GATE_NONE, flags));
  g_object_class_install_property (klass, PROP_HEARTBEAT,
      g_param_spec_uint64 ("heartbeat", "Heartbeat",
          "With a gate: from one captioned clip to the next it is never "
          "longer, "
          "ns, even if nothing happens; 0 = no limit",
          0, G_MAXINT64, 0, flags));
  g_object_class_install_property (klass, PROP_MOTION_THRESHOLD,
      g_param_spec_double ("motion-threshold", "Motion threshold",
          "gate=motion: by how much luma must differ from the background, in "
          "steps of 255, however little noise there is",
          0.5, 255, motion.threshold, flags));
  g_object_class_install_property (klass, PROP_MOTION_AREA,
      g_param_spec_double ("motion-area", "Motion area",
          "gate=motion: what moves is at least this part of the picture; 0 = "
          "as small as can be told from noise",
          0, 1, motion.area, flags));
  g_object_class_install_property (klass, PROP_SCENE_THRESHOLD,
      g_param_spec_double ("scene-threshold", "Scene threshold",
          "gate=scene: how unlike the pictures of two scenes are, as 1 less "
          "their correlation",
          0, 1, motion.cut, flags));
  g_object_class_install_property (klass, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Since the start: frames, windows, windows-gated (not captioned), "
          "heartbeats (captioned although nothing happened before)",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
}

static void
gst_neva_frame_sampler_class_init (GstNevaFrameSamplerClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (gst_neva_frame_sampler_debug, "nevaframesampler", 0,
      "chooses the frames of a clip");

  object_class->set_property = gst_neva_frame_sampler_set_property;
  object_class->get_property = gst_neva_frame_sampler_get_property;
  object_class->finalize = gst_neva_frame_sampler_finalize;
  element_class->change_state = gst_neva_frame_sampler_change_state;
  install_properties (object_class);
  install_gate_properties (object_class);

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "NeVA frame sampler",
      "Filter/Video",
      "Chooses the video frames that a video language model is shown",
      "The NeVA for GStreamer authors");
}
