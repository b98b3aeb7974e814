/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The model's one thread. Each turn it
 *   1. encodes a batch of waiting frames,
 *   2. admits questions whose frames are ready,
 *   3. makes one step with all running generations together: those that decode
 *      feed one token each, those in prefill share what is left of the chunk,
 * and sleeps when there is nothing to do. Cancelled questions leave between two
 * steps. Outside of the driver and of callbacks everything is short, so one
 * lock is enough; neither runs with it held. */
#include "config.h"
#include "log.h"
#include "runtime/leave.h"
#include "runtime/worker.h"
#include <string.h>

/* Frames per pass of the tower, prompt tokens per step: weights are read once
 * for all of them. Fewer while answers are being decoded, which wait meanwhile,
 * and on a slow machine, where a turn should end within about TURN_US: only
 * between two turns is anything cancelled. */
#define ENCODE_BATCH 8
#define ENCODE_BATCH_BUSY 2
#define PREFILL_CHUNK 512
#define PREFILL_CHUNK_BUSY 128
#define PREFILL_CHUNK_LEAST 32
#define TURN_US 1000000
#define TURN_US_BUSY 200000

/* ---- Frames ------------------------------------------------------------- */

/* Gives each embedding its features, or none has any and error is set. */
static gboolean
encode_batch (
    NevaWorker *worker, NevaEmbedding **batch, guint n, GError **error)
{
  NevaDriver *driver = worker->driver;
  const gsize floats =
      (gsize) driver->info.tokens_per_frame * driver->row_floats;
  const guint8 *rgb[ENCODE_BATCH];

  if (!worker->features)
    worker->features = g_try_new (float, floats *ENCODE_BATCH);
  for (guint i = 0; i < n; i++) {
    rgb[i] = batch[i]->rgb;
    batch[i]->features = g_try_new (float, floats);
    if (!worker->features || !batch[i]->features) {
      g_set_error (error, NEVA_ERROR, NEVA_ERROR_DEVICE,
          "no memory for the %u visual tokens of a frame",
          driver->info.tokens_per_frame);
      return FALSE;
    }
  }
  if (!driver->klass->encode (driver, rgb, n, worker->features, error))
    return FALSE;
  for (guint i = 0; i < n; i++)
    memcpy (batch[i]->features, worker->features + i * floats,
        floats * sizeof (float));
  return TRUE;
}

/* How many fit into the time, at `each_us`. */
static guint
fit (double us, double each_us, guint least, guint most)
{
  return each_us > 0 ? (guint) CLAMP (us / each_us, least, most) : most;
}

/* A running mean; single measurements are noisy. */
static void
learn (double *each_us, gint64 us, gsize n)
{
  const double now = (double) us / (double) n;

  *each_us = *each_us > 0 ? 0.75 * *each_us + 0.25 * now : now;
}

static void
encode_frames (NevaWorker *worker)
{
  NevaEmbedding *batch[ENCODE_BATCH];
  const gboolean busy = worker->running->len > 0;
  /* Ranks encode a frame each in the time of one. */
  const guint least = CLAMP (worker->driver->frame_ranks, 1, ENCODE_BATCH);
  const guint n = neva_worker_take_frames (worker, batch,
      fit (busy ? TURN_US_BUSY : TURN_US, worker->frame_us, least,
          busy ? MAX (ENCODE_BATCH_BUSY, least) : ENCODE_BATCH));
  const gint64 start = g_get_monotonic_time ();
  g_autoptr (GError) error = NULL;
  NevaEmbeddingState state = NEVA_EMBEDDING_READY;
  gint64 us;

  if (n == 0)
    return;
  if (!encode_batch (worker, batch, n, &error)) {
    state = NEVA_EMBEDDING_FAILED;
    for (guint i = 0; i < n; i++)
      batch[i]->error = g_error_copy (error);
  }
  us = g_get_monotonic_time () - start;
  learn (&worker->frame_us, us, n);

  g_mutex_lock (&worker->lock);
  for (guint i = 0; i < n; i++)
    g_atomic_int_set (&batch[i]->state, state);
  if (!error)
    worker->stats.frames_encoded += n;
  worker->stats.encode_ns += us * 1000;
  g_mutex_unlock (&worker->lock);

  for (guint i = 0; i < n; i++) {
    g_clear_pointer (&batch[i]->rgb, g_free);
    neva_embedding_tell (batch[i]);
    neva_embedding_unref (batch[i]);
  }
}

