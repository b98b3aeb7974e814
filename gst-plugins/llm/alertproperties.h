/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties of alerts: alert and what begins with alert-. */
#ifndef GST_NEVA_LLM_ALERT_PROPERTIES_H
#define GST_NEVA_LLM_ALERT_PROPERTIES_H

#include "alert.h"

G_BEGIN_DECLS

typedef struct {
  char *question; /* NULL: no alerts */
  GstNevaLlmAlertRule rule;
} GstNevaLlmAlertSettings;

/* Property ids from here on, below GST_NEVA_LLM_FIRST_FORM, are these. */
#define GST_NEVA_LLM_FIRST_ALERT 150

void gst_neva_llm_alert_settings_init (GstNevaLlmAlertSettings *settings);
void gst_neva_llm_alert_settings_install (GObjectClass *klass);
/* Returns: FALSE if the id is none of these. */
gboolean gst_neva_llm_alert_settings_set (
    GstNevaLlmAlertSettings *settings, guint id, const GValue *value);
gboolean gst_neva_llm_alert_settings_get (
    const GstNevaLlmAlertSettings *settings, guint id, GValue *value);

G_END_DECLS

#endif /* GST_NEVA_LLM_ALERT_PROPERTIES_H */
