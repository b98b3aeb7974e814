/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Alerts: when they rise and fall, and what nevallm says then. */
#include "config.h"
#include <math.h>
#include "llm/alert.h"
#include "llm_fixture.h"

#define SECOND GST_SECOND

/* Clip i lasts from i to i + 1 seconds; `s`, `R`, `F` for each probability. */
static void
expect_changes (
    GstNevaLlmAlertRule rule, const double *p, guint n, const char *want)
{
  static const char names[] = {'s', 'R', 'F'};
  GstNevaLlmAlert alert = {FALSE};
  g_autofree char *got = g_new0 (char, n + 1);

  for (guint i = 0; i < n; i++)
    got[i] = names[gst_neva_llm_alert_update (
        &alert, &rule, p[i], i * SECOND, (i + 1) * SECOND)];
  fail_unless_equals_string (got, want);
}

GST_START_TEST (test_an_alert_rises_at_the_threshold_and_falls_well_below)
{
  const double p[] = {0.1, 0.5, 0.45, 0.41, 0.39, 0.45, 0.7, NAN, 0.0};

  expect_changes ((GstNevaLlmAlertRule){0.5, 0.1, 0}, p, 9, "sRssFsRsF");
}
GST_END_TEST;

GST_START_TEST (test_an_alert_is_held)
{
  /* up to second 2; falls with the first clip from second 4 on */
  const double p[] = {0.0, 0.9, 0.0, 0.0, 0.0, 0.0};
  const double again[] = {0.9, 0.0, 0.0, 0.9, 0.0, 0.0, 0.0};

  expect_changes ((GstNevaLlmAlertRule){0.5, 0, 2 * SECOND}, p, 6, "sRssFs");
  expect_changes (
      (GstNevaLlmAlertRule){0.5, 0, 2 * SECOND}, again, 7, "RsssssF");
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

static guint
count_alerts (Llm *f)
{
  GstMessage *message;
  guint n = 0;

  while ((message = gst_bus_pop_filtered (f->bus, GST_MESSAGE_ELEMENT))) {
    n += gst_message_has_name (message, "neva-alert");
    gst_message_unref (message);
  }
  return n;
}

GST_START_TEST (test_a_rise_is_one_message_and_captions_say_so)
{
  const GstStructure *s;
  GstMessage *message;
  double probability = 0, threshold = 0;
  guint64 clip = 99, since = 99;
  gboolean active = FALSE;
  Llm f;

  llm_init (&f, "model=fake:echo?yes=80 prompt=no alert=\"Is it on fire?\"", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  message = wait_alert (&f);
  s = gst_message_get_structure (message);
  fail_unless (
      gst_structure_get (s, "alert", G_TYPE_BOOLEAN, &active, "yes-probability",
          G_TYPE_DOUBLE, &probability, "threshold", G_TYPE_DOUBLE, &threshold,
          "clip", G_TYPE_UINT64, &clip, "since", G_TYPE_UINT64, &since, NULL));
  fail_unless (active && probability == 0.8 && threshold == 0.5);
  fail_unless (clip == 0 && since == 0);
  fail_unless_equals_string (
      gst_structure_get_string (s, "prompt"), "Is it on fire?");
  gst_message_unref (message);

  llm_push_clip (&f, 1);
  llm_wait_stat (&f, "captions", 2);
  fail_unless_equals_int (count_alerts (&f), 0);

  /* Nothing changed but what counts as yes. */
  g_object_set (f.llm, "alert-threshold", 0.95, NULL);
  llm_push_clip (&f, 2);
  message = wait_alert (&f);
  s = gst_message_get_structure (message);
  fail_unless (gst_structure_get_boolean (s, "alert", &active) && !active);
  gst_message_unref (message);
  llm_clear (&f);
}
GST_END_TEST;

GST_START_TEST (test_without_alert_captions_have_no_probability)
{
  GstMessage *message;
  Llm f;

  llm_init (&f, "model=fake:x?yes=80", 0);
  llm_play (&f);
  llm_push_clip (&f, 0);
  message = llm_wait_message (&f);
  fail_if (gst_structure_has_field (
      gst_message_get_structure (message), "yes-probability"));
  gst_message_unref (message);
  llm_clear (&f);
}
GST_END_TEST;

static Suite *
llm_alert_suite (void)
{
  Suite *s = suite_create ("llm-alert");
  TCase *tc = tcase_create ("alert");

  suite_add_tcase (s, tc);
  tcase_add_test (
      tc, test_an_alert_rises_at_the_threshold_and_falls_well_below);
  tcase_add_test (tc, test_an_alert_is_held);
  tcase_add_test (tc, test_a_rise_is_one_message_and_captions_say_so);
  tcase_add_test (tc, test_without_alert_captions_have_no_probability);
  return s;
}

GST_CHECK_MAIN (llm_alert);
