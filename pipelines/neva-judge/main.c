/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-judge: a judge model compares the answers of two or more models.
 *
 *   questions, answers, contexts, rules --inputs.c--> items
 *   items --N workers--> replies --in order--> rows.c, summary
 */
#include "config.h"
#include <signal.h>
#include <stdio.h>
#include <unistd.h>
#include <neva/judge.h>
#include "inputs.h"
#include "rows.h"

enum { EXIT_NO_SCORES = 2, EXIT_INTERRUPTED = 130 };

/* What a worker made of an item. */
typedef struct {
  char *reply;
  GError *error;
  gboolean done;
} Result;

typedef struct {
  const Options *o;
  GPtrArray *items;
  NevaJudge *judge;
  GCancellable *cancellable;
  GMutex lock;
  GCond changed;
  Result *results; /* [items], under lock */
} Run;

static GCancellable *interrupted;

/* Cancelling takes locks, which a signal handler must not: a thread waits for
 * the signals instead. Every other thread has them blocked. */
static gpointer
watch_signals (gpointer data)
{
  int number;

  if (sigwait (data, &number) == 0)
    g_cancellable_cancel (interrupted);
  return NULL;
}

static void
start_watching (void)
{
  static sigset_t set;

  sigemptyset (&set);
  sigaddset (&set, SIGINT);
  sigaddset (&set, SIGTERM);
  pthread_sigmask (SIG_BLOCK, &set, NULL);
  g_thread_unref (g_thread_new ("signals", watch_signals, &set));
}

static void
work (gpointer data, gpointer user_data)
{
  Run *run = user_data;
  const guint index = GPOINTER_TO_UINT (data) - 1;
  const Item *item = g_ptr_array_index (run->items, index);
  Result result = {.done = TRUE};

  result.reply = neva_judge_ask (
      run->judge, item->prompt, run->cancellable, &result.error);
  g_mutex_lock (&run->lock);
  run->results[index] = result;
  g_cond_broadcast (&run->changed);
  g_mutex_unlock (&run->lock);
}

static Result
wait_for (Run *run, guint index)
{
  Result result;

  g_mutex_lock (&run->lock);
  while (!run->results[index].done)
    g_cond_wait (&run->changed, &run->lock);
  result = run->results[index];
  g_mutex_unlock (&run->lock);
  return result;
}

static void
show_progress (const Run *run, guint done)
{
  if (run->o->quiet || !isatty (STDERR_FILENO))
    return;
  fprintf (stderr, "\rjudged %u of %u%s", done, run->items->len,
      done == run->items->len ? "\n" : "");
  fflush (stderr);
}

/* The row of one reply. FALSE with error ends the run. */
static gboolean
record (Run *run, Rows *rows, NevaJudgeSummary *summary, guint index,
    Result *result, guint *without_scores, GError **error)
{
  const Item *item = g_ptr_array_index (run->items, index);
  const guint n = run->o->models->len;
  NevaScore scores[NEVA_JUDGE_MAX_CANDIDATES];
  double values[NEVA_JUDGE_MAX_CANDIDATES];

  if (!result->reply && (!run->o->record_failures ||
                            g_cancellable_is_cancelled (run->cancellable))) {
    g_propagate_prefixed_error (error, g_steal_pointer (&result->error),
        "question %s: ", item->question_id);
    return FALSE;
  }
  if (!result->reply)
    fprintf (stderr, "neva-judge: question %s: %s\n", item->question_id,
        result->error->message);
  if (!neva_judge_parse_scores (
          result->reply ? result->reply : "", scores, n)) {
    ++*without_scores;
    if (result->reply)
      fprintf (stderr, "neva-judge: question %s: no scores in the reply\n",
          item->question_id);
  }
  for (guint m = 0; m < n; m++)
    values[m] = scores[m].value;
  neva_judge_summary_add (summary, item->category, values);
  return rows_append (rows, run->items, index,
      result->reply ? result->reply : "", scores, error);
}

