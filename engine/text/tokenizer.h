/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Text <-> token ids, by tokenizer.json (BPE) or tokenizer.model
 * (sentencepiece) of a model folder. Immutable after opening; thread-safe.
 * Both files, and the text, are untrusted bytes. */
#ifndef NEVA_TOKENIZER_H
#define NEVA_TOKENIZER_H

#include <glib.h>
#include "checkpoint/file_set.h"

/* Of one file. */
#define NEVA_MAX_TOKENIZER_BYTES ((gsize) 128 << 20)

/* A key of tokenizer_config.json that transformers does not have: the
 * additional tokens that a .nemo names. Where there are some, NeMo leaves them
 * out of its texts in place of the tokenizer's own additional ones. */
#define NEVA_NEMO_TOKENS "nemo_special_tokens"

typedef struct _NevaTokenizer NevaTokenizer;

/* tokenizer.json is preferred; tokenizer.model is read when there is none, or
 * when the json is of a kind that is not read here (then the log says so).
 * Returns: (transfer full): NULL with error naming the file and what in it. */
NevaTokenizer *neva_tokenizer_open (const char *folder, GError **error);
/* The same from files in memory. whole: as NeMo uses tokenizer.model, if that
 * is one of the files: texts go through it whole, no BOS, special strings are
 * pieces of the model, no other file counts. */
NevaTokenizer *neva_tokenizer_open_files (
    const NevaFileSet *files, gboolean whole, GError **error);
/* NULL-terminated names of the files that describe a tokenizer. */
const char *const *neva_tokenizer_file_names (void);
void neva_tokenizer_free (NevaTokenizer *tokenizer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaTokenizer, neva_tokenizer_free)

/* Appends the ids (gint32) of `text` to `ids`. No BOS or EOS is added. Special
 * and added tokens that appear literally become their id. length: bytes, or -1
 * when NUL-terminated; NEVA_ERROR_BAD_INPUT when the text is not UTF-8. */
gboolean neva_tokenizer_encode (const NevaTokenizer *tokenizer,
    const char *text, gssize length, GArray *ids, GError **error);
/* As the original library's decode; ids outside the vocabulary give nothing.
 * *length, if not NULL: bytes of the result, which may hold NUL.
 * Returns: (transfer full): valid UTF-8. */
char *neva_tokenizer_decode (const NevaTokenizer *tokenizer, const gint32 *ids,
    gsize n_ids, gboolean skip_special, gsize *length);
/* The same as a C string: a NUL in it becomes U+FFFD. */
char *neva_tokenizer_decode_text (const NevaTokenizer *tokenizer,
    const gint32 *ids, gsize n_ids, gboolean skip_special);
/* As NeMo decodes with Hugging Face's tokenizers: without the tokens that the
 * files name (bos, eos, …) and the additional ones, see NEVA_NEMO_TOKENS. Other
 * special tokens, of which Llama 3 has many, stay. (transfer full) */
char *neva_tokenizer_decode_unnamed (
    const NevaTokenizer *tokenizer, const gint32 *ids, gsize n_ids);
/* As NeMo's sentencepiece_legacy decodes: texts and the tokens that were added
 * to the model, special or not, each with a space behind, stripped. */
char *neva_tokenizer_decode_legacy (
    const NevaTokenizer *tokenizer, const gint32 *ids, gsize n_ids);
/* Exact piece or added token; -1 when the vocabulary has none. */
gint32 neva_tokenizer_find (const NevaTokenizer *tokenizer, const char *piece);
/* (transfer none) NULL out of range or in a hole. For messages. */
const char *neva_tokenizer_piece (const NevaTokenizer *tokenizer, gint32 id);
/* Appends the bytes that the token adds to a decoded text, which may be part of
 * a character; nothing for special tokens and ids without text. first: it is
 * the text's first token. For grammars. */
void neva_tokenizer_append_bytes (const NevaTokenizer *tokenizer, gint32 id,
    gboolean first, GByteArray *bytes);
/* Largest id + 1. */
gsize neva_tokenizer_size (const NevaTokenizer *tokenizer);
gint32 neva_tokenizer_bos (const NevaTokenizer *tokenizer); /* -1: none */
gint32 neva_tokenizer_eos (const NevaTokenizer *tokenizer); /* -1: none */
/* The id that the model's files put before every prompt; -1: none. */
gint32 neva_tokenizer_prompt_bos (const NevaTokenizer *tokenizer);
/* Left out by decode with skip_special. */
gboolean neva_tokenizer_is_special (const NevaTokenizer *tokenizer, gint32 id);

/* ---- Decoding as tokens come: complete UTF-8 only, prefix-stable ----------
 * What push and flush appended over time is decode () of the ids so far,
 * special tokens skipped. */
typedef struct _NevaDetokenizer NevaDetokenizer;
NevaDetokenizer *neva_detokenizer_new (const NevaTokenizer *tokenizer);
void neva_detokenizer_free (NevaDetokenizer *detok);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaDetokenizer, neva_detokenizer_free)
/* Appends to `text` what is certain after this token. */
void neva_detokenizer_push (NevaDetokenizer *detok, gint32 id, GString *text);
/* Appends what is left (an incomplete character becomes U+FFFD). */
void neva_detokenizer_flush (NevaDetokenizer *detok, GString *text);

#endif /* NEVA_TOKENIZER_H */
