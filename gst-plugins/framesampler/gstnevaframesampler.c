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

#include "gstnevaframesampler.h"

#include <gst/video/video.h>

#include "lookahead.h"
#include "samplerdebug.h"
#include "samplerenums.h"
#include "stamps.h"
#include "window.h"

GST_DEBUG_CATEGORY (gst_neva_frame_sampler_debug);

/* A sink or muxer hears at least this often how far time has come. */
#define GAP_INTERVAL (250 * GST_MSECOND)
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
  PROP_SEEK
};

struct _GstNevaFrameSampler {
  GstElement parent;

  GstPad *sinkpad, *srcpad;

  /* Object lock. */
  NevaSamplerConfig config; /* the properties */
  gboolean config_changed;
  gboolean seek;               /* seek=auto */
  GstClockTime frame_duration; /* from the caps, 0 = unknown */

  /* Sink pad's stream lock. */
  NevaWindows *windows;
  NevaStamps stamps;
  NevaLookahead lookahead;
  NevaSamplerConfig active; /* the copy in use */
  GstSegment segment;
  NevaStreamFacts facts;
  gboolean facts_known; /* about this segment */
  gboolean eos;         /* EOS was sent, or an error posted */
  gboolean discont;     /* frames were dropped since the last one sent */
  GstClockTime sent;    /* PTS up to which downstream has heard of, or NONE */
  guint warned;         /* NevaNotes and WARNED_* that were posted */
};

#define WARNED_LATE (1u << 16)
#define WARNED_NO_PTS (1u << 17)

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS ("video/x-raw(ANY)"));

