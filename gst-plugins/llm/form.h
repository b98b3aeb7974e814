/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The properties that say what answers may look like: choices, json-schema,
 * grammar. At most one of them is set. */
#ifndef GST_NEVA_LLM_FORM_H
#define GST_NEVA_LLM_FORM_H

#include <gst/gst.h>
#include <neva/grammar.h>

G_BEGIN_DECLS

typedef struct {
  char **choices;              /* or NULL */
  char *json_schema, *grammar; /* or NULL */
  NevaGrammar *compiled;       /* NULL: any text */
  GError *error;               /* why it could not be compiled */
} GstNevaLlmForm;

void gst_neva_llm_form_copy (GstNevaLlmForm *dest, const GstNevaLlmForm *src);
void gst_neva_llm_form_clear (GstNevaLlmForm *form);

/* Property ids from here on are these three. */
#define GST_NEVA_LLM_FIRST_FORM 200

void gst_neva_llm_form_install (GObjectClass *klass);
/* Only keeps the value. Returns: FALSE if the id is none of these. */
gboolean gst_neva_llm_form_set (
    GstNevaLlmForm *form, guint id, const GValue *value);
gboolean gst_neva_llm_form_get (
    const GstNevaLlmForm *form, guint id, GValue *value);
/* Sets `compiled` or `error`; reads a file if a value names one. */
void gst_neva_llm_form_compile (GstNevaLlmForm *form);

G_END_DECLS

#endif /* GST_NEVA_LLM_FORM_H */
