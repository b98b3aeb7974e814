/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-convert FROM TO: a checkpoint of any readable format as a Hugging Face
 * folder or as a .nemo archive. */
#include "config.h"
#include <glib-unix.h>
#include <locale.h>
#include <neva/convert.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

/* What the program ends with; also in --help. */
typedef enum {
  EXIT_DONE = 0,
  EXIT_FAILED = 1, /* the source cannot be used or the result not written */
  EXIT_USAGE = 2,
  EXIT_INTERRUPTED = 130
} ExitCode;

typedef struct {
  char *base_model, *vision_tower, *lora, *format, *vision_name, **files;
  gint tp, pp;
  gdouble shard_gb;
  gboolean overwrite, quiet, version;
} Raw;

static const char description[] =
    "FROM is a Hugging Face LLaVA folder, a .nemo file or its extracted "
    "folder.\n"
    "TO that ends in .nemo becomes an archive with Megatron-core's names; "
    "anything\n"
    "else a folder that transformers reads. What is at TO stays as it is "
    "unless\n"
    "--overwrite is given.\n"
    "\n"
    "An archive only names its vision tower: it is written beside it, as "
    "NAME-vision,\n"
    "unless --vision-name says what the archive shall call it.\n"
    "\n"
    "Exit status:\n"
    "  0  done\n"
    "  1  the source cannot be read, or the result not written\n"
    "  2  the command line makes no sense\n"
    "  130  interrupted by Ctrl-C; nothing is left behind\n";

static volatile sig_atomic_t interrupted;
static gint shown = -1; /* percent */

static void
on_signal (int number)
{
  (void) number;
  interrupted = 1;
}

static void
on_progress (double fraction, gpointer user_data)
{
  GCancellable *cancellable = user_data;
  const gint percent = (gint) (fraction * 100);

  if (interrupted)
    g_cancellable_cancel (cancellable);
  if (shown < 0 || percent == shown)
    return;
  shown = percent;
  g_printerr ("\r%3d %%", percent);
}

static void
end_line (void)
{
  if (shown > 0)
    g_printerr ("\r\033[K");
}

static void
on_note (const char *text, gpointer user_data)
{
  (void) user_data;
  end_line ();
  g_printerr ("neva-convert: note: %s\n", text);
}

static gboolean
parse (Raw *raw, int *argc, char ***argv)
{
  const GOptionEntry entries[] = {
      {"to", 't', 0, G_OPTION_ARG_STRING, &raw->format,
          "hf or nemo (default: by the name of TO)", "FORMAT"},
      {"base-model", 0, 0, G_OPTION_ARG_FILENAME, &raw->base_model,
          "Language model of a .nemo that holds a projector alone", "NEMO"},
      {"vision-tower", 0, 0, G_OPTION_ARG_FILENAME, &raw->vision_tower,
          "Hugging Face folder of the vision tower that a .nemo names",
          "FOLDER"},
      {"lora", 0, 0, G_OPTION_ARG_FILENAME, &raw->lora,
          "Adapters (.nemo) to merge into the language model", "NEMO"},
      {"tp", 0, 0, G_OPTION_ARG_INT, &raw->tp,
          "Tensor-parallel ranks of the .nemo (default 1)", "N"},
      {"pp", 0, 0, G_OPTION_ARG_INT, &raw->pp,
          "Pipeline-parallel ranks of the .nemo (default 1)", "N"},
      {"vision-name", 0, 0, G_OPTION_ARG_STRING, &raw->vision_name,
          "What the .nemo calls its vision tower, instead of writing it",
          "NAME"},
      {"shard-size", 0, 0, G_OPTION_ARG_DOUBLE, &raw->shard_gb,
          "Most gigabytes of one safetensors file (default 5)", "GB"},
      {"overwrite", 0, 0, G_OPTION_ARG_NONE, &raw->overwrite,
          "Replace what is at TO", NULL},
      {"quiet", 'q', 0, G_OPTION_ARG_NONE, &raw->quiet, "No progress", NULL},
      {"version", 0, 0, G_OPTION_ARG_NONE, &raw->version, "Print the version",
          NULL},
      {G_OPTION_REMAINING, 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &raw->files, NULL,
          "FROM TO"},
      {NULL}};
  g_autoptr (GOptionContext) context = g_option_context_new (NULL);
  g_autoptr (GError) error = NULL;

  g_option_context_set_summary (
      context, "Converts checkpoints between NeMo and Hugging Face.");
  g_option_context_set_description (context, description);
  g_option_context_add_main_entries (context, entries, NULL);
  if (g_option_context_parse (context, argc, argv, &error))
    return TRUE;
  g_printerr ("neva-convert: %s\n", error->message);
  return FALSE;
}

