/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Several prompts about each clip: order and ids of their answers, their own
 * options, and what cannot be used. That they share the KV of what they begin
 * with is shown by llm_pipelines.c with a real model. */
#include "config.h"
#include "gstnevacaptionmeta.h"
#include "llm_fixture.h"

#define TWO "prompts=\"<\\\"one {clip}\\\", [q,id=two,text=\\\"two\\\"]>\""

/* The parser of arrays writes into its text for a while. */
static void
set_prompts (GstElement *llm, const char *prompts)
{
  g_autofree char *copy = g_strdup (prompts);

  gst_util_set_object_arg (G_OBJECT (llm), "prompts", copy);
}

static void
expect (Llm *f, guint64 clip, const char *id, const char *text)
{
  GstMessage *message = llm_wait_message (f);
  const GstStructure *s = gst_message_get_structure (message);
  guint64 number;

  fail_unless (gst_structure_get_uint64 (s, "clip", &number));
  fail_unless_equals_uint64 (number, clip);
  fail_unless_equals_string (gst_structure_get_string (s, "prompt-id"), id);
  fail_unless (g_str_has_prefix (gst_structure_get_string (s, "text"), text),
      "'%s' is not '%s'", gst_structure_get_string (s, "text"), text);
  gst_message_unref (message);
}

static void
expect_warning (Llm *f, const char *part)
{
  GstMessage *message = gst_bus_timed_pop_filtered (
      f->bus, LLM_SOON, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);
  GError *error = NULL;

  fail_unless (message != NULL);
  fail_unless_equals_int (GST_MESSAGE_TYPE (message), GST_MESSAGE_WARNING);
  gst_message_parse_warning (message, &error, NULL);
  fail_unless (strstr (error->message, part) != NULL, "%s", error->message);
  g_error_free (error);
  gst_message_unref (message);
}

static void
expect_text_of (GstHarness *h, const char *id, GstClockTime pts)
{
  GstBuffer *buffer = llm_pull (h);
  const GstStructure *s = gst_buffer_get_neva_caption (buffer);

  fail_unless (s != NULL);
  fail_unless_equals_string (gst_structure_get_string (s, "prompt-id"), id);
  fail_unless_equals_uint64 (GST_BUFFER_PTS (buffer), pts);
  fail_unless_equals_uint64 (GST_BUFFER_DURATION (buffer), LLM_CLIP);
  gst_buffer_unref (buffer);
}

/* The prompt ids of the buffer's captions: "0,two,". */
static char *
ids_of (GstBuffer *buffer)
{
  GString *ids = g_string_new (NULL);
  gpointer state = NULL;
  GstMeta *meta;

  while ((meta = gst_buffer_iterate_meta (buffer, &state)))
    if (gst_meta_info_is_custom (meta->info) &&
        gst_custom_meta_has_name (
            (GstCustomMeta *) meta, GST_NEVA_CAPTION_META_NAME))
      g_string_append_printf (ids, "%s,",
          gst_structure_get_string (
              gst_custom_meta_get_structure ((GstCustomMeta *) meta),
              "prompt-id"));
  return g_string_free (ids, FALSE);
}

