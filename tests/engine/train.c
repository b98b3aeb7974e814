/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What a training step reads, against what NeMo's own functions made of the
 * same records (tests/make_training_reference.py), and against the table of
 * spec 6.4 on random conversations; the toy example; refusals; batches; the
 * schedule. */
#include "config.h"
#include <glib/gstdio.h>
#include <json-glib/json-glib.h>
#include <math.h>
#include <neva/error.h>
#include "check.h"
#include "extended_tokenizer.h"
#include "train/labels.h"
#include "train/sample.h"
#include "train/schedule.h"

/* ---- Records ------------------------------------------------------------ */

static char *scratch; /* folder */

/* (transfer full): NULL with error. */
static NevaDataset *
dataset_of (
    const char *name, const char *json, NevaMediaType type, GError **error)
{
  g_autofree char *path = g_build_filename (scratch, name, NULL);

  CHECK (g_file_set_contents (path, json, -1, NULL), "%s", path);
  return neva_dataset_read (path, type, error);
}

static gboolean
flag (JsonObject *object, const char *name)
{
  return json_object_get_boolean_member (object, name);
}

static void
check_ids (
    JsonObject *made, const char *name, const GArray *got, const char *what)
{
  JsonArray *want = json_object_get_array_member (made, name);
  const guint n = json_array_get_length (want);
  guint same = 0;

  for (guint i = 0; i < MIN (n, got->len); i++)
    same +=
        json_array_get_int_element (want, i) == g_array_index (got, gint32, i);
  CHECK (got->len == n && same == n, "%s: %u of %u %s, %u expected", what, same,
      got->len, name, n);
}

static void
check_case (NevaTokenizer *const *tokenizers, JsonObject *made)
{
  const char *media = json_object_get_string_member (made, "media");
  const NevaMediaType type =
      strcmp (media, "image") ? NEVA_MEDIA_VIDEO : NEVA_MEDIA_IMAGE;
  const NevaSampleRules rules = {
      .conv_template = json_object_get_string_member (made, "template"),
      .multimodal = TRUE,
      .media_type = type,
      .media = {flag (made, "llama3"), flag (made, "ends")},
      .media_front = flag (made, "front"),
      .media_tokens = (gsize) json_object_get_int_member (made, "media_tokens"),
      .context_length = (gsize) json_object_get_int_member (made, "context"),
      .extra_token = flag (made, "extra")};
  g_autofree char *record =
      json_to_string (json_object_get_member (made, "record"), FALSE);
  g_autofree char *json = g_strdup_printf ("[%s]", record);
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaDataset) set = dataset_of ("case.json", json, type, &error);
  NevaSample sample = {NULL};
  const gboolean ok =
      set && neva_sample_build (tokenizers[flag (made, "legacy")], &rules,
                 neva_dataset_get (set, 0), &sample, &error);

  CHECK (ok, "%s: %s", record, error ? error->message : "");
  if (!ok)
    return;
  check_ids (made, "tokens", sample.tokens, record);
  check_ids (made, "labels", sample.labels, record);
  neva_sample_clear (&sample);
}

static void
test_reference (NevaTokenizer *const *tokenizers)
{
  g_autofree char *path = g_build_filename (
      g_getenv ("NEVA_SOURCE"), "tests", "data", "training.json", NULL);
  g_autoptr (JsonParser) parser = json_parser_new ();
  JsonArray *cases;

  CHECK (json_parser_load_from_file (parser, path, NULL), "%s", path);
  cases = json_node_get_array (json_parser_get_root (parser));
  for (guint i = 0; i < json_array_get_length (cases); i++)
    check_case (tokenizers, json_array_get_object_element (cases, i));
}

/* ---- The table of spec 6.4 ---------------------------------------------- */

/* Live labels as text. */
static char *
live_text (const NevaTokenizer *tokenizer, const GArray *labels)
{
  g_autoptr (GArray) live = g_array_new (FALSE, FALSE, sizeof (gint32));

  for (guint i = 0; i < labels->len; i++)
    if (g_array_index (labels, gint32, i) != NEVA_LABEL_IGNORE)
      g_array_append_val (live, g_array_index (labels, gint32, i));
  return neva_tokenizer_decode (
      tokenizer, (const gint32 *) (void *) live->data, live->len, FALSE, NULL);
}

/* Templates whose spans need no correction are exact with any tokenizer that
 * begins texts without a space. */
