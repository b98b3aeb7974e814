/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-nevallm
 * @title: nevallm
 * @see_also: nevaframesampler, nevaencoder, nevacaption
 *
 * Asks a video language model about every clip that nevaframesampler has cut
 * and publishes the answers: as metas on the video, as text, as messages.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 filesrc location=clip.mp4 ! decodebin ! videoconvert !
 *     nevaframesampler window=4000000000 ! nevaencoder model=models/demo !
 *     nevallm prompt="Describe the video." ! srtenc ! filesink
 * location=clip.srt
 * ]| Subtitles, one caption for every four seconds.
 */
#include "config.h"
#include "common/gstnevacaptionmeta.h"
#include "llm.h"

GST_DEBUG_CATEGORY (gst_neva_llm_debug);
#define GST_CAT_DEFAULT gst_neva_llm_debug

enum {
  PROP_0,
  PROP_MODEL_FIRST,
  PROP_STATS = PROP_MODEL_FIRST + GST_NEVA_MODEL_N_PROPERTIES
};

#define TEXT_CAPS "text/x-raw, format = (string) { utf8, pango-markup }"
#define VIDEO_CAPS "video/x-raw(ANY)"

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (VIDEO_CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (VIDEO_CAPS "; " TEXT_CAPS));
static GstStaticPadTemplate text_template = GST_STATIC_PAD_TEMPLATE (
    "text", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS (TEXT_CAPS));

G_DEFINE_TYPE (GstNevaLlm, gst_neva_llm, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (
    nevallm, "nevallm", GST_RANK_NONE, GST_TYPE_NEVA_LLM)

/* ---- Shared by the element's files ---- */

void
gst_neva_llm_get_settings (GstNevaLlm *self, GstNevaLlmSettings *out)
{
  GST_OBJECT_LOCK (self);
  gst_neva_llm_settings_copy (out, &self->settings);
  GST_OBJECT_UNLOCK (self);
}

static gboolean
is_end (GstFlowReturn flow)
{
  return flow == GST_FLOW_EOS || flow == GST_FLOW_NOT_LINKED;
}

/* Not by GstFlowCombiner: that reads the pads' own last flows, and FLUSHING of
 * a text branch that is being taken down would be there for a moment. */
GstFlowReturn
gst_neva_llm_combine (GstNevaLlm *self, GstPad *pad, GstFlowReturn flow)
{
  GstFlowReturn text;

  g_mutex_lock (&self->lock);
  if (pad == self->srcpad)
    self->src_flow = flow;
  else
    self->text_flow = flow == GST_FLOW_FLUSHING ? GST_FLOW_OK : flow;
  flow = self->src_flow;
  text = self->text ? self->text_flow : flow;
  g_mutex_unlock (&self->lock);

  if (flow < GST_FLOW_OK && !is_end (flow))
    return flow;
  if (text < GST_FLOW_OK && !is_end (text))
    return text;
  return is_end (flow) && text >= GST_FLOW_OK ? GST_FLOW_OK : flow;
}

static void
on_text_flow (GstElement *element, GstPad *pad, GstFlowReturn flow)
{
  gst_neva_llm_combine (GST_NEVA_LLM (element), pad, flow);
}

guint
gst_neva_llm_ref_texts (GstNevaLlm *self, GstNevaTextStream *texts[2])
{
  guint n = 0;

  g_mutex_lock (&self->lock);
  if (self->mode == GST_NEVA_LLM_MODE_TEXT)
    texts[n++] = gst_neva_text_stream_ref (self->src_text);
  if (self->text)
    texts[n++] = gst_neva_text_stream_ref (self->text);
  g_mutex_unlock (&self->lock);
  return n;
}

void
gst_neva_llm_advance (GstNevaLlm *self, GstClockTime position)
{
  GstNevaTextStream *texts[2];
  const guint n = gst_neva_llm_ref_texts (self, texts);

  for (guint i = 0; i < n; i++) {
    gst_neva_text_stream_advance (texts[i], position);
    gst_neva_text_stream_unref (texts[i]);
  }
}

void
gst_neva_llm_start_src (GstNevaLlm *self)
{
  GstNevaLlmMode mode;
  guint serial;

  g_mutex_lock (&self->lock);
  mode = self->mode;
  serial = self->serial;
  g_mutex_unlock (&self->lock);
  if (mode == GST_NEVA_LLM_MODE_TEXT)
    gst_neva_text_stream_start (self->src_text, serial);
  else if (mode == GST_NEVA_LLM_MODE_DELAYED)
    gst_neva_llm_delay_start (self);
}

void
gst_neva_llm_start_text (GstNevaLlm *self)
{
  GstNevaTextStream *text = NULL;
  guint serial;

  g_mutex_lock (&self->lock);
  serial = self->serial;
  if (self->text)
    text = gst_neva_text_stream_ref (self->text);
  g_mutex_unlock (&self->lock);
  if (!text)
    return;
  if (GST_PAD_IS_ACTIVE (gst_neva_text_stream_get_pad (text)))
    gst_neva_text_stream_start (text, serial);
  gst_neva_text_stream_unref (text);
}

/* ---- Pads ---- */

static gboolean
src_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstNevaLlm *self = GST_NEVA_LLM (parent);

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  /* What it carries is decided later; then its task starts. */
  if (active)
    return TRUE;
  gst_neva_text_stream_stop (self->src_text);
  gst_neva_llm_delay_stop (self);
  if (!gst_pad_stop_task (pad))
    return FALSE;
  gst_neva_text_stream_clear (self->src_text);
  gst_neva_llm_delay_clear (self);
  return TRUE;
}

