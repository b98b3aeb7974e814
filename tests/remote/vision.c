/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Models behind an endpoint, as those of our own are used. */
#include "config.h"
#include <string.h>
#include <neva/request.h>
#include "test_server.h"

static NevaTestServer *server;

static NevaModel *
open_model (const char *path, NevaModelOptions options)
{
  g_autofree char *url = neva_test_server_url (server, path);
  g_autofree char *spec = g_strdup_printf ("openai:%s#a-model", url);
  g_autoptr (GError) error = NULL;
  NevaModel *model = neva_model_open (spec, &options, NULL, NULL, NULL, &error);

  g_assert_no_error (error);
  return model;
}

/* A frame of one colour, 0xRRGGBB. */
static NevaEmbedding *
show (NevaModel *model, guint width, guint height, guint32 rgb)
{
  g_autofree guint8 *pixels = g_malloc (3 * (gsize) width * height);
  const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = width,
      .height = height,
      .plane = {pixels},
      .stride = {3 * (gint) width},
      .pts_ns = -1};
  g_autoptr (GError) error = NULL;
  NevaEmbedding *embedding;

  for (gsize i = 0; i < (gsize) width * height; i++)
    for (guint c = 0; c < 3; c++)
      pixels[3 * i + c] = (guint8) (rgb >> (16 - 8 * c));
  embedding = neva_model_encode (model, &frame, NULL, &error);
  g_assert_no_error (error);
  return embedding;
}

static void
on_partial (NevaRequest *request, const char *text, gpointer user_data)
{
  GString *longest = user_data;

  g_assert_true (g_str_has_prefix (text, longest->str));
  g_string_assign (longest, text);
}

/* (transfer full): the answer, or NULL with error. */
static char *
ask (NevaModel *model, NevaEmbedding *const *frames, gsize n,
    NevaQuestion question, GString *partial, GError **error)
{
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  g_autoptr (NevaRequest) request = NULL;
  const NevaAnswer *answer;

  question.frames = frames;
  question.n_frames = n;
  if (!question.prompt)
    question.prompt = "What is it?";
  request = neva_model_ask (model, &question, partial ? on_partial : NULL, NULL,
      partial, NULL, wait, error);
  if (!request)
    return NULL;
  answer = neva_request_wait (request, NULL, error);
  return answer ? g_strdup (answer->text) : NULL;
}

static void
test_frames_arrive_as_jpeg (void)
{
  static const char *const stop[] = {"END", NULL};
  g_autoptr (NevaModel) model = open_model ("/vision", (NevaModelOptions){0});
  NevaEmbedding *frames[] = {show (model, 64, 48, 0xff0000),
      show (model, 1920, 1080, 0x00ff00), show (model, 33, 1, 0x0000ff),
      show (model, 64, 48, 0xffffff)};
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GString) partial = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL, *body = NULL;

  question.prompt = "<video>\nWhat is it?";
  question.system_prompt = "Be brief.";
  question.stop = stop;
  question.max_tokens = 77;
  text = ask (model, frames, G_N_ELEMENTS (frames), question, partial, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==,
      "4 pictures: 64x48/300,768x432/030,33x1/003,64x48/333; text: What is "
      "it?");
  /* all but the last piece has been seen growing */
  g_assert_cmpuint (partial->len, >, strlen (text) / 2);
  body = neva_test_server_last_body (server);
  g_assert_nonnull (strstr (body, "\"model\":\"a-model\""));
  g_assert_nonnull (strstr (body, "\"content\":\"Be brief.\""));
  g_assert_nonnull (strstr (body, "\"stop\":[\"END\"]"));
  g_assert_nonnull (strstr (body, "\"max_tokens\":77"));
  for (gsize i = 0; i < G_N_ELEMENTS (frames); i++)
    neva_embedding_unref (frames[i]);
}

static void
test_noise_fits (void)
{
  g_autoptr (NevaModel) model = open_model ("/vision", (NevaModelOptions){0});
  const guint side = 1024;
  g_autofree guint8 *pixels = g_malloc (3 * side * side);
  const NevaFrame frame = {.format = NEVA_PIXEL_RGB,
      .width = side,
      .height = side,
      .plane = {pixels},
      .stride = {3 * side},
      .pts_ns = -1};
  g_autoptr (NevaEmbedding) embedding = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  NevaQuestion question = NEVA_QUESTION_DEFAULT;

  for (gsize i = 0; i < 3 * side * side; i++)
    pixels[i] = (guint8) g_test_rand_int ();
  embedding = neva_model_encode (model, &frame, NULL, &error);
  g_assert_no_error (error);
  text = ask (model, &embedding, 1, question, NULL, &error);
  g_assert_no_error (error);
  g_assert_true (g_str_has_prefix (text, "1 pictures: 768x768/111;") ||
                 g_str_has_prefix (text, "1 pictures: 768x768/222;"));
}

static void
test_servers_that_do_not_stream (void)
{
  g_autoptr (NevaModel) model = open_model ("/plain", (NevaModelOptions){0});
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = ask (model, NULL, 0, question, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "9 6\nplain");
}

static void
test_many_at_once (void)
{
  g_autoptr (NevaModel) model = open_model ("/echo", (NevaModelOptions){0});
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  NevaRequest *requests[20];

  for (guint i = 0; i < G_N_ELEMENTS (requests); i++) {
    NevaQuestion question = NEVA_QUESTION_DEFAULT;
    g_autofree char *prompt = g_strdup_printf ("question %u", i);

    question.prompt = prompt;
    requests[i] =
        neva_model_ask (model, &question, NULL, NULL, NULL, NULL, wait, NULL);
    g_assert_nonnull (requests[i]);
  }
  for (guint i = 0; i < G_N_ELEMENTS (requests); i++) {
    g_autoptr (GError) error = NULL;
    g_autofree char *want = g_strdup_printf ("question %u", i);
    const NevaAnswer *answer = neva_request_wait (requests[i], NULL, &error);

    g_assert_no_error (error);
    g_assert_cmpstr (answer->text, ==, want);
    neva_request_unref (requests[i]);
  }
}

