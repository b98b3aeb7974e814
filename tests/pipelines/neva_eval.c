/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* neva-eval as a user runs it (argv[1]: the program): the demo model, rows and
 * their order, images, tars, what is broken, Ctrl-C, kill -9 and --resume. */
#include "config.h"
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include "check.h"
#include "program.h"

static char *folder, *demo;

static GPid
start (const char *text)
{
  g_auto (GStrv) argv = program_arguments (text);
  g_autoptr (GError) error = NULL;
  GPid pid = 0;

  if (!g_spawn_async (folder, argv, NULL,
          G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL, NULL, NULL,
          &pid, &error))
    CHECK (FALSE, "%s", error->message);
  return pid;
}

static int
code_of (GPid pid)
{
  int status = 0;

  waitpid (pid, &status, 0);
  return WIFEXITED (status) ? WEXITSTATUS (status) : 1000 + WTERMSIG (status);
}

static char *
path_of (const char *name)
{
  return g_build_filename (folder, name, NULL);
}

static void
put (const char *name, const char *text)
{
  g_autofree char *path = path_of (name);

  CHECK (g_file_set_contents (path, text, -1, NULL), "%s", name);
}

/* (transfer full): "" for a file that is not there. */
static char *
get (const char *name)
{
  g_autofree char *path = path_of (name);
  char *text = NULL;

  return g_file_get_contents (path, &text, NULL, NULL) ? text : g_strdup ("");
}

