/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <json-glib/json-glib.h>
#include <string.h>
#include "options.h"
#include <neva/parallel.h>
#include "common/duration.h"

#define SUBTITLE_WINDOW (4 * GST_SECOND)
#define MAX_LIST_LINE (1u << 20)

static const char *const format_names[] = {"text", "srt", "vtt", "json"};

/* What the options are before they are checked. */
typedef struct {
  char *format, *window, *overlap, *list;
  char **prompts, **files;
  gboolean version;
} Raw;

/* ---- Values ------------------------------------------------------------- */

static gboolean
parse_format (const char *text, const char *output, Format *format)
{
  const char *dot = output ? strrchr (output, '.') : NULL;

  if (!text) /* by the output's name */
    text = dot && g_str_equal (dot, ".srt")     ? "srt"
           : dot && g_str_equal (dot, ".vtt")   ? "vtt"
           : dot && g_str_equal (dot, ".json")  ? "json"
           : dot && g_str_equal (dot, ".jsonl") ? "json"
                                                : "text";
  for (guint i = 0; i < G_N_ELEMENTS (format_names); i++) {
    if (g_str_equal (text, format_names[i])) {
      *format = (Format) i;
      return TRUE;
    }
  }
  g_printerr ("neva-caption: --format %s: one of text, srt, vtt, json is "
              "expected\n",
      text);
  return FALSE;
}

/* ---- Jobs --------------------------------------------------------------- */

static void
job_free (gpointer data)
{
  Job *job = data;

  g_free (job->file);
  g_free (job->prompt);
  g_free (job);
}

static void
add_job (Options *options, const char *file, const char *prompt)
{
  Job *job = g_new0 (Job, 1);

  job->file = g_strdup (file);
  job->prompt = g_strdup (prompt);
  g_ptr_array_add (options->jobs, job);
}

static const char *
string_of (JsonObject *object, const char *name, const char *other)
{
  JsonNode *node = json_object_get_member (object, name);

  if (!node && other)
    node = json_object_get_member (object, other);
  return node && json_node_get_value_type (node) == G_TYPE_STRING
             ? json_node_get_string (node)
             : NULL;
}

/* {"file" or "video": …, "prompt" or "question": …} */
static gboolean
add_listed (Options *options, const char *line, const char *folder)
{
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonNode *root;
  const char *file;
  g_autofree char *path = NULL;

  if (!json_parser_load_from_data (parser, line, -1, NULL) ||
      !(root = json_parser_get_root (parser)) || !JSON_NODE_HOLDS_OBJECT (root))
    return FALSE;
  file = string_of (json_node_get_object (root), "file", "video");
  if (!file)
    return FALSE;

  if (strstr (file, "://") || g_file_test (file, G_FILE_TEST_EXISTS))
    path = g_strdup (file);
  else
    path = g_canonicalize_filename (file, folder);
  add_job (options, path,
      string_of (json_node_get_object (root), "prompt", "question"));
  return TRUE;
}

static gboolean
read_list (Options *options, const char *path)
{
  g_autofree char *text = NULL;
  g_autofree char *dir = g_path_get_dirname (path);
  g_autofree char *folder = g_canonicalize_filename (dir, NULL);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = NULL;

  if (!g_file_get_contents (path, &text, NULL, &error)) {
    g_printerr ("neva-caption: --list: %s\n", error->message);
    return FALSE;
  }
  lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i]; i++) {
    if (!*g_strstrip (lines[i]))
      continue;
    if (strlen (lines[i]) > MAX_LIST_LINE ||
        !add_listed (options, lines[i], folder)) {
      g_printerr ("neva-caption: --list: %s line %u: {\"file\": …, "
                  "\"prompt\": …} is expected\n",
          path, i + 1);
      return FALSE;
    }
  }
  return TRUE;
}

static gboolean
make_jobs (Options *options, const Raw *raw)
{
  for (guint f = 0; raw->files && raw->files[f]; f++) {
    if (!raw->prompts)
      add_job (options, raw->files[f], NULL);
    for (guint p = 0; raw->prompts && raw->prompts[p]; p++)
      add_job (options, raw->files[f], raw->prompts[p]);
  }
  if (raw->list && !read_list (options, raw->list))
    return FALSE;
  if (options->jobs->len == 0) {
    g_printerr ("neva-caption: no video named; see --help\n");
    return FALSE;
  }
  return TRUE;
}

/* ---- Checks ------------------------------------------------------------- */

