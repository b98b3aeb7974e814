/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The worker, its queues, sharing and cancellation, by fake models. */
#include "config.h"
#include <neva/neva.h>
#include <string.h>
#include "check.h"

/* ---- Helpers ------------------------------------------------------------ */

/* What the callbacks of one request did. */
typedef struct {
  GMutex lock;
  GCond cond;
  guint partials, dones, destroys;
  int code;     /* of the error, or -1 */
  gint64 order; /* which `done` this was, over all */
  char *text;
  gboolean cancel_in_partial;
} Heard;

static gint done_count;

static Heard *
heard_new (void)
{
  Heard *heard = g_new0 (Heard, 1);

  g_mutex_init (&heard->lock);
  g_cond_init (&heard->cond);
  heard->code = -2;
  return heard;
}

static void
heard_free (Heard *heard)
{
  g_mutex_clear (&heard->lock);
  g_cond_clear (&heard->cond);
  g_free (heard->text);
  g_free (heard);
}

static void
on_partial (NevaRequest *request, const char *text, gpointer user_data)
{
  Heard *heard = user_data;
  gboolean prefix;

  g_mutex_lock (&heard->lock);
  prefix = !heard->text || g_str_has_prefix (text, heard->text);
  CHECK (prefix, "\"%s\" does not continue \"%s\"", text, heard->text);
  g_free (heard->text);
  heard->text = g_strdup (text);
  heard->partials++;
  g_cond_broadcast (&heard->cond);
  g_mutex_unlock (&heard->lock);
  if (heard->cancel_in_partial)
    neva_request_cancel (request);
}

static void
on_done (NevaRequest *request, const NevaAnswer *answer, const GError *error,
    gpointer user_data)
{
  Heard *heard = user_data;

  (void) request;
  g_mutex_lock (&heard->lock);
  heard->dones++;
  heard->code = error ? error->code : -1;
  heard->order = g_atomic_int_add (&done_count, 1);
  if (answer) {
    g_free (heard->text);
    heard->text = g_strdup (answer->text);
  }
  g_cond_broadcast (&heard->cond);
  g_mutex_unlock (&heard->lock);
}

static void
on_destroy (gpointer user_data)
{
  Heard *heard = user_data;

  g_mutex_lock (&heard->lock);
  heard->destroys++;
  g_cond_broadcast (&heard->cond);
  g_mutex_unlock (&heard->lock);
}

static void
wait_for (Heard *heard, const guint *counter)
{
  g_mutex_lock (&heard->lock);
  while (*counter == 0)
    g_cond_wait (&heard->cond, &heard->lock);
  g_mutex_unlock (&heard->lock);
}

static NevaModel *
must_open (const char *path)
{
  g_autoptr (GError) error = NULL;
  NevaModel *model = neva_model_open (path, NULL, NULL, NULL, NULL, &error);

  if (!model)
    g_error ("%s: %s", path, error->message);
  return model;
}

static NevaEmbedding *
encode (NevaModel *model, gint64 pts_ns, GCancellable *wait, GError **error)
{
  const guint8 pixel[3] = {1, 2, 3};
  const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = 1,
      .height = 1,
      .plane = {pixel},
      .stride = {3},
      .pts_ns = pts_ns};

  return neva_model_encode (model, &frame, wait, error);
}

static NevaRequest *
ask (NevaModel *model, const char *prompt, NevaEmbedding *const *frames,
    gsize n_frames, Heard *heard, GCancellable *wait, GError **error)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;

  question.prompt = prompt;
  question.frames = frames;
  question.n_frames = n_frames;
  return neva_model_ask (model, &question, heard ? on_partial : NULL,
      heard ? on_done : NULL, heard, heard ? on_destroy : NULL, wait, error);
}

static const NevaAnswer *
must_answer (NevaRequest *request)
{
  g_autoptr (GError) error = NULL;
  const NevaAnswer *answer = neva_request_wait (request, NULL, &error);

  if (!answer)
    g_error ("no answer: %s", error->message);
  return answer;
}

static void
wait_until_queue_empty (NevaModel *model)
{
  NevaStats stats;

  do {
    g_thread_yield ();
    neva_model_get_stats (model, &stats);
  } while (stats.queued_frames || stats.queued_questions);
}

/* ---- Answers ------------------------------------------------------------ */

