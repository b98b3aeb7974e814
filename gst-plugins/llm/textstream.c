/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The text stream's queue and task; see textstream.h. */
#include "config.h"
#include "textstream.h"
#include <string.h>
#include "common/gstnevacaptionmeta.h"
#include "common/gstnevajudgementmeta.h"
#include "text.h"

GST_DEBUG_CATEGORY_STATIC (gst_neva_text_debug);
#define GST_CAT_DEFAULT gst_neva_text_debug

/* Captions that may wait for a consumer that has stopped reading. */
#define MAX_CAPTIONS 64
/* How long an unfinished caption is shown when it is shown on arrival: the next
 * one replaces it then, where consumers show one text at a time. */
#define PARTIAL_DURATION (300 * GST_MSECOND)

typedef enum { ITEM_EVENT, ITEM_GAP, ITEM_CAPTION } ItemKind;

typedef struct {
  ItemKind kind;
  GstEvent *event;                   /* ITEM_EVENT */
  GstStructure *caption, *judgement; /* ITEM_CAPTION, or NULL */
  char *text;                        /* ITEM_CAPTION */
  GstClockTime start, end;           /* ITEM_GAP, ITEM_CAPTION */
  GstClockTime advanced_to;          /* ITEM_CAPTION: position when it left */
  guint64 clip;
  gboolean final, arrival;
} Item;

struct _GstNevaTextStream {
  gint refs; /* atomic */
  GstPad *pad;
  GstElement *element;
  GstNevaTextFlowFunc flow_func;

  GMutex lock;
  GCond cond;
  /* Under lock. */
  GQueue items; /* Item */
  guint n_captions, serial;
  gboolean running;
  gboolean begun; /* a SEGMENT was queued: captions and gaps may follow */
  gboolean ended; /* EOS has left */
  GstClockTime position;  /* where the video is, as told by advance () */
  GstClockTime gap_start; /* where the last gap began */
  GstFlowReturn flow;

  /* The task only. */
  GstSegment segment;
  gboolean markup, negotiated;
};

static void
item_free (Item *item)
{
  if (item->event)
    gst_event_unref (item->event);
  g_clear_pointer (&item->caption, gst_structure_free);
  g_clear_pointer (&item->judgement, gst_structure_free);
  g_free (item->text);
  g_free (item);
}

/* ---- The queue ---- */

static void
queue_item (GstNevaTextStream *stream, Item *item)
{
  g_queue_push_tail (&stream->items, item);
  if (item->kind == ITEM_CAPTION)
    stream->n_captions++;
  g_cond_broadcast (&stream->cond);
}

static void
queue_event (GstNevaTextStream *stream, GstEvent *event)
{
  g_mutex_lock (&stream->lock);
  if (stream->running) {
    Item *item = g_new0 (Item, 1);

    item->kind = ITEM_EVENT;
    item->event = gst_event_ref (event);
    queue_item (stream, item);
    stream->begun |= GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT;
  }
  g_mutex_unlock (&stream->lock);
}

static void
queue_gap (GstNevaTextStream *stream, GstClockTime start, GstClockTime end)
{
  Item *tail = g_queue_peek_tail (&stream->items);

  /* One gap is as good as many: a consumer that reads slowly is not owed a
   * queue that grows. */
  if (tail && tail->kind == ITEM_GAP) {
    tail->end = MAX (tail->end, end);
    return;
  }
  tail = g_new0 (Item, 1);
  tail->kind = ITEM_GAP;
  tail->start = start;
  tail->end = end;
  queue_item (stream, tail);
}

static void
remove_link (GstNevaTextStream *stream, GList *link)
{
  Item *item = link->data;

  if (item->kind == ITEM_CAPTION)
    stream->n_captions--;
  g_queue_delete_link (&stream->items, link);
  item_free (item);
}

/* An unfinished caption that nobody has read yet is replaced by its
 * successor. */
