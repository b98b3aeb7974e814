/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Byte-pair encoding: the characters of a word, merged pair by pair in the
 * order of the merge list. O(n log n) in the length of the word. */
#ifndef NEVA_BPE_H
#define NEVA_BPE_H

#include <json-glib/json-glib.h>

typedef struct _NevaBpe NevaBpe;

/* model: the "model" of tokenizer.json. ids: piece -> id + 1 of the whole
 * vocabulary (borrowed; must outlive the result). (transfer full) */
NevaBpe *neva_bpe_parse (JsonObject *model, GHashTable *ids, GError **error);
void neva_bpe_free (NevaBpe *bpe);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaBpe, neva_bpe_free)

/* Appends the ids (gint32) of one word [length] (UTF-8). Characters that the
 * vocabulary lacks become their bytes, or the unknown token, or nothing. */
void neva_bpe_encode (
    const NevaBpe *bpe, const char *word, gsize length, GArray *ids);

#endif /* NEVA_BPE_H */
