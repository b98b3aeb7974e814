/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "alert.h"

GstNevaLlmAlertChange
gst_neva_llm_alert_update (GstNevaLlmAlert *alert,
    const GstNevaLlmAlertRule *rule, double probability, GstClockTime start,
    GstClockTime end)
{
  const double floor = rule->threshold - rule->hysteresis;

  if (!alert->active) {
    if (!(probability >= rule->threshold))
      return GST_NEVA_LLM_ALERT_SAME;
    alert->active = TRUE;
    alert->since = start;
    alert->last = end;
    return GST_NEVA_LLM_ALERT_RISE;
  }
  if (!(probability < floor)) {
    alert->last = end;
    return GST_NEVA_LLM_ALERT_SAME;
  }
  if (start < alert->last || start - alert->last < rule->hold_time)
    return GST_NEVA_LLM_ALERT_SAME;
  alert->active = FALSE;
  return GST_NEVA_LLM_ALERT_FALL;
}
