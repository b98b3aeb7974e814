/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* q.jsonl 0xff q.json 0xff a row of an earlier run 0xff a configuration: what
 * comes out of them is written and read again. */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include <neva/eval.h>
#include "fuzz.h"

#define RECORD "{\"video\": \"a.mp4\", \"text\": \"T\\u00e9\", \"n\": 1e5}"

const FuzzSeed fuzz_seeds[] = {
    /* surrogates: a pair, and half of one */
    FUZZ_SEED ("{\"video\":\"\\ud83d\\ude00\",\"text\":\"\"}\n"
               "{\"video\":\"\\uDDDD\",\"text\":\"\"}\xff[]\xff{}"),
    FUZZ_SEED (RECORD "\n\n{\"video\": 5}\n" RECORD "\n\xff[" RECORD ", 5]\xff"
                      "{\"video\": \"a.mp4\", \"text\": \"T\\u00e9\", \"n\": "
                      "100000.0, \"prompt\": \"<video>T\\u00e9\", "
                      "\"full_text\": \"f\", \"pred_answer\": \"p\", "
                      "\"model_id\": \"m\"}\xff"
                      "a:\n  b: [1, \"x\",]\n  c: null # d\ne: &f 5\ng: *f\n"),
    FUZZ_SEED ("{}\xff[]\xff{}\xff"
               "a=[x,'y\\'',{b: 1.5}]\n+c.d=${a.0}/${oc.env:HOME,x}\n"
               "e=\\,${.c}\n~a\nf=${f}\ng=\\${h}${oc.decode:[1]}\n"),
    FUZZ_SEED ("{\"a\": 99999999999999999999}\n[[[[[[[\n\"\\ud800\"\n"
               "{\"video\":\"\\u0000\",\"prompt\":\"\"}\xff{}\xff[]\xff- 1"),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

static gboolean
on_setting (const NevaSetting *setting, gpointer user_data, GError **error)
{
  (void) user_data, (void) error;
  fuzz_sink += (guint) strlen (setting->key) + (guint) strlen (setting->json);
  return TRUE;
}

/* A file, each of its lines as an argument, and what comes of both. */
static void
check_settings (const char *yaml)
{
  g_autoptr (NevaSettings) settings = neva_settings_new ();
  g_auto (GStrv) arguments = g_strsplit (yaml, "\n", 64);

  neva_settings_read (settings, yaml, strlen (yaml), "fuzz.yaml", NULL);
  for (char **at = arguments; *at; at++) {
    g_autoptr (GError) error = NULL;

    if (!neva_settings_override (settings, *at, &error) == !error)
      abort ();
  }
  neva_settings_each (settings, on_setting, NULL, NULL);
}

/* Every row that is written is one that is found again. */
static void
check_rows (const NevaPromptFile *file, const char *old)
{
  static const NevaPromptResult result = {
      .full_text = "f", .pred_answer = "p\xff", .model_id = "m"};
  const gsize n = neva_prompt_file_length (file);
  g_autofree gboolean *done = g_new0 (gboolean, n + 1);
  g_autoptr (GError) error = NULL;
  gsize index;

  for (gsize i = 0; i < n; i++) {
    g_autofree char *row = neva_prompt_file_row (file, i, &result);
    const char *rows[] = {row};
    g_autofree char *array = neva_prompt_rows_join (rows, 1, TRUE);

    if (!neva_prompt_file_match (file, row, "m", done, &index, NULL) ||
        *array != '[')
      abort ();
    done[index] = TRUE;
  }
  memset (done, 0, n * sizeof *done);
  if (!neva_prompt_file_match (file, old, "m", done, &index, &error) == !error)
    abort ();
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const char *const names[] = {"q.jsonl", "q.json", "row.jsonl", NULL};
  static const NevaPromptRules rules = {NEVA_MEDIA_VIDEO, NEVA_INSERT_LEFT, 0};
  const guint8 *yaml = NULL;
  gsize yaml_size = 0;
  const char *folder = fuzz_write_folder (names, data, size, &yaml, &yaml_size);
  g_autofree char *text =
      yaml ? g_strndup ((const char *) yaml, yaml_size) : g_strdup ("");
  g_autofree char *rows_path = g_build_filename (folder, names[2], NULL);
  g_autoptr (GPtrArray) rows = neva_prompt_rows_read (rows_path, NULL);

  check_settings (text);
  for (guint i = 0; i < 2; i++) {
    g_autofree char *path = g_build_filename (folder, names[i], NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (NevaPromptFile) file =
        neva_prompt_file_read (path, &rules, NULL, NULL, &error);

    if (!file == !error)
      abort ();
    if (file)
      check_rows (file, rows && rows->len ? rows->pdata[0] : "{}");
  }
  return 0;
}
