/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-judge as a user runs it, against a server of our own.
 * usage: judge NEVA_JUDGE [EVAL_DIR] */
#include "config.h"
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <gio/gio.h>
#include "test_server.h"

static NevaTestServer *server;
static char *program, *eval_dir;

/* Made by tests/make_judge_reference.py. */
#define EVAL_PROMPTS                                                           \
  "7a1b0beaca37be2f9d2509a469293ebfda37be7a7cbc3a6d3e0e142612097548"
#define EVAL_ROWS                                                              \
  "ccf1f5b7554843c954d4616b51d5d6b35832be2259da0834c26216625c824eda"
#define EVAL_TABLE                                                             \
  "all 41.7 32.9\nllava_bench_complex 44.3 30.7\nllava_bench_conv 39.3 41.8\n" \
  "llava_bench_detail 41.3 26.2\n=================================\n"

typedef struct {
  char *dir, *out, *err;
  int status;
} Run;

static char *
in (const Run *r, const char *name)
{
  return g_build_filename (r->dir, name, NULL);
}

static void
put (const Run *r, const char *name, const char *text)
{
  g_autofree char *path = in (r, name);

  g_assert_true (g_file_set_contents (path, text, -1, NULL));
}

static char *
get (const Run *r, const char *name)
{
  g_autofree char *path = in (r, name);
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    g_error ("%s: not there; stderr: %s", path, r->err);
  return text;
}

static void
run_clear (Run *r)
{
  g_autofree char *command = g_strdup_printf ("rm -rf '%s'", r->dir);

  g_spawn_command_line_sync (command, NULL, NULL, NULL, NULL);
  g_free (r->dir);
  g_free (r->out);
  g_free (r->err);
}

/* A folder with three questions of two models. */
static void
run_init (Run *r)
{
  *r = (Run){.dir = g_dir_make_tmp ("neva-judge-XXXXXX", NULL)};
  put (r, "question.jsonl",
      "{\"question_id\": 7, \"image\": \"a.jpg\", \"text\": \"What?\", "
      "\"category\": \"conv\"}\n"
      "{\"question_id\": 8, \"video\": \"b.mp4\", \"text\": \"Wo ist é?\", "
      "\"category\": \"detail\"}\n\n"
      "{\"question_id\": 9, \"image\": \"a.jpg\", \"text\": \"Why?\", "
      "\"category\": \"conv\"}\n");
  put (r, "context.jsonl",
      "{\"image\": \"a.jpg\", \"caption\": [\"a cat\", \"a mat\"]}\n"
      "{\"video\": \"b.mp4\", \"caption\": \"a dog runs\"}\n");
  put (r, "rule.json",
      "{\"llava_bench_conv\": {\"role\": \"Assistant\", \"prompt\": "
      "\"Rate.\"}, "
      "\"llava_bench_detail\": {\"role\": \"Assistant\", \"prompt\": \"Rate "
      "2.\"}}");
  put (r, "one.jsonl",
      "{\"response_id\": 9, \"response\": \"because\"}\n"
      "{\"response_id\": 7, \"response\": \"a cat\"}\n"
      "{\"response_id\": \"8\", \"response\": \"there\"}\n");
  put (r, "two.jsonl",
      "{\"question_id\": 7, \"text\": \"What?\", \"pred_answer\": \"a mat\"}\n"
      "{\"question_id\": 8, \"text\": \"here\"}\n"
      "{\"question_id\": 9, \"text\": \"so\"}\n");
}

/* Runs in the folder; `more` is NULL-terminated. */
static void
run_judge (Run *r, const char *path, const char *const *more)
{
  g_autofree char *url = neva_test_server_url (server, path);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GError) error = NULL;
  const char *const fixed[] = {program, "--judge", url, "--retries", "0",
      "--model-name-list", "m1", "m2", "--responses-list", "one.jsonl",
      "two.jsonl", NULL};

  for (gsize i = 0; fixed[i]; i++)
    g_ptr_array_add (argv, (gpointer) fixed[i]);
  for (gsize i = 0; more && more[i]; i++)
    g_ptr_array_add (argv, (gpointer) more[i]);
  g_ptr_array_add (argv, NULL);
  g_clear_pointer (&r->out, g_free);
  g_clear_pointer (&r->err, g_free);
  g_spawn_sync (r->dir, (char **) argv->pdata, NULL, G_SPAWN_DEFAULT, NULL,
      NULL, &r->out, &r->err, &r->status, &error);
  g_assert_no_error (error);
  g_assert_true (WIFEXITED (r->status));
  r->status = WEXITSTATUS (r->status);
}