static gboolean
run_items (Run *run, Rows *rows, NevaJudgeSummary *summary,
    guint *without_scores, GError **error)
{
  const guint first = rows_present (rows);
  GThreadPool *pool =
      g_thread_pool_new (work, run, (gint) run->o->jobs, FALSE, error);
  gboolean ok = pool != NULL;
  guint queued = first;

  for (guint i = first; ok && i < run->items->len; i++) {
    Result result;

    /* a window, so that an error does not leave the whole file under way */
    for (; queued < run->items->len && queued < i + 2 * run->o->jobs; queued++)
      g_thread_pool_push (pool, GUINT_TO_POINTER (queued + 1), NULL);
    result = wait_for (run, i);
    ok = record (run, rows, summary, i, &result, without_scores, error);
    g_clear_error (&result.error);
    g_free (result.reply);
    run->results[i] = (Result){0};
    show_progress (run, i + 1);
  }
  if (!ok)
    g_cancellable_cancel (run->cancellable);
  if (pool)
    g_thread_pool_free (pool, TRUE, TRUE);
  for (guint i = 0; i < run->items->len; i++) {
    g_clear_error (&run->results[i].error);
    g_free (run->results[i].reply);
  }
  return ok;
}

static gboolean
judge_all (const Options *o, guint *without_scores, GError **error)
{
  const NevaJudgeOptions options = {.judge = o->judge,
      .key_file = o->key_file,
      .model.device = o->device,
      .max_tokens = o->max_tokens,
      .timeout_s = o->timeout_s,
      .retries = o->retries};
  g_autoptr (GPtrArray) items = inputs_read (o, error);
  g_autoptr (NevaJudgeSummary) summary =
      neva_judge_summary_new (o->models->len);
  g_autofree Result *results = NULL;
  g_autofree char *table = NULL;
  Run run = {.o = o, .items = items, .cancellable = interrupted};
  Rows *rows;
  gboolean ok = TRUE;

  if (!items)
    return FALSE;
  rows = rows_open (o->output, items, o->models->len, o->join == JOIN_POSITION,
      summary, error);
  if (!rows)
    return FALSE;
  if (rows_present (rows) && !o->quiet)
    fprintf (stderr, "neva-judge: %u of %u questions were judged before\n",
        MIN (rows_present (rows), items->len), items->len);
  run.results = results = g_new0 (Result, items->len + 1);
  g_mutex_init (&run.lock);
  g_cond_init (&run.changed);
  if (rows_present (rows) < items->len) {
    run.judge = neva_judge_open (&options, interrupted, error);
    ok = run.judge && run_items (&run, rows, summary, without_scores, error);
  }
  neva_judge_close (run.judge);
  rows_close (rows);
  g_cond_clear (&run.changed);
  g_mutex_clear (&run.lock);
  if (!ok)
    return FALSE;
  table = neva_judge_summary_to_text (summary);
  fputs (table, stdout);
  return TRUE;
}

int
main (int argc, char **argv)
{
  Options options;
  g_autoptr (GError) error = NULL;
  guint without_scores = 0;
  int status = EXIT_SUCCESS;

  interrupted = g_cancellable_new ();
  if (!options_parse (&options, argc, argv, &error)) {
    status = EXIT_FAILURE;
  } else if (options.help) {
    options_print_help ();
  } else {
    start_watching ();
    if (!judge_all (&options, &without_scores, &error))
      status = EXIT_FAILURE;
    else if (without_scores)
      status = EXIT_NO_SCORES;
  }
  if (error) {
    fprintf (stderr, "neva-judge: %s\n", error->message);
    if (g_cancellable_is_cancelled (interrupted) &&
        error->code == NEVA_ERROR_CANCELLED)
      status = EXIT_INTERRUPTED;
  }
  options_clear (&options);
  return status; /* `interrupted` stays: the watcher may still hold it */
}
