/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What nevallm says when something is wrong. By fake models, with clips marked
 * by hand. */
#include "config.h"
#include "gstnevacaptionmeta.h"
#include "llm_fixture.h"

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
llm_errors_suite (void)
{
  Suite *s = suite_create ("llm_errors");
  TCase *tc = tcase_create ("general");

  suite_add_tcase (s, tc);
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
  tcase_add_test (tc, test_without_chosen_frames_a_warning_says_why);
  tcase_add_test (tc, test_inspecting_opens_no_model);
  return s;
}

GST_CHECK_MAIN (llm_errors);
