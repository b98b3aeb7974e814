/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Texts come in and find their window; windows become complete. See judge.h. */
#include "config.h"
#include <string.h>
#include "common/gstnevacaptionmeta.h"
#include "common/gstnevaerror.h"
#include "judge.h"
#include "plain.h"

GST_DEBUG_CATEGORY_EXTERN (gst_neva_judge_debug);
#define GST_CAT_DEFAULT gst_neva_judge_debug

/* Of a text that does not say how long it holds. */
#define UNTIMED (1 * GST_SECOND)

/* ---- Complete or not ---- */

/* Lock held: the clip need not wait for this pad. */
static gboolean
is_done_with (const GstNevaJudgeInput *in, const GstNevaJudgeClip *clip)
{
  if (in->eos || in->joined > clip->number || !gst_pad_is_linked (in->pad))
    return TRUE;
  if (in->role == GST_NEVA_JUDGE_CONTEXT)
    return GST_CLOCK_TIME_IS_VALID (in->position) && in->position > clip->start;
  /* A text that begins in the second half shares too little with the window,
   * and those behind it share less. A gap says nothing: captions of live video
   * come after gaps. */
  return gst_neva_judge_clip_has (clip, in->id) ||
         (GST_CLOCK_TIME_IS_VALID (in->newest) && in->newest > clip->start &&
             in->newest >= clip->start + (clip->end - clip->start) / 2);
}

static gboolean
is_complete (GstNevaJudge *self, const GstNevaJudgeClip *clip)
{
  for (guint i = 0; i < self->inputs->len; i++)
    if (!is_done_with (self->inputs->pdata[i], clip))
      return FALSE;
  return TRUE;
}

/* Lock held: a linked candidate that is not at its end has nothing to say. */
static gboolean
lacks_candidate (GstNevaJudge *self, const GstNevaJudgeClip *clip)
{
  for (guint i = 0; i < self->inputs->len; i++) {
    const GstNevaJudgeInput *in = self->inputs->pdata[i];

    if (in->role == GST_NEVA_JUDGE_CANDIDATE && gst_pad_is_linked (in->pad) &&
        !gst_neva_judge_clip_has (clip, in->id))
      return TRUE;
  }
  return FALSE;
}

static void
close_clip (GstNevaJudge *self, GstNevaJudgeClip *clip)
{
  clip->state = GST_NEVA_JUDGE_CLIP_READY;
  clip->complete = !lacks_candidate (self, clip);
  if (!clip->complete)
    self->counts.incomplete++;
  g_queue_push_tail (&self->closed, gst_neva_judge_clip_ref (clip));
  if (self->closed.length > GST_NEVA_JUDGE_MAX_CLOSED)
    gst_neva_judge_clip_unref (g_queue_pop_head (&self->closed));
  g_cond_broadcast (&self->cond);
}

static void
remove_link (GstNevaJudge *self, GList *link)
{
  gst_neva_judge_clip_unref (link->data);
  g_queue_delete_link (&self->clips, link);
}

static guint
count (GstNevaJudge *self, GstNevaJudgeClipState state)
{
  guint n = 0;

  for (GList *l = self->clips.head; l; l = l->next)
    n += ((GstNevaJudgeClip *) l->data)->state == state;
  return n;
}

/* A live source does not wait: the windows that wait longest go. */
static void
drop_excess (GstNevaJudge *self, GPtrArray *dropped)
{
  guint max, n = count (self, GST_NEVA_JUDGE_CLIP_READY);
  GList *next;

  GST_OBJECT_LOCK (self);
  max = self->settings.max_pending;
  GST_OBJECT_UNLOCK (self);
  for (GList *l = self->clips.head; l && n > max; l = next) {
    GstNevaJudgeClip *clip = l->data;

    next = l->next;
    if (clip->state != GST_NEVA_JUDGE_CLIP_READY)
      continue;
    g_ptr_array_add (dropped, gst_neva_judge_clip_ref (clip));
    remove_link (self, l);
    self->counts.dropped++;
    n--;
  }
}