static void
test_live_labels (const NevaTokenizer *tokenizer, GRand *rand)
{
  static const struct {
    const char *name, *behind, *last;
  } rows[] = {{"nvgpt", "\n<extra_id_1>", "\n<extra_id_1>"},
      {"nv_steerlm", "\n<extra_id_1>", "\n<extra_id_1>"},
      {"nv_dpo", "\n<extra_id_1>", "\n<extra_id_1>"},
      {"llama_3", "<|eot_id|>", "<|eot_id|>"},
      {"yi_34b", "<|im_end|>\n", "<|im_end|>"}};

  for (guint i = 0; i < 200; i++) {
    const guint rounds = (guint) g_rand_int_range (rand, 1, 5);
    const guint r = (guint) g_rand_int_range (rand, 0, G_N_ELEMENTS (rows));
    g_autofree NevaTurn *turns = g_new0 (NevaTurn, 2 * rounds);
    g_autoptr (GPtrArray) answers = g_ptr_array_new_with_free_func (g_free);
    g_autoptr (GString) want = g_string_new (NULL);
    g_autofree char *got = NULL;
    static const char *const file[] = {"a"};
    const NevaRecord record = {
        .media = file, .n_media = 1, .turns = turns, .n_turns = 2 * rounds};
    const NevaSampleRules rules = {.conv_template = rows[r].name,
        .multimodal = TRUE,
        .media_tokens = 4,
        .context_length = 4096,
        .extra_token = TRUE};
    NevaSample sample = {NULL};
    g_autoptr (GError) error = NULL;

    for (guint k = 0; k < rounds; k++) {
      char *answer =
          g_strdup_printf ("%u dogs run.", g_rand_int_range (rand, 0, 1000));

      g_ptr_array_add (answers, answer);
      turns[2 * k] =
          (NevaTurn){"human", k ? "And then?" : "<video>\nWhat?", NULL};
      turns[2 * k + 1] = (NevaTurn){"gpt", answer, NULL};
      g_string_append_printf (
          want, "%s%s", answer, k + 1 < rounds ? rows[r].behind : rows[r].last);
    }
    CHECK (neva_sample_build (tokenizer, &rules, &record, &sample, &error),
        "%s: %s", rows[r].name, error ? error->message : "");
    if (error)
      continue;
    got = live_text (tokenizer, sample.labels);
    CHECK (!strcmp (got, want->str), "%s: \"%s\", want \"%s\"", rows[r].name,
        got, want->str);
    neva_sample_clear (&sample);
  }
}

/* tokens START PATCH PATCH END A robot arm moves, labels -1 -1 -1 A robot arm
 * moves \n; the words are several tokens here. */
static void
test_toy (const NevaTokenizer *tokenizer, gint32 first)
{
  static const char *const file[] = {"a.mp4"};
  const NevaTurn turns[] = {{"human", "all of this goes <video> away", NULL},
      {"gpt", "A robot arm moves", NULL}};
  const NevaRecord record = {
      .media = file, .n_media = 1, .turns = turns, .n_turns = 2};
  const NevaSampleRules rules = {.conv_template = "plain",
      .multimodal = TRUE,
      .media_tokens = 4,
      .context_length = 4096,
      .extra_token = TRUE};
  const gint32 run[] = {first + 4, first + 3, first + 3, first + 5};
  NevaSample sample = {NULL};
  g_autofree char *live = NULL, *words = NULL;

  CHECK (neva_sample_build (tokenizer, &rules, &record, &sample, NULL), "toy");
  if (!sample.tokens)
    return;
  CHECK (
      sample.tokens->len > 4 && !memcmp (sample.tokens->data, run, sizeof run),
      "the run is not first");
  for (guint i = 0; i < 3; i++)
    CHECK (g_array_index (sample.labels, gint32, i) == NEVA_LABEL_IGNORE,
        "label %u", i);
  words = neva_tokenizer_decode (tokenizer,
      (const gint32 *) (void *) sample.tokens->data + 4, sample.tokens->len - 4,
      FALSE, NULL);
  CHECK_STR (words, "A robot arm moves");
  live = live_text (tokenizer, sample.labels);
  CHECK_STR (live, "A robot arm moves\n");
  neva_sample_clear (&sample);
}

/* ---- Refusals ----------------------------------------------------------- */

