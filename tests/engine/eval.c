/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Files of an evaluation: prompt files and their broken lines, rows as Python
 * writes them, rows of an earlier run, folders and tars of media, YAML. */
#include "config.h"
#include <archive.h>
#include <archive_entry.h>
#include <glib/gstdio.h>
#include <string.h>
#include <neva/eval.h>
#include "check.h"

static char *folder;

static char *
put (const char *name, const char *text)
{
  char *path = g_build_filename (folder, name, NULL);

  CHECK (g_file_set_contents (path, text, -1, NULL), "%s", path);
  return path;
}

static void
on_problem (const GError *problem, gpointer user_data)
{
  g_string_append_printf (user_data, "%s\n", strrchr (problem->message, '/'));
}

/* ---- Prompt files ------------------------------------------------------- */

static void
test_lines (void)
{
  const NevaPromptRules rules = {NEVA_MEDIA_VIDEO, NEVA_INSERT_RIGHT, FALSE};
  g_autofree char *path = put ("q.jsonl",
      "{\"video\": \"a.mp4\", \"text\": \"T\", \"question\": \"Q\"}\n"
      "\n"
      "{\"video\": \"b.mp4\", \"question\": \"Q\"}\r\n"
      "{\"video\": \"c.mp4\", \"prompt\": \"P\", \"text\": \"T\"}\n"
      "{\"image\": \"c.png\", \"text\": \"T\"}\n"
      "{\"video\": \"c.mp4\"}\n"
      "{\"video\": [\"c.mp4\"], \"text\": \"T\"}\n"
      "{\"video\": \"c.mp4\", \"text\": 5}\n"
      "[1]\n"
      "{\"video\": \"c.mp4\", \"text\": \n"
      "\xff\n"
      "{\"video\": \"c.mp4\", \"text\": \"T\", \"n\": 99999999999999999999}\n"
      "{\"video\": \"c.mp4\", \"text\": \"T\", \"n\": [1e999]}\n"
      "{\"video\": \"c.mp4\", \"text\": \"T\\62\"}\n"
      "{\"video\": \"d.mp4\", \"text\": \"last, no newline\"}");
  g_autoptr (GString) problems = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaPromptFile) file =
      neva_prompt_file_read (path, &rules, on_problem, problems, &error);
  static const struct {
    guint line;
    const char *media, *prompt;
  } want[] = {{1, "a.mp4", "T<video>"}, {3, "b.mp4", "Q<video>"},
      {4, "c.mp4", "P<video>"}, {15, "d.mp4", "last, no newline<video>"}};

  CHECK (file != NULL, "%s", error ? error->message : "");
  if (!file)
    return;
  CHECK (neva_prompt_file_length (file) == G_N_ELEMENTS (want), "%zu records",
      neva_prompt_file_length (file));
  for (gsize i = 0; i < G_N_ELEMENTS (want); i++) {
    const NevaPromptRecord *record = neva_prompt_file_get (file, i);

    CHECK (record->line == want[i].line, "line %u", record->line);
    CHECK_STR (record->media, want[i].media);
    CHECK_STR (record->prompt, want[i].prompt);
  }
  for (guint line = 2; line <= 14; line += line == 2 ? 3 : 1) {
    g_autofree char *part = g_strdup_printf ("/q.jsonl: line %u: ", line);

    CHECK (
        strstr (problems->str, part), "no '%s' in:\n%s", part, problems->str);
  }
}

