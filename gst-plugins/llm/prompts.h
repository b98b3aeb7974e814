/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is asked about each clip: the property `prompts`, or the one question of
 * `prompt` or `alert`. */
#ifndef GST_NEVA_LLM_PROMPTS_H
#define GST_NEVA_LLM_PROMPTS_H

#include <gst/gst.h>
#include "form.h"

G_BEGIN_DECLS

/* The ids of a question that is not from `prompts`. */
#define GST_NEVA_LLM_ID_PROMPT "0"
#define GST_NEVA_LLM_ID_ALERT "alert"

/* Immutable. */
typedef struct {
  gint refs;      /* atomic */
  char *id;       /* answers carry it; unique among those of a clip */
  char *text;     /* NULL: that of the property prompt */
  gboolean alert; /* a yes/no question whose probability counts */
  /* Its own, or what the element has: */
  double threshold;     /* < 0: the element's */
  guint max_tokens;     /* 0: the element's */
  NevaGrammar *grammar; /* NULL: the element's */
} GstNevaLlmPrompt;

/* Everything but the id is unset. */
GstNevaLlmPrompt *gst_neva_llm_prompt_new (const char *id, const char *text);
GstNevaLlmPrompt *gst_neva_llm_prompt_ref (GstNevaLlmPrompt *prompt);
void gst_neva_llm_prompt_unref (GstNevaLlmPrompt *prompt);

/* A value of the property `prompts`, read. Immutable. */
typedef struct {
  gint refs;       /* atomic */
  GValue value;    /* as it was set */
  GPtrArray *list; /* GstNevaLlmPrompt, at least one; NULL: of no use */
  GError *error;   /* then; or NULL: the array is empty */
} GstNevaLlmPrompts;

/* Reads the files that structures name. value: holds a GST_TYPE_ARRAY. Never
 * NULL. */
GstNevaLlmPrompts *gst_neva_llm_prompts_new (const GValue *value);
GstNevaLlmPrompts *gst_neva_llm_prompts_ref (GstNevaLlmPrompts *prompts);
void gst_neva_llm_prompts_unref (GstNevaLlmPrompts *prompts);

#define GST_NEVA_LLM_PROP_PROMPTS 190

void gst_neva_llm_prompts_install (GObjectClass *klass);

G_END_DECLS

#endif /* GST_NEVA_LLM_PROMPTS_H */
