/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What of a conversation is learned (spec 6.4): labels are the tokens, with the
 * instructions masked. The original finds the instructions by tokenizing pieces
 * of the text apart, with corrections tuned to Llama's sentencepiece model; so
 * do these functions, to the token, boundaries that are off included. */
#ifndef NEVA_TRAIN_LABELS_H
#define NEVA_TRAIN_LABELS_H

#include <glib.h>
#include "text/tokenizer.h"

#define NEVA_LABEL_IGNORE (-1)

/* Masks labels [gint32], which are a copy of the ids of `text`, possibly cut.
 * first_turn: of "plain" the text before what is learned, else unread.
 * "interleaved" masks pads and what the strings of the media tokens (llama3:
 * those of llama_3) are, and 0, the id of patches. NEVA_ERROR_BAD_INPUT: no
 * such template. */
gboolean neva_labels_mask (const NevaTokenizer *tokenizer,
    const char *conv_template, const char *text, const char *first_turn,
    gboolean llama3_tokens, GArray *labels, GError **error);

/* The step from a token to the next one: with extra_token the last token and
 * the first label go; else the labels move left and the last is masked. Arrays
 * of gint32 of one length. */
void neva_labels_shift (GArray *tokens, GArray *labels, gboolean extra_token);

#endif /* NEVA_TRAIN_LABELS_H */