static void
test_arrays (void)
{
  const NevaPromptRules rules = {NEVA_MEDIA_IMAGE, NEVA_INSERT_NONE, FALSE};
  g_autofree char *good =
      put ("q.json", "[{\"image\": \"a\", \"text\": \"T\"}, 5]\n");
  g_autofree char *bad = put ("bad.json", "{\"image\": \"a\"}");
  g_autofree char *other = put ("q.txt", "");
  g_autoptr (GString) problems = g_string_new (NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaPromptFile) file =
      neva_prompt_file_read (good, &rules, on_problem, problems, &error);

  CHECK (file && neva_prompt_file_length (file) == 1, "%s",
      error ? error->message : "");
  CHECK (strstr (problems->str, "/q.json: record 2: "), "%s", problems->str);
  CHECK (!neva_prompt_file_read (bad, &rules, NULL, NULL, &error), "no array");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "array");
  CHECK (!neva_prompt_file_read (other, &rules, NULL, NULL, &error), "suffix");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, ".json or .jsonl");
  CHECK (!neva_prompt_file_read ("/nowhere.json", &rules, NULL, NULL, &error),
      "missing");
  CHECK_ERROR (error, NEVA_ERROR_NOT_FOUND, "/nowhere.json");
}

static void
test_markers (void)
{
  static const struct {
    NevaPromptRules rules;
    const char *want;
  } rows[] = {{{NEVA_MEDIA_VIDEO, NEVA_INSERT_LEFT, FALSE}, "<video>T"},
      {{NEVA_MEDIA_IMAGE, NEVA_INSERT_RIGHT, FALSE}, "T<image>"},
      {{NEVA_MEDIA_VIDEO, NEVA_INSERT_LEFT, TRUE}, "<video> \nT"},
      {{NEVA_MEDIA_VIDEO, NEVA_INSERT_RIGHT, TRUE}, "T<video> \n"},
      {{NEVA_MEDIA_VIDEO, NEVA_INSERT_NONE, TRUE}, "T"}};
  g_autofree char *path = put (
      "m.jsonl", "{\"video\": \"a\", \"image\": \"a\", \"text\": \"T\"}\n");

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autoptr (NevaPromptFile) file =
        neva_prompt_file_read (path, &rows[i].rules, NULL, NULL, NULL);

    CHECK_STR (neva_prompt_file_get (file, 0)->prompt, rows[i].want);
  }
}

/* Which prompts a NeMo model would not see anything for. */
static void
test_check_marker (void)
{
  static const struct {
    const char *media_type, *conv_template, *prompt;
    gboolean seen;
  } rows[] = {
      {"video", "nvgpt", "Describe the scene.<video>", TRUE},
      /* the switch of the nvgpt family */
      {"video", "nvgpt", "What is it?<image>", TRUE},
      {"video", "nv_dpo", "What is it?<image>", TRUE},
      {"video", "nvgpt", "Is it from a video?<image>", FALSE},
      {"video", "nvgpt", "What happens?", FALSE},
      {"video", "v1", "What is it?<image>", FALSE},
      {"video", "llama_2", "What happens?<video>", TRUE},
      {"image", "v1", "What is it?<image>", TRUE},
      {"image", "v1", "What happens?<video>", FALSE},
      {"image", "nvgpt", "What happens?<video>", FALSE},
      {NULL, "llava", "What happens?", TRUE},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const NevaModelInfo info = {.media_type = rows[i].media_type,
        .conv_template = rows[i].conv_template};
    g_autoptr (GError) error = NULL;
    const gboolean seen =
        neva_prompt_check_marker (&info, NULL, rows[i].prompt, &error);

    CHECK (seen == rows[i].seen, "row %zu", i);
    if (!seen)
      CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "would not see");
  }
}

/* ---- Rows --------------------------------------------------------------- */

#define RECORDS                                                                \
  "{\"video\": \"a\", \"text\": \"T\\u00e9\\ud83d\\ude00\", \"n\": 1.50, "     \
  "\"k\": "                                                                    \
  "[1, {\"x\": null, \"y\": []}], \"e\": {}, \"f\": 1e16, \"metadata\": "      \
  "true}\n"                                                                    \
  "{\"prompt\": \"P\", \"video\": \"a\", \"answer_id\": \"id\"}\n"
#define ROW0                                                                   \
  "{\"video\": \"a\", \"text\": \"T\\u00e9\\ud83d\\ude00\", \"n\": 1.5, "      \
  "\"k\": "                                                                    \
  "[1, {\"x\": null, \"y\": []}], \"e\": {}, \"f\": 1e+16, \"metadata\": "     \
  "true, \"prompt\": \"<video>T\\u00e9\\ud83d\\ude00\", \"full_text\": "       \
  "\"full\", "                                                                 \
  "\"pred_answer\": \"an \\\"answer\\\"\", \"model_id\": \"m\", "              \
  "\"answer_id\": 0}"
