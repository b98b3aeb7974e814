/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdio.h>
#include <string.h>
#include <neva/judge.h>
#include "options.h"

/* NVIDIA's function that serves Mixtral-8x7B-Instruct, as the original has it
 */
#define HOSTED                                                                 \
  "https://api.nvcf.nvidia.com/v2/nvcf/pexec/functions/"                       \
  "8f4118ba-60a8-4e6b-8574-e38a4067a4a3"
#define MAX_JOBS 256

void
options_print_help (void)
{
  printf (
      "usage: neva-judge --question-file F --context-file F --rule-file F\n"
      "           --responses-list F F… --model-name-list NAME NAME… "
      "[options]\n\n"
      "Lets a judge model score the answers of two or more models, pair by "
      "pair.\n\n"
      "  --question-file FILE   questions, JSON lines (question.jsonl)\n"
      "  --context-file FILE    what is in each picture or video "
      "(context.jsonl)\n"
      "  --rule-file FILE       what to ask the judge by category (rule.json)\n"
      "  --responses-list F…    one file of answers or responses per model\n"
      "  --model-name-list N…   a name per file\n"
      "  --answers-dir DIR      where the joined answers go (answers)\n"
      "  --output FILE          result rows, JSON lines (output.json)\n"
      "  --num-chunks N, --chunk-idx K   take the K-th of N parts of the "
      "questions\n"
      "  --max-tokens N         longest reply (1024)\n"
      "  --media-type TYPE      accepted and not used, as in the original\n\n"
      "  --judge JUDGE          a model folder or .nemo; "
      "openai:<base-url>#<model>;\n"
      "                         an http(s) URL (default: NVIDIA's hosted "
      "Mixtral)\n"
      "  --device NAME          of a model folder: cpu (default), cuda, "
      "cuda:N, "
      "auto\n"
      "  --key-file FILE        first line is the key; else API_TOKEN, "
      "OPENAI_API_KEY\n"
      "  --jobs N               requests in flight (1)\n"
      "  --timeout S            seconds for one request (120)\n"
      "  --retries N            tries after the first (4)\n"
      "  --join id|position     how answers meet questions (id); position is\n"
      "                         what the original does\n"
      "  --on-error stop|record what a request that fails for good does: stop, "
      "and\n"
      "                         go on there next time (stop), or count as -1 "
      "-1\n"
      "  --quiet                no progress\n\n"
      "Rows that --output already has are kept and not judged again, if they "
      "belong to\nthe same questions and answers. Exit status: 0 all judged, 1 "
      "error, 2 judged, but\nsome replies held no scores, 130 interrupted.\n");
}

void
options_clear (Options *o)
{
  g_clear_pointer (&o->models, g_ptr_array_unref);
  g_clear_pointer (&o->responses, g_ptr_array_unref);
  g_free (o->question_file);
  g_free (o->context_file);
  g_free (o->rule_file);
  g_free (o->answers_dir);
  g_free (o->output);
  g_free (o->judge);
  g_free (o->device);
  g_free (o->key_file);
}

static gboolean
fail (GError **error, const char *format, const char *what)
{
  g_autofree char *message = NULL;

  message = g_strdup_printf (format, what);
  g_set_error_literal (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT, message);
  return FALSE;
}

static gboolean
to_number (const char *name, const char *text, guint min, guint max,
    guint *number, GError **error)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (text, 10, min, max, &value, NULL)) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "%s %s: a number from %u to %u is expected", name, text, min, max);
    return FALSE;
  }
  *number = (guint) value;
  return TRUE;
}

static gboolean
set_text (Options *o, const char *name, const char *value)
{
  const struct {
    const char *name;
    char **to;
  } texts[] = {{"--question-file", &o->question_file},
      {"--context-file", &o->context_file}, {"--rule-file", &o->rule_file},
      {"--answers-dir", &o->answers_dir}, {"--output", &o->output},
      {"--judge", &o->judge}, {"--device", &o->device},
      {"--key-file", &o->key_file}};

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++) {
    if (strcmp (texts[i].name, name))
      continue;
    g_free (*texts[i].to);
    *texts[i].to = g_strdup (value);
    return TRUE;
  }
  return FALSE;
}

