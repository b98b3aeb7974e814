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
#include "common/paths.h"

void
app_complain (App *app, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  progress_hide (&app->progress);
  g_printerr ("neva-caption: %s\n", text);
}

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
run_jobs (App *app)
{
  const GPtrArray *jobs = app->options->jobs;
  ExitCode first = EXIT_DONE;

  for (guint i = 0; i < jobs->len && !app->interrupted; i++) {
    const ExitCode code = caption_job (app, jobs->pdata[i]);

    if (first == EXIT_DONE)
      first = code;
    /* what would fail alike for every other video */
    if (code == EXIT_OUTPUT || code == EXIT_FAILED ||
        (code == EXIT_MODEL && app->captions == 0))
      break;
  }
  if (app->options->mux && app->captions > 0) {
    const gboolean interrupted = app->interrupted;
    const Job *job = jobs->pdata[0];
    const ExitCode code = mux_file (app, job->file);

    if (interrupted)
      first = EXIT_INTERRUPTED;
    else if (first == EXIT_DONE)
      first = code;
  }
  return first;
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
  code = EXIT_USAGE;
  if (writes_over_input (&options))
    goto done;
  code = EXIT_FAILED;
  if (!paths_find_plugin ())
    goto done;

  app.writer = writer_new (options.format, options.output, options.window > 0,
      options.jobs->len > 1, &error);
  if (!app.writer) {
    g_printerr ("neva-caption: %s\n", error->message);
    code = EXIT_OUTPUT;
    goto done;
  }
  app.loop = g_main_loop_new (NULL, FALSE);
  progress_init (&app.progress, options.quiet, "caption");
  if (options.mux) {
    app.subtitles = g_array_new (FALSE, FALSE, sizeof (Subtitle));
    g_array_set_clear_func (app.subtitles, subtitle_clear);
  }
  watch_signals (&app);
  code = run_jobs (&app);
  if (!writer_close (app.writer, &error) && code == EXIT_DONE) {
    g_printerr ("neva-caption: %s\n", error->message);
    code = EXIT_OUTPUT;
  }
  g_clear_pointer (&app.model, gst_context_unref);
  g_clear_pointer (&app.subtitles, g_array_unref);
  g_main_loop_unref (app.loop);

done:
  options_clear (&options);
  gst_deinit (); /* reports what is left, when the leaks tracer runs */
  return code;
}
