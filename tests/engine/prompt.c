/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prompt templates against the strings of spec 3.2, media runs against the ids
 * that transformers made, stop strings, answers without their end markers. */
#include "config.h"
#include <string.h>
#include <neva/error.h>
#include "check.h"
#include "text/prompt.h"
#include "text/stop.h"

#define CURIOUS                                                                \
  "A chat between a curious user and an artificial intelligence assistant. "   \
  "The assistant gives helpful, detailed, and polite answers to the user's "   \
  "questions."
#define HELPFUL                                                                \
  "You are a helpful language and vision assistant. You are able to "          \
  "understand the visual content that the user provides, and assist the user " \
  "with a variety of tasks using natural language."
#define LABELS                                                                 \
  "<extra_id_2>quality:4,toxicity:0,humor:0,creativity:0,helpfulness:4,"       \
  "correctness:4,coherence:4,complexity:4,verbosity:4\n"
#define SCENE "Can you describe the scene?<video>"

static const struct {
  const char *name, *system, *text;
  gsize media;
  const char *want;
} rows[] = {
    /* the table of spec 3.2 */
    {"nvgpt", NULL, SCENE, 4,
        "<extra_id_0>System\n" CURIOUS "\n\n<extra_id_1>User\n" SCENE
        "\n<extra_id_1>Assistant\n" LABELS},
    {"nv_steerlm", NULL, SCENE, 4,
        "<extra_id_0>System\n" CURIOUS "\n\n<extra_id_1>User\n" SCENE
        "\n<extra_id_1>Assistant\n" LABELS},
    {"nv_dpo", NULL, SCENE, 4,
        "<extra_id_0>System\n\n<extra_id_1>User\n" SCENE
        "\n<extra_id_1>Assistant\n"},
    {"v1", NULL, SCENE, 4, CURIOUS " USER: " SCENE " ASSISTANT:"},
    {"llama_2", NULL, SCENE, 4,
        " [INST] <<SYS>>\n" HELPFUL "\n<</SYS>>\n\n" SCENE " [/INST]"},
    {"mistral", NULL, SCENE, 4, "<extra_id_6> [INST] " SCENE " [/INST]"},
    {"llama_3", NULL, SCENE, 4,
        "<|begin_of_text|><|start_header_id|>system<|end_header_id|>"
        "\n\n" HELPFUL
        "<|eot_id|><|start_header_id|>user<|end_header_id|>\n\n" SCENE
        "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"yi_34b", NULL, SCENE, 4,
        "<|im_start|>user\n" SCENE "<|im_end|>\n<|im_start|>assistant\n"},
    /* <image> gets a newline even where one follows, <video> none */
    {"v1", "", "a <image>\nb", 1, "USER: a <image>\n\nb ASSISTANT:"},
    {"v1", "", "a <video>b", 1, "USER: a <video>b ASSISTANT:"},
    {"llava", NULL, "<image>\nWhat?", 1, "USER: <image>\nWhat? ASSISTANT:"},
    /* no marker: media first */
    {"llava", NULL, "What?", 1, "USER: <image>\nWhat? ASSISTANT:"},
    {"llava", "Be brief.", "What?", 0, "Be brief. USER: What? ASSISTANT:"},
    {"llama_3", "", "What happens?", 1,
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\n"
        "<image>\nWhat happens?"
        "<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n"},
    {"chatml", "S", " What? ", 1,
        "<|im_start|>system\nS<|im_end|>\n<|im_start|>user\n<image>\n What?"
        "<|im_end|>\n<|im_start|>assistant\n"},
    {"nv_dpo", "S", "Q", 0,
        "<extra_id_0>System\nS\n<extra_id_1>User\nQ\n<extra_id_1>Assistant\n"},
    {"mistral", "S", "Q", 0, "<extra_id_6> [INST] S\n\nQ [/INST]"},
    {"plain", "ignored", "Which way?", 1, "<image>\nWhich way?\n"},
    {"none", NULL, "as it is", 0, "as it is"},
    {"none", NULL, "as it is", 1, "<image>as it is"},
    {"plain", NULL, NULL, 1, "<image>\n\n"},
};

static void
test_texts (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++) {
    const NevaPromptSpec spec = {.conv_template = rows[i].name,
        .system = rows[i].system,
        .text = rows[i].text,
        .media_tokens = rows[i].media};
    g_autoptr (GError) error = NULL;
    g_autofree char *got = neva_prompt_text (&spec, &error);

    CHECK_STR (got, rows[i].want);
  }
}

