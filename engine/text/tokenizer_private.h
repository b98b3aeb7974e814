/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The inside of a tokenizer, shared by the files that fill it. */
#ifndef NEVA_TOKENIZER_PRIVATE_H
#define NEVA_TOKENIZER_PRIVATE_H

#include <json-glib/json-glib.h>
#include "added.h"
#include "bpe.h"
#include "checkpoint/file_set.h"
#include "decoder.h"
#include "normalizer.h"
#include "pretokenizer.h"
#include "sentencepiece_shim.h"
#include "tokenizer.h"
#include "utf8.h"

#define NEVA_MAX_TOKENS (1u << 22)

typedef struct {
  char *text;          /* NULL: a hole in the vocabulary */
  char *surface;       /* what it decodes to, where that is not its text */
  gboolean special;    /* left out when special tokens are skipped */
  gboolean named;      /* the tokenizer's bos, eos, …; NEVA_NEMO_TOKENS */
  gboolean additional; /* one of its additional special tokens */
  gboolean silent;     /* decodes to nothing */
  gboolean literal;    /* never a byte, whatever it looks like */
} NevaPiece;

struct _NevaTokenizer {
  GArray *pieces;              /* NevaPiece, by id */
  GHashTable *ids;             /* text (owned by pieces) -> id + 1 */
  NevaAdded *added;            /* looked for in the text as it is */
  NevaAdded *added_normalized; /* looked for after normalisation */
  NevaDecoder *decoder;
  gint32 bos, eos;
  gint adds_bos; /* -1: the files did not say */
  gboolean legacy;
  gboolean nemo_tokens; /* NEVA_NEMO_TOKENS stand for the additional ones */

  /* of NeMo with Hugging Face's tokenizer.model, see tokenizer_slow.c */
  gboolean slow, adds_space;
  char *unk;

  /* by tokenizer.json */
  NevaNormalizer *normalizer;
  NevaPretokenizer *pretokenizer;
  NevaBpe *bpe;

  /* by tokenizer.model */
  NevaSentencepiece *sp;
  NevaSentencepiece *sp_bare; /* without the space before the text, for text
                                 after an added token; NULL: use sp */
  NevaDecoder *decoder_bare;  /* of sp_bare */
};

/* Puts a piece at an id that is free; FALSE with NEVA_ERROR_BAD_FILE else. */
gboolean neva_tokenizer_set_piece (
    NevaTokenizer *tokenizer, gint64 id, const char *text, GError **error);
/* Adds what {"content", "lstrip", "rstrip", "single_word", "normalized",
 * "special"} describes; an id of -1 asks for the id that the vocabulary has. */
gboolean neva_tokenizer_add_token (
    NevaTokenizer *tokenizer, gint64 id, JsonObject *token, GError **error);

/* Each reads one of the files into an empty tokenizer. */
gboolean neva_tokenizer_read_json (
    NevaTokenizer *tokenizer, const NevaFileSet *files, GError **error);
gboolean neva_tokenizer_read_model (
    NevaTokenizer *tokenizer, const NevaFileSet *files, GError **error);
/* tokenizer_config.json, special_tokens_map.json and added_tokens.json, each of
 * which may be absent. Comes after the vocabulary. */
gboolean neva_tokenizer_read_config (
    NevaTokenizer *tokenizer, const NevaFileSet *files, GError **error);

/* bos, eos, … and the additional ones: all_special_tokens, as NeMo has it. */
gboolean neva_tokenizer_is_named (const NevaTokenizer *tokenizer, gint32 id);

#if HAVE_SENTENCEPIECE
/* Appends the ids of text [length]. */
gboolean neva_tokenizer_encode_sp (const NevaSentencepiece *sp,
    const char *text, gsize length, GArray *ids, GError **error);
#endif

/* For `slow` tokenizers. encode: not those that are `legacy`, which need no
 * other way. decode: ids of pieces that are there. (transfer full) */
gboolean neva_tokenizer_encode_slow (const NevaTokenizer *tokenizer,
    const char *text, gsize length, GArray *ids, GError **error);
char *neva_tokenizer_decode_slow (
    const NevaTokenizer *tokenizer, const gint32 *ids, gsize n_ids);

#endif /* NEVA_TOKENIZER_PRIVATE_H */
