/* SPDX-License-Identifier: LGPL-2.1-or-later */
/**
 * SECTION:element-nevajudge
 * @title: nevajudge
 * @see_also: nevallm, nevacaption
 *
 * Has a judge model score the texts of several captioners. Texts that are about
 * the same window of a video are compared, whenever they come. What leaves is
 * one JSON text per window (mode=score), the text of the best candidate
 * (mode=best), or that only if it is good enough (mode=gate). Each judgement is
 * also an element message, neva-judgement, and rides as a meta on the text.
 *
 * ## Example launch line
 * |[
 * gst-launch-1.0 videotestsrc is-live=true ! videoconvert ! tee name=t
 *     nevajudge name=j mode=best judge="openai:http://localhost:8000/v1#m" !
 *     queue ! fdsink
 *     t. ! queue ! nevacaption model=models/demo name=a a.text ! j.sink_0
 *     t. ! queue ! nevacaption model=models/demo name=b greedy=false b.text !
 *     j.sink_1   a. ! fakesink  b. ! fakesink
 * ]| Two captioners, and the better caption.
 */
#include "config.h"
#include <stdio.h>
#include <string.h>
#include "common/gstnevacaptionmeta.h"
#include "common/gstnevajudgementmeta.h"
#include "judge.h"

GST_DEBUG_CATEGORY (gst_neva_judge_debug);
#define GST_CAT_DEFAULT gst_neva_judge_debug

enum { PROP_0, PROP_STATS };

#define TEXT_CAPS "text/x-raw, format = (string) { utf8, pango-markup }"

static GstStaticPadTemplate sink_template = GST_STATIC_PAD_TEMPLATE (
    "sink_%u", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS (TEXT_CAPS));
static GstStaticPadTemplate reference_template = GST_STATIC_PAD_TEMPLATE (
    "reference", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS (TEXT_CAPS));
static GstStaticPadTemplate context_template = GST_STATIC_PAD_TEMPLATE (
    "context", GST_PAD_SINK, GST_PAD_REQUEST, GST_STATIC_CAPS (TEXT_CAPS));
static GstStaticPadTemplate src_template = GST_STATIC_PAD_TEMPLATE (
    "src", GST_PAD_SRC, GST_PAD_ALWAYS, GST_STATIC_CAPS (TEXT_CAPS));

G_DEFINE_TYPE (GstNevaJudge, gst_neva_judge, GST_TYPE_ELEMENT)
GST_ELEMENT_REGISTER_DEFINE (
    nevajudge, "nevajudge", GST_RANK_NONE, GST_TYPE_NEVA_JUDGE)

/* ---- Shared by the element's files ---- */

void
gst_neva_judge_get_settings (GstNevaJudge *self, GstNevaJudgeSettings *out)
{
  GST_OBJECT_LOCK (self);
  gst_neva_judge_settings_copy (out, &self->settings);
  GST_OBJECT_UNLOCK (self);
}

GstNevaJudgeInput *
gst_neva_judge_input_ref (GstNevaJudgeInput *in)
{
  g_atomic_int_inc (&in->refs);
  return in;
}

void
gst_neva_judge_input_unref (GstNevaJudgeInput *in)
{
  if (!g_atomic_int_dec_and_test (&in->refs))
    return;
  gst_clear_event (&in->stream_start);
  gst_clear_event (&in->segment_event);
  neva_judge_summary_free (in->scores);
  g_free (in->model);
  gst_object_unref (in->pad);
  g_free (in);
}

GstNevaJudgeInput *
gst_neva_judge_input_of (GstNevaJudge *self, GstPad *pad)
{
  GstNevaJudgeInput *found = NULL;

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->inputs->len && !found; i++) {
    GstNevaJudgeInput *in = self->inputs->pdata[i];

    if (in->pad == pad)
      found = gst_neva_judge_input_ref (in);
  }
  g_mutex_unlock (&self->lock);
  return found;
}

