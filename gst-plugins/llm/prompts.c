/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "prompts.h"
#include <neva/error.h>
#include <string.h>
#include "common/gstnevaerror.h"
#include "llm.h"

/* Each is a question of its own to the model. */
#define MAX_PROMPTS 64

/* ---- One ---- */

GstNevaLlmPrompt *
gst_neva_llm_prompt_new (const char *id, const char *text)
{
  GstNevaLlmPrompt *prompt = g_new0 (GstNevaLlmPrompt, 1);

  prompt->refs = 1;
  prompt->id = g_strdup (id);
  prompt->text = g_strdup (text);
  prompt->threshold = -1;
  return prompt;
}

GstNevaLlmPrompt *
gst_neva_llm_prompt_ref (GstNevaLlmPrompt *prompt)
{
  g_atomic_int_inc (&prompt->refs);
  return prompt;
}

void
gst_neva_llm_prompt_unref (GstNevaLlmPrompt *prompt)
{
  if (!g_atomic_int_dec_and_test (&prompt->refs))
    return;
  g_free (prompt->id);
  g_free (prompt->text);
  g_clear_pointer (&prompt->grammar, neva_grammar_unref);
  g_free (prompt);
}

/* ---- A structure ---- */

/* What is wrong is said once, with the number of the prompt. */
typedef struct {
  GstNevaLlmPrompt *prompt;
  GstNevaLlmForm form;
  GError **error;
} Reading;

static gboolean
refuse (Reading *r, const char *field, const char *what)
{
  g_set_error (r->error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "'%s' is not %s",
      field, what);
  return FALSE;
}

static gboolean
read_string (Reading *r, const char *field, const GValue *value, char **string)
{
  const char *s =
      G_VALUE_HOLDS_STRING (value) ? g_value_get_string (value) : NULL;

  if (!s || !*s)
    return refuse (r, field, "a text");
  g_free (*string);
  *string = g_strdup (s);
  return TRUE;
}

static gboolean
read_max_tokens (Reading *r, const GValue *value)
{
  GValue number = G_VALUE_INIT;
  guint64 n = 0;

  g_value_init (&number, G_TYPE_INT64);
  if (!G_VALUE_HOLDS_STRING (value) && g_value_transform (value, &number) &&
      g_value_get_int64 (&number) > 0)
    n = (guint64) g_value_get_int64 (&number);
  g_value_unset (&number);
  if (n == 0 || n > G_MAXINT)
    return refuse (r, "max-tokens", "a number of tokens");
  r->prompt->max_tokens = (guint) n;
  return TRUE;
}

static gboolean
read_threshold (Reading *r, const GValue *value)
{
  GValue number = G_VALUE_INIT;
  double p = -1;

  g_value_init (&number, G_TYPE_DOUBLE);
  if (!G_VALUE_HOLDS_STRING (value) && g_value_transform (value, &number))
    p = g_value_get_double (&number);
  g_value_unset (&number);
  if (!(p >= 0 && p <= 1))
    return refuse (r, "alert-threshold", "a number from 0 to 1");
  r->prompt->threshold = p;
  return TRUE;
}

static gboolean
read_choices (Reading *r, const GValue *value)
{
  gboolean ok = GST_VALUE_HOLDS_ARRAY (value) || GST_VALUE_HOLDS_LIST (value);
  const guint n = !ok ? 0
                  : GST_VALUE_HOLDS_ARRAY (value)
                      ? gst_value_array_get_size (value)
                      : gst_value_list_get_size (value);

  g_clear_pointer (&r->form.choices, g_strfreev);
  r->form.choices = g_new0 (char *, n + 1);
  for (guint i = 0; i < n && ok; i++) {
    const GValue *item = GST_VALUE_HOLDS_ARRAY (value)
                             ? gst_value_array_get_value (value, i)
                             : gst_value_list_get_value (value, i);

    ok = G_VALUE_HOLDS_STRING (item) && g_value_get_string (item);
    if (ok)
      r->form.choices[i] = g_value_dup_string (item);
  }
  /* GStreamer reads a bare yes or no in a structure as a boolean. */
  return (ok && n > 0) ||
         refuse (
             r, "choices", "a list of texts, such as <(string)yes,(string)no>");
}

static gboolean
read_field (GQuark id, const GValue *value, gpointer user_data)
{
  const char *field = g_quark_to_string (id);
  Reading *r = user_data;

  if (g_str_equal (field, "id"))
    return read_string (r, field, value, &r->prompt->id);
  if (g_str_equal (field, "text"))
    return read_string (r, field, value, &r->prompt->text);
  if (g_str_equal (field, "max-tokens"))
    return read_max_tokens (r, value);
  if (g_str_equal (field, "choices"))
    return read_choices (r, value);
  if (g_str_equal (field, "json-schema"))
    return read_string (r, field, value, &r->form.json_schema);
  if (g_str_equal (field, "grammar"))
    return read_string (r, field, value, &r->form.grammar);
  if (g_str_equal (field, "alert-threshold"))
    return read_threshold (r, value);
  if (g_str_equal (field, "alert")) {
    if (!G_VALUE_HOLDS_BOOLEAN (value))
      return refuse (r, field, "true or false");
    r->prompt->alert = g_value_get_boolean (value);
    return TRUE;
  }
  g_set_error (r->error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "'%s' is none of id, text, max-tokens, choices, json-schema, grammar, "
      "alert, alert-threshold",
      field);
  return FALSE;
}

