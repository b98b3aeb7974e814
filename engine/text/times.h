/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* LITA's time tokens (spec 2.6): <t0> … <tM> divide a video evenly, <t0> is its
 * beginning and <tM> its end. */
#ifndef NEVA_TIMES_H
#define NEVA_TIMES_H

#include "tokenizer.h"

typedef struct {
  double seconds;  /* the video's length; 0: unknown, nothing is replaced */
  guint tokens;    /* M + 1; at least 2 */
  gboolean legacy; /* the tokenizer is NeMo's sentencepiece_legacy */
} NevaTimes;

/* A question with "<12.5s>", " 12.5s." and " 12.5 seconds" as "<tN>", and no
 * white space at its ends. A time beyond the end gives an N beyond M, as in the
 * original, and a warning. (transfer full): NULL with error: the tokenizer
 * lacks a token that is needed. */
char *neva_times_encode (const NevaTimes *times, const NevaTokenizer *tokenizer,
    const char *text, GError **error);

/* An answer with "<seconds>", two decimals at most, for each "<tN>". (transfer
 * full) */
char *neva_times_decode (const NevaTimes *times, const char *text);
/* Bytes of `text` that cannot be the beginning of a "<tN>" any more. */
gsize neva_times_certain (const char *text);

/* The same as the original does it: through the tokenizer and back, which may
 * put a space before a time. (transfer full) */
char *neva_times_decode_ids (
    const NevaTimes *times, const NevaTokenizer *tokenizer, const char *text);

#endif /* NEVA_TIMES_H */
