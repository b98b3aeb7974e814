/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Which generations have a KV cache. `running` is in order of priority, and
 * among equals the oldest comes first. Those that have begun have a sequence;
 * one begins when what it has to feed fits beside what the others still feed,
 * and when memory runs out nevertheless, the last one is paused: it gives its
 * cache up and begins again later. */
#include "config.h"
#include "log.h"
#include "runtime/worker.h"

/* Waiting for a place: as many may be paused by others of higher priority. */
#define MAX_HELD (2 * NEVA_MAX_RUNNING)
/* Tokens that a begun answer may take before it is looked at again. */
#define GROWTH 64

static gint
priority_of (const NevaGeneration *generation)
{
  return generation->request->question.priority;
}

/* ---- Admission ---------------------------------------------------------- */

static GError *
frames_error (const NevaRequest *request)
{
  for (gsize i = 0; i < request->question.n_frames; i++)
    if (request->question.frames[i]->error)
      return g_error_copy (request->question.frames[i]->error);
  return NULL;
}

/* Behind all others of its priority. */
static void
insert (GPtrArray *running, NevaGeneration *generation)
{
  guint i = running->len;

  while (
      i > 0 && priority_of (running->pdata[i - 1]) < priority_of (generation))
    i--;
  g_ptr_array_insert (running, (gint) i, generation);
}

void
neva_worker_admit (NevaWorker *worker)
{
  GPtrArray *running = worker->running;

  while (running->len < MAX_HELD) {
    const gint64 least =
        running->len < NEVA_MAX_RUNNING
            ? G_MININT
            : (gint64) priority_of (running->pdata[running->len - 1]) + 1;
    NevaRequest *request = neva_worker_take_question (worker, least);
    NevaGeneration *generation = NULL;
    GError *error;

    if (!request)
      break;
    error = frames_error (request);
    if (!error && !neva_request_is_settled (request))
      generation = neva_generation_new (
          worker->driver, worker->prefixes, request, &error);
    if (generation)
      insert (running, generation);
    else if (error)
      neva_request_fail (request, error);
    neva_request_unref (request);
  }
}

/* ---- KV cache ----------------------------------------------------------- */

static guint
count_begun (const NevaWorker *worker, NevaGeneration **last)
{
  guint n = 0;

  *last = NULL;
  for (guint i = 0; i < worker->running->len; i++) {
    NevaGeneration *generation = worker->running->pdata[i];

    if (!generation->sequence)
      continue;
    *last = generation;
    n++;
  }
  return n;
}

static void
pause_generation (NevaWorker *worker, NevaGeneration *generation)
{
  neva_generation_restart (generation);
  worker->short_of_room = TRUE;
  worker->paused_priority = priority_of (generation);
  g_mutex_lock (&worker->lock);
  worker->stats.paused++;
  g_mutex_unlock (&worker->lock);
  neva_debug ("%s: an answer is paused: %u questions share the KV cache",
      worker->driver->info.name, worker->running->len);
}

/* Tokens that fit beside what all that have begun are about to feed. */
static gsize
free_room (const NevaWorker *worker)
{
  gsize room = worker->driver->klass->kv_room (worker->driver);

  for (guint i = 0; i < worker->running->len; i++) {
    const NevaGeneration *generation = worker->running->pdata[i];
    const gsize taken = neva_generation_pending (generation) + GROWTH;

    if (generation->sequence)
      room -= MIN (room, taken);
  }
  return room;
}

static gboolean
fits (NevaWorker *worker, const NevaGeneration *generation)
{
  while (
      neva_generation_need (generation, worker->running) > free_room (worker))
    if (!neva_prefixes_drop_other (worker->prefixes, generation->fed))
      return FALSE;
  return TRUE;
}

/* One that is alone may try in any case: it gets the error if it is too long.
 */
static gboolean
may_begin (NevaWorker *worker, const NevaGeneration *generation)
{
  NevaGeneration *last;
  guint begun = count_begun (worker, &last);

  if (begun == 0)
    return TRUE;
  if (worker->short_of_room &&
      priority_of (generation) <= worker->paused_priority)
    return FALSE;
  while (begun >= NEVA_MAX_RUNNING || !fits (worker, generation)) {
    if (!last || priority_of (last) >= priority_of (generation))
      return FALSE;
    pause_generation (worker, last);
    begun = count_begun (worker, &last);
  }
  return TRUE;
}

void
neva_worker_begin (NevaWorker *worker)
{
  for (guint i = 0; i < worker->running->len;) {
    NevaGeneration *generation = worker->running->pdata[i];
    GError *error = NULL;

    if (generation->sequence || !may_begin (worker, generation) ||
        neva_generation_begin (generation, worker->running, &error))
      i++;
    else
      neva_worker_fail (worker, generation, error);
  }
}

gboolean
neva_worker_make_room (NevaWorker *worker)
{
  NevaGeneration *last;

  if (neva_prefixes_drop_all (worker->prefixes))
    return TRUE;
  if (count_begun (worker, &last) < 2)
    return FALSE;
  pause_generation (worker, last);
  return TRUE;
}
