/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "llm_fixture.h"
#include "gstnevacaptionmeta.h"

void
llm_init (Llm *f, const char *properties, LlmFlags flags)
{
  g_autofree char *line = g_strdup_printf ("nevallm %s", properties);
  GError *error = NULL;

  *f = (Llm){.live = (flags & LLM_LIVE) != 0};
  f->llm = gst_parse_launch (line, &error);
  fail_unless (error == NULL, "%s", error ? error->message : "");
  gst_object_ref_sink (f->llm);
  f->bus = gst_bus_new ();
  f->h = gst_harness_new_with_element (f->llm, "sink", "src");
  /* The harness plays before anybody listens, and before it is told whether it
   * is live: again, when the test is ready. */
  gst_element_set_state (f->llm, GST_STATE_NULL);
  gst_element_set_bus (f->llm, f->bus);
  gst_harness_set_live (f->h, f->live);
  if (flags & LLM_TEXT_PAD)
    f->text = gst_harness_new_with_element (f->llm, NULL, "text");
  gst_element_set_state (f->llm, GST_STATE_NULL);
}

void
llm_play (Llm *f)
{
  fail_unless (gst_element_set_state (f->llm, GST_STATE_PLAYING) !=
               GST_STATE_CHANGE_FAILURE);
  gst_harness_set_src_caps_str (f->h, LLM_CAPS);
}

void
llm_clear (Llm *f)
{
  gst_element_set_state (f->llm, GST_STATE_NULL);
  fail_unless_equals_int (llm_count_messages (f, GST_MESSAGE_ERROR), 0);
  gst_element_set_bus (f->llm, NULL);
  if (f->text)
    gst_harness_teardown (f->text);
  gst_harness_teardown (f->h);
  gst_object_unref (f->llm);
  gst_object_unref (f->bus);
}

GstBuffer *
llm_frame (Llm *f, GstClockTime pts)
{
  GstBuffer *buffer = gst_harness_create_buffer (f->h, LLM_FRAME_BYTES);

  gst_buffer_memset (buffer, 0, 0, LLM_FRAME_BYTES);
  GST_BUFFER_PTS (buffer) = pts;
  GST_BUFFER_DURATION (buffer) = LLM_FRAME;
  return buffer;
}

void
llm_mark (GstBuffer *buffer, guint64 clip, guint k, guint n, GstClockTime start,
    GstClockTime end)
{
  GArray *times = g_array_new (FALSE, FALSE, sizeof (GstNevaSampleTime));
  GstNevaSampleMeta *meta;

  for (guint i = 0; i <= k; i++) {
    const GstClockTime t = start + i * LLM_FRAME;
    const GstNevaSampleTime time = {t, t};

    g_array_append_val (times, time);
  }
  meta =
      gst_buffer_add_neva_sample_meta (buffer, clip, k, n, start, end, times);
  meta->last = k + 1 == n;
  g_array_unref (times);
}

GstEvent *
llm_clip_event (guint64 clip, guint frames, guint count, gboolean complete,
    GstClockTime start, GstClockTime end)
{
  GArray *times = g_array_new (FALSE, FALSE, sizeof (GstNevaSampleTime));
  const GstNevaClip c = {.clip = clip,
      .frames = frames,
      .count = count,
      .complete = complete,
      .start = start,
      .end = end,
      .times = times};
  GstEvent *event;

  for (guint i = 0; i < frames; i++) {
    const GstClockTime t = start + i * LLM_FRAME;
    const GstNevaSampleTime time = {t, t};

    g_array_append_val (times, time);
  }
  event = gst_neva_clip_event_new (&c);
  g_array_unref (times);
  return event;
}

GstFlowReturn
llm_push_frames (Llm *f, guint64 number)
{
  const GstClockTime start = number * LLM_CLIP;
  GstFlowReturn flow = GST_FLOW_OK;

  for (guint k = 0; k < LLM_CLIP_FRAMES && flow == GST_FLOW_OK; k++) {
    GstBuffer *buffer = llm_frame (f, start + k * LLM_FRAME);

    llm_mark (buffer, number, k, LLM_CLIP_FRAMES, start, start + LLM_CLIP);
    flow = gst_harness_push (f->h, buffer);
  }
  return flow;
}

void
llm_push_clip_event (Llm *f, guint64 number)
{
  gst_harness_push_event (
      f->h, llm_clip_event (number, LLM_CLIP_FRAMES, LLM_CLIP_FRAMES, TRUE,
                number * LLM_CLIP, (number + 1) * LLM_CLIP));
}

GstFlowReturn
llm_push_clip (Llm *f, guint64 number)
{
  const GstFlowReturn flow = llm_push_frames (f, number);

  if (flow == GST_FLOW_OK)
    llm_push_clip_event (f, number);
  return flow;
}

GstMessage *
llm_wait_message (Llm *f)
{
  GstMessage *message = gst_bus_timed_pop_filtered (
      f->bus, LLM_SOON, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);

  fail_unless (message != NULL, "no caption came");
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    GError *error = NULL;

    gst_message_parse_error (message, &error, NULL);
    fail ("error: %s", error->message);
  }
  fail_unless (gst_message_has_name (message, GST_NEVA_CAPTION_MESSAGE_NAME));
  return message;
}

