/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker's queues by fake models: order, bounds, cancellation, and many
 * threads at once. */
#include "config.h"
#include "runtime_helpers.h"

/* ---- Order and queues --------------------------------------------------- */

static void
check_order (void)
{
  /* One long encode holds the questions in the queue. */
  g_autoptr (NevaModel) model = must_open ("fake:x?encode=50");
  g_autoptr (NevaEmbedding) frame = encode (model, 0, NULL, NULL);
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  static const gint priorities[] = {0, 0, 1, -1, 1, 0};
  static const gint64 want[] = {2, 3, 0, 5, 1, 4};
  NevaRequest *requests[G_N_ELEMENTS (priorities)];
  Heard *heard[G_N_ELEMENTS (priorities)];
  const gint64 base = g_atomic_int_get (&done_count);

  question.frames = &frame;
  question.n_frames = 1;
  for (guint i = 0; i < G_N_ELEMENTS (priorities); i++) {
    heard[i] = heard_new ();
    question.priority = priorities[i];
    requests[i] = neva_model_ask (
        model, &question, NULL, on_done, heard[i], NULL, NULL, NULL);
  }
  for (guint i = 0; i < G_N_ELEMENTS (priorities); i++) {
    must_answer (requests[i]);
    neva_request_unref (requests[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (priorities); i++) {
    CHECK (heard[i]->order - base == want[i], "question %u came out as %d", i,
        (int) (heard[i]->order - base));
    heard_free (heard[i]);
  }
}

static void
check_full_frame_queue (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:x?encode=20");
  g_autoptr (GPtrArray) frames =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_embedding_unref);
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  NevaEmbedding *frame;
  NevaStats stats;

  while ((frame = encode (model, 0, NULL, &error)))
    g_ptr_array_add (frames, frame);
  CHECK_ERROR (error, NEVA_ERROR_BUSY, "frames");
  CHECK (frames->len >= NEVA_MAX_QUEUED_FRAMES, "%u", frames->len);
  neva_model_get_stats (model, &stats);
  CHECK (stats.queued_frames <= NEVA_MAX_QUEUED_FRAMES, "too many");

  frame = encode (model, 0, wait, NULL);
  CHECK (frame != NULL, "waiting did not help");
  g_ptr_array_add (frames, frame);

  g_cancellable_cancel (wait);
  CHECK (!encode (model, 0, wait, &error), "cancelled, yet accepted");
  CHECK_ERROR (error, NEVA_ERROR_CANCELLED, "frames");
}

static gpointer
cancel_soon (gpointer data)
{
  g_usleep (20000);
  g_cancellable_cancel (data);
  return NULL;
}

static void
check_full_question_queue (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:x?delay=1000000");
  g_autoptr (GPtrArray) requests =
      g_ptr_array_new_with_free_func ((GDestroyNotify) neva_request_unref);
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  NevaRequest *request;
  GThread *thread;

  while ((request = ask (model, "?", NULL, 0, NULL, NULL, &error)))
    g_ptr_array_add (requests, request);
  CHECK_ERROR (error, NEVA_ERROR_BUSY, "questions");
  /* Whether the running ones were admitted meanwhile is a matter of luck. */
  CHECK (requests->len >= NEVA_MAX_QUEUED_QUESTIONS &&
             requests->len <= NEVA_MAX_QUEUED_QUESTIONS + NEVA_MAX_RUNNING,
      "%u", requests->len);
  while (requests->len < NEVA_MAX_QUEUED_QUESTIONS + NEVA_MAX_RUNNING) {
    request = ask (model, "?", NULL, 0, NULL, wait, &error);
    if (!request)
      g_error ("%s", error->message);
    g_ptr_array_add (requests, request);
  }

  thread = g_thread_new ("cancel", cancel_soon, wait);
  CHECK (!ask (model, "?", NULL, 0, NULL, wait, &error), "accepted");
  CHECK_ERROR (error, NEVA_ERROR_CANCELLED, "questions");
  g_thread_join (thread);

  for (guint i = 0; i < requests->len; i++)
    neva_request_cancel (requests->pdata[i]);
  request = ask (model, "?", NULL, 0, NULL, NULL, &error);
  CHECK (request != NULL, "no room after all were cancelled");
  neva_request_cancel (request);
  neva_request_unref (request);
}

static void
check_dropped_frames (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:x?encode=50");
  g_autoptr (NevaEmbedding) first = encode (model, 0, NULL, NULL), last = NULL;
  g_autoptr (NevaRequest) request = NULL;
  NevaStats stats;

  wait_until_queue_empty (model); /* the worker encodes the first one */
  for (guint i = 0; i < 10; i++)
    neva_embedding_unref (encode (model, 0, NULL, NULL));
  last = encode (model, 0, NULL, NULL);
  request = ask (model, "?", &last, 1, NULL, NULL, NULL);
  must_answer (request);
  neva_model_get_stats (model, &stats);
  CHECK (stats.frames_encoded == 2, "%d", (int) stats.frames_encoded);
}

/* ---- Cancelling --------------------------------------------------------- */

static void
check_cancel (void)
{
  g_autoptr (NevaModel) model =
      must_open ("fake:a b c?tokens=100&delay=1000000&encode=50");
  g_autoptr (NevaModel) quick = must_open ("fake:a b c");
  g_autoptr (NevaEmbedding) frame = encode (model, 0, NULL, NULL);
  g_autoptr (NevaRequest) queued = NULL, done = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Heard *heard = heard_new ();
  NevaStats stats;

  queued = ask (model, "?", &frame, 1, heard, NULL, NULL);
  neva_request_cancel (queued);
  CHECK (heard->dones == 1 && heard->code == NEVA_ERROR_CANCELLED &&
             heard->destroys == 1,
      "%u done, code %d", heard->dones, heard->code);
  neva_request_cancel (queued);
  CHECK (heard->dones == 1 && heard->destroys == 1, "twice");
  CHECK (!neva_request_wait (queued, NULL, &error), "answered");
  CHECK_ERROR (error, NEVA_ERROR_CANCELLED, "cancelled");
  heard_free (heard);

  heard = heard_new ();
  done = ask (quick, "?", NULL, 0, heard, NULL, NULL);
  must_answer (done);
  neva_request_cancel (done);
  CHECK (heard->dones == 1 && heard->code == -1 && heard->destroys == 1,
      "%u done, code %d", heard->dones, heard->code);
  CHECK_STR (must_answer (done)->text, "a b c");
  heard_free (heard);

  g_clear_pointer (&queued, neva_request_unref);
  queued = ask (model, "?", NULL, 0, NULL, NULL, NULL);
  g_cancellable_cancel (cancellable);
  CHECK (!neva_request_wait (queued, cancellable, &error), "answered");
  CHECK_ERROR (error, NEVA_ERROR_CANCELLED, "waiting");
  neva_request_cancel (queued);

  neva_model_get_stats (model, &stats);
  CHECK (stats.cancelled == 2, "%d", (int) stats.cancelled);
}

static void
check_cancel_while_running (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:a b?tokens=255&delay=60000");

  for (guint inside = 0; inside < 2; inside++) {
    Heard *heard = heard_new ();
    g_autoptr (NevaRequest) request = NULL;
    gint64 start;

    heard->cancel_in_partial = inside;
    request = ask (model, "?", NULL, 0, heard, NULL, NULL);
    wait_for (heard, &heard->partials);
    start = g_get_monotonic_time ();
    neva_request_cancel (request);
    CHECK (heard->dones == 1 && heard->code == NEVA_ERROR_CANCELLED,
        "%u done, code %d", heard->dones, heard->code);
    /* the answer would take 60 s */
    CHECK (g_get_monotonic_time () - start < 30 * G_USEC_PER_SEC, "it waited");
    wait_for (heard, &heard->destroys);
    CHECK (heard->destroys == 1, "%u", heard->destroys);
    /* The model goes idle, so the worker really stopped. */
    for (NevaStats stats = {.running = 1}; stats.running;)
      neva_model_get_stats (model, &stats);
    heard_free (heard);
  }
}

/* Dropping every reference leaves the answer to come. */
static void
check_forgotten_request (void)
{
  NevaModel *model = must_open ("fake:still here?delay=30");
  Heard *heard = heard_new ();

  neva_request_unref (ask (model, "?", NULL, 0, heard, NULL, NULL));
  neva_model_unref (model);
  wait_for (heard, &heard->destroys);
  CHECK_STR (heard->text, "still here");
  CHECK (heard->dones == 1, "%u", heard->dones);
  heard_free (heard);
}

/* ---- Many --------------------------------------------------------------- */

#define STORM_THREADS 4
#define STORM_REQUESTS 250

typedef struct {
  NevaModel *model;
  guint32 seed;
  guint answered, cancelled;
} Storm;

/* One clip of 1 to 4 frames, one question; half of them dropped or cancelled
 * at some point on the way. */
static void
storm_once (Storm *storm, GRand *rand)
{
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  const guint n_frames = (guint) g_rand_int_range (rand, 1, 5);
  const guint fate = (guint) g_rand_int_range (rand, 0, 4);
  NevaEmbedding *frames[4];
  Heard *heard = heard_new ();
  NevaRequest *request;
  g_autofree char *want = g_strdup_printf ("frames=%u;", n_frames);

  for (guint i = 0; i < n_frames; i++)
    frames[i] = encode (storm->model, i, wait, NULL);
  request = ask (storm->model, "?", frames, n_frames, heard, wait, NULL);
  for (guint i = 0; i < n_frames; i++)
    neva_embedding_unref (frames[i]);
  if (fate == 0)
    neva_request_cancel (request);
  if (fate == 1) {
    wait_for (heard, &heard->dones);
    neva_request_cancel (request);
  }
  neva_request_unref (request);
  wait_for (heard, &heard->destroys);

  CHECK (heard->dones == 1, "%u", heard->dones);
  if (heard->code == -1) {
    CHECK (strstr (heard->text, want) != NULL, "\"%s\"", heard->text);
    storm->answered++;
  } else {
    CHECK (heard->code == NEVA_ERROR_CANCELLED, "%d", heard->code);
    storm->cancelled++;
  }
  heard_free (heard);
}

static gpointer
storm_thread (gpointer data)
{
  Storm *storm = data;
  GRand *rand = g_rand_new_with_seed (storm->seed);

  for (guint i = 0; i < STORM_REQUESTS; i++)
    storm_once (storm, rand);
  g_rand_free (rand);
  return NULL;
}

static void
check_storm (guint64 seed)
{
  g_autoptr (NevaModel) model = must_open ("fake:echo");
  Storm storms[STORM_THREADS];
  GThread *threads[STORM_THREADS];
  guint answered = 0, cancelled = 0;
  NevaStats stats;

  for (guint i = 0; i < STORM_THREADS; i++) {
    storms[i] = (Storm){.model = model, .seed = (guint32) (seed + i)};
    threads[i] = g_thread_new ("storm", storm_thread, &storms[i]);
  }
  for (guint i = 0; i < STORM_THREADS; i++) {
    g_thread_join (threads[i]);
    answered += storms[i].answered;
    cancelled += storms[i].cancelled;
  }
  neva_model_get_stats (model, &stats);
  CHECK (answered + cancelled == STORM_THREADS * STORM_REQUESTS, "lost some");
  CHECK (stats.answers == answered && stats.cancelled == cancelled,
      "%d answers, %u heard", (int) stats.answers, answered);
  CHECK (answered >= STORM_THREADS * STORM_REQUESTS / 2, "%u", answered);
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc, argv);

  check_order ();
  check_full_frame_queue ();
  check_full_question_queue ();
  check_dropped_frames ();
  check_cancel ();
  check_cancel_while_running ();
  check_forgotten_request ();
  check_storm (seed);
  return check_finish ();
}
