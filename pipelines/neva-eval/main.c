/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-eval key=value…: NeMo's neva_evaluation.py. See options.c. */
#include "config.h"
#include <gst/gst.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include "common/console.h"
#include "common/paths.h"
#include "common/ranks.h"
#include "common/share.h"
#include "quantize.h"
#include "work.h"

/* What lives as long as the program runs. */
typedef struct {
  Options options;
  NevaParallel parallel;
  gboolean broken; /* the other processes are not waited for */
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
  const Quantize how = {o, app->file, app->store,
      o->threads ? o->threads : app->parallel.threads, app->cancellable};
  /* trainer.precision is about numbers, not about codes */
  const gboolean codes =
      !o->weights_given && neva_model_is_quantized (o->neva_model_file);
  const NevaModelOptions options = {.base_model = o->base_model_file,
      .vision_tower = o->vision_tower,
      .lora = o->lora,
      .weights = codes ? NEVA_WEIGHTS_AUTO : o->weights,
      .device = o->device,
      .threads = o->threads ? o->threads : app->parallel.threads,
      .context_length = o->context_length,
      .tensor_parallel = o->tensor_parallel,
      .pipeline_parallel = o->pipeline_parallel};

  app->model = o->quantize ? quantize_and_open (&how, error)
                           : neva_model_open (o->neva_model_file, &options,
                                 on_loading, app, app->cancellable, error);
  return app->model != NULL;
}

/* That each file was decoded and each frame encoded once. Of several groups
 * this process knows its own share alone. */
static void
print_counts (const App *app, const Work *work, Output *output)
{
  g_autofree char *text = NULL;
  NevaStats stats;

  if (app->options.quiet || app->parallel.groups > 1)
    return;
  neva_model_get_stats (app->model, &stats);
  text = g_strdup_printf (
      "neva-eval: %u rows; %u files decoded, %" G_GUINT64_FORMAT
      " frames encoded\n",
      output_count (output), work_decoded (work), stats.frames_encoded);
  console_print (text, TRUE);
}

static ExitCode
run_work (App *app, Output *output, Share *share)
{
  Work *work = work_new (&app->options, app->model, app->file, app->store,
      app->done, FALSE, output, app->cancellable);
  g_autoptr (GError) error = NULL;
  guint failures;
  gsize group;

  while (!g_cancellable_is_cancelled (app->cancellable) &&
         work_next (work, &group))
    if (group % app->parallel.groups == app->parallel.group)
      work_run_group (work, group);
  failures = work_finish (work);
  print_counts (app, work, output);
  work_free (work);
  /* when writing failed, nobody wants the others' rows */
  app->broken = g_cancellable_is_cancelled (app->cancellable) &&
                !g_atomic_int_get (&app->interrupted);
  if (app->broken)
    share_stop (share);
  else
    failures += share_finish (share, failures);
  app->broken |= share_lost (share);
  if (!output_close (output, &error)) {
    app->broken = TRUE;
    console_complain ("%s", error->message);
    return EXIT_OUTPUT;
  }
  if (g_atomic_int_get (&app->interrupted))
    return EXIT_INTERRUPTED;
  return failures > 0 || app->problems > 0 ? EXIT_INPUT : EXIT_DONE;
}

/* What can be wrong without a model is found before one is loaded. */
static gboolean
prepare (App *app, ExitCode *code, GError **error)
{
  const Options *o = &app->options;
  gsize n, n_groups;

  *code = EXIT_FAILED;
  if (!paths_find_plugin (error))
    return FALSE;
  *code = EXIT_USAGE;
  app->file =
      neva_prompt_file_read (o->prompt_file, &o->rules, on_problem, app, error);
  if (!app->file ||
      !(app->store = neva_media_store_open (o->media_base_path, error)))
    return FALSE;
  n = neva_prompt_file_length (app->file);
  app->place = g_new (gsize, n + 1);
  app->done = g_new0 (gboolean, n + 1);
  g_free (work_group (app->file, o->grouped, app->place, &n_groups));
  *code = EXIT_MODEL;
  return open_model (app, error);
}

/* A row of another process. */
static void
take_row (gsize index, char *row, gpointer output)
{
  if (row)
    output_add (output, index, row);
  else
    output_skip (output, index);
}

/* Process 0 writes for all. */
static Output *
open_output (App *app, Share *share, GError **error)
{
  const Options *o = &app->options;

  if (app->parallel.group > 0)
    return output_new_elsewhere (share_send, share);
  return output_new (o->output_file, app->file, o->neva_model_file, app->place,
      o->resume, app->done, app->cancellable, error);
}

static ExitCode
evaluate (App *app)
{
  GError *own = NULL;
  g_autoptr (GError) error = NULL;
  ExitCode code;
  Output *output = NULL;
  Share *share = NULL;
  gboolean ok;

  prepare (app, &code, &own);
  ok = neva_parallel_agree (own, &error);
  if (ok) {
    own = NULL;
    code = EXIT_OUTPUT;
    share = share_new (&app->parallel, app->cancellable);
    output = open_output (app, share, &own);
    ok = neva_parallel_agree (own, &error) &&
         neva_parallel_share (app->done,
             neva_prompt_file_length (app->file) * sizeof *app->done, &error);
  }
  if (ok) {
    share_start (share, take_row, output);
    code = run_work (app, output, share);
  } else if (g_atomic_int_get (&app->interrupted)) {
    code = EXIT_INTERRUPTED;
  } else {
    console_complain ("%s", error->message);
  }
  if (!ok && output)
    output_close (output, NULL);
  share_free (share);
  return code;
}

typedef struct {
  Options *options;
  ExitCode *code;
} Parse;

static gboolean
parse (int argc, char **argv, gpointer data)
{
  Parse *p = data;

  return options_parse (p->options, argc, argv, p->code);
}

int
main (int argc, char **argv)
{
  App app = {.cancellable = NULL};
  ExitCode code;

  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");
  g_set_prgname ("neva-eval");
  if (!ranks_parse (parse, argc, argv, &(Parse){&app.options, &code})) {
    options_clear (&app.options);
    return code;
  }
  if (!ranks_join (app.options.tensor_parallel, app.options.pipeline_parallel,
          EXIT_USAGE, &app.parallel)) {
    options_clear (&app.options);
    return EXIT_USAGE;
  }
  if (!app.parallel.leads) {
    options_clear (&app.options);
    return ranks_serve (&app.parallel, EXIT_FAILED);
  }
  app.cancellable = g_cancellable_new ();
  block_signals (&app);
  console_init (app.options.quiet || app.parallel.rank > 0, "row");
  if (app.parallel.rank > 0)
    console_forward (NULL, NULL);
  gst_init (NULL, NULL);
  code = evaluate (&app);
  console_finish ();

  g_clear_pointer (&app.model, neva_model_unref);
  g_clear_pointer (&app.file, neva_prompt_file_free);
  g_clear_pointer (&app.store, neva_media_store_free);
  g_free (app.place);
  g_free (app.done);
  options_clear (&app.options);
  neva_parallel_stop (!app.broken, code);
  return app.parallel.rank > 0 && !app.broken ? EXIT_DONE : code;
}