#define ROW1                                                                   \
  "{\"prompt\": \"<video>P\", \"video\": \"a\", \"answer_id\": \"id\", "       \
  "\"full_text\": \"full\", \"pred_answer\": \"an \\\"answer\\\"\", "          \
  "\"model_id\": \"m\", \"metadata\": {}}"

static NevaPromptFile *
read_records (void)
{
  const NevaPromptRules rules = {NEVA_MEDIA_VIDEO, NEVA_INSERT_LEFT, FALSE};
  g_autofree char *path = put ("rows.jsonl", RECORDS);

  return neva_prompt_file_read (path, &rules, NULL, NULL, NULL);
}

/* The wanted strings are what json.dumps writes. */
static void
test_rows (void)
{
  const NevaPromptResult result = {
      .full_text = "full", .pred_answer = "an \"answer\"", .model_id = "m"};
  g_autoptr (NevaPromptFile) file = read_records ();
  g_autofree char *first = neva_prompt_file_row (file, 0, &result);
  g_autofree char *second = neva_prompt_file_row (file, 1, &result);
  const char *const rows[] = {"{\"a\": [], \"b\": {\"c\": [1, 2]}}", "{}"};
  g_autofree char *array = neva_prompt_rows_join (rows, 2, TRUE);
  g_autofree char *lines = neva_prompt_rows_join (rows, 2, FALSE);
  g_autofree char *none = neva_prompt_rows_join (rows, 0, TRUE);

  CHECK_STR (first, ROW0);
  CHECK_STR (second, ROW1);
  CHECK_STR (array, "[\n  {\n    \"a\": [],\n    \"b\": {\n      \"c\": [\n"
                    "        1,\n        2\n      ]\n    }\n  },\n  {}\n]");
  CHECK_STR (lines, "{\"a\": [], \"b\": {\"c\": [1, 2]}}\n{}\n");
  CHECK_STR (none, "[]");
}

static void
test_scores (void)
{
  static const NevaToken tokens[] = {{5, -0.5}, {7, -1.0}};
  static const float full[] = {-0.5f, -2.0f, -3.0f, -1.0f};
  const NevaAnswer answer = {.tokens = tokens,
      .generated_tokens = 2,
      .full_logprob = full,
      .n_logprobs = 2};
  const NevaPromptResult result = {
      .full_text = "f", .pred_answer = "p", .model_id = "m", .scores = &answer};
  g_autoptr (NevaPromptFile) file = read_records ();
  g_autofree char *row = neva_prompt_file_row (file, 1, &result);

  CHECK (g_str_has_suffix (row,
             "\"metadata\": {}, \"token_ids\": [5, 7], \"logprob\": [-0.5, "
             "-1.0], \"full_logprob\": [[-0.5, -2.0], [-3.0, -1.0]]}"),
      "%s", row);
}

