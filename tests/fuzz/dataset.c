/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* set.json, a data set for training: every record through every template, to
 * tokens, labels and a batch. */
#include "config.h"
#include <stdlib.h>
#include <string.h>
#include "fuzz.h"
#include "train/labels.h"
#include "train/sample.h"

#define RECORD(media, turns)                                                   \
  "[{\"video\": " media ", \"system\": \"S\", \"conversations\": " turns "}]"
#define TURN(from, value)                                                      \
  "{\"from\": \"" from "\", \"value\": \"" value "\", \"label\": "             \
  "\"quality:1\"}"

const FuzzSeed fuzz_seeds[] = {
    FUZZ_SEED (RECORD (
        "\"a\"", "[" TURN ("human", "<video>a") ", " TURN ("gpt", "b") "]")),
    FUZZ_SEED (
        RECORD ("[\"a\", \"b\"]", "[" TURN ("gpt", "x") ", " TURN ("human",
                                      "<video><extra_id_1>") ", " TURN ("gpt",
                                      "b<extra_id_7>") ", " TURN ("human",
                                      "<video>") ", " TURN ("gpt", "") "]")),
    FUZZ_SEED (RECORD ("\"a\"", "\"a<video> [/INST] b\"")),
    FUZZ_SEED (RECORD ("\"a\"",
        "[" TURN ("human", "<video> ASSISTANT: <|im_start|>user\\n") ", " TURN (
            "gpt", "<extra_id_2>quality:4\\n[/INST] ") "]")),
};
const gsize fuzz_n_seeds = G_N_ELEMENTS (fuzz_seeds);

static const char tokenizer_json[] =
    "{\"model\": {\"type\": \"BPE\", \"unk_token\": \"u\", \"vocab\": {\"u\": "
    "0,"
    "\"a\": 1, \"b\": 2, \" \": 3, \"ab\": 4, \"[\": 5, \"/\": 6}, \"merges\": "
    "[\"a b\"]}, \"added_tokens\": ["
    "{\"id\": 7, \"content\": \"<extra_id_1>\", \"special\": true},"
    "{\"id\": 8, \"content\": \"<extra_id_3>\", \"special\": true},"
    "{\"id\": 9, \"content\": \"<extra_id_4>\", \"special\": true},"
    "{\"id\": 10, \"content\": \"<extra_id_5>\", \"special\": true},"
    "{\"id\": 11, \"content\": \"<extra_id_6>\", \"special\": true},"
    "{\"id\": 12, \"content\": \"<extra_id_7>\", \"special\": true}]}";

static NevaTokenizer *
open_tokenizer (void)
{
  static NevaTokenizer *tokenizer;
  g_autoptr (NevaFileSet) files = neva_file_set_new ("fuzz");
  g_autoptr (GBytes) bytes =
      g_bytes_new_static (tokenizer_json, strlen (tokenizer_json));

  if (!tokenizer) {
    neva_file_set_add (files, "tokenizer.json", bytes);
    tokenizer = neva_tokenizer_open_files (files, TRUE, NULL);
  }
  if (!tokenizer)
    abort ();
  return tokenizer;
}

static void
check_sample (NevaSample *sample)
{
  NevaBatch batch;

  if (sample->tokens->len != sample->labels->len)
    abort ();
  neva_batch_collate (&batch, sample, 1, 2, TRUE);
  if (batch.length % 64 || batch.length < sample->tokens->len)
    abort ();
  fuzz_sink += (guint) batch.tokens[0];
  neva_batch_clear (&batch);
  neva_sample_clear (sample);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  static const char *const templates[] = {"nvgpt", "nv_dpo", "v1", "llama_2",
      "llama_3", "mistral", "yi_34b", "plain", "interleaved"};
  const char *folder = fuzz_write_file ("set.json", data, size);
  g_autofree char *path = g_build_filename (folder, "set.json", NULL);
  g_autoptr (GError) error = NULL;
  guint built = 0;
  g_autoptr (NevaDataset) set =
      neva_dataset_read (path, NEVA_MEDIA_VIDEO, &error);

  if (!set == !error)
    abort ();
  for (gsize i = 0; set && i < neva_dataset_length (set); i++)
    for (gsize t = 0; t < G_N_ELEMENTS (templates); t++) {
      const NevaSampleRules rules = {.conv_template = templates[t],
          .multimodal = i % 3 != 2,
          .media_front = i % 2,
          .media_tokens = 2 + i % 3,
          .context_length = i % 2 ? 64 : 4096,
          .extra_token = t % 2};
      NevaSample sample = {NULL};
      g_autoptr (GError) refused = NULL;

      if (!neva_sample_build (open_tokenizer (), &rules,
              neva_dataset_get (set, i), &sample, &refused) == !refused)
        abort ();
      if (refused)
        continue;
      check_sample (&sample);
      built++;
    }
  /* the first seed is good in all but "interleaved" */
  if (size == fuzz_seeds[0].length &&
      !memcmp (data, fuzz_seeds[0].bytes, size) &&
      built < G_N_ELEMENTS (templates) - 1)
    abort ();
  return 0;
}
