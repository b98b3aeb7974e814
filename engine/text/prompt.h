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
  GArray *slots; /* gint32 [media_len], owned; NULL: the rows in their order.
                    The row that stands there, or ~id: the embedding of that id,
                    which ids may lack */
} NevaPrompt;

void neva_prompt_clear (NevaPrompt *prompt);

/* Templates:
 *   nvgpt nv_steerlm nv_dpo v1 llama_2 llama_3 mistral yi_34b   NeMo's
 *   llava   "USER: " text " ASSISTANT:"   LLaVA 1.5 as transformers writes it
 *   chatml  another name of yi_34b        Qwen
 *   plain   text "\n"
 *   none    text
 * Where `text` has no marker, the media run and a newline go before it (in
 * `none` without the newline); NeMo's templates put a newline behind <image>.
 * An empty system prompt leaves the template's system block out, where it has
 * one; plain and none have no place for any. */
typedef struct {
  const char *conv_template; /* one of the names above */
  const char *system;        /* NULL: the template's own */
  const char *text;          /* the user's question, with at most one <video>
                                or <image> */
  gboolean media_front; /* NeMo's sep_image_conv_front: the marker goes to the
                           front, "USER: " and the stripped text behind it */
  gsize media_tokens;   /* F * S; 0: no media */
  gint32 media_token;   /* id that fills the run, e.g. of <image> */
  gint32 bos;           /* put first unless the prompt begins with it; -1:
                           none. See neva_tokenizer_prompt_bos () */
} NevaPromptSpec;

/* `text`, which holds `marker`, as media_front says. (transfer full) */
char *neva_prompt_media_front (const char *text, const char *marker);

/* NULL-terminated names that build () accepts. */
const char *const *neva_prompt_templates (void);
/* The text that the template makes, with the marker <image> or <video> where
 * the media run will be. (transfer full): NULL with NEVA_ERROR_BAD_INPUT: no
 * such template, or markers and media do not agree. */
char *neva_prompt_text (const NevaPromptSpec *spec, GError **error);
/* prompt: written on success only; clear it after use. */
gboolean neva_prompt_build (const NevaTokenizer *tokenizer,
    const NevaPromptSpec *spec, NevaPrompt *prompt, GError **error);

/* Strings that end an answer in this template, NULL-terminated; beside the
 * model's own eos ids. (transfer none): never NULL. */
const char *const *neva_prompt_stops (const char *conv_template);
/* Appends to `ids` (gint32) the ids of those strings that are one token, which
 * a detokenizer never shows; "<|endoftext|>" means the eos id, too. strings:
 * NULL-terminated, or NULL. */
void neva_prompt_stop_ids (
    const NevaTokenizer *tokenizer, const char *const *strings, GArray *ids);
/* A generated text without the template's literal end markers and without white
 * space at the ends. (transfer full) */
char *neva_prompt_clean (const char *conv_template, const char *answer);

#endif /* NEVA_PROMPT_H */