static void
test_earlier_rows (void)
{
  g_autoptr (NevaPromptFile) file = read_records ();
  gboolean done[] = {FALSE, FALSE};
  gsize index = 9;
  g_autoptr (GError) error = NULL;
  g_autofree char *path =
      put ("old.jsonl", ROW1 "\n" ROW0 "\n{\"video\": \"a\", \"te");
  g_autofree char *array = put ("old.json", "[\n " ROW0 ",\n" ROW1 "\n]");
  g_autoptr (GPtrArray) lines = neva_prompt_rows_read (path, &error);
  g_autoptr (GPtrArray) items = neva_prompt_rows_read (array, &error);

  CHECK (lines && lines->len == 2, "the torn row is dropped");
  CHECK (items && items->len == 2, "%s", error ? error->message : "");
  if (!lines || !items || lines->len != 2 || items->len != 2)
    return;
  CHECK_STR ((const char *) lines->pdata[0], ROW1);
  CHECK_STR ((const char *) items->pdata[0], ROW0);
  CHECK (neva_prompt_file_match (file, ROW1, "m", done, &index, &error) &&
             index == 1,
      "%s", error ? error->message : "");
  CHECK (neva_prompt_file_match (file, ROW0, "m", done, &index, &error) &&
             index == 0,
      "%s", error ? error->message : "");
  done[0] = TRUE;
  CHECK (!neva_prompt_file_match (file, ROW0, "m", done, &index, &error),
      "there is only one such question");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "no question");
  CHECK (!neva_prompt_file_match (file, ROW1, "other", done, &index, &error),
      "another model");
  CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, "'m'");
  CHECK (!neva_prompt_file_match (file, "{}", "m", done, &index, &error),
      "no row");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "pred_answer");
  CHECK (!neva_prompt_file_match (file, "{", "m", done, &index, &error),
      "no JSON");
  g_clear_error (&error);
}

/* ---- Media -------------------------------------------------------------- */

typedef struct {
  const char *name, *content, *link;
  mode_t type;
} Packed;

static char *
pack (const char *name, const Packed *members, gsize n)
{
  char *path = g_build_filename (folder, name, NULL);
  struct archive *tar = archive_write_new ();

  archive_write_set_format_gnutar (tar);
  archive_write_open_filename (tar, path);
  for (gsize i = 0; i < n; i++) {
    struct archive_entry *entry = archive_entry_new ();
    const char *content = members[i].content ? members[i].content : "";

    archive_entry_set_pathname (entry, members[i].name);
    archive_entry_set_filetype (
        entry, members[i].type ? members[i].type : AE_IFREG);
    archive_entry_set_perm (entry, 0644);
    archive_entry_set_size (entry, (la_int64_t) strlen (content));
    if (members[i].type == AE_IFLNK)
      archive_entry_set_symlink (entry, members[i].link);
    else if (members[i].link)
      archive_entry_set_hardlink (entry, members[i].link);
    archive_write_header (tar, entry);
    archive_write_data (tar, content, strlen (content));
    archive_entry_free (entry);
  }
  archive_write_close (tar);
  archive_write_free (tar);
  return path;
}

static void
check_member (
    const NevaMediaStore *store, const char *name, const char *content)
{
  g_auto (NevaMediaFile) file = {NULL, -1};
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  CHECK (neva_media_store_find (store, name, &file, &error), "%s",
      error ? error->message : name);
  for (int twice = 0; file.path && twice < 2; twice++) {
    g_clear_pointer (&text, g_free);
    CHECK (g_file_get_contents (file.path, &text, NULL, NULL), "%s", name);
    CHECK_STR (text, content);
  }
}

static void
check_missing (const NevaMediaStore *store, const char *name, const char *part)
{
  NevaMediaFile file = {NULL, -1};
  g_autoptr (GError) error = NULL;

  CHECK (!neva_media_store_find (store, name, &file, &error), "%s", name);
  CHECK_ERROR (error, NEVA_ERROR_NOT_FOUND, part);
}

#define LONG_NAME                                                              \
  "a-name-of-more-than-a-hundred-bytes/which-the-header-has-no-room-for/so-"   \
  "that-another-one-precedes-it/v.mp4"

static void
test_tar (void)
{
  static const Packed members[] = {{"a.mp4", "old"}, {"./b.mp4", "b"},
      {"clips/", NULL, NULL, AE_IFDIR}, {"clips/c.mp4", "c"},
      {LONG_NAME, "long"}, {"a.mp4", "new"}};
  g_autofree char *path = pack ("m.tar", members, G_N_ELEMENTS (members));
  g_autoptr (GError) error = NULL;
  g_autoptr (NevaMediaStore) store = neva_media_store_open (path, &error);

  CHECK (store != NULL, "%s", error ? error->message : "");
  if (!store)
    return;
  CHECK (neva_media_store_members (store) == 5, "%zu",
      neva_media_store_members (store));
  check_member (store, "a.mp4", "new"); /* the last of equal names */
  check_member (store, "./b.mp4", "b");
  check_member (store, "clips/c.mp4", "c");
  check_member (store, LONG_NAME, "long");
  check_missing (store, "b.mp4", "'b.mp4' is not in the archive");
  check_missing (store, "c.mp4", "not in the archive");
  check_missing (store, "clips/", "not a file");

  /* a changed archive is noticed */
  CHECK (g_file_set_contents (path, "short", -1, NULL), "write");
  NevaMediaFile file = {NULL, -1};
  CHECK (!neva_media_store_find (store, "a.mp4", &file, &error), "changed");
  g_clear_error (&error);
}