/* Nor do those of several prompts. */
static gboolean
check_once (const Options *options)
{
  g_autoptr (GHashTable) files = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < options->jobs->len; i++) {
    const Job *job = options->jobs->pdata[i];

    if (!g_hash_table_add (files, job->file)) {
      g_printerr ("neva-caption: %s: subtitles of one video answer one "
                  "prompt\n",
          job->file);
      return FALSE;
    }
  }
  return TRUE;
}

/* Subtitles of several videos do not fit in one file. */
static gboolean
check_several (const Options *options)
{
  const gboolean subtitles =
      options->format == FORMAT_SRT || options->format == FORMAT_VTT;
  /* of several processes the first one writes, perhaps on another machine */
  const gboolean folder =
      options->output && (neva_parallel_launched_rank () > 0 ||
                             g_file_test (options->output, G_FILE_TEST_IS_DIR));

  if (options->jobs->len > 1 && options->mux) {
    g_printerr ("neva-caption: --mux takes one video\n");
    return FALSE;
  }
  if (options->jobs->len > 1 && subtitles && !folder) {
    g_printerr ("neva-caption: subtitles of several videos need -o FOLDER, and "
                "the folder must be there\n");
    return FALSE;
  }
  return !subtitles || check_once (options);
}

static gboolean
check_resume (const Options *options)
{
  if (!options->resume || (options->output && !options->mux))
    return TRUE;
  g_printerr ("neva-caption: --resume goes on with what -o wrote, and not with "
              "--mux\n");
  return FALSE;
}

static gboolean
check (Options *options, const Raw *raw)
{
  if (!make_jobs (options, raw) || !model_options_check (&options->model) ||
      !parse_format (raw->format, options->output, &options->format))
    return FALSE;

  if (!raw->window && (options->mux || options->format == FORMAT_SRT ||
                          options->format == FORMAT_VTT))
    options->window = SUBTITLE_WINDOW;
  if (!duration_option ("window", raw->window, &options->window) ||
      !duration_option ("overlap", raw->overlap, &options->overlap))
    return FALSE;
  if (options->overlap > 0 && options->overlap >= options->window) {
    g_printerr ("neva-caption: --overlap must be less than --window\n");
    return FALSE;
  }
  return check_several (options) && check_resume (options);
}

/* ---- The command line --------------------------------------------------- */

static const char description[] =
    "Formats:\n"
    "  text  one line for each window, with its time; without windows the\n"
    "        caption alone (several videos: after the video's name)\n"
    "  srt, vtt  subtitles\n"
    "  json  one object a line: file, start, end (seconds), text, frames\n"
    "        (seconds of the frames that the model saw), prompt, model, "
    "finish\n"
    "        (\"stop\" or \"length\"), tokens, prompt_tokens, mean_logprob\n"
    "\n"
    "The model is -m, else NEVA_MODEL, else the demo model.\n"
    "\n"
    "Exit status:\n"
    "  0  every video was captioned\n"
    "  1  something failed that is none of these\n"
    "  2  the command line makes no sense\n"
    "  3  a video cannot be read, or a plugin for it is missing\n"
    "  4  the model cannot be loaded or refused the question\n"
    "  5  the result cannot be written\n"
    "  130  interrupted by Ctrl-C; captions made so far are kept\n"
    "Of several videos that fail, the first one's status; the others are "
    "still\n"
    "captioned.\n"
    "\n"
    "As several processes (mpirun, srun) the program divides the videos among\n"
    "groups of tensor x pipeline parallel processes.\n";

