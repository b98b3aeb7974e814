/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The options of the programs that are properties of the elements: which model,
 * and how it answers. NULL and negative numbers: the element's own default. */
#ifndef NEVA_COMMON_MODEL_OPTIONS_H
#define NEVA_COMMON_MODEL_OPTIONS_H

#include <gst/gst.h>

typedef struct {
  char *model; /* owned, as all strings here */
  char *base_model, *vision_tower, *lora, *device, *weights;
  gint threads, context_length, tensor_parallel, pipeline_parallel;
} ModelOptions;

typedef struct {
  char *system_prompt, *conv_template;
  char **choices; /* as given: lists with commas */
  char *json_schema, *grammar;
  gint max_tokens, top_k;
  gdouble temperature, top_p;
  gint64 seed;
} AnswerOptions;

void model_options_init (ModelOptions *options);
void model_options_clear (ModelOptions *options);
/* --model and the others; they write to `options`, which must stay. */
void model_options_add (ModelOptions *options, GOptionContext *context);
/* FALSE with a message when a number is none that the elements take. */
gboolean model_options_check (const ModelOptions *options);
/* model: -m, else NEVA_MODEL, else the demo model. FALSE with a message when
 * there is none. */
gboolean model_options_find (ModelOptions *options);
/* Sets nevaencoder's or nevallm's properties. */
void model_options_apply (const ModelOptions *options, GstElement *element);

void answer_options_init (AnswerOptions *options);
void answer_options_clear (AnswerOptions *options);
void answer_options_add (AnswerOptions *options, GOptionContext *context);
/* Sets nevallm's. */
void answer_options_apply (const AnswerOptions *options, GstElement *llm);

/* Sets a property from text as gst-launch would; nothing where value is NULL,
 * or negative. */
void model_options_set_string (
    GstElement *element, const char *name, const char *value);
void model_options_set_number (
    GstElement *element, const char *name, double value);

#endif /* NEVA_COMMON_MODEL_OPTIONS_H */