#define gst_neva_frame_sampler_parent_class parent_class
G_DEFINE_FINAL_TYPE (
    GstNevaFrameSampler, gst_neva_frame_sampler, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (nevaframesampler, "nevaframesampler",
    GST_RANK_NONE, GST_TYPE_NEVA_FRAME_SAMPLER)

/* Posts one warning per kind and stream. */
static void
warn_once (GstNevaFrameSampler *self, guint kind, const gchar *what)
{
  if (self->warned & kind)
    return;
  self->warned |= kind;
  GST_ELEMENT_WARNING (self, STREAM, FAILED, ("%s", what),
      ("mode, window or align ask for more than the stream tells"));
}

/* Ends the stream after an error was posted. EOS, not ERROR: upstream stops
 * without a second error, and downstream finishes what it has. */
static GstFlowReturn
give_up (GstNevaFrameSampler *self)
{
  self->eos = TRUE;
  gst_pad_push_event (self->srcpad, gst_event_new_eos ());
  return GST_FLOW_EOS;
}

static GstFlowReturn
report_notes (GstNevaFrameSampler *self)
{
  const guint notes = neva_windows_take_notes (self->windows);

  if (notes & NEVA_NOTE_HELD)
    warn_once (self, NEVA_NOTE_HELD,
        "The number of frames was not known in advance: the nearest of an "
        "evenly spread set of frames were chosen, not the exact indices.");
  if (notes & NEVA_NOTE_BY_TIME)
    warn_once (self, NEVA_NOTE_BY_TIME,
        "The frame rate is not known: frames are chosen in equal steps of "
        "time, not of the frame number.");
  if (notes & NEVA_NOTE_LENGTH)
    warn_once (self, NEVA_NOTE_LENGTH,
        "The number of frames differs from what duration and frame rate "
        "foretold: the chosen indices are approximate.");
  if (notes & NEVA_NOTE_NO_LENGTH) {
    GST_ELEMENT_ERROR (self, STREAM, FAILED,
        ("The length of this stream is not known, so frames cannot be spread "
         "over it while it passes: set window, or output=selected."),
        (NULL));
    return give_up (self);
  }
  return GST_FLOW_OK;
}

static GstFlowReturn
push_buffer (GstNevaFrameSampler *self, GstBuffer *buffer)
{
  if (self->discont && gst_buffer_is_writable (buffer))
    GST_BUFFER_FLAG_SET (buffer, GST_BUFFER_FLAG_DISCONT);
  self->discont = FALSE;
  if (GST_BUFFER_PTS_IS_VALID (buffer)) {
    self->sent = GST_BUFFER_PTS (buffer);
    if (GST_BUFFER_DURATION_IS_VALID (buffer))
      self->sent += GST_BUFFER_DURATION (buffer);
  }
  return gst_pad_push (self->srcpad, buffer);
}

/* Pushes what is queued, in order; on a flow error the rest is dropped. */
static GstFlowReturn
push_queue (GstNevaFrameSampler *self, GQueue *queue)
{
  GstFlowReturn ret = GST_FLOW_OK;
  GstMiniObject *o;

  while ((o = g_queue_pop_head (queue))) {
    if (ret != GST_FLOW_OK)
      gst_mini_object_unref (o);
    else if (GST_IS_BUFFER (o))
      ret = push_buffer (self, GST_BUFFER_CAST (o));
    else
      gst_pad_push_event (self->srcpad, GST_EVENT_CAST (o));
  }
  return ret;
}

/* Ends the clips in progress with what they have. */
static GstFlowReturn
cut (GstNevaFrameSampler *self)
{
  GQueue out = G_QUEUE_INIT;
  GstFlowReturn ret;

  neva_windows_cut (self->windows, &out);
  ret = push_queue (self, &out);
  return ret == GST_FLOW_OK ? report_notes (self) : ret;
}

/* Tells downstream that no frame comes before the oldest one that is held. */
static void
send_gap (GstNevaFrameSampler *self, GstClockTime pts)
{
  GstClockTime oldest = neva_windows_oldest_pts (self->windows);
  GstClockTime until = MIN (oldest, pts);

  if (self->segment.rate < 0)
    return;
  if (!GST_CLOCK_TIME_IS_VALID (self->sent))
    self->sent = until;
  if (until < self->sent || until - self->sent < GAP_INTERVAL)
    return;
  gst_pad_push_event (
      self->srcpad, gst_event_new_gap (self->sent, until - self->sent));
  self->sent = until;
}

static GstClockTime
stream_end (GstNevaFrameSampler *self)
{
  gint64 duration = -1;
  GstClockTime stop = self->segment.stop, end;

  if (!GST_CLOCK_TIME_IS_VALID (stop)) {
    if (!gst_pad_peer_query_duration (
            self->sinkpad, GST_FORMAT_TIME, &duration) ||
        duration <= 0)
      return GST_CLOCK_TIME_NONE;
    /* The duration is in stream time. */
    stop = gst_segment_position_from_stream_time (
        &self->segment, GST_FORMAT_TIME, duration);
  }
  if (!GST_CLOCK_TIME_IS_VALID (stop) || self->segment.rate < 0)
    return GST_CLOCK_TIME_NONE;
  end = gst_segment_to_running_time (&self->segment, GST_FORMAT_TIME, stop);
  return end;
}

/* Whether the frames to choose depend on how many there are. */
static gboolean
needs_length (const NevaSamplerConfig *c)
{
  return c->window == 0 && c->choice != NEVA_CHOICE_FIRST &&
         c->choice != NEVA_CHOICE_ALL;
}

/* Returns FLUSHING if a flush or a stop interrupted it. */
static GstFlowReturn
learn_facts (GstNevaFrameSampler *self)
{
  const gchar *why = NULL;
  gboolean seek;

  GST_OBJECT_LOCK (self);
  seek = self->seek;
  GST_OBJECT_UNLOCK (self);

  self->facts.end = stream_end (self);
  self->facts.index = NULL;
  self->facts.frames = 0;
  if (needs_length (&self->active)) {
    /* Frames must not be skipped where all of them pass, nor the end of the
     * segment changed where a SEGMENT_DONE is due. */
    seek = seek && !self->active.pass_all &&
           !(self->segment.flags & GST_SEGMENT_FLAG_SEGMENT);
    if (!neva_lookahead_learn (
            &self->lookahead, &self->segment, seek, &self->facts, &why)) {
      if (!why)
        return GST_FLOW_FLUSHING;
      GST_INFO_OBJECT (self, "frames cannot be counted in advance: %s", why);
    }
  }
  GST_DEBUG_OBJECT (self, "rate %u/%u, end %" GST_TIME_FORMAT,
      self->facts.fps_n, self->facts.fps_d, GST_TIME_ARGS (self->facts.end));
  neva_windows_set_facts (self->windows, &self->facts);
  self->facts_known = TRUE;
  return GST_FLOW_OK;
}

/* Applies changed properties: clips in progress end with what they have. */
static GstFlowReturn
update_config (GstNevaFrameSampler *self)
{
  NevaSamplerConfig config;
  GstFlowReturn ret;
  gboolean changed;

  GST_OBJECT_LOCK (self);
  config = self->config;
  changed = self->config_changed;
  self->config_changed = FALSE;
  GST_OBJECT_UNLOCK (self);

  if (!changed)
    return GST_FLOW_OK;
  if (config.window > 0 && config.overlap >= config.window) {
    GST_ELEMENT_ERROR (self, LIBRARY, SETTINGS,
        ("overlap (%" G_GUINT64_FORMAT " ns) must be shorter than window "
         "(%" G_GUINT64_FORMAT " ns).",
            config.overlap, config.window),
        (NULL));
    return give_up (self);
  }
  if ((ret = cut (self)) != GST_FLOW_OK)
    return ret;
  self->active = config;
  self->facts_known = FALSE;
  neva_windows_set_config (self->windows, &config);
  gst_element_post_message (
      GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
  return GST_FLOW_OK;
}

/* A frame that has no place in time: passed on, or dropped. */
static GstFlowReturn
skip_frame (GstNevaFrameSampler *self, GstBuffer *buffer)
{
  if (self->active.pass_all)
    return push_buffer (self, buffer);
  gst_buffer_unref (buffer);
  self->discont = TRUE;
  return GST_FLOW_OK;
}

/* Sends EOS once no further frame can be chosen. */
static GstFlowReturn
finish_early (GstNevaFrameSampler *self)
{
  if (self->active.pass_all || !neva_windows_whole_done (self->windows) ||
      (needs_length (&self->active) && !self->facts.index &&
          self->facts.frames == 0) ||
      (self->segment.flags & GST_SEGMENT_FLAG_SEGMENT))
    return GST_FLOW_OK;
  self->eos = TRUE;
  neva_seeker_deactivate (&self->lookahead.seeker);
  gst_pad_push_event (self->srcpad, gst_event_new_eos ());
  return GST_FLOW_EOS;
}

/* Acts on what the packets say. Returns OK to go on. */
static GstFlowReturn
heed (GstNevaFrameSampler *self, NevaLook look, const GstNevaSampleTime *wanted,
    const gchar *message)
{
  GQueue out = G_QUEUE_INIT;

  switch (look) {
    case NEVA_LOOK_GO_ON:
      return GST_FLOW_OK;
    case NEVA_LOOK_FLUSHING:
      return GST_FLOW_FLUSHING;
    case NEVA_LOOK_MISSING: {
      g_autofree gchar *what =
          neva_lookahead_describe (&self->lookahead, wanted);

      GST_ELEMENT_WARNING (self, STREAM, DECODE,
          ("%s, did not come out of the decoder; the next one is taken.", what),
          (NULL));
      return GST_FLOW_OK;
    }
    case NEVA_LOOK_DAMAGED:
      neva_windows_cancel (self->windows, &out);
      push_queue (self, &out);
      GST_ELEMENT_ERROR (self, STREAM, DECODE, ("%s", message), (NULL));
      neva_seeker_deactivate (&self->lookahead.seeker);
      return give_up (self);
  }
  return GST_FLOW_OK;
}

/* Hands a frame that has its place in time to the windows, pushes what leaves
 * and moves on to the next frame that is wanted. */
static GstFlowReturn
handle_frame (
    GstNevaFrameSampler *self, GstBuffer *buffer, const NevaFrameTime *t)
{
  NevaLookahead *l = &self->lookahead;
  g_autofree gchar *message = NULL;
  GQueue out = G_QUEUE_INIT;
  GstNevaSampleTime wanted;
  GstFlowReturn ret = GST_FLOW_OK;

  if (neva_windows_next_time (self->windows, &wanted))
    ret =
        heed (self, neva_lookahead_arrived (l, t->pts, &wanted), &wanted, NULL);
  if (ret != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return ret;
  }

  neva_windows_push (self->windows, buffer, t->running_time, t->duration, &out);
  if (g_queue_is_empty (&out)) {
    self->discont = TRUE;
    send_gap (self, t->pts);
  }
  ret = push_queue (self, &out);
  if (ret == GST_FLOW_OK)
    ret = report_notes (self);
  if (ret == GST_FLOW_OK)
    ret = finish_early (self);
  if (ret == GST_FLOW_OK && neva_windows_next_time (self->windows, &wanted)) {
    NevaLook look = neva_lookahead_advance (l, t->pts, &wanted, &message);

    ret = heed (self, look, &wanted, message);
  }
  return ret;
}

static GstFlowReturn
gst_neva_frame_sampler_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstNevaFrameSampler *self = GST_NEVA_FRAME_SAMPLER (parent);
  GstFlowReturn ret = self->eos ? GST_FLOW_EOS : update_config (self);
  NevaFrameTime t;
  NevaStamp stamp;

  if (ret == GST_FLOW_OK && !self->facts_known)
    ret = learn_facts (self);
  if (ret != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return ret;
  }

  stamp = neva_stamps_place (
      &self->stamps, &self->segment, buffer, self->frame_duration, &t);
  if (stamp == NEVA_STAMP_LATE) {
    warn_once (self, WARNED_LATE,
        "Frames arrive with the time of an earlier frame; they are never "
        "chosen.");
    return skip_frame (self, buffer);
  }
  if (stamp == NEVA_STAMP_OUTSIDE)
    return skip_frame (self, buffer);
  if (t.guessed) {
    warn_once (self, WARNED_NO_PTS,
        "Frames arrive without timestamps; their times are guessed.");
    buffer = gst_buffer_make_writable (buffer);
    GST_BUFFER_PTS (buffer) = t.pts;
  }
  if (stamp == NEVA_STAMP_JUMP && (ret = cut (self)) != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return ret;
  }
  return handle_frame (self, buffer, &t);
}

/* Forgets the stream, as after a flush. */
static void
reset (GstNevaFrameSampler *self)
{
  neva_lookahead_reset (&self->lookahead, FALSE);
  neva_windows_reset (self->windows);
  neva_stamps_reset (&self->stamps);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  self->facts_known = self->eos = self->discont = FALSE;
  self->sent = GST_CLOCK_TIME_NONE;
  self->warned = 0;
}

static gboolean
handle_caps (GstNevaFrameSampler *self, GstEvent *event)
{
  GstCaps *caps, *old = gst_pad_get_current_caps (self->srcpad);
  const GstStructure *s;
  gint n = 0, d = 1;
  gboolean same;

  gst_event_parse_caps (event, &caps);
  same = old && gst_caps_is_equal (old, caps);
  gst_clear_caps (&old);
  if (same)
    return gst_pad_push_event (self->srcpad, event);

  /* Pictures of another size or rate are another scene to a window; a whole
   * file stays one clip, its frame numbers run on. */
  if (self->active.window > 0)
    cut (self);
  s = gst_caps_get_structure (caps, 0);
  if (!gst_structure_get_fraction (s, "framerate", &n, &d) || n <= 0 ||
      d <= 0) {
    n = 0;
    d = 1;
  }
  self->facts.fps_n = n;
  self->facts.fps_d = d;
  if (self->facts_known)
    neva_windows_set_facts (self->windows, &self->facts);
  GST_OBJECT_LOCK (self);
  self->frame_duration = neva_choice_grid_offset (1, n, d);
  GST_OBJECT_UNLOCK (self);
  gst_element_post_message (
      GST_ELEMENT (self), gst_message_new_latency (GST_OBJECT (self)));
  return gst_pad_push_event (self->srcpad, event);
}

static gboolean
continues (const GstSegment *a, const GstSegment *b)
{
  return a->format == b->format && a->rate == b->rate &&
         a->applied_rate == b->applied_rate && a->base == b->base &&
         a->offset == b->offset && a->start == b->start && a->time == b->time;
}

static gboolean
handle_segment (GstNevaFrameSampler *self, GstEvent *event)
{
  const GstSegment *segment;

  gst_event_parse_segment (event, &segment);
  if (segment->format != GST_FORMAT_TIME) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("Frames can only be chosen in a stream that has times."),
        ("segment format %s", gst_format_get_name (segment->format)));
    gst_event_unref (event);
    return FALSE;
  }
  if (self->segment.format != GST_FORMAT_UNDEFINED &&
      !continues (&self->segment, segment)) {
    cut (self);
    neva_stamps_reset (&self->stamps);
    self->sent = GST_CLOCK_TIME_NONE;
  }
  gst_segment_copy_into (segment, &self->segment);
  self->facts_known = FALSE;
  return gst_pad_push_event (self->srcpad, event);
}

