/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include "model_options.h"
#include "paths.h"

void
model_options_set_string (
    GstElement *element, const char *name, const char *value)
{
  if (value)
    gst_util_set_object_arg (G_OBJECT (element), name, value);
}

void
model_options_set_number (GstElement *element, const char *name, double value)
{
  g_autofree char *text = g_strdup_printf ("%.17g", value);

  if (value >= 0)
    gst_util_set_object_arg (G_OBJECT (element), name, text);
}

/* ---- The model ---------------------------------------------------------- */

void
model_options_init (ModelOptions *o)
{
  *o = (ModelOptions){.threads = -1,
      .context_length = -1,
      .tensor_parallel = -1,
      .pipeline_parallel = -1};
}

void
model_options_clear (ModelOptions *o)
{
  g_clear_pointer (&o->model, g_free);
  g_clear_pointer (&o->base_model, g_free);
  g_clear_pointer (&o->vision_tower, g_free);
  g_clear_pointer (&o->lora, g_free);
  g_clear_pointer (&o->device, g_free);
  g_clear_pointer (&o->weights, g_free);
}

void
model_options_add (ModelOptions *o, GOptionContext *context)
{
  const GOptionEntry entries[] = {
      {"model", 'm', 0, G_OPTION_ARG_FILENAME, &o->model,
          "Model folder, .nemo file, or fake:TEXT", "MODEL"},
      {"base-model", 0, 0, G_OPTION_ARG_FILENAME, &o->base_model,
          "Language model of a .nemo that holds a projector alone", "NEMO"},
      {"vision-tower", 0, 0, G_OPTION_ARG_FILENAME, &o->vision_tower,
          "Hugging Face folder of the vision tower that a .nemo names",
          "FOLDER"},
      {"lora", 0, 0, G_OPTION_ARG_FILENAME, &o->lora,
          "Adapters (.nemo) to merge into the model", "NEMO"},
      {"device", 0, 0, G_OPTION_ARG_STRING, &o->device,
          "cpu, cuda, cuda:N, auto", "NAME"},
      {"weights", 0, 0, G_OPTION_ARG_STRING, &o->weights,
          "auto, f32, bf16, int8 or int4", "TYPE"},
      {"threads", 0, 0, G_OPTION_ARG_INT, &o->threads,
          "Compute threads (default: cores)", "N"},
      {"tensor-parallel", 0, 0, G_OPTION_ARG_INT, &o->tensor_parallel,
          "Ranks that share each layer of the model (default 1)", "N"},
      {"pipeline-parallel", 0, 0, G_OPTION_ARG_INT, &o->pipeline_parallel,
          "Stages that its layers are split into (default 1)", "N"},
      {"context-length", 0, 0, G_OPTION_ARG_INT, &o->context_length,
          "Tokens of context (default: the model's)", "N"},
      {NULL}};

  g_option_context_add_main_entries (context, entries, NULL);
}

/* Beyond these limits GLib would keep the default and warn. */
gboolean
model_options_check (const ModelOptions *o)
{
  const struct {
    const char *name;
    gint value, least, most;
  } numbers[] = {{"threads", o->threads, 0, 1024},
      {"context-length", o->context_length, 0, G_MAXINT},
      {"tensor-parallel", o->tensor_parallel, 1, 64},
      {"pipeline-parallel", o->pipeline_parallel, 1, 64}};

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
    if (numbers[i].value == -1 || (numbers[i].value >= numbers[i].least &&
                                      numbers[i].value <= numbers[i].most))
      continue;
    g_printerr ("%s: --%s %d: a number from %d to %d is expected\n",
        g_get_prgname (), numbers[i].name, numbers[i].value, numbers[i].least,
        numbers[i].most);
    return FALSE;
  }
  return TRUE;
}

gboolean
model_options_find (ModelOptions *o)
{
  char *found = paths_find_model (o->model);

  if (!found) {
    g_printerr ("%s: no model named: give -m MODEL or set NEVA_MODEL (the demo "
                "model is not where it should be)\n",
        g_get_prgname ());
    return FALSE;
  }
  g_free (o->model);
  o->model = found;
  return TRUE;
}

void
model_options_apply (const ModelOptions *o, GstElement *element)
{
  g_object_set (element, "model", o->model, "base-model", o->base_model,
      "vision-tower", o->vision_tower, "lora", o->lora, NULL);
  model_options_set_string (element, "device", o->device);
  model_options_set_string (element, "weights", o->weights);
  model_options_set_number (element, "threads", o->threads);
  model_options_set_number (element, "context-length", o->context_length);
  model_options_set_number (element, "tensor-parallel", o->tensor_parallel);
  model_options_set_number (element, "pipeline-parallel", o->pipeline_parallel);
}