static void
check_answer (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:a red  car?");
  g_autoptr (NevaRequest) request = NULL;
  Heard *heard = heard_new ();
  const NevaAnswer *answer;
  NevaStats stats;

  request = ask (model, "ignored", NULL, 0, heard, NULL, NULL);
  answer = must_answer (request);
  CHECK_STR (answer->text, "a red  car?");
  CHECK (answer->finish == NEVA_FINISH_STOP, "%d", answer->finish);
  CHECK (answer->prompt_tokens == 9, "%u", answer->prompt_tokens);
  CHECK (answer->generated_tokens == 4, "%u", answer->generated_tokens);
  CHECK (answer->mean_logprob == -0.5, "%g", answer->mean_logprob);
  CHECK (answer->first_token_ns > 0 && answer->prefill_ns > 0, "no times");
  CHECK (heard->partials == 3, "%u partials", heard->partials);
  CHECK (heard->dones == 1 && heard->code == -1, "%u", heard->dones);
  CHECK (heard->destroys == 1, "%u", heard->destroys);

  neva_model_get_stats (model, &stats);
  CHECK (stats.answers == 1 && stats.generated_tokens == 4, "wrong sums");
  CHECK (stats.load_ns >= 0 && stats.failed == 0, "wrong sums");
  heard_free (heard);
}

static void
check_echo (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:echo");
  NevaEmbedding *frames[3];
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (NevaRequest) request = NULL, same = NULL, other = NULL;
  const NevaAnswer *answer;

  frames[0] = encode (model, 0, NULL, NULL);
  frames[1] = encode (model, 1234 * G_GINT64_CONSTANT (1000000), NULL, NULL);
  frames[2] = encode (model, -1, NULL, NULL);
  question.frames = frames;
  question.n_frames = 3;
  question.system_prompt = "be brief";
  question.prompt = "Was siehst du, é?";
  request =
      neva_model_ask (model, &question, NULL, NULL, NULL, NULL, NULL, NULL);
  answer = must_answer (request);
  CHECK_STR (answer->text, "prompt=Was siehst du, é?; system=be brief; "
                           "frames=3; times=0.000,1.234,-");
  CHECK (answer->reused_tokens == 0, "%u", answer->reused_tokens);

  /* 8 of the system prompt, its end, 3 × 4 of media, "Was " */
  question.prompt = "Was ist da?";
  same = neva_model_ask (model, &question, NULL, NULL, NULL, NULL, NULL, NULL);
  answer = must_answer (same);
  CHECK_STR (answer->text, "prompt=Was ist da?; system=be brief; "
                           "frames=3; times=0.000,1.234,-");
  CHECK (answer->reused_tokens == 25, "%u", answer->reused_tokens);

  /* Another frame of the same time is another frame. */
  neva_embedding_unref (frames[1]);
  frames[1] = encode (model, 1234 * G_GINT64_CONSTANT (1000000), NULL, NULL);
  other = neva_model_ask (model, &question, NULL, NULL, NULL, NULL, NULL, NULL);
  answer = must_answer (other);
  CHECK_STR (answer->text, "prompt=Was ist da?; system=be brief; "
                           "frames=3; times=0.000,1.234,-");
  CHECK (answer->reused_tokens <= 13, "%u", answer->reused_tokens);
  for (guint i = 0; i < 3; i++)
    neva_embedding_unref (frames[i]);
}

static void
check_limits (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:one two three?tokens=100");
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  const char *stop[] = {"three", NULL};
  g_autoptr (NevaRequest) shorter = NULL, stopped = NULL, full = NULL;
  NevaModelOptions options = {.context_length = 20};
  g_autoptr (NevaModel) small = NULL;
  g_autoptr (GError) error = NULL;
  const NevaAnswer *answer;

  question.max_tokens = 4;
  shorter =
      neva_model_ask (model, &question, NULL, NULL, NULL, NULL, NULL, NULL);
  answer = must_answer (shorter);
  CHECK_STR (answer->text, "one two three one");
  CHECK (answer->finish == NEVA_FINISH_LENGTH, "%d", answer->finish);

  question.stop = stop;
  stopped =
      neva_model_ask (model, &question, NULL, NULL, NULL, NULL, NULL, NULL);
  answer = must_answer (stopped);
  CHECK_STR (answer->text, "one two ");
  CHECK (answer->finish == NEVA_FINISH_STOP, "%d", answer->finish);

  small = neva_model_open (
      "fake:one two three?tokens=100", &options, NULL, NULL, NULL, NULL);
  CHECK (small != model, "options are not part of the key");
  question = (NevaQuestion) NEVA_QUESTION_DEFAULT;
  question.prompt = "0123456789";
  full = neva_model_ask (small, &question, NULL, NULL, NULL, NULL, NULL, NULL);
  answer = must_answer (full);
  CHECK (answer->generated_tokens == 8, "%u", answer->generated_tokens);
  CHECK (answer->finish == NEVA_FINISH_LENGTH, "%d", answer->finish);

  question.prompt = "012345678901234567";
  CHECK (
      !neva_model_ask (small, &question, NULL, NULL, NULL, NULL, NULL, &error),
      "accepted");
  CHECK_ERROR (error, NEVA_ERROR_TOO_LONG, "20 tokens");
}