static void
remove_partials (GstNevaTextStream *stream, guint64 clip)
{
  GList *link = stream->items.head;

  while (link) {
    GList *next = link->next;
    const Item *item = link->data;

    if (item->kind == ITEM_CAPTION && !item->final && item->clip == clip)
      remove_link (stream, link);
    link = next;
  }
}

static void
remove_oldest_caption (GstNevaTextStream *stream)
{
  for (GList *link = stream->items.head; link; link = link->next)
    if (((Item *) link->data)->kind == ITEM_CAPTION) {
      remove_link (stream, link);
      return;
    }
}

static void
clear_items (GstNevaTextStream *stream)
{
  while (stream->items.head)
    remove_link (stream, stream->items.head);
}

/* A flush takes captions, gaps and segments, not the stream: a STREAM_START
 * that the task did not come to push keeps its place. */
static void
clear_for_flush (GstNevaTextStream *stream)
{
  GList *link = stream->items.head;

  while (link) {
    GList *next = link->next;
    const Item *item = link->data;

    if (item->kind != ITEM_EVENT ||
        GST_EVENT_TYPE (item->event) != GST_EVENT_STREAM_START)
      remove_link (stream, link);
    link = next;
  }
}

/* ---- The task ---- */

static gboolean
accepts (GstCaps *allowed, const char *format)
{
  g_autoptr (GstCaps) caps =
      gst_caps_new_simple ("text/x-raw", "format", G_TYPE_STRING, format, NULL);

  return gst_caps_can_intersect (allowed, caps);
}

/* Plain UTF-8 wherever it is taken: consumers that list pango-markup first
 * often write the entities out as they are. */
static gboolean
negotiate (GstNevaTextStream *stream)
{
  g_autoptr (GstCaps) allowed = gst_pad_get_allowed_caps (stream->pad);
  gboolean markup = FALSE;

  if (allowed && !accepts (allowed, "utf8")) {
    if (!accepts (allowed, "pango-markup")) {
      GST_WARNING_OBJECT (
          stream->pad, "no text format in %" GST_PTR_FORMAT, allowed);
      return FALSE;
    }
    markup = TRUE;
  }
  if (!stream->negotiated || markup != stream->markup) {
    GstCaps *caps = gst_caps_new_simple ("text/x-raw", "format", G_TYPE_STRING,
        markup ? "pango-markup" : "utf8", NULL);

    gst_pad_push_event (stream->pad, gst_event_new_caps (caps));
    gst_caps_unref (caps);
  }
  stream->markup = markup;
  stream->negotiated = TRUE;
  return TRUE;
}

/* Position in the segment; GST_CLOCK_TIME_NONE if it lies before it. */
static GstClockTime
to_position (GstNevaTextStream *stream, GstClockTime running_time)
{
  if (!GST_CLOCK_TIME_IS_VALID (running_time))
    return GST_CLOCK_TIME_NONE;
  return gst_segment_position_from_running_time (
      &stream->segment, GST_FORMAT_TIME, running_time);
}

static void
push_gap (GstNevaTextStream *stream, const Item *item)
{
  GstClockTime a = to_position (stream, item->start);
  GstClockTime b = to_position (stream, item->end);
  GstEvent *event;

  if (!GST_CLOCK_TIME_IS_VALID (b))
    return;
  if (!GST_CLOCK_TIME_IS_VALID (a))
    a = stream->segment.rate > 0 ? stream->segment.start : stream->segment.stop;
  if (!GST_CLOCK_TIME_IS_VALID (a) || a == b)
    return;
  event = gst_event_new_gap (MIN (a, b), MAX (a, b) - MIN (a, b));
  /* Or matroskamux, from 1.24 on, writes an empty subtitle for every gap. */
  gst_event_set_gap_flags (event, GST_GAP_FLAG_MISSING_DATA);
  gst_pad_push_event (stream->pad, event);
}