static gboolean
text_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstNevaLlm *self = gst_pad_get_element_private (pad);
  GstNevaTextStream *text = NULL;
  gboolean ok = TRUE;

  (void) parent; /* none yet when it is added to a running element */
  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  g_mutex_lock (&self->lock);
  if (self->text && gst_neva_text_stream_get_pad (self->text) == pad)
    text = gst_neva_text_stream_ref (self->text);
  if (text && active) {
    /* Requested while the stream runs: it joins here. In one piece, or an event
     * of the streaming thread gets in before the first of these. */
    gst_neva_text_stream_start (text, self->serial);
    if (self->stream_start)
      gst_neva_text_stream_begin (text, self->stream_start);
    if (self->stream_start && self->segment_event)
      gst_neva_text_stream_segment (text, self->segment_event);
  }
  g_mutex_unlock (&self->lock);
  if (text && !active) {
    gst_neva_text_stream_stop (text);
    ok = gst_pad_stop_task (pad);
    gst_neva_text_stream_clear (text);
  }
  g_clear_pointer (&text, gst_neva_text_stream_unref);
  return ok;
}

static gboolean
latency_query (GstNevaLlm *self, GstQuery *query)
{
  GstNevaLlmTiming timing;
  GstClockTime min, max, delay;
  gboolean live;

  if (!gst_pad_peer_query (self->sinkpad, query))
    return FALSE;
  gst_query_parse_latency (query, &live, &min, &max);
  /* Upstream may not have known when the first frame came. */
  g_mutex_lock (&self->lock);
  self->live = live;
  g_mutex_unlock (&self->lock);
  GST_OBJECT_LOCK (self);
  timing = self->settings.timing;
  delay = self->settings.max_delay;
  GST_OBJECT_UNLOCK (self);
  if (!live || timing != GST_NEVA_LLM_TIMING_ALIGNED)
    return TRUE;
  min += delay;
  if (GST_CLOCK_TIME_IS_VALID (max))
    max += delay;
  gst_query_set_latency (query, live, min, max);
  return TRUE;
}

static gboolean
src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstNevaLlm *self = GST_NEVA_LLM (parent);

  if (gst_neva_model_loader_query (&self->loader, query))
    return TRUE;
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    return latency_query (self, query);
  return gst_pad_query_default (pad, parent, query);
}

