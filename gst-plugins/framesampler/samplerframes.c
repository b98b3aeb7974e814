/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What happens to a frame: it gets its place in time, the windows decide about
 * it, what leaves is pushed, and the next wanted frame is approached. */
#include "config.h"

#include "common/gstnevaerror.h"
#include "container.h"
#include "samplerpriv.h"

/* A sink or muxer hears at least this often how far time has come. */
#define GAP_INTERVAL (250 * GST_MSECOND)

/* Edit lists and durations count in ticks as long as this. */
#define ROUNDING GST_MSECOND

/* Kinds of warnings besides NevaNotes. */
#define WARNED_LATE (1u << 16)
#define WARNED_NO_PTS (1u << 17)
#define WARNED_CUT_SHORT (1u << 18)
/* Warnings about damaged clips, one each, of a stream. */
#define MAX_DAMAGE_WARNINGS 10

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

GstFlowReturn
neva_sampler_give_up (GstNevaFrameSampler *self)
{
  self->eos = TRUE;
  neva_seeker_deactivate (&self->lookahead.seeker);
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
    return neva_sampler_give_up (self);
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

static double
seconds (GstNevaFrameSampler *self, GstClockTime pts)
{
  return (double) gst_segment_to_stream_time (
             &self->segment, GST_FORMAT_TIME, pts) /
         (double) GST_SECOND;
}

/* A clip that is over: were pictures of it damaged? What is known of the rest
 * of it is still worth a caption. */
static void
report_damage (GstNevaFrameSampler *self, const GstNevaClip *clip)
{
  const GstSegment *s = &self->segment;
  GstClockTime first = GST_CLOCK_TIME_NONE;
  const GstClockTime from =
      gst_segment_position_from_running_time (s, GST_FORMAT_TIME, clip->start);
  const GstClockTime to =
      gst_segment_position_from_running_time (s, GST_FORMAT_TIME, clip->end);
  const guint n = GST_CLOCK_TIME_IS_VALID (from)
                      ? neva_damage_count (&self->damage, from, to, &first)
                      : 0;

  if (n == 0 || ++self->damaged_clips > MAX_DAMAGE_WARNINGS)
    return;
  GST_ELEMENT_WARNING (self, STREAM, DECODE,
      ("Clip %" G_GUINT64_FORMAT ", from %.3f s: %u damaged picture%s, the "
       "first at %.3f s; what is seen from there to the next key frame may be "
       "wrong.%s",
          clip->clip, seconds (self, from), n, n == 1 ? "" : "s",
          seconds (self, first),
          self->damaged_clips == MAX_DAMAGE_WARNINGS
              ? " More damaged clips are only counted."
              : ""),
      (NULL));
}

/* At the end of a stream of which not every damaged clip was named. */
static void
report_damaged_clips (GstNevaFrameSampler *self)
{
  if (self->damaged_clips > MAX_DAMAGE_WARNINGS)
    GST_ELEMENT_WARNING (self, STREAM, DECODE,
        ("In all, %u clips have damaged pictures.", self->damaged_clips),
        (NULL));
  self->damaged_clips = 0;
}

static void
push_event (GstNevaFrameSampler *self, GstEvent *event)
{
  GstNevaClip clip;

  if (gst_neva_clip_event_parse (event, &clip)) {
    report_damage (self, &clip);
    gst_neva_clip_clear (&clip);
  }
  gst_pad_push_event (self->srcpad, event);
}

/* A file of which the end is missing looks like a shorter one. `end`: of its
 * last frame, PTS. What else it lacks, sound that goes on, is no loss here. */
static void
report_cut_short (
    GstNevaFrameSampler *self, const gchar *path, GstClockTime end)
{
  const GstClockTime stop = self->segment.stop;
  const GstClockTime frame = neva_choice_grid_offset (
      1, self->facts.fps_n, MAX (self->facts.fps_d, 1));
  g_autofree gchar *until = NULL;
  guint64 missing;

  if ((self->warned & WARNED_CUT_SHORT) || self->segment.rate < 0 ||
      !GST_CLOCK_TIME_IS_VALID (end) ||
      (GST_CLOCK_TIME_IS_VALID (stop) && end + frame / 2 + ROUNDING >= stop) ||
      (missing = neva_container_missing (path)) == 0)
    return;
  self->warned |= WARNED_CUT_SHORT;
  if (GST_CLOCK_TIME_IS_VALID (stop))
    until = g_strdup_printf (" instead of %.3f s", seconds (self, stop));
  GST_ELEMENT_WARNING (self, STREAM, DEMUX,
      ("'%s' is cut short: %" G_GUINT64_FORMAT
       " bytes of it are missing, and its video ends at %.3f s%s.",
          path, missing, seconds (self, end), until ? until : ""),
      (NULL));
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
      push_event (self, GST_EVENT_CAST (o));
  }
  return ret;
}

/* For `stats`. */
static void
publish_counts (GstNevaFrameSampler *self, guint frames)
{
  const NevaWindowCounts counts = neva_windows_get_counts (self->windows);

  GST_OBJECT_LOCK (self);
  self->counts = counts;
  self->frames += frames;
  GST_OBJECT_UNLOCK (self);
}