static void
test_busy_servers_are_asked_again (void)
{
  g_autoptr (NevaModel) model = open_model ("/busy/2", (NevaModelOptions){0});
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = ask (model, NULL, 0, question, NULL, &error);

  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "8 7\nafter all");
}

static void
expect_error (const char *path, const char *part)
{
  g_autoptr (NevaModel) model =
      open_model (path, (NevaModelOptions){.timeout_s = 1, .retries = -1});
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = ask (model, NULL, 0, question, NULL, &error);

  g_assert_null (text);
  g_assert_error (error, NEVA_ERROR, NEVA_ERROR_NETWORK);
  if (!strstr (error->message, part))
    g_error ("%s: %s", path, error->message);
}

static void
test_bad_servers_are_errors (void)
{
  expect_error ("/silent", "within 1 s");
  expect_error ("/garbage", "ended before the answer");
  expect_error ("/cut", "ended before the answer");
  expect_error ("/error", "overloaded");
  expect_error ("/refuse", "401");
}

/* Frames are sent with every question, and nobody here counts words. */
static void
test_what_is_counted (void)
{
  g_autoptr (NevaModel) model = open_model ("/echo", (NevaModelOptions){0});
  g_autoptr (NevaEmbedding) frame = show (model, 8, 8, 0x102030);
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GError) error = NULL;

  question.frames = &frame;
  question.n_frames = 1;
  question.prompt = "0123456789";
  /* the frame, the question's end, and ten bytes */
  g_assert_cmpuint (
      neva_model_measure (model, &question, &error), ==, 1 + 1 + 4);
  g_assert_no_error (error);
  for (guint i = 0; i < 2; i++) {
    g_autoptr (NevaRequest) request =
        neva_model_ask (model, &question, NULL, NULL, NULL, NULL, NULL, &error);
    const NevaAnswer *answer;

    g_assert_no_error (error);
    answer = neva_request_wait (request, NULL, &error);
    g_assert_no_error (error);
    g_assert_cmpuint (answer->reused_tokens, ==, 0);
  }
}

static void
test_cancel (void)
{
  g_autoptr (NevaModel) model = open_model ("/silent", (NevaModelOptions){0});
  g_autoptr (GCancellable) wait = g_cancellable_new ();
  const guint before = neva_test_server_requests (server);
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaRequest) request = NULL;

  question.prompt = "x";
  request =
      neva_model_ask (model, &question, NULL, NULL, NULL, NULL, wait, &error);
  g_assert_no_error (error);
  neva_test_server_wait (server, before + 1);
  neva_request_cancel (request);
  g_assert_null (neva_request_wait (request, NULL, &error));
  g_assert_error (error, NEVA_ERROR, NEVA_ERROR_CANCELLED);
}

static void
expect_refused (NevaQuestion question, const char *part)
{
  g_autoptr (NevaModel) model = open_model ("/echo", (NevaModelOptions){0});
  g_autoptr (GError) error = NULL;
  g_autofree char *text = ask (model, NULL, 0, question, NULL, &error);

  g_assert_null (text);
  g_assert_error (error, NEVA_ERROR, NEVA_ERROR_UNSUPPORTED);
  g_assert_nonnull (strstr (error->message, part));
}

static void
test_what_the_protocol_lacks_is_refused (void)
{
  NevaQuestion question = NEVA_QUESTION_DEFAULT;
  g_autoptr (GError) error = NULL;

  question.sampling.greedy = FALSE;
  question.sampling.top_k = 5;
  expect_refused (question, "top-k");
  question.sampling.top_k = 0;
  question.sampling.repetition_penalty = 1.2;
  expect_refused (question, "repetition penalty");
  question.sampling.repetition_penalty = 1.0;
  question.yes_no = TRUE;
  expect_refused (question, "probability of yes");
  question.yes_no = FALSE;
  question.conv_template = "chatml";
  expect_refused (question, "template");
  g_assert_null (neva_model_open (
      "openai:http://localhost:1/v1", NULL, NULL, NULL, NULL, &error));
  g_assert_nonnull (strstr (error->message, "names no model"));
}

int
main (int argc, char **argv)
{
  int r;

  g_unsetenv ("API_TOKEN");
  g_unsetenv ("OPENAI_API_KEY");
  g_setenv ("no_proxy", "127.0.0.1", TRUE);
  g_test_init (&argc, &argv, NULL);
  server = neva_test_server_new ();
  g_test_add_func ("/vision/jpeg", test_frames_arrive_as_jpeg);
  g_test_add_func ("/vision/noise", test_noise_fits);
  g_test_add_func ("/vision/plain", test_servers_that_do_not_stream);
  g_test_add_func ("/vision/many", test_many_at_once);
  g_test_add_func ("/vision/busy", test_busy_servers_are_asked_again);
  g_test_add_func ("/vision/bad", test_bad_servers_are_errors);
  g_test_add_func ("/vision/counted", test_what_is_counted);
  g_test_add_func ("/vision/cancel", test_cancel);
  g_test_add_func ("/vision/refused", test_what_the_protocol_lacks_is_refused);
  r = g_test_run ();
  neva_test_server_free (server);
  return r;
}