/* sep_image_conv_front */
static void
test_media_front (void)
{
  static const struct {
    const char *name, *text;
    gsize media;
    const char *want;
  } fronts[] = {
      {"nv_dpo", " What is it? <video>", 4,
          "<extra_id_0>System\n\n<extra_id_1>User\n<video> USER: What is it?"
          "\n<extra_id_1>Assistant\n"},
      {"mistral", "a<image>b", 4,
          "<extra_id_6> [INST] <image> USER: a\nb [/INST]"},
      {"yi_34b", " no media ", 0,
          "<|im_start|>user\nno media<|im_end|>\n<|im_start|>assistant\n"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (fronts); i++) {
    const NevaPromptSpec spec = {.conv_template = fronts[i].name,
        .text = fronts[i].text,
        .media_front = TRUE,
        .media_tokens = fronts[i].media};
    g_autofree char *got = neva_prompt_text (&spec, NULL);

    CHECK_STR (got, fronts[i].want);
  }
}

static void
test_refusals (void)
{
  static const struct {
    const char *name, *system, *text;
    gsize media;
    const char *names;
  } bad[] = {
      {"v2", NULL, "x", 0, "\"v2\""},
      {NULL, NULL, "x", 0, "template"},
      {"v1", NULL, "<video> and <video>", 4, "more than once"},
      {"v1", NULL, "<image><video>", 4, "more than once"},
      {"v1", NULL, "what is in <video>?", 0, "<video>"},
      {"v1", "see <image>", "x", 4, "system prompt"},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++) {
    const NevaPromptSpec spec = {.conv_template = bad[i].name,
        .system = bad[i].system,
        .text = bad[i].text,
        .media_tokens = bad[i].media};
    g_autoptr (GError) error = NULL;

    CHECK (!neva_prompt_text (&spec, &error), "row %zu", i);
    CHECK_ERROR (error, NEVA_ERROR_BAD_INPUT, bad[i].names);
  }
  for (const char *const *t = neva_prompt_templates (); *t; t++) {
    const NevaPromptSpec spec = {.conv_template = *t, .text = "x"};
    g_autofree char *text = neva_prompt_text (&spec, NULL);

    CHECK (text != NULL && strstr (text, "x"), "%s", *t);
    CHECK (neva_prompt_stops (*t) != NULL, "%s", *t);
  }
}

/* What transformers' processor made of these prompts, media run left out. */
static const struct {
  const char *folder, *conv_template, *system, *text;
  gint32 media_token;
  gsize media_start;
  gint32 ids[48];
} made[] = {
    {"hf-clip-llama", "llava", NULL, "What happens in the video?", 3, 8,
        {1, 390, 456, 426, 438, 455, 419, 390, 14, 442, 400, 269, 321, 405, 405,
            274, 397, 285, 266, 388, 330, 391, 396, 67, 362, 426, 426, 422, 426,
            421, 425, 433, 421, 419, -1}},
    {"hf-clip-llama3-rope-bf16-sharded", "llama_3", "", "What happens?", 445, 6,
        {440, 442, 311, 267, 443, 292, 198, 54, 71, 265, 317, 393, 269, 82, 30,
            444, 442, 310, 82, 369, 381, 443, 292, -1}},
    {"hf-siglip-qwen2-tied", "chatml", NULL, "What happens?", 443, 4,
        {441, 311, 267, 198, 198, 54, 71, 265, 317, 392, 269, 82, 30, 442, 198,
            441, 310, 82, 369, 381, 198, -1}},
};

static void
test_ids (void)
{
  const char *shared = check_shared ();

  for (gsize i = 0; shared && i < G_N_ELEMENTS (made); i++) {
    g_autofree char *folder =
        g_build_filename (shared, "reference", made[i].folder, NULL);
    g_autoptr (GError) error = NULL;
    g_autoptr (NevaTokenizer) tokenizer = neva_tokenizer_open (folder, &error);
    NevaPromptSpec spec = {.conv_template = made[i].conv_template,
        .system = made[i].system,
        .text = made[i].text,
        .media_tokens = 17,
        .media_token = made[i].media_token};
    NevaPrompt prompt = {0};
    gsize at = 0;

    CHECK (tokenizer != NULL, "%s", error ? error->message : "");
    if (!tokenizer)
      continue;
    spec.bos = neva_tokenizer_prompt_bos (tokenizer);
    CHECK (neva_prompt_build (tokenizer, &spec, &prompt, &error), "%s",
        error ? error->message : "");
    CHECK (prompt.media_start == made[i].media_start && prompt.media_len == 17,
        "%s: media at %zu", made[i].folder, prompt.media_start);
    for (gsize k = 0; made[i].ids[k] >= 0; k++, at++) {
      if (k == prompt.media_start)
        for (gsize m = 0; m < 17; m++, at++)
          CHECK (g_array_index (prompt.ids, gint32, at) == spec.media_token,
              "%s: media run at %zu", made[i].folder, at);
      CHECK (at < prompt.ids->len &&
                 g_array_index (prompt.ids, gint32, at) == made[i].ids[k],
          "%s: id %zu", made[i].folder, at);
    }
    CHECK (
        at == prompt.ids->len, "%s: %u ids", made[i].folder, prompt.ids->len);
    neva_prompt_clear (&prompt);

    spec.media_token = -1;
    CHECK (!neva_prompt_build (tokenizer, &spec, &prompt, &error), "no token");
    CHECK_ERROR (error, NEVA_ERROR_UNSUPPORTED, "token for pictures");
    spec.media_tokens = G_MAXSIZE;
    CHECK (!neva_prompt_build (tokenizer, &spec, &prompt, &error), "too long");
    CHECK_ERROR (error, NEVA_ERROR_TOO_LONG, "visual tokens");
  }
}

static void
test_clean (void)
{
  static const struct {
    const char *name, *answer, *want;
  } answers[] = {
      {"nvgpt", "Hand with a robot arm\n<extra_id_1>", "Hand with a robot arm"},
      {"nvgpt", "there are trees\n<extra_id_1>", "there are trees"},
      {"nvgpt", "A red dot<extra_id_1>", "A red dot"},
      {"nvgpt", "a dirt road", "a dirt road"},
      {"yi_34b", "men dine<|im_end|>", "men dine"},
      {"llama_3", " Hi.<|eot_id|><|eot_id|>\n", "Hi."},
      {"v1", " The arm. ", "The arm."},
      {"plain", "\n", ""},
  };

  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++) {
    g_autofree char *got =
        neva_prompt_clean (answers[i].name, answers[i].answer);

    CHECK_STR (got, answers[i].want);
  }
}