void
gst_neva_judge_review (GstNevaJudge *self, GPtrArray *dropped)
{
  const gint64 now = g_get_monotonic_time ();
  guint gathering = count (self, GST_NEVA_JUDGE_CLIP_GATHERING);
  const gboolean over = gst_neva_judge_is_over (self);
  GList *next;

  for (GList *l = self->clips.head; l; l = next) {
    GstNevaJudgeClip *clip = l->data;

    next = l->next;
    if (clip->state != GST_NEVA_JUDGE_CLIP_GATHERING)
      continue;
    if (!over && !is_complete (self, clip) &&
        !(self->live && clip->deadline_us <= now) &&
        gathering <= GST_NEVA_JUDGE_MAX_GATHERING)
      continue;
    gathering--;
    /* A reference that nothing is compared with. */
    if (clip->texts->len == 0)
      remove_link (self, l);
    else
      close_clip (self, clip);
  }
  if (self->live)
    drop_excess (self, dropped);
}

/* ---- What downstream is told of time ---- */

/* Lock held: up to where it is certain that no text follows; on a live source,
 * where the candidates are, as text is shown when it comes there. */
static GstClockTime
horizon (GstNevaJudge *self)
{
  const GstNevaJudgeClip *first = g_queue_peek_head (&self->clips);
  GstClockTime least = GST_CLOCK_TIME_NONE, most = 0;

  for (guint i = 0; i < self->inputs->len; i++) {
    const GstNevaJudgeInput *in = self->inputs->pdata[i];

    if (in->role != GST_NEVA_JUDGE_CANDIDATE || !gst_pad_is_linked (in->pad))
      continue;
    if (GST_CLOCK_TIME_IS_VALID (in->position))
      most = MAX (most, in->position);
    if (!in->eos)
      least = MIN (
          least, GST_CLOCK_TIME_IS_VALID (in->position) ? in->position : 0);
  }
  if (self->live)
    return most;
  if (!GST_CLOCK_TIME_IS_VALID (least)) /* all are at their end */
    least = most;
  return first ? MIN (least, first->start) : least;
}

static void
report_drop (GstNevaJudge *self, const GstNevaJudgeClip *clip)
{
  GstMessage *message;
  guint64 judged, dropped;
  gboolean live;

  g_mutex_lock (&self->lock);
  live = self->live;
  judged = self->counts.judged;
  dropped = self->counts.dropped;
  g_mutex_unlock (&self->lock);
  GST_INFO_OBJECT (self, "window at %" GST_TIME_FORMAT " is dropped",
      GST_TIME_ARGS (clip->start));
  message = gst_message_new_qos (GST_OBJECT_CAST (self), live, clip->start,
      GST_CLOCK_TIME_NONE, clip->start, clip->end - clip->start);
  gst_message_set_qos_stats (message, GST_FORMAT_BUFFERS, judged, dropped);
  gst_element_post_message (GST_ELEMENT_CAST (self), message);
}

void
gst_neva_judge_after_review (GstNevaJudge *self, GPtrArray *dropped)
{
  GstClockTime position;

  for (guint i = 0; i < dropped->len; i++)
    report_drop (self, dropped->pdata[i]);
  g_mutex_lock (&self->lock);
  position = horizon (self);
  g_mutex_unlock (&self->lock);
  gst_neva_text_stream_advance (self->out, position);
}

void
gst_neva_judge_update (GstNevaJudge *self)
{
  g_autoptr (GPtrArray) dropped = g_ptr_array_new_with_free_func (
      (GDestroyNotify) gst_neva_judge_clip_unref);

  g_mutex_lock (&self->lock);
  gst_neva_judge_review (self, dropped);
  g_cond_broadcast (&self->cond);
  g_mutex_unlock (&self->lock);
  gst_neva_judge_after_review (self, dropped);
}

/* ---- Texts ---- */

static char *
read_text (const GstNevaJudgeInput *in, GstBuffer *buffer)
{
  g_autofree char *bytes = NULL, *valid = NULL;
  GstMapInfo map;

  if (!gst_buffer_map (buffer, &map, GST_MAP_READ))
    return NULL;
  bytes = g_strndup (
      (const char *) map.data, MIN (map.size, (gsize) GST_NEVA_JUDGE_MAX_TEXT));
  gst_buffer_unmap (buffer, &map);
  valid = g_utf8_make_valid (bytes, -1);
  return g_strstrip (in->markup ? gst_neva_judge_plain_text (valid)
                                : g_steal_pointer (&valid));
}