static gboolean
handle_gap (GstNevaFrameSampler *self, GstEvent *event)
{
  GstClockTime pts, duration;

  if (neva_seeker_is_active (&self->lookahead.seeker)) {
    gst_event_unref (event); /* made by our seeks, not by the stream */
    return TRUE;
  }
  if (self->active.window > 0)
    cut (self);
  gst_event_parse_gap (event, &pts, &duration);
  if (GST_CLOCK_TIME_IS_VALID (pts) && GST_CLOCK_TIME_IS_VALID (duration))
    self->sent = pts + duration;
  return gst_pad_push_event (self->srcpad, event);
}

static gboolean
gst_neva_frame_sampler_sink_event (
    GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstNevaFrameSampler *self = GST_NEVA_FRAME_SAMPLER (parent);
  const GstEventType type = GST_EVENT_TYPE (event);

  if (neva_seeker_owns (&self->lookahead.seeker, event)) {
    if (type == GST_EVENT_FLUSH_STOP)
      neva_stamps_reset (&self->stamps);
    gst_event_unref (event);
    return TRUE;
  }
  if (type == GST_EVENT_FLUSH_START)
    neva_index_cancel_set (&self->lookahead.cancel, TRUE);
  if (type == GST_EVENT_CAPS)
    return handle_caps (self, event);
  if (type == GST_EVENT_SEGMENT)
    return handle_segment (self, event);
  if (type == GST_EVENT_GAP)
    return handle_gap (self, event);

  if (type == GST_EVENT_FLUSH_STOP) {
    reset (self);
    neva_index_cancel_set (&self->lookahead.cancel, FALSE);
  } else if (type == GST_EVENT_STREAM_START)
    self->eos = FALSE;
  else if (type == GST_EVENT_SEGMENT_DONE)
    cut (self);
  else if (type == GST_EVENT_EOS) {
    if (self->eos) {
      gst_event_unref (event);
      return TRUE;
    }
    cut (self);
  }
  return gst_pad_event_default (pad, parent, event);
}