static GOptionContext *
make_context (Options *o, Raw *raw)
{
  const GOptionEntry entries[] = {
      {"prompt", 'p', 0, G_OPTION_ARG_STRING_ARRAY, &raw->prompts,
          "Question about each window (again: another one)", "TEXT"},
      {"list", 'l', 0, G_OPTION_ARG_FILENAME, &raw->list,
          "JSON lines {\"file\": …, \"prompt\": …}, also \"video\" and "
          "\"question\"; paths from here or from the list's folder",
          "FILE"},
      {"window", 'w', 0, G_OPTION_ARG_STRING, &raw->window,
          "Length of a window (default: the whole video; 4s for subtitles)",
          "TIME"},
      {"overlap", 0, 0, G_OPTION_ARG_STRING, &raw->overlap,
          "How much of a window the next one covers again", "TIME"},
      {"num-frames", 'n', 0, G_OPTION_ARG_INT, &o->num_frames,
          "Frames of a window that the model sees (default 8)", "N"},
      {"mode", 0, 0, G_OPTION_ARG_STRING, &o->mode,
          "Which frames: uniform, first, middle, last", "MODE"},
      {"format", 'f', 0, G_OPTION_ARG_STRING, &raw->format,
          "text, srt, vtt or json (default: by the name of -o, else text)",
          "FORMAT"},
      {"output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output,
          "Write there; a folder for subtitles of several videos", "FILE"},
      {"resume", 0, 0, G_OPTION_ARG_NONE, &o->resume,
          "Go on with what a run with the same options left unfinished in -o",
          NULL},
      {"mux", 0, 0, G_OPTION_ARG_FILENAME, &o->mux,
          "Matroska copy of the video with the captions as a subtitle track",
          "OUT.mkv"},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &o->quiet, "No progress bar", NULL},
      {"version", 0, 0, G_OPTION_ARG_NONE, &raw->version, "Print the version",
          NULL},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->files, NULL,
          "VIDEO…"},
      {NULL}};
  GOptionContext *context = g_option_context_new (NULL);

  g_option_context_set_summary (
      context, "Captions videos with a video language model.");
  g_option_context_set_description (context, description);
  g_option_context_add_main_entries (context, entries, NULL);
  model_options_add (&o->model, context);
  answer_options_add (&o->answer, context);
  g_option_context_add_group (context, gst_init_get_option_group ());
  return context;
}

gboolean
options_parse (Options *options, int argc, char **argv, ExitCode *code)
{
  Raw raw = {0};
  g_autoptr (GOptionContext) context = NULL;
  g_autoptr (GError) error = NULL;
  gboolean ok;

  *options = (Options){
      .jobs = g_ptr_array_new_with_free_func (job_free), .num_frames = -1};
  model_options_init (&options->model);
  answer_options_init (&options->answer);
  context = make_context (options, &raw);
  *code = EXIT_USAGE;
  ok = g_option_context_parse (context, &argc, &argv, &error);
  if (!ok) {
    g_printerr ("neva-caption: %s\n", error->message);
  } else if (raw.version) {
    g_print ("neva-caption " NEVA_VERSION "\n");
    *code = EXIT_DONE;
    ok = FALSE;
  } else {
    ok = check (options, &raw);
  }
  if (ok && !model_options_find (&options->model)) {
    *code = EXIT_MODEL;
    ok = FALSE;
  }
  g_free (raw.format);
  g_free (raw.window);
  g_free (raw.overlap);
  g_free (raw.list);
  g_strfreev (raw.prompts);
  g_strfreev (raw.files);
  return ok;
}

char *
options_describe (const Options *o)
{
  const ModelOptions *m = &o->model;
  const AnswerOptions *a = &o->answer;
  const struct {
    const char *name, *value;
  } words[] = {{"base-model", m->base_model}, {"vision-tower", m->vision_tower},
      {"lora", m->lora}, {"system-prompt", a->system_prompt},
      {"template", a->conv_template}, {"weights", m->weights},
      {"mode", o->mode}, {"json-schema", a->json_schema},
      {"grammar", a->grammar}};
  const struct {
    const char *name;
    double value, none; /* up to which it is not set */
  } numbers[] = {{"window", (double) o->window / GST_SECOND, 0},
      {"overlap", (double) o->overlap / GST_SECOND, 0},
      {"num-frames", o->num_frames, -1}, {"max-tokens", a->max_tokens, -1},
      {"context-length", m->context_length, -1},
      {"temperature", a->temperature, -1}, {"top-p", a->top_p, -1},
      {"top-k", a->top_k, -1}, {"seed", (double) a->seed, -1}};
  GString *text = g_string_new (NULL);

  g_string_printf (
      text, "--model %s --format %s", m->model, format_names[o->format]);
  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    if (words[i].value)
      g_string_append_printf (text, " --%s %s", words[i].name, words[i].value);
  for (char **choices = a->choices; choices && *choices; choices++)
    g_string_append_printf (text, " --choices %s", *choices);
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    if (numbers[i].value > numbers[i].none)
      g_string_append_printf (
          text, " --%s %.17g", numbers[i].name, numbers[i].value);
  return g_string_free (text, FALSE);
}

void
options_clear (Options *options)
{
  g_ptr_array_unref (options->jobs);
  g_free (options->output);
  g_free (options->mux);
  g_free (options->mode);
  model_options_clear (&options->model);
  answer_options_clear (&options->answer);
}