/* The window that a caption speaks of; else the buffer's own time. FALSE: it
 * lies outside of the segment. */
static gboolean
read_window (const GstNevaJudgeInput *in, GstBuffer *buffer,
    const GstStructure *caption, GstClockTime *start, GstClockTime *end)
{
  GstClockTime from, to, running;
  GstClockTime length = GST_BUFFER_DURATION_IS_VALID (buffer)
                            ? GST_BUFFER_DURATION (buffer)
                            : UNTIMED;
  const GstClockTime pts = GST_BUFFER_PTS_IS_VALID (buffer)
                               ? GST_BUFFER_PTS (buffer)
                               : in->segment.position;

  if (caption && gst_structure_get_uint64 (caption, "running-time", &running) &&
      GST_CLOCK_TIME_IS_VALID (running)) {
    if (gst_structure_get_uint64 (caption, "start", &from) &&
        gst_structure_get_uint64 (caption, "end", &to) &&
        GST_CLOCK_TIME_IS_VALID (from) && GST_CLOCK_TIME_IS_VALID (to) &&
        to > from)
      length = (GstClockTime) ((double) (to - from) / ABS (in->segment.rate));
    *start = running;
    *end = running + length;
    return TRUE;
  }
  running = gst_segment_to_running_time (&in->segment, GST_FORMAT_TIME, pts);
  if (!GST_CLOCK_TIME_IS_VALID (running))
    return FALSE;
  *start = running;
  *end = running + (GstClockTime) ((double) length / ABS (in->segment.rate));
  return TRUE;
}

/* Lock held: its window was closed without it. */
static gboolean
is_late (GstNevaJudge *self, const GstNevaJudgeText *text)
{
  for (GList *l = self->closed.head; l; l = l->next) {
    const GstNevaJudgeClip *clip = l->data;

    if (gst_neva_judge_same_window (
            clip->start, clip->end, text->start, text->end) &&
        !gst_neva_judge_clip_has (clip, text->id))
      return TRUE;
  }
  return FALSE;
}

/* Lock held. The newest context that begins before the window ends holds for
 * it. */
static void
add_context (GstNevaJudge *self, const GstNevaJudgeText *text)
{
  for (GList *l = self->clips.head; l; l = l->next) {
    GstNevaJudgeClip *clip = l->data;

    if (clip->state != GST_NEVA_JUDGE_CLIP_GATHERING ||
        clip->end <= text->start)
      continue;
    g_free (clip->context);
    clip->context = g_strdup (text->text);
  }
}

/* Lock held. Takes the text. */
static void
add_text (GstNevaJudge *self, GstNevaJudgeInput *in, GstNevaJudgeText *text)
{
  GstNevaJudgeClip *clip =
      gst_neva_judge_clips_find (&self->clips, in->id, text->start, text->end);
  GstClockTime max_wait;

  if (!clip && is_late (self, text)) {
    if (in->role == GST_NEVA_JUDGE_CANDIDATE)
      self->counts.late++;
    gst_neva_judge_text_free (text);
    return;
  }
  if (!clip) {
    GST_OBJECT_LOCK (self);
    max_wait = self->settings.max_wait;
    GST_OBJECT_UNLOCK (self);
    clip = gst_neva_judge_clips_begin (
        &self->clips, self->next_number++, text->start, text->end);
    clip->deadline_us =
        g_get_monotonic_time () + (gint64) (max_wait / GST_USECOND);
    clip->context = g_strdup (self->context);
  }
  if (in->role == GST_NEVA_JUDGE_REFERENCE)
    clip->reference = text;
  else
    gst_neva_judge_clip_add (clip, text);
}

/* Waits on a file until the judge has come so far. Returns what chain is to
 * return if it is not OK. */
static GstFlowReturn
wait_for_room (GstNevaJudge *self, GstNevaJudgeInput *in)
{
  guint max;

  GST_OBJECT_LOCK (self);
  max = self->settings.max_pending + self->settings.max_inflight;
  GST_OBJECT_UNLOCK (self);
  while (
      self->running && !self->flushing && !self->failed && !self->live &&
      !in->flushing && in->role == GST_NEVA_JUDGE_CANDIDATE &&
      self->clips.length - count (self, GST_NEVA_JUDGE_CLIP_GATHERING) >= max)
    g_cond_wait (&self->cond, &self->lock);
  if (!self->running || self->flushing || in->flushing)
    return GST_FLOW_FLUSHING;
  return self->failed ? GST_NEVA_FLOW_STOPPED : self->flow;
}

