/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties of nevallm: their values, and their declaration. */
#ifndef GST_NEVA_LLM_SETTINGS_H
#define GST_NEVA_LLM_SETTINGS_H

#include <gst/gst.h>
#include <neva/request.h>
#include "alertproperties.h"
#include "form.h"
#include "memory.h"
#include "prompts.h"

G_BEGIN_DECLS

typedef enum {
  GST_NEVA_LLM_OUTPUT_AUTO,
  GST_NEVA_LLM_OUTPUT_TEXT,
  GST_NEVA_LLM_OUTPUT_META
} GstNevaLlmOutput;

typedef enum {
  GST_NEVA_LLM_TIMING_LATE,
  GST_NEVA_LLM_TIMING_ALIGNED
} GstNevaLlmTiming;

typedef enum {
  GST_NEVA_LLM_TEXT_TIME_AUTO,
  GST_NEVA_LLM_TEXT_TIME_WINDOW,
  GST_NEVA_LLM_TEXT_TIME_ARRIVAL
} GstNevaLlmTextTime;

typedef enum {
  GST_NEVA_LLM_OVERFLOW_AUTO,
  GST_NEVA_LLM_OVERFLOW_BLOCK,
  GST_NEVA_LLM_OVERFLOW_DROP_OLDEST,
  GST_NEVA_LLM_OVERFLOW_DROP_NEWEST
} GstNevaLlmOverflow;

typedef enum {
  GST_NEVA_LLM_ERROR_POLICY_FAIL,
  GST_NEVA_LLM_ERROR_POLICY_SKIP
} GstNevaLlmErrorPolicy;

typedef struct {
  GstNevaLlmPrompts *prompts;                   /* as they were set, or NULL */
  char *prompt, *system_prompt, *conv_template; /* NULL: the model's own */
  char **end_strings;                           /* or NULL */
  NevaSampling sampling;
  guint max_tokens;
  NevaClean clean;
  NevaInsertMedia insert_media;
  gboolean add_media_sep, all_probs;
  GstNevaLlmForm form;
  GstNevaLlmAlertSettings alert;
  GstNevaLlmMemorySettings memory;

  GstNevaLlmOutput output;
  GstNevaLlmTiming timing;
  GstNevaLlmTextTime text_time;
  GstNevaLlmOverflow overflow;
  GstNevaLlmErrorPolicy error_policy;
  GstClockTime max_delay;
  guint max_pending, max_inflight, wrap_columns;
  gboolean partial;
} GstNevaLlmSettings;

void gst_neva_llm_settings_init (GstNevaLlmSettings *settings);
void gst_neva_llm_settings_copy (
    GstNevaLlmSettings *dest, const GstNevaLlmSettings *src);
void gst_neva_llm_settings_clear (GstNevaLlmSettings *settings);

/* Property ids below this one are the class's own. */
#define GST_NEVA_LLM_FIRST_SETTING 100

void gst_neva_llm_settings_install (GObjectClass *klass);
/* Returns: FALSE if the id is none of a setting, or is prompts: those are read
 * by gst_neva_llm_set_prompts (). */
gboolean gst_neva_llm_settings_set (
    GstNevaLlmSettings *settings, guint id, const GValue *value);
gboolean gst_neva_llm_settings_get (
    const GstNevaLlmSettings *settings, guint id, GValue *value);

G_END_DECLS

#endif /* GST_NEVA_LLM_SETTINGS_H */
