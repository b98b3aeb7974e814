/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* KV caches of finished answers, kept so that a question that begins like an
 * earlier one (same frames, same words) need not feed that part again. Worker
 * thread only. */
#ifndef NEVA_PREFIX_H
#define NEVA_PREFIX_H

#include "runtime/driver.h"

/* Enough for a few streams that ask several questions about each clip. */
#define NEVA_MAX_PREFIXES 4

/* What a sequence has been fed. Media rows are compared by the identity of the
 * embedding, everything else by value. combined: every row depends on all
 * frames. */
typedef struct {
  GArray *ids;    /* gint32 */
  GArray *frames; /* guint64, ids of embeddings in order */
  gsize media_start, media_len;
  GArray *slots; /* as NevaPrompt has it, or NULL */
} NevaFed;

NevaFed *neva_fed_new (const NevaPrompt *prompt, NevaEmbedding *const *frames,
    gsize n_frames, gboolean combined);
void neva_fed_free (NevaFed *fed);
/* How many of the first `a_length` tokens of `a` begin `b`, whose last token
 * does not count: something has to be fed. */
gsize neva_fed_common (const NevaFed *a, gsize a_length, const NevaFed *b);

typedef struct _NevaPrefixes NevaPrefixes;

NevaPrefixes *neva_prefixes_new (NevaDriver *driver);
void neva_prefixes_free (NevaPrefixes *prefixes);

/* Takes sequence and fed; `length` tokens of `fed` are in the sequence. */
void neva_prefixes_put (NevaPrefixes *prefixes, NevaDriverSequence *sequence,
    NevaFed *fed, gsize length);
/* (transfer full): a sequence with the longest beginning of `fed` that is there
 * (neva_fed_common ()), its length in *length; NULL when none is longer than
 * `known`. */
NevaDriverSequence *neva_prefixes_take (
    NevaPrefixes *prefixes, const NevaFed *fed, gsize known, gsize *length);
/* The longest beginning of `fed` that is there. */
gsize neva_prefixes_longest (const NevaPrefixes *prefixes, const NevaFed *fed);
/* Drops the oldest one but that. Returns: FALSE when there is no other. */
gboolean neva_prefixes_drop_other (NevaPrefixes *prefixes, const NevaFed *fed);
/* Returns: TRUE if there was something to drop. */
gboolean neva_prefixes_drop_all (NevaPrefixes *prefixes);

#endif /* NEVA_PREFIX_H */