static void
ask_live (GstNevaJudge *self, GstNevaJudgeInput *in)
{
  GstQuery *query;
  gboolean live = FALSE;

  if (in->asked_live)
    return;
  in->asked_live = TRUE;
  query = gst_query_new_latency ();
  if (gst_pad_peer_query (in->pad, query))
    gst_query_parse_latency (query, &live, NULL, NULL);
  gst_query_unref (query);
  g_mutex_lock (&self->lock);
  self->live |= live;
  g_mutex_unlock (&self->lock);
}

/* Lock held. Takes the text. */
static GstFlowReturn
take_text (GstNevaJudge *self, GstNevaJudgeInput *in, GstNevaJudgeText *text,
    GPtrArray *dropped)
{
  GstFlowReturn flow = wait_for_room (self, in);

  if (flow != GST_FLOW_OK || in->stale) {
    gst_neva_judge_text_free (text);
    return flow;
  }
  if (!GST_CLOCK_TIME_IS_VALID (in->newest) || text->start > in->newest)
    in->newest = text->start;
  if (in->role == GST_NEVA_JUDGE_CONTEXT) {
    if (!GST_CLOCK_TIME_IS_VALID (in->position) || in->position <= text->start)
      in->position = text->start + 1;
    add_context (self, text);
    g_free (self->context);
    self->context = g_steal_pointer (&text->text);
    gst_neva_judge_text_free (text);
  } else {
    if (text->caption) {
      g_free (in->model);
      in->model = g_strdup (gst_structure_get_string (text->caption, "model"));
    }
    if (!GST_CLOCK_TIME_IS_VALID (in->position) || in->position < text->start)
      in->position = text->start;
    add_text (self, in, text);
  }
  gst_neva_judge_review (self, dropped);
  return GST_FLOW_OK;
}

static GstFlowReturn
chain (GstNevaJudge *self, GstNevaJudgeInput *in, GstBuffer *buffer)
{
  g_autoptr (GPtrArray) dropped = g_ptr_array_new_with_free_func (
      (GDestroyNotify) gst_neva_judge_clip_unref);
  const GstStructure *caption = gst_buffer_get_neva_caption (buffer);
  GstNevaJudgeText *text;
  GstClockTime start, end;
  gboolean final = TRUE, failed;
  GstFlowReturn flow;

  g_mutex_lock (&self->lock);
  failed = self->failed;
  g_mutex_unlock (&self->lock);
  if (failed)
    return GST_NEVA_FLOW_STOPPED;
  ask_live (self, in);
  if (caption)
    gst_structure_get_boolean (caption, "final", &final);
  /* A caption that still grows comes again. */
  if (!final || !read_window (in, buffer, caption, &start, &end))
    return GST_FLOW_OK;

  text = g_new0 (GstNevaJudgeText, 1);
  text->pad = gst_pad_get_name (in->pad);
  text->id = in->id;
  text->text = read_text (in, buffer);
  text->start = start;
  text->end = end;
  if (caption)
    text->caption = gst_structure_copy (caption);
  if (!text->text) {
    g_autoptr (GError) error =
        g_error_new (NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "a text cannot be read");

    gst_neva_judge_text_free (text);
    gst_neva_judge_fail (self, NULL, error);
    return GST_NEVA_FLOW_STOPPED;
  }
  g_mutex_lock (&self->lock);
  flow = take_text (self, in, text, dropped);
  g_mutex_unlock (&self->lock);
  gst_neva_judge_after_review (self, dropped);
  return flow;
}

GstFlowReturn
gst_neva_judge_chain (GstPad *pad, GstObject *parent, GstBuffer *buffer)
{
  GstNevaJudge *self = GST_NEVA_JUDGE (parent);
  GstNevaJudgeInput *in = gst_neva_judge_input_of (self, pad);
  GstFlowReturn flow = GST_FLOW_FLUSHING;

  if (in) {
    flow = chain (self, in, buffer);
    gst_neva_judge_input_unref (in);
  }
  gst_buffer_unref (buffer);
  return flow;
}