static void
test_bad_files (void)
{
  static const struct {
    const char *name, *json, *part;
    gint code;
  } rows[] = {
      {"a.jsonl", "{}", ".json file", NEVA_ERROR_BAD_INPUT},
      {"a.json", "{}", "array of records", NEVA_ERROR_BAD_FILE},
      {"a.json", "[1]", "record 1: an object", NEVA_ERROR_BAD_FILE},
      {"a.json", "[{\"image\": \"a\"}]", "file name at 'video'",
          NEVA_ERROR_BAD_FILE},
      {"a.json", "[{\"video\": []}]", "file name at 'video'",
          NEVA_ERROR_BAD_FILE},
      {"a.json", "[{\"video\": [\"a\", 1]}]", "file name at 'video'",
          NEVA_ERROR_BAD_FILE},
      {"a.json", "[{\"video\": \"a\"}]", "'conversations'",
          NEVA_ERROR_BAD_FILE},
      {"a.json", "[{\"video\": \"a\", \"conversations\": [{}]}]", "turn 1",
          NEVA_ERROR_BAD_FILE},
      {"a.json", "[{\"video\": \"a\", \"conversations\": \"x\"}, 2]",
          "record 2", NEVA_ERROR_BAD_FILE},
      {"a.json", "[{", "a.json", NEVA_ERROR_BAD_FILE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (GError) error = NULL;

    CHECK (!dataset_of (rows[i].name, rows[i].json, NEVA_MEDIA_VIDEO, &error),
        "row %zu", i);
    CHECK_ERROR (error, rows[i].code, rows[i].part);
  }
}

static void
test_bad_records (const NevaTokenizer *tokenizer)
{
#define TURNS(...)                                                             \
  {                                                                            \
    __VA_ARGS__                                                                \
  }
#define HUMAN(text)                                                            \
  {                                                                            \
    "human", text, NULL                                                        \
  }
#define GPT(text)                                                              \
  {                                                                            \
    "gpt", text, NULL                                                          \
  }
  static const struct {
    const char *conv_template;
    NevaTurn turns[4];
    gsize n;
    const char *part;
    gint code;
  } rows[] = {
      {"v1", TURNS (HUMAN ("Q"), GPT ("A")), 2, "0 times <video> for 1",
          NEVA_ERROR_BAD_INPUT},
      {"v1", TURNS (HUMAN ("<video><video>"), GPT ("A")), 2,
          "2 times <video> for 1", NEVA_ERROR_BAD_INPUT},
      {"v1", TURNS (HUMAN ("<video>Q"), HUMAN ("A")), 2, "turn 2",
          NEVA_ERROR_BAD_INPUT},
      {"llama_2", TURNS ({"bot", "<video>Q", NULL}), 1, "turn 1",
          NEVA_ERROR_BAD_INPUT},
      {"llama_3", TURNS (GPT ("<video>")), 1, "empty", NEVA_ERROR_BAD_INPUT},
      {"nvgpt", TURNS (HUMAN ("<video>"), GPT (""), HUMAN ("Q"), GPT ("A")), 4,
          "turn 2", NEVA_ERROR_BAD_INPUT},
      {"nvgpt", TURNS (HUMAN (""), GPT ("<video>")), 2, "turn 1",
          NEVA_ERROR_BAD_INPUT},
      {"plain", TURNS (HUMAN ("Q"), GPT ("<video>")), 2, "first turn",
          NEVA_ERROR_BAD_INPUT},
      {"plain", TURNS (HUMAN ("<video>")), 1, "two turns",
          NEVA_ERROR_BAD_INPUT},
      {"interleaved", TURNS (HUMAN ("<video>")), 1, "interleaved",
          NEVA_ERROR_BAD_INPUT},
      {"llava", TURNS (HUMAN ("<video>Q"), GPT ("A")), 2, "llava",
          NEVA_ERROR_BAD_INPUT},
      {"v1", TURNS (HUMAN ("<video><extra_id_5>"), GPT ("A")), 2,
          "some of its own", NEVA_ERROR_BAD_INPUT},
      {"v1",
          TURNS (HUMAN ("a long way of asking what this could be, <video>"),
              GPT ("A")),
          2, "context of 48", NEVA_ERROR_TOO_LONG},
  };
  static const char *const file[] = {"a.mp4"};

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const NevaRecord record = {.media = file,
        .n_media = 1,
        .turns = rows[i].turns,
        .n_turns = rows[i].n};
    const NevaSampleRules rules = {.conv_template = rows[i].conv_template,
        .multimodal = TRUE,
        .media_tokens = 4,
        .context_length = rows[i].code == NEVA_ERROR_TOO_LONG ? 48 : 4096};
    NevaSample sample = {NULL};
    g_autoptr (GError) error = NULL;

    CHECK (!neva_sample_build (tokenizer, &rules, &record, &sample, &error),
        "row %zu", i);
    CHECK_ERROR (error, rows[i].code, rows[i].part);
  }
}