static gboolean
src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstNevaLlm *self = GST_NEVA_LLM (parent);
  gboolean again = FALSE;

  if (GST_EVENT_TYPE (event) == GST_EVENT_SEEK) {
    /* A seek of the pipeline comes once from each of our pads. */
    g_mutex_lock (&self->lock);
    again = self->last_seek == gst_event_get_seqnum (event);
    self->last_seek = gst_event_get_seqnum (event);
    g_mutex_unlock (&self->lock);
  } else if (GST_EVENT_TYPE (event) == GST_EVENT_QOS && pad != self->srcpad) {
    /* Late text is no reason to decode less video. */
    again = TRUE;
  }
  if (again) {
    gst_event_unref (event);
    return TRUE;
  }
  return gst_pad_event_default (pad, parent, event);
}

/* What upstream may send: downstream's choice of video if it takes video. */
static GstCaps *
sink_caps (GstNevaLlm *self, GstCaps *filter)
{
  GstCaps *all = gst_pad_get_pad_template_caps (self->sinkpad);
  GstCaps *peer, *caps;
  GstNevaLlmOutput output;

  GST_OBJECT_LOCK (self);
  output = self->settings.output;
  GST_OBJECT_UNLOCK (self);
  if (output == GST_NEVA_LLM_OUTPUT_TEXT) {
    caps = gst_caps_ref (all);
  } else {
    peer = gst_pad_peer_query_caps (self->srcpad, NULL);
    caps = gst_caps_intersect_full (peer, all, GST_CAPS_INTERSECT_FIRST);
    if (output == GST_NEVA_LLM_OUTPUT_AUTO && gst_caps_is_empty (caps))
      gst_caps_replace (&caps, all);
    gst_caps_unref (peer);
  }
  if (filter) {
    GstCaps *filtered =
        gst_caps_intersect_full (filter, caps, GST_CAPS_INTERSECT_FIRST);

    gst_caps_unref (caps);
    caps = filtered;
  }
  gst_caps_unref (all);
  return caps;
}

static gboolean
sink_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  GstNevaLlm *self = GST_NEVA_LLM (parent);
  GstNevaLlmMode mode;
  GstCaps *filter, *caps;

  if (gst_neva_model_loader_query (&self->loader, query))
    return TRUE;
  g_mutex_lock (&self->lock);
  mode = self->mode;
  g_mutex_unlock (&self->lock);
  switch ((int) GST_QUERY_TYPE (query)) {
    case GST_QUERY_CAPS:
      gst_query_parse_caps (query, &filter);
      caps = sink_caps (self, filter);
      gst_query_set_caps_result (query, caps);
      gst_caps_unref (caps);
      return TRUE;
    case GST_QUERY_ALLOCATION:
      /* Buffers that are held must not come out of a pool that downstream has
       * sized for itself. */
      if (mode != GST_NEVA_LLM_MODE_VIDEO)
        return FALSE;
      return gst_pad_peer_query (self->srcpad, query);
    default:
      return gst_pad_query_default (pad, parent, query);
  }
}

static GstPad *
request_new_pad (GstElement *element, GstPadTemplate *template,
    const char *name, const GstCaps *caps)
{
  GstNevaLlm *self = GST_NEVA_LLM (element);
  GstPad *pad;
  gboolean taken;

  (void) name, (void) caps;
  pad = gst_pad_new_from_template (template, "text");
  gst_pad_set_element_private (pad, self);
  gst_pad_set_activatemode_function (pad, text_activate_mode);
  gst_pad_set_query_function (pad, src_query);
  gst_pad_set_event_function (pad, src_event);

  g_mutex_lock (&self->lock);
  taken = self->text != NULL;
  if (!taken) {
    self->text = gst_neva_text_stream_new (pad, element, on_text_flow);
    self->text_flow = GST_FLOW_OK;
  }
  g_mutex_unlock (&self->lock);
  if (taken) {
    gst_object_unref (gst_object_ref_sink (pad));
    return NULL;
  }
  if (GST_STATE (element) > GST_STATE_READY ||
      GST_STATE_NEXT (element) == GST_STATE_PAUSED)
    gst_pad_set_active (pad, TRUE);
  gst_element_add_pad (element, pad);
  return pad;
}

