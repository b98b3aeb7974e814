/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-caption VIDEO…: captions on standard output, in a file, or as a subtitle
 * track. See options.c for the command line. */
#include "config.h"
#include <gio/gio.h>
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include "app.h"
#include "common/console.h"
#include "common/paths.h"
#include "common/ranks.h"
#include "gstnevamodel.h"
#include "work.h"

char *
app_uri (const char *file, GError **error)
{
  if (gst_uri_is_valid (file) && strstr (file, "://"))
    return g_strdup (file);
  if (!g_file_test (file, G_FILE_TEST_EXISTS)) {
    g_set_error (error, G_FILE_ERROR, G_FILE_ERROR_NOENT, "no such file");
    return NULL;
  }
  return gst_filename_to_uri (file, error);
}

gboolean
app_stopped (const App *app)
{
  return app->interrupted || g_cancellable_is_cancelled (app->cancellable);
}

/* The first Ctrl-C ends the work in good order; the second one the program. */
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

static void
watch_signals (App *app)
{
  g_unix_signal_add (SIGINT, on_interrupt, app);
  g_unix_signal_add (SIGTERM, on_interrupt, app);
  signal (SIGPIPE, SIG_IGN); /* a closed pipe is a write error */
}

static void
subtitle_clear (gpointer data)
{
  g_free (((Subtitle *) data)->text);
}

static ExitCode
add_track (App *app, ExitCode code)
{
  const gboolean interrupted = app->interrupted;
  const Job *job = app->options->jobs->pdata[0];
  ExitCode own = EXIT_DONE;

  /* the one video is process 0's */
  if (app->options->mux && app->parallel.group == 0 && app->captions > 0)
    own = mux_file (app, job->file);
  app->interrupted |= interrupted;
  return code == EXIT_DONE ? own : code;
}

/* All leaders together. lost: out: MPI cannot end in good order. */
static ExitCode
caption_all (App *app, gboolean *lost)
{
  GError *own = NULL;
  g_autoptr (GError) error = NULL;
  ExitCode code;

  code = paths_find_plugin (&own) ? EXIT_OUTPUT : EXIT_FAILED;
  app->work = work_new (app, own, &error);
  if (!app->work) {
    console_complain ("%s", error->message);
    return g_error_matches (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT)
               ? EXIT_USAGE
               : code;
  }
  work_run (app->work);
  code = add_track (app, work_finish (app->work, lost));
  return app->interrupted ? EXIT_INTERRUPTED : code;
}

static gboolean
same_file (const char *a, const char *b)
{
  g_autoptr (GFile) x = g_file_new_for_commandline_arg (a);
  g_autoptr (GFile) y = g_file_new_for_commandline_arg (b);

  return g_file_equal (x, y);
}

static gboolean
writes_over_input (const Options *o)
{
  for (guint i = 0; i < o->jobs->len; i++) {
    const Job *job = o->jobs->pdata[i];

    if ((o->mux && same_file (o->mux, job->file)) ||
        (o->output && same_file (o->output, job->file))) {
      g_printerr ("neva-caption: the result would overwrite %s\n", job->file);
      return TRUE;
    }
  }
  return FALSE;
}

typedef struct {
  Options *options;
  ExitCode *code;
} Parse;

static gboolean
parse (int argc, char **argv, gpointer data)
{
  Parse *p = data;

  if (!options_parse (p->options, argc, argv, p->code))
    return FALSE;
  *p->code = EXIT_USAGE;
  return !writes_over_input (p->options);
}

/* What elements need to know of several processes. */
static void
make_team (App *app)
{
  if (app->parallel.size < 2)
    return;
  app->team = gst_context_new (GST_NEVA_TEAM_CONTEXT, TRUE);
  gst_structure_set (gst_context_writable_structure (app->team), "version",
      G_TYPE_STRING, NEVA_VERSION, "team", G_TYPE_POINTER,
      neva_parallel_get_team (), NULL);
}

static ExitCode
lead (App *app, gboolean *lost)
{
  const Options *o = app->options;
  ExitCode code;

  app->loop = g_main_loop_new (NULL, FALSE);
  app->cancellable = g_cancellable_new ();
  console_init (o->quiet || app->parallel.rank > 0, "caption");
  if (app->parallel.rank > 0)
    console_forward (NULL, NULL);
  make_team (app);
  if (o->mux) {
    app->subtitles = g_array_new (FALSE, FALSE, sizeof (Subtitle));
    g_array_set_clear_func (app->subtitles, subtitle_clear);
  }
  watch_signals (app);
  code = caption_all (app, lost);
  g_clear_pointer (&app->model, gst_context_unref);
  g_clear_pointer (&app->team, gst_context_unref);
  g_clear_pointer (&app->subtitles, g_array_unref);
  g_main_loop_unref (app->loop);
  g_object_unref (app->cancellable);
  return code;
}

int
main (int argc, char **argv)
{
  Options options;
  App app = {.options = &options};
  gboolean lost = FALSE;
  ExitCode code;

  setlocale (LC_ALL, "");
  setlocale (LC_NUMERIC, "C");
  g_set_prgname ("neva-caption");
  if (!ranks_parse (parse, argc, argv, &(Parse){&options, &code})) {
    options_clear (&options);
    return code;
  }
  if (!ranks_join ((guint) MAX (options.model.tensor_parallel, 1),
          (guint) MAX (options.model.pipeline_parallel, 1), EXIT_USAGE,
          &app.parallel)) {
    options_clear (&options);
    return EXIT_USAGE;
  }
  if (!app.parallel.leads) {
    options_clear (&options);
    return ranks_serve (&app.parallel, EXIT_FAILED);
  }
  if (options.model.threads < 0 && app.parallel.threads > 0)
    options.model.threads = (gint) app.parallel.threads;
  code = lead (&app, &lost);
  options_clear (&options);
  neva_parallel_stop (!lost, code);
  gst_deinit (); /* reports what is left, when the leaks tracer runs */
  return app.parallel.rank > 0 && !lost ? EXIT_DONE : code;
}