static void
test_hostile_tars (void)
{
  static const Packed bad[][2] = {
      {{"a.mp4", "a"}, {"../../etc/x", "x"}},
      {{"a.mp4", "a"}, {"/etc/x", "x"}},
      {{"a.mp4", "a"}, {"clips/../../x", "x"}},
      {{"a.mp4", "a"}, {"l.mp4", NULL, "/etc/passwd", AE_IFLNK}},
      {{"a.mp4", "a"}, {"l.mp4", NULL, "a.mp4", 0}},
  };
  g_autofree char *text = put ("text.tar", "this is no archive, only text");
  g_autofree char *empty = put ("empty.tar", "");
  g_autofree char *missing = g_build_filename (folder, "missing.tar", NULL);
  g_autofree char *huge = NULL;
  g_autofree char *bytes = NULL;
  g_autoptr (GError) error = NULL;
  gsize length;

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    g_autofree char *path = pack ("bad.tar", bad[i], 2);

    CHECK (!neva_media_store_open (path, &error), "archive %zu", i);
    CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, bad[i][1].name);
  }
  CHECK (!neva_media_store_open (text, &error), "text");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "text.tar");
  CHECK (!neva_media_store_open (empty, &error), "empty");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "empty.tar");
  CHECK (!neva_media_store_open (missing, &error), "missing");
  CHECK_ERROR (error, NEVA_ERROR_NOT_FOUND, "missing.tar");

  /* a header that claims more than there is: size and checksum rewritten */
  huge = pack ("huge.tar", bad[0], 1);
  CHECK (g_file_get_contents (huge, &bytes, &length, NULL), "read");
  memcpy (bytes + 124, "77777777777", 11);
  memset (bytes + 148, ' ', 8);
  guint sum = 0;
  for (guint i = 0; i < 512; i++)
    sum += (guint8) bytes[i];
  g_snprintf (bytes + 148, 8, "%06o", sum);
  CHECK (g_file_set_contents (huge, bytes, (gssize) length, NULL), "write");
  CHECK (!neva_media_store_open (huge, &error), "huge");
  CHECK_ERROR (error, NEVA_ERROR_BAD_FILE, "claims");
}

static void
test_folder (void)
{
  g_autofree char *path = put ("v.mp4", "v");
  g_autoptr (NevaMediaStore) store = neva_media_store_open (folder, NULL);
  g_autoptr (NevaMediaStore) nowhere = neva_media_store_open ("/nowhere", NULL);

  check_member (store, "v.mp4", "v");
  check_member (nowhere, path, "v"); /* an absolute name stays as it is */
  check_missing (store, "w.mp4", "w.mp4");
  check_missing (nowhere, "v.mp4", "/nowhere/v.mp4");
  CHECK (neva_media_store_members (store) == 0, "no archive");
}

int
main (void)
{
  folder = g_dir_make_tmp ("neva-eval-XXXXXX", NULL);
  test_lines ();
  test_arrays ();
  test_markers ();
  test_check_marker ();
  test_rows ();
  test_scores ();
  test_earlier_rows ();
  test_tar ();
  test_hostile_tars ();
  test_folder ();

  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  for (const char *name; (name = g_dir_read_name (dir));) {
    g_autofree char *path = g_build_filename (folder, name, NULL);

    g_unlink (path);
  }
  g_rmdir (folder);
  g_free (folder);
  return check_finish ();
}