static gboolean
read_structure (GstNevaLlmPrompt *prompt, const GstStructure *s, GError **error)
{
  Reading r = {.prompt = prompt, .error = error};
  gboolean ok = gst_structure_foreach (s, read_field, &r);

  if (ok) {
    gst_neva_llm_form_compile (&r.form);
    prompt->grammar = g_steal_pointer (&r.form.compiled);
    ok = r.form.error == NULL;
    if (!ok)
      g_propagate_error (error, g_steal_pointer (&r.form.error));
  }
  gst_neva_llm_form_clear (&r.form);
  return ok;
}

/* ---- The array ---- */

static gboolean
read_item (GstNevaLlmPrompt *prompt, const GValue *item, GError **error)
{
  const char *text;

  if (GST_VALUE_HOLDS_STRUCTURE (item) && gst_value_get_structure (item))
    return read_structure (prompt, gst_value_get_structure (item), error);
  text = G_VALUE_HOLDS_STRING (item) ? g_value_get_string (item) : NULL;
  if (text && *text) {
    prompt->text = g_strdup (text);
    return TRUE;
  }
  if (G_VALUE_HOLDS_STRING (item))
    g_set_error_literal (
        error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "it is empty");
  else
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "it is a %s, neither a string nor a structure",
        G_VALUE_TYPE_NAME (item));
  return FALSE;
}

static gboolean
check_id (const GPtrArray *list, const char *id, GError **error)
{
  if (g_str_equal (id, GST_NEVA_LLM_ID_ALERT)) {
    g_set_error_literal (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "the id '" GST_NEVA_LLM_ID_ALERT "' is that of the property alert");
    return FALSE;
  }
  for (guint i = 0; i < list->len; i++)
    if (g_str_equal (((GstNevaLlmPrompt *) list->pdata[i])->id, id)) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
          "prompt %u has the id '%s', too", i, id);
      return FALSE;
    }
  return TRUE;
}

static GPtrArray *
read_value (const GValue *value, GError **error)
{
  const guint n = gst_value_array_get_size (value);
  g_autoptr (GPtrArray) list = g_ptr_array_new_with_free_func (
      (GDestroyNotify) gst_neva_llm_prompt_unref);

  if (n > MAX_PROMPTS) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%u prompts are more than %u", n, MAX_PROMPTS);
    return NULL;
  }
  for (guint i = 0; i < n; i++) {
    g_autofree char *id = g_strdup_printf ("%u", i);
    GstNevaLlmPrompt *prompt = gst_neva_llm_prompt_new (id, NULL);

    if (!read_item (prompt, gst_value_array_get_value (value, i), error) ||
        !check_id (list, prompt->id, error)) {
      g_prefix_error (error, "prompt %u: ", i);
      gst_neva_llm_prompt_unref (prompt);
      return NULL;
    }
    g_ptr_array_add (list, prompt);
  }
  return n ? g_steal_pointer (&list) : NULL;
}

GstNevaLlmPrompts *
gst_neva_llm_prompts_new (const GValue *value)
{
  GstNevaLlmPrompts *prompts = g_new0 (GstNevaLlmPrompts, 1);

  prompts->refs = 1;
  g_value_init (&prompts->value, GST_TYPE_ARRAY);
  g_value_copy (value, &prompts->value);
  prompts->list = read_value (value, &prompts->error);
  return prompts;
}

GstNevaLlmPrompts *
gst_neva_llm_prompts_ref (GstNevaLlmPrompts *prompts)
{
  g_atomic_int_inc (&prompts->refs);
  return prompts;
}

void
gst_neva_llm_prompts_unref (GstNevaLlmPrompts *prompts)
{
  if (!g_atomic_int_dec_and_test (&prompts->refs))
    return;
  g_value_unset (&prompts->value);
  g_clear_pointer (&prompts->list, g_ptr_array_unref);
  g_clear_error (&prompts->error);
  g_free (prompts);
}

/* ---- The element's ---- */

void
gst_neva_llm_prompts_install (GObjectClass *klass)
{
  g_object_class_install_property (klass, GST_NEVA_LLM_PROP_PROMPTS,
      gst_param_spec_array ("prompts", "Prompts",
          "Questions that are all asked about each clip, instead of prompt: "
          "strings, whose id is their number from 0, and structures with what "
          "they need of id, text (that of prompt if unset), max-tokens, "
          "choices, json-schema, grammar, "
          "alert (boolean), alert-threshold. Answers come in this order, with "
          "their prompt-id",
          NULL,
          G_PARAM_READWRITE | G_PARAM_STATIC_STRINGS |
              GST_PARAM_MUTABLE_PLAYING));
}

void
gst_neva_llm_set_prompts (GstNevaLlm *self, const GValue *value)
{
  GstNevaLlmPrompts *prompts = gst_neva_llm_prompts_new (value);
  const gboolean running = GST_STATE (self) > GST_STATE_READY;

  if (running && prompts->error) {
    gst_neva_post_warning (
        GST_ELEMENT_CAST (self), "Could not use the prompts", prompts->error);
  } else {
    GST_OBJECT_LOCK (self);
    /* what was there is freed without the lock: it may be much */
    {
      GstNevaLlmPrompts *old = self->settings.prompts;

      self->settings.prompts = prompts;
      prompts = old;
    }
    GST_OBJECT_UNLOCK (self);
  }
  g_clear_pointer (&prompts, gst_neva_llm_prompts_unref);
}

gboolean
gst_neva_llm_check_prompts (GstNevaLlm *self)
{
  g_autoptr (GError) error = NULL;

  GST_OBJECT_LOCK (self);
  if (self->settings.prompts && self->settings.prompts->error)
    error = g_error_copy (self->settings.prompts->error);
  GST_OBJECT_UNLOCK (self);
  if (error)
    gst_neva_post_error (
        GST_ELEMENT_CAST (self), "Could not use the prompts", error);
  return error == NULL;
}
