/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The chat client against a server that behaves in every way servers do. */
#include "config.h"
#include <string.h>
#include "remote/chat.h"
#include "test_server.h"

static NevaTestServer *server;

static const NevaChatMessage messages[] = {
    {.role = "system", .text = "Be brief."}, {.role = "user", .text = "Hé?"}};

static void
collect (const char *piece, gpointer pieces)
{
  g_string_append (pieces, piece);
}

static char *
ask (const char *path, NevaChatOptions options, gboolean stream,
    GString *pieces, GCancellable *cancellable, guint *retried, GError **error)
{
  const NevaChatParameters parameters = {.temperature = 0.2,
      .top_p = 0.7,
      .max_tokens = 1024,
      .seed = 42,
      .stream = stream};
  g_autofree char *url = neva_test_server_url (server, path);
  g_autoptr (NevaChat) chat = NULL;
  char *text;

  options.url = url;
  chat = neva_chat_new (&options, error);
  if (!chat)
    return NULL;
  text = neva_chat_complete (chat, messages, G_N_ELEMENTS (messages),
      &parameters, pieces ? collect : NULL, pieces, cancellable, error);
  if (retried)
    *retried = neva_chat_retried (chat);
  return text;
}

static void
test_stream (void)
{
  g_autoptr (GString) pieces = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autofree char *text =
      ask ("/stream", (NevaChatOptions){0}, TRUE, pieces, NULL, NULL, &error);
  g_autofree char *body = neva_test_server_last_body (server);

  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "8 7\nbécause");
  g_assert_cmpstr (pieces->str, ==, text);
  g_assert_nonnull (strstr (body, "\"max_tokens\":1024"));
  g_assert_nonnull (strstr (body, "\"seed\":42"));
  g_assert_nonnull (strstr (body, "\"stream\":true"));
  g_assert_null (strstr (body, "\"model\""));
}

static void
test_plain_and_model (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = ask ("/plain", (NevaChatOptions){.model = "m-8x7b"},
      FALSE, NULL, NULL, NULL, &error);
  g_autofree char *body = neva_test_server_last_body (server), *again = NULL;

  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "9 6\nplain");
  g_assert_nonnull (strstr (body, "\"model\":\"m-8x7b\""));
  /* a server that cannot stream is understood */
  again = ask ("/plain", (NevaChatOptions){0}, TRUE, NULL, NULL, NULL, &error);
  g_assert_cmpstr (again, ==, "9 6\nplain");
}

static void
test_key_is_sent_and_never_told (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL, *key = NULL;

  g_setenv ("API_TOKEN", "nvapi-secret", TRUE);
  text = ask ("/refuse", (NevaChatOptions){.retries = 3}, TRUE, NULL, NULL,
      NULL, &error);
  key = neva_test_server_last_key (server);
  g_unsetenv ("API_TOKEN");
  g_assert_null (text);
  g_assert_cmpstr (key, ==, "Bearer nvapi-secret");
  g_assert_error (error, NEVA_ERROR, NEVA_ERROR_NETWORK);
  g_assert_nonnull (strstr (error->message, "401"));
  g_assert_nonnull (strstr (error->message, "no such key"));
  g_assert_null (strstr (error->message, "secret"));
}

static void
test_busy_and_faults_are_tried_again (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL, *text2 = NULL;
  guint retried = 0;

  text = ask ("/busy/2", (NevaChatOptions){.retries = 3}, TRUE, NULL, NULL,
      &retried, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text, ==, "8 7\nafter all");
  g_assert_cmpuint (retried, ==, 2);

  text2 = ask ("/fault/100", (NevaChatOptions){.retries = 1}, TRUE, NULL, NULL,
      &retried, &error);
  g_assert_null (text2);
  g_assert_error (error, NEVA_ERROR, NEVA_ERROR_NETWORK);
  g_assert_nonnull (strstr (error->message, "after 2 tries"));
  g_assert_nonnull (strstr (error->message, "come back later"));
}

static void
expect_fault (const char *path, const char *part)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = ask (
      path, (NevaChatOptions){.timeout_s = 1}, TRUE, NULL, NULL, NULL, &error);

  g_assert_null (text);
  g_assert_error (error, NEVA_ERROR, NEVA_ERROR_NETWORK);
  if (!strstr (error->message, part))
    g_error ("%s: %s", path, error->message);
}

static void
test_bad_replies_are_errors (void)
{
  expect_fault ("/garbage", "ended before the answer");
  expect_fault ("/cut", "ended before the answer");
  expect_fault ("/error", "overloaded");
  expect_fault ("/nowhere", "404");
  expect_fault ("/silent", "within 1 s");
}

typedef struct {
  GCancellable *cancellable;
  guint n; /* cancel at the n-th request */
} Cancel;

static gpointer
cancel_when_asked (gpointer data)
{
  const Cancel *cancel = data;

  neva_test_server_wait (server, cancel->n);
  g_cancellable_cancel (cancel->cancellable);
  return NULL;
}

static void
test_cancel (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GError) error = NULL;
  Cancel cancel = {cancellable, neva_test_server_requests (server) + 1};
  GThread *thread = g_thread_new ("cancel", cancel_when_asked, &cancel);
  g_autofree char *text = NULL;

  text = ask ("/silent", (NevaChatOptions){.timeout_s = 60}, TRUE, NULL,
      cancellable, NULL, &error);
  g_thread_join (thread);
  g_assert_null (text);
  g_assert_error (error, NEVA_ERROR, NEVA_ERROR_CANCELLED);
}

static void
test_specs (void)
{
  g_autofree char *url = NULL, *model = NULL, *url2 = NULL, *model2 = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (neva_chat_parse_spec (
      "openai:http://localhost:8000/v1/#mixtral", &url, &model, NULL));
  g_assert_cmpstr (url, ==, "http://localhost:8000/v1/chat/completions");
  g_assert_cmpstr (model, ==, "mixtral");
  g_assert_true (neva_chat_parse_spec (
      "https://api.example.org/f/1", &url2, &model2, NULL));
  g_assert_cmpstr (url2, ==, "https://api.example.org/f/1");
  g_assert_null (model2);
  g_assert_false (neva_chat_parse_spec (
      "openai:http://localhost/v1", &url, &model, &error));
  g_assert_nonnull (strstr (error->message, "names no model"));
  g_assert_false (neva_chat_parse_spec ("ftp://x/y", &url, &model, NULL));
  g_assert_false (neva_chat_parse_spec ("openai:x#m", &url, &model, NULL));
}

int
main (int argc, char **argv)
{
  int r;

  g_unsetenv ("API_TOKEN");
  g_unsetenv ("OPENAI_API_KEY");
  g_unsetenv ("http_proxy");
  g_unsetenv ("HTTP_PROXY");
  g_unsetenv ("all_proxy");
  g_test_init (&argc, &argv, NULL);
  server = neva_test_server_new ();
  g_test_add_func ("/chat/stream", test_stream);
  g_test_add_func ("/chat/plain", test_plain_and_model);
  g_test_add_func ("/chat/key", test_key_is_sent_and_never_told);
  g_test_add_func ("/chat/retry", test_busy_and_faults_are_tried_again);
  g_test_add_func ("/chat/bad-replies", test_bad_replies_are_errors);
  g_test_add_func ("/chat/cancel", test_cancel);
  g_test_add_func ("/chat/spec", test_specs);
  r = g_test_run ();
  neva_test_server_free (server);
  return r;
}