/* ---- Steps -------------------------------------------------------------- */

static void
end_generation (NevaWorker *worker, NevaGeneration *generation)
{
  g_ptr_array_remove (worker->running, generation);
  neva_generation_free (generation);
  worker->short_of_room = FALSE;
}

void
neva_worker_fail (NevaWorker *worker, NevaGeneration *generation, GError *error)
{
  neva_generation_fail (generation, error);
  end_generation (worker, generation);
}

static void
drop_cancelled (NevaWorker *worker)
{
  for (guint i = worker->running->len; i-- > 0;) {
    NevaGeneration *generation = worker->running->pdata[i];

    if (neva_request_is_settled (generation->request))
      end_generation (worker, generation);
  }
}

static void
advance (
    NevaWorker *worker, NevaGeneration *generation, const NevaDriverItem *item)
{
  GError *error = NULL;

  if (!neva_generation_advance (generation, item, &error)) {
    neva_worker_fail (worker, generation, error);
  } else if (generation->ended) {
    neva_generation_settle (generation);
    end_generation (worker, generation);
  }
}

/* Something failed in a step of several: find out whose fault it is. */
static void
step_one_by_one (
    NevaWorker *worker, NevaGeneration **who, NevaDriverItem *items, guint n)
{
  NevaDriver *driver = worker->driver;

  for (guint i = 0; i < n; i++) {
    GError *error = NULL;

    if (driver->klass->step (driver, &items[i], 1, &error)) {
      advance (worker, who[i], &items[i]);
    } else if (g_error_matches (error, NEVA_ERROR, NEVA_ERROR_DEVICE)) {
      neva_generation_rewind (who[i]);
      g_error_free (error);
    } else {
      neva_worker_fail (worker, who[i], error);
    }
  }
}

static guint
plan (NevaWorker *worker, NevaGeneration **who, NevaDriverItem *items)
{
  guint n_decoding = 0;
  gsize chunk;

  for (guint i = 0; i < worker->running->len; i++) {
    const NevaGeneration *generation = worker->running->pdata[i];

    if (generation->sequence && neva_generation_pending (generation) <= 1)
      n_decoding++;
  }
  chunk = fit (n_decoding ? TURN_US_BUSY : TURN_US, worker->token_us,
      PREFILL_CHUNK_LEAST, n_decoding ? PREFILL_CHUNK_BUSY : PREFILL_CHUNK);

  guint n = 0;
  for (guint i = 0; i < worker->running->len; i++) {
    NevaGeneration *generation = worker->running->pdata[i];
    const gboolean decoding = neva_generation_pending (generation) <= 1;

    if (!generation->sequence || (!decoding && chunk == 0))
      continue;
    neva_generation_plan (generation, decoding ? 1 : chunk, &items[n]);
    if (!decoding)
      chunk -= items[n].n;
    who[n++] = generation;
  }
  return n;
}

static void
step (NevaWorker *worker)
{
  NevaGeneration *who[NEVA_MAX_RUNNING];
  NevaDriverItem items[NEVA_MAX_RUNNING];
  NevaDriver *driver = worker->driver;
  gint64 start;
  gsize n_tokens = 0;
  guint n;
  GError *error = NULL;

  neva_worker_begin (worker);
  n = plan (worker, who, items);
  start = g_get_monotonic_time ();
  if (n == 0)
    return;
  if (driver->klass->step (driver, items, n, &error)) {
    for (guint i = 0; i < n; i++)
      n_tokens += items[i].n;
    /* Steps that only decode are slow for another reason. */
    if (n_tokens >= PREFILL_CHUNK_LEAST)
      learn (&worker->token_us, g_get_monotonic_time () - start, n_tokens);
    for (guint i = 0; i < n; i++)
      advance (worker, who[i], &items[i]);
    return;
  }

  for (guint i = 0; i < n; i++)
    neva_generation_rewind (who[i]);
  if (g_error_matches (error, NEVA_ERROR, NEVA_ERROR_DEVICE) &&
      neva_worker_make_room (worker)) {
    neva_debug ("%s: %s; trying again with fewer answers at once",
        driver->info.name, error->message);
    g_error_free (error);
  } else if (n == 1) {
    neva_worker_fail (worker, who[0], error);
  } else {
    g_error_free (error);
    step_one_by_one (worker, who, items, n);
  }
}

