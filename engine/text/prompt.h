/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a question to token ids: conversation template, media run, special
 * tokens (spec 3.2 for the NeMo templates), and back from the raw answer. */
#ifndef NEVA_PROMPT_H
#define NEVA_PROMPT_H

#include "tokenizer.h"

/* Ids with the media run expanded: the `media_len` rows from `media_start` are
 * overwritten by visual features (frame-major). */
typedef struct {
  GArray *ids; /* gint32; owned */
  gsize media_start, media_len;
} NevaPrompt;

void neva_prompt_clear (NevaPrompt *prompt);

/* Templates: nvgpt nv_steerlm nv_dpo v1 llama_2 llama_3 mistral yi_34b
 * (NeMo's), llava   "USER: " media "\n" text " ASSISTANT:"      (LLaVA 1.5)
 *   chatml  "<|im_start|>user\n" media "\n" text …      (Qwen)
 *   plain   media "\n" text "\n"
 *   none    media text
 * A system prompt of the caller goes where the template has a place for one;
 * plain and none have none. */
typedef struct {
  const char *conv_template; /* one of the names above */
  const char *system;        /* NULL: the template's own */
  const char *text;          /* the user's question; may hold one <video> or
                                <image> marker, else the media goes first */
  gsize media_tokens;        /* F * S; 0: no media */
  gint32 media_token;        /* id that fills the run, e.g. of <image> */
  gint32 bos;                /* put first by Hugging Face templates; -1: none */
} NevaPromptSpec;

/* NULL-terminated names that build () accepts. */
const char *const *neva_prompt_templates (void);
/* The text that the template makes, with a marker "<image>" or "<video>" left
 * where the media run will be when spec->media_tokens > 0; the tokenizer's work
 * is not done. (transfer full): NULL with NEVA_ERROR_BAD_INPUT. */
char *neva_prompt_text (const NevaPromptSpec *spec, GError **error);
/* prompt: written on success only; clear it after use. */
gboolean neva_prompt_build (const NevaTokenizer *tokenizer,
    const NevaPromptSpec *spec, NevaPrompt *prompt, GError **error);

/* Strings that end an answer in this template, NULL-terminated; beside the
 * model's own eos ids. (transfer none): never NULL. */
const char *const *neva_prompt_stops (const char *conv_template);
/* A generated text without the template's literal end markers and without white
 * space at the ends. (transfer full) */
char *neva_prompt_clean (const char *conv_template, const char *answer);

#endif /* NEVA_PROMPT_H */
