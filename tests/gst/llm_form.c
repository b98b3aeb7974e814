/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* choices, json-schema and grammar of nevallm: how they are set and refused.
 * What answers look like then is shown by llm_pipelines.c. */
#include "config.h"
#include "llm_fixture.h"

static GstMessage *
wait_warning (Llm *f)
{
  GstMessage *message = gst_bus_timed_pop_filtered (
      f->bus, LLM_SOON, GST_MESSAGE_WARNING | GST_MESSAGE_ERROR);

  fail_unless (message != NULL);
  fail_unless_equals_int (GST_MESSAGE_TYPE (message), GST_MESSAGE_WARNING);
  return message;
}

static void
expect_refused (const char *properties, const char *text)
{
  g_autofree char *line =
      g_strdup_printf ("nevallm model=fake:x %s", properties);
  Llm f = {.llm = gst_parse_launch (line, NULL), .bus = gst_bus_new ()};

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
  expect_refused ("choices=<yes,\"\">", "choices: number 2 is empty");
  expect_refused ("grammar=\"root ::= x\"", "rule 'x' is not defined");
  expect_refused ("json-schema=\"{\\\"minLength\\\":-1}\"", "'minLength' at #");
  expect_refused ("choices=<a> grammar=\"root ::= .\"", "more than one of");
}
GST_END_TEST;

GST_START_TEST (test_properties_read_back_and_can_be_unset)
{
  GstElement *llm = gst_parse_launch (
      "nevallm choices=<yes,no> json-schema=\"{}\" grammar=\"root ::= .\"",
      NULL);
  GValue choices = G_VALUE_INIT;
  g_autofree char *schema = NULL, *grammar = NULL;

  g_value_init (&choices, GST_TYPE_ARRAY);
  g_object_get_property (G_OBJECT (llm), "choices", &choices);
  fail_unless_equals_int (gst_value_array_get_size (&choices), 2);
  fail_unless_equals_string (
      g_value_get_string (gst_value_array_get_value (&choices, 1)), "no");
  g_object_get (llm, "json-schema", &schema, "grammar", &grammar, NULL);
  fail_unless_equals_string (schema, "{}");
  fail_unless_equals_string (grammar, "root ::= .");
  g_object_set (llm, "grammar", NULL, NULL);
  g_free (grammar);
  g_object_get (llm, "grammar", &grammar, NULL);
  fail_unless (grammar == NULL);
  g_value_unset (&choices);
  gst_object_unref (llm);
}
GST_END_TEST;

GST_START_TEST (test_while_running_what_cannot_be_used_is_a_warning)
{
  GstMessage *message;
  GError *error = NULL;
  Llm f;

  llm_init (&f, "model=fake:x grammar=\"root ::= .\"", 0);
  llm_play (&f);
  g_object_set (f.llm, "grammar", "root ::= (", NULL);
  message = wait_warning (&f);
  gst_message_parse_warning (message, &error, NULL);
  fail_unless (strstr (error->message, "line 1, column 11") != NULL, "%s",
      error->message);
  g_error_free (error);
  gst_message_unref (message);
  llm_push_clip (&f, 0);
  llm_expect_caption (&f, "x", 0);
  llm_clear (&f);
}
GST_END_TEST;

static Suite *
llm_form_suite (void)
{
  Suite *s = suite_create ("llm-form");
  TCase *tc = tcase_create ("form");

  suite_add_tcase (s, tc);
  tcase_add_test (tc, test_what_cannot_be_used_is_named_before_anything_runs);
  tcase_add_test (tc, test_properties_read_back_and_can_be_unset);
  tcase_add_test (tc, test_while_running_what_cannot_be_used_is_a_warning);
  return s;
}

GST_CHECK_MAIN (llm_form);
