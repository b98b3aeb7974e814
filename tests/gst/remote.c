/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models and judges behind an endpoint, in pipelines, against a server of our
 * own that behaves in every way servers do. */
#include "config.h"
#include "judge_fixture.h"
#include "test_server.h"

static NevaTestServer *server;

static void
set_up (void)
{
  g_setenv ("no_proxy", "127.0.0.1", TRUE);
  g_setenv ("API_TOKEN", "sk-secret", TRUE);
  server = neva_test_server_new ();
}

static void
tear_down (void)
{
  g_clear_pointer (&server, neva_test_server_free);
}

/* ---- Captions ---- */

/* Two clips of four frames each. */
static GstElement *
caption (const char *path, const char *more)
{
  g_autofree char *url = neva_test_server_url (server, path);
  g_autofree char *line = g_strdup_printf (
      "videotestsrc num-buffers=20 pattern=red ! "
      "video/x-raw,width=320,height=240,framerate=10/1 ! "
      "nevaframesampler window=1000000000 num-frames=4 ! "
      "nevaencoder model=openai:%s#m %s ! nevallm model=openai:%s#m %s "
      "prompt=\"What is it?\" ! fakesink",
      url, more, url, more);
  g_autoptr (GError) error = NULL;
  GstElement *pipeline = gst_parse_launch (line, &error);

  g_assert_no_error (error);
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  return pipeline;
}

static void
stop (GstElement *pipeline)
{
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
}

GST_START_TEST (test_a_remote_model_captions_video)
{
  GstElement *pipeline = caption ("/vision", "");
  GstBus *bus = gst_element_get_bus (pipeline);
  g_autofree char *key = NULL;
  guint captions = 0;
  gboolean eos = FALSE;

  while (!eos) {
    GstMessage *m = gst_bus_timed_pop_filtered (bus, JUDGE_SOON,
        GST_MESSAGE_ELEMENT | GST_MESSAGE_EOS | GST_MESSAGE_ERROR);

    fail_unless (m != NULL && GST_MESSAGE_TYPE (m) != GST_MESSAGE_ERROR);
    eos = GST_MESSAGE_TYPE (m) == GST_MESSAGE_EOS;
    if (gst_message_has_name (m, "neva-caption")) {
      fail_unless_equals_string (
          gst_structure_get_string (gst_message_get_structure (m), "text"),
          "4 pictures: 320x240/300,320x240/300,320x240/300,320x240/300; text: "
          "What is it?");
      captions++;
    }
    gst_message_unref (m);
  }
  fail_unless_equals_int (captions, 2);
  key = neva_test_server_last_key (server);
  fail_unless_equals_string (key, "Bearer sk-secret");
  gst_object_unref (bus);
  stop (pipeline);
}
GST_END_TEST;

static void
expect_error (const char *path, const char *more, const char *part)
{
  GstElement *pipeline = caption (path, more);
  GstBus *bus = gst_element_get_bus (pipeline);
  GstMessage *m =
      gst_bus_timed_pop_filtered (bus, JUDGE_SOON, GST_MESSAGE_ERROR);
  g_autoptr (GError) error = NULL;
  g_autofree char *debug = NULL;

  fail_unless (m != NULL);
  gst_message_parse_error (m, &error, &debug);
  fail_unless (strstr (error->message, part) != NULL, "%s", error->message);
  fail_unless (strstr (error->message, "secret") == NULL);
  fail_unless (debug == NULL || strstr (debug, "secret") == NULL);
  gst_message_unref (m);
  fail_unless (gst_bus_pop_filtered (bus, GST_MESSAGE_ERROR) == NULL);
  gst_object_unref (bus);
  stop (pipeline);
}

GST_START_TEST (test_bad_servers_are_one_error)
{
  expect_error ("/refuse", "", "HTTP 401");
  expect_error ("/silent", "timeout=1 retries=0", "within 1 s");
  expect_error ("/cut", "retries=0", "ended before the answer");
  expect_error ("/vision", "api-key-file=/nowhere/key", "/nowhere/key");
}
GST_END_TEST;

