/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* From a question to token ids: conversation template, media run, special
 * tokens (spec 3.2 for the NeMo templates). */
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

typedef struct {
  const char *conv_template; /* "v1", "llama_2", …, "plain", "none" */
  const char *system;        /* NULL: the template's own */
  const char *text;          /* the user's question; may hold one <video> or
                                <image> marker, else the media goes first */
  gsize media_tokens;        /* F * S; 0: no media */
  gint32 media_token;        /* id that fills the run, e.g. of <image> */
  gint32 bos;                /* put first by Hugging Face templates; -1: none */
} NevaPromptSpec;

/* NULL-terminated names that build () accepts. */
const char *const *neva_prompt_templates (void);
gboolean neva_prompt_build (const NevaTokenizer *tokenizer,
    const NevaPromptSpec *spec, NevaPrompt *prompt, GError **error);

#endif /* NEVA_PROMPT_H */