static guint
count_lines (const char *text)
{
  guint n = 0;

  for (; text && *text; text++)
    n += *text == '\n';
  return n;
}

static void
expect_error (Run *r, const char *part)
{
  if (r->status != 1 || !strstr (r->err, part))
    g_error ("status %d, \"%s\" expected, stderr: %s", r->status, part, r->err);
}

static void
test_answers_are_joined_by_id (void)
{
  g_autofree char *rows = NULL, *answers = NULL;
  Run r;

  run_init (&r);
  run_judge (&r, "/stream", NULL);
  g_assert_cmpstr (r.err, ==, "");
  g_assert_cmpint (r.status, ==, 0);
  g_assert_cmpstr (r.out, ==,
      "all 80.0 70.0\nllava_bench_conv 80.0 70.0\n"
      "llava_bench_detail 80.0 70.0\n=================================\n");
  rows = get (&r, "output.json");
  g_assert_cmpuint (count_lines (rows), ==, 3);
  g_assert_true (g_str_has_prefix (rows, "{\"id\": 1, \"question_id\": 7, "));
  g_assert_nonnull (strstr (rows, "\"content\": \"8 7\\nb\\u00e9cause\""));
  g_assert_nonnull (strstr (rows, "\"tuple\": [8.0, 7.0]"));
  answers = get (&r, "answers/one_answer.jsonl");
  g_assert_cmpuint (count_lines (answers), ==, 3);
  g_assert_true (g_str_has_prefix (answers,
      "{\"question_id\": 7, \"prompt\": \"What?\", \"text\": \"a cat\", "
      "\"answer_id\": \""));
  g_assert_nonnull (
      strstr (answers, "\"model_id\": \"m1\", \"metadata\": {}}"));
  run_clear (&r);
}

static void
test_prompts_reach_the_judge (void)
{
  g_autofree char *body = NULL;
  const char *const chunk[] = {"--num-chunks", "3", "--chunk-idx", "1", NULL};
  Run r;

  run_init (&r);
  run_judge (&r, "/stream", chunk);
  body = neva_test_server_last_body (server);
  g_assert_nonnull (strstr (body,
      "[Context]\\na dog runs\\n\\n[Question]\\nWo ist é?\\n\\n[Assistant "
      "1]\\nthere\\n\\n[End of Assistant 1]\\n\\n[Assistant "
      "2]\\nhere\\n\\n[End "
      "of Assistant 2]\\n\\n[System]\\nRate 2.\\n\\n"));
  g_assert_nonnull (strstr (body, "\"temperature\":0.2"));
  g_assert_nonnull (strstr (body, "checking the quality of the answer."));
  run_clear (&r);
}

static void
test_finished_rows_are_not_judged_again (void)
{
  g_autofree char *before = NULL, *after = NULL, *cut = NULL;
  guint requests;
  Run r;

  run_init (&r);
  run_judge (&r, "/scores", NULL);
  before = get (&r, "output.json");
  /* killed while the second line was written */
  cut = g_strndup (before, strcspn (before, "\n") + 40);
  put (&r, "output.json", cut);
  requests = neva_test_server_requests (server);
  run_judge (&r, "/scores", NULL);
  after = get (&r, "output.json");
  g_assert_cmpstr (before, ==, after);
  g_assert_cmpuint (neva_test_server_requests (server) - requests, ==, 2);
  run_clear (&r);
}

static void
test_rows_of_other_answers_are_an_error (void)
{
  g_autofree char *before = NULL, *after = NULL;
  Run r;

  run_init (&r);
  run_judge (&r, "/scores", NULL);
  before = get (&r, "output.json");
  put (&r, "two.jsonl",
      "{\"question_id\": 7, \"text\": \"changed\"}\n"
      "{\"question_id\": 8, \"text\": \"here\"}\n"
      "{\"question_id\": 9, \"text\": \"so\"}\n");
  run_judge (&r, "/scores", NULL);
  expect_error (&r, "output.json: line 1 is of other questions or answers");
  after = get (&r, "output.json");
  g_assert_cmpstr (before, ==, after);
  run_clear (&r);
}