/* ---- The thread --------------------------------------------------------- */

/* Under the lock: is there a question whose frames are ready? */
static gboolean
can_admit (NevaWorker *worker)
{
  for (GList *l = worker->questions.head; l; l = l->next) {
    const NevaEmbeddingState state = neva_worker_frames_state (l->data);

    if (state == NEVA_EMBEDDING_READY || state == NEVA_EMBEDDING_FAILED)
      return TRUE;
  }
  return FALSE;
}

/* Under the lock: until something happened, or it is time for a sign. */
static void
sleep_a_while (NevaWorker *worker)
{
  NevaDriver *driver = worker->driver;
  gboolean woken = TRUE;

  worker->asleep = TRUE;
  if (driver->klass->idle)
    woken = g_cond_wait_until (
        &worker->work, &worker->lock, g_get_monotonic_time () + NEVA_IDLE_US);
  else
    g_cond_wait (&worker->work, &worker->lock);
  worker->asleep = FALSE;
  if (woken || worker->stop)
    return;
  g_mutex_unlock (&worker->lock);
  driver->klass->idle (driver);
  g_mutex_lock (&worker->lock);
}

/* Returns: FALSE when the worker is to end. */
static gboolean
wait_for_work (NevaWorker *worker)
{
  NevaStats *stats = &worker->stats;
  gboolean go;

  g_mutex_lock (&worker->lock);
  stats->running = worker->running->len;
  stats->kv_bytes = worker->driver->klass->kv_bytes (worker->driver);
  stats->kv_bytes_peak = MAX (stats->kv_bytes_peak, stats->kv_bytes);
  while (!worker->stop && !worker->frames.length && stats->running == 0 &&
         !can_admit (worker))
    sleep_a_while (worker);
  go = !worker->stop;
  g_mutex_unlock (&worker->lock);
  return go;
}

static void
destroy (NevaWorker *worker)
{
  neva_prefixes_free (worker->prefixes);
  neva_turns_free (worker->frame_turns);
  neva_turns_free (worker->question_turns);
  g_array_unref (worker->reserved);
  g_ptr_array_unref (worker->running);
  g_free (worker->features);
  worker->driver->klass->free (worker->driver);
  neva_leave_remove (worker);
  g_mutex_clear (&worker->lock);
  g_cond_clear (&worker->work);
  g_cond_clear (&worker->room);
  g_free (worker);
}

static gpointer
run (gpointer data)
{
  NevaWorker *worker = data;

  while (wait_for_work (worker)) {
    drop_cancelled (worker);
    encode_frames (worker);
    neva_worker_admit (worker);
    step (worker);
  }
  if (worker->self_destruct)
    destroy (worker);
  return NULL;
}

NevaWorker *
neva_worker_new (NevaDriver *driver)
{
  NevaWorker *worker = g_new0 (NevaWorker, 1);

  worker->driver = driver;
  worker->prefixes = neva_prefixes_new (driver);
  worker->running = g_ptr_array_new ();
  worker->frame_turns = neva_turns_new ();
  worker->question_turns = neva_turns_new ();
  worker->reserved = g_array_new (FALSE, FALSE, sizeof (guint64));
  g_mutex_init (&worker->lock);
  g_cond_init (&worker->work);
  g_cond_init (&worker->room);
  worker->thread = g_thread_new ("neva-worker", run, worker);
  neva_leave_add (worker);
  return worker;
}

void
neva_worker_free (NevaWorker *worker)
{
  GThread *thread = worker->thread;
  gboolean wait;

  g_mutex_lock (&worker->lock);
  worker->stop = TRUE;
  /* In the middle of a turn, of which the thread that drops the last reference
   * may be part, the worker frees itself when the turn is over. */
  wait = worker->asleep;
  worker->self_destruct = !wait;
  g_cond_signal (&worker->work);
  g_mutex_unlock (&worker->lock);

  if (!wait) {
    g_thread_unref (thread);
    return;
  }
  g_thread_join (thread);
  destroy (worker);
}
