/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration of neva-eval: NeMo's neva_inference.yaml, its keys on the
 * command line, and what this program adds (keys.c). */
#ifndef NEVA_EVAL_OPTIONS_H
#define NEVA_EVAL_OPTIONS_H

#include <neva/neva.h>

/* What the program ends with; also in --help. */
typedef enum {
  EXIT_DONE = 0,
  EXIT_FAILED = 1,       /* anything else */
  EXIT_USAGE = 2,        /* the configuration makes no sense */
  EXIT_INPUT = 3,        /* some prompts could not be answered; the rest is */
  EXIT_MODEL = 4,        /* the model cannot be used */
  EXIT_OUTPUT = 5,       /* the result cannot be written */
  EXIT_INTERRUPTED = 130 /* Ctrl-C; what was done is kept */
} ExitCode;

typedef struct {
  /* Files */
  char *neva_model_file, *base_model_file, *vision_tower, *lora;
  char *prompt_file, *output_file; /* output_file "-": standard output */
  char *media_base_path;
  gboolean resume, grouped, quiet;

  /* inference.* */
  NevaPromptRules rules;
  NevaSampling sampling;
  NevaClean clean;
  guint max_tokens;
  char **end_strings; /* NULL: none */
  gboolean all_probs;
  char *conv_template, *system_prompt; /* NULL: the model's */
  guint num_frames;                    /* 0: the model's */

  /* How it is computed */
  NevaWeights weights;
  gboolean weights_given; /* weights=…; trainer.precision does not count then */
  char *device;
  guint threads, context_length;
  guint tensor_parallel, pipeline_parallel;

  /* quantization.* */
  gboolean quantize;
  NevaQuantization quantize_how;
  int quantize_samples; /* prompts to calibrate with; -1: all */
  char *quantize_save;  /* folder of the quantised model; NULL: none is kept */
} Options;

/* Command line and configuration file, checked. FALSE: *code is what to end
 * with, and a message was printed (help and version end with EXIT_DONE). */
gboolean options_parse (
    Options *options, int argc, char **argv, ExitCode *code);
void options_clear (Options *options);

/* ---- keys.c ---- */

/* There is such a key, or, with sections, such a part of keys
 * ("quantization"). */
gboolean keys_known (const char *key, gboolean sections);
/* Sets one key to a JSON value. NEVA_ERROR_BAD_INPUT names key and value. */
gboolean keys_set (
    Options *options, const char *key, const char *json, GError **error);
/* The keys with a line about each, for --help. */
void keys_print (void);

#endif /* NEVA_EVAL_OPTIONS_H */