/* The result of a push on the src pad. */
static void
on_text_flow (GstElement *element, GstPad *pad, GstFlowReturn flow)
{
  GstNevaJudge *self = GST_NEVA_JUDGE (element);
  gboolean first;

  (void) pad;
  /* Nobody reads: candidates need not go on; but messages are still posted if
   * nothing was ever linked. */
  if (flow == GST_FLOW_OK || flow == GST_FLOW_FLUSHING ||
      flow == GST_FLOW_NOT_LINKED)
    return;
  g_mutex_lock (&self->lock);
  first = self->flow == GST_FLOW_OK;
  self->flow = flow;
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  if (first && flow < GST_FLOW_EOS)
    GST_ELEMENT_FLOW_ERROR (self, flow);
}

/* ---- Pads ---- */

static void
reset_input (GstNevaJudgeInput *in)
{
  gst_segment_init (&in->segment, GST_FORMAT_UNDEFINED);
  gst_clear_event (&in->stream_start);
  gst_clear_event (&in->segment_event);
  in->eos = in->flushing = in->stale = in->asked_live = FALSE;
  in->joined = 0;
  in->position = in->newest = GST_CLOCK_TIME_NONE;
  neva_judge_summary_free (in->scores);
  in->scores = neva_judge_summary_new (1);
  in->n_judged = in->n_best = 0;
  g_clear_pointer (&in->model, g_free);
}

static GstNevaJudgeInput *
input_new (GstPad *pad, GstNevaJudgeRole role, guint id)
{
  GstNevaJudgeInput *in = g_new0 (GstNevaJudgeInput, 1);

  in->refs = 1;
  in->pad = gst_object_ref_sink (pad);
  in->role = role;
  in->id = id;
  reset_input (in);
  return in;
}

/* Lock held: the number of a new candidate; FALSE: there are too many, or it is
 * taken. */
static gboolean
find_number (GstNevaJudge *self, const char *name, guint *number)
{
  guint n = 0;
  gboolean taken;

  *number = 0;
  for (guint i = 0; i < self->inputs->len; i++)
    n += ((GstNevaJudgeInput *) self->inputs->pdata[i])->role ==
         GST_NEVA_JUDGE_CANDIDATE;
  if (n >= NEVA_JUDGE_MAX_CANDIDATES)
    return FALSE;
  if (name && sscanf (name, "sink_%u", number) != 1)
    name = NULL;
  do {
    taken = *number >= GST_NEVA_JUDGE_REFERENCE_ID;
    for (guint i = 0; i < self->inputs->len && !taken; i++)
      taken = ((GstNevaJudgeInput *) self->inputs->pdata[i])->id == *number;
    if (taken && name)
      return FALSE;
  } while (taken && ++*number);
  return TRUE;
}

static gint
compare_inputs (gconstpointer a, gconstpointer b)
{
  const guint x = (*(GstNevaJudgeInput *const *) a)->id;
  const guint y = (*(GstNevaJudgeInput *const *) b)->id;

  return x < y ? -1 : x > y;
}

static GstPad *
add_input (GstNevaJudge *self, GstPadTemplate *template, GstNevaJudgeRole role,
    guint id, const char *name)
{
  GstPad *pad = gst_pad_new_from_template (template, name);
  GstNevaJudgeInput *in = input_new (pad, role, id);

  gst_pad_set_chain_function (pad, gst_neva_judge_chain);
  gst_pad_set_event_function (pad, gst_neva_judge_sink_event);
  in->joined = self->next_number;
  g_ptr_array_add (self->inputs, in);
  g_ptr_array_sort (self->inputs, compare_inputs);
  return pad;
}

