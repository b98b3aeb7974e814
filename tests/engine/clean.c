/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* CLEAN RESPONSE bit for bit: the table of spec 3.6, every template, and what
 * becomes of the media tokens. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "text/clean.h"

#define LABELS                                                                 \
  "<extra_id_2>quality:4,toxicity:0,humor:0,creativity:0,helpfulness:4,"       \
  "correctness:4,coherence:4,complexity:4,verbosity:4\n"
#define NVGPT                                                                  \
  "<extra_id_0>System\nx\n\n<extra_id_1>User\ny<video>\n"                      \
  "<extra_id_1>Assistant\n" LABELS
#define UNKNOWN " \xe2\x81\x87 "

static void
test_nvgpt_table (void)
{
  static const struct {
    const char *generated, *want;
  } rows[] = {
      {"Hand with a robot arm\n<extra_id_1>", "Hand with a robot arm"},
      {"there are trees\n<extra_id_1>", "here are trees"},
      {"a dirt road", "dirt ro"},
      {"A red dot<extra_id_1>", "A red do"},
      {"Text", "T"},
      {"1. First\n<extra_id_1>", ". First"},
      {"a\n<extra_id_1>", ""},
      {"Yes\n<extra_id_1>User\n", "Yes\n<extra_id_1>User"},
  };
  static const char *const names[] = {"nvgpt", "nv_steerlm"};

  for (gsize t = 0; t < G_N_ELEMENTS (names); t++)
    for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
      g_autofree char *full = g_strconcat (NVGPT, rows[i].generated, NULL);
      g_autofree char *got = neva_clean_nemo (names[t], full);

      CHECK_STR (got, rows[i].want);
    }
}

static void
test_templates (void)
{
  static const struct {
    const char *name, *full, *want;
  } rows[] = {
      /* the last label whose line ends counts, to the end of that line */
      {"nvgpt", LABELS "one\n" LABELS "Two\n<extra_id_1>", "Two"},
      {"nvgpt", "Four <extra_id_2>quality:9", "Four <extra_id_2>quality:9"},
      {"nvgpt", LABELS "Five <extra_id_2>quality:9",
          "Five <extra_id_2>quality:9"},
      {"nvgpt", "No label", "No label"},
      {"nv_dpo", "<extra_id_1>Assistant\nA man.\n<extra_id_1>", "A man."},
      {"nv_dpo", "<extra_id_1>Assistant\ntaxi\n<extra_id_1>", ""},
      {"llama_2", " [INST] Why? [/INST] The arm. ", "The arm."},
      {"llama_2", " [INST] Why? [/INST]The arm.",
          "[INST] Why? [/INST]The arm."},
      {"llama_3",
          "user<|end_header_id|>\n\nQ<|eot_id|><|start_header_id|>"
          "assistant<|end_header_id|>\n\nHi.<|eot_id|><|eot_id|>",
          "Hi."},
      {"llama_3", "no header<|eot_id|>", "no header"},
      {"yi_34b", "<|im_start|>assistant\nA cat.<|im_end|>", "A cat."},
      {"yi_34b", "<|im_start|>assistant\nmen dine<|im_end|>", ""},
      {"v1", "USER: Q ASSISTANT: The arm.", "The arm."},
      {"v1", "USER: Q ASSISTANT:The arm.", "USER: Q ASSISTANT:The arm."},
      {"mistral", "<s> [INST] Q [/INST] A", "<s> [INST] Q [/INST] A"},
      {"plain", "\t\xc2\xa0Q\nA\x1f\n", "Q\nA"}, /* Python's white space */
      {"v1", "", ""},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *got = neva_clean_nemo (rows[i].name, rows[i].full);

    CHECK_STR (got, rows[i].want);
  }
}

static void
test_full_text (void)
{
  static const struct {
    const char *raw;
    gboolean llama3;
    const char *marker, *want;
  } rows[] = {
      {"see <extra_id_4>" UNKNOWN UNKNOWN "<extra_id_5>!", FALSE, "<video>",
          "see <video>!"},
      {"<extra_id_4><extra_id_3><extra_id_3><extra_id_5>", FALSE, "<image>",
          "<image>"},
      {"a<extra_id_4><extra_id_3><extra_id_5>b<extra_id_4>" UNKNOWN
       "<extra_id_5>c",
          FALSE, "<video>", "a<video>b<video>c"},
      {"<|reserved_special_token_4|><|reserved_special_token_3|>"
       "<|reserved_special_token_5|>x",
          TRUE, "<video>", "<video>x"},
      /* a run needs a patch, and only patches */
      {"<extra_id_4><extra_id_5>", FALSE, "<video>",
          "<extra_id_4><extra_id_5>"},
      {"<extra_id_4><extra_id_3>x<extra_id_5>", FALSE, "<video>",
          "<extra_id_4><extra_id_3>x<extra_id_5>"},
      {"<extra_id_4><extra_id_3><extra_id_5>", TRUE, "<video>",
          "<extra_id_4><extra_id_3><extra_id_5>"},
      {"<extra_id_4><extra_id_4>" UNKNOWN "<extra_id_5>", FALSE, "<video>",
          "<extra_id_4><video>"},
      {"", FALSE, "<video>", ""},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *got = neva_clean_full_text (
        rows[i].raw, rows[i].llama3, FALSE, rows[i].marker);

    CHECK_STR (got, rows[i].want);
  }
}

static void
test_lita (void)
{
  static const struct {
    const char *raw, *want;
  } rows[] = {
      {"a<extra_id_4>x<extra_id_5>b<extra_id_4>y<extra_id_5>c", "a<video>c"},
      {"<extra_id_4>x<extra_id_5>\n<extra_id_4>y<extra_id_5>",
          "<video>\n<video>"},
      {"<extra_id_4><extra_id_4>" UNKNOWN "<extra_id_5><extra_id_8>" UNKNOWN
       "<extra_id_9><extra_id_5> When?",
          "<video> When?"},
      {"<extra_id_4><extra_id_5>", "<extra_id_4><extra_id_5>"},
      {"<extra_id_4>\n<extra_id_5>", "<extra_id_4>\n<extra_id_5>"},
      {"<extra_id_5> <extra_id_4> a", "<extra_id_5> <extra_id_4> a"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    g_autofree char *got =
        neva_clean_full_text (rows[i].raw, FALSE, TRUE, "<video>");

    CHECK_STR (got, rows[i].want);
  }
}

int
main (void)
{
  test_lita ();
  test_nvgpt_table ();
  test_templates ();
  test_full_text ();
  return check_finish ();
}
