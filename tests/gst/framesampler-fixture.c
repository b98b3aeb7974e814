/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"

#include "framesampler-fixture.h"

Sampler
sampler_start (const gchar *properties, const gchar *framerate)
{
  g_autofree gchar *line = g_strdup_printf ("nevaframesampler %s", properties);
  g_autofree gchar *caps = g_strconcat (SAMPLER_CAPS, framerate, NULL);
  Sampler f = {gst_harness_new_parse (line), gst_bus_new (), 0};

  gst_element_set_bus (f.h->element, f.bus);
  gst_harness_set_src_caps_str (f.h, caps);
  return f;
}

void
sampler_stop (Sampler *f)
{
  gst_element_set_bus (f->h->element, NULL);
  gst_bus_set_flushing (f->bus, TRUE);
  gst_object_unref (f->bus);
  gst_harness_teardown (f->h);
}

GstFlowReturn
sampler_push_at (Sampler *f, GstClockTime pts, GstClockTime duration)
{
  GstBuffer *b = gst_buffer_new_allocate (NULL, 4, NULL);

  gst_buffer_memset (b, 0, 0, 4);
  GST_BUFFER_PTS (b) = pts;
  GST_BUFFER_DURATION (b) = duration;
  GST_BUFFER_OFFSET (b) = f->next++;
  return gst_harness_push (f->h, b);
}

void
sampler_push_tenths (Sampler *f, guint first, guint n)
{
  for (guint i = first; i < first + n; i++)
    fail_unless_equals_int (
        sampler_push_at (f, i * 100 * GST_MSECOND, 100 * GST_MSECOND),
        GST_FLOW_OK);
}

gchar *
sampler_drain (Sampler *f)
{
  GString *s = g_string_new (NULL);
  GstEvent *e;
  GstBuffer *b;

  while ((b = gst_harness_try_pull (f->h))) {
    gpointer state = NULL;
    GstNevaSampleMeta *m;

    g_string_append_printf (s, "%u", (guint) GST_BUFFER_OFFSET (b));
    while ((m = gst_buffer_iterate_neva_sample_meta (b, &state))) {
      g_string_append_printf (
          s, "*%u:%u/%u", (guint) m->clip, m->index, m->count);
      if (m->repeat)
        g_string_append_printf (s, "+%u", m->repeat);
      if (m->last)
        g_string_append (s, "!");
      if (m->count > 0)
        fail_unless (m->times->len > m->index);
      fail_unless (m->start <= m->end);
    }
    g_string_append_c (s, ' ');
    gst_buffer_unref (b);
  }
  while ((e = gst_harness_try_pull_event (f->h))) {
    GstNevaClip c;

    if (gst_neva_clip_event_parse (e, &c)) {
      g_string_append_printf (s, "[%u %u/%u %u-%u%s] ", (guint) c.clip,
          c.frames, c.count, (guint) (c.start / GST_MSECOND),
          (guint) (c.end / GST_MSECOND), c.complete ? "" : " x");
      gst_neva_clip_clear (&c);
    } else if (GST_EVENT_TYPE (e) == GST_EVENT_EOS)
      g_string_append (s, "EOS ");
    gst_event_unref (e);
  }
  g_strchomp (s->str);
  return g_string_free (s, FALSE);
}

void
sampler_expect (Sampler *f, const gchar *want)
{
  g_autofree gchar *got = sampler_drain (f);

  fail_unless_equals_string (got, want);
}

guint
sampler_count_messages (Sampler *f, GstMessageType type, const gchar *contains)
{
  GstMessage *m;
  guint n = 0;

  while ((m = gst_bus_pop_filtered (f->bus, type))) {
    g_autoptr (GError) error = NULL;

    if (type == GST_MESSAGE_WARNING)
      gst_message_parse_warning (m, &error, NULL);
    else if (type == GST_MESSAGE_ERROR)
      gst_message_parse_error (m, &error, NULL);
    if (contains)
      fail_unless (
          strstr (error->message, contains) != NULL, "%s", error->message);
    n++;
    gst_message_unref (m);
  }
  return n;
}
