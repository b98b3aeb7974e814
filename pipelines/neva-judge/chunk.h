/* SPDX-License-Identifier: LGPL-2.1-or-later */
#ifndef NEVA_JUDGE_CHUNK_H
#define NEVA_JUDGE_CHUNK_H

#include <glib.h>

/* The k-th of n parts of ceil (len / n) items, as the original cuts lists.
 * (transfer container): borrows the items. */
GPtrArray *chunk_of (const GPtrArray *list, guint n, guint k);

#endif /* NEVA_JUDGE_CHUNK_H */
