/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Events and queries: where clips are cut, and what the neighbours are told. */
#include "config.h"

#include "samplerpriv.h"

/* Forgets the stream, as after a flush. */
void
neva_sampler_reset (GstNevaFrameSampler *self)
{
  neva_lookahead_reset (&self->lookahead, FALSE);
  neva_windows_reset (self->windows);
  neva_stamps_reset (&self->stamps);
  neva_damage_reset (&self->damage);
  neva_gate_reset (&self->gate);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  self->facts_known = self->eos = self->discont = FALSE;
  self->sent = GST_CLOCK_TIME_NONE;
  self->warned = self->damaged_clips = 0;
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
    neva_sampler_cut (self);
  neva_gate_set_caps (&self->gate, caps);
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

/* Caps that came while the stream was over. */
static void
catch_up_caps (GstNevaFrameSampler *self)
{
  g_autoptr (GstCaps) in = gst_pad_get_current_caps (self->sinkpad);
  g_autoptr (GstCaps) out = gst_pad_get_current_caps (self->srcpad);

  if (in && out && !gst_caps_is_equal (in, out))
    handle_caps (self, gst_event_new_caps (in));
}

static gboolean
handle_segment (GstNevaFrameSampler *self, GstEvent *event)
{
  const GstSegment *segment;

  catch_up_caps (self);
  gst_event_parse_segment (event, &segment);
  if (segment->format != GST_FORMAT_TIME) {
    GST_ELEMENT_ERROR (self, STREAM, FORMAT,
        ("Frames can only be chosen in a stream that has times."),
        ("segment format %s", gst_format_get_name (segment->format)));
    gst_event_unref (event);
    neva_sampler_give_up (self);
    return TRUE; /* chain stops upstream: FALSE would be a second error */
  }
  if (self->segment.format != GST_FORMAT_UNDEFINED &&
      !continues (&self->segment, segment)) {
    neva_sampler_cut (self);
    neva_stamps_reset (&self->stamps);
    neva_gate_reset (&self->gate);
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
    neva_sampler_cut (self);
  gst_event_parse_gap (event, &pts, &duration);
  if (GST_CLOCK_TIME_IS_VALID (pts) && GST_CLOCK_TIME_IS_VALID (duration))
    self->sent = pts + duration;
  return gst_pad_push_event (self->srcpad, event);
}

/* Once the stream is over here, upstream still sends what it had on its way: a
 * file's tags, caps, gaps. A src pad that has passed EOS refuses all of it, and
 * of a sticky event that was refused GStreamer makes a flow error. */
static gboolean
comes_too_late (GstNevaFrameSampler *self, GstEvent *event)
{
  return GST_EVENT_IS_SERIALIZED (event) &&
         GST_EVENT_TYPE (event) != GST_EVENT_STREAM_START &&
         GST_EVENT_TYPE (event) != GST_EVENT_FLUSH_STOP && self->eos;
}

gboolean
neva_sampler_sink_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstNevaFrameSampler *self = GST_NEVA_FRAME_SAMPLER (parent);
  const GstEventType type = GST_EVENT_TYPE (event);

  if (neva_seeker_owns (&self->lookahead.seeker, event)) {
    if (type == GST_EVENT_FLUSH_STOP)
      neva_stamps_reset (&self->stamps);
    gst_event_unref (event);
    return TRUE;
  }
  if (comes_too_late (self, event)) {
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
    neva_sampler_reset (self);
    neva_index_cancel_set (&self->lookahead.cancel, FALSE);
  } else if (type == GST_EVENT_STREAM_START)
    self->eos = FALSE;
  else if (type == GST_EVENT_SEGMENT_DONE)
    neva_sampler_cut (self);
  else if (type == GST_EVENT_EOS && !neva_sampler_end (self)) {
    gst_event_unref (event);
    return TRUE;
  }
  return gst_pad_event_default (pad, parent, event);
}

/* With output=selected the frames that would be chosen next must not fall to
 * QoS because the model, or a slow sink, is late with the ones before. */
gboolean
neva_sampler_src_event (GstPad *pad, GstObject *parent, GstEvent *event)
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

gboolean
neva_sampler_src_query (GstPad *pad, GstObject *parent, GstQuery *query)
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

gboolean
neva_sampler_sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  gboolean ret = gst_pad_query_default (pad, parent, query);

  if (ret && GST_QUERY_TYPE (query) == GST_QUERY_ALLOCATION)
    raise_pools (GST_NEVA_FRAME_SAMPLER (parent), query);
  return ret;
}
