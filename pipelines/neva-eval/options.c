/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <string.h>
#include "options.h"

/* What neva_inference.yaml has, but for sizes that suit one machine of the
 * authors. */
static void
set_defaults (Options *o)
{
  static const char *const ends[] = {"<extra_id_1>", "<extra_id_7>", NULL};

  *o = (Options){.rules = {.media_type = NEVA_MEDIA_IMAGE},
      .sampling = {.greedy = FALSE,
          .top_p = 0.9,
          .temperature = 0.2,
          .repetition_penalty = 1.2,
          .seed = 1234},
      .max_tokens = 256,
      .end_strings = g_strdupv ((char **) ends),
      .tensor_parallel = 1,
      .pipeline_parallel = 1,
      .quantize_samples = 100};
}

void
options_clear (Options *o)
{
  g_free (o->neva_model_file);
  g_free (o->base_model_file);
  g_free (o->vision_tower);
  g_free (o->lora);
  g_free (o->prompt_file);
  g_free (o->output_file);
  g_free (o->media_base_path);
  g_free (o->conv_template);
  g_free (o->system_prompt);
  g_free (o->device);
  g_free (o->quantize_save);
  g_strfreev (o->end_strings);
}

static void
print_help (void)
{
  printf (
      "usage: neva-eval [--config FILE.yaml] key=value…\n\n"
      "Answers the questions of a prompt file about images and videos, as "
      "NeMo's\nneva_evaluation.py does, with its keys. Keys may be written "
      "key=, +key=, ++key=\nor ~key; ${…} is resolved.\n\n"
      "  --config FILE      a neva_inference.yaml; keys override it\n"
      "  --config-path DIR, --config-name NAME   the same, as Hydra has it\n"
      "  --resume           the same as resume=True\n"
      "  --grouped          the same as order=grouped\n"
      "  --quiet            the same as quiet=True\n"
      "  --help, --version\n\n"
      "Keys:\n");
  keys_print ();
  printf ("\nExit status: 0 all answered; 1 failure; 2 the configuration is "
          "wrong; 3 some\nquestions were not answered (standard error says "
          "which), all others were;\n4 the model cannot be used; 5 the output "
          "cannot be written; 130 interrupted, what\nwas done is kept.\n");
}

/* ---- The configuration file --------------------------------------------- */

/* What nobody knows is an error where Hydra has one, else it is told: it may
 * be a spelling mistake. */
static gboolean
on_setting (const NevaSetting *setting, gpointer options, GError **error)
{
  if (!setting->optional || keys_known (setting->key, FALSE))
    return keys_set (options, setting->key, setting->json, error);
  g_printerr ("neva-eval: %s%s%s: no such key, it has no effect\n",
      setting->file ? setting->file : "", setting->file ? ": " : "",
      setting->key);
  return TRUE;
}

static gboolean
read_config (NevaSettings *settings, const char *path, GError **error)
{
  g_autofree char *text = NULL;
  g_autoptr (GError) io = NULL;
  gsize length;

  if (g_file_get_contents (path, &text, &length, &io))
    return neva_settings_read (settings, text, length, path, error);
  g_set_error (
      error, NEVA_ERROR, NEVA_ERROR_NOT_FOUND, "%s: %s", path, io->message);
  return FALSE;
}

/* ---- The command line --------------------------------------------------- */

typedef struct {
  const char *config, *config_path, *config_name;
} Flags;

/* The value of "--name VALUE" or "--name=VALUE"; NULL: not this one. */
static const char *
flag_value (char **argv, int *i, const char *name, gboolean *missing)
{
  const char *argument = argv[*i];
  const gsize n = strlen (name);

  if (strncmp (argument, name, n) || (argument[n] && argument[n] != '='))
    return NULL;
  if (argument[n] == '=')
    return argument + n + 1;
  *missing = !argv[*i + 1];
  return *missing ? "" : argv[++*i];
}

static gboolean
parse_flag (Options *o, Flags *flags, char **argv, int *i, GError **error)
{
  const struct {
    const char *name;
    const char **at;
  } valued[] = {{"--config-path", &flags->config_path},
      {"--config-name", &flags->config_name}, {"--config", &flags->config}};
  const struct {
    const char *name;
    gboolean *at;
  } plain[] = {{"--resume", &o->resume}, {"--grouped", &o->grouped},
      {"--quiet", &o->quiet}};
  const char *argument = argv[*i];
  gboolean missing = FALSE;

  for (gsize k = 0; k < G_N_ELEMENTS (valued); k++) {
    const char *value = flag_value (argv, i, valued[k].name, &missing);

    if (value && !missing) {
      *valued[k].at = value;
      return TRUE;
    }
  }
  for (gsize k = 0; k < G_N_ELEMENTS (plain); k++) {
    if (!strcmp (argument, plain[k].name))
      return *plain[k].at = TRUE;
  }
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "%s: %s", argument,
      missing ? "a value is missing" : "no such option");
  return FALSE;
}

/* ~key takes a key away that a file has given. To one that no file has it does
 * nothing, if there is such a key. */