/* Any way of cutting the text into pieces gives the same, and what was given
 * out before is never taken back. */
static void
check_stop (const char *const *strings, const char *text, const char *want,
    gboolean stops, GRand *rand)
{
  for (int round = 0; round < 50; round++) {
    g_autoptr (NevaStop) stop = neva_stop_new (strings);
    g_autoptr (GString) out = g_string_new (NULL);
    gboolean stopped = FALSE;

    for (const char *p = text; *p && !stopped;) {
      gsize n = round == 0   ? 1
                : round == 1 ? strlen (p)
                             : (gsize) g_rand_int_range (rand, 1, 6);

      n = MIN (n, strlen (p));
      stopped = neva_stop_push (stop, p, (gssize) n, out);
      CHECK (strncmp (want, out->str, out->len) == 0, "\"%s\" after %zu",
          out->str, (gsize) (p - text));
      p += n;
    }
    CHECK (stopped == stops, "\"%s\"", text);
    if (stopped)
      CHECK (neva_stop_push (stop, "more", -1, out), "stays stopped");
    else
      neva_stop_flush (stop, out);
    CHECK_STR (out->str, want);
  }
}

static void
test_stop (guint64 seed)
{
  g_autoptr (GRand) rand = g_rand_new_with_seed ((guint32) seed);
  static const char *const end[] = {"</s>", NULL};
  static const char *const many[] = {"\n\nUSER", "USER:", "###", "", NULL};
  static const char *const nested[] = {"ab", "cab", "abcd", NULL};
  static const char *const wide[] = {"ééé", "é!", NULL};

  check_stop (end, "A red dot.</s> and more", "A red dot.", TRUE, rand);
  check_stop (end, "a <</s", "a <</s", FALSE, rand);
  check_stop (end, "<<</s>", "<<", TRUE, rand);
  check_stop (end, "", "", FALSE, rand);
  check_stop (many, "one\n\ntwo##\n#", "one\n\ntwo##\n#", FALSE, rand);
  check_stop (many, "one\n\nUSER: x", "one", TRUE, rand);
  check_stop (many, "one\nUSER: x", "one\n", TRUE, rand);
  check_stop (nested, "xcabcd", "x", TRUE, rand);
  check_stop (nested, "xacb", "xacb", FALSE, rand);
  check_stop (wide, "éé!", "é", TRUE, rand);
  check_stop (NULL, "anything", "anything", FALSE, rand);
}

int
main (int argc, char **argv)
{
  const guint64 seed = check_seed (argc, argv);

  test_texts ();
  test_media_front ();
  test_refusals ();
  test_ids ();
  test_clean ();
  test_stop (seed);
  return check_finish ();
}