static void
test_failing_judge_stops_and_resumes (void)
{
  const char *const retry[] = {"--retries", "0", "--jobs", "1", NULL};
  const char *const record[] = {"--on-error", "record", NULL};
  g_autofree char *rows = NULL;
  Run r;

  run_init (&r);
  run_judge (&r, "/refuse", retry);
  expect_error (&r, "question 7: 127.0.0.1: HTTP 401");
  run_judge (&r, "/refuse", record);
  g_assert_cmpint (r.status, ==, 2);
  rows = get (&r, "output.json");
  g_assert_nonnull (strstr (rows, "\"content\": \"\", \"tuple\": [-1, -1]}"));
  g_assert_true (g_str_has_prefix (r.out, "all -10.0 -10.0\n"));
  run_clear (&r);
}

static void
test_three_models_in_one_run (void)
{
  const char *const three[] = {"--model-name-list", "a", "b", "c",
      "--responses-list", "one.jsonl", "two.jsonl", "three.jsonl", "--jobs",
      "3", NULL};
  g_autofree char *rows = NULL;
  Run r;

  run_init (&r);
  put (&r, "three.jsonl",
      "{\"question_id\": 7, \"text\": \"x\"}\n{\"question_id\": 8, \"text\": "
      "\"y\"}\n{\"question_id\": 9, \"text\": \"z\"}\n");
  run_judge (&r, "/stream", three); /* two scores: none for three models */
  g_assert_cmpint (r.status, ==, 2);
  rows = get (&r, "output.json");
  g_assert_nonnull (strstr (rows, "\"answer3_id\""));
  g_assert_nonnull (strstr (rows, "\"tuple\": [-1, -1, -1]"));
  run_clear (&r);
}

static void
test_bad_input_is_named (void)
{
  const char *const position[] = {"--join", "position", NULL};
  const char *const unknown[] = {"--joint", "id", NULL};
  char deep[100000] = "";
  Run r;

  run_init (&r);
  put (&r, "rule.json",
      "{\"llava_bench_conv\": {\"role\": \"A\", \"prompt\": "
      "\"R\"}}");
  run_judge (&r, "/stream", NULL);
  expect_error (&r, "question.jsonl: line 2: no rule 'llava_bench_detail'");
  put (&r, "rule.json", "{");
  run_judge (&r, "/stream", NULL);
  expect_error (&r, "rule.json");
  run_clear (&r);

  run_init (&r);
  put (&r, "context.jsonl", "{\"image\": \"a.jpg\", \"caption\": \"x\"}\n");
  run_judge (&r, "/stream", NULL);
  expect_error (&r, "line 2: 'b.mp4' is not in context.jsonl");
  put (&r, "two.jsonl", "{\"question_id\": 7, \"text\": \"x\"}\n[1]\n");
  run_judge (&r, "/stream", NULL);
  expect_error (&r, "two.jsonl: line 2: no JSON object");
  memset (deep, '[', sizeof deep - 1);
  put (&r, "two.jsonl", deep);
  run_judge (&r, "/stream", NULL);
  expect_error (&r, "two.jsonl: line 1: not JSON, or nested too deeply");
  put (&r, "two.jsonl", "{\"question_id\": 7, \"text\": \"x\"}\n");
  run_judge (&r, "/stream", NULL);
  expect_error (&r, "two.jsonl: no answer to question 8");
  run_judge (&r, "/stream", unknown);
  expect_error (&r, "unknown option --joint");
  /* by position, what does not pair up is dropped, as the original does */
  run_judge (&r, "/stream", position);
  g_assert_cmpstr (r.out, ==, "=================================\n");
  run_clear (&r);
}

/* Killed at a random moment, again and again, until it is done. */
static void
test_kill_and_resume (void)
{
  g_autofree char *url = neva_test_server_url (server, "/scores");
  g_autofree char *whole = NULL, *rows = NULL;
  char *argv[] = {program, "--judge", url, "--quiet", "--jobs", "2",
      "--model-name-list", "m1", "m2", "--responses-list", "one.jsonl",
      "two.jsonl", NULL};
  Run r;

  run_init (&r);
  run_judge (&r, "/scores", NULL);
  whole = get (&r, "output.json");
  put (&r, "output.json", "");
  for (guint i = 0; i < 12; i++) {
    const guint requests = neva_test_server_requests (server);
    GPid pid;

    g_assert_true (g_spawn_async (r.dir, argv, NULL,
        G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
            G_SPAWN_STDERR_TO_DEV_NULL,
        NULL, NULL, &pid, NULL));
    /* the first between a request and its row; later ones whenever: when all is
     * judged already, no request comes */
    if (i == 0)
      neva_test_server_wait (server, requests + 1);
    kill (pid, SIGKILL);
    waitpid (pid, NULL, 0);
    g_spawn_close_pid (pid);
  }
  run_judge (&r, "/scores", NULL);
  rows = get (&r, "output.json");
  g_assert_cmpstr (rows, ==, whole);
  run_clear (&r);
}