static gboolean
override (NevaSettings *settings, const char *argument, GError **error)
{
  g_autofree char *key = g_strndup (argument + 1, strcspn (argument + 1, "="));
  GError *local = NULL;

  if (neva_settings_override (settings, argument, &local))
    return TRUE;
  if (g_error_matches (local, NEVA_ERROR, NEVA_ERROR_NOT_FOUND) &&
      keys_known (key, TRUE)) {
    g_error_free (local);
    return TRUE;
  }
  g_propagate_error (error, local);
  return FALSE;
}

static gboolean
parse_arguments (Options *o, int argc, char **argv, GError **error)
{
  Flags flags = {NULL};
  g_autoptr (NevaSettings) settings = neva_settings_new ();
  g_autofree char *config = NULL;

  for (int i = 1; i < argc; i++)
    if (g_str_has_prefix (argv[i], "--") &&
        !parse_flag (o, &flags, argv, &i, error))
      return FALSE;
  if (flags.config_name)
    config = g_strconcat (flags.config_path ? flags.config_path : ".", "/",
        flags.config_name,
        g_str_has_suffix (flags.config_name, ".yaml") ? "" : ".yaml", NULL);
  else
    config = g_strdup (flags.config);
  if (config && !read_config (settings, config, error))
    return FALSE;
  for (int i = 1; i < argc; i++) {
    if (!g_str_has_prefix (argv[i], "--")) {
      if (!override (settings, argv[i], error))
        return FALSE;
    } else if (!strchr (argv[i], '=') &&
               g_str_has_prefix (argv[i], "--config")) {
      i++;
    }
  }
  return neva_settings_each (settings, on_setting, o, error);
}

/* ---- Checks ------------------------------------------------------------- */

/* Before a calibration of hours, not after it. */
static gboolean
check_save (const Options *o, GError **error)
{
  g_autofree char *parent =
      o->quantize_save ? g_path_get_dirname (o->quantize_save) : NULL;
  const gboolean exists =
      parent && g_file_test (o->quantize_save, G_FILE_TEST_EXISTS);

  if (!parent || (exists && o->resume) ||
      (!exists && g_file_test (parent, G_FILE_TEST_IS_DIR)))
    return TRUE;
  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "quantization.save=%s: %s", o->quantize_save,
      exists ? "is there already" : "its folder is not there");
  return FALSE;
}

static gboolean
check_quantization (const Options *o, GError **error)
{
  const char *wrong = NULL;

  if (!o->quantize)
    return TRUE;
  if (!neva_quantization_check (o->quantize_how, o->device, error)) {
    g_prefix_error (error, "quantization.algorithm: ");
    return FALSE;
  }
  if (o->quantize_samples == 0 || o->quantize_samples < -1)
    wrong = "quantization.num_samples: a number from 1 on, or -1, is expected";
  else if (neva_parallel_launched ())
    wrong = "quantization.enable=True: one process calibrates a model; run it "
            "alone with quantization.save=FOLDER, then all with "
            "neva_model_file=FOLDER";
  if (wrong) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "%s", wrong);
    return FALSE;
  }
  return check_save (o, error);
}

static gboolean
check (const Options *o, GError **error)
{
  const char *missing = !o->neva_model_file   ? "neva_model_file"
                        : !o->prompt_file     ? "prompt_file"
                        : !o->output_file     ? "output_file"
                        : !o->media_base_path ? "inference.media_base_path"
                                              : NULL;
  const char *wrong = NULL;

  if (missing) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s is not given: %s=… or --config FILE", missing, missing);
    return FALSE;
  }
  if (o->all_probs && !o->sampling.compute_logprob)
    wrong = "inference.all_probs=True needs inference.compute_logprob=True";
  else if (!o->sampling.greedy && !(o->sampling.temperature > 0))
    wrong = "inference.temperature: a positive number is expected (or "
            "inference.greedy=True)";
  else if (!(o->sampling.repetition_penalty > 0))
    wrong = "inference.repetition_penalty: a positive number is expected";
  else if (o->max_tokens == 0)
    wrong = "inference.tokens_to_generate=0: an answer has at least one token";
  else if (!strcmp (o->output_file, "-") && o->resume)
    wrong = "standard output cannot be resumed";
  else if (!strcmp (o->output_file, o->prompt_file))
    wrong = "output_file would overwrite prompt_file";
  if (wrong)
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, "%s", wrong);
  return !wrong && check_quantization (o, error);
}

gboolean
options_parse (Options *o, int argc, char **argv, ExitCode *code)
{
  g_autoptr (GError) error = NULL;

  set_defaults (o);
  *code = EXIT_DONE;
  for (int i = 1; i < argc; i++) {
    if (!strcmp (argv[i], "--help") || !strcmp (argv[i], "-h")) {
      print_help ();
      return FALSE;
    }
    if (!strcmp (argv[i], "--version")) {
      printf ("neva-eval %s\n", NEVA_VERSION);
      return FALSE;
    }
  }
  if (parse_arguments (o, argc, argv, &error) && check (o, &error))
    return TRUE;
  g_printerr ("neva-eval: %s\n", error->message);
  *code = EXIT_USAGE;
  return FALSE;
}
