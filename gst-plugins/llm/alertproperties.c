/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "alertproperties.h"

#define DEFAULT_THRESHOLD 0.5
#define DEFAULT_HYSTERESIS 0.1

enum {
  PROP_ALERT = GST_NEVA_LLM_FIRST_ALERT,
  PROP_THRESHOLD,
  PROP_HYSTERESIS,
  PROP_HOLD_TIME
};

void
gst_neva_llm_alert_settings_init (GstNevaLlmAlertSettings *settings)
{
  *settings = (GstNevaLlmAlertSettings){.rule = {.threshold = DEFAULT_THRESHOLD,
                                            .hysteresis = DEFAULT_HYSTERESIS}};
}

gboolean
gst_neva_llm_alert_settings_set (
    GstNevaLlmAlertSettings *settings, guint id, const GValue *value)
{
  const char *question;

  switch (id) {
    case PROP_ALERT:
      question = g_value_get_string (value);
      g_free (settings->question);
      settings->question = question && *question ? g_strdup (question) : NULL;
      return TRUE;
    case PROP_THRESHOLD:
      settings->rule.threshold = g_value_get_double (value);
      return TRUE;
    case PROP_HYSTERESIS:
      settings->rule.hysteresis = g_value_get_double (value);
      return TRUE;
    case PROP_HOLD_TIME:
      settings->rule.hold_time = g_value_get_uint64 (value);
      return TRUE;
    default:
      return FALSE;
  }
}

gboolean
gst_neva_llm_alert_settings_get (
    const GstNevaLlmAlertSettings *settings, guint id, GValue *value)
{
  switch (id) {
    case PROP_ALERT:
      g_value_set_string (value, settings->question);
      return TRUE;
    case PROP_THRESHOLD:
      g_value_set_double (value, settings->rule.threshold);
      return TRUE;
    case PROP_HYSTERESIS:
      g_value_set_double (value, settings->rule.hysteresis);
      return TRUE;
    case PROP_HOLD_TIME:
      g_value_set_uint64 (value, settings->rule.hold_time);
      return TRUE;
    default:
      return FALSE;
  }
}

void
gst_neva_llm_alert_settings_install (GObjectClass *klass)
{
  const GParamFlags playing =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_ALERT,
      g_param_spec_string ("alert", "Alert",
          "A yes/no question, asked instead of prompt; placeholders as there. "
          "neva-alert messages say when the answer becomes yes, and when it is "
          "yes no more",
          NULL, playing));
  g_object_class_install_property (klass, PROP_THRESHOLD,
      g_param_spec_double ("alert-threshold", "Alert threshold",
          "An alert rises when the probability of yes is at least this", 0.0,
          1.0, DEFAULT_THRESHOLD, playing));
  g_object_class_install_property (klass, PROP_HYSTERESIS,
      g_param_spec_double ("alert-hysteresis", "Alert hysteresis",
          "An alert falls when the probability is below the threshold by more "
          "than this",
          0.0, 1.0, DEFAULT_HYSTERESIS, playing));
  g_object_class_install_property (klass, PROP_HOLD_TIME,
      g_param_spec_uint64 ("alert-hold-time", "Alert hold time",
          "An alert falls this long (ns of running time) after the last clip "
          "that kept it up, at the earliest",
          0, G_MAXINT64, 0, playing));
}
