/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The "pre_tokenizer" of tokenizer.json: cuts text into words, across which
 * nothing is merged. */
#ifndef NEVA_PRETOKENIZER_H
#define NEVA_PRETOKENIZER_H

#include <json-glib/json-glib.h>
#include "pattern.h"

typedef struct _NevaPretokenizer NevaPretokenizer;

/* Text and how it is cut; words follow each other without overlap. */
typedef struct {
  GString *text;
  GArray *words; /* NevaSpan */
} NevaWords;

/* node: may be NULL or null. (transfer full): NULL with error naming the type
 * that is not read here. */
NevaPretokenizer *neva_pretokenizer_parse (JsonNode *node, GError **error);
void neva_pretokenizer_free (NevaPretokenizer *pretokenizer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaPretokenizer, neva_pretokenizer_free)

/* Cuts the words further and may rewrite the text. at_start: the first word is
 * at the beginning of what the user wrote. */
gboolean neva_pretokenizer_run (const NevaPretokenizer *pretokenizer,
    NevaWords *words, gboolean at_start, GError **error);

#endif /* NEVA_PRETOKENIZER_H */