static GstPad *
request_new_pad (GstElement *element, GstPadTemplate *template,
    const char *name, const GstCaps *caps)
{
  GstNevaJudge *self = GST_NEVA_JUDGE (element);
  const char *kind = GST_PAD_TEMPLATE_NAME_TEMPLATE (template);
  g_autofree char *own = NULL;
  GstNevaJudgeRole role = GST_NEVA_JUDGE_CANDIDATE;
  guint id = 0;
  gboolean ok = TRUE;
  GstPad *pad = NULL;

  (void) caps;
  if (!strcmp (kind, "reference")) {
    role = GST_NEVA_JUDGE_REFERENCE;
    id = GST_NEVA_JUDGE_REFERENCE_ID;
  } else if (!strcmp (kind, "context")) {
    role = GST_NEVA_JUDGE_CONTEXT;
    id = GST_NEVA_JUDGE_CONTEXT_ID;
  }
  g_mutex_lock (&self->lock);
  if (role == GST_NEVA_JUDGE_CANDIDATE) {
    ok = find_number (self, name, &id);
    own = g_strdup_printf ("sink_%u", id);
  } else {
    own = g_strdup (kind);
    for (guint i = 0; i < self->inputs->len; i++)
      ok &= ((GstNevaJudgeInput *) self->inputs->pdata[i])->role != role;
  }
  if (ok)
    pad = add_input (self, template, role, id, own);
  g_mutex_unlock (&self->lock);
  if (!pad)
    return NULL;
  if (GST_STATE (element) > GST_STATE_READY ||
      GST_STATE_NEXT (element) == GST_STATE_PAUSED)
    gst_pad_set_active (pad, TRUE);
  gst_element_add_pad (element, pad);
  return pad;
}

static void
release_pad (GstElement *element, GstPad *pad)
{
  GstNevaJudge *self = GST_NEVA_JUDGE (element);
  GstNevaJudgeInput *in = gst_neva_judge_input_of (self, pad);

  if (!in)
    return;
  g_mutex_lock (&self->lock);
  in->flushing = TRUE; /* a chain that waits for room gives up */
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  gst_pad_set_active (pad, FALSE);
  g_mutex_lock (&self->lock);
  if (self->leader == in)
    self->leader = NULL;
  if (self->flusher == in)
    self->flusher = NULL;
  if (g_ptr_array_remove (self->inputs, in))
    gst_neva_judge_input_unref (in);
  g_mutex_unlock (&self->lock);
  gst_element_remove_pad (element, pad);
  gst_neva_judge_input_unref (in);
  /* Windows that were waiting for it need not any more. */
  gst_neva_judge_update (self);
}

static gboolean
src_activate_mode (
    GstPad *pad, GstObject *parent, GstPadMode mode, gboolean active)
{
  GstNevaJudge *self = GST_NEVA_JUDGE (parent);
  guint serial;

  if (mode != GST_PAD_MODE_PUSH)
    return FALSE;
  if (active) {
    g_mutex_lock (&self->lock);
    serial = self->serial;
    g_mutex_unlock (&self->lock);
    gst_neva_text_stream_start (self->out, serial);
    return TRUE;
  }
  gst_neva_text_stream_stop (self->out);
  if (!gst_pad_stop_task (pad))
    return FALSE;
  gst_neva_text_stream_clear (self->out);
  return TRUE;
}

/* Text is late as its candidates are, and says so by its time; nothing is added
 * to the latency. */
static gboolean
latency_query (GstNevaJudge *self, GstQuery *query)
{
  GstClockTime min = 0, max = GST_CLOCK_TIME_NONE;
  gboolean live = FALSE, answered = FALSE;
  g_autoptr (GPtrArray) pads =
      g_ptr_array_new_with_free_func (gst_object_unref);

  g_mutex_lock (&self->lock);
  for (guint i = 0; i < self->inputs->len; i++)
    g_ptr_array_add (pads,
        gst_object_ref (((GstNevaJudgeInput *) self->inputs->pdata[i])->pad));
  g_mutex_unlock (&self->lock);
  for (guint i = 0; i < pads->len; i++) {
    GstClockTime pad_min, pad_max;
    gboolean pad_live;

    if (!gst_pad_peer_query (pads->pdata[i], query))
      continue;
    answered = TRUE;
    gst_query_parse_latency (query, &pad_live, &pad_min, &pad_max);
    if (!pad_live)
      continue;
    live = TRUE;
    min = MAX (min, pad_min);
    max = MIN (max, pad_max);
  }
  if (!answered)
    return FALSE;
  g_mutex_lock (&self->lock);
  self->live |= live;
  g_mutex_unlock (&self->lock);
  gst_query_set_latency (query, live, min, max);
  return TRUE;
}

