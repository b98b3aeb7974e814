/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The bytes that each token of a vocabulary adds to a text, sorted, so that a
 * grammar can walk all tokens that begin alike at once. Immutable. */
#ifndef NEVA_TOKEN_TABLE_H
#define NEVA_TOKEN_TABLE_H

#include "text/tokenizer.h"

typedef struct {
  const guint8 *bytes;
  guint32 length; /* > 0 */
  guint32 common; /* bytes that it begins with in common with the one before */
  gint32 id;
} NevaTokenBytes;

typedef struct {
  GArray *sorted;          /* NevaTokenBytes, by bytes */
  guint32 bucket[257];     /* where in `sorted` each first byte begins */
  gboolean spellable[256]; /* a token is this one byte */
  GByteArray *store;
} NevaTokenTable;

/* first: as the beginning of a text, where tokenizers drop a space. Special
 * tokens and those without text are left out. ids below `vocab` only.
 * Returns: (transfer full) */
NevaTokenTable *neva_token_table_new (
    const NevaTokenizer *tokenizer, gsize vocab, gboolean first);
void neva_token_table_free (NevaTokenTable *table);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaTokenTable, neva_token_table_free)

#endif /* NEVA_TOKEN_TABLE_H */