/* With output=selected the frames that would be chosen next must not fall to
 * QoS because the model, or a slow sink, is late with the ones before. */
static gboolean
gst_neva_frame_sampler_src_event (
    GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstNevaFrameSampler *self = GST_NEVA_FRAME_SAMPLER (parent);
  gboolean pass_all;

  GST_OBJECT_LOCK (self);
  pass_all = self->config.pass_all;
  GST_OBJECT_UNLOCK (self);
  if (GST_EVENT_TYPE (event) == GST_EVENT_QOS && !pass_all) {
    gst_event_unref (event);
    return TRUE;
  }
  /* The application takes over: none of our seeks may land after its own. */
  if (GST_EVENT_TYPE (event) == GST_EVENT_SEEK)
    neva_seeker_join (&self->lookahead.seeker);
  return gst_pad_event_default (pad, parent, event);
}

/* How much later than it came in a frame may leave. */
static GstClockTime
own_latency (GstNevaFrameSampler *self)
{
  GstClockTime latency = 0;

  GST_OBJECT_LOCK (self);
  if (self->config.choice != NEVA_CHOICE_FIRST &&
      self->config.choice != NEVA_CHOICE_ALL) {
    if (self->frame_duration > 0)
      latency = self->frame_duration; /* the newest frame is held back */
    else if (!self->config.pass_all && self->config.overlap == 0)
      latency = self->config.window; /* held until the window ends */
  }
  GST_OBJECT_UNLOCK (self);
  return latency;
}