static gboolean
src_query (GstPad *pad, GstObject *parent, GstQuery *query)
{
  if (GST_QUERY_TYPE (query) == GST_QUERY_LATENCY)
    return latency_query (GST_NEVA_JUDGE (parent), query);
  return gst_pad_query_default (pad, parent, query);
}

static gboolean
src_event (GstPad *pad, GstObject *parent, GstEvent *event)
{
  GstNevaJudge *self = GST_NEVA_JUDGE (parent);
  GstSeekFlags flags;

  if (GST_EVENT_TYPE (event) == GST_EVENT_QOS) {
    /* Late text is no reason for captioners to leave anything out. */
    gst_event_unref (event);
    return TRUE;
  }
  if (GST_EVENT_TYPE (event) == GST_EVENT_SEEK) {
    gst_event_parse_seek (event, NULL, NULL, &flags, NULL, NULL, NULL, NULL);
    g_mutex_lock (&self->lock);
    if (flags & GST_SEEK_FLAG_FLUSH)
      self->seek_seqnum = gst_event_get_seqnum (event);
    g_mutex_unlock (&self->lock);
  }
  return gst_pad_event_default (pad, parent, event);
}

/* ---- States ---- */

static void
reset (GstNevaJudge *self)
{
  g_mutex_lock (&self->lock);
  self->counts = (GstNevaJudgeCounts){0};
  self->failed = self->reported = self->complaining = self->live = FALSE;
  self->begun = self->delivering = FALSE;
  self->leader = self->flusher = NULL;
  self->next_number = self->next_judged = 0;
  self->last_end = 0;
  for (guint i = 0; i < self->inputs->len; i++)
    reset_input (self->inputs->pdata[i]);
  g_mutex_unlock (&self->lock);
}

static GstStateChangeReturn
change_state (GstElement *element, GstStateChange transition)
{
  GstNevaJudge *self = GST_NEVA_JUDGE (element);
  GstStateChangeReturn ret;

  if (transition == GST_STATE_CHANGE_READY_TO_PAUSED) {
    reset (self);
    gst_neva_judge_resume (self);
    gst_neva_judge_workers_start (self);
  } else if (transition == GST_STATE_CHANGE_PAUSED_TO_READY) {
    gst_neva_judge_interrupt (self);
    gst_neva_text_stream_stop (self->out);
  }

  ret = GST_ELEMENT_CLASS (gst_neva_judge_parent_class)
            ->change_state (element, transition);

  if (transition == GST_STATE_CHANGE_PAUSED_TO_READY ||
      (transition == GST_STATE_CHANGE_READY_TO_PAUSED &&
          ret == GST_STATE_CHANGE_FAILURE)) {
    gst_neva_judge_interrupt (self);
    gst_neva_judge_workers_stop (self);
  }
  return ret;
}

/* ---- Object ---- */

static GstStructure *
get_stats (GstNevaJudge *self)
{
  GstStructure *s;
  const GstNevaJudgeCounts *c = &self->counts;
  guint pending = 0, inflight = 0;

  g_mutex_lock (&self->lock);
  for (GList *l = self->clips.head; l; l = l->next) {
    const GstNevaJudgeClip *clip = l->data;

    pending += clip->state == GST_NEVA_JUDGE_CLIP_GATHERING ||
               clip->state == GST_NEVA_JUDGE_CLIP_READY;
    inflight += clip->state == GST_NEVA_JUDGE_CLIP_ASKED;
  }
  s = gst_structure_new ("neva-judge-stats", "judged", G_TYPE_UINT64, c->judged,
      "failed", G_TYPE_UINT64, c->failed, "unscored", G_TYPE_UINT64,
      c->unscored, "dropped", G_TYPE_UINT64, c->dropped, "late", G_TYPE_UINT64,
      c->late, "incomplete", G_TYPE_UINT64, c->incomplete, "pending",
      G_TYPE_UINT, pending, "in-flight", G_TYPE_UINT, inflight, NULL);
  g_mutex_unlock (&self->lock);
  return s;
}

