/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* NeMo's special strings as user-defined pieces of a sentencepiece model. */
#ifndef NEVA_PIECES_H
#define NEVA_PIECES_H

#include "text/tokenizer.h"

/* model: a tokenizer.model; <extra_id_0> to <extra_id_7> are appended to it, as
 * NeMo's own script does, unless `tokenizer`, which was read from it, has them.
 * *n: pieces of the result. (transfer full) */
GBytes *neva_pieces_append (
    GBytes *model, const NevaTokenizer *tokenizer, gsize *n);

#endif /* NEVA_PIECES_H */
