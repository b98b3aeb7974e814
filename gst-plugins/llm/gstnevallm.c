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
  PROP_STATS = PROP_MODEL_FIRST + GST_NEVA_MODEL_N_PROPERTIES,
  PROP_PRIORITY
};

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
  GstFlowReturn failed = GST_FLOW_OK;
  gboolean text_goes_on = FALSE;

  g_mutex_lock (&self->lock);
  if (pad == self->srcpad)
    self->src_flow = flow;
  flow = self->src_flow;
  for (guint i = 0; i < self->texts->len; i++) {
    const GstFlowReturn text =
        gst_neva_text_stream_get_flow (self->texts->pdata[i]);

    if (text >= GST_FLOW_OK || text == GST_FLOW_FLUSHING)
      text_goes_on = TRUE;
    else if (!is_end (text))
      failed = text;
  }
  g_mutex_unlock (&self->lock);

  if (flow < GST_FLOW_OK && !is_end (flow))
    return flow;
  if (failed < GST_FLOW_OK)
    return failed;
  return is_end (flow) && text_goes_on ? GST_FLOW_OK : flow;
}

GPtrArray *
gst_neva_llm_ref_texts (GstNevaLlm *self)
{
  GPtrArray *texts = g_ptr_array_new_with_free_func (
      (GDestroyNotify) gst_neva_text_stream_unref);

  g_mutex_lock (&self->lock);
  if (self->mode == GST_NEVA_LLM_MODE_TEXT)
    g_ptr_array_add (texts, gst_neva_text_stream_ref (self->src_text));
  for (guint i = 0; i < self->texts->len; i++)
    g_ptr_array_add (texts, gst_neva_text_stream_ref (self->texts->pdata[i]));
  g_mutex_unlock (&self->lock);
  return texts;
}

void
gst_neva_llm_advance (GstNevaLlm *self, GstClockTime position)
{
  g_autoptr (GPtrArray) texts = gst_neva_llm_ref_texts (self);

  for (guint i = 0; i < texts->len; i++)
    gst_neva_text_stream_advance (texts->pdata[i], position);
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
  g_autoptr (GPtrArray) texts = gst_neva_llm_ref_texts (self);
  guint serial;

  g_mutex_lock (&self->lock);
  serial = self->serial;
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < texts->len; i++) {
    GstPad *pad = gst_neva_text_stream_get_pad (texts->pdata[i]);

    if (pad != self->srcpad && GST_PAD_IS_ACTIVE (pad))
      gst_neva_text_stream_start (texts->pdata[i], serial);
  }
}

void
gst_neva_llm_forget (GstNevaLlm *self, gboolean at_once)
{
  g_mutex_lock (&self->lock);
  self->epoch++;
  if (at_once)
    gst_neva_llm_memory_clear (&self->memory);
  for (GList *l = self->clips.queue.head; at_once && l; l = l->next) {
    GstNevaLlmClip *clip = l->data;

    if (clip->state == GST_NEVA_LLM_CLIP_COLLECTING ||
        clip->state == GST_NEVA_LLM_CLIP_WAITING)
      clip->epoch = self->epoch;
  }
  g_mutex_unlock (&self->lock);
}

static void
on_forget (GstNevaLlm *self)
{
  gst_neva_llm_forget (self, TRUE);
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
  self->src_flow = GST_FLOW_OK;
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
    if (!gst_neva_llm_check_form (self) || !gst_neva_llm_check_prompts (self) ||
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
  guint waiting, asked, remembered;

  g_mutex_lock (&self->lock);
  if (!model && self->model)
    model = neva_model_ref (self->model);
  c = self->counts;
  waiting = g_queue_get_length (&self->clips.queue);
  asked = self->n_asked;
  remembered = gst_neva_llm_memory_count (&self->memory);
  g_mutex_unlock (&self->lock);
  stats = gst_neva_model_stats (model);
  gst_structure_set (stats, "clips", G_TYPE_UINT64, c.clips, "captions",
      G_TYPE_UINT64, c.answered, "dropped", G_TYPE_UINT64, c.dropped,
      "captions-failed", G_TYPE_UINT64, c.failed, "skipped", G_TYPE_UINT64,
      c.skipped, "windows-gated", G_TYPE_UINT64, c.gated, "without-objects",
      G_TYPE_UINT64, c.empty, "late", G_TYPE_UINT64, c.late, "pending",
      G_TYPE_UINT, waiting, "in-flight", G_TYPE_UINT, asked, "frames",
      G_TYPE_UINT64, c.frames, "frames-reused", G_TYPE_UINT64, c.reused,
      "remembered", G_TYPE_UINT, remembered, NULL);
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
  if (id == PROP_PRIORITY) {
    gst_neva_share_set (&self->share, value);
    return;
  }
  if (id == GST_NEVA_LLM_PROP_PROMPTS) {
    gst_neva_llm_set_prompts (self, value);
    return;
  }
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
  if (id == PROP_PRIORITY) {
    gst_neva_share_get (&self->share, value);
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
  g_ptr_array_unref (self->texts);
  g_ptr_array_unref (self->current);
  g_hash_table_unref (self->alerts);
  gst_neva_llm_memory_clear (&self->memory);
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
  element_class->request_new_pad = gst_neva_llm_request_new_pad;
  element_class->release_pad = gst_neva_llm_release_pad;

  gst_neva_model_options_install (object_class, PROP_MODEL_FIRST);
  gst_neva_llm_settings_install (object_class);
  gst_neva_share_install (object_class, PROP_PRIORITY);
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Clips, captions, drops, and what the model spent its time on, since "
          "READY",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));
  /**
   * GstNevaLlm::forget:
   *
   * What was said is not remembered any more. Clips that the model has not been
   * asked about yet begin anew.
   */
  g_signal_new_class_handler ("forget", G_TYPE_FROM_CLASS (klass),
      G_SIGNAL_RUN_LAST | G_SIGNAL_ACTION, G_CALLBACK (on_forget), NULL, NULL,
      NULL, G_TYPE_NONE, 0);

  gst_neva_llm_add_pad_templates (element_class);
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
  self->current =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_structure_free);
  self->alerts =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  self->texts = g_ptr_array_new_with_free_func (
      (GDestroyNotify) gst_neva_text_stream_unref);
  gst_neva_llm_memory_init (&self->memory);
  g_queue_init (&self->delayed);
  g_queue_init (&self->decisions);
  gst_segment_init (&self->segment, GST_FORMAT_UNDEFINED);
  gst_video_info_init (&self->info);
  gst_neva_model_options_init (&self->options);
  gst_neva_share_init (&self->share);
  gst_neva_llm_settings_init (&self->settings);
  self->max_delay = self->settings.max_delay;
  gst_neva_model_loader_init (&self->loader, GST_ELEMENT_CAST (self));
  gst_neva_llm_add_pads (self);
}
