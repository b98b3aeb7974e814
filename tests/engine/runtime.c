/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Answers of fake models: questions, sharing of models, sessions, and short KV
 * memory. */
#include "config.h"
#include "runtime_helpers.h"

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
  g_autoptr (NevaRequest) shorter = NULL, stopped = NULL, full = NULL,
                          one = NULL;
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
  /* context + 1 - prompt, which is 10 and two ends */
  CHECK (answer->generated_tokens == 9, "%u", answer->generated_tokens);
  CHECK (answer->finish == NEVA_FINISH_LENGTH, "%d", answer->finish);

  question.prompt = "012345678901234567";
  one = neva_model_ask (small, &question, NULL, NULL, NULL, NULL, NULL, NULL);
  answer = must_answer (one);
  CHECK (answer->generated_tokens == 1, "%u", answer->generated_tokens);
  question.prompt = "0123456789012345678";
  CHECK (
      !neva_model_ask (small, &question, NULL, NULL, NULL, NULL, NULL, &error),
      "accepted");
  CHECK_ERROR (error, NEVA_ERROR_TOO_LONG, "20 tokens");
}

static void
check_measure (void)
{
  g_autoptr (NevaModel) model = must_open ("fake:echo?context=20");
  g_autoptr (NevaEmbedding) frame = encode (model, 0, NULL, NULL);
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaRequest) request = NULL;
  gsize tokens;

  question.frames = &frame;
  question.n_frames = 1;
  question.prompt = "What?";
  question.insert_media = NEVA_INSERT_LEFT;
  /* the system's end, 4 of the frame, <video>What?, the end */
  tokens = neva_model_measure (model, &question, &error);
  CHECK (tokens == 18, "%zu", tokens);
  request =
      neva_model_ask (model, &question, NULL, NULL, NULL, NULL, NULL, NULL);
  CHECK (must_answer (request)->prompt_tokens == tokens, "asked with others");
  question.prompt = "one that is longer than the context";
  tokens = neva_model_measure (model, &question, &error);
  CHECK (tokens == 48, "%zu", tokens);
  question.conv_template = "no_such";
  CHECK (neva_model_measure (model, &question, &error) == 0, "accepted");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "no_such");
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
  CHECK (stats.paused > 0, "none was paused");

  requests[0] = ask (tiny, "0123456789012345678901234567890123456789", NULL, 0,
      NULL, NULL, NULL);
  CHECK (!neva_request_wait (requests[0], NULL, &error), "answered");
  CHECK_ERROR (error, NEVA_ERROR_DEVICE, "KV");
  neva_request_unref (requests[0]);
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
main (void)
{
  check_answer ();
  check_echo ();
  check_limits ();
  check_measure ();
  check_errors ();
  check_sharing ();
  check_kv_pressure ();
  check_session ();
  return check_finish ();
}