static GstBuffer *
make_buffer (GstNevaTextStream *stream, const Item *item)
{
  char *data = stream->markup ? gst_neva_text_to_markup (item->text)
                              : g_strdup (item->text);
  GstBuffer *buffer = gst_buffer_new_wrapped (data, strlen (data));
  GstClockTime length = item->end - item->start;
  GstClockTime a, b;

  if (item->arrival) {
    if (!item->final)
      length = MIN (length, PARTIAL_DURATION);
    a = to_position (stream, item->advanced_to);
    b = to_position (stream, item->advanced_to + length);
  } else {
    a = to_position (stream, item->start);
    b = to_position (stream, item->end);
  }
  /* A window that began before the segment, or lies before it altogether:
   * the answer came after a new segment. */
  if (!GST_CLOCK_TIME_IS_VALID (a))
    a = stream->segment.rate > 0 ? stream->segment.start : stream->segment.stop;
  if (!GST_CLOCK_TIME_IS_VALID (a))
    a = 0;
  if (!GST_CLOCK_TIME_IS_VALID (b))
    b = stream->segment.rate > 0 ? a + length : a - MIN (a, length);

  GST_BUFFER_PTS (buffer) = MIN (a, b);
  GST_BUFFER_DURATION (buffer) = MAX (a, b) - MIN (a, b);
  if (item->caption)
    gst_buffer_add_neva_caption_meta (buffer, item->caption);
  if (item->judgement)
    gst_buffer_add_neva_judgement_meta (buffer, item->judgement);
  return buffer;
}

static void
push_caption (GstNevaTextStream *stream, const Item *item)
{
  GstFlowReturn flow = GST_FLOW_NOT_NEGOTIATED;

  if (!gst_pad_check_reconfigure (stream->pad) || negotiate (stream))
    flow = gst_pad_push (stream->pad, make_buffer (stream, item));

  GST_LOG_OBJECT (stream->pad, "caption of clip %" G_GUINT64_FORMAT ": %s",
      item->clip, gst_flow_get_name (flow));
  g_mutex_lock (&stream->lock);
  stream->flow = flow;
  g_mutex_unlock (&stream->lock);
  stream->flow_func (stream->element, stream->pad, flow);
}

static void
push_event (GstNevaTextStream *stream, GstEvent *event)
{
  if (GST_EVENT_TYPE (event) == GST_EVENT_STREAM_START)
    stream->negotiated = FALSE;
  if (GST_EVENT_TYPE (event) == GST_EVENT_SEGMENT) {
    gst_event_copy_segment (event, &stream->segment);
    /* CAPS come before SEGMENT, and only now is it worth asking for them. */
    if (!stream->negotiated) {
      gst_pad_check_reconfigure (stream->pad);
      if (!negotiate (stream)) {
        g_mutex_lock (&stream->lock);
        stream->flow = GST_FLOW_NOT_NEGOTIATED;
        g_mutex_unlock (&stream->lock);
        stream->flow_func (
            stream->element, stream->pad, GST_FLOW_NOT_NEGOTIATED);
      }
    }
  }
  gst_pad_push_event (stream->pad, gst_event_ref (event));
}

/* The caption leaves the queue now: where is the video, and what do gaps have
 * to say to a consumer that takes this caption for the stream's position? */
static void
settle_time (GstNevaTextStream *stream, Item *item)
{
  Item *next = g_queue_peek_head (&stream->items);
  const gboolean gap_follows = next && next->kind == ITEM_GAP;

  item->advanced_to = stream->position;
  if (item->arrival) {
    /* It may have waited long, and is shown from now on: a gap that ends
     * before now would lead back. */
    if (gap_follows && next->end <= stream->position)
      remove_link (stream, stream->items.head);
  } else if (item->start < stream->position && !gap_follows) {
    next = g_new0 (Item, 1);
    next->kind = ITEM_GAP;
    next->start = stream->gap_start;
    next->end = stream->position;
    g_queue_push_head (&stream->items, next);
  }
}

