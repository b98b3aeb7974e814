/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* An answer goes out: as text on the text streams, as the caption of frames, as
 * an element message; or a failure does. Runs on the element's thread. */
#include "config.h"
#include "common/gstnevacaptionmeta.h"
#include "common/gstnevaerror.h"
#include "llm.h"
#include "scores.h"
#include "text.h"

GST_DEBUG_CATEGORY_EXTERN (gst_neva_llm_debug);
#define GST_CAT_DEFAULT gst_neva_llm_debug

static GstClockTime
to_pts (const GstNevaLlmClip *clip, GstClockTime running_time)
{
  if (!GST_CLOCK_TIME_IS_VALID (running_time))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_position_from_running_time (
      &clip->segment, GST_FORMAT_TIME, running_time);
}

static const char *
finish_nick (NevaFinish finish)
{
  switch (finish) {
    case NEVA_FINISH_STOP:
      return "stop";
    case NEVA_FINISH_LENGTH:
      return "length";
  }
  return "";
}

static void
fill_answer (GstNevaCaptionInfo *info, const NevaAnswer *answer)
{
  info->finish = finish_nick (answer->finish);
  info->prompt_tokens = answer->prompt_tokens;
  info->reused_tokens = answer->reused_tokens;
  info->tokens = answer->generated_tokens;
  info->mean_logprob = answer->mean_logprob;
  info->queue_time = (GstClockTime) MAX (answer->queue_ns, 0);
  info->encode_time = (GstClockTime) MAX (answer->encode_ns, 0);
  info->prefill_time = (GstClockTime) MAX (answer->prefill_ns, 0);
  info->first_token_time = (GstClockTime) MAX (answer->first_token_ns, 0);
  info->decode_time = (GstClockTime) MAX (answer->decode_ns, 0);
}

static GstStructure *
make_caption (GstNevaLlm *self, const GstNevaLlmClip *clip,
    const GstNevaLlmQuestion *question, const char *text, gboolean final)
{
  g_autofree GstClockTime *times = g_new (GstClockTime, clip->times->len);
  g_autofree char *stream_id = gst_pad_get_stream_id (self->sinkpad);
  GstStructure *caption;
  GstNevaCaptionInfo info = {.text = text,
      .final = final,
      .clip = clip->number,
      .start = to_pts (clip, clip->start),
      .end = to_pts (clip, clip->end),
      .running_time = clip->start,
      .times = times,
      .n_times = clip->times->len,
      .stream_id = stream_id,
      .model = clip->model,
      .prompt_id = question->prompt->id,
      .prompt = question->text,
      .memory = question->memory};

  info.stream_time =
      gst_segment_to_stream_time (&clip->segment, GST_FORMAT_TIME, info.start);
  for (guint i = 0; i < clip->times->len; i++)
    times[i] = g_array_index (clip->times, GstNevaSampleTime, i).pts;
  if (final)
    fill_answer (&info, &question->answer);
  caption = gst_neva_caption_to_structure (&info);
  gst_neva_llm_tell_object (question, caption);
  if (final)
    gst_neva_llm_scores_add (caption, question->scores);
  return caption;
}

/* ---- Ways out ---- */

static gboolean
is_arrival (GstNevaLlm *self, GstNevaLlmTextTime text_time,
    GstNevaTextStream *text, gboolean live)
{
  switch (text_time) {
    case GST_NEVA_LLM_TEXT_TIME_WINDOW:
      return FALSE;
    case GST_NEVA_LLM_TEXT_TIME_ARRIVAL:
      return TRUE;
    case GST_NEVA_LLM_TEXT_TIME_AUTO:
      break;
  }
  /* Beside live video that has gone on, text with its window's time would come
   * too late to be shown. */
  return live && gst_neva_text_stream_get_pad (text) != self->srcpad;
}

static void
push_text (GstNevaLlm *self, const GstNevaLlmClip *clip,
    const GstNevaLlmQuestion *question, const GstNevaLlmSettings *settings,
    const GstStructure *caption, guint serial)
{
  g_autoptr (GPtrArray) texts = gst_neva_llm_ref_texts (self);
  GstNevaTextCaption text = {.caption = caption,
      .clip = clip->number,
      .start = clip->start,
      .end = clip->end};
  gboolean live;

  gst_structure_get_boolean (caption, "final", &text.final);
  g_mutex_lock (&self->lock);
  live = self->live;
  g_mutex_unlock (&self->lock);
  text.wait = !live && text.final;
  for (guint i = 0; i < texts->len; i++) {
    const char *only = gst_neva_llm_text_prompt (
        gst_neva_text_stream_get_pad (texts->pdata[i]));

    if (only && !g_str_equal (only, question->prompt->id))
      continue;
    text.arrival =
        is_arrival (self, settings->text_time, texts->pdata[i], live);
    gst_neva_text_stream_push (texts->pdata[i], serial, &text);
  }
}

