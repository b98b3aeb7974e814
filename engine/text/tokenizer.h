/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text <-> token ids, by tokenizer.model (sentencepiece) or tokenizer.json
 * (BPE) of a model folder. Immutable after opening; thread-safe. */
#ifndef NEVA_TOKENIZER_H
#define NEVA_TOKENIZER_H

#include <glib.h>

typedef struct _NevaTokenizer NevaTokenizer;

NevaTokenizer *neva_tokenizer_open (const char *folder, GError **error);
void neva_tokenizer_free (NevaTokenizer *tokenizer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaTokenizer, neva_tokenizer_free)

/* Appends the ids (gint32) of `text` to `ids`. No BOS or EOS is added. Special
 * and added tokens that appear literally become their id. */
gboolean neva_tokenizer_encode (const NevaTokenizer *tokenizer,
    const char *text, GArray *ids, GError **error);
/* As the original library's decode: (transfer full). */
char *neva_tokenizer_decode (const NevaTokenizer *tokenizer, const gint32 *ids,
    gsize n_ids, gboolean skip_special);
/* Exact piece or added token; -1 when the vocabulary has none. */
gint32 neva_tokenizer_find (const NevaTokenizer *tokenizer, const char *piece);
/* (transfer none); NULL out of range. For messages and grammar. */
const char *neva_tokenizer_piece (const NevaTokenizer *tokenizer, gint32 id);
gsize neva_tokenizer_size (const NevaTokenizer *tokenizer);
gint32 neva_tokenizer_bos (const NevaTokenizer *tokenizer); /* -1: none */
gint32 neva_tokenizer_eos (const NevaTokenizer *tokenizer); /* -1: none */

/* ---- Decoding as tokens come: complete UTF-8 only, prefix-stable ----------
 */
typedef struct _NevaDetokenizer NevaDetokenizer;
NevaDetokenizer *neva_detokenizer_new (const NevaTokenizer *tokenizer);
void neva_detokenizer_free (NevaDetokenizer *detok);
/* Appends to `text` what is certain after this token. */
void neva_detokenizer_push (NevaDetokenizer *detok, gint32 id, GString *text);
/* Appends what is left (an incomplete character becomes U+FFFD). */
void neva_detokenizer_flush (NevaDetokenizer *detok, GString *text);

#endif /* NEVA_TOKENIZER_H */