static gboolean
exists (const char *name)
{
  g_autofree char *path = path_of (name);

  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static guint
count (const char *text, const char *part)
{
  guint n = 0;

  for (const char *p = text; (p = strstr (p, part)); p += strlen (part))
    n++;
  return n;
}

/* a.avi: 20 frames, b.avi: 3 frames; p.png */
static gboolean
make_files (void)
{
  g_autofree char *a = g_strdup_printf (
      "videotestsrc num-buffers=20 pattern=ball ! video/x-raw,width=64,"
      "height=48,framerate=10/1 ! jpegenc ! avimux ! filesink "
      "location=%s/a.avi",
      folder);
  g_autofree char *b = g_strdup_printf (
      "videotestsrc num-buffers=3 ! video/x-raw,width=64,height=48,framerate="
      "10/1 ! jpegenc ! avimux ! filesink location=%s/b.avi",
      folder);
  g_autofree char *p = g_strdup_printf (
      "videotestsrc num-buffers=1 ! video/x-raw,format=RGBA,width=64,"
      "height=48 ! pngenc ! filesink location=%s/p.png",
      folder);

  return make_media (a) && make_media (b) && make_media (p);
}

#define VIDEO                                                                  \
  "inference.media_base_path=.|inference.media_type=video|quiet=True"
#define ECHO "neva_model_file=fake:echo|" VIDEO

/* ---- Rows --------------------------------------------------------------- */

static void
test_rows (void)
{
  put ("q.jsonl", "{\"video\": \"a.avi\", \"text\": \"one?\", \"id\": 1}\n"
                  "{\"video\": \"b.avi\", \"text\": \"two?\"}\n"
                  "{\"video\": \"a.avi\", \"question\": \"three?\"}\n");
  g_auto (Result) r = run (ECHO "|prompt_file=q.jsonl|output_file=out.jsonl|"
                                "inference.insert_media_token=left");
  g_autofree char *rows = get ("out.jsonl");

  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  CHECK_STR (r.out, "");
  CHECK_STR (r.err, "");
  /* Decord's frames: 20 of 8 are 0 2 5 8 10 13 16 19; a clip of 3 is its three
   * and the last one repeated */
  CHECK_STR (rows,
      "{\"video\": \"a.avi\", \"text\": \"one?\", \"id\": 1, \"prompt\": "
      "\"<video>one?\", \"full_text\": \"<video>one?\\nprompt=<video>one?; "
      "frames=8; times=0.000,0.200,0.500,0.800,1.000,1.300,1.600,1.900\", "
      "\"pred_answer\": \"prompt=<video>one?; frames=8; "
      "times=0.000,0.200,0.500,0.800,1.000,1.300,1.600,1.900\", \"model_id\": "
      "\"fake:echo\", \"answer_id\": 0, \"metadata\": {}}\n"
      "{\"video\": \"b.avi\", \"text\": \"two?\", \"prompt\": "
      "\"<video>two?\", \"full_text\": \"<video>two?\\nprompt=<video>two?; "
      "frames=8; times=0.000,0.100,0.200,0.200,0.200,0.200,0.200,0.200\", "
      "\"pred_answer\": \"prompt=<video>two?; frames=8; "
      "times=0.000,0.100,0.200,0.200,0.200,0.200,0.200,0.200\", \"model_id\": "
      "\"fake:echo\", \"answer_id\": 0, \"metadata\": {}}\n"
      "{\"video\": \"a.avi\", \"question\": \"three?\", \"prompt\": "
      "\"<video>three?\", \"full_text\": \"<video>three?\\nprompt=<video>"
      "three?; frames=8; times=0.000,0.200,0.500,0.800,1.000,1.300,1.600,"
      "1.900\", \"pred_answer\": \"prompt=<video>three?; frames=8; "
      "times=0.000,0.200,0.500,0.800,1.000,1.300,1.600,1.900\", \"model_id\": "
      "\"fake:echo\", \"answer_id\": 0, \"metadata\": {}}\n");
  CHECK (!exists ("out.jsonl.partial"), "left behind");
}

static void
test_order (void)
{
  const char *one, *two, *three;
  g_auto (Result) r = run ("neva_model_file=fake:x|" VIDEO
                           "|prompt_file=q.jsonl|output_file=out.json|"
                           "order=grouped|inference.num_frames=2");
  g_autofree char *rows = get ("out.json");

  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  one = strstr (rows, "\"one?\"");
  two = strstr (rows, "\"two?\"");
  three = strstr (rows, "\"three?\"");
  CHECK (one && two && three && one < three && three < two, "%s", rows);
  CHECK (g_str_has_prefix (rows, "[\n  {\n    \"video\": \"a.avi\",\n"), "%s",
      rows);
  CHECK (g_str_has_suffix (rows, "\"metadata\": {}\n  }\n]"), "%s", rows);
  CHECK (!exists ("out.json.partial"), "left behind");
}

static void
test_console (void)
{
  put ("one.jsonl", "{\"video\": \"a.avi\", \"text\": \"one?\"}\n");
  g_auto (Result) r = run ("neva_model_file=fake:yes|" VIDEO
                           "|prompt_file=one.jsonl|output_file=o.jsonl|"
                           "quiet=False");

  CHECK (g_str_has_prefix (r.out,
             "------------- PROMPT 1 of 1 ------------ \none?\nyes\n\n"
             "CLEAN RESPONSE: yes\n"),
      "%s", r.out);
}

/* Three questions about two files: each is decoded once, each of their 8 and 3
 * frames encoded once. */
static void
test_counts (void)
{
  g_auto (Result) r = run ("neva_model_file=fake:yes|" VIDEO
                           "|prompt_file=q.jsonl|output_file=counts.jsonl|"
                           "quiet=False");

  CHECK_STR (r.err, "neva-eval: 3 rows; 2 files decoded, 11 frames encoded\n");
}

static void
test_demo (void)
{
  put ("demo.jsonl",
      "{\"video\": \"circle.mp4\", \"text\": \"Describe the video.\"}\n"
      "{\"video\": \"circle.mp4\", \"text\": \"How many shapes are "
      "there?\"}\n");
  g_auto (Result) r = run (
      "neva_model_file=%s|prompt_file=demo.jsonl|output_file=-|inference.media_"
      "base_path=%s/clips|inference.media_type=video|inference.greedy=True|"
      "+inference.compute_logprob=True|++inference.all_probs=True",
      demo, demo);

  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  CHECK (strstr (r.out, "\"full_text\": \"<video>\\nDescribe the video.\\nA "
                        "large red circle moves to the right.\", "
                        "\"pred_answer\": \"A large red circle moves to the "
                        "right.\""),
      "%.500s", r.out);
  CHECK (
      count (r.out, "\n") == 2 && count (r.out, "\"full_logprob\": [[-") == 2,
      "%u rows", count (r.out, "\n"));
}

static void
test_images (void)
{
  put ("i.jsonl", "{\"image\": \"p.png\", \"text\": \"What?\"}\n");
  g_auto (Result) r =
      run ("neva_model_file=fake:echo|prompt_file=i.jsonl|output_file=-|"
           "inference.media_base_path=.|inference.insert_media_token=right");

  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  CHECK (strstr (r.out, "prompt=What?<image>; frames=1;"), "%s", r.out);
}

static void
test_tar (void)
{
  g_auto (GStrv) argv = g_strsplit ("tar cf m.tar a.avi b.avi", " ", -1);
  int status = -1;

  CHECK (g_spawn_sync (folder, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL,
             NULL, NULL, &status, NULL) &&
             status == 0,
      "tar");
  g_auto (Result) r = run (ECHO "|prompt_file=q.jsonl|output_file=-|"
                                "inference.media_base_path=m.tar");

  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  CHECK (count (r.out, "times=0.000,0.200,0.500,0.800,1.000,1.300,1.600,1.900"
                       "\", \"model_id\"") == 2,
      "%s", r.out);
}

/* ---- What is wrong ------------------------------------------------------ */

static void
test_broken (void)
{
  put ("broken.jsonl", "{\"video\": \"a.avi\", \"text\": \"one?\"}\n"
                       "{\"video\": \"a.avi\", \"text\n"
                       "{\"video\": \"gone.avi\", \"text\": \"two?\"}\n"
                       "{\"video\": \"noise.avi\", \"text\": \"three?\"}\n"
                       "{\"image\": \"a.avi\", \"text\": \"four?\"}\n"
                       "{\"video\": \"b.avi\", \"text\": \"five?\"}\n");
  put ("noise.avi", "no video at all");
  g_auto (Result) r = run ("neva_model_file=fake:x|" VIDEO
                           "|prompt_file=broken.jsonl|output_file=b.jsonl");
  g_autofree char *rows = get ("b.jsonl");

  CHECK (r.code == 3, "%d", r.code);
  CHECK (count (rows, "\n") == 2 && strstr (rows, "one?") &&
             strstr (rows, "five?"),
      "%s", rows);
  CHECK (strstr (r.err, "broken.jsonl: line 2: "), "%s", r.err);
  CHECK (strstr (r.err, "broken.jsonl: line 3: ./gone.avi"), "%s", r.err);
  CHECK (strstr (r.err, "broken.jsonl: line 4: noise.avi: "), "%s", r.err);
  CHECK (strstr (r.err, "broken.jsonl: line 5: there is no file name at "
                        "'video'"),
      "%s", r.err);
}

static void
test_usage (void)
{
  static const struct {
    const char *arguments;
    int code;
    const char *part;
  } rows[] = {
      {"nonsense=1", 2, "no such key: nonsense"},
      {"nonsense", 2, "key=value"},
      {"--nonsense", 2, "no such option"},
      {"--config", 2, "a value is missing"},
      {"--config=none.yaml", 2, "none.yaml"},
      {"inference.top_k=many", 2, "inference.top_k"},
      {"clean=perhaps", 2, "exact nemo"},
      {"inference.clean=perhaps", 2, "exact nemo"},
      {"repetition_penalty_mode=1", 2, "documented nemo"},
      {"inference.order=input", 2, "no such key: inference.order"},
      {"inference.greedy=3", 2, "True or False"},
      {"inference.media_type=sound", 2, "video image"},
      {"inference.end_strings=x", 2, "a list"},
      {"quantization=x", 2, "no such key: quantization"},
      {"~nonsense", 2, "~nonsense: no such key"},
      {"inference.temperature=0", 2, "temperature"},
      {"inference.all_probs=True", 2, "compute_logprob"},
      {"quantization.enable=True", 4, "only a model that was read from files"},
      {"quantization.enable=True|quantization.algorithm=fp8", 2, "needs a GPU"},
      {"quantization.enable=True|quantization.num_samples=0", 2, "num_samples"},
      {"quantization.algorithm=int8", 2, "awq int8_sq fp8"},
      {"neva_model_file=null", 2, "neva_model_file is not given"},
      {"output_file=q.jsonl", 2, "overwrite"},
      {"prompt_file=none.jsonl", 2, "none.jsonl"},
      {"prompt_file=noise.avi", 2, ".json or .jsonl"},
      {"neva_model_file=fake:x?fail=load", 4, "loading fails"},
      {"neva_model_file=nowhere.nemo", 4, "nowhere.nemo"},
      {"output_file=none/out.jsonl", 5, "none/out.jsonl"},
      {"inference.media_base_path=none.tar", 2, "none.tar"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_auto (Result) r = run ("neva_model_file=fake:x|" VIDEO
                             "|prompt_file=q.jsonl|output_file=u.jsonl|%s",
        rows[i].arguments);

    CHECK (r.code == rows[i].code, "%s: %d", rows[i].arguments, r.code);
    CHECK (strstr (r.err, rows[i].part), "%s: %s", rows[i].arguments, r.err);
  }
}

/* neva_inference.yaml's keys, remarks and trailing commas. */
#define YAML                                                                   \
  "inference:\n  greedy: False # remark\n  top_k: 0\n  top_p: 0.9\n"           \
  "  temperature: 0.2\n  add_BOS: False\n  tokens_to_generate: 256\n"          \
  "  all_probs: False\n  repetition_penalty: 1.2\n"                            \
  "  min_tokens_to_generate: 0\n  compute_logprob: False\n"                    \
  "  end_strings: [\"<extra_id_1>\",\"<extra_id_7>\",]\n"                      \
  "  media_base_path: /pwd/images\n  insert_media_token: null # `left`\n"      \
  "  media_type: image\n\ntrainer:\n  devices: 1\n  num_nodes: 1\n"            \
  "  accelerator: gpu\n  logger: False\n  precision: bf16\n\n"                 \
  "cluster_type: BCP\ntensor_model_parallel_size: 1\n"                         \
  "pipeline_model_parallel_size: 1\npipeline_model_parallel_split_rank: 0\n"   \
  "neva_model_file: /pwd/nemo_llava.nemo\nbase_model_file: null\n"             \
  "checkpoint_dir: null\ncheckpoint_name: null\nhparams_file: null\n"          \
  "quality: 9\ntoxicity: 0\nhumor: 6\ncreativity: 6\nviolence: 0\n"            \
  "helpfulness: 6\nnot_appropriate: 0\nprompt_file: /pwd/input.jsonl\n"        \
  "output_file: /pwd/results.jsonl\nserver: False\nport: 5555\n"               \
  "web_server: False\nshare: False\nusername: test\npassword: test2\n"         \
  "web_port: 9889\nquantization:\n  algorithm: awq # int8_sq\n"                \
  "  enable: False\n"

static void
test_yaml (void)
{
  put ("iy.yaml", YAML);
  put ("bad.yaml", "inference:\n  greedy: [1\n");
  put ("wrong.yaml", "inference:\n  top_k: x\n");
  put ("unknown.yaml", "inference:\n  greedyness: True\n");
  g_auto (Result) good = run ("--config|iy.yaml|neva_model_file=fake:x|" VIDEO
                              "|prompt_file=q.jsonl|output_file=-");
  g_auto (Result) hydra =
      run ("--config-path=.|--config-name|iy|neva_model_file=fake:x|" VIDEO
           "|prompt_file=q.jsonl|output_file=-");
  g_auto (Result) bad = run ("--config=bad.yaml");
  g_auto (Result) unknown = run ("--config=unknown.yaml");
  g_auto (Result) added =
      run ("--config|iy.yaml|neva_model_file=fake:x|+mine={n:1}|~quantization|"
           "inference={media_base_path:.,media_type:video}|"
           "prompt_file=${oc.env:NEVA_NO_SUCH,q}.jsonl|output_file=-");
  g_auto (Result) wrong =
      run ("--config|wrong.yaml|neva_model_file=fake:x|trainer.precision=x");
  g_auto (Result) nowhere =
      run ("--config|iy.yaml|inference.media_base_path=${mine}");

  CHECK (good.code == 0 && count (good.out, "\n") == 3, "%d: %s", good.code,
      good.err);
  CHECK_STR (hydra.out, good.out);
  CHECK (bad.code == 2 && strstr (bad.err, "bad.yaml: line"), "%s", bad.err);
  CHECK (unknown.code == 2 &&
             strstr (unknown.err, "unknown.yaml: inference.greedyness: no such "
                                  "key, it has no effect"),
      "%s", unknown.err);
  CHECK (added.code == 0 && count (added.out, "\n") == 3 &&
             strstr (added.err, "mine.n: no such key, it has no effect"),
      "%d: %s", added.code, added.err);
  CHECK (wrong.code == 2 &&
             strstr (wrong.err, "wrong.yaml: inference.top_k=\"x\": a whole"),
      "%s", wrong.err);
  CHECK (nowhere.code == 2 &&
             strstr (nowhere.err,
                 "inference.media_base_path: ${mine}: no such key"),
      "%s", nowhere.err);
}

/* ---- Ends before the end ------------------------------------------------ */

/* Answers of 400 ms, at most 16 of them at a time: 2 s at least for all. */
#define N_MANY 80
#define SLOW                                                                   \
  "neva_model_file=fake:slow answer?delay=400|" VIDEO                          \
  "|prompt_file=many.jsonl|inference.num_frames=2"

static void
put_many (void)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (int i = 0; i < N_MANY; i++)
    g_string_append_printf (text,
        "{\"video\": \"%c.avi\", \"text\": \"number %d?\"}\n",
        i % 2 ? 'b' : 'a', i);
  put ("many.jsonl", text->str);
}

static gboolean
wait_for_rows (const char *name, guint n)
{
  g_autofree char *partial = g_strconcat (name, ".partial", NULL);

  for (int i = 0; i < 1500; i++) {
    g_autofree char *rows = get (name), *waiting = get (partial);

    if (count (rows, "\n") + count (waiting, "\n") >= n)
      return TRUE;
    g_usleep (20000);
  }
  return FALSE;
}

static void
check_whole (const char *name)
{
  g_autofree char *rows = get (name);
  const char *at = rows;

  CHECK (count (rows, "\"pred_answer\": \"slow answer\"") == N_MANY, "%u rows",
      count (rows, "pred_answer"));
  for (int i = 0; i < N_MANY; i++) {
    g_autofree char *prompt = g_strdup_printf ("\"prompt\": \"number %d?\"", i);
    const char *found = strstr (rows, prompt);

    CHECK (found && found >= at, "%s is not in its place", prompt);
    at = found ? found : at;
  }
}

static void
test_end (const char *name, int signal)
{
  g_autofree char *text = g_strdup_printf (SLOW "|output_file=%s", name);
  g_autofree char *again =
      g_strdup_printf (SLOW "|output_file=%s|--resume", name);
  g_autofree char *partial = g_strconcat (name, ".partial", NULL);
  g_autofree char *kept = NULL, *waiting = NULL;
  const GPid pid = start (text);
  guint n;
  int code;

  CHECK (wait_for_rows (name, 3), "%s: no rows", name);
  kill (pid, signal);
  code = code_of (pid);
  CHECK (code == (signal == SIGKILL ? 1000 + SIGKILL : 130), "%d", code);
  kept = get (name);
  waiting = get (partial);
  n = count (kept, "pred_answer") + count (waiting, "pred_answer");
  CHECK (n >= 3 && n < N_MANY, "%s: %u rows", name, n);
  CHECK (signal == SIGKILL || !*waiting, "what was done is in the file");

  g_auto (Result) r = run ("%s", again);
  CHECK (r.code == 0, "%d: %s", r.code, r.err);
  check_whole (name);
  CHECK (!exists (partial), "left behind");

  /* all there: nothing to do */
  g_auto (Result) idle = run ("%s", again);
  CHECK (idle.code == 0, "%d: %s", idle.code, idle.err);
  check_whole (name);
}

static void
test_resume_refuses (void)
{
  put ("other.jsonl", "{\"video\": \"a.avi\", \"text\": \"another?\"}\n");
  g_auto (Result) questions =
      run (ECHO "|prompt_file=other.jsonl|output_file=out.jsonl|resume=True");
  g_auto (Result) model = run ("neva_model_file=fake:x|" VIDEO
                               "|prompt_file=q.jsonl|output_file=out.jsonl|"
                               "inference.insert_media_token=left|--resume");
  g_auto (Result) fresh = run ("neva_model_file=fake:x|" VIDEO
                               "|prompt_file=q.jsonl|output_file=new.jsonl|"
                               "--resume");

  CHECK (questions.code == 5 && strstr (questions.err, "out.jsonl: row 1: "),
      "%d: %s", questions.code, questions.err);
  CHECK (model.code == 5 && strstr (model.err, "another model"), "%d: %s",
      model.code, model.err);
  CHECK (fresh.code == 0, "%d: %s", fresh.code, fresh.err);
}

static void
remove_folder (void)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);

  for (const char *name; dir && (name = g_dir_read_name (dir));) {
    g_autofree char *path = path_of (name);

    g_unlink (path);
  }
  g_rmdir (folder);
}

int
main (int argc, char **argv)
{
  char *absolute; /* it runs elsewhere */
  const char *source = g_getenv ("NEVA_SOURCE");

  gst_init (NULL, NULL);
  if (argc < 2 || !source) {
    printf ("usage: NEVA_SOURCE=… %s neva-eval\n", argv[0]);
    return 1;
  }
  program = absolute = g_canonicalize_filename (argv[1], NULL);
  demo = g_build_filename (source, "models", "demo", NULL);
  program_folder = folder = g_dir_make_tmp ("neva-eval-XXXXXX", NULL);
  if (!make_files ()) {
    printf ("SKIP: GStreamer cannot write the clips\n");
    return 77;
  }
  test_rows ();
  test_order ();
  test_console ();
  test_counts ();
  test_demo ();
  test_images ();
  test_tar ();
  test_broken ();
  test_usage ();
  test_yaml ();
  put_many ();
  test_end ("int.jsonl", SIGINT);
  test_end ("kill.jsonl", SIGKILL);
  test_end ("kill.json", SIGKILL);
  test_resume_refuses ();
  remove_folder ();
  g_free (folder);
  g_free (demo);
  g_free (absolute);
  return check_finish ();
}