static void
set_property (GObject *object, guint id, const GValue *value, GParamSpec *pspec)
{
  GstNevaJudge *self = GST_NEVA_JUDGE (object);
  gboolean known;

  GST_OBJECT_LOCK (self);
  known = gst_neva_judge_settings_set (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
get_property (GObject *object, guint id, GValue *value, GParamSpec *pspec)
{
  GstNevaJudge *self = GST_NEVA_JUDGE (object);
  gboolean known;

  if (id == PROP_STATS) {
    g_value_take_boxed (value, get_stats (self));
    return;
  }
  GST_OBJECT_LOCK (self);
  known = gst_neva_judge_settings_get (&self->settings, id, value);
  GST_OBJECT_UNLOCK (self);
  if (!known)
    G_OBJECT_WARN_INVALID_PROPERTY_ID (object, id, pspec);
}

static void
finalize (GObject *object)
{
  GstNevaJudge *self = GST_NEVA_JUDGE (object);

  gst_neva_judge_settings_clear (&self->settings);
  g_clear_pointer (&self->out, gst_neva_text_stream_unref);
  g_queue_clear_full (&self->clips, (GDestroyNotify) gst_neva_judge_clip_unref);
  g_queue_clear_full (
      &self->closed, (GDestroyNotify) gst_neva_judge_clip_unref);
  g_ptr_array_unref (self->inputs);
  g_ptr_array_unref (self->threads);
  g_clear_pointer (&self->context, g_free);
  gst_clear_event (&self->eos);
  g_object_unref (self->cancel);
  g_mutex_clear (&self->lock);
  g_cond_clear (&self->cond);
  G_OBJECT_CLASS (gst_neva_judge_parent_class)->finalize (object);
}

static void
gst_neva_judge_class_init (GstNevaJudgeClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GstElementClass *element_class = GST_ELEMENT_CLASS (klass);

  GST_DEBUG_CATEGORY_INIT (
      gst_neva_judge_debug, "nevajudge", 0, "scores captions");
  gst_neva_caption_meta_init ();
  gst_neva_judgement_meta_init ();

  object_class->set_property = set_property;
  object_class->get_property = get_property;
  object_class->finalize = finalize;
  element_class->change_state = change_state;
  element_class->request_new_pad = request_new_pad;
  element_class->release_pad = release_pad;

  gst_neva_judge_settings_install (object_class);
  g_object_class_install_property (object_class, PROP_STATS,
      g_param_spec_boxed ("stats", "Statistics",
          "Windows that were judged, failed, dropped, incomplete, and late "
          "texts, since READY",
          GST_TYPE_STRUCTURE, G_PARAM_READABLE | G_PARAM_STATIC_STRINGS));

  gst_element_class_add_static_pad_template (element_class, &sink_template);
  gst_element_class_add_static_pad_template (
      element_class, &reference_template);
  gst_element_class_add_static_pad_template (element_class, &context_template);
  gst_element_class_add_static_pad_template (element_class, &src_template);
  gst_element_class_set_static_metadata (element_class, "Caption judge",
      "Filter/Analyzer/Text",
      "Has a judge model score the captions of several captioners",
      "NeVA for GStreamer");
}

static void
gst_neva_judge_init (GstNevaJudge *self)
{
  g_mutex_init (&self->lock);
  g_cond_init (&self->cond);
  self->inputs = g_ptr_array_new ();
  self->threads = g_ptr_array_new ();
  self->cancel = g_cancellable_new ();
  self->seek_seqnum = self->flush_seqnum = GST_SEQNUM_INVALID;
  gst_neva_judge_settings_init (&self->settings);

  self->srcpad = gst_pad_new_from_static_template (&src_template, "src");
  gst_pad_set_activatemode_function (self->srcpad, src_activate_mode);
  gst_pad_set_event_function (self->srcpad, src_event);
  gst_pad_set_query_function (self->srcpad, src_query);
  gst_element_add_pad (GST_ELEMENT_CAST (self), self->srcpad);
  self->out = gst_neva_text_stream_new (
      self->srcpad, GST_ELEMENT_CAST (self), on_text_flow);
}
