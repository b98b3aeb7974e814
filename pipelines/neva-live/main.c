/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-live URI…: any number of cameras and files, captioned as they run by one
 * model. See options.c for the command line. */
#include "config.h"
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include "http.h"
#include "load.h"
#include "model.h"
#include "stream.h"
#include "terminal.h"
#include "common/paths.h"

#define DRAW_MS 100
#define SAMPLE_MS 1000
#define LOADING_POLL (100 * GST_MSECOND)

typedef struct {
  const Options *options;
  GMainLoop *loop;
  Hub *hub;
  Model *model;
  Http *http; /* NULL without --http */
  Terminal *terminal;
  LoadMeter meter;
  GPtrArray *streams; /* Stream */
  guint going;        /* streams that are not done */
  ExitCode code;
  gboolean interrupted;
} App;

typedef struct {
  App *app;
  ExitCode code;
} Done;

/* ---- What happens ------------------------------------------------------- */

/* The first Ctrl-C ends in good order; the second one at once. */
static gboolean
on_interrupt (gpointer data)
{
  App *app = data;

  app->interrupted = TRUE;
  g_main_loop_quit (app->loop);
  signal (SIGINT, SIG_DFL);
  signal (SIGTERM, SIG_DFL);
  return G_SOURCE_REMOVE;
}

static gboolean
on_done_in_main (gpointer data)
{
  const Done *done = data;
  App *app = done->app;

  if (app->code == EXIT_DONE && done->code != EXIT_INTERRUPTED)
    app->code = done->code;
  if (--app->going == 0 && !app->options->http)
    g_main_loop_quit (app->loop);
  return G_SOURCE_REMOVE;
}

static void
on_done (guint index, ExitCode code, gpointer data)
{
  Done *done = g_new (Done, 1);

  *done = (Done){data, code};
  g_main_context_invoke_full (
      NULL, G_PRIORITY_DEFAULT, on_done_in_main, done, g_free);
}

static gboolean
on_draw (gpointer data)
{
  App *app = data;
  g_autoptr (GError) error = NULL;

  if (terminal_update (app->terminal, &error))
    return G_SOURCE_CONTINUE;
  g_printerr ("neva-live: %s\n", error->message);
  app->code = EXIT_OUTPUT;
  g_main_loop_quit (app->loop);
  return G_SOURCE_REMOVE;
}

static gboolean
on_sample (gpointer data)
{
  App *app = data;
  HubLoad load = {0};

  load_measure (&app->meter, &load);
  model_measure (app->model, &load);
  hub_sample (app->hub, &load);
  return G_SOURCE_CONTINUE;
}

/* ---- The run ------------------------------------------------------------ */

/* The page is there while the model is loaded. */
static ExitCode
load_model (App *app)
{
  ModelState state = MODEL_LOADING;
  g_autofree char *message = NULL;

  if (!(app->model = model_new (app->options)))
    return EXIT_FAILED;
  while (state == MODEL_LOADING && !app->interrupted) {
    int percent = 0;

    state = model_wait (app->model, LOADING_POLL, &percent, &message);
    terminal_loading (app->terminal, state == MODEL_LOADING ? percent : 100);
    while (g_main_context_iteration (NULL, FALSE))
      continue;
  }
  if (state != MODEL_UNUSABLE)
    return EXIT_DONE;
  g_printerr ("neva-live: %s\n", message);
  return EXIT_MODEL;
}

static void
play (App *app)
{
  const guint draw = g_timeout_add (DRAW_MS, on_draw, app);
  const guint sample = g_timeout_add (SAMPLE_MS, on_sample, app);
  g_autoptr (GError) error = NULL;

  app->streams = g_ptr_array_new_with_free_func ((GDestroyNotify) stream_free);
  app->going = app->options->sources->len;
  for (guint i = 0; i < app->options->sources->len; i++)
    g_ptr_array_add (app->streams, stream_new (app->hub, i, on_done, app));
  g_main_loop_run (app->loop);
  for (guint i = 0; i < app->streams->len; i++)
    stream_stop (app->streams->pdata[i]);
  g_ptr_array_unref (app->streams);
  /* what came last is shown, too */
  terminal_update (app->terminal, &error);
  g_source_remove (sample);
  if (app->code != EXIT_OUTPUT)
    g_source_remove (draw);
  while (g_main_context_iteration (NULL, FALSE))
    continue;
}

static void
run (App *app)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *url = NULL;

  if (app->options->http) {
    app->http = http_new (app->hub, &error);
    if (!app->http) {
      g_printerr ("neva-live: %s\n", error->message);
      app->code = EXIT_OUTPUT;
      return;
    }
    url = http_url (app->http);
    g_printerr ("neva-live: page: %s\n", url);
  }
  app->code = load_model (app);
  if (app->code == EXIT_DONE && !app->interrupted)
    play (app);
}

int
main (int argc, char **argv)
{
  Options options;
  App app = {.options = &options};
  ExitCode code;
  g_autoptr (GError) error = NULL;

  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");
  if (!options_parse (&options, argc, argv, &code)) {
    options_clear (&options);
    return code;
  }
  code = EXIT_FAILED;
  if (!paths_find_plugin (&error)) {
    g_printerr ("neva-live: %s\n", error->message);
  } else {
    app.loop = g_main_loop_new (NULL, FALSE);
    app.hub = hub_new (&options);
    app.terminal = terminal_new (app.hub, options.quiet);
    g_unix_signal_add (SIGINT, on_interrupt, &app);
    g_unix_signal_add (SIGTERM, on_interrupt, &app);
    signal (SIGPIPE, SIG_IGN); /* a closed pipe is a write error */
    run (&app);
    code = app.interrupted ? EXIT_INTERRUPTED : app.code;
    g_clear_pointer (&app.http, http_free);
    g_clear_pointer (&app.model, model_free);
    terminal_free (app.terminal);
    hub_free (app.hub);
    g_main_loop_unref (app.loop);
  }
  options_clear (&options);
  gst_deinit (); /* reports what is left, when the leaks tracer runs */
  return code;
}