/* ---- Batches ------------------------------------------------------------ */

static NevaSample
sample_of (guint n, gint32 token, gint32 label)
{
  NevaSample sample = {g_array_new (FALSE, FALSE, sizeof (gint32)),
      g_array_new (FALSE, FALSE, sizeof (gint32))};

  for (guint i = 0; i < n; i++) {
    g_array_append_val (sample.tokens, token);
    g_array_append_val (sample.labels, label);
  }
  return sample;
}

static void
test_batches (void)
{
  static const guint lengths[][2] = {{1, 64}, {63, 64}, {64, 64}, {65, 128}};

  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++) {
    NevaSample samples[] = {sample_of (lengths[i][0], 7, 9),
        sample_of (1, 2, 5), sample_of (1, 3, NEVA_LABEL_IGNORE)};
    const gsize n = lengths[i][1];

    for (int eod = 0; eod < 2; eod++) {
      NevaBatch b;
      double sum = 0;

      neva_batch_collate (&b, samples, 3, 2, eod);
      CHECK (b.rows == 3 && b.length == n, "%zu wide", b.length);
      CHECK (b.tokens[0] == 7 && b.labels[0] == 9 && b.loss_mask[0] == 1,
          "a live label");
      CHECK (b.tokens[n] == 2 && b.labels[n] == 5 && b.loss_mask[n] == !eod,
          "eos");
      CHECK (b.tokens[2 * n] == 3 && b.labels[2 * n] == 0 &&
                 b.loss_mask[2 * n] == 0,
          "a masked label");
      for (gsize k = 0; k < 3 * n; k++)
        sum += b.loss_mask[k];
      CHECK (sum == lengths[i][0] + !eod, "%g live", sum);
      neva_batch_clear (&b);
    }
    for (gsize k = 0; k < G_N_ELEMENTS (samples); k++)
      neva_sample_clear (&samples[k]);
  }
}

/* ---- The schedule (6.2) ------------------------------------------------- */

static void
test_schedule (void)
{
  const NevaSchedule vy = {2e-3, 2e-4, 140, 10000};
  const NevaSchedule bare = {1, 0, 0, 4}, odd = {1, 0.5, 9, 3};

  CHECK (fabs (neva_schedule_lr (&vy, 0) - 1.418e-5) < 0.5e-8, "%g",
      neva_schedule_lr (&vy, 0));
  CHECK (neva_schedule_lr (&vy, 0) == 2e-3 / 141, "step 0");
  CHECK (neva_schedule_lr (&vy, 140) == 2e-3, "step 140");
  CHECK (fabs (neva_schedule_lr (&vy, 5070) - 1.1e-3) < 1e-12, "step 5070");
  CHECK (neva_schedule_lr (&vy, 10000) == 2e-4, "step 10000");
  CHECK (neva_schedule_lr (&vy, 123456) == 2e-4, "step 123456");
  for (guint64 step = 141; step <= 10000; step++)
    CHECK (neva_schedule_lr (&vy, step) < neva_schedule_lr (&vy, step - 1),
        "step %u", (guint) step);
  CHECK (neva_schedule_lr (&bare, 0) == 1, "without warm-up");
  CHECK (fabs (neva_schedule_lr (&bare, 2) - 0.5) < 1e-15, "half way");
  CHECK (neva_schedule_lr (&odd, 9) == 1 && neva_schedule_lr (&odd, 10) == 0.5,
      "a warm-up beyond the end");
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc, argv);
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) seed);
  gint32 first = 0;
  g_autoptr (NevaTokenizer) whole = extended_tokenizer (FALSE, &first);
  g_autoptr (NevaTokenizer) legacy = extended_tokenizer (TRUE, &first);
  NevaTokenizer *const tokenizers[] = {whole, legacy};

  scratch = g_dir_make_tmp ("neva-train-XXXXXX", NULL);
  test_schedule ();
  test_batches ();
  test_bad_files ();
#if HAVE_SENTENCEPIECE
  CHECK (whole && legacy, "no tokenizer");
#endif
  if (whole && legacy) {
    test_reference (tokenizers);
    test_live_labels (whole, rand);
    test_toy (whole, first);
    test_bad_records (whole);
  }
  for (const char *const *name =
           (const char *const[]){"a.json", "a.jsonl", "case.json", NULL};
       *name; name++) {
    g_autofree char *path = g_build_filename (scratch, *name, NULL);

    g_remove (path);
  }
  g_rmdir (scratch);
  g_free (scratch);
  return check_finish ();
}
