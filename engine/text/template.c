/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "config.h"
#include <neva/error.h>
#include "template.h"

#define CURIOUS_USER                                                           \
  "A chat between a curious user and an artificial intelligence assistant. "   \
  "The assistant gives helpful, detailed, and polite answers to the user's "   \
  "questions."
#define VISION_ASSISTANT                                                       \
  "You are a helpful language and vision assistant. You are able to "          \
  "understand the visual content that the user provides, and assist the user " \
  "with a variety of tasks using natural language."
#define LABELS                                                                 \
  NEVA_LABELS                                                                  \
  "quality:4,toxicity:0,humor:0,creativity:0,helpfulness:4,correctness:4,"     \
  "coherence:4,complexity:4,verbosity:4\n"

#define NV                                                                     \
  .nemo = TRUE, .whole_system = TRUE, .start = "<extra_id_0>System\n",         \
  .system_before = "", .user_before = "<extra_id_1>User\n",                    \
  .user_after = "\n<extra_id_1>", .answer_role = "Assistant\n",                \
  .answer_lead = "", .answer_after = "\n<extra_id_1>", .user_again = "User\n", \
  .stops = {"<extra_id_1>", NEVA_EOS_STAND_IN}
#define NVGPT                                                                  \
  NV, .system = CURIOUS_USER, .system_after = "\n\n", .label = LABELS
#define CHATML                                                                 \
  .trim = TRUE, .start = "", .system = "",                                     \
  .system_before = "<|im_start|>system\n", .system_after = "<|im_end|>\n",     \
  .user_before = "<|im_start|>user\n", .user_after = "<|im_end|>\n",           \
  .answer_role = "<|im_start|>assistant\n", .stops = {"<|im_end|>"}

static const NevaTemplate templates[] = {
    {.name = "nvgpt", NVGPT},
    {.name = "nv_steerlm", NVGPT},
    {.name = "nv_dpo",
        NV,
        .even_empty = TRUE,
        .system = "",
        .system_after = "\n"},
    {.name = "v1",
        .nemo = TRUE,
        .named = TRUE,
        .start = "",
        .system = CURIOUS_USER,
        .system_before = "",
        .system_after = " ",
        .user_before = "USER: ",
        .user_after = " ",
        .answer_role = "ASSISTANT:",
        .answer_lead = " ",
        .answer_after = NEVA_EOS_STAND_IN,
        .user_again = " USER: "},
    {.name = "llama_2",
        .nemo = TRUE,
        .named = TRUE,
        .start = " [INST] ",
        .system = VISION_ASSISTANT,
        .system_before = "<<SYS>>\n",
        .system_after = "\n<</SYS>>\n\n",
        .user_before = "",
        .user_after = " [/INST]",
        .answer_role = "",
        .answer_lead = " ",
        .answer_after = " " NEVA_EOS_STAND_IN,
        .user_again = NEVA_BOS_STAND_IN " [INST] "},
    {.name = "llama_3",
        .nemo = TRUE,
        .named = TRUE,
        .start = "<|begin_of_text|>",
        .system = VISION_ASSISTANT,
        .system_before = "<|start_header_id|>system<|end_header_id|>\n\n",
        .system_after = "<|eot_id|>",
        .user_before = "<|start_header_id|>user<|end_header_id|>\n\n",
        .user_after = "<|eot_id|>",
        .answer_role = "<|start_header_id|>assistant<|end_header_id|>\n\n",
        .answer_lead = "",
        .answer_after = "<|eot_id|>",
        .user_again = "<|start_header_id|>user<|end_header_id|>\n\n",
        .stops = {"<|eot_id|>"}},
    {.name = "mistral",
        .nemo = TRUE,
        .named = TRUE,
        .start = NEVA_BOS_STAND_IN " [INST] ",
        .system = "",
        .system_before = "",
        .system_after = "\n\n",
        .user_before = "",
        .user_after = " [/INST]",
        .answer_role = "",
        .answer_lead = "",
        .answer_after = NEVA_EOS_STAND_IN,
        .user_again = " [INST] "},
    {.name = "yi_34b",
        .nemo = TRUE,
        CHATML,
        .answer_lead = "",
        .answer_after = "<|im_end|>\n",
        .user_again = "<|im_start|>user\n"},
    {.name = "chatml", CHATML},
    {.name = "llava",
        .start = "",
        .system = "",
        .system_before = "",
        .system_after = " ",
        .user_before = "USER: ",
        .user_after = " ",
        .answer_role = "ASSISTANT:"},
    {.name = "plain",
        .start = "",
        .user_before = "",
        .user_after = "\n",
        .answer_role = ""},
    {.name = "none",
        .start = "",
        .user_before = "",
        .user_after = "",
        .answer_role = ""},
};

const NevaTemplate *
neva_template_find (const char *name, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (templates); i++)
    if (g_strcmp0 (name, templates[i].name) == 0)
      return &templates[i];

  g_set_error (error, NEVA_ERROR, NEVA_ERROR_BAD_INPUT,
      "no prompt template \"%s\"", name ? name : "(null)");
  return NULL;
}

const NevaTemplate *
neva_template_nth (gsize index)
{
  return index < G_N_ELEMENTS (templates) ? &templates[index] : NULL;
}
