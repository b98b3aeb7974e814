/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The threads that ask the judge and send out what it says. The first one opens
 * it. Several ask at once; what they hear leaves in the order of the windows,
 * by whoever of them finds the first one judged. See judge.h. */
#include "config.h"
#include <math.h>
#include <string.h>
#include "common/gstnevaerror.h"
#include "common/gstnevajudgementmeta.h"
#include "judge.h"

GST_DEBUG_CATEGORY_EXTERN (gst_neva_judge_debug);
#define GST_CAT_DEFAULT gst_neva_judge_debug

#define DEFAULT_QUESTION "Describe the video."
#define NO_CONTEXT "(There is none.)"

static const char *
or_empty (const char *s)
{
  return s ? s : "";
}

/* ---- Trouble ---- */

void
gst_neva_judge_fail (GstNevaJudge *self, const char *what, const GError *error)
{
  gboolean first;

  g_mutex_lock (&self->lock);
  first = !self->reported;
  self->reported = TRUE;
  g_mutex_unlock (&self->lock);
  /* EOS goes on as soon as `failed` is set: the error has to be first. */
  if (first)
    gst_neva_post_error (GST_ELEMENT_CAST (self), what, error);
  g_mutex_lock (&self->lock);
  self->failed = TRUE;
  g_queue_clear_full (&self->clips, (GDestroyNotify) gst_neva_judge_clip_unref);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* Once until it works again. */
static void
complain (GstNevaJudge *self, const GstNevaJudgeClip *clip, const GError *error)
{
  g_autofree char *what =
      g_strdup_printf ("the window at %.1f s cannot be judged",
          (double) clip->start / (double) GST_SECOND);
  GstNevaJudgeErrorPolicy policy;
  gboolean again;

  GST_OBJECT_LOCK (self);
  policy = self->settings.error_policy;
  GST_OBJECT_UNLOCK (self);
  if (policy == GST_NEVA_JUDGE_ERROR_POLICY_FAIL) {
    gst_neva_judge_fail (self, what, error);
    return;
  }
  g_mutex_lock (&self->lock);
  again = self->complaining;
  self->complaining = TRUE;
  g_mutex_unlock (&self->lock);
  if (again)
    GST_INFO_OBJECT (self, "%s: %s", what, error->message);
  else
    gst_neva_post_warning (GST_ELEMENT_CAST (self), what, error);
}

/* ---- Asking ---- */

static char *
make_context (const GstNevaJudgeClip *clip, const GstNevaJudgeSettings *s)
{
  const char *context = clip->context ? clip->context : or_empty (s->context);
  GString *text = g_string_new (context);

  if (clip->reference) {
    if (text->len)
      g_string_append (text, "\n\n");
    g_string_append_printf (
        text, "[Reference]\n%s\n\n[End of Reference]", clip->reference->text);
  }
  if (!text->len)
    g_string_append (text, NO_CONTEXT);
  return g_string_free (text, FALSE);
}

static const char *
find_question (const GstNevaJudgeClip *clip, const GstNevaJudgeSettings *s)
{
  if (s->question)
    return s->question;
  for (guint i = 0; i < clip->texts->len; i++) {
    const GstNevaJudgeText *text = clip->texts->pdata[i];
    const char *prompt =
        text->caption ? gst_structure_get_string (text->caption, "prompt")
                      : NULL;

    if (prompt && *prompt)
      return prompt;
  }
  return DEFAULT_QUESTION;
}

static char *
make_prompt (GstNevaJudge *self, const GstNevaJudgeClip *clip,
    const GstNevaJudgeSettings *s)
{
  const guint n = MIN (clip->texts->len, NEVA_JUDGE_MAX_CANDIDATES);
  const char *answers[NEVA_JUDGE_MAX_CANDIDATES];
  g_autofree char *context = make_context (clip, s);
  g_autofree char *built_in = NULL;
  const char *role = NEVA_JUDGE_CAPTION_ROLE, *rule = NULL;

  for (guint i = 0; i < n; i++)
    answers[i] = ((const GstNevaJudgeText *) clip->texts->pdata[i])->text;
  /* That the category is there was checked when the judge was opened. */
  if (!self->rules || !neva_judge_rules_find (
                          self->rules, or_empty (s->category), &role, &rule))
    rule = built_in = neva_judge_caption_rule (n);
  return neva_judge_prompt (
      context, find_question (clip, s), answers, n, role, rule);
}

static void
read_scores (GstNevaJudgeClip *clip, const char *reply)
{
  const guint n = MIN (clip->texts->len, NEVA_JUDGE_MAX_CANDIDATES);
  NevaScore scores[NEVA_JUDGE_MAX_CANDIDATES];
  const gboolean ok = neva_judge_parse_scores (reply, scores, n);

  clip->best = -1;
  for (guint i = 0; i < n; i++) {
    clip->scores[i] = scores[i].value;
    if (ok && !isnan (scores[i].value) &&
        (clip->best < 0 || scores[i].value > clip->scores[clip->best]))
      clip->best = (gint) i;
  }
}

/* Without the lock; the clip is this worker's. */
static void
judge (GstNevaJudge *self, GstNevaJudgeClip *clip, GCancellable *cancel)
{
  const gint64 start = g_get_monotonic_time ();
  g_autofree char *prompt = NULL;
  g_autoptr (GError) error = NULL;
  GstNevaJudgeSettings s;

  gst_neva_judge_get_settings (self, &s);
  prompt = make_prompt (self, clip, &s);
  gst_neva_judge_settings_clear (&s);
  clip->scores = g_new (double, MAX (clip->texts->len, 1));
  for (guint i = 0; i < clip->texts->len; i++)
    clip->scores[i] = -1;
  clip->reply = neva_judge_ask (self->judge, prompt, cancel, &error);
  clip->judge_time = (GstClockTime) (g_get_monotonic_time () - start) * 1000;
  if (clip->reply) {
    g_autofree char *valid = g_utf8_make_valid (clip->reply, -1);

    g_free (clip->reply);
    clip->reply = g_steal_pointer (&valid);
    read_scores (clip, clip->reply);
    if (clip->best < 0)
      g_set_error (&error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "%u scores were expected in the judge's first line: \"%.80s\"",
          clip->texts->len, clip->reply);
  }
  if (error) {
    g_autofree char *valid = g_utf8_make_valid (error->message, -1);

    clip->error = g_steal_pointer (&valid);
    if (!g_error_matches (error, NEVA_ERROR, NEVA_ERROR_CANCELLED))
      complain (self, clip, error);
  }
}

/* ---- Sending ---- */

static void
push (GstNevaJudge *self, guint serial, const GstNevaJudgeClip *clip,
    const GstNevaJudgeText *passing, const char *text,
    const GstStructure *judgement)
{
  GstNevaTextCaption caption = {.caption = passing ? passing->caption : NULL,
      .judgement = judgement,
      .text = text,
      .clip = clip->judged,
      .final = TRUE,
      .start = clip->start,
      .end = clip->end};

  g_mutex_lock (&self->lock);
  caption.arrival = self->live;
  caption.wait = !self->live;
  g_mutex_unlock (&self->lock);
  gst_neva_text_stream_push (self->out, serial, &caption);
}

/* What passes in this mode; NULL: nothing. Without scores the first candidate
 * counts as the best, but not as good enough for a gate. */
static const GstNevaJudgeText *
choose (const GstNevaJudgeClip *clip, GstNevaJudgeMode mode, double threshold)
{
  if (mode == GST_NEVA_JUDGE_MODE_GATE &&
      !(clip->best >= 0 && clip->scores[clip->best] > threshold))
    return NULL;
  return clip->texts->pdata[MAX (clip->best, 0)];
}

static void
send_clip (GstNevaJudge *self, const GstNevaJudgeClip *clip, guint serial)
{
  GstNevaJudgeSettings s;
  const char *name;
  GstStructure *judgement;

  gst_neva_judge_get_settings (self, &s);
  name = or_empty (s.judge);
  judgement = gst_neva_judge_judgement (clip, name);
  if (s.mode == GST_NEVA_JUDGE_MODE_SCORE) {
    g_autofree char *json = gst_neva_judge_clip_json (clip, name);

    push (self, serial, clip, NULL, json, judgement);
  } else {
    const GstNevaJudgeText *text = choose (clip, s.mode, s.threshold);

    if (text)
      push (self, serial, clip, text, text->text, judgement);
    else
      gst_neva_text_stream_advance (self->out, clip->end);
  }
  gst_neva_judge_settings_clear (&s);
  gst_element_post_message (GST_ELEMENT_CAST (self),
      gst_message_new_element (GST_OBJECT_CAST (self), judgement));
}

/* Lock held. */
static void
count_clip (GstNevaJudge *self, const GstNevaJudgeClip *clip)
{
  self->counts.judged++;
  if (!clip->reply)
    self->counts.failed++;
  else if (clip->best < 0)
    self->counts.unscored++;
  else
    self->complaining = FALSE;
  self->last_end = MAX (self->last_end, clip->end);
  for (guint i = 0; i < clip->texts->len; i++) {
    const GstNevaJudgeText *text = clip->texts->pdata[i];

    for (guint k = 0; k < self->inputs->len; k++) {
      GstNevaJudgeInput *in = self->inputs->pdata[k];

      if (in->id != text->id)
        continue;
      neva_judge_summary_add (in->scores, NULL, &clip->scores[i]);
      in->n_judged++;
      in->n_best += clip->best == (gint) i;
    }
  }
}

/* Lock held, and given up meanwhile: sends what is judged at the head. */
static void
deliver (GstNevaJudge *self)
{
  GstNevaJudgeClip *clip;

  if (self->delivering)
    return;
  self->delivering = TRUE;
  while ((clip = g_queue_peek_head (&self->clips)) &&
         clip->state == GST_NEVA_JUDGE_CLIP_JUDGED) {
    const guint serial = self->serial;

    gst_neva_judge_clip_ref (clip);
    clip->judged = self->next_judged++;
    count_clip (self, clip);
    g_mutex_unlock (&self->lock);
    send_clip (self, clip, serial);
    g_mutex_lock (&self->lock);
    if (self->serial == serial && g_queue_remove (&self->clips, clip))
      gst_neva_judge_clip_unref (clip);
    gst_neva_judge_clip_unref (clip);
    g_mutex_unlock (&self->lock);
    gst_neva_judge_update (self);
    g_mutex_lock (&self->lock);
  }
  self->delivering = FALSE;
}

/* Lock held. A stream that ends before its segment came is one, too. */
static void
begin_if_empty (GstNevaJudge *self)
{
  for (guint i = 0; i < self->inputs->len && !self->begun; i++) {
    const GstNevaJudgeInput *in = self->inputs->pdata[i];

    if (in->role != GST_NEVA_JUDGE_CANDIDATE || !in->stream_start)
      continue;
    gst_neva_text_stream_begin (self->out, in->stream_start);
    self->begun = TRUE;
  }
}

/* Lock held, and given up meanwhile: all is judged, and no more comes. */
static void
finish (GstNevaJudge *self)
{
  GstNevaJudgeClip clip = {.judged = self->next_judged,
      .start = self->last_end,
      .end = self->last_end};
  g_autofree char *json = NULL;
  GstStructure *summary;
  GstNevaJudgeSettings s;
  const guint serial = self->serial;
  GstEvent *eos = gst_event_ref (self->eos);
  const gboolean failed = self->failed;

  self->finished = TRUE;
  begin_if_empty (self);
  gst_neva_judge_get_settings (self, &s);
  summary = gst_neva_judge_summary (self, or_empty (s.judge));
  json = gst_neva_judge_summary_json (self, or_empty (s.judge));
  g_mutex_unlock (&self->lock);
  if (!failed) {
    if (s.mode == GST_NEVA_JUDGE_MODE_SCORE)
      push (self, serial, &clip, NULL, json, NULL);
    gst_element_post_message (GST_ELEMENT_CAST (self),
        gst_message_new_element (
            GST_OBJECT_CAST (self), gst_structure_copy (summary)));
  }
  gst_structure_free (summary);
  gst_neva_judge_settings_clear (&s);
  g_mutex_lock (&self->lock);
  if (self->serial == serial)
    gst_neva_text_stream_finish (self->out, eos);
  gst_event_unref (eos);
}

/* ---- The threads ---- */

static gboolean
check_rules (GstNevaJudge *self, const GstNevaJudgeSettings *s, GError **error)
{
  const char *role, *prompt;

  if (!s->rule)
    return TRUE;
  self->rules = neva_judge_rules_load (s->rule, error);
  if (!self->rules)
    return FALSE;
  if (neva_judge_rules_find (
          self->rules, or_empty (s->category), &role, &prompt))
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "%s: no rule '%s' (property category)", s->rule, or_empty (s->category));
  return FALSE;
}