/* Ends the clips in progress with what they have. */
GstFlowReturn
neva_sampler_cut (GstNevaFrameSampler *self)
{
  GQueue out = G_QUEUE_INIT;
  GstFlowReturn ret;

  neva_windows_cut (self->windows, &out);
  publish_counts (self, 0);
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

/* Returns FLUSHING if a flush or a stop interrupted it, EOS after an error. */
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
           self->active.gate.kind == NEVA_GATE_NONE &&
           !(self->segment.flags & GST_SEGMENT_FLAG_SEGMENT);
    if (!neva_lookahead_learn (
            &self->lookahead, &self->segment, seek, &self->facts, &why)) {
      if (!why)
        return GST_FLOW_FLUSHING;
      GST_INFO_OBJECT (self, "frames cannot be counted in advance: %s", why);
      if (self->lookahead.endless) {
        GST_ELEMENT_ERROR (self, STREAM, FAILED,
            ("'%s' does not come to an end (an animation may play in a loop), "
             "and cannot be captioned as a whole: set window.",
                self->lookahead.path),
            (NULL));
        return neva_sampler_give_up (self);
      }
    }
  }
  GST_DEBUG_OBJECT (self, "rate %u/%u, end %" GST_TIME_FORMAT,
      self->facts.fps_n, self->facts.fps_d, GST_TIME_ARGS (self->facts.end));
  neva_windows_set_facts (self->windows, &self->facts);
  self->facts_known = TRUE;
  if (self->lookahead.usable) {
    neva_damage_unwatch (&self->damage); /* the index knows, and more */
    report_cut_short (
        self, self->lookahead.path, neva_lookahead_end (&self->lookahead));
  } else {
    neva_damage_watch (&self->damage, self->sinkpad);
  }
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
    return neva_sampler_give_up (self);
  }
  if ((ret = neva_sampler_cut (self)) != GST_FLOW_OK)
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
  return neva_sampler_give_up (self);
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
          ("%s, did not come out of the decoder; its neighbour is taken.",
              what),
          (NULL));
      return GST_FLOW_OK;
    }
    case NEVA_LOOK_DAMAGED:
      neva_windows_cancel (self->windows, &out);
      push_queue (self, &out);
      GST_ELEMENT_ERROR (self, STREAM, DECODE, ("%s", message), (NULL));
      return neva_sampler_give_up (self);
  }
  return GST_FLOW_OK;
}

/* Returns OK to go on. */
static GstFlowReturn
look (GstNevaFrameSampler *self, GstBuffer *buffer, GstClockTime time,
    NevaHappening *happening)
{
  g_autoptr (GError) error = NULL;

  if (neva_gate_look (
          &self->gate, &self->active.gate, buffer, time, happening, &error))
    return GST_FLOW_OK;
  gst_neva_post_error (GST_ELEMENT (self), NULL, error);
  return neva_sampler_give_up (self);
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
  NevaHappening happening;
  GstFlowReturn ret = look (self, buffer, t->running_time, &happening);

  if (ret == GST_FLOW_OK && neva_windows_next_time (self->windows, &wanted))
    ret =
        heed (self, neva_lookahead_arrived (l, t->pts, &wanted), &wanted, NULL);
  if (ret != GST_FLOW_OK) {
    gst_buffer_unref (buffer);
    return ret;
  }

  neva_damage_look (&self->damage, buffer);
  neva_windows_push (
      self->windows, buffer, t->running_time, t->duration, &happening, &out);
  publish_counts (self, 1);
  if (g_queue_is_empty (&out)) {
    self->discont = TRUE;
    send_gap (self, t->pts);
  }
  ret = push_queue (self, &out);
  if (ret == GST_FLOW_EOS) /* nobody wants what is still to be sought */
    return neva_sampler_give_up (self);
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

GstFlowReturn
neva_sampler_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
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
  if (stamp == NEVA_STAMP_JUMP) {
    neva_gate_reset (&self->gate);
    if ((ret = neva_sampler_cut (self)) != GST_FLOW_OK) {
      gst_buffer_unref (buffer);
      return ret;
    }
  }
  return handle_frame (self, buffer, &t);
}

/* At the end of a stream whose file was not read in advance. */
static void
report_short_stream (GstNevaFrameSampler *self)
{
  const NevaStamps *last = &self->stamps;
  const gchar *why;
  NevaUpstream up;

  if (self->lookahead.usable || !GST_CLOCK_TIME_IS_VALID (last->pts) ||
      !neva_upstream_inspect (self->sinkpad, &up, &why))
    return;
  report_cut_short (self, up.path, last->pts + last->duration);
  neva_upstream_clear (&up);
}

gboolean
neva_sampler_end (GstNevaFrameSampler *self)
{
  GstNevaSampleTime wanted;

  if (neva_windows_next_time (self->windows, &wanted)) {
    NevaLook look = neva_lookahead_arrived (
        &self->lookahead, GST_CLOCK_TIME_NONE - 1, &wanted);

    if (heed (self, look, &wanted, NULL) != GST_FLOW_OK)
      return FALSE;
  }
  neva_sampler_cut (self);
  report_damaged_clips (self);
  report_short_stream (self);
  return TRUE;
}
