/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "judge_fixture.h"
#include "gstnevacaptionmeta.h"

#define CAPS "text/x-raw,format=utf8"

static GstClockTime
to_time (double seconds)
{
  return (GstClockTime) (seconds * (double) GST_SECOND + 0.5);
}

GstHarness *
judge_add (Judge *f, const char *pad)
{
  GstHarness *h = gst_harness_new_with_element (f->judge, pad, NULL);

  fail_unless (f->n_in < JUDGE_MAX_INPUTS);
  gst_harness_set_live (h, f->live);
  gst_harness_set_src_caps_str (h, CAPS);
  f->in[f->n_in++] = h;
  return h;
}

void
judge_init (Judge *f, const char *properties, guint n, gboolean live)
{
  g_autofree char *line = g_strdup_printf ("nevajudge %s", properties);

  *f = (Judge){.live = live};
  f->judge = gst_parse_launch (line, NULL);
  fail_unless (f->judge != NULL);
  f->bus = gst_bus_new ();
  gst_element_set_bus (f->judge, f->bus);
  f->out = gst_harness_new_with_element (f->judge, NULL, "src");
  for (guint i = 0; i < n; i++)
    judge_add (f, "sink_%u");
}

void
judge_remove (Judge *f, guint i)
{
  GstPad *pad = gst_pad_get_peer (f->in[i]->srcpad);

  gst_harness_teardown (f->in[i]);
  f->in[i] = NULL;
  /* The harness may leave a pad that it requested to the element. */
  if (GST_PAD_PARENT (pad))
    gst_element_release_request_pad (f->judge, pad);
  gst_object_unref (pad);
}

void
judge_clear (Judge *f)
{
  gst_element_set_state (f->judge, GST_STATE_NULL);
  gst_element_set_bus (f->judge, NULL);
  gst_object_unref (f->bus);
  for (guint i = 0; i < f->n_in; i++)
    g_clear_pointer (&f->in[i], gst_harness_teardown);
  gst_harness_teardown (f->out);
  ASSERT_OBJECT_REFCOUNT (f->judge, "judge", 1);
  gst_object_unref (f->judge);
}

static GstBuffer *
make (const char *text, double start, double end)
{
  GstBuffer *buffer = gst_buffer_new_memdup (text, strlen (text));

  GST_BUFFER_PTS (buffer) = to_time (start);
  GST_BUFFER_DURATION (buffer) = to_time (end) - to_time (start);
  return buffer;
}

GstFlowReturn
judge_text (GstHarness *in, const char *text, double start, double end)
{
  return gst_harness_push (in, make (text, start, end));
}

GstFlowReturn
judge_caption (GstHarness *in, const char *text, double start, double end,
    double pts, gboolean final)
{
  GstBuffer *buffer = make (text, pts, pts + end - start);
  const GstNevaCaptionInfo info = {.text = text,
      .final = final,
      .start = to_time (start),
      .end = to_time (end),
      .running_time = to_time (start),
      .model = "m",
      .prompt = "What happens?"};
  GstStructure *caption = gst_neva_caption_to_structure (&info);

  gst_neva_caption_meta_init ();
  gst_buffer_add_neva_caption_meta (buffer, caption);
  gst_structure_free (caption);
  return gst_harness_push (in, buffer);
}

void
judge_gap (GstHarness *in, double start, double end)
{
  gst_harness_push_event (
      in, gst_event_new_gap (to_time (start), to_time (end) - to_time (start)));
}

void
judge_eos (Judge *f)
{
  for (guint i = 0; i < f->n_in; i++)
    if (f->in[i])
      gst_harness_push_event (f->in[i], gst_event_new_eos ());
}

GstBuffer *
judge_pull (Judge *f)
{
  GstBuffer *buffer = gst_harness_pull (f->out);

  fail_unless (buffer != NULL, "no text came");
  return buffer;
}

void
judge_expect (Judge *f, const char *part)
{
  GstBuffer *buffer = judge_pull (f);
  GstMapInfo map;
  g_autofree char *text = NULL;

  fail_unless (gst_buffer_map (buffer, &map, GST_MAP_READ));
  text = g_strndup ((const char *) map.data, map.size);
  gst_buffer_unmap (buffer, &map);
  gst_buffer_unref (buffer);
  fail_unless (
      strstr (text, part) != NULL, "\"%s\" expected in \"%s\"", part, text);
}

void
judge_expect_event (Judge *f, GstEventType type)
{
  const gint64 end =
      g_get_monotonic_time () + (gint64) (JUDGE_SOON / GST_USECOND);
  gboolean found = FALSE;

  while (!found) {
    GstEvent *event = gst_harness_try_pull_event (f->out);

    if (event) {
      found = GST_EVENT_TYPE (event) == type;
      gst_event_unref (event);
    } else {
      fail_unless (g_get_monotonic_time () < end, "no %s came",
          gst_event_type_get_name (type));
      g_usleep (1000);
    }
  }
}

GstMessage *
judge_message (Judge *f, const char *name)
{
  for (;;) {
    GstMessage *message = gst_bus_timed_pop_filtered (
        f->bus, JUDGE_SOON, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);

    fail_unless (message != NULL, "no %s came", name);
    fail_unless (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT);
    if (gst_message_has_name (message, name))
      return message;
    gst_message_unref (message);
  }
}

guint
judge_count_messages (Judge *f, GstMessageType type)
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
judge_stat (Judge *f, const char *name)
{
  GstStructure *stats;
  const GValue *value;
  guint64 number;

  g_object_get (f->judge, "stats", &stats, NULL);
  value = gst_structure_get_value (stats, name);
  fail_unless (value != NULL, "no stat %s", name);
  number = G_VALUE_HOLDS_UINT (value) ? g_value_get_uint (value)
                                      : g_value_get_uint64 (value);
  gst_structure_free (stats);
  return number;
}

void
judge_wait_stat (Judge *f, const char *name, guint64 value)
{
  const gint64 end =
      g_get_monotonic_time () + (gint64) (JUDGE_SOON / GST_USECOND);

  while (judge_stat (f, name) != value) {
    fail_unless (g_get_monotonic_time () < end, "%s is %u instead of %u", name,
        (guint) judge_stat (f, name), (guint) value);
    g_usleep (1000);
  }
}