/* Lock held. (transfer full) (nullable): the current caption of a prompt. */
static GstStructure *
steal_current (GstNevaLlm *self, const char *prompt_id)
{
  for (guint i = 0; i < self->current->len; i++) {
    GstStructure *caption = self->current->pdata[i];

    if (g_strcmp0 (
            gst_structure_get_string (caption, "prompt-id"), prompt_id) == 0)
      return g_ptr_array_steal_index (self->current, i);
  }
  return NULL;
}

/* Lock held. In the order of the prompts; those of others are gone. caption:
 * (transfer full) (nullable). */
static void
replace_current (GstNevaLlm *self, const GstNevaLlmClip *clip,
    const GstNevaLlmQuestion *question, GstStructure *caption)
{
  GPtrArray *captions =
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_structure_free);

  for (guint i = 0; i < clip->questions->len; i++) {
    const GstNevaLlmQuestion *other = clip->questions->pdata[i];
    GstStructure *of_other = other == question
                                 ? g_steal_pointer (&caption)
                                 : steal_current (self, other->prompt->id);

    if (of_other)
      g_ptr_array_add (captions, of_other);
  }
  g_ptr_array_unref (self->current);
  self->current = captions;
}

/* For the frames that pass from now on. Returns: FALSE if flushed. */
static gboolean
set_current (GstNevaLlm *self, const GstNevaLlmClip *clip,
    const GstNevaLlmQuestion *question, guint serial, GstStructure *caption,
    gboolean final)
{
  gboolean fresh;

  g_mutex_lock (&self->lock);
  fresh = self->serial == serial;
  if (fresh && self->mode == GST_NEVA_LLM_MODE_VIDEO && question->object) {
    gst_neva_llm_replace_current_object (
        self, clip, question, g_steal_pointer (&caption));
  } else if (fresh && self->mode == GST_NEVA_LLM_MODE_VIDEO) {
    replace_current (self, clip, question, g_steal_pointer (&caption));
  } else if (fresh && final) {
    gst_neva_llm_decide (self, clip, g_steal_pointer (&caption));
  }
  g_mutex_unlock (&self->lock);
  if (caption)
    gst_structure_free (caption);
  return fresh;
}

/* Text that is waited for may be let go as far as captions are decided. */
static void
advance_text_only (GstNevaLlm *self)
{
  GstClockTime position;
  gboolean text_only;

  g_mutex_lock (&self->lock);
  text_only = self->mode == GST_NEVA_LLM_MODE_TEXT;
  position = gst_neva_llm_horizon (self, self->newest);
  g_mutex_unlock (&self->lock);
  if (text_only)
    gst_neva_llm_advance (self, position);
}

static void
post_caption (
    GstNevaLlm *self, const GstNevaLlmClip *clip, GstStructure *caption)
{
  GstMessage *message =
      gst_message_new_element (GST_OBJECT_CAST (self), caption);

  /* Whoever seeks can tell old captions from new ones. */
  gst_message_set_seqnum (message, clip->seqnum);
  gst_element_post_message (GST_ELEMENT_CAST (self), message);
}

/* ---- Alerts ---- */

static GstNevaLlmAlertRule
rule_of (const GstNevaLlmSettings *settings, const GstNevaLlmPrompt *prompt)
{
  GstNevaLlmAlertRule rule = settings->alert.rule;

  if (prompt->threshold >= 0)
    rule.threshold = prompt->threshold;
  return rule;
}

/* Lock held. */
static GstNevaLlmAlert *
alert_of (GstNevaLlm *self, const char *prompt_id)
{
  GstNevaLlmAlert *alert = g_hash_table_lookup (self->alerts, prompt_id);

  if (!alert) {
    alert = g_new0 (GstNevaLlmAlert, 1);
    g_hash_table_insert (self->alerts, g_strdup (prompt_id), alert);
  }
  return alert;
}

/* Nobody asks it any more. */
static gboolean
is_of_no_question (gpointer prompt_id, gpointer alert, gpointer questions)
{
  const GPtrArray *all = questions;

  (void) alert;
  for (guint i = 0; i < all->len; i++)
    if (g_str_equal (
            ((GstNevaLlmQuestion *) all->pdata[i])->prompt->id, prompt_id))
      return FALSE;
  return TRUE;
}

/* The caption says what the alert is after its clip. Returns: what the clip did
 * to it. */
