/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Pieces back to text, one at a time: what the "decoder" of tokenizer.json or
 * sentencepiece's own rules make of them. */
#ifndef NEVA_DECODER_H
#define NEVA_DECODER_H

#include <json-glib/json-glib.h>

/* What happens to spaces at the beginning. */
typedef enum {
  NEVA_LEAD_KEEP,
  NEVA_LEAD_METASPACE, /* marks of the first piece disappear */
  NEVA_LEAD_ONE,       /* sentencepiece: one mark of the first text */
  NEVA_LEAD_ALL        /* sentencepiece with remove_extra_whitespaces */
} NevaLead;

typedef struct {
  char *from, *to;
} NevaReplacement;

/* Immutable; shared by all decodings of a tokenizer. */
typedef struct {
  gboolean byte_level;    /* pieces are GPT-2's alphabet */
  gboolean byte_fallback; /* pieces "<0xNN>" are bytes */
  gboolean whole_runs;    /* a run of such bytes that is ill-formed anywhere is
                             U+FFFD for each byte; else only the bad bytes */
  gboolean spaced;        /* no decoder at all: pieces joined by spaces */
  GArray *replacements;   /* NevaReplacement, in order; or NULL */
  NevaLead lead;
  char *strip;       /* a character that is stripped from the whole text… */
  guint strip_start; /* …at most so often */
} NevaDecoder;

/* node: may be NULL or null. (transfer full): NULL with error naming what is
 * not read here. */
NevaDecoder *neva_decoder_parse (JsonNode *node, GError **error);
NevaDecoder *neva_decoder_new_sentencepiece (NevaLead lead);
void neva_decoder_free (NevaDecoder *decoder);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaDecoder, neva_decoder_free)

/* Appends what the piece adds to a text, as bytes that need not be whole
 * characters. first: it is the first piece. */
void neva_decoder_append_bytes (const NevaDecoder *decoder, const char *piece,
    gboolean literal, gboolean first, GByteArray *bytes);

/* State of one text. streaming: characters are given out as soon as they are
 * complete, even where whole_runs would have to wait. */
typedef struct {
  const NevaDecoder *decoder;
  gboolean streaming;
  GByteArray *pending; /* bytes of characters that are not complete */
  gboolean started;    /* a piece was seen */
  gboolean lead_done;
  guint stripped;
} NevaDecoding;

void neva_decoding_init (
    NevaDecoding *decoding, const NevaDecoder *decoder, gboolean streaming);
void neva_decoding_clear (NevaDecoding *decoding);
/* literal: the piece is an added token, written as it is. */
void neva_decoding_push (
    NevaDecoding *decoding, const char *piece, gboolean literal, GString *out);
void neva_decoding_flush (NevaDecoding *decoding, GString *out);

#endif /* NEVA_DECODER_H */