GST_START_TEST (test_stopping_cancels_a_request)
{
  GstElement *pipeline = caption ("/silent", "");

  neva_test_server_wait (server, 1);
  stop (pipeline);
}
GST_END_TEST;

GST_START_TEST (test_no_property_holds_the_key)
{
  static const char *const names[] = {"nevallm", "nevaencoder", "nevajudge"};

  for (guint i = 0; i < G_N_ELEMENTS (names); i++) {
    GstElement *element = gst_element_factory_make (names[i], NULL);
    guint n;
    GParamSpec **specs =
        g_object_class_list_properties (G_OBJECT_GET_CLASS (element), &n);

    for (guint k = 0; k < n; k++)
      if (strstr (specs[k]->name, "key"))
        fail_unless_equals_string (specs[k]->name, "api-key-file");
    g_free (specs);
    gst_object_unref (element);
  }
}
GST_END_TEST;

/* ---- Judgements ---- */

static void
judge_by (Judge *f, const char *path, const char *more)
{
  g_autofree char *url = neva_test_server_url (server, path);
  g_autofree char *properties =
      g_strdup_printf ("judge=openai:%s#m %s", url, more);

  judge_init (f, properties, 2, FALSE);
  judge_text (f->in[0], "a", 0, 2);
  judge_text (f->in[1], "b", 0, 2);
  judge_eos (f);
}

GST_START_TEST (test_a_remote_judge_scores)
{
  Judge f;

  judge_by (&f, "/stream", "");
  judge_expect (&f, "\"scores\": [8, 7], \"best\": 0, \"reason\": "
                    "\"b\\u00e9cause\"");
  judge_clear (&f);
  judge_by (&f, "/busy/1", "");
  judge_expect (&f, "\"scores\": [8, 7]");
  fail_unless_equals_int (judge_count_messages (&f, GST_MESSAGE_WARNING), 0);
  judge_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_bad_judges_are_one_warning)
{
  static const struct {
    const char *path, *part;
  } cases[] = {{"/silent", "within 1 s"}, {"/garbage", "ended before"},
      {"/refuse", "HTTP 401"}, {"/echo", "expected in the judge"}};

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++) {
    Judge f;

    judge_by (&f, cases[i].path, "timeout=1 retries=0");
    judge_expect (&f, cases[i].part);
    judge_expect (&f, "\"summary\", \"judged\": 1");
    judge_expect_event (&f, GST_EVENT_EOS);
    fail_unless_equals_int (judge_count_messages (&f, GST_MESSAGE_WARNING), 1);
    judge_clear (&f);
  }
}
GST_END_TEST;

GST_START_TEST (test_a_flush_cancels_a_remote_judge)
{
  g_autofree char *url = neva_test_server_url (server, "/silent");
  g_autofree char *properties = g_strdup_printf ("judge=%s", url);
  Judge f;

  judge_init (&f, properties, 1, FALSE);
  judge_text (f.in[0], "a", 0, 2);
  neva_test_server_wait (server, 1);
  gst_harness_push_event (f.in[0], gst_event_new_flush_start ());
  gst_harness_push_event (f.in[0], gst_event_new_flush_stop (TRUE));
  fail_unless_equals_uint64 (judge_stat (&f, "in-flight"), 0);
  judge_clear (&f);
}
GST_END_TEST;

static Suite *
remote_suite (void)
{
  Suite *s = suite_create ("remote");
  TCase *tc = tcase_create ("endpoint");

  suite_add_tcase (s, tc);
  tcase_add_checked_fixture (tc, set_up, tear_down);
  tcase_add_test (tc, test_a_remote_model_captions_video);
  tcase_add_test (tc, test_bad_servers_are_one_error);
  tcase_add_test (tc, test_stopping_cancels_a_request);
  tcase_add_test (tc, test_no_property_holds_the_key);
  tcase_add_test (tc, test_a_remote_judge_scores);
  tcase_add_test (tc, test_bad_judges_are_one_warning);
  tcase_add_test (tc, test_a_flush_cancels_a_remote_judge);
  return s;
}

GST_CHECK_MAIN (remote);
