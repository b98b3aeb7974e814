/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The demo model over a video: overlapping windows encode each frame once,
 * several prompts about a clip compute its visual tokens once, and every answer
 * is the one of a pipeline that asks only that. Needs the system's plugins. */
#include "config.h"
#include <gst/check/gstcheck.h>
#include <math.h>

#define SOON (120 * GST_SECOND)
/* 2 s at 10 frames a second; windows of 1 s every 0.5 s, 5 frames each. */
#define VIDEO                                                                  \
  "videotestsrc num-buffers=20 pattern=ball ! "                                \
  "video/x-raw,format=RGB,width=64,height=64,framerate=10/1 ! "
#define WINDOW "window=1000000000 num-frames=5 align=time "
#define MEDIA_TOKENS (5 * 36)

static const char *const prompts[] = {
    "Describe the video.", "Is anything moving?", "What colour is it?"};

typedef struct {
  GPtrArray *captions;         /* GstStructure */
  GstStructure *llm, *encoder; /* stats */
} Outcome;

static void
outcome_clear (Outcome *o)
{
  g_ptr_array_unref (o->captions);
  gst_structure_free (o->llm);
  gst_structure_free (o->encoder);
}

static GstStructure *
stats_of (GstElement *pipeline, const char *name)
{
  GstElement *element = gst_bin_get_by_name (GST_BIN (pipeline), name);
  GstStructure *stats = NULL;

  g_object_get (element, "stats", &stats, NULL);
  gst_object_unref (element);
  return stats;
}

static guint64
number (const GstStructure *s, const char *name)
{
  guint64 value = 0;
  guint small = 0;

  if (gst_structure_get_uint (s, name, &small))
    return small;
  fail_unless (gst_structure_get_uint64 (s, name, &value), "no %s", name);
  return value;
}

/* context: another one is another model, which has seen nothing. */
static Outcome
run (const char *sampler, guint context, const char *const *ask, guint n)
{
  g_autofree char *line = g_strdup_printf (VIDEO
      "nevaframesampler " WINDOW "%s ! "
      "nevaencoder name=e model=%s/models/demo weights=f32 context-length=%u ! "
      "nevallm name=n max-tokens=24 ! fakesink",
      sampler, g_getenv ("NEVA_SOURCE"), context);
  GstElement *pipeline = gst_parse_launch (line, NULL), *llm;
  GValue array = G_VALUE_INIT;
  Outcome o = {
      g_ptr_array_new_with_free_func ((GDestroyNotify) gst_structure_free),
      NULL, NULL};
  GstMessage *message = NULL;
  GstBus *bus;

  fail_unless (pipeline != NULL);
  llm = gst_bin_get_by_name (GST_BIN (pipeline), "n");
  g_value_init (&array, GST_TYPE_ARRAY);
  for (guint i = 0; i < n; i++) {
    GValue item = G_VALUE_INIT;

    g_value_init (&item, G_TYPE_STRING);
    g_value_set_static_string (&item, ask[i]);
    gst_value_array_append_and_take_value (&array, &item);
  }
  g_object_set_property (G_OBJECT (llm), "prompts", &array);
  g_value_unset (&array);
  gst_object_unref (llm);

  bus = gst_element_get_bus (pipeline);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  while ((message = gst_bus_timed_pop_filtered (bus, SOON,
              GST_MESSAGE_EOS | GST_MESSAGE_ERROR | GST_MESSAGE_ELEMENT)) &&
         GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT) {
    if (gst_message_has_name (message, "neva-caption"))
      g_ptr_array_add (
          o.captions, gst_structure_copy (gst_message_get_structure (message)));
    gst_message_unref (message);
  }
  fail_unless (message != NULL, "no EOS came");
  if (GST_MESSAGE_TYPE (message) == GST_MESSAGE_ERROR) {
    GError *error = NULL;

    gst_message_parse_error (message, &error, NULL);
    fail ("%s", error->message);
  }
  gst_message_unref (message);
  gst_object_unref (bus);
  o.llm = stats_of (pipeline, "n");
  o.encoder = stats_of (pipeline, "e");
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  return o;
}

static const char *
text_of (const GstStructure *s)
{
  return gst_structure_get_string (s, "text");
}

GST_START_TEST (test_prompts_share_a_clip_and_answer_as_alone)
{
  Outcome together =
      run ("overlap=500000000", 1000, prompts, G_N_ELEMENTS (prompts));
  const guint clips = (guint) number (together.llm, "clips");

  fail_unless (clips >= 3, "%u clips", clips);
  fail_unless_equals_int (
      together.captions->len, clips * G_N_ELEMENTS (prompts));
  for (guint p = 0; p < G_N_ELEMENTS (prompts); p++) {
    Outcome alone = run ("overlap=500000000", 1001 + p, prompts + p, 1);

    fail_unless_equals_int (alone.captions->len, clips);
    for (guint i = 0; i < clips; i++) {
      const GstStructure *s =
          together.captions->pdata[i * G_N_ELEMENTS (prompts) + p];
      const GstStructure *a = alone.captions->pdata[i];
      g_autofree char *id = g_strdup_printf ("%u", p);

      fail_unless_equals_string (text_of (s), text_of (a));
      fail_unless_equals_string (gst_structure_get_string (s, "prompt-id"), id);
      fail_unless_equals_uint64 (
          number (s, "prompt-tokens"), number (a, "prompt-tokens"));
      /* The first prompt of a clip computes the visual tokens, no other. */
      if (p > 0)
        fail_unless (number (s, "reused-tokens") >= MEDIA_TOKENS);
      fail_unless (number (a, "reused-tokens") < MEDIA_TOKENS);
    }
    outcome_clear (&alone);
  }
  outcome_clear (&together);
}
GST_END_TEST;

/* Windows of 5 frames, 2 new ones or 3 each time; the last ones are cut. */
GST_START_TEST (test_overlapping_windows_encode_a_frame_once)
{
  Outcome o = run ("overlap=600000000", 900, prompts, 1);
  g_autoptr (GHashTable) seen =
      g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  guint64 places = 0, encoded = 0;
  const GstStructure *model;

  for (guint i = 0; i < o.captions->len; i++) {
    const GValue *times =
        gst_structure_get_value (o.captions->pdata[i], "frame-times");

    places += gst_value_array_get_size (times);
    for (guint k = 0; k < gst_value_array_get_size (times); k++)
      g_hash_table_add (
          seen, g_strdup_printf ("%" G_GUINT64_FORMAT,
                    g_value_get_uint64 (gst_value_array_get_value (times, k))));
  }
  model =
      gst_value_get_structure (gst_structure_get_value (o.encoder, "model"));
  encoded = number (model, "frames-encoded");
  fail_unless_equals_uint64 (number (o.encoder, "submitted"), encoded);
  fail_unless_equals_uint64 (number (o.llm, "frames"), encoded);
  fail_unless_equals_uint64 (encoded, g_hash_table_size (seen));
  fail_unless_equals_uint64 (
      number (o.encoder, "frames-reused"), places - encoded);
  fail_unless_equals_uint64 (number (o.llm, "frames-reused"), places - encoded);
  fail_unless (places > 3 * encoded / 2, "%u places", (guint) places);
  outcome_clear (&o);
}
GST_END_TEST;

static Suite *
llm_windows_suite (void)
{
  Suite *s = suite_create ("llm-windows");
  TCase *tc = tcase_create ("windows");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_prompts_share_a_clip_and_answer_as_alone);
  tcase_add_test (tc, test_overlapping_windows_encode_a_frame_once);
  return s;
}

GST_CHECK_MAIN (llm_windows);
