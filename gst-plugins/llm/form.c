/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "common/gstnevaerror.h"
#include "llm.h"
#include "stringarray.h"

enum { PROP_CHOICES = GST_NEVA_LLM_FIRST_FORM, PROP_JSON_SCHEMA, PROP_GRAMMAR };

void
gst_neva_llm_form_clear (GstNevaLlmForm *form)
{
  g_clear_pointer (&form->choices, g_strfreev);
  g_clear_pointer (&form->json_schema, g_free);
  g_clear_pointer (&form->grammar, g_free);
  g_clear_pointer (&form->compiled, neva_grammar_unref);
  g_clear_error (&form->error);
}

void
gst_neva_llm_form_copy (GstNevaLlmForm *dest, const GstNevaLlmForm *src)
{
  dest->choices = g_strdupv (src->choices);
  dest->json_schema = g_strdup (src->json_schema);
  dest->grammar = g_strdup (src->grammar);
  dest->compiled = src->compiled ? neva_grammar_ref (src->compiled) : NULL;
  dest->error = src->error ? g_error_copy (src->error) : NULL;
}

/* The value, or what is in the file that it names. (transfer full) */
static char *
read_text (const char *value, gboolean inline_text, GError **error)
{
  g_autofree char *path = NULL;
  char *text = NULL;

  if (inline_text)
    return g_strdup (value);
  path = g_str_has_prefix (value, "file://")
             ? g_filename_from_uri (value, NULL, error)
             : g_strdup (value);
  if (path)
    g_file_get_contents (path, &text, NULL, error);
  return text;
}

static NevaGrammar *
compile (const GstNevaLlmForm *form, GError **error)
{
  g_autofree char *text = NULL;
  const char *value = form->json_schema ? form->json_schema : form->grammar;

  if ((form->choices != NULL) + (form->json_schema != NULL) +
          (form->grammar != NULL) >
      1) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "more than one of choices, json-schema and grammar is set");
    return NULL;
  }
  if (form->choices)
    return neva_grammar_new_choices (
        (const char *const *) form->choices, error);

  if (form->json_schema) {
    text = read_text (value, value[strspn (value, " \t\r\n")] == '{', error);
    return text ? neva_grammar_new_json_schema (text, error) : NULL;
  }
  text = read_text (value, strstr (value, "::=") != NULL, error);
  return text ? neva_grammar_new_gbnf (text, error) : NULL;
}

static void
set_text (char **field, const GValue *value)
{
  const char *text = g_value_get_string (value);

  g_free (*field);
  *field = text && *text ? g_strdup (text) : NULL;
}

gboolean
gst_neva_llm_form_set (GstNevaLlmForm *form, guint id, const GValue *value)
{
  switch (id) {
    case PROP_CHOICES:
      gst_neva_string_array_set (&form->choices, value);
      break;
    case PROP_JSON_SCHEMA:
      set_text (&form->json_schema, value);
      break;
    case PROP_GRAMMAR:
      set_text (&form->grammar, value);
      break;
    default:
      return FALSE;
  }
  return TRUE;
}

void
gst_neva_llm_form_compile (GstNevaLlmForm *form)
{
  g_clear_pointer (&form->compiled, neva_grammar_unref);
  g_clear_error (&form->error);
  if (form->choices || form->json_schema || form->grammar)
    form->compiled = compile (form, &form->error);
}

gboolean
gst_neva_llm_form_get (const GstNevaLlmForm *form, guint id, GValue *value)
{
  switch (id) {
    case PROP_CHOICES:
      gst_neva_string_array_get (form->choices, value);
      return TRUE;
    case PROP_JSON_SCHEMA:
      g_value_set_string (value, form->json_schema);
      return TRUE;
    case PROP_GRAMMAR:
      g_value_set_string (value, form->grammar);
      return TRUE;
    default:
      return FALSE;
  }
}

void
gst_neva_llm_form_install (GObjectClass *klass)
{
  const GParamFlags playing =
      G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS | GST_PARAM_MUTABLE_PLAYING;

  g_object_class_install_property (klass, PROP_CHOICES,
      gst_param_spec_array ("choices", "Choices",
          "The answer is one of these texts",
          g_param_spec_string ("choice", "Choice", "A choice", NULL, playing),
          playing));
  g_object_class_install_property (klass, PROP_JSON_SCHEMA,
      g_param_spec_string ("json-schema", "JSON Schema",
          "The answer is JSON that fits this schema (text that begins with {, "
          "or the path of a file), complete within max-tokens",
          NULL, playing));
  g_object_class_install_property (klass, PROP_GRAMMAR,
      g_param_spec_string ("grammar", "Grammar",
          "The answer is a sentence of this GBNF grammar (text with ::=, or "
          "the "
          "path of a file), complete within max-tokens",
          NULL, playing));
}

/* ---- The element's ---- */

void
gst_neva_llm_update_form (GstNevaLlm *self)
{
  GstNevaLlmForm form = {NULL};
  const gboolean running = GST_STATE (self) > GST_STATE_READY;

  GST_OBJECT_LOCK (self);
  gst_neva_llm_form_copy (&form, &self->settings.form);
  GST_OBJECT_UNLOCK (self);
  gst_neva_llm_form_compile (&form);
  if (running && form.error) {
    gst_neva_post_warning (
        GST_ELEMENT_CAST (self), "Could not use the grammar", form.error);
  } else {
    GST_OBJECT_LOCK (self);
    g_clear_pointer (&self->settings.form.compiled, neva_grammar_unref);
    g_clear_error (&self->settings.form.error);
    self->settings.form.compiled = g_steal_pointer (&form.compiled);
    self->settings.form.error = g_steal_pointer (&form.error);
    GST_OBJECT_UNLOCK (self);
  }
  gst_neva_llm_form_clear (&form);
}

gboolean
gst_neva_llm_check_form (GstNevaLlm *self)
{
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  if (self->settings.form.error)
    error = g_error_copy (self->settings.form.error);
  GST_OBJECT_UNLOCK (self);
  if (error)
    gst_neva_post_error (
        GST_ELEMENT_CAST (self), "Could not use the grammar", error);
  return error == NULL;
}