static void
open_judge (GstNevaJudge *self, GCancellable *cancel)
{
  g_autoptr (GError) error = NULL;
  NevaJudge *judge = NULL;
  GstNevaJudgeSettings s;

  gst_neva_judge_get_settings (self, &s);
  if (!s.judge || !*s.judge)
    g_set_error (&error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND,
        "no judge was named (property judge)");
  else if (check_rules (self, &s, &error)) {
    const NevaJudgeOptions options = {.judge = s.judge,
        .key_file = s.key_file,
        .model.device = s.device,
        .max_tokens = s.max_tokens,
        .timeout_s = s.timeout,
        .retries = s.retries};

    judge = neva_judge_open (&options, cancel, &error);
  }
  gst_neva_judge_settings_clear (&s);
  if (!judge)
    gst_neva_judge_fail (self, NULL, error);
  else if (neva_judge_notice (judge))
    GST_ELEMENT_WARNING (
        self, RESOURCE, NOT_FOUND, ("%s", neva_judge_notice (judge)), (NULL));
  g_mutex_lock (&self->lock);
  self->judge = judge;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
}

/* Lock held. The first window that is waiting; *deadline_us: when the first
 * that is still gathering is due. */
static GstNevaJudgeClip *
take_clip (GstNevaJudge *self, gint64 *deadline_us)
{
  *deadline_us = G_MAXINT64;
  for (GList *l = self->clips.head; l; l = l->next) {
    GstNevaJudgeClip *clip = l->data;

    if (clip->state == GST_NEVA_JUDGE_CLIP_READY && self->judge) {
      clip->state = GST_NEVA_JUDGE_CLIP_ASKED;
      g_cond_broadcast (&self->cond);
      return gst_neva_judge_clip_ref (clip);
    }
    if (clip->state == GST_NEVA_JUDGE_CLIP_GATHERING && self->live)
      *deadline_us = MIN (*deadline_us, clip->deadline_us);
  }
  return NULL;
}