static void
check_errors (void)
{
  static const struct {
    const char *path, *part;
    int code;
  } opens[] = {
      {"", "no model", NEVA_ERROR_NOT_FOUND},
      {"/nonexistent/model", "/nonexistent/model", NEVA_ERROR_NOT_FOUND},
      {"fake:x?fail=load", "loading fails", NEVA_ERROR_BAD_FILE},
      {"fake:x?fail=often", "often", NEVA_ERROR_BAD_INPUT},
      {"fake:x?delay=soon", "soon", NEVA_ERROR_BAD_INPUT},
      {"fake:x?colour=1", "colour", NEVA_ERROR_BAD_INPUT},
      {"fake:\xff", "UTF-8", NEVA_ERROR_BAD_INPUT},
  };
  const NevaModelOptions nowhere = {.device = "abacus"};
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (opens); i++) {
    CHECK (!neva_model_open (opens[i].path, NULL, NULL, NULL, NULL, &error),
        "%s was opened", opens[i].path);
    CHECK_ERROR (error, opens[i].code, opens[i].part);
  }
  CHECK (!neva_model_open ("fake:x", &nowhere, NULL, NULL, NULL, &error),
      "was opened");
  CHECK_ERROR (error, NEVA_ERROR_UNSUPPORTED, "abacus");
  {
    g_autoptr (NevaModel) model = must_open ("fake:x?fail=prompt");

    CHECK (!ask (model, "?", NULL, 0, NULL, NULL, &error), "accepted");
    CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "as asked");
  }
  {
    g_autoptr (NevaModel) model = must_open ("fake:x?fail=answer");
    g_autoptr (NevaRequest) a = ask (model, "?", NULL, 0, NULL, NULL, NULL);
    g_autoptr (NevaRequest) b = ask (model, "?", NULL, 0, NULL, NULL, NULL);

    CHECK (!neva_request_wait (a, NULL, &error), "answered");
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "answering fails");
    CHECK (!neva_request_wait (b, NULL, &error), "answered");
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "answering fails");
  }
  {
    g_autoptr (NevaModel) model = must_open ("fake:x?fail=encode");
    g_autoptr (NevaModel) other = must_open ("fake:other");
    g_autoptr (NevaEmbedding) frame = encode (model, 0, NULL, NULL);
    g_autoptr (NevaRequest) a = ask (model, "?", &frame, 1, NULL, NULL, NULL);

    CHECK (!neva_request_wait (a, NULL, &error), "answered");
    CHECK_ERROR (error, NEVA_ERROR_DEVICE, "encoding fails");
    CHECK (!neva_embedding_is_ready (frame), "ready");
    CHECK (!ask (other, "?", &frame, 1, NULL, NULL, &error), "accepted");
    CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "fake:other");
  }
}

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
  g_autoptr (NevaModel) model = must_open ("fake:a b?tokens=255&delay=5000");

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
    CHECK (g_get_monotonic_time () - start < 1000000, "it took long");
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

/* ---- Sharing ------------------------------------------------------------ */

static void
count_progress (double fraction, gpointer user_data)
{
  guint *n = user_data;

  CHECK (fraction >= 0 && fraction <= 1, "%g", fraction);
  (*n)++;
}

static gpointer
open_shared (gpointer data)
{
  guint n = 0;
  NevaModel *model = neva_model_open (
      "fake:shared?load=60", NULL, count_progress, &n, NULL, NULL);

  (void) data;
  CHECK (n > 0, "no progress was reported");
  return model;
}

