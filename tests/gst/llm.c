/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nevallm says, where and when: text, metas, messages, prompts, errors. By
 * fake models, with clips marked by hand. */
#include "config.h"
#include "gstnevacaptionmeta.h"
#include "llm_fixture.h"

/* ---- Text ---- */

GST_START_TEST (test_text_has_the_time_of_its_window)
{
  Llm f;

  llm_init (&f, "output=text model=\"fake:a red car\"", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_push_clip (&f, 1);
  llm_expect_text (f.h, "a red car", 0, LLM_CLIP);
  llm_expect_text (f.h, "a red car", LLM_CLIP, LLM_CLIP);
  llm_expect_caption (&f, "a red car", 0);
  llm_expect_caption (&f, "a red car", 1);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_text_of_a_live_source_has_the_time_of_its_window)
{
  Llm f;

  llm_init (&f, "output=text model=\"fake:a red car\"", LLM_LIVE);
  llm_play (&f);
  llm_push_clip (&f, 2);
  llm_expect_text (f.h, "a red car", 2 * LLM_CLIP, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

static void
check_stream_start (GstHarness *h, GstElement *llm)
{
  GstEvent *event = gst_harness_pull_event (h);
  GstPad *sink = gst_element_get_static_pad (llm, "sink");
  g_autofree char *video_id = gst_pad_get_stream_id (sink);
  const char *id;
  GstStreamFlags flags;

  fail_unless_equals_int (GST_EVENT_TYPE (event), GST_EVENT_STREAM_START);
  gst_event_parse_stream_start (event, &id);
  gst_event_parse_stream_flags (event, &flags);
  fail_unless (flags & GST_STREAM_FLAG_SPARSE);
  fail_unless (g_str_has_prefix (id, video_id) && !g_str_equal (id, video_id));
  gst_event_unref (event);
  gst_object_unref (sink);
}

static void
check_text_stream_begins (GstHarness *h, GstElement *llm)
{
  GstEvent *event;
  GstCaps *caps;

  check_stream_start (h, llm);
  event = gst_harness_pull_event (h);
  fail_unless_equals_int (GST_EVENT_TYPE (event), GST_EVENT_CAPS);
  gst_event_parse_caps (event, &caps);
  gst_check_caps_equal (
      caps, gst_static_caps_get (
                &(GstStaticCaps) GST_STATIC_CAPS ("text/x-raw,format=utf8")));
  gst_event_unref (event);
  event = gst_harness_pull_event (h);
  fail_unless_equals_int (GST_EVENT_TYPE (event), GST_EVENT_SEGMENT);
  gst_event_unref (event);
}

GST_START_TEST (test_text_pads_begin_as_sparse_streams)
{
  Llm f;

  llm_init (&f, "output=text model=fake:x", LLM_TEXT_PAD);
  llm_play (&f);
  check_text_stream_begins (f.h, f.llm);
  check_text_stream_begins (f.text, f.llm);
  llm_clear (&f);
}
GST_END_TEST;

/* Reads gaps up to `end`, without holes, from `start`. */
static void
expect_gaps (GstHarness *h, GstClockTime start, GstClockTime end)
{
  while (start < end) {
    GstEvent *event = llm_wait_event (h, GST_EVENT_GAP);
    GstClockTime pts, duration;

    gst_event_parse_gap (event, &pts, &duration);
    fail_unless_equals_uint64 (pts, start);
    start = pts + duration;
    gst_event_unref (event);
  }
  fail_unless_equals_uint64 (start, end);
}

GST_START_TEST (test_gaps_follow_the_video)
{
  Llm f;

  llm_init (&f, "model=" LLM_NEVER, LLM_LIVE | LLM_TEXT_PAD);
  llm_play (&f);
  for (guint i = 0; i < 10; i++)
    fail_unless_equals_int (
        gst_harness_push (f.h, llm_frame (&f, i * LLM_FRAME)), GST_FLOW_OK);
  expect_gaps (f.text, 0, 10 * LLM_FRAME);
  gst_harness_push_event (
      f.h, gst_event_new_gap (10 * LLM_FRAME, 5 * LLM_FRAME));
  expect_gaps (f.text, 10 * LLM_FRAME, 15 * LLM_FRAME);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_gap_after_text_leads_back_to_the_video)
{
  GstClockTime pts, duration;
  GstEvent *event;
  Llm f;

  llm_init (&f, "model=\"fake:late?delay=20\"", LLM_TEXT_PAD);
  llm_play (&f);
  llm_push_clip (&f, 0);
  expect_gaps (f.text, 0, LLM_CLIP);
  llm_expect_text (f.text, "late", 0, LLM_CLIP);
  event = llm_wait_event (f.text, GST_EVENT_GAP);
  gst_event_parse_gap (event, &pts, &duration);
  fail_unless_equals_uint64 (pts + duration, LLM_CLIP);
  gst_event_unref (event);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_late_text_beside_live_video_is_shown_on_arrival)
{
  Llm f;
  GstBuffer *buffer;
  const GstStructure *s;
  guint64 start;

  llm_init (&f, "model=\"fake:late?delay=20\"", LLM_LIVE | LLM_TEXT_PAD);
  llm_play (&f);
  llm_push_clip (&f, 0);
  buffer = llm_pull (f.text);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), LLM_CLIP);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), LLM_CLIP);
  s = gst_buffer_get_neva_caption (buffer);
  fail_unless (gst_structure_get_uint64 (s, "start", &start) && start == 0);
  gst_buffer_unref (buffer);
  g_object_set (f.llm, "text-time", 1 /* window */, NULL);
  llm_push_clip (&f, 1);
  llm_expect_text (f.text, "late", LLM_CLIP, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_markup_is_escaped_where_it_is_negotiated)
{
  Llm f;

  llm_init (&f, "output=text model=\"fake:<b> & c\"", 0);
  gst_harness_set_sink_caps_str (f.h, "text/x-raw,format=pango-markup");
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_text (f.h, "&lt;b&gt; &amp; c", 0, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_src_carries_text_where_only_text_is_taken)
{
  Llm f;

  llm_init (&f, "model=\"fake:a --> b\"", 0);
  gst_harness_set_sink_caps_str (f.h, "text/x-raw");
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_text (f.h, "a -> b", 0, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_lines_wrap_on_request)
{
  Llm f;

  llm_init (&f, "output=text wrap-columns=6 model=\"fake:a red car\"", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_text (f.h, "a red\ncar", 0, LLM_CLIP);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_an_empty_answer_is_a_message_and_no_text)
{
  Llm f;

  llm_init (&f, "output=text model=fake:", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_caption (&f, "", 0);
  fail_unless_equals_int (gst_harness_buffers_in_queue (f.h), 0);
  llm_clear (&f);
}
GST_END_TEST;

/* ---- Video ---- */

GST_START_TEST (test_video_passes_unchanged_until_there_is_a_caption)
{
  GstBuffer *in, *out;
  Llm f;

  llm_init (&f, "model=" LLM_NEVER, LLM_LIVE);
  llm_play (&f);
  in = llm_frame (&f, 0);
  gst_buffer_ref (in);
  gst_harness_push (f.h, in);
  out = llm_pull (f.h);
  fail_unless (in == out);
  gst_buffer_unref (in);
  gst_buffer_unref (out);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_frames_carry_the_caption_once_it_is_there)
{
  GstBuffer *out;
  Llm f;

  llm_init (&f, "model=\"fake:a red car\"", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_caption (&f, "a red car", 0);
  gst_harness_push (f.h, llm_frame (&f, LLM_CLIP));
  gst_harness_push (f.h, llm_frame (&f, LLM_CLIP + LLM_FRAME));
  for (guint i = 0; i < LLM_CLIP_FRAMES; i++) {
    out = llm_pull (f.h);
    gst_buffer_unref (out);
  }
  for (guint i = 0; i < 2; i++) {
    out = llm_pull (f.h);
    fail_unless_equals_string (llm_caption_of (out), "a red car");
    gst_buffer_unref (out);
  }
  llm_clear (&f);
}
GST_END_TEST;

/* ---- Messages ---- */

GST_START_TEST (test_message_tells_all)
{
  static const char *const uints[] = {"prompt-tokens", "reused-tokens"};
  GstMessage *message;
  const GstStructure *s;
  const GValue *times;
  guint64 start, end;
  double logprob;
  guint tokens;
  gboolean final;
  Llm f;

  llm_init (&f, "model=\"fake:a red car\" prompt=What?", 0);
  llm_play (&f);
  llm_push_clip (&f, 3);
  message = llm_wait_message (&f);
  s = gst_message_get_structure (message);
  fail_unless_equals_string (gst_structure_get_string (s, "prompt"), "What?");
  fail_unless_equals_string (gst_structure_get_string (s, "finish"), "stop");
  fail_unless (
      g_str_has_prefix (gst_structure_get_string (s, "model"), "fake:"));
  fail_unless (gst_structure_get_boolean (s, "final", &final) && final);
  fail_unless (gst_structure_get_uint64 (s, "start", &start));
  fail_unless (gst_structure_get_uint64 (s, "end", &end));
  fail_unless_equals_uint64 (start, 3 * LLM_CLIP);
  fail_unless_equals_uint64 (end, 4 * LLM_CLIP);
  fail_unless (gst_structure_get_uint (s, "tokens", &tokens) && tokens > 0);
  fail_unless (gst_structure_get_double (s, "mean-logprob", &logprob));
  fail_unless (logprob < 0);
  for (guint i = 0; i < G_N_ELEMENTS (uints); i++)
    fail_unless (gst_structure_get_uint (s, uints[i], &tokens));
  times = gst_structure_get_value (s, "frame-times");
  fail_unless_equals_int (gst_value_array_get_size (times), LLM_CLIP_FRAMES);
  fail_unless_equals_uint64 (
      g_value_get_uint64 (gst_value_array_get_value (times, 1)),
      3 * LLM_CLIP + LLM_FRAME);
  gst_message_unref (message);
  llm_clear (&f);
}
GST_END_TEST;

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

GST_START_TEST (test_sampling_properties_have_the_names_of_the_yaml)
{
  gboolean greedy, logprob;
  gint top_k;
  double top_p, temperature, penalty;
  guint min, max;
  guint64 seed;
  GValue ends = G_VALUE_INIT;
  Llm f;

  llm_init (&f,
      "greedy=false top-k=5 top-p=0.5 temperature=0.7 repetition-penalty=1.3 "
      "min-tokens-to-generate=3 tokens-to-generate=17 compute-logprob=true "
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

/* ---- Trouble ---- */

GST_START_TEST (test_missing_model_is_an_error_that_names_it)
{
  Llm f = {
      .llm = gst_element_factory_make ("nevallm", NULL), .bus = gst_bus_new ()};

  gst_element_set_bus (f.llm, f.bus);
  g_object_set (f.llm, "model", "/no/such/model", NULL);
  fail_unless_equals_int (gst_element_set_state (f.llm, GST_STATE_PLAYING),
      GST_STATE_CHANGE_FAILURE);
  llm_expect_error (
      &f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "/no/such/model");
  /* It may be put right. */
  g_object_set (f.llm, "model", "fake:x", NULL);
  fail_unless (gst_element_set_state (f.llm, GST_STATE_PLAYING) !=
               GST_STATE_CHANGE_FAILURE);
  gst_element_set_state (f.llm, GST_STATE_NULL);
  gst_element_set_bus (f.llm, NULL);
  gst_object_unref (f.bus);
  gst_object_unref (f.llm);
}
GST_END_TEST;

GST_START_TEST (test_no_model_at_all_is_one_error)
{
  Llm f;

  llm_init (&f, "", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_error (
      &f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_NOT_FOUND, "'model'");
  fail_unless_equals_int (llm_push_clip (&f, 1), GST_FLOW_EOS);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_model_that_does_not_load_is_one_error)
{
  Llm f;

  llm_init (&f, "model=fake:x?fail=load", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_error (&f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "loading");
  /* EOS does not wait for what cannot come. */
  gst_harness_push_event (f.h, gst_event_new_eos ());
  gst_event_unref (llm_wait_event (f.h, GST_EVENT_EOS));
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_clip_that_fails_ends_the_stream_by_one_error)
{
  GstFlowReturn ret;
  Llm f;

  llm_init (&f, "model=fake:x?fail=answer", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_error (&f, GST_RESOURCE_ERROR, GST_RESOURCE_ERROR_READ, "clip 0");
  /* The message comes a moment before the stream is closed. */
  for (guint i = 1; (ret = llm_push_clip (&f, i)) == GST_FLOW_OK; i++)
    g_thread_yield ();
  fail_unless_equals_int (ret, GST_FLOW_EOS);
  fail_unless_equals_int (llm_count_messages (&f, GST_MESSAGE_ERROR), 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_clip_that_fails_is_skipped_on_request)
{
  GstMessage *message;
  Llm f;

  llm_init (&f,
      "error-policy=skip context-length=64 output=text model=\"fake:short\"",
      0);
  g_object_set (f.llm, "prompt",
      "A prompt that is longer than the whole context of the model, so that "
      "no token is left for the answer",
      NULL);
  llm_play (&f);
  llm_push_clip (&f, 0);
  message = gst_bus_timed_pop_filtered (f.bus, LLM_SOON, GST_MESSAGE_WARNING);
  fail_unless (message != NULL);
  gst_message_unref (message);
  g_object_set (f.llm, "prompt", "Short?", NULL);
  llm_push_clip (&f, 1);
  llm_expect_text (f.h, "short", LLM_CLIP, LLM_CLIP);
  fail_unless_equals_uint64 (llm_stat (&f, "captions-failed"), 1);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_prompt_longer_than_the_context_is_an_error_that_says_so)
{
  Llm f;

  llm_init (&f, "context-length=16 model=fake:x", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_error (
      &f, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "context of 16");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_video_that_the_model_cannot_read_is_an_error)
{
  GstBuffer *buffer;
  Llm f;

  llm_init (&f, "model=fake:x", 0);
  gst_element_set_state (f.llm, GST_STATE_PLAYING);
  gst_harness_set_src_caps_str (
      f.h, "video/x-raw,format=v210,width=4,height=4,framerate=10/1");
  buffer = gst_buffer_new_and_alloc (4096);
  GST_BUFFER_PTS (buffer) = 0;
  llm_mark (buffer, 0, 0, 1, 0, LLM_CLIP);
  gst_harness_push (f.h, buffer);
  llm_expect_error (&f, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "v210");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_video_of_an_unknown_format_passes_and_is_an_error_to_ask)
{
  Llm f;

  llm_init (&f, "model=fake:x", 0);
  gst_element_set_state (f.llm, GST_STATE_PLAYING);
  gst_harness_set_src_caps_str (f.h,
      "video/x-raw(memory:Odd),format=ODD,width=4,height=4,framerate=10/1");
  fail_unless_equals_int (
      gst_harness_push (f.h, llm_frame (&f, 0)), GST_FLOW_OK);
  gst_buffer_unref (llm_pull (f.h));
  llm_push_clip (&f, 1);
  llm_expect_error (
      &f, GST_LIBRARY_ERROR, GST_LIBRARY_ERROR_SETTINGS, "memory");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_frame_too_small_for_its_caps_is_an_error)
{
  GstBuffer *buffer;
  Llm f;

  llm_init (&f, "model=fake:x", 0);
  llm_play (&f);
  buffer = gst_buffer_new_and_alloc (7);
  GST_BUFFER_PTS (buffer) = 0;
  llm_mark (buffer, 0, 0, 1, 0, LLM_CLIP);
  gst_harness_push (f.h, buffer);
  llm_expect_error (&f, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, "4×4");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_without_chosen_frames_a_warning_says_why)
{
  GstMessage *message;
  GError *error = NULL;
  Llm f;

  llm_init (&f, "model=fake:x", 0);
  llm_play (&f);
  gst_harness_push (f.h, llm_frame (&f, 0));
  gst_harness_push_event (f.h, gst_event_new_eos ());
  message = gst_bus_timed_pop_filtered (f.bus, LLM_SOON, GST_MESSAGE_WARNING);
  fail_unless (message != NULL);
  gst_message_parse_warning (message, &error, NULL);
  fail_unless (strstr (error->message, "nevaframesampler") != NULL);
  g_error_free (error);
  gst_message_unref (message);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_inspecting_opens_no_model)
{
  GstElement *llm = gst_element_factory_make ("nevallm", NULL);
  GstBus *bus = gst_bus_new ();

  g_object_set (llm, "model", LLM_NEVER, NULL);
  gst_element_set_bus (llm, bus);
  gst_element_set_state (llm, GST_STATE_READY);
  fail_unless (gst_bus_pop_filtered (bus, GST_MESSAGE_PROGRESS) == NULL);
  gst_element_set_state (llm, GST_STATE_NULL);
  gst_element_set_bus (llm, NULL);
  gst_object_unref (bus);
  gst_object_unref (llm);
}
GST_END_TEST;

static Suite *
llm_suite (void)
{
  Suite *s = suite_create ("llm");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_text_has_the_time_of_its_window);
  tcase_add_test (tc, test_text_of_a_live_source_has_the_time_of_its_window);
  tcase_add_test (tc, test_text_pads_begin_as_sparse_streams);
  tcase_add_test (tc, test_gaps_follow_the_video);
  tcase_add_test (tc, test_gap_after_text_leads_back_to_the_video);
  tcase_add_test (tc, test_late_text_beside_live_video_is_shown_on_arrival);
  tcase_add_test (tc, test_markup_is_escaped_where_it_is_negotiated);
  tcase_add_test (tc, test_src_carries_text_where_only_text_is_taken);
  tcase_add_test (tc, test_lines_wrap_on_request);
  tcase_add_test (tc, test_an_empty_answer_is_a_message_and_no_text);
  tcase_add_test (tc, test_video_passes_unchanged_until_there_is_a_caption);
  tcase_add_test (tc, test_frames_carry_the_caption_once_it_is_there);
  tcase_add_test (tc, test_message_tells_all);
  tcase_add_test (tc, test_prompt_names_times_and_may_change_while_playing);
  tcase_add_test (tc, test_the_last_frame_of_a_short_clip_counts_repeatedly);
  tcase_add_test (tc, test_overlapping_clips_share_frames);
  tcase_add_test (tc, test_sampling_properties_have_the_names_of_the_yaml);
  tcase_add_test (tc, test_partial_text_grows_and_ends_final);
  tcase_add_test (tc, test_frames_of_nevaencoder_need_no_model_here);
  tcase_add_test (tc, test_missing_model_is_an_error_that_names_it);
  tcase_add_test (tc, test_no_model_at_all_is_one_error);
  tcase_add_test (tc, test_model_that_does_not_load_is_one_error);
  tcase_add_test (tc, test_a_clip_that_fails_ends_the_stream_by_one_error);
  tcase_add_test (tc, test_a_clip_that_fails_is_skipped_on_request);
  tcase_add_test (
      tc, test_prompt_longer_than_the_context_is_an_error_that_says_so);
  tcase_add_test (tc, test_video_that_the_model_cannot_read_is_an_error);
  tcase_add_test (
      tc, test_video_of_an_unknown_format_passes_and_is_an_error_to_ask);
  tcase_add_test (tc, test_a_frame_too_small_for_its_caps_is_an_error);
  tcase_add_test (tc, test_doubled_frames_count_once);
  tcase_add_test (tc, test_without_chosen_frames_a_warning_says_why);
  tcase_add_test (tc, test_inspecting_opens_no_model);
  return s;
}

GST_CHECK_MAIN (llm);
