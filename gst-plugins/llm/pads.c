/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The pads: how they are activated, what they answer to queries, and the text
 * pad on request. See llm.h. */
#include "config.h"
#include <string.h>
#include "llm.h"

#define TEXT_CAPS "text/x-raw, format = (string) { utf8, pango-markup }"
#define VIDEO_CAPS "video/x-raw(ANY)"

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink", GST_PAD_SINK, GST_PAD_ALWAYS, GST_STATIC_CAPS (VIDEO_CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE ("src",
    GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (VIDEO_CAPS "; " TEXT_CAPS));
static GstStaticPadTemplate text_template = GST_STATIC_PAD_TEMPLATE (
    "text", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS (TEXT_CAPS));
static GstStaticPadTemplate prompt_template = GST_STATIC_PAD_TEMPLATE (
    "text_%s", GST_PAD_SRC, GST_PAD_REQUEST, GST_STATIC_CAPS (TEXT_CAPS));

static void
on_text_flow (GstElement *element, GstPad *pad, GstFlowReturn flow)
{
  gst_neva_llm_combine (GST_NEVA_LLM (element), pad, flow);
}

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

#define PROMPT_PREFIX "text_"

const char *
gst_neva_llm_text_prompt (GstPad *pad)
{
  return g_str_has_prefix (GST_PAD_NAME (pad), PROMPT_PREFIX)
             ? GST_PAD_NAME (pad) + strlen (PROMPT_PREFIX)
             : NULL;
}

/* Lock held. (transfer none) (nullable) */
static GstNevaTextStream *
find_text (GstNevaLlm *self, GstPad *pad)
{
  for (guint i = 0; i < self->texts->len; i++)
    if (gst_neva_text_stream_get_pad (self->texts->pdata[i]) == pad)
      return self->texts->pdata[i];
  return NULL;
}

/* Lock held. */
static gboolean
has_text (GstNevaLlm *self, const char *name)
{
  for (guint i = 0; i < self->texts->len; i++)
    if (g_str_equal (
            GST_PAD_NAME (gst_neva_text_stream_get_pad (self->texts->pdata[i])),
            name))
      return TRUE;
  return FALSE;
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
  text = find_text (self, pad);
  if (text)
    gst_neva_text_stream_ref (text);
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

  if (gst_event_has_name (event, GST_NEVA_LLM_FORGET_EVENT))
    gst_neva_llm_forget (self, TRUE);
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

/* `text`, or `text_ID`, whose ID has to be said. */
GstPad *
gst_neva_llm_request_new_pad (GstElement *element, GstPadTemplate *template,
    const char *name, const GstCaps *caps)
{
  GstNevaLlm *self = GST_NEVA_LLM (element);
  GstPad *pad;
  gboolean taken;

  (void) caps;
  if (g_str_equal (GST_PAD_TEMPLATE_NAME_TEMPLATE (template), "text"))
    name = "text";
  else if (!name || !g_str_has_prefix (name, PROMPT_PREFIX) ||
           !name[strlen (PROMPT_PREFIX)])
    return NULL;
  pad = gst_pad_new_from_template (template, name);
  gst_pad_set_element_private (pad, self);
  gst_pad_set_activatemode_function (pad, text_activate_mode);
  gst_pad_set_query_function (pad, src_query);
  gst_pad_set_event_function (pad, src_event);

  g_mutex_lock (&self->lock);
  taken = has_text (self, name);
  if (!taken)
    g_ptr_array_add (
        self->texts, gst_neva_text_stream_new (pad, element, on_text_flow));
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

void
gst_neva_llm_release_pad (GstElement *element, GstPad *pad)
{
  GstNevaLlm *self = GST_NEVA_LLM (element);
  GstNevaTextStream *text = NULL;

  gst_pad_set_active (pad, FALSE);
  g_mutex_lock (&self->lock);
  text = find_text (self, pad);
  if (text)
    g_ptr_array_remove (self->texts, gst_neva_text_stream_ref (text));
  g_mutex_unlock (&self->lock);
  gst_element_remove_pad (element, pad);
  g_clear_pointer (&text, gst_neva_text_stream_unref);
}

void
gst_neva_llm_add_pad_templates (GstElementClass *klass)
{
  gst_element_class_add_static_pad_template (klass, &sink_template);
  gst_element_class_add_static_pad_template (klass, &src_template);
  gst_element_class_add_static_pad_template (klass, &text_template);
  gst_element_class_add_static_pad_template (klass, &prompt_template);
}

void
gst_neva_llm_add_pads (GstNevaLlm *self)
{
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