static gboolean
handle_latency (GstNevaFrameSampler *self, GstQuery *query)
{
  const GstClockTime own = own_latency (self);
  GstClockTime min, max;
  gboolean live;

  if (!gst_pad_peer_query (self->sinkpad, query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);
  if (live) {
    min += own;
    if (GST_CLOCK_TIME_IS_VALID (max))
      max += own;
    gst_query_set_latency (query, live, min, max);
  }
  return TRUE;
}

static gboolean
gst_neva_frame_sampler_src_query (
    GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    return handle_latency (GST_NEVA_FRAME_SAMPLER (parent), query);
  return gst_pad_query_default (pad, parent, query);
}

/* Pools upstream must have buffers for the frames that are held here. */
static void
raise_pools (GstNevaFrameSampler *self, GstQuery *query)
{
  NevaSamplerConfig config;
  guint held;

  GST_OBJECT_LOCK (self);
  config = self->config;
  held = self->frame_duration > 0 ? 2 : neva_windows_max_held (&config);
  GST_OBJECT_UNLOCK (self);

  for (guint i = 0; i < gst_query_get_n_allocation_pools (query); i++) {
    GstBufferPool *pool;
    guint size, min, max;

    gst_query_parse_nth_allocation_pool (query, i, &pool, &size, &min, &max);
    min += held;
    if (max > 0)
      max += held;
    gst_query_set_nth_allocation_pool (query, i, pool, size, min, max);
    gst_clear_object (&pool);
  }
}

static gboolean
gst_neva_frame_sampler_sink_query (
    GstPad *pad, GstObject *parent, GstQuery *query)
{
  gboolean ret = gst_pad_query_default (pad, parent, query);

  if (ret && GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION)
    raise_pools (GST_NEVA_FRAME_SAMPLER (parent), query);
  return ret;
}

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
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    neva_seeker_interrupt (&self->lookahead.seeker);
    neva_index_cancel_set (&self->lookahead.cancel, TRUE);
  }
  ret = GST_ELEMENT_CLASS (parent_class)->change_state (element, transition);
  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    neva_seeker_join (&self->lookahead.seeker);
    neva_lookahead_reset (&self->lookahead, TRUE);
    neva_windows_free (self->windows);
    self->windows = neva_windows_new ();
    reset (self);
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
  G_OBJECT_CLASS (parent_class)->finalize (object);
}

