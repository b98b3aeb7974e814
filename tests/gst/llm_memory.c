/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* memory: which captions of earlier clips a prompt holds, how many, and when
 * they are forgotten. A token of a fake model is a character of the prompt. */
#include "config.h"
#include "llm_fixture.h"

#define HEAD "Earlier captions:\n"

/* The next caption must come, asked by this prompt. */
static void
expect_prompt (Llm *f, guint64 clip, const char *id, const char *prompt)
{
  GstMessage *message = llm_wait_message (f);
  const GstStructure *s = gst_message_get_structure (message);
  guint64 number;

  fail_unless (gst_structure_get_uint64 (s, "clip", &number));
  fail_unless_equals_uint64 (number, clip);
  fail_unless_equals_string (gst_structure_get_string (s, "prompt-id"), id);
  fail_unless_equals_string (gst_structure_get_string (s, "prompt"), prompt);
  gst_message_unref (message);
}

static void
ask (Llm *f, guint64 clip, const char *prompt)
{
  llm_push_clip (f, clip);
  expect_prompt (f, clip, "0", prompt);
}

GST_START_TEST (test_a_prompt_holds_the_newest_captions_with_their_times)
{
  GstMessage *message;
  guint memory = 99;
  Llm f;

  llm_init (&f, "model=\"fake:a car\" prompt=What? memory=2 wrap-columns=2", 0);
  llm_play (&f);
  ask (&f, 0, "What?");
  ask (&f, 1, HEAD "0.0 s to 0.4 s: a car\n\nWhat?");
  ask (&f, 2, HEAD "0.0 s to 0.4 s: a car\n0.4 s to 0.8 s: a car\n\nWhat?");
  ask (&f, 3, HEAD "0.4 s to 0.8 s: a car\n0.8 s to 1.2 s: a car\n\nWhat?");
  fail_unless_equals_uint64 (llm_stat (&f, "remembered"), 2);

  /* Fewer from now on, then none. */
  g_object_set (f.llm, "memory", 1, NULL);
  llm_push_clip (&f, 4);
  message = llm_wait_message (&f);
  fail_unless (gst_structure_get_uint (
      gst_message_get_structure (message), "memory", &memory));
  fail_unless_equals_int (memory, 1);
  gst_message_unref (message);
  g_object_set (f.llm, "memory", 0, NULL);
  ask (&f, 5, "What?");
  fail_unless_equals_uint64 (llm_stat (&f, "remembered"), 0);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_the_prompt_may_say_where)
{
  Llm f;

  llm_init (&f,
      "model=\"fake:{start} <video>\" memory=3 "
      "prompt=\"Before: {memory}. Now ({start})?\"",
      0);
  llm_play (&f);
  ask (&f, 0, "Before: . Now (0.0)?");
  /* What was said is not looked into for placeholders, and has no markers. */
  ask (&f, 1, "Before: 0.0 s to 0.4 s: {start} . Now (0.4)?");
  g_object_set (f.llm, "prompt", "<video>\nAnd now?", NULL);
  ask (&f, 2,
      "<video>\n" HEAD "0.0 s to 0.4 s: {start} \n0.4 s to 0.8 s: {start} \n\n"
      "And now?");
  g_object_set (f.llm, "memory", 0, "prompt", "{memory}?", NULL);
  ask (&f, 3, "?");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_what_does_not_fit_is_left_out_the_oldest_first)
{
  Llm f;

  /* The head and two ends of lines are 20 characters, a line 18. */
  llm_init (&f, "model=fake:xy prompt=? memory=9 memory-tokens=57", 0);
  llm_play (&f);
  ask (&f, 0, "?");
  ask (&f, 1, HEAD "0.0 s to 0.4 s: xy\n\n?");
  ask (&f, 2, HEAD "0.0 s to 0.4 s: xy\n0.4 s to 0.8 s: xy\n\n?");
  ask (&f, 3, HEAD "0.4 s to 0.8 s: xy\n0.8 s to 1.2 s: xy\n\n?");
  g_object_set (f.llm, "memory-tokens", 56, NULL);
  ask (&f, 4, HEAD "1.2 s to 1.6 s: xy\n\n?");
  g_object_set (f.llm, "memory-tokens", 37, NULL);
  ask (&f, 5, "?");
  llm_clear (&f);
}
GST_END_TEST;