static gboolean
set_number (Options *o, const char *name, const char *value, gboolean *known,
    GError **error)
{
  const struct {
    const char *name;
    guint *to, min, max;
  } numbers[] = {{"--num-chunks", &o->num_chunks, 1, 1000000},
      {"--chunk-idx", &o->chunk_idx, 0, 1000000},
      {"--max-tokens", &o->max_tokens, 1, 1000000},
      {"--jobs", &o->jobs, 1, MAX_JOBS}, {"--timeout", &o->timeout_s, 1, 86400},
      {"--retries", &o->retries, 0, 100}};

  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++) {
    if (strcmp (numbers[i].name, name))
      continue;
    *known = TRUE;
    return to_number (
        name, value, numbers[i].min, numbers[i].max, numbers[i].to, error);
  }
  return TRUE;
}

static gboolean
set_word (Options *o, const char *name, const char *value, gboolean *known,
    GError **error)
{
  if (!strcmp (name, "--join")) {
    o->join = strcmp (value, "position") ? JOIN_ID : JOIN_POSITION;
    *known = !strcmp (value, "id") || o->join == JOIN_POSITION;
  } else if (!strcmp (name, "--on-error")) {
    o->record_failures = !strcmp (value, "record");
    *known = !strcmp (value, "stop") || o->record_failures;
  } else {
    *known = !strcmp (name, "--media-type");
    return *known || fail (error, "unknown option %s", name);
  }
  return *known || fail (error, "%s: unknown value", name);
}

/* One option and its value, or values. *i moves to the last argument used. */
static gboolean
take (Options *o, int argc, char **argv, int *i, GError **error)
{
  const char *name = argv[*i];
  GPtrArray *list = !strcmp (name, "--model-name-list")  ? o->models
                    : !strcmp (name, "--responses-list") ? o->responses
                                                         : NULL;
  gboolean known = FALSE;
  const char *value;

  if (!strcmp (name, "--help") || !strcmp (name, "-h"))
    return o->help = TRUE;
  if (!strcmp (name, "--quiet"))
    return o->quiet = TRUE;
  if (list) {
    g_ptr_array_set_size (list, 0);
    while (*i + 1 < argc && !g_str_has_prefix (argv[*i + 1], "--"))
      g_ptr_array_add (list, g_strdup (argv[++*i]));
    return TRUE;
  }
  if (!g_str_has_prefix (name, "--"))
    return fail (error, "unexpected argument '%s'", name);
  if (*i + 1 >= argc)
    return fail (error, "%s lacks its value", name);
  value = argv[++*i];
  if (set_text (o, name, value))
    return TRUE;
  if (!set_number (o, name, value, &known, error) || known)
    return known && !(error && *error);
  return set_word (o, name, value, &known, error);
}

static gboolean
check (const Options *o, GError **error)
{
  if (o->help)
    return TRUE;
  if (o->responses->len < 2 || o->responses->len > NEVA_JUDGE_MAX_CANDIDATES) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "--responses-list: 2 to %d files are expected, %u given",
        NEVA_JUDGE_MAX_CANDIDATES, o->responses->len);
    return FALSE;
  }
  if (o->models->len != o->responses->len) {
    g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
        "--model-name-list: %u names for %u files", o->models->len,
        o->responses->len);
    return FALSE;
  }
  if (o->chunk_idx >= o->num_chunks)
    return fail (error, "--chunk-idx: there is no such chunk%s", "");
  return TRUE;
}

gboolean
options_parse (Options *o, int argc, char **argv, GError **error)
{
  *o = (Options){.models = g_ptr_array_new_with_free_func (g_free),
      .responses = g_ptr_array_new_with_free_func (g_free),
      .question_file = g_strdup ("question.jsonl"),
      .context_file = g_strdup ("context.jsonl"),
      .rule_file = g_strdup ("rule.json"),
      .answers_dir = g_strdup ("answers"),
      .output = g_strdup ("output.json"),
      .judge = g_strdup (HOSTED),
      .num_chunks = 1,
      .max_tokens = 1024,
      .jobs = 1,
      .timeout_s = 120,
      .retries = 4};
  for (int i = 1; i < argc; i++) {
    if (!take (o, argc, argv, &i, error))
      return FALSE;
  }
  return check (o, error);
}