static GstNevaLlmAlertChange
update_alert (GstNevaLlm *self, const GstNevaLlmClip *clip,
    const GstNevaLlmQuestion *question, const GstNevaLlmAlertRule *rule,
    guint serial, GstStructure *caption)
{
  const double probability = question->answer.yes_probability;
  GstNevaLlmAlertChange change = GST_NEVA_LLM_ALERT_SAME;
  gboolean active = FALSE;

  if (!question->prompt->alert)
    return change;
  g_mutex_lock (&self->lock);
  if (self->alert_serial != serial) {
    g_hash_table_remove_all (self->alerts);
    self->alert_serial = serial;
  }
  g_hash_table_foreach_remove (
      self->alerts, is_of_no_question, clip->questions);
  if (self->serial == serial) {
    GstNevaLlmAlert *alert = alert_of (self, question->prompt->id);

    change = gst_neva_llm_alert_update (
        alert, rule, probability, clip->start, clip->end);
    active = alert->active;
  }
  g_mutex_unlock (&self->lock);
  gst_structure_set (caption, "yes-probability", G_TYPE_DOUBLE, probability,
      "alert", G_TYPE_BOOLEAN, active, NULL);
  return change;
}

/* The caption's fields, under another name. */
static void
post_alert (GstNevaLlm *self, const GstNevaLlmClip *clip,
    const GstNevaLlmQuestion *question, const GstNevaLlmAlertRule *rule,
    const GstStructure *caption)
{
  GstStructure *alert = gst_structure_copy (caption);
  GstMessage *message;
  GstClockTime since;

  g_mutex_lock (&self->lock);
  since = alert_of (self, question->prompt->id)->since;
  g_mutex_unlock (&self->lock);
  gst_structure_set_name (alert, "neva-alert");
  gst_structure_set (alert, "threshold", G_TYPE_DOUBLE, rule->threshold,
      "since", G_TYPE_UINT64, since, NULL);
  message = gst_message_new_element (GST_OBJECT_CAST (self), alert);
  gst_message_set_seqnum (message, clip->seqnum);
  gst_element_post_message (GST_ELEMENT_CAST (self), message);
}

/* ---- What is delivered ---- */

static void
remember (GstNevaLlm *self, const GstNevaLlmClip *clip,
    const GstNevaLlmQuestion *question, const GstNevaLlmSettings *settings,
    const GstStructure *caption)
{
  g_autofree char *text = gst_neva_text_format (question->answer.text, 0);
  GstClockTime start, end;

  gst_structure_get_uint64 (caption, "stream-time", &start);
  end = start;
  if (GST_CLOCK_TIME_IS_VALID (start) && GST_CLOCK_TIME_IS_VALID (clip->end))
    end += clip->end - clip->start;
  g_mutex_lock (&self->lock);
  if (settings->memory.captions == 0)
    gst_neva_llm_memory_clear (&self->memory);
  else if (*text && !question->prompt->alert)
    gst_neva_llm_memory_add (&self->memory, question->prompt->id, clip->epoch,
        start, end, text, settings->memory.captions);
  g_mutex_unlock (&self->lock);
}

static void
deliver_answer (GstNevaLlm *self, GstNevaLlmClip *clip,
    GstNevaLlmQuestion *question, const GstNevaLlmSettings *settings,
    guint serial)
{
  g_autofree char *text =
      gst_neva_text_format (question->answer.text, settings->wrap_columns);
  GstStructure *caption = make_caption (self, clip, question, text, TRUE);
  const GstNevaLlmAlertRule rule = rule_of (settings, question->prompt);
  const GstNevaLlmAlertChange change =
      update_alert (self, clip, question, &rule, serial, caption);

  GST_DEBUG_OBJECT (self, "clip %" G_GUINT64_FORMAT ", prompt %s: %s",
      clip->number, question->prompt->id, text);
  /* Text first: what waits for it may go on as soon as frames leave. An empty
   * answer is no text, but an answer. */
  if (*text)
    push_text (self, clip, question, settings, caption, serial);
  if (set_current (self, clip, question, serial,
          *text ? gst_structure_copy (caption) : NULL, TRUE)) {
    remember (self, clip, question, settings, caption);
    g_mutex_lock (&self->lock);
    self->counts.answered++;
    g_mutex_unlock (&self->lock);
    if (change != GST_NEVA_LLM_ALERT_SAME)
      post_alert (self, clip, question, &rule, caption);
    post_caption (self, clip, caption);
  } else {
    gst_structure_free (caption);
  }
}

