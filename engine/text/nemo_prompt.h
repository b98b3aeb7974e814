/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Prompt ids as NeMo makes them (spec 1.7, 3.5): the marker becomes
 *
 *   START PATCH … PATCH END        n tokens in all, all overwritten by features
 *
 * (with use_im_start_end n patches between two tokens that stay), the whole
 * text goes through the tokenizer at once without BOS, and some templates write
 * the patch id and the stand-ins of BOS and EOS as 0, 1, 2.
 *
 * LITA's im_vid_start_end (spec 2.6) gives each frame and the times tokens of
 * their own, which stay, and all of it two more:
 *
 *   START  START P…P END … START P…P END  VSTART P…P VEND  END
 *
 * Without use_im_start_end the rows are those of the inner part, and START, the
 * first frame's less patch, the times' less patch and END take their places:
 *
 *   START  START P…P END … VSTART P…P VEND  END     tokens
 *   START  row …row  END … VSTART row…row   VEND    what is embedded */
#ifndef NEVA_NEMO_PROMPT_H
#define NEVA_NEMO_PROMPT_H

#include "prompt.h"

typedef struct {
  gboolean llama3_tokens; /* <|reserved_special_token_3|>, … */
  gboolean use_im_start_end;
  gsize lita_frames, times; /* im_vid_start_end: frames between tokens, and rows
                               of times behind them; 0: one run */
} NevaNemoMedia;

/* What stands for a marker: START PATCH… END. media_tokens: at least 2.
 * (transfer full) */
char *neva_nemo_media_text (const NevaNemoMedia *media, gsize media_tokens);

/* The id of END, by which the original finds media; -1 with error. */
gint32 neva_nemo_end_id (
    const NevaTokenizer *tokenizer, const NevaNemoMedia *media, GError **error);

/* Writes the ids (gint32) of patches and of the stand-ins of BOS and EOS as 0,
 * 1, 2 where the template asks for it. A stand-in in `text`, of which the ids
 * are, that the tokenizer does not have is an error. */
gboolean neva_nemo_rewrite (const NevaTokenizer *tokenizer,
    const char *conv_template, const NevaNemoMedia *media, const char *text,
    GArray *ids, GError **error);

/* text: the whole prompt with at most one <image> or <video> marker, as
 * neva_prompt_text () gives it; media_tokens: 0 without a marker, else at least
 * 2. conv_template decides about the ids 0, 1, 2. prompt: written on success. A
 * media token that the tokenizer does not have as one piece is an error. */
gboolean neva_nemo_prompt_build (const NevaTokenizer *tokenizer,
    const char *text, const char *conv_template, const NevaNemoMedia *media,
    gsize media_tokens, NevaPrompt *prompt, GError **error);

/* Appends the ids (gint32) of the end strings that are one token behind
 * <extra_id_1>, as NeMo finds them (spec 4.5); "<|endoftext|>" is the eos id.
 * Returns: (transfer full): the others, whose text is looked for; NULL: none.
 */
char **neva_nemo_stop_ids (
    const NevaTokenizer *tokenizer, const char *const *strings, GArray *ids);

#endif /* NEVA_NEMO_PROMPT_H */