/* ---- The answers -------------------------------------------------------- */

void
answer_options_init (AnswerOptions *o)
{
  *o = (AnswerOptions){.max_tokens = -1,
      .top_k = -1,
      .temperature = -1,
      .top_p = -1,
      .seed = -1};
}

void
answer_options_clear (AnswerOptions *o)
{
  g_clear_pointer (&o->system_prompt, g_free);
  g_clear_pointer (&o->conv_template, g_free);
  g_clear_pointer (&o->choices, g_strfreev);
  g_clear_pointer (&o->json_schema, g_free);
  g_clear_pointer (&o->grammar, g_free);
}

void
answer_options_add (AnswerOptions *o, GOptionContext *context)
{
  const GOptionEntry entries[] = {
      {"system-prompt", 0, 0, G_OPTION_ARG_STRING, &o->system_prompt,
          "What the conversation begins with", "TEXT"},
      {"template", 0, 0, G_OPTION_ARG_STRING, &o->conv_template,
          "Prompt template (default: the model's)", "NAME"},
      {"choices", 0, 0, G_OPTION_ARG_STRING_ARRAY, &o->choices,
          "The answer is one of these texts; \\, is a comma (again: more)",
          "A,B,…"},
      {"json-schema", 0, 0, G_OPTION_ARG_STRING, &o->json_schema,
          "The answer is JSON that fits this schema", "FILE or {…}"},
      {"grammar", 0, 0, G_OPTION_ARG_STRING, &o->grammar,
          "The answer is a sentence of this GBNF grammar", "FILE or GBNF"},
      {"max-tokens", 0, 0, G_OPTION_ARG_INT, &o->max_tokens,
          "Longest caption (default 256)", "N"},
      {"temperature", 0, 0, G_OPTION_ARG_DOUBLE, &o->temperature,
          "Draw tokens at this temperature (default: take the likeliest)", "T"},
      {"top-p", 0, 0, G_OPTION_ARG_DOUBLE, &o->top_p,
          "Draw from the likeliest with this probability", "P"},
      {"top-k", 0, 0, G_OPTION_ARG_INT, &o->top_k, "Draw from the K likeliest",
          "K"},
      {"seed", 0, 0, G_OPTION_ARG_INT64, &o->seed, "Seed of the draws", "N"},
      {NULL}};

  g_option_context_add_main_entries (context, entries, NULL);
}

/* Appends the texts of a list with commas. */
static void
append_choices (GValue *array, const char *list)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (const char *p = list;; p++) {
    if (*p == '\\' && p[1] == ',') {
      g_string_append_c (text, *++p);
    } else if (*p && *p != ',') {
      g_string_append_c (text, *p);
    } else {
      GValue item = G_VALUE_INIT;

      g_value_init (&item, G_TYPE_STRING);
      g_value_set_string (&item, text->str);
      gst_value_array_append_and_take_value (array, &item);
      g_string_truncate (text, 0);
    }
    if (!*p)
      break;
  }
}

static void
apply_form (const AnswerOptions *o, GstElement *llm)
{
  GValue choices = G_VALUE_INIT;

  g_value_init (&choices, GST_TYPE_ARRAY);
  for (guint i = 0; o->choices && o->choices[i]; i++)
    append_choices (&choices, o->choices[i]);
  if (o->choices)
    g_object_set_property (G_OBJECT (llm), "choices", &choices);
  g_value_unset (&choices);
  if (o->json_schema)
    g_object_set (llm, "json-schema", o->json_schema, NULL);
  if (o->grammar)
    g_object_set (llm, "grammar", o->grammar, NULL);
}

void
answer_options_apply (const AnswerOptions *o, GstElement *llm)
{
  const gboolean draw = o->temperature > 0 || o->top_p >= 0 || o->top_k >= 0;

  /* properties of type string are set as they are: quotes stay quotes */
  if (o->system_prompt)
    g_object_set (llm, "system-prompt", o->system_prompt, NULL);
  if (o->conv_template)
    g_object_set (llm, "template", o->conv_template, NULL);
  apply_form (o, llm);
  g_object_set (llm, "greedy", !draw, NULL);
  if (o->temperature > 0)
    g_object_set (llm, "temperature", o->temperature, NULL);
  if (o->top_p >= 0)
    g_object_set (llm, "top-p", o->top_p, NULL);
  model_options_set_number (llm, "top-k", o->top_k);
  model_options_set_number (llm, "max-tokens", o->max_tokens);
  if (o->seed >= 0)
    g_object_set (llm, "seed", (guint64) o->seed, NULL);
}