/* FALSE with a message. */
static gboolean
read_format (const Raw *raw, NevaFormat *format)
{
  const char *to = raw->files[1];

  if (!raw->format)
    *format = g_str_has_suffix (to, ".nemo") ? NEVA_FORMAT_NEMO
                                             : NEVA_FORMAT_HUGGINGFACE;
  else if (g_str_equal (raw->format, "hf"))
    *format = NEVA_FORMAT_HUGGINGFACE;
  else if (g_str_equal (raw->format, "nemo"))
    *format = NEVA_FORMAT_NEMO;
  else {
    g_printerr ("neva-convert: --to %s: hf or nemo is expected\n", raw->format);
    return FALSE;
  }
  return TRUE;
}

static gboolean
check (const Raw *raw)
{
  if (!raw->files || g_strv_length (raw->files) != 2) {
    g_printerr ("neva-convert: FROM and TO are expected; see --help\n");
    return FALSE;
  }
  if (raw->tp < 1 || raw->pp < 1 ||
      !(raw->shard_gb > 0 && raw->shard_gb < 1e6)) {
    g_printerr ("neva-convert: --tp, --pp and --shard-size are positive\n");
    return FALSE;
  }
  return TRUE;
}

static ExitCode
run (const Raw *raw)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  NevaConvertOptions options = {.base_model = raw->base_model,
      .vision_tower = raw->vision_tower,
      .lora = raw->lora,
      .overwrite = raw->overwrite,
      .shard_bytes = (guint64) (raw->shard_gb * 1e9),
      .tensor_parallel = (guint) raw->tp,
      .pipeline_parallel = (guint) raw->pp,
      .vision_name = raw->vision_name,
      .note = on_note,
      .progress = on_progress,
      .user_data = cancellable,
      .cancellable = cancellable};

  if (!check (raw) || !read_format (raw, &options.format))
    return EXIT_USAGE;
  shown = !raw->quiet && isatty (STDERR_FILENO) ? 0 : -1;
  signal (SIGINT, on_signal);
  signal (SIGTERM, on_signal);
  if (neva_convert (raw->files[0], raw->files[1], &options, &error)) {
    end_line ();
    return EXIT_DONE;
  }
  end_line ();
  if (g_error_matches (error, NEVA_ERROR, NEVA_ERROR_CANCELLED))
    return EXIT_INTERRUPTED;
  g_printerr ("neva-convert: %s\n", error->message);
  return EXIT_FAILED;
}

static void
raw_clear (Raw *raw)
{
  g_free (raw->base_model);
  g_free (raw->vision_tower);
  g_free (raw->lora);
  g_free (raw->format);
  g_free (raw->vision_name);
  g_strfreev (raw->files);
}

int
main (int argc, char **argv)
{
  Raw raw = {.tp = 1, .pp = 1, .shard_gb = 5};
  ExitCode code = EXIT_USAGE;

  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");
  if (parse (&raw, &argc, &argv)) {
    if (raw.version) {
      g_print ("neva-convert " NEVA_VERSION "\n");
      code = EXIT_DONE;
    } else {
      code = run (&raw);
    }
  }
  raw_clear (&raw);
  return code;
}
