/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "common/console.h"
#include "common/share.h"
#include "output.h"
#include "work.h"

/* Prompts that one pass over a file answers. */
#define MAX_TOGETHER 256

struct _Work {
  App *app;
  guint *file_of; /* [jobs] */
  guint n_files;
  gboolean *done; /* [jobs]; by an earlier run */
  Share *share;
  Output *output;  /* process 0's */
  GString **texts; /* [jobs]; another one's, of jobs that have not ended */

  GMutex lock;
  gint *codes;       /* lock: [jobs]; ExitCode, -1: it has not ended */
  char *model_error; /* lock: was said */
};

/* ---- What a job gives --------------------------------------------------- */

gboolean
work_add (Work *work, guint job, const Caption *caption, guint number)
{
  const Options *o = work->app->options;
  g_autoptr (GString) text = g_string_new (NULL);

  format_caption (
      o->format, caption, number, o->window > 0, o->jobs->len > 1, text);
  if (work->output)
    output_add (work->output, job, text->str);
  else
    g_string_append (work->texts[job], text->str);
  return text->len > 0;
}

/* A model that cannot be used is the same news for every video. */
static void
complain (Work *work, guint job, ExitCode code, const char *error)
{
  const Job *what = work->app->options->jobs->pdata[job];
  gboolean news = TRUE;

  g_mutex_lock (&work->lock);
  if (code == EXIT_MODEL) {
    news = g_strcmp0 (error, work->model_error) != 0;
    g_free (work->model_error);
    work->model_error = g_strdup (error);
  }
  g_mutex_unlock (&work->lock);
  if (news)
    console_complain ("%s: %s", what->file, error);
}

/* Process 0. */
static void
ended (Work *work, guint job, ExitCode code, const char *error)
{
  g_mutex_lock (&work->lock);
  work->codes[job] = (gint) code;
  g_mutex_unlock (&work->lock);
  if (error)
    complain (work, job, code, error);
  output_end (work->output, job, code == EXIT_DONE);
}

/* "CODE\nERROR\nTEXT", the error without its line breaks. */
static void
send_end (Work *work, guint job, ExitCode code, const char *error)
{
  g_autofree char *line =
      g_strdelimit (g_strdup (error ? error : ""), "\n", ' ');
  char *message =
      g_strdup_printf ("%d\n%s\n%s", (int) code, line, work->texts[job]->str);

  g_string_truncate (work->texts[job], 0);
  work->codes[job] = (gint) code;
  share_send (job, message, work->share);
}

/* Of another process. */
static void
take_end (gsize job, char *message, gpointer data)
{
  Work *work = data;
  g_auto (GStrv) parts = g_strsplit (message ? message : "", "\n", 3);

  if (job < work->app->options->jobs->len && g_strv_length (parts) == 3) {
    output_add (work->output, (guint) job, parts[2]);
    ended (work, (guint) job, (ExitCode) atoi (parts[0]),
        *parts[1] ? parts[1] : NULL);
  }
  g_free (message);
}

void
work_end (Work *work, guint job, ExitCode code, const char *error)
{
  if (work->output)
    ended (work, job, code, error);
  else
    send_end (work, job, code, error);
}

/* ---- Running ------------------------------------------------------------ */

/* What would fail alike for every other video. */
static gboolean
hopeless (const Work *work, const GArray *jobs)
{
  guint refused = 0;

  for (guint i = 0; i < jobs->len; i++) {
    const gint code = work->codes[g_array_index (jobs, guint, i)];

    if (code == EXIT_FAILED)
      return TRUE;
    refused += code == EXIT_MODEL;
  }
  return refused == jobs->len && work->app->captions == 0;
}

void
work_run (Work *work)
{
  App *app = work->app;
  const guint n = app->options->jobs->len;
  g_autoptr (GArray) jobs = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint file = app->parallel.group; file < work->n_files;
       file += app->parallel.groups) {
    for (guint i = 0; i < n; i++) {
      if (app_stopped (app))
        return;
      if (work->file_of[i] == file && !work->done[i])
        g_array_append_val (jobs, i);
      if (jobs->len == 0 || (jobs->len < MAX_TOGETHER && i + 1 < n))
        continue;
      caption_file (app, (const guint *) (gpointer) jobs->data, jobs->len);
      if (hopeless (work, jobs))
        return;
      g_array_set_size (jobs, 0);
    }
  }
}

/* ---- Beginning and end -------------------------------------------------- */

static void
find_files (Work *work)
{
  const GPtrArray *jobs = work->app->options->jobs;
  g_autoptr (GHashTable) files = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; i < jobs->len; i++) {
    const Job *job = jobs->pdata[i];
    gpointer file;

    if (!g_hash_table_lookup_extended (files, job->file, NULL, &file)) {
      file = GUINT_TO_POINTER (work->n_files++);
      g_hash_table_insert (files, job->file, file);
    }
    work->file_of[i] = GPOINTER_TO_UINT (file);
  }
}

static void
work_free (Work *work)
{
  for (guint i = 0; i < work->app->options->jobs->len; i++)
    g_string_free (work->texts[i], TRUE);
  share_free (work->share);
  g_mutex_clear (&work->lock);
  g_free (work->file_of);
  g_free (work->done);
  g_free (work->texts);
  g_free (work->codes);
  g_free (work->model_error);
  g_free (work);
}

Work *
work_new (App *app, GError *own, GError **error)
{
  const guint n = app->options->jobs->len;
  Work *work = g_new0 (Work, 1);

  work->app = app;
  work->file_of = g_new0 (guint, n + 1);
  work->done = g_new0 (gboolean, n + 1);
  work->texts = g_new0 (GString *, n + 1);
  work->codes = g_new0 (gint, n + 1);
  g_mutex_init (&work->lock);
  find_files (work);
  for (guint i = 0; i < n; i++)
    work->texts[i] = g_string_new (NULL);
  if (!own && app->parallel.group == 0)
    work->output =
        output_new (app->options, work->done, app->cancellable, &own);
  if (!neva_parallel_agree (own, error) ||
      !neva_parallel_share (work->done, n * sizeof *work->done, error)) {
    if (work->output)
      output_close (work->output, NULL);
    work_free (work);
    return NULL;
  }
  for (guint i = 0; i < n; i++)
    work->codes[i] = work->done[i] ? EXIT_DONE : -1;
  work->share = share_new (&app->parallel, app->cancellable);
  share_start (work->share, take_end, work);
  return work;
}

/* Of the first job that failed, or that was lost with its process. */
static ExitCode
first_failure (const Work *work, gboolean lost)
{
  for (guint i = 0; i < work->app->options->jobs->len; i++) {
    if (work->codes[i] > 0)
      return (ExitCode) work->codes[i];
    if (work->codes[i] < 0 && lost)
      return EXIT_FAILED;
  }
  return EXIT_DONE;
}

ExitCode
work_finish (Work *work, gboolean *lost)
{
  App *app = work->app;
  g_autoptr (GError) error = NULL;
  ExitCode code = EXIT_DONE;

  *lost = g_cancellable_is_cancelled (app->cancellable);
  if (*lost) {
    share_stop (work->share);
  } else {
    share_finish (work->share, 0);
    *lost = share_lost (work->share);
  }
  code = first_failure (work, *lost);
  if (work->output && !output_close (work->output, &error)) {
    console_complain ("%s", error->message);
    code = EXIT_OUTPUT;
    *lost = TRUE;
  }
  work_free (work);
  return app->interrupted ? EXIT_INTERRUPTED : code;
}
