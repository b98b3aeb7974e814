/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nevallm asks: prompts, the frames of a clip, sampling, partial answers.
 * By fake models, with clips marked by hand. */
#include "config.h"
#include "gstnevacaptionmeta.h"
#include "llm_fixture.h"

/* ---- Questions ---- */

static void
expect_echo (Llm *f, guint64 clip, const char *part)
{
  GstMessage *message = llm_wait_message (f);
  const GstStructure *s = gst_message_get_structure (message);
  const char *text = gst_structure_get_string (s, "text");
  guint64 number;

  fail_unless (gst_structure_get_uint64 (s, "clip", &number));
  fail_unless_equals_uint64 (number, clip);
  fail_unless (strstr (text, part) != NULL, "'%s' is not in '%s'", part, text);
  gst_message_unref (message);
}

GST_START_TEST (test_prompt_names_times_and_may_change_while_playing)
{
  Llm f;

  llm_init (&f,
      "model=fake:echo system-prompt=Be-brief. "
      "prompt=\"from {start} to {end}: {times}\"",
      0);
  llm_play (&f);
  llm_push_clip (&f, 1);
  expect_echo (&f, 1, "prompt=from 0.4 to 0.8: 0.4, 0.5, 0.6, 0.7");
  g_object_set (f.llm, "prompt", "clip {clip}", NULL);
  llm_push_clip (&f, 2);
  expect_echo (&f, 2, "prompt=clip 2; system=Be-brief.; frames=4");
  g_object_set (f.llm, "prompt", NULL, NULL);
  llm_push_clip (&f, 3);
  expect_echo (&f, 3, "prompt=Describe the video.");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_the_last_frame_of_a_short_clip_counts_repeatedly)
{
  GstBuffer *buffer;
  Llm f;

  llm_init (&f, "model=fake:echo", 0);
  llm_play (&f);
  for (guint k = 0; k < 2; k++) {
    buffer = llm_frame (&f, k * LLM_FRAME);
    llm_mark (buffer, 0, k, 4, 0, LLM_CLIP);
    gst_harness_push (f.h, buffer);
  }
  gst_harness_push_event (f.h, llm_clip_event (0, 2, 4, TRUE, 0, LLM_CLIP));
  expect_echo (&f, 0, "frames=4; times=0.000,0.100,0.100,0.100");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_doubled_frames_count_once)
{
  Llm f;

  llm_init (&f, "model=fake:echo", 0);
  llm_play (&f);
  for (guint i = 0; i < 6; i++) {
    GstBuffer *buffer = llm_frame (&f, i * LLM_FRAME);

    llm_mark (buffer, 0, i / 2, 3, 0, LLM_CLIP);
    gst_harness_push (f.h, buffer);
  }
  gst_harness_push_event (f.h, llm_clip_event (0, 3, 3, TRUE, 0, LLM_CLIP));
  expect_echo (&f, 0, "times=0.000,0.200,0.400");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_overlapping_clips_share_frames)
{
  Llm f;

  llm_init (&f, "model=fake:echo", 0);
  llm_play (&f);
  for (guint i = 0; i < 3; i++) {
    GstBuffer *buffer = llm_frame (&f, i * LLM_FRAME);

    if (i < 2)
      llm_mark (buffer, 0, i, 2, 0, 2 * LLM_FRAME);
    if (i > 0)
      llm_mark (buffer, 1, i - 1, 2, LLM_FRAME, 3 * LLM_FRAME);
    gst_harness_push (f.h, buffer);
    if (i == 1)
      gst_harness_push_event (
          f.h, llm_clip_event (0, 2, 2, TRUE, 0, 2 * LLM_FRAME));
  }
  gst_harness_push_event (
      f.h, llm_clip_event (1, 2, 2, TRUE, LLM_FRAME, 3 * LLM_FRAME));
  expect_echo (&f, 0, "times=0.000,0.100");
  expect_echo (&f, 1, "times=0.100,0.200");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_the_marker_goes_where_it_is_told)
{
  Llm f;

  llm_init (&f, "model=fake:echo prompt=What? insert-media-token=left", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  expect_echo (&f, 0, "prompt=<video>What?; frames=");
  g_object_set (f.llm, "insert-media-token", 2, NULL);
  llm_push_clip (&f, 1);
  expect_echo (&f, 1, "prompt=What?<video>; frames=");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_sampling_properties_have_the_names_of_the_yaml)
{
  gboolean greedy, logprob, sep, all;
  gint top_k;
  double top_p, temperature, penalty;
  guint min, max;
  guint64 seed;
  gint mode, same_mode, clean, insert;
  GValue ends = G_VALUE_INIT;
  Llm f;

  llm_init (&f,
      "greedy=false top-k=5 top-p=0.5 temperature=0.7 repetition-penalty=1.3 "
      "min-tokens-to-generate=3 tokens-to-generate=17 compute-logprob=true "
      "repetition-penalty-mode=nemo clean=nemo insert-media-token=left "
      "add-media-sep=true all-probs=true "
      "seed=99 end-strings=\"<\\\"red\\\",\\\"<|end|>\\\">\" "
      "output=text model=\"fake:a red car\"",
      0);
  g_object_get (f.llm, "greedy", &greedy, "top-k", &top_k, "top-p", &top_p,
      "temperature", &temperature, "repetition-penalty", &penalty,
      "min-tokens-to-generate", &min, "max-tokens", &max, "compute-logprob",
      &logprob, "seed", &seed, NULL);
  fail_unless (!greedy && logprob && top_k == 5 && min == 3 && max == 17);
  fail_unless (seed == 99 && top_p == 0.5 && temperature == 0.7);
  fail_unless (penalty == 1.3);
  g_object_get (f.llm, "penalty-mode", &mode, "repetition-penalty-mode",
      &same_mode, "clean", &clean, "insert-media-token", &insert, NULL);
  g_object_get (f.llm, "add-media-sep", &sep, "all-probs", &all, NULL);
  fail_unless (sep && all);
  fail_unless (mode == 1 && same_mode == 1 && clean == 1 && insert == 1);
  g_value_init (&ends, GST_TYPE_ARRAY);
  g_object_get_property (G_OBJECT (f.llm), "end-strings", &ends);
  fail_unless_equals_int (gst_value_array_get_size (&ends), 2);
  g_value_unset (&ends);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_text (f.h, "a", 0, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_partial_text_grows_and_ends_final)
{
  g_autofree char *before = g_strdup ("");
  gboolean final = FALSE;
  guint n = 0;
  Llm f;

  llm_init (&f,
      "output=text partial=true model=\"fake:one two three four?delay=400\"",
      0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  while (!final) {
    GstBuffer *buffer = llm_pull (f.h);
    const GstStructure *s = gst_buffer_get_neva_caption (buffer);
    const char *text = gst_structure_get_string (s, "text");

    fail_unless (g_str_has_prefix (text, before), "%s: %s", before, text);
    g_free (before);
    before = g_strdup (text);
    fail_unless (gst_structure_get_boolean (s, "final", &final));
    gst_buffer_unref (buffer);
    n++;
  }
  fail_unless (n > 1, "one piece only");
  fail_unless_equals_string (before, "one two three four");
  llm_expect_caption (&f, "one two three four", 0);
  fail_unless_equals_int (llm_count_messages (&f, GST_MESSAGE_ELEMENT), 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_frames_of_nevaencoder_need_no_model_here)
{
  GstElement *bin = gst_parse_bin_from_description (
      "nevaencoder model=fake:echo overflow=block ! nevallm name=llm", TRUE,
      NULL);
  Llm f = {0};

  gst_object_ref_sink (bin);
  f.llm = gst_bin_get_by_name (GST_BIN (bin), "llm");
  f.bus = gst_bus_new ();
  f.h = gst_harness_new_with_element (bin, "sink", "src");
  gst_element_set_state (bin, GST_STATE_NULL);
  gst_element_set_bus (bin, f.bus);
  gst_harness_set_live (f.h, FALSE);
  gst_element_set_state (bin, GST_STATE_PLAYING);
  gst_harness_set_src_caps_str (f.h, LLM_CAPS);
  llm_push_clip (&f, 0);
  do {
    GstMessage *message = gst_bus_timed_pop_filtered (
        f.bus, LLM_SOON, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);

    fail_unless (message && GST_MESSAGE_TYPE (message) == GST_MESSAGE_ELEMENT);
    if (gst_message_has_name (message, GST_NEVA_CAPTION_MESSAGE_NAME)) {
      const char *text = gst_structure_get_string (
          gst_message_get_structure (message), "text");

      fail_unless (strstr (text, "frames=4") != NULL, "%s", text);
      gst_message_unref (message);
      break;
    }
    gst_message_unref (message);
  } while (TRUE);
  gst_element_set_state (bin, GST_STATE_NULL);
  gst_element_set_bus (bin, NULL);
  gst_object_unref (f.llm);
  gst_object_unref (f.bus);
  gst_harness_teardown (f.h);
  gst_object_unref (bin);
}
GST_END_TEST;

static Suite *
llm_questions_suite (void)
{
  Suite *s = suite_create ("llm_questions");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_prompt_names_times_and_may_change_while_playing);
  tcase_add_test (tc, test_the_last_frame_of_a_short_clip_counts_repeatedly);
  tcase_add_test (tc, test_doubled_frames_count_once);
  tcase_add_test (tc, test_overlapping_clips_share_frames);
  tcase_add_test (tc, test_the_marker_goes_where_it_is_told);
  tcase_add_test (tc, test_sampling_properties_have_the_names_of_the_yaml);
  tcase_add_test (tc, test_partial_text_grows_and_ends_final);
  tcase_add_test (tc, test_frames_of_nevaencoder_need_no_model_here);
  return s;
}

GST_CHECK_MAIN (llm_questions);