static void
check_sharing (void)
{
  g_autoptr (NevaModel) a = must_open ("fake:one"), b = must_open ("fake:one");
  g_autoptr (NevaModel) c = must_open ("fake:two");
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaRequest) of_a = NULL, of_c = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  GThread *threads[4];
  NevaModel *models[4];

  CHECK (a == b && a != c, "wrong models are shared");
  of_a = ask (a, "?", NULL, 0, NULL, NULL, NULL);
  of_c = ask (c, "?", NULL, 0, NULL, NULL, NULL);
  CHECK_STR (must_answer (of_a)->text, "one");
  CHECK_STR (must_answer (of_c)->text, "two");
  CHECK_STR (neva_model_get_info (c)->name, "fake:two");

  for (guint i = 0; i < 4; i++)
    threads[i] = g_thread_new ("open", open_shared, NULL);
  for (guint i = 0; i < 4; i++) {
    models[i] = g_thread_join (threads[i]);
    CHECK (models[i] && models[i] == models[0], "loaded twice");
  }
  for (guint i = 0; i < 4; i++)
    neva_model_unref (models[i]);

  g_cancellable_cancel (cancellable);
  CHECK (!neva_model_open (
             "fake:x?load=60000", NULL, NULL, NULL, cancellable, &error),
      "opened");
  CHECK_ERROR (error, NEVA_ERROR_CANCELLED, "cancelled");
}

/* ---- KV memory ---------------------------------------------------------- */

static void
check_kv_pressure (void)
{
  /* 41 + 100 tokens each, room for 300 in all. */
  g_autoptr (NevaModel) model = must_open ("fake:ab cd?tokens=100&kv=300");
  g_autoptr (NevaModel) tiny = must_open ("fake:ab cd?kv=20");
  g_autoptr (GError) error = NULL;
  NevaRequest *requests[6];
  NevaStats stats;

  for (guint i = 0; i < 6; i++)
    requests[i] = ask (model, "0123456789012345678901234567890123456789", NULL,
        0, NULL, NULL, NULL);
  for (guint i = 0; i < 6; i++) {
    const NevaAnswer *answer = must_answer (requests[i]);

    CHECK (strlen (answer->text) == 299, "\"%s\"", answer->text);
    CHECK (answer->generated_tokens == 101, "%u", answer->generated_tokens);
    neva_request_unref (requests[i]);
  }
  neva_model_get_stats (model, &stats);
  CHECK (stats.answers == 6 && stats.failed == 0, "wrong sums");

  requests[0] = ask (tiny, "0123456789012345678901234567890123456789", NULL, 0,
      NULL, NULL, NULL);
  CHECK (!neva_request_wait (requests[0], NULL, &error), "answered");
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, "KV");
  neva_request_unref (requests[0]);
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

/* ---- Sessions ----------------------------------------------------------- */

static void
check_session (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:echo");
  g_autoptr (NevaSession) session = neva_session_new (model, NULL);
  const guint8 pixel[3] = {1, 2, 3};
  const NevaFrame frame = {.width = 1,
      .height = 1,
      .plane = {pixel},
      .stride = {3},
      .pts_ns = 2000000000};
  g_autoptr (GError) error = NULL;

  for (guint turn = 0; turn < 2; turn++) {
    g_autoptr (GString) text = g_string_new (NULL);
    const char *piece;
    NevaStep step;

    CHECK (neva_session_push_frame (session, &frame, NULL), "refused");
    CHECK (neva_session_push_text (session, "Hm?", NULL), "refused");
    while ((step = neva_session_next (session, &piece, NULL)) == NEVA_STEP_TEXT)
      g_string_append (text, piece);
    CHECK (step == NEVA_STEP_END, "%d", (int) step);
    CHECK_STR (text->str, "prompt=Hm?; frames=1; times=2.000");
  }
  CHECK (!neva_session_push_text (session, "\xff", &error), "accepted");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "UTF-8");
  /* Freed while it answers. */
  neva_session_push_text (session, "again", NULL);
  {
    const char *piece;
    CHECK (neva_session_next (session, &piece, NULL) == NEVA_STEP_TEXT, "no");
  }
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc, argv);

  check_answer ();
  check_echo ();
  check_limits ();
  check_errors ();
  check_order ();
  check_full_frame_queue ();
  check_full_question_queue ();
  check_dropped_frames ();
  check_cancel ();
  check_cancel_while_running ();
  check_forgotten_request ();
  check_sharing ();
  check_kv_pressure ();
  check_storm (seed);
  check_session ();
  return check_finish ();
}
