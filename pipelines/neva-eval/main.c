/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-eval key=value…: NeMo's neva_evaluation.py. See options.c. */
#include "config.h"
#include <gst/gst.h>
#include <locale.h>
#include <signal.h>
#include <stdlib.h>
#include <unistd.h>
#include "common/paths.h"
#include "console.h"
#include "work.h"

/* What lives as long as the program runs. */
typedef struct {
  Options options;
  GCancellable *cancellable;
  gint interrupted; /* atomic */
  guint problems;   /* lines that are no records */
  NevaMediaStore *store;
  NevaPromptFile *file;
  NevaModel *model;
  gsize *place;   /* [length] */
  gboolean *done; /* [length] */
} App;

/* The first Ctrl-C ends the work in good order; the second one the program. */
static gpointer
watch_signals (gpointer data)
{
  App *app = data;
  sigset_t set;
  int got;

  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  while (sigwait (&set, &got) == 0) {
    if (g_atomic_int_get (&app->interrupted))
      _exit (EXIT_INTERRUPTED);
    g_atomic_int_set (&app->interrupted, TRUE);
    g_cancellable_cancel (app->cancellable);
  }
  return NULL;
}

/* Before any other thread starts: they inherit the mask. */
static void
block_signals (App *app)
{
  sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  signal (SIGPIPE, SIG_IGN); /* a closed pipe is a write error */
  g_thread_unref (g_thread_new ("neva-signals", watch_signals, app));
}

static void
on_problem (const GError *problem, gpointer user_data)
{
  App *app = user_data;

  app->problems++;
  console_complain ("%s", problem->message);
}

static void
on_loading (double fraction, gpointer user_data)
{
  const App *app = user_data;

  console_progress (
      fraction, "loading the model", app->options.neva_model_file, 0);
}

static gboolean
open_model (App *app, GError **error)
{
  const Options *o = &app->options;
  const NevaModelOptions options = {.base_model = o->base_model_file,
      .vision_tower = o->vision_tower,
      .weights = o->weights,
      .device = o->device,
      .threads = o->threads,
      .context_length = o->context_length};

  if (o->tensor_parallel * o->pipeline_parallel != 1)
    console_complain ("tensor_model_parallel_size=%u, "
                      "pipeline_model_parallel_size=%u: one process computes "
                      "everything here",
        o->tensor_parallel, o->pipeline_parallel);
  app->model = neva_model_open (
      o->neva_model_file, &options, on_loading, app, app->cancellable, error);
  return app->model != NULL;
}

static ExitCode
run_work (App *app, Output *output)
{
  Work *work = work_new (&app->options, app->model, app->file, app->store,
      app->done, output, app->cancellable);
  g_autoptr (GError) error = NULL;
  guint failures;
  gsize group;

  while (!g_cancellable_is_cancelled (app->cancellable) &&
         work_next (work, &group))
    work_run_group (work, group);
  failures = work_finish (work);
  work_free (work);
  if (!output_close (output, &error)) {
    console_complain ("%s", error->message);
    return EXIT_OUTPUT;
  }
  if (g_atomic_int_get (&app->interrupted))
    return EXIT_INTERRUPTED;
  return failures > 0 || app->problems > 0 ? EXIT_INPUT : EXIT_DONE;
}

/* What can be wrong without a model is found before one is loaded. */
static ExitCode
evaluate (App *app)
{
  const Options *o = &app->options;
  g_autoptr (GError) error = NULL;
  ExitCode code = EXIT_USAGE;
  Output *output = NULL;
  gsize n, n_groups;

  app->file = neva_prompt_file_read (
      o->prompt_file, &o->rules, on_problem, app, &error);
  if (app->file)
    app->store = neva_media_store_open (o->media_base_path, &error);
  if (app->store) {
    n = neva_prompt_file_length (app->file);
    app->place = g_new (gsize, n + 1);
    app->done = g_new0 (gboolean, n + 1);
    g_free (work_group (app->file, o->grouped, app->place, &n_groups));
    code = EXIT_MODEL;
    if (open_model (app, &error)) {
      code = EXIT_OUTPUT;
      output = output_new (o->output_file, app->file, o->neva_model_file,
          app->place, o->resume, app->done, app->cancellable, &error);
    }
  }
  if (output)
    return run_work (app, output);
  if (g_atomic_int_get (&app->interrupted))
    return EXIT_INTERRUPTED;
  console_complain ("%s", error->message);
  return code;
}

int
main (int argc, char **argv)
{
  App app = {.cancellable = NULL};
  ExitCode code;

  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");
  g_set_prgname ("neva-eval");
  if (!options_parse (&app.options, argc, argv, &code)) {
    options_clear (&app.options);
    return code;
  }
  app.cancellable = g_cancellable_new ();
  block_signals (&app);
  console_init (app.options.quiet);
  gst_init (NULL, NULL);
  code = paths_find_plugin () ? evaluate (&app) : EXIT_FAILED;
  console_finish ();

  g_clear_pointer (&app.model, neva_model_unref);
  g_clear_pointer (&app.file, neva_prompt_file_free);
  g_clear_pointer (&app.store, neva_media_store_free);
  g_free (app.place);
  g_free (app.done);
  options_clear (&app.options);
  return code;
}