static void
deliver_failure (GstNevaLlm *self, GstNevaLlmClip *clip,
    const GstNevaLlmQuestion *question, const GstNevaLlmSettings *settings,
    guint serial)
{
  const gboolean several = question && clip->questions->len > 1;
  const GError *error = question ? question->error : clip->error;
  g_autofree char *what = g_strdup_printf ("clip %" G_GUINT64_FORMAT
                                           " at %.1f s cannot be captioned%s%s",
      clip->number, (double) clip->start / (double) GST_SECOND,
      several ? ", prompt " : "", several ? question->prompt->id : "");
  GstStructure *details;
  gboolean fresh;

  g_mutex_lock (&self->lock);
  fresh = self->serial == serial;
  if (fresh) {
    self->counts.failed++;
    gst_neva_llm_decide (self, clip, NULL);
  }
  g_mutex_unlock (&self->lock);
  if (!fresh)
    return;
  details = gst_structure_new (
      "neva-details", "clip", G_TYPE_UINT64, clip->number, NULL);
  if (question)
    gst_structure_set (
        details, "prompt-id", G_TYPE_STRING, question->prompt->id, NULL);
  if (settings->error_policy == GST_NEVA_LLM_ERROR_POLICY_SKIP)
    gst_neva_post_details (
        GST_ELEMENT_CAST (self), GST_MESSAGE_WARNING, what, details, error);
  else
    gst_neva_llm_fail_with_details (self, what, details, error);
}

void
gst_neva_llm_deliver (GstNevaLlm *self, GstNevaLlmClip *clip,
    GstNevaLlmQuestion *question, guint serial)
{
  GstNevaLlmSettings settings;

  gst_neva_llm_get_settings (self, &settings);
  if (!question || question->error)
    deliver_failure (self, clip, question, &settings, serial);
  else
    deliver_answer (self, clip, question, &settings, serial);
  advance_text_only (self);
  gst_neva_llm_settings_clear (&settings);
}

void
gst_neva_llm_deliver_partial (GstNevaLlm *self, GstNevaLlmClip *clip,
    GstNevaLlmQuestion *question, const char *text, guint serial)
{
  GstNevaLlmSettings settings;
  g_autofree char *formatted = NULL;

  gst_neva_llm_get_settings (self, &settings);
  formatted = gst_neva_text_format (text, settings.wrap_columns);
  if (*formatted) {
    GstStructure *caption =
        make_caption (self, clip, question, formatted, FALSE);

    push_text (self, clip, question, &settings, caption, serial);
    set_current (self, clip, question, serial, caption, FALSE);
  }
  gst_neva_llm_settings_clear (&settings);
}

/* ---- Trouble ---- */

void
gst_neva_llm_report_drop (GstNevaLlm *self, GstNevaLlmClip *clip)
{
  const GstClockTime pts = to_pts (clip, clip->start);
  GstClockTime length = GST_CLOCK_TIME_NONE;
  GstMessage *message;
  guint64 processed, dropped;
  gboolean live;

  if (GST_CLOCK_TIME_IS_VALID (clip->end))
    length = clip->end - clip->start;
  g_mutex_lock (&self->lock);
  live = self->live;
  processed = self->counts.answered;
  dropped = self->counts.dropped;
  g_mutex_unlock (&self->lock);

  GST_INFO_OBJECT (self, "clip %" G_GUINT64_FORMAT " is dropped", clip->number);
  message = gst_message_new_qos (GST_OBJECT_CAST (self), live, clip->start,
      gst_segment_to_stream_time (&clip->segment, GST_FORMAT_TIME, pts), pts,
      length);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, processed, dropped);
  gst_element_post_message (GST_ELEMENT_CAST (self), message);
}

void
gst_neva_llm_fail (GstNevaLlm *self, const char *what, const GError *error)
{
  gst_neva_llm_fail_with_details (self, what, NULL, error);
}

void
gst_neva_llm_fail_with_details (GstNevaLlm *self, const char *what,
    GstStructure *details, const GError *error)
{
  g_autoptr (GPtrArray) requests = NULL;
  gboolean first;

  /* EOS goes on as soon as `failed` is set: the error has to be first. */
  g_mutex_lock (&self->lock);
  first = !self->reported;
  self->reported = TRUE;
  g_mutex_unlock (&self->lock);
  if (first && error)
    gst_neva_post_details (GST_ELEMENT_CAST (self), GST_MESSAGE_ERROR, what,
        g_steal_pointer (&details), error);
  g_clear_pointer (&details, gst_structure_free);

  g_mutex_lock (&self->lock);
  self->failed = TRUE;
  requests = gst_neva_llm_clips_requests (&self->clips);
  gst_neva_llm_clips_clear (&self->clips);
  self->n_asked = 0;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);

  for (guint i = 0; i < requests->len; i++)
    neva_request_cancel (requests->pdata[i]);
}