/* Lock held, and given up meanwhile. */
static void
work_on (GstNevaJudge *self, GstNevaJudgeClip *clip)
{
  GCancellable *cancel = g_object_ref (self->cancel);
  const guint serial = self->serial;

  g_mutex_unlock (&self->lock);
  judge (self, clip, cancel);
  g_object_unref (cancel);
  g_mutex_lock (&self->lock);
  if (self->serial == serial) {
    clip->state = GST_NEVA_JUDGE_CLIP_JUDGED;
    deliver (self);
  }
  gst_neva_judge_clip_unref (clip);
}

/* Lock held, and given up meanwhile: one thing that is to be done. FALSE:
 * there was none, *deadline_us is when to look again. */
static gboolean
work_once (GstNevaJudge *self, gint64 *deadline_us)
{
  GstNevaJudgeClip *clip;

  *deadline_us = G_MAXINT64;
  if (self->flushing)
    return FALSE;
  clip = take_clip (self, deadline_us);
  if (clip) {
    work_on (self, clip);
    return TRUE;
  }
  if (*deadline_us <= g_get_monotonic_time ()) {
    g_mutex_unlock (&self->lock);
    gst_neva_judge_update (self);
    g_mutex_lock (&self->lock);
    return TRUE;
  }
  if (g_queue_is_empty (&self->clips) && !self->delivering && !self->finished &&
      self->eos && gst_neva_judge_is_over (self)) {
    finish (self);
    return TRUE;
  }
  return FALSE;
}