static char *
blank_ids (const char *rows)
{
  g_autoptr (GRegex) regex =
      g_regex_new ("(\"answer[12]_id\": )\"[^\"]*\"", 0, 0, NULL);

  return g_regex_replace (regex, rows, -1, 0, "\\1\"X\"", 0, NULL);
}

/* ../shared/eval: 90 questions, a second model that gives each question the
 * next one's answer. */
static void
test_real_data_equals_the_original (void)
{
  g_autofree char *path =
      eval_dir ? g_build_filename (eval_dir, "qa90_gpt4_answer.jsonl", NULL)
               : NULL;
  g_autofree char *answers = NULL, *rows = NULL, *blank = NULL, *hash = NULL;
  g_autofree char *prompts = NULL, *questions = NULL, *context = NULL,
                  *rules = NULL;
  g_autoptr (GString) second = g_string_new (NULL);
  g_auto (GStrv) line = NULL;
  Run r;

  if (!path || !g_file_get_contents (path, &answers, NULL, NULL)) {
    g_test_skip ("no ../shared/eval");
    return;
  }
  run_init (&r);
  put (&r, "one.jsonl", answers);
  line = g_strsplit (g_strchomp (answers), "\n", -1);
  for (guint i = 0; line[i]; i++) {
    const char *text =
        strchr (line[line[i + 1] ? i + 1 : 0], ','); /* after the id */

    g_string_append_printf (second, "{\"question_id\": %u%s\n", i, text);
  }
  put (&r, "two.jsonl", second->str);
  questions = g_build_filename (eval_dir, "qa90_questions.jsonl", NULL);
  context =
      g_build_filename (eval_dir, "caps_boxes_coco2014_val_80.jsonl", NULL);
  rules = g_build_filename (eval_dir, "rule.json", NULL);
  g_free (neva_test_server_prompts (server)); /* from here on */
  {
    const char *const files[] = {"--question-file", questions, "--context-file",
        context, "--rule-file", rules, NULL};

    run_judge (&r, "/scores", files);
  }
  rows = get (&r, "output.json");
  blank = blank_ids (rows);
  hash = g_compute_checksum_for_string (G_CHECKSUM_SHA256, blank, -1);
  prompts = neva_test_server_prompts (server);
  g_assert_cmpstr (prompts, ==, EVAL_PROMPTS);
  g_assert_cmpstr (hash, ==, EVAL_ROWS);
  g_assert_cmpstr (r.out, ==, EVAL_TABLE);
  g_assert_cmpint (r.status, ==, 2);
  run_clear (&r);
}

int
main (int argc, char **argv)
{
  int status;

  g_unsetenv ("API_TOKEN");
  g_unsetenv ("OPENAI_API_KEY");
  g_setenv ("no_proxy", "127.0.0.1", TRUE);
  g_test_init (&argc, &argv, NULL);
  if (argc < 2)
    g_error ("usage: judge NEVA_JUDGE [EVAL_DIR]");
  program = g_canonicalize_filename (argv[1], NULL);
  eval_dir = argc > 2 ? g_canonicalize_filename (argv[2], NULL) : NULL;
  server = neva_test_server_new ();
  g_test_add_func ("/judge/by-id", test_answers_are_joined_by_id);
  g_test_add_func ("/judge/prompt", test_prompts_reach_the_judge);
  g_test_add_func ("/judge/resume", test_finished_rows_are_not_judged_again);
  g_test_add_func ("/judge/other", test_rows_of_other_answers_are_an_error);
  g_test_add_func ("/judge/failing", test_failing_judge_stops_and_resumes);
  g_test_add_func ("/judge/three", test_three_models_in_one_run);
  g_test_add_func ("/judge/bad-input", test_bad_input_is_named);
  g_test_add_func ("/judge/kill", test_kill_and_resume);
  g_test_add_func ("/judge/real-data", test_real_data_equals_the_original);
  status = g_test_run ();
  neva_test_server_free (server);
  g_free (program);
  g_free (eval_dir);
  return status;
}
