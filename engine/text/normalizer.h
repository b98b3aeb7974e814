/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The "normalizer" of tokenizer.json: rewrites text before it is cut up. */
#ifndef NEVA_NORMALIZER_H
#define NEVA_NORMALIZER_H

#include <json-glib/json-glib.h>

typedef struct _NevaNormalizer NevaNormalizer;

/* node: may be NULL or null. (transfer full): NULL with error naming the type
 * that is not read here. */
NevaNormalizer *neva_normalizer_parse (JsonNode *node, GError **error);
void neva_normalizer_free (NevaNormalizer *normalizer);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (NevaNormalizer, neva_normalizer_free)

/* text: valid UTF-8, rewritten in place; may hold NUL. */
gboolean neva_normalizer_run (
    const NevaNormalizer *normalizer, GString *text, GError **error);

#endif /* NEVA_NORMALIZER_H */