GST_START_TEST (test_all_are_asked_and_answered_in_order)
{
  Llm f;

  llm_init (&f, "model=fake:echo output=text max-inflight=3 " TWO, 0);
  llm_play (&f);
  for (guint64 i = 0; i < 3; i++)
    llm_push_clip (&f, i);
  for (guint64 i = 0; i < 3; i++) {
    g_autofree char *one = g_strdup_printf (
        "prompt=one %" G_GUINT64_FORMAT "; frames=4; times=", i);

    expect (&f, i, "0", one);
    expect (&f, i, "two", "prompt=two; frames=4; times=");
    expect_text_of (f.h, "0", i * LLM_CLIP);
    expect_text_of (f.h, "two", i * LLM_CLIP);
  }
  fail_unless_equals_uint64 (llm_stat (&f, "clips"), 3);
  fail_unless_equals_uint64 (llm_stat (&f, "captions"), 6);
  /* of both: the end of the system prompt, 16 of the frames, and no word */
  fail_unless (llm_stat (&f, "reused-tokens") >= 3 * 17);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_text_pad_may_be_of_one_prompt)
{
  GstHarness *two, *none;
  GstEvent *event;
  const char *of_two, *of_none;
  Llm f;

  llm_init (&f, "model=fake:echo output=meta " TWO, LLM_TEXT_PAD);
  two = gst_harness_new_with_element (f.llm, NULL, "text_two");
  none = gst_harness_new_with_element (f.llm, NULL, "text_none");
  /* Of which one has to be said. */
  fail_unless (
      gst_element_request_pad (f.llm,
          gst_element_get_pad_template (f.llm, "text_%s"), NULL, NULL) == NULL);
  llm_play (&f);
  for (guint64 i = 0; i < 2; i++)
    llm_push_clip (&f, i);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  for (guint64 i = 0; i < 2; i++) {
    expect_text_of (f.text, "0", i * LLM_CLIP);
    expect_text_of (f.text, "two", i * LLM_CLIP);
    expect_text_of (two, "two", i * LLM_CLIP);
  }
  /* Streams of their own, that all end. */
  event = llm_wait_event (two, GST_EVENT_STREAM_START);
  gst_event_parse_stream_start (event, &of_two);
  fail_unless (g_str_has_suffix (of_two, "/captions_two"), "%s", of_two);
  gst_event_unref (event);
  event = llm_wait_event (none, GST_EVENT_STREAM_START);
  gst_event_parse_stream_start (event, &of_none);
  fail_unless (g_str_has_suffix (of_none, "/captions_none"), "%s", of_none);
  gst_event_unref (event);
  gst_event_unref (llm_wait_event (two, GST_EVENT_EOS));
  gst_event_unref (llm_wait_event (none, GST_EVENT_GAP));
  gst_event_unref (llm_wait_event (none, GST_EVENT_EOS));
  fail_unless_equals_int (gst_harness_buffers_in_queue (none), 0);
  fail_unless_equals_int (gst_harness_buffers_in_queue (two), 0);
  gst_element_set_state (f.llm, GST_STATE_NULL);
  gst_harness_teardown (none);
  gst_harness_teardown (two);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_single_question_has_an_id_too)
{
  Llm f;

  llm_init (&f, "model=fake:x prompt=hm", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  expect (&f, 0, "0", "x");
  g_object_set (f.llm, "alert", "Well?", NULL);
  llm_push_clip (&f, 1);
  expect (&f, 1, "alert", "x");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_frames_that_pass_carry_the_newest_caption_of_each)
{
  g_autofree char *both = NULL, *one = NULL;
  GstBuffer *buffer;
  Llm f;

  llm_init (&f, "model=fake:echo output=meta " TWO, 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_wait_stat (&f, "captions", 2);
  while ((buffer = gst_harness_try_pull (f.h)))
    gst_buffer_unref (buffer);
  gst_harness_push (f.h, llm_frame (&f, LLM_CLIP));
  buffer = llm_pull (f.h);
  both = ids_of (buffer);
  gst_buffer_unref (buffer);
  fail_unless_equals_string (both, "0,two,");

  /* Nobody answers to `two` any more. */
  set_prompts (f.llm, "<\"only\">");
  llm_push_clip (&f, 2);
  llm_wait_stat (&f, "captions", 3);
  while ((buffer = gst_harness_try_pull (f.h)))
    gst_buffer_unref (buffer);
  gst_harness_push (f.h, llm_frame (&f, 3 * LLM_CLIP));
  buffer = llm_pull (f.h);
  one = ids_of (buffer);
  gst_buffer_unref (buffer);
  fail_unless_equals_string (one, "0,");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_aligned_frames_leave_with_all_captions)
{
  Llm f;

  llm_init (&f, "model=fake:echo?delay=20 output=meta timing=aligned " TWO, 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_push_clip (&f, 1);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  for (guint i = 0; i < 2 * LLM_CLIP_FRAMES; i++) {
    GstBuffer *buffer = llm_pull (f.h);
    g_autofree char *ids = ids_of (buffer);

    fail_unless_equals_string (ids, "0,two,");
    gst_buffer_unref (buffer);
  }
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_partial_captions_speak_in_turn)
{
  guint n[2] = {0}, finals = 0;
  Llm f;

  llm_init (
      &f, "model=\"fake:a b c?delay=120\" output=text partial=true " TWO, 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_wait_stat (&f, "captions", 2);
  expect (&f, 0, "0", "a b c");
  expect (&f, 0, "two", "a b c");
  while (finals < 2) {
    GstBuffer *buffer = llm_pull (f.h);
    const GstStructure *s = gst_buffer_get_neva_caption (buffer);
    const gboolean two =
        g_str_equal (gst_structure_get_string (s, "prompt-id"), "two");
    gboolean final = FALSE;

    fail_if (n[1] > 0 && !two, "the first spoke after the second");
    fail_unless (gst_structure_get_boolean (s, "final", &final));
    finals += final;
    n[two]++;
    gst_buffer_unref (buffer);
  }
  fail_unless (n[0] > 0 && n[1] > 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_prompts_may_change_and_end_while_playing)
{
  GValue value = G_VALUE_INIT;
  Llm f;

  llm_init (&f, "model=fake:echo prompt=alone " TWO, 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  expect (&f, 0, "0", "prompt=one 0;");
  expect (&f, 0, "two", "prompt=two;");
  set_prompts (f.llm, "<[x,id=three,text=drei], \"vier\">");
  llm_push_clip (&f, 1);
  expect (&f, 1, "three", "prompt=drei;");
  expect (&f, 1, "1", "prompt=vier;");

  g_value_init (&value, GST_TYPE_ARRAY);
  g_object_set_property (G_OBJECT (f.llm), "prompts", &value);
  llm_push_clip (&f, 2);
  expect (&f, 2, "0", "prompt=alone;");
  g_object_get_property (G_OBJECT (f.llm), "prompts", &value);
  fail_unless_equals_int (gst_value_array_get_size (&value), 0);
  g_value_unset (&value);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_an_alert_is_asked_beside_prompts)
{
  Llm f;

  llm_init (&f, "model=fake:echo alert=Fire? " TWO, 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  expect (&f, 0, "0", "prompt=one 0;");
  expect (&f, 0, "two", "prompt=two;");
  expect (&f, 0, "alert", "prompt=Fire?;");
  llm_clear (&f);
}
GST_END_TEST;

/* ---- Their own options ---- */

GST_START_TEST (test_a_prompt_may_have_its_own_length)
{
  Llm f;

  llm_init (&f,
      "model=\"fake:a b c d e\" max-tokens=3 "
      "prompts=\"<[q,text=x,max-tokens=2],y,[q,text=z,max-tokens=(uint)9]>\"",
      0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_expect_caption (&f, "a b", 0);
  llm_expect_caption (&f, "a b c", 0);
  llm_expect_caption (&f, "a b c d e", 0);
  llm_clear (&f);
}
GST_END_TEST;

static GstMessage *
wait_alert (Llm *f)
{
  for (;;) {
    GstMessage *message = gst_bus_timed_pop_filtered (
        f->bus, LLM_SOON, GST_MESSAGE_ELEMENT | GST_MESSAGE_ERROR);

    fail_unless (message != NULL);
    fail_unless_equals_int (GST_MESSAGE_TYPE (message), GST_MESSAGE_ELEMENT);
    if (gst_message_has_name (message, "neva-alert"))
      return message;
    gst_message_unref (message);
  }
}

GST_START_TEST (test_several_alerts_rise_each_for_itself)
{
  static const char *const ids[] = {"fire", "flood"};
  Llm f;

  llm_init (&f,
      "model=fake:x?yes=60 alert-threshold=0.9 "
      "prompts=\"<[q,id=fire,text=a,alert=true,alert-threshold=0.5],"
      "[q,id=smoke,text=b,alert=true],c,"
      "[q,id=flood,text=d,alert=true,alert-threshold=0.3]>\"",
      0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  for (guint i = 0; i < 2; i++) {
    GstMessage *message = wait_alert (&f);
    const GstStructure *s = gst_message_get_structure (message);
    double threshold = 0;

    fail_unless_equals_string (
        gst_structure_get_string (s, "prompt-id"), ids[i]);
    fail_unless (gst_structure_get_double (s, "threshold", &threshold));
    fail_unless (threshold == (i ? 0.3 : 0.5));
    gst_message_unref (message);
  }
  llm_wait_stat (&f, "captions", 4);
  llm_clear (&f);
}
GST_END_TEST;

/* ---- What cannot be used ---- */

static void
expect_refused (const char *prompts, const char *text)
{
  Llm f = {
      .llm = gst_element_factory_make ("nevallm", NULL), .bus = gst_bus_new ()};

  g_object_set (f.llm, "model", "fake:x", NULL);
  set_prompts (f.llm, prompts);
  gst_element_set_bus (f.llm, f.bus);
  fail_unless_equals_int (gst_element_set_state (f.llm, GST_STATE_PLAYING),
      GST_STATE_CHANGE_FAILURE);
  llm_expect_error (&f, GST_STREAM_ERROR, GST_STREAM_ERROR_FORMAT, text);
  gst_element_set_state (f.llm, GST_STATE_NULL);
  gst_element_set_bus (f.llm, NULL);
  gst_object_unref (f.bus);
  gst_object_unref (f.llm);
}

GST_START_TEST (test_what_cannot_be_used_is_named_before_anything_runs)
{
  g_autoptr (GString) many = g_string_new ("<x");

  for (guint i = 0; i < 64; i++)
    g_string_append (many, ",x");
  g_string_append_c (many, '>');
  expect_refused (many->str, "65 prompts are more than 64");
  expect_refused ("<a,(string)\"\">", "prompt 1: it is empty");
  expect_refused ("<a,4>", "prompt 1: it is a gint, neither");
  expect_refused ("<[q,text=7]>", "prompt 0: 'text' is not a text");
  expect_refused ("<[q,text=a,id=1]>", "prompt 0: 'id' is not a text");
  expect_refused ("<[q,text=a,colour=red]>", "'colour' is none of id, text");
  expect_refused ("<[q,text=a,max-tokens=0]>", "'max-tokens' is not a number");
  expect_refused ("<[q,text=a,max-tokens=many]>", "'max-tokens' is not");
  expect_refused ("<[q,text=a,alert=2]>", "'alert' is not true or false");
  expect_refused ("<[q,text=a,alert-threshold=1.5]>", "from 0 to 1");
  expect_refused ("<[q,text=a,choices=b]>", "'choices' is not a list");
  expect_refused ("<[q,text=a,choices=<1>]>", "'choices' is not a list");
  expect_refused ("<[q,text=a,choices=<yes,no>]>", "<(string)yes,(string)no>");
  expect_refused ("<[q,text=a,grammar=\"root ::= x\"]>", "rule 'x' is not");
  expect_refused (
      "<a,[q,text=b,choices=<x>,grammar=\"root ::= .\"]>", "more than one of");
  expect_refused ("<[q,text=a,id=b],[q,text=c,id=b]>", "prompt 0 has the id");
  expect_refused ("<[q,text=a,id=(string)1],b>", "prompt 0 has the id '1'");
  expect_refused ("<[q,text=a,id=alert]>", "that of the property alert");
}
GST_END_TEST;

GST_START_TEST (test_while_running_what_cannot_be_used_is_a_warning)
{
  Llm f;

  llm_init (&f, "model=fake:echo " TWO, 0);
  llm_play (&f);
  set_prompts (f.llm, "<a,5>");
  expect_warning (&f, "prompt 1: it is a gint");
  llm_push_clip (&f, 0);
  expect (&f, 0, "0", "prompt=one 0;");
  expect (&f, 0, "two", "prompt=two;");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_prompt_that_fails_leaves_the_others)
{
  g_autofree char *many = g_strnfill (100, 'x');
  g_autofree char *line =
      g_strdup_printf ("model=fake:echo?context=100 error-policy=skip "
                       "prompts=\"<a,[q,id=long,text=%s],b>\"",
          many);
  Llm f;

  llm_init (&f, line, 0);
  llm_play (&f);
  for (guint64 i = 0; i < 2; i++) {
    llm_push_clip (&f, i);
    llm_wait_stat (&f, "captions", 2 * i + 2);
    expect (&f, i, "0", "prompt=a;");
    expect_warning (&f, "prompt long: the prompt of 118 tokens");
    expect (&f, i, "2", "prompt=b;");
  }
  fail_unless_equals_uint64 (llm_stat (&f, "captions-failed"), 2);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_flush_cancels_all_and_eos_waits_for_all)
{
  Llm f;

  llm_init (&f, "model=fake:echo?delay=60 output=text max-inflight=2 " TWO, 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_push_clip (&f, 1);
  llm_wait_stat (&f, "in-flight", 2);
  llm_flush (&f);
  llm_new_segment (&f, 0, 0);
  fail_unless_equals_uint64 (llm_stat (&f, "in-flight"), 0);
  llm_push_clip (&f, 5);
  gst_harness_push_event (f.h, gst_event_new_eos ());
  expect (&f, 5, "0", "prompt=one 5;");
  expect (&f, 5, "two", "prompt=two;");
  fail_unless_equals_int (llm_count_messages (&f, GST_MESSAGE_ELEMENT), 0);
  llm_clear (&f);
}
GST_END_TEST;

/* ---- Frames of several windows ---- */

GST_START_TEST (test_a_frame_of_several_windows_is_encoded_once)
{
  Llm f;

  llm_init (&f, "model=fake:echo", 0);
  llm_play (&f);
  /* windows [0, 4), [2, 6), [4, 8) frames; the last half of the third is cut */
  for (guint i = 0; i < 8; i++) {
    GstBuffer *buffer = llm_frame (&f, i * LLM_FRAME);

    for (guint clip = 0; clip < 3; clip++)
      if (i >= 2 * clip && i < 2 * clip + 4)
        llm_mark (buffer, clip, i - 2 * clip, 4, 2 * clip * LLM_FRAME,
            (2 * clip + 4) * LLM_FRAME);
    gst_harness_push (f.h, buffer);
    if (i >= 3 && i % 2)
      gst_harness_push_event (
          f.h, llm_clip_event ((i - 3) / 2, 4, 4, TRUE, (i - 3) * LLM_FRAME,
                   (i + 1) * LLM_FRAME));
  }
  expect (&f, 0, "0",
      "prompt=Describe the video.; frames=4; times=0.000,0.100,0.200,0.300");
  expect (&f, 1, "0",
      "prompt=Describe the video.; frames=4; times=0.200,0.300,0.400,0.500");
  expect (&f, 2, "0",
      "prompt=Describe the video.; frames=4; times=0.400,0.500,0.600,0.700");
  fail_unless_equals_uint64 (llm_stat (&f, "frames"), 8);
  fail_unless_equals_uint64 (llm_stat (&f, "frames-reused"), 4);
  fail_unless_equals_uint64 (llm_stat (&f, "frames-encoded"), 8);
  llm_clear (&f);
}
GST_END_TEST;

static Suite *
llm_prompts_suite (void)
{
  Suite *s = suite_create ("llm-prompts");
  TCase *tc = tcase_create ("prompts");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_all_are_asked_and_answered_in_order);
  tcase_add_test (tc, test_a_text_pad_may_be_of_one_prompt);
  tcase_add_test (tc, test_a_single_question_has_an_id_too);
  tcase_add_test (tc, test_frames_that_pass_carry_the_newest_caption_of_each);
  tcase_add_test (tc, test_aligned_frames_leave_with_all_captions);
  tcase_add_test (tc, test_partial_captions_speak_in_turn);
  tcase_add_test (tc, test_prompts_may_change_and_end_while_playing);
  tcase_add_test (tc, test_an_alert_is_asked_beside_prompts);
  tcase_add_test (tc, test_a_prompt_may_have_its_own_length);
  tcase_add_test (tc, test_several_alerts_rise_each_for_itself);
  tcase_add_test (tc, test_what_cannot_be_used_is_named_before_anything_runs);
  tcase_add_test (tc, test_while_running_what_cannot_be_used_is_a_warning);
  tcase_add_test (tc, test_a_prompt_that_fails_leaves_the_others);
  tcase_add_test (tc, test_flush_cancels_all_and_eos_waits_for_all);
  tcase_add_test (tc, test_a_frame_of_several_windows_is_encoded_once);
  return s;
}

GST_CHECK_MAIN (llm_prompts);
