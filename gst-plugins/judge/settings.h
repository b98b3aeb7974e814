/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties of nevajudge: their values, and their declaration. */
#ifndef GST_NEVA_JUDGE_SETTINGS_H
#define GST_NEVA_JUDGE_SETTINGS_H

#include <gst/gst.h>

G_BEGIN_DECLS

typedef enum {
  GST_NEVA_JUDGE_MODE_SCORE,
  GST_NEVA_JUDGE_MODE_BEST,
  GST_NEVA_JUDGE_MODE_GATE
} GstNevaJudgeMode;

typedef enum {
  GST_NEVA_JUDGE_ERROR_POLICY_SKIP,
  GST_NEVA_JUDGE_ERROR_POLICY_FAIL
} GstNevaJudgeErrorPolicy;

typedef struct {
  char *judge, *device, *key_file, *rule, *category;
  char *question, *context;
  GstNevaJudgeMode mode;
  GstNevaJudgeErrorPolicy error_policy;
  double threshold;
  GstClockTime max_wait;
  guint max_pending, max_inflight, max_tokens, timeout, retries;
} GstNevaJudgeSettings;

void gst_neva_judge_settings_init (GstNevaJudgeSettings *settings);
void gst_neva_judge_settings_copy (
    GstNevaJudgeSettings *dest, const GstNevaJudgeSettings *src);
void gst_neva_judge_settings_clear (GstNevaJudgeSettings *settings);

/* Property ids below this one are the class's own. */
#define GST_NEVA_JUDGE_FIRST_SETTING 100

void gst_neva_judge_settings_install (GObjectClass *klass);
/* Returns: FALSE if the id is none of a setting. */
gboolean gst_neva_judge_settings_set (
    GstNevaJudgeSettings *settings, guint id, const GValue *value);
gboolean gst_neva_judge_settings_get (
    const GstNevaJudgeSettings *settings, guint id, GValue *value);

G_END_DECLS

#endif /* GST_NEVA_JUDGE_SETTINGS_H */
