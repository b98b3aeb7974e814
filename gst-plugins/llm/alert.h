/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* When an alert rises and falls, from the probabilities of "yes" of one clip
 * after the other. Nothing here locks or posts. */
#ifndef GST_NEVA_LLM_ALERT_H
#define GST_NEVA_LLM_ALERT_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef struct {
  double threshold;       /* it rises at this probability */
  double hysteresis;      /* it may fall so far below */
  GstClockTime hold_time; /* it falls so long after the last clip that was not
                             below, at the earliest */
} GstNevaLlmAlertRule;

typedef struct {
  gboolean active;
  GstClockTime since; /* running time of the clip that raised it */
  GstClockTime last;  /* end of the last clip that was not below */
} GstNevaLlmAlert;

typedef enum {
  GST_NEVA_LLM_ALERT_SAME,
  GST_NEVA_LLM_ALERT_RISE,
  GST_NEVA_LLM_ALERT_FALL
} GstNevaLlmAlertChange;

/* A clip [start, end) in running time; a probability that is NaN changes
 * nothing. */
GstNevaLlmAlertChange gst_neva_llm_alert_update (GstNevaLlmAlert *alert,
    const GstNevaLlmAlertRule *rule, double probability, GstClockTime start,
    GstClockTime end);

G_END_DECLS

#endif /* GST_NEVA_LLM_ALERT_H */