/* 17 tokens of frames, the question and its end: 19. */
GST_START_TEST (test_memory_leaves_the_answer_its_room_in_the_context)
{
  Llm f;

  llm_init (&f,
      "model=fake:xy?context=86 prompt=? memory=9 memory-tokens=9999 "
      "max-tokens=10",
      0);
  llm_play (&f);
  ask (&f, 0, "?");
  ask (&f, 1, HEAD "0.0 s to 0.4 s: xy\n\n?");
  ask (&f, 2, HEAD "0.0 s to 0.4 s: xy\n0.4 s to 0.8 s: xy\n\n?");
  ask (&f, 3, HEAD "0.4 s to 0.8 s: xy\n0.8 s to 1.2 s: xy\n\n?");
  g_object_set (f.llm, "max-tokens", 11, NULL);
  ask (&f, 4, HEAD "1.2 s to 1.6 s: xy\n\n?");
  /* An answer that may fill the context leaves memory half of it. */
  g_object_set (f.llm, "max-tokens", 9999, NULL);
  ask (&f, 5, "?");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_each_prompt_remembers_its_own_answers)
{
  Llm f;

  llm_init (&f,
      "model=\"fake:a b c\" memory=1 prompts=\"<[q,id=x,text=x,max-tokens=1],"
      "[q,id=y,text=y,max-tokens=2],[q,id=z,text=z,alert=true]>\"",
      0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  expect_prompt (&f, 0, "x", "x");
  expect_prompt (&f, 0, "y", "y");
  expect_prompt (&f, 0, "z", "z");
  llm_push_clip (&f, 1);
  expect_prompt (&f, 1, "x", HEAD "0.0 s to 0.4 s: a\n\nx");
  expect_prompt (&f, 1, "y", HEAD "0.0 s to 0.4 s: a b\n\ny");
  /* Earlier answers to a yes/no question would weigh. */
  expect_prompt (&f, 1, "z", "z");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_clips_that_wait_know_the_answers_before_them)
{
  g_autofree char *last = NULL;
  Llm f;

  llm_init (&f,
      "model=fake:xy?delay=40 prompt=? memory=1 max-inflight=8 max-pending=8",
      0);
  llm_play (&f);
  for (guint64 i = 0; i < 4; i++)
    llm_push_clip (&f, i);
  expect_prompt (&f, 0, "0", "?");
  for (guint64 i = 1; i < 4; i++) {
    const double end = 0.4 * (double) i;
    g_autofree char *prompt =
        g_strdup_printf (HEAD "%.1f s to %.1f s: xy\n\n?", end - 0.4, end);

    expect_prompt (&f, i, "0", prompt);
  }
  llm_clear (&f);
}
GST_END_TEST;

/* ---- Forgetting ---- */

static void
start (Llm *f)
{
  llm_init (f, "model=fake:xy prompt=? memory=3", 0);
  llm_play (f);
  ask (f, 0, "?");
  ask (f, 1, HEAD "0.0 s to 0.4 s: xy\n\n?");
}

GST_START_TEST (test_forget_empties_it)
{
  Llm f;

  start (&f);
  g_signal_emit_by_name (f.llm, "forget");
  fail_unless_equals_uint64 (llm_stat (&f, "remembered"), 0);
  ask (&f, 2, "?");
  ask (&f, 3, HEAD "0.8 s to 1.2 s: xy\n\n?");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_a_flush_empties_it)
{
  Llm f;

  start (&f);
  llm_flush (&f);
  llm_new_segment (&f, 0, 0);
  ask (&f, 2, "?");
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_events_from_both_sides_empty_it)
{
  GstEvent *event;
  GstPad *pad;
  Llm f;

  start (&f);
  gst_harness_push_event (
      f.h, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
               gst_structure_new_empty ("neva-forget")));
  ask (&f, 2, "?");
  ask (&f, 3, HEAD "0.8 s to 1.2 s: xy\n\n?");
  pad = gst_element_get_static_pad (f.llm, "src");
  event = gst_event_new_custom (
      GST_EVENT_CUSTOM_UPSTREAM, gst_structure_new_empty ("neva-forget"));
  gst_pad_send_event (pad, event);
  gst_object_unref (pad);
  ask (&f, 4, "?");
  /* Others may want to know. */
  while ((event = gst_harness_try_pull_upstream_event (f.h)) &&
         !gst_event_has_name (event, "neva-forget"))
    gst_event_unref (event);
  fail_unless (event != NULL);
  gst_event_unref (event);
  llm_clear (&f);
}
GST_END_TEST;

/* In its place among the clips: those before it remember on. */
GST_START_TEST (test_an_event_takes_its_turn)
{
  Llm f;

  llm_init (&f, "model=fake:xy?delay=60 prompt=? memory=3 max-pending=8", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_push_clip (&f, 1);
  gst_harness_push_event (
      f.h, gst_event_new_custom (GST_EVENT_CUSTOM_DOWNSTREAM,
               gst_structure_new_empty ("neva-forget")));
  llm_push_clip (&f, 2);
  llm_push_clip (&f, 3);
  expect_prompt (&f, 0, "0", "?");
  expect_prompt (&f, 1, "0", HEAD "0.0 s to 0.4 s: xy\n\n?");
  expect_prompt (&f, 2, "0", "?");
  expect_prompt (&f, 3, "0", HEAD "0.8 s to 1.2 s: xy\n\n?");
  llm_clear (&f);
}
GST_END_TEST;

/* On request, what is being asked is not remembered, and what waits is new. */
GST_START_TEST (test_forget_holds_for_what_is_being_asked)
{
  Llm f;

  llm_init (&f, "model=fake:xy?delay=200 prompt=? memory=3 max-pending=8", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  llm_wait_stat (&f, "in-flight", 1);
  llm_push_clip (&f, 1);
  g_signal_emit_by_name (f.llm, "forget");
  expect_prompt (&f, 0, "0", "?");
  expect_prompt (&f, 1, "0", "?");
  ask (&f, 2, HEAD "0.4 s to 0.8 s: xy\n\n?");
  llm_clear (&f);
}
GST_END_TEST;

static Suite *
llm_memory_suite (void)
{
  Suite *s = suite_create ("llm-memory");
  TCase *tc = tcase_create ("memory");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_a_prompt_holds_the_newest_captions_with_their_times);
  tcase_add_test (tc, test_the_prompt_may_say_where);
  tcase_add_test (tc, test_what_does_not_fit_is_left_out_the_oldest_first);
  tcase_add_test (tc, test_memory_leaves_the_answer_its_room_in_the_context);
  tcase_add_test (tc, test_each_prompt_remembers_its_own_answers);
  tcase_add_test (tc, test_clips_that_wait_know_the_answers_before_them);
  tcase_add_test (tc, test_forget_empties_it);
  tcase_add_test (tc, test_a_flush_empties_it);
  tcase_add_test (tc, test_events_from_both_sides_empty_it);
  tcase_add_test (tc, test_an_event_takes_its_turn);
  tcase_add_test (tc, test_forget_holds_for_what_is_being_asked);
  return s;
}

GST_CHECK_MAIN (llm_memory);