/* The next item; NULL when stopped. */
static Item *
take_item (GstNevaTextStream *stream)
{
  Item *item = NULL;

  g_mutex_lock (&stream->lock);
  while (stream->running && g_queue_is_empty (&stream->items))
    g_cond_wait (&stream->cond, &stream->lock);
  if (stream->running)
    item = g_queue_pop_head (&stream->items);
  if (item && item->kind == ITEM_CAPTION) {
    stream->n_captions--;
    settle_time (stream, item);
    g_cond_broadcast (&stream->cond);
  }
  g_mutex_unlock (&stream->lock);
  return item;
}

/* A serialised query comes back when a queue downstream has handed on all that
 * was before it. */
static void
drain (GstNevaTextStream *stream)
{
  g_autoptr (GstQuery) query = gst_query_new_drain ();

  gst_pad_peer_query (stream->pad, query);
}

static void
set_ended (GstNevaTextStream *stream, gboolean ended)
{
  g_mutex_lock (&stream->lock);
  stream->ended = ended;
  g_cond_broadcast (&stream->cond);
  g_mutex_unlock (&stream->lock);
}

static void
text_stream_loop (gpointer user_data)
{
  GstNevaTextStream *stream = user_data;
  Item *item = take_item (stream);

  if (!item) {
    gst_pad_pause_task (stream->pad);
    return;
  }
  switch (item->kind) {
    case ITEM_EVENT:
      if (GST_EVENT_TYPE (item->event) == GST_EVENT_EOS)
        drain (stream);
      push_event (stream, item->event);
      if (GST_EVENT_TYPE (item->event) == GST_EVENT_EOS)
        set_ended (stream, TRUE);
      break;
    case ITEM_GAP:
      push_gap (stream, item);
      break;
    case ITEM_CAPTION:
      push_caption (stream, item);
      break;
  }
  item_free (item);
}

/* ---- Interface ---- */

GstNevaTextStream *
gst_neva_text_stream_new (
    GstPad *pad, GstElement *element, GstNevaTextFlowFunc flow)
{
  GstNevaTextStream *stream = g_new0 (GstNevaTextStream, 1);

  GST_DEBUG_CATEGORY_INIT (
      gst_neva_text_debug, "nevatext", 0, "text streams of NeVA elements");
  stream->refs = 1;
  stream->pad = gst_object_ref (pad);
  stream->flow_func = flow;
  stream->element = element;
  g_mutex_init (&stream->lock);
  g_cond_init (&stream->cond);
  g_queue_init (&stream->items);
  gst_segment_init (&stream->segment, GST_FORMAT_TIME);
  return stream;
}

GstNevaTextStream *
gst_neva_text_stream_ref (GstNevaTextStream *stream)
{
  g_atomic_int_inc (&stream->refs);
  return stream;
}

void
gst_neva_text_stream_unref (GstNevaTextStream *stream)
{
  if (!g_atomic_int_dec_and_test (&stream->refs))
    return;
  clear_items (stream);
  gst_object_unref (stream->pad);
  g_mutex_clear (&stream->lock);
  g_cond_clear (&stream->cond);
  g_free (stream);
}

GstPad *
gst_neva_text_stream_get_pad (GstNevaTextStream *stream)
{
  return stream->pad;
}

void
gst_neva_text_stream_start (GstNevaTextStream *stream, guint serial)
{
  g_mutex_lock (&stream->lock);
  stream->running = TRUE;
  stream->serial = serial;
  stream->flow = GST_FLOW_OK;
  stream->position = stream->gap_start = 0;
  g_mutex_unlock (&stream->lock);
  gst_pad_start_task (stream->pad, text_stream_loop, stream, NULL);
}

void
gst_neva_text_stream_stop (GstNevaTextStream *stream)
{
  g_mutex_lock (&stream->lock);
  stream->running = stream->begun = FALSE;
  stream->flow = GST_FLOW_FLUSHING;
  clear_for_flush (stream);
  g_cond_broadcast (&stream->cond);
  g_mutex_unlock (&stream->lock);
}