static void
release_pad (GstElement *element, GstPad *pad)
{
  GstNevaLlm *self = GST_NEVA_LLM (element);
  GstNevaTextStream *text = NULL;

  gst_pad_set_active (pad, FALSE);
  g_mutex_lock (&self->lock);
  if (self->text && gst_neva_text_stream_get_pad (self->text) == pad)
    text = g_steal_pointer (&self->text);
  g_mutex_unlock (&self->lock);
  gst_element_remove_pad (element, pad);
  g_clear_pointer (&text, gst_neva_text_stream_unref);
}

/* ---- States ---- */

static void
reset (GstNevaLlm *self)
{
  g_mutex_lock (&self->lock);
  self->mode = GST_NEVA_LLM_MODE_UNDECIDED;
  self->failed = self->reported = FALSE;
  self->delay_warned = self->foreign_warned = FALSE;
  self->counts = (GstNevaLlmCounts){0};
  g_clear_pointer (&self->stream_start, gst_event_unref);
  self->src_flow = self->text_flow = GST_FLOW_OK;
  g_mutex_unlock (&self->lock);
  self->have_info = self->asked_live = self->bare_checked = FALSE;
  self->frames_seen = self->chosen_seen = 0;
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstNevaLlm *self = GST_NEVA_LLM (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    reset (self);
    gst_neva_llm_resume (self);
    if (!gst_neva_llm_check_form (self) ||
        !gst_neva_model_loader_start (&self->loader, &self->options))
      return GST_STATE_CHANGE_FAILURE;
    gst_neva_llm_worker_start (self);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    gst_neva_llm_interrupt (self);
    gst_neva_llm_delay_stop (self);
  }

  ret = GST_ELEMENT_CLASS (gst_neva_llm_parent_class)
            ->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED &&
          ret == GST_STATE_CHANGE_FAILURE)) {
    gst_neva_llm_interrupt (self);
    gst_neva_llm_worker_stop (self);
    g_clear_pointer (&self->model, neva_model_unref);
    gst_neva_model_loader_stop (&self->loader);
  }
  return ret;
}

/* ---- Object ---- */