static void
gst_neva_frame_sampler_init (GstNevaFrameSampler *self)
{
  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, gst_neva_frame_sampler_chain);
  gst_pad_set_event_function (self->sinkpad, gst_neva_frame_sampler_sink_event);
  gst_pad_set_query_function (self->sinkpad, gst_neva_frame_sampler_sink_query);
  GST_PAD_SET_PROXY_CAPS (self->sinkpad);
  GST_PAD_SET_PROXY_ALLOCATION (self->sinkpad);
  gst_element_add_pad (GST_ELEMENT (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_event_function (self->srcpad, gst_neva_frame_sampler_src_event);
  gst_pad_set_query_function (self->srcpad, gst_neva_frame_sampler_src_query);
  GST_PAD_SET_PROXY_CAPS (self->srcpad);
  gst_pad_use_fixed_caps (self->srcpad);
  gst_element_add_pad (GST_ELEMENT (self), self->srcpad);

  self->windows = neva_windows_new ();
  self->config = (NevaSamplerConfig){
      .choice = NEVA_CHOICE_UNIFORM, .num_frames = DEFAULT_NUM_FRAMES};
  self->config_changed = TRUE;
  self->seek = TRUE;
  self->facts.fps_d = 1;
  neva_lookahead_init (&self->lookahead, GST_ELEMENT (self), self->sinkpad);
  reset (self);
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

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "NeVA frame sampler",
      "Filter/Video",
      "Chooses the video frames that a video language model is shown",
      "The NeVA for GStreamer authors");

  gst_type_mark_as_plugin_api (GST_TYPE_NEVA_SAMPLER_MODE, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_NEVA_SAMPLER_OUTPUT, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_NEVA_SAMPLER_ALIGN, 0);
  gst_type_mark_as_plugin_api (GST_TYPE_NEVA_SAMPLER_SEEK, 0);
}