static void
work (GstNevaJudge *self)
{
  gint64 deadline_us;

  g_mutex_lock (&self->lock);
  while (self->running) {
    if (work_once (self, &deadline_us) || !self->running)
      continue;
    if (deadline_us == G_MAXINT64)
      g_cond_wait (&self->cond, &self->lock);
    else
      g_cond_wait_until (&self->cond, &self->lock, deadline_us);
  }
  g_mutex_unlock (&self->lock);
}

static gpointer
run_first (gpointer data)
{
  GstNevaJudge *self = data;
  GCancellable *cancel;

  g_mutex_lock (&self->lock);
  cancel = g_object_ref (self->opening);
  g_mutex_unlock (&self->lock);
  open_judge (self, cancel);
  g_object_unref (cancel);
  work (self);
  return NULL;
}

static gpointer
run (gpointer data)
{
  work (data);
  return NULL;
}

void
gst_neva_judge_workers_start (GstNevaJudge *self)
{
  guint n;

  GST_OBJECT_LOCK (self);
  n = self->settings.max_inflight;
  GST_OBJECT_UNLOCK (self);
  g_mutex_lock (&self->lock);
  self->running = TRUE;
  self->opening = g_cancellable_new ();
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (
        self->threads, g_thread_new ("nevajudge", i ? run : run_first, self));
}

void
gst_neva_judge_workers_stop (GstNevaJudge *self)
{
  g_mutex_lock (&self->lock);
  self->running = FALSE;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  if (self->opening)
    g_cancellable_cancel (self->opening);
  for (guint i = 0; i < self->threads->len; i++)
    g_thread_join (self->threads->pdata[i]);
  g_ptr_array_set_size (self->threads, 0);
  g_clear_object (&self->opening);
  g_clear_pointer (&self->judge, neva_judge_close);
  g_clear_pointer (&self->rules, neva_judge_rules_free);
}