void
gst_neva_text_stream_clear (GstNevaTextStream *stream)
{
  g_mutex_lock (&stream->lock);
  clear_items (stream);
  stream->negotiated = FALSE;
  g_mutex_unlock (&stream->lock);
}

void
gst_neva_text_stream_begin (GstNevaTextStream *stream, GstEvent *stream_start)
{
  const char *name = strchr (GST_PAD_NAME (stream->pad), '_');
  g_autofree char *id = NULL;
  const char *video_id;
  GstEvent *event;
  guint group;

  /* As gst_pad_create_stream_id () does; but the event is not on the sink pad
   * yet, where that would look for it. */
  gst_event_parse_stream_start (stream_start, &video_id);
  /* pads beside each other are streams beside each other */
  id = g_strconcat (video_id, "/captions", name ? name : "", NULL);
  event = gst_event_new_stream_start (id);
  gst_event_set_stream_flags (event, GST_STREAM_FLAG_SPARSE);
  if (gst_event_parse_group_id (stream_start, &group))
    gst_event_set_group_id (event, group);
  gst_event_set_seqnum (event, gst_event_get_seqnum (stream_start));
  set_ended (stream, FALSE);
  queue_event (stream, event);
  gst_event_unref (event);
}

void
gst_neva_text_stream_segment (GstNevaTextStream *stream, GstEvent *segment)
{
  GstEvent *moved = gst_neva_text_move_segment (segment);

  queue_event (stream, moved);
  gst_event_unref (moved);
}

void
gst_neva_text_stream_finish (GstNevaTextStream *stream, GstEvent *eos)
{
  queue_event (stream, eos);
}

void
gst_neva_text_stream_settle (GstNevaTextStream *stream, gint64 end_time)
{
  g_mutex_lock (&stream->lock);
  while (stream->running && !stream->ended)
    if (!g_cond_wait_until (&stream->cond, &stream->lock, end_time))
      break;
  g_mutex_unlock (&stream->lock);
}

void
gst_neva_text_stream_advance (GstNevaTextStream *stream, GstClockTime position)
{
  g_mutex_lock (&stream->lock);
  if (stream->begun && GST_CLOCK_TIME_IS_VALID (position) &&
      position > stream->position) {
    queue_gap (stream, stream->position, position);
    stream->gap_start = stream->position;
    stream->position = position;
  }
  g_mutex_unlock (&stream->lock);
}

gboolean
gst_neva_text_stream_push (
    GstNevaTextStream *stream, guint serial, const GstNevaTextCaption *caption)
{
  gboolean live;

  g_mutex_lock (&stream->lock);
  while (caption->wait && stream->running && stream->serial == serial &&
         stream->n_captions >= MAX_CAPTIONS)
    g_cond_wait (&stream->cond, &stream->lock);

  live = stream->running && stream->serial == serial;
  /* A pad that was requested a moment ago joins with the next clip. */
  if (live && stream->begun) {
    Item *item = g_new0 (Item, 1);

    remove_partials (stream, caption->clip);
    if (stream->n_captions >= MAX_CAPTIONS)
      remove_oldest_caption (stream);
    item->kind = ITEM_CAPTION;
    if (caption->caption)
      item->caption = gst_structure_copy (caption->caption);
    if (caption->judgement)
      item->judgement = gst_structure_copy (caption->judgement);
    item->text = g_strdup (
        caption->text ? caption->text
                      : gst_structure_get_string (caption->caption, "text"));
    item->clip = caption->clip;
    item->final = caption->final;
    item->start = caption->start;
    item->end = caption->end;
    /* In time is in time, however long this queue takes. */
    item->arrival = caption->arrival && stream->position > caption->start;
    queue_item (stream, item);
  }
  g_mutex_unlock (&stream->lock);
  return live;
}

GstFlowReturn
gst_neva_text_stream_get_flow (GstNevaTextStream *stream)
{
  GstFlowReturn flow;

  g_mutex_lock (&stream->lock);
  flow = stream->flow;
  g_mutex_unlock (&stream->lock);
  return flow;
}