static GstStructure *
get_stats (GstNevaLlm *self)
{
  NevaModel *model = gst_neva_model_loader_peek (&self->loader);
  GstStructure *stats;
  GstNevaLlmCounts c;
  guint waiting, asked;

  g_mutex_lock (&self->lock);
  if (!model && self->model)
    model = neva_model_ref (self->model);
  c = self->counts;
  waiting = g_queue_get_length (&self->clips.queue);
  asked = self->n_asked;
  g_mutex_unlock (&self->lock);
  stats = gst_neva_model_stats (model);
  gst_structure_set (stats, "clips", G_TYPE_UINT64, c.clips, "captions",
      G_TYPE_UINT64, c.answered, "dropped", G_TYPE_UINT64, c.dropped,
      "captions-failed", G_TYPE_UINT64, c.failed, "skipped", G_TYPE_UINT64,
      c.skipped, "late", G_TYPE_UINT64, c.late, "pending", G_TYPE_UINT, waiting,
      "in-flight", G_TYPE_UINT, asked, NULL);
  g_clear_pointer (&model, neva_model_unref);
  return stats;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstNevaLlm *self = GST_NEVA_LLM (object);
  GstClockTime delay;
  gboolean known, relevant, changed;

  if (gst_neva_model_options_set (&self->options, GST_ELEMENT_CAST (self),
          id - PROP_MODEL_FIRST, value))
    return;
  GST_OBJECT_LOCK (self);
  known = gst_neva_llm_settings_set (&self->settings, id, value);
  delay = self->settings.max_delay;
  relevant = self->settings.timing == GST_NEVA_LLM_TIMING_ALIGNED;
  GST_OBJECT_UNLOCK (self);
  if (!known) {
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
    return;
  }
  if (id >= GST_NEVA_LLM_FIRST_FORM)
    gst_neva_llm_update_form (self);
  g_mutex_lock (&self->lock);
  changed = self->max_delay != delay;
  self->max_delay = delay;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  if (changed && relevant)
    gst_element_post_message (GST_ELEMENT_CAST (self),
        gst_message_new_latency (GST_OBJECT_CAST (self)));
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstNevaLlm *self = GST_NEVA_LLM (object);
  gboolean known;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, get_stats (self));
    return;
  }
  if (gst_neva_model_options_get (&self->options, GST_ELEMENT_CAST (self),
          id - PROP_MODEL_FIRST, value))
    return;
  GST_OBJECT_LOCK (self);
  known = gst_neva_llm_settings_get (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
finalize (GObject *object)
{
  GstNevaLlm *self = GST_NEVA_LLM (object);

  gst_neva_model_loader_clear (&self->loader);
  gst_neva_model_options_clear (&self->options);
  gst_neva_llm_settings_clear (&self->settings);
  gst_neva_llm_clips_clear (&self->clips);
  g_clear_pointer (&self->src_text, gst_neva_text_stream_unref);
  g_clear_pointer (&self->text, gst_neva_text_stream_unref);
  g_clear_pointer (&self->current, gst_structure_free);
  g_clear_pointer (&self->stream_start, gst_event_unref);
  g_clear_pointer (&self->segment_event, gst_event_unref);
  g_object_unref (self->cancel);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  G_OBJECT_CLASS (gst_neva_llm_parent_class)->finalize (object);
}

static void
gst_neva_llm_class_init (GstNevaLlmClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (
      gst_neva_llm_debug, "nevallm", 0, "asks about clips");
  gst_neva_caption_meta_init ();

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  element_class->change_state = change_state;
  element_class->request_new_pad = request_new_pad;
  element_class->release_pad = release_pad;

  gst_neva_model_options_install (object_class, PROP_MODEL_FIRST);
  gst_neva_llm_settings_install (object_class);
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Clips, captions, drops, and what the model spent its time on, since "
          "READY",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_add_static_pad_template (element_class, &text_template);
  gst_element_class_set_static_metadata (element_class, "Video captioner",
      "Filter/Analyzer/Video",
      "Asks a video language model about each clip of a video",
      "NeVA for GStreamer");
}

static void
gst_neva_llm_init (GstNevaLlm *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->cancel = g_cancellable_new ();
  self->last_seek = GST_SEQNUM_INVALID;
  self->newest_clip_start = GST_CLOCK_TIME_NONE;
  gst_neva_llm_clips_init (&self->clips);
  g_queue_init (&self->delayed);
  g_queue_init (&self->decisions);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  gst_video_info_init (&self->info);
  gst_neva_model_options_init (&self->options);
  gst_neva_llm_settings_init (&self->settings);
  self->max_delay = self->settings.max_delay;
  gst_neva_model_loader_init (&self->loader, GST_ELEMENT_CAST (self));

  self->sinkpad = gst_pad_new_from_static_template (&sink_template, "sink");
  gst_pad_set_chain_function (self->sinkpad, gst_neva_llm_chain);
  gst_pad_set_event_function (self->sinkpad, gst_neva_llm_sink_event);
  gst_pad_set_query_function (self->sinkpad, sink_query);
  gst_element_add_pad (GST_ELEMENT_CAST (self), self->sinkpad);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_activatemode_function (self->srcpad, src_activate_mode);
  gst_pad_set_event_function (self->srcpad, src_event);
  gst_pad_set_query_function (self->srcpad, src_query);
  gst_element_add_pad (GST_ELEMENT_CAST (self), self->srcpad);
  self->src_text = gst_neva_text_stream_new (
      self->srcpad, GST_ELEMENT_CAST (self), on_text_flow);
}