void
llm_expect_caption (Llm *f, const char *text, guint64 clip)
{
  GstMessage *message = llm_wait_message (f);
  const GstStructure *s = gst_message_get_structure (message);
  guint64 number;

  fail_unless_equals_string (gst_structure_get_string (s, "text"), text);
  fail_unless (gst_structure_get_uint64 (s, "clip", &number));
  fail_unless_equals_uint64 (number, clip);
  gst_message_unref (message);
}

void
llm_expect_error (Llm *f, GQuark domain, gint code, const char *text)
{
  GstMessage *message =
      gst_bus_timed_pop_filtered (f->bus, LLM_SOON, GST_MESSAGE_ERROR);
  GError *error = NULL;

  fail_unless (message != NULL, "no error came");
  gst_message_parse_error (message, &error, NULL);
  fail_unless (g_error_matches (error, domain, code), "%s %d: %s",
      g_quark_to_string (error->domain), error->code, error->message);
  fail_unless (
      strstr (error->message, text) != NULL, "error: %s", error->message);
  g_error_free (error);
  gst_message_unref (message);
  fail_unless_equals_int (llm_count_messages (f, GST_MESSAGE_ERROR), 0);
}

guint
llm_count_messages (Llm *f, GstMessageType type)
{
  GstMessage *message;
  guint n = 0;

  while ((message = gst_bus_pop_filtered (f->bus, type))) {
    gst_message_unref (message);
    n++;
  }
  return n;
}

guint64
llm_stat (Llm *f, const char *name)
{
  GstStructure *stats = NULL;
  guint64 value = 0;
  guint number;

  g_object_get (f->llm, "stats", &stats, NULL);
  if (!gst_structure_get_uint64 (stats, name, &value)) {
    fail_unless (gst_structure_get_uint (stats, name, &number), "no %s", name);
    value = number;
  }
  gst_structure_free (stats);
  return value;
}

static guint64
wait_stat (Llm *f, const char *name, guint64 least, guint64 most)
{
  const gint64 end = g_get_monotonic_time () + GST_TIME_AS_USECONDS (LLM_SOON);
  guint64 value;

  while (((value = llm_stat (f, name)) < least || value > most) &&
         g_get_monotonic_time () < end)
    g_thread_yield ();
  return value;
}

void
llm_wait_stat (Llm *f, const char *name, guint64 value)
{
  fail_unless_equals_uint64 (wait_stat (f, name, value, value), value);
}

void
llm_wait_stat_from (Llm *f, const char *name, guint64 least)
{
  fail_unless (wait_stat (f, name, least, G_MAXUINT64) >= least);
}

GstBuffer *
llm_pull (GstHarness *h)
{
  GstBuffer *buffer = gst_harness_pull (h);

  fail_unless (buffer != NULL, "no buffer came");
  return buffer;
}

void
llm_expect_text (
    GstHarness *h, const char *text, GstClockTime pts, GstClockTime duration)
{
  GstBuffer *buffer = llm_pull (h);
  GstMapInfo map;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  fail_unless_equals_int (map.size, strlen (text));
  fail_unless (memcmp (map.data, text, map.size) == 0, "'%.*s' is not '%s'",
      (int) map.size, (char *) map.data, text);
  gst_buffer_unmap (buffer, &map);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), pts);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), duration);
  gst_buffer_unref (buffer);
}

const char *
llm_caption_of (GstBuffer *buffer)
{
  const GstStructure *s = gst_buffer_get_neva_caption (buffer);

  return s ? gst_structure_get_string (s, "text") : NULL;
}

GstEvent *
llm_wait_event (GstHarness *h, GstEventType type)
{
  GstEvent *event;

  while ((event = gst_harness_pull_event (h))) {
    if (GST_EVENT_TYPE (event) == type)
      return event;
    gst_event_unref (event);
  }
  fail ("no %s event came", gst_event_type_get_name (type));
  return NULL;
}

gpointer
llm_push_main (gpointer data)
{
  LlmPusher *p = data;

  for (guint64 i = p->from; i < p->to && p->flow == GST_FLOW_OK; i++)
    p->flow = llm_push_clip (p->f, i);
  if (p->event)
    gst_harness_push_event (p->f->h, p->event);
  g_atomic_int_set (&p->returned, TRUE);
  return NULL;
}

void
llm_flush (Llm *f)
{
  gst_harness_push_event (f->h, gst_event_new_flush_start ());
  gst_harness_push_event (f->h, gst_event_new_flush_stop (TRUE));
}

void
llm_new_segment (Llm *f, GstClockTime start, GstClockTime base)
{
  GstSegment segment;

  gst_segment_init (&segment, GST_FORMAT_TIME);
  segment.start = segment.time = start;
  segment.base = base;
  gst_harness_push_event (f->h, gst_event_new_segment (&segment));
}
